"""What every page that changes a key begins and ends with."""

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse

from audit.ledger.target import Target
from keys.access import access_key, tenant_of_key
from keys.models import ApiKey
from portal.tenancy.actors import Actor
from portal.tenancy.pages.forms import FormPage
from portal.tenancy.permission import attempt, require


def require_writing(actor: Actor, tenant_id: str, target: Target) -> None:
    """Refuse who may only look, before anything typed is judged, and record that they tried."""
    with attempt(actor, tenant_id, "keys:write", target):
        require(actor, "keys:write")


class KeyFormPage(FormPage):
    """A page at `/admin/keys/<id>/…` with a form that changes this key."""

    needs = "keys:read"
    changes: ClassVar[str] = "keys:write"
    section = "keys"
    key_id: str
    tenant_id: str

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show what would happen, to who may do it."""
        self.find(**kwargs)
        require(self.actor, self.changes)
        return self.show()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Do it."""
        self.find(**kwargs)
        require_writing(self.actor, self.tenant_id, Target("key", self.key_id))
        return super().post(request, *args, **kwargs)

    def find(self, id: str, **_: Any) -> None:
        """Which key, and whose; raises Refusal NOT_FOUND. Outside of any scope."""
        self.key_id, self.tenant_id = id, tenant_of_key(self.actor, id)

    def key(self) -> ApiKey:
        """The key. Inside a scope."""
        return access_key(self.actor, self.key_id, tenant_id=self.tenant_id)
