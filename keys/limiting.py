"""Which limits a key is under: its own rows, and the tenant's shared ones that it joins."""

from collections.abc import Sequence

from django.db.models import F

from keys.definitions import Counter, LimitDefinition
from keys.models import ApiKey, KeyLimit, Limit
from portal.core.refusals import Refusal


def counter_of(limit: Limit) -> Counter:
    """The identity of a row's counter, within the key or the tenant."""
    shared_by = "key" if limit.key_id else "tenant"
    return Counter(shared_by, limit.name, limit.unit, limit.window, limit.algorithm)


def put_under(key: ApiKey, definitions: Sequence[LimitDefinition]) -> None:
    """Make these the key's limits, in this order, in place of all it had.

    A row whose counter stays is kept, so that it goes on counting from what it is. Refuses with
    CONFLICT a shared limit that is defined otherwise.
    """
    shared = _join(key, [d for d in definitions if d.shared_by == "tenant"])
    own = _keep(key, [d for d in definitions if d.shared_by == "key"])
    rows = {**shared, **own}
    KeyLimit.objects.filter(key=key).delete()
    KeyLimit.objects.bulk_create(
        KeyLimit(tenant_id=key.tenant_id, key=key, limit=rows[d.counter], position=place)
        for place, d in enumerate(definitions)
    )
    Limit.objects.filter(key=key).exclude(id__in=[limit.id for limit in own.values()]).delete()
    _refuse_others(definitions, shared)


def _row(key: ApiKey, definition: LimitDefinition) -> Limit:
    return Limit(
        tenant_id=key.tenant_id, key=key if definition.shared_by == "key" else None,
        name=definition.name, unit=definition.unit, amount=definition.amount,
        window=definition.window, algorithm=definition.algorithm, burst=definition.burst,
    )  # fmt: skip


def _join(key: ApiKey, definitions: Sequence[LimitDefinition]) -> dict[Counter, Limit]:
    """The shared rows of these counters. Who defines one first defines it for all.

    The insert waits for a concurrent one of the same counter; in one order, so that two keys that
    bring the same two limits never wait for each other.
    """
    if not definitions:
        return {}
    rows = [_row(key, d) for d in sorted(definitions, key=lambda d: d.counter)]
    Limit.objects.bulk_create(rows, ignore_conflicts=True)
    held = Limit.objects.filter(
        tenant_id=key.tenant_id, key=None, name__in=[d.name for d in definitions]
    )
    wanted = {d.counter for d in definitions}
    return {counter_of(limit): limit for limit in held if counter_of(limit) in wanted}


def _keep(key: ApiKey, definitions: Sequence[LimitDefinition]) -> dict[Counter, Limit]:
    """The key's own rows of these counters, with their new amounts."""
    held = {counter_of(limit): limit for limit in Limit.objects.filter(key=key)}
    for definition in definitions:
        limit = held.get(definition.counter)
        if limit is None:
            held[definition.counter] = limit = _row(key, definition)
            limit.save(force_insert=True)
        elif (limit.amount, limit.burst) != (definition.amount, definition.burst):
            Limit.objects.filter(id=limit.id).update(
                amount=definition.amount, burst=definition.burst, version=F("version") + 1
            )
    return {d.counter: held[d.counter] for d in definitions}


def _refuse_others(definitions: Sequence[LimitDefinition], shared: dict[Counter, Limit]) -> None:
    errors = []
    for place, definition in enumerate(definitions):
        limit = shared.get(definition.counter)
        if limit and (limit.amount, limit.burst) != (definition.amount, definition.burst):
            detail = f"The tenant's keys share it with another amount or burst: change {limit.id}."
            errors.append({"detail": detail, "pointer": f"/limits/{place}"})
    if errors:
        raise Refusal("CONFLICT", "A shared limit is defined once for all its keys.", errors)
