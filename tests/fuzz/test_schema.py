"""The whole schema, as a stranger's tool reads it: right and wrong requests for every operation."""

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import requests
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import Case as AnyCase
from schemathesis import GenerationMode, Response
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi import checks

from keys.models import Limit
from keys.suspension import suspend_key
from portal.core.problem_codes import PROBLEMS
from portal.openapi import document
from portal.tenancy.scope import tenant_scope
from portal.tenancy.sso.configuring import Definition, create_provider
from portal.tenancy.sso.deprovisioning import create_deprovisioning_token
from tests.cast import OPERATOR, SCOPES, make_cast, person
from tests.fuzz.effort import effort
from tests.fuzz.kinds import BODIES, Kinds, deserves, issue_kinds, read
from tests.fuzz.narrowed import Values, ids_in, narrowed
from tests.processes import CheckServer

load_all_checks()
Case = AnyCase[Any]
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, operations in document()["paths"].items()
    for method in operations
]
CHECKS: list[Any] = [
    checks.status_code_conformance, checks.content_type_conformance,
    checks.response_schema_conformance, checks.response_headers_conformance,
    checks.allow_header_conformance,
]  # fmt: skip
ACTS = ("/revoke", "/suspend", "/resume")
LATER = "2199-12-31T23:59:59Z"
WHO = ["owner"] * 9 + ["viewer", "foreign", "gateway", "key", "nobody", "none"]


class World:
    """A tenant with keys and limits, everybody's credentials, and another tenant."""

    def __init__(self) -> None:
        self.acme, globex = make_cast("acme", owner="Ada"), make_cast("globex", owner="Cy")
        self.kinds = issue_kinds(self.acme, globex)
        self.managers = {
            "owner": self.acme.token, "viewer": self.acme.token_of("viewer"),
            "foreign": globex.token, "gateway": self.acme.gateway_token,
            "key": self.kinds.good["any"], "nobody": "csm_live_" + "0" * 61, "none": "",
        }  # fmt: skip
        self.gateways = self.managers | {
            "owner": self.acme.gateway_token, "foreign": globex.gateway_token,
            "gateway": self.acme.token,
        }  # fmt: skip
        self.directories = self.managers | {"owner": self.directory()}

    def directory(self) -> str:
        """What ends memberships."""
        who: dict[str, Any] = {"actor": OPERATOR, "tenant_id": self.acme.tenant.id}
        definition = Definition(name="idp", issuer="https://idp.example", client_id="c")
        provider = create_provider(**who, definition=definition)
        issued = create_deprovisioning_token(**who, provider_id=provider.id, name="directory")
        return issued.secret.reveal()

    def keys(self, *, suspended: bool = False) -> list[str]:
        """Eight keys that nothing else has happened to yet."""
        keys = [self.acme.issue(**BODIES["limited"]).key.id for _ in range(8)]
        for key in keys if suspended else ():
            suspend_key(actor=self.acme.owner, key_id=key, reason="a test")
        return keys

    def values(self) -> Values:
        """What requests may say here."""
        acme, keys = self.acme, self.keys()
        with tenant_scope(acme.tenant.id):
            limits = [limit.id for limit in Limit.objects.filter(tenant_id=acme.tenant.id)]
        return {
            "tenant": [acme.tenant.slug], "id of keys": keys, "id of limits": limits,
            "id of members": [person(acme.tenant, "Leaver", "viewer")[0].id], "email": [],
            "If-Match": [", ".join(f'"{n}"' for n in range(1, 150))], "group": ["hour,key", "code"],
            "owner": [m.id for m in acme.memberships.values()], "api": [acme.api.slug],
            "scopes": [scope.name for scope in SCOPES if scope.risk == "low"],
            "allowed_cidrs": ["10.0.0.0/8", "2001:db8::/32"], "model": ["small", "large"],
            "key": [*self.kinds.good.values(), *self.kinds.never[:2]], "method": ["GET", "POST"],
            "path": ["/v1/models", "/v1/chat/completions", "/v1/models/", "/v1//models"],
            "X-Original-Method": ["GET", "POST"], "X-Real-IP": ["203.0.113.9", "10.0.0.1", ""],
            "X-Original-URI": ["/v1/models?a=b", "/v1/models", "/v1/files", "/v1/models;a"],
            "x-api-key": [*self.kinds.good.values(), *self.kinds.never[:2]],
            "cursor": [], "subject": [], "purpose": [], "since": ["2026-11-01T00:00:00Z"],
            "until": ["2026-11-20T23:00:00+02:00"],
            "reason": ["because"], "name": ["a name", "имя", "名前"], "expires_at": [LATER],
            "ip": ["203.0.113.9", "2001:db8::1", "::ffff:10.0.0.1"],
        }  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def operations(world: World) -> dict[str, st.SearchStrategy[Case]]:
    """Requests for each operation: half of them right and about what is here, half of them wrong.

    What is wrong is so by the schema as it is published, at addresses that exist.
    """
    values = world.values()
    right, wrong = by_label(narrowed(document(), values)), by_label(document())
    for act in ACTS:
        # Keys of its own: one that another act has revoked can only be refused.
        fresh = {**values, "id of keys": world.keys(suspended=act == "/resume")}
        own = by_label(narrowed(document(), fresh))
        right |= {label: found for label, found in own.items() if label.endswith(act)}
    found = {}
    for label, operation in right.items():
        here = {"tenant": values["tenant"][0], "id": values[ids_in(label)][0]}
        fixed = {name: value for name, value in here.items() if f"{{{name}}}" in label}
        current = {"If-Match": values["If-Match"][0]} if label.startswith("PATCH") else None
        as_wrong = partial(wrong[label].as_strategy, GenerationMode.NEGATIVE, path_parameters=fixed)
        as_right = operation.as_strategy(GenerationMode.POSITIVE)
        found[label] = st.one_of(as_right, as_right, as_wrong(), as_wrong(headers=current))
    return found


def by_label(described: dict[str, Any]) -> dict[str, Any]:
    """A document's operations; who asks is said elsewhere."""
    anonymous = deepcopy(described)
    for path in anonymous["paths"].values():
        for operation in path.values():
            operation["security"] = []
    schema = schemathesis.openapi.from_dict(anonymous)
    every: Any = schema.get_all_operations()
    return {found.ok().label: found.ok() for found in every}


@pytest.fixture(scope="module")
def ask(world: World, checker: CheckServer) -> Callable[[Case, str], Response]:
    """Sends a case as somebody: to Django's own handler, or to a check process."""
    session = requests.Session()
    portal = partial(Case.call, app=get_wsgi_application())
    gateway = partial(Case.call, session=session, base_url=f"http://127.0.0.1:{checker.port}")

    def send(case: Case, who: str) -> Response:
        if "/tenants/" in case.path:
            held = world.directories if "/members" in case.path else world.managers
            return portal(case, headers={"Authorization": f"Bearer {held[who]}"})
        name = "X-Countersign-Gateway" if case.path.endswith("nginx") else "Authorization"
        bearer = "" if name != "Authorization" else "Bearer "
        return gateway(case, headers={name: bearer + world.gateways[who]})

    return send


def assert_right(case: Case, who: str, answer: Response, kinds: Kinds) -> None:
    """Whatever was asked: as documented, closed, and told in the documented form."""
    status, said = answer.status_code, answer.json() if answer.content else {}
    assert status < 500, answer.content
    assert answer.headers["cache-control"] == ["no-store"]
    if status >= 400 and "/authorize/" not in case.path:
        assert answer.headers["content-type"] == ["application/problem+json"]
        assert PROBLEMS[said["code"]].status == status == said["status"]
    if who not in ("owner", "viewer", "foreign"):
        assert status in (401, 405)
    if "/tenants/" in case.path:
        assert who != "foreign" or status in (404, 405)
        assert who != "viewer" or case.method == "GET" or status in (403, 404, 405)
    elif case.path == "/v1/keys/check" and said.get("allowed"):
        sent = answer.request.body
        assert isinstance(sent, bytes)
        assert who == "owner"
        assert deserves(kinds, read(sent))


@pytest.mark.parametrize("label", OPERATIONS)
def test_whatever_is_asked_the_answer_is_a_documented_one(
    label: str, operations: dict[str, st.SearchStrategy[Case]], world: World,
    ask: Callable[[Case, str], Response],
) -> None:  # fmt: skip
    met: Counter[int] = Counter()

    @effort()
    @given(asked=st.tuples(operations[label], st.sampled_from(WHO)))
    def answers_rightly(asked: tuple[Case, str]) -> None:
        case, who = asked
        answer = ask(case, who)
        refused = answer.status_code in (412, 413)  # refusals that it does not think of
        case.validate_response(
            answer, checks=CHECKS if refused else [*CHECKS, checks.negative_data_rejection]
        )
        assert_right(case, who, answer, world.kinds)
        met[answer.status_code] += 1

    answers_rightly()
    print(label, dict(met))
    assert any(200 <= status < 300 for status in met), "nothing that was right was asked"
