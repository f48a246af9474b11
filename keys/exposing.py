"""Record that a credential was exposed, as the check processes noted it."""

from typing import Final

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from audit.ledger.who import Who
from keys.models import ApiKey, Exposed
from portal.tenancy.change import platform_change
from portal.tenancy.models import Gateway

AT_ONCE: Final = 100
WAYS: Final = {"query": "in a query string", "plain": "over plain HTTP"}


def record_exposed(*, actor: Who) -> int:
    """Move the notes into the ledger; how many there were. Two at once record each one once."""
    with platform_change("keys and gateways of every tenant are exposed"):
        notes = list(Exposed.objects.select_for_update(skip_locked=True)[:AT_ONCE])
        names = {
            **dict(_names(ApiKey, notes, "key")), **dict(_names(Gateway, notes, "gateway")),
        }  # fmt: skip
        for note in notes:
            credential = "API key" if note.kind == "key" else "gateway token"
            kind = credential.replace(" ", "_").lower()
            record(
                Event.CREDENTIAL_EXPOSED, actor=actor, tenant=note.tenant_id, outcome="denied",
                target=Target(kind, note.object_id, names.get(note.object_id, "")),
                payload={"credential": credential, "way": WAYS[note.way]},
            )  # fmt: skip
            note.delete()
    return len(notes)


def _names(
    model: type[ApiKey] | type[Gateway], notes: list[Exposed], kind: str
) -> list[tuple[str, str]]:
    ids = [note.object_id for note in notes if note.kind == kind]
    return list(model._default_manager.filter(id__in=ids).values_list("id", "name"))
