"""The way to the first decision, shown until there is a key."""

from typing import NamedTuple

from portal.overview.attention import address
from portal.overview.standing import Standing, TenantLine
from portal.tenancy.actors import Actor


class Step(NamedTuple):
    """One step; `state` is a class of `ol.steps`: done, now or off."""

    state: str
    words: str
    why: str
    url: str


def first_steps(actor: Actor, whole: TenantLine, tenants: int, standing: Standing) -> list[Step]:
    """What to make first, in order; empty once there is a key."""
    if sum(whole.states.values()):
        return []
    asked = [
        (bool(tenants), "tenant-new", "tenants", "tenants:write", "Create a tenant",
         "Whose keys and people these are."),
        (bool(standing.apis), "api-new", "apis", "apis:write", "Describe an API",
         "Its scopes and routes: what a key may be allowed."),
        (bool(standing.gateways), "gateway-new", "gateways", "gateways:write", "Create a gateway",
         "Who asks. Its credential is shown once."),
        (False, "key-new", "keys", "keys:write", "Create a key",
         "What a service may do, from where, how often, until when. Its secret is shown once."),
    ]  # fmt: skip
    found, reached = [], False
    for done, new, listed, action, words, why in asked:
        state = "" if done else "off" if reached else "now"
        reached = reached or not done
        url = address(listed) if done or not actor.may(action) else address(new) or address(listed)
        found.append(Step(state, words, why, url))
    return found
