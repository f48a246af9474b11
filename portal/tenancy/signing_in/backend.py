"""People for Django's authentication, found without a tenant's scope."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.db import connection

from portal.tenancy.models import Person

COLUMNS = (
    "id", "email", "name", "password", "platform_role", "is_active", "created_at",
    "last_sign_in_at",
)  # fmt: skip


def person_by(*, id: str | None = None, email: str | None = None) -> Person | None:
    """The person with this id or this address; None for nobody."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(COLUMNS)} FROM tenancy_person_read(%s, %s)",  # noqa: S608 - ours
            [id, email and email.lower()],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    person = Person(**dict(zip(COLUMNS, row, strict=True)))
    person._state.adding, person._state.db = False, "default"
    return person


class People(BaseBackend):
    """Who a session belongs to. Sign-in is portal.tenancy.signing_in's own, so none is here."""

    def authenticate(self, request: Any, **credentials: Any) -> None:
        """Nobody: a password alone signs nobody in."""

    def get_user(self, user_id: Any) -> Person | None:
        """The person of a session, unless they were disabled: on their very next request."""
        person = person_by(id=str(user_id))
        return person if person is not None and person.is_active else None
