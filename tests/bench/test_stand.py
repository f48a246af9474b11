"""Keys that are made by SQL are keys: what is measured is what the verbs would have made."""

import os
from typing import Any

import psycopg

from bench import stand
from keys.models import ApiKey
from portal.tenancy.scope import tenant_scope
from tests.cast import Cast
from tests.processes import CheckServer


def test_a_copy_is_allowed_with_limits_of_its_own(checker: CheckServer, acme: Cast) -> None:
    issued = acme.issue(scopes=["chat:write"], limits=stand.LIMITS)
    copies = stand.copies(os.environ["DATABASE_OWNER_URL"], issued.key.id, 2)
    for text in (issued.secret.reveal(), *copies):
        told = checker.check(acme.gateway_token, text, usage={"requests": 1, "tokens": 7})
        assert told["code"] == "OK"
        left = {limit["name"]: limit["limit"] - limit["remaining"] for limit in told["limits"]}
        assert left == {"second": 1, "day": 7}, "another key has spent of it"


def test_the_table_is_filled_up_to_so_many(acme: Cast, owner_db: "psycopg.Connection[Any]") -> None:
    issued = acme.issue(scopes=["chat:write"], limits=stand.LIMITS)
    (there,) = owner_db.execute("SELECT count(*) FROM keys_apikey").fetchone() or (0,)
    stand.fill(os.environ["DATABASE_OWNER_URL"], issued.key.id, there + 20)
    with tenant_scope(acme.tenant.id):
        assert ApiKey.objects.filter(tenant_id=acme.tenant.id).count() == 21
