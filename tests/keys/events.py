"""What the ledger holds of an object."""

from audit.ledger.models import Entry
from portal.tenancy.scope import platform_scope


def events_of(object_id: str) -> list[str]:
    """Types of its entries, the oldest first."""
    with platform_scope("tests look at the record"):
        rows = Entry.objects.filter(object_id=object_id).order_by("occurred_at", "id")
        return [f"{row.type} {row.outcome}" for row in rows]
