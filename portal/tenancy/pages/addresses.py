"""What an address of a page may hold."""

from django.urls import register_converter


class ObjectId:
    """An id of ours in an address: it never looks like one of Django's app labels."""

    regex = "[a-z]{2,3}_[0-9A-Za-z]{1,32}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(ObjectId, "id")
