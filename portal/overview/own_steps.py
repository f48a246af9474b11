"""A tenant's way to its first decision, shown until one of its keys was used."""

from collections.abc import Callable

from django.urls import NoReverseMatch

from portal.overview.own_standing import Own
from portal.overview.steps import Step
from portal.tenancy.actors import Actor

GUIDE = "guide"
"""The URL name of the page that says how to put a gateway in front, where there is one."""


def own_steps(actor: Actor, own: Own, url: Callable[..., str]) -> list[Step]:
    """What to do first, in order; empty once a key was used."""
    if own.ever:
        return []
    asked = [
        (bool(own.apis), "", "Be granted an API",
         "What a key may be allowed. The platform's administrators grant it."),
        (bool(own.keys), _known(url, "key-new") if actor.may("keys:write") else "", "Issue a key",
         "What a service may do, from where, how often, until when. Its secret is shown once."),
        (bool(own.active) and not own.unasked, _known(url, GUIDE), "Put the gateway in front",
         "It stands before the API and asks about each request's key."),
        (False, _known(url, "decisions"), "See the first decision",
         "Every answer stands in the log a moment later."),
    ]  # fmt: skip
    found, reached = [], False
    for done, address, words, why in asked:
        state = "" if done else "off" if reached else "now"
        reached = reached or not done
        found.append(Step(state, words, why, address))
    return found


def _known(url: Callable[..., str], name: str) -> str:
    try:
        return url(name)
    except NoReverseMatch:
        return ""
