"""What a key may be given within its tenant: an Api, an owner, scopes, networks."""

from collections.abc import Iterable

from portal.core.cidrs import is_everything
from portal.core.refusals import Faults, Refusal, refuse
from portal.tenancy.apis import usable_apis
from portal.tenancy.models import Api, Membership, Scope
from portal.tenancy.permission import ID


def api_for(tenant_id: str, slug: str | None) -> Api:
    """The tenant's own or granted Api of this slug; its only one when none is named."""
    apis = {api.slug: api for api in usable_apis(tenant_id)}
    if slug is None and len(apis) == 1:
        return next(iter(apis.values()))
    if slug is None:
        refuse("The tenant may use several Apis, or none: name one.", "/api")
    if slug not in apis:
        refuse("The tenant may use no such Api.", "/api")
    return apis[slug]


def owner_for(tenant_id: str, membership_id: str | None) -> Membership:
    """The active membership that is to own a key."""
    members = Membership.objects.filter(tenant_id=tenant_id, is_active=True, person__is_active=True)
    named = membership_id if membership_id and ID.fullmatch(membership_id) else None
    owner = members.filter(id=named).first()
    if owner is None:
        refuse("An active membership of the tenant is needed.", "/owner")
    return owner


def require_scopes(api_id: str, scopes: Iterable[str], held: Iterable[str] = ()) -> None:
    """Refuse scopes that the Api lacks, and new ones of high risk; those already `held` stay."""
    risks = dict(Scope.objects.filter(api_id=api_id).values_list("name", "risk"))
    places = {place: name for place, name in enumerate(scopes) if name not in set(held)}
    faults = Faults()
    for place, name in places.items():
        if name not in risks:
            faults.add(f"/scopes/{place}", "The Api has no such scope.")
    faults.settle()
    high = [place for place, name in places.items() if risks[name] == Scope.Risk.HIGH]
    if high:
        detail = "A scope of high risk needs a second person's approval."
        raise Refusal(
            "APPROVAL_REQUIRED",
            errors=[{"detail": detail, "pointer": f"/scopes/{place}"} for place in high],
        )


def require_networks(environment: str, cidrs: Iterable[str]) -> None:
    """Refuse a live key's network that is no restriction."""
    faults = Faults()
    for place, cidr in enumerate(cidrs):
        if environment == "live" and is_everything(cidr):
            faults.add(
                f"/allowed_cidrs/{place}",
                "A live key's networks can't hold every address; leave the list empty for any.",
            )
    faults.settle()
