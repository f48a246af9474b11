"""Tenants never meet: PostgreSQL itself refuses, whatever the application forgets."""

import ast
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from keys.models import ApiKey
from portal.core.clock import now
from portal.tenancy.apis import create_api
from portal.tenancy.models import (
    Api,
    Gateway,
    IdempotencyRecord,
    Person,
    Tenant,
    TenantInvitation,
)
from portal.tenancy.scope import ScopeError, platform_scope, tenant_scope
from tests.cast import OPERATOR, Cast
from tests.plugin import ROOT

Db = psycopg.Connection[Any]

WITHOUT_TENANT = {
    "tenancy_tenant": "its id is the tenant",
    "tenancy_person": "seen through a membership",
    "tenancy_scope": "seen through its Api",
    "tenancy_route": "seen through its Api",
    "tenancy_gateway": "seen through a binding",
    "core_mail": "people's, who may be in several tenants",
    "tenancy_session": "a person's, who may be in several tenants: the platform's",
    "tenancy_totp": "a person's",
    "tenancy_recoverycode": "a person's",
    "tenancy_passkey": "a person's",
    "django_otp_webauthn_webauthnuserhandle": "a person's",
    "django_otp_webauthn_webauthncredential": "unused: tenancy_passkey is in its place",
    "django_otp_webauthn_webauthnattestation": "unused: no attestation is asked",
    "tenancy_invitation": "a person's to be",
    "tenancy_passwordreset": "a person's",
    "tenancy_externalidentity": "a person's; seen through a membership, at the tenant's own issuer",
    "tenancy_tries": "digests of who tried to sign in",
    "keys_unknownkeys": "of no tenant: seen by the platform alone",
    "keys_drainposition": "of no tenant: seen by the platform alone",
}
"""Tables without `tenant_id` that row security protects by other means."""

UNPROTECTED = {
    "core_outbox": "ids and numbers, written by everybody's changes and read by the poll",
    "django_migrations": "names of migrations",
    "django_content_type": "names of models",
    "auth_permission": "names of permissions",
    "auth_group": "unused: roles are in portal.tenancy.roles",
    "django_admin_log": "Django's admin never writes here: it only shows rows",
    "tenancy_usedform": "digests of forms that were sent; the id of what each made",
    "auth_group_permissions": "unused: roles are in portal.tenancy.roles",
}
"""Tables that hold nobody's rows."""

PLATFORM_CALLERS = {
    "audit/pages/exporting.py:export_entries",
    "keys/access.py:_tenant_of",
    "keys/exposing.py:record_exposed",
    "keys/demo.py:_held",
    "keys/demo.py:_one",
    "portal/records/readonly.py:_within",
    "portal/tenancy/apis.py:_change",
    "portal/tenancy/apis.py:grant_api",
    "portal/tenancy/apis.py:withdraw_grant",
    "portal/tenancy/attempts.py:_scope_of",
    "portal/tenancy/change.py:platform_change",
    "portal/tenancy/gateways.py:change_gateway",
    "portal/tenancy/invitations.py:invite_member",
    "portal/tenancy/invitations.py:send_invitation_again",
    "portal/tenancy/pages/join.py:dispatch",
    "portal/tenancy/pages/join.py:invitation",
    "portal/tenancy/signing_in/joining.py:join",
    "portal/tenancy/signing_in/joining.py:join_anew",
    "portal/tenancy/signing_in/joining.py:offer_to",
    "portal/tenancy/signing_in/joining.py:offers_to",
    "portal/tenancy/gateways.py:create_gateway",
    "portal/tenancy/gateways.py:disable_gateway",
    "portal/tenancy/management/commands/create_gateway.py:_api_id",
    "portal/tenancy/management/commands/disable_person.py:act",
    "portal/tenancy/management/commands/setup_link.py:renewed",
    "portal/tenancy/management/verb.py:tenant_named",
    "portal/tenancy/memberships.py:add_member",
    "portal/tenancy/pages/page.py:scope",
    "portal/tenancy/people.py:_turn",
    "portal/tenancy/people.py:create_person",
    "portal/tenancy/permission.py:platform_attempt",
    "portal/tenancy/pages/set_up.py:invitation",
    "portal/tenancy/pages/reset.py:reset",
    "portal/tenancy/signing_in/changing.py:_proved",
    "portal/tenancy/signing_in/changing.py:has_factor",
    "portal/tenancy/signing_in/ending.py:end_other_sessions",
    "portal/tenancy/signing_in/ending.py:end_session",
    "portal/tenancy/signing_in/ending.py:sign_person_out",
    "portal/tenancy/signing_in/enforcing.py:refuse_past_sso",
    "portal/tenancy/signing_in/inviting.py:invite_first",
    "portal/tenancy/signing_in/inviting.py:invite_oneself",
    "portal/tenancy/signing_in/inviting.py:invite_person",
    "portal/tenancy/signing_in/noting.py:_note",
    "portal/tenancy/signing_in/own_passkeys.py:add_passkey",
    "portal/tenancy/signing_in/own_passkeys.py:begin_passkey",
    "portal/tenancy/signing_in/own_passkeys.py:remove_passkey",
    "portal/tenancy/signing_in/own_passkeys.py:rename_passkey",
    "portal/tenancy/signing_in/passkeys.py:has_passkeys",
    "portal/tenancy/signing_in/passkeys.py:passkey_in",
    "portal/tenancy/signing_in/passkeys.py:request_options",
    "portal/tenancy/signing_in/passwordless.py:sign_in_by_passkey",
    "portal/tenancy/signing_in/setting_up.py:accept_invitation",
    "portal/tenancy/signing_in/setting_up.py:set_up_first_administrator",
    "portal/tenancy/signing_in/resetting.py:ask_for_reset",
    "portal/tenancy/sso/proving.py:step_up_through",
    "portal/tenancy/signing_in/resetting.py:reset_password",
    "portal/tenancy/signing_in/signing.py:sign_in",
    "portal/tenancy/signing_in/signing.py:sign_in_by_password",
    "portal/tenancy/signing_in/signing.py:sign_out",
    "portal/tenancy/signing_in/stepping_up.py:step_up",
    "portal/tenancy/signing_in/stepping_up.py:step_up_by_password",
    "portal/tenancy/jobs/kinds.py:scope_of",
    "portal/tenancy/jobs/working.py:forget_jobs",
    "portal/tenancy/jobs/working.py:left_behind",
    "portal/tenancy/mailing.py:deliver_waiting",
    "portal/tenancy/mailing.py:read_mail",
    "portal/tenancy/people.py:change_platform_role",
    "portal/tenancy/tasks.py:forget_invitations",
    "portal/tenancy/tasks.py:forget_mails",
    "portal/tenancy/tasks.py:forget_requests",
    "portal/tenancy/tasks.py:forget_sign_ins",
    "portal/tenancy/sso/arriving.py:_create",
    "portal/tenancy/sso/arriving.py:_known",
    "portal/tenancy/sso/arriving.py:sign_in_through",
    "portal/tenancy/sso/arriving.py:sign_in_with_code",
    "portal/tenancy/sso/deprovisioning.py:_end_sessions",
    "portal/tenancy/sso/linking.py:invite_to_link",
    "portal/tenancy/sso/linking.py:link_identity",
    "portal/tenancy/sso/linking.py:open_links",
    "portal/tenancy/sso/linking.py:prove_before_linking",
    "portal/tenancy/sso/linking.py:unlink_identity",
    "portal/tenancy/sso/second_factor.py:set_up_factor",
    "portal/tenancy/tenants.py:_turn",
    "portal/tenancy/tenants.py:create_tenant",
}
"""Every function that sees all tenants. Think before you add one: each is a way around a wall."""

HELD = """
INSERT INTO keys_decision (id, tenant_id, at, key_id, kid, gateway_id, code, units, method, route,
    model, subject_ref, purpose)
    VALUES (gen_random_uuid(), %(tenant)s, now(), 'k', 'k', 'g', 'OK', '{}', '', '', '', '', '');
INSERT INTO tenancy_job (id, tenant_id, kind, asked, actor_kind, actor_id, state, done, place,
    parts, file_name, content_type, failure, asked_at) VALUES (%(id)s, %(tenant)s, 'k', '{}',
    'user', 'p', 'done', 0, '', 0, '', '', '', now());
INSERT INTO tenancy_jobpart (job_id, tenant_id, number, data) VALUES (%(id)s, %(tenant)s, 0, '');
INSERT INTO keys_hourlyusage VALUES (%(tenant)s, 'k', now(), 'OK', 1, '{}');
INSERT INTO keys_topkey VALUES (1, %(id)s, %(tenant)s, 'api', 1, 0, now());
INSERT INTO keys_quotawindow VALUES (%(tenant)s, %(id)s, now(), now(), 1);
INSERT INTO keys_secretuse VALUES (%(id)s, %(tenant)s, 'k', now(), NULL);
INSERT INTO keys_seen VALUES (%(id)s, 'scope', 'chat:write', %(tenant)s, now(), now());
INSERT INTO keys_exposed VALUES (%(id)s, 'query', 'key', 'k', %(tenant)s, '', now());
INSERT INTO tenancy_identityprovider (id, tenant_id, name, issuer, client_id, sealed_secret, scopes,
    role_claim, role_map, default_role, mfa_acr, mfa_amr, trusts_email, enforced, is_active,
    version, created_at) VALUES (%(id)s, %(tenant)s, 'p', 'https://p.example', 'c', '', '{openid}',
    '', '[]', '', '{}', '{}', false, false, false, 1, now());
INSERT INTO tenancy_providerdomain (id, tenant_id, provider_id, domain, challenge, created_at)
    VALUES (%(id)s, %(tenant)s, %(id)s, 'p.example', 'c', now());
INSERT INTO tenancy_deprovisioningtoken (id, tenant_id, provider_id, kid, digest, pepper_id, name,
    created_at) VALUES (%(id)s, %(tenant)s, %(id)s, %(id)s, '', 1, 't', now());
INSERT INTO tenancy_linkinvitation (id, tenant_id, person_id, created_at, expires_at)
    SELECT %(id)s, %(tenant)s::text, person_id, now(), now() FROM tenancy_membership
    WHERE tenant_id = %(tenant)s::text LIMIT 1
"""


def tables(db: Db, condition: str) -> list[str]:
    rows = db.execute(
        "SELECT c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p')"
        f" AND c.relnamespace = 'public'::regnamespace AND {condition} ORDER BY 1"
    )
    return [name for (name,) in rows]


HAS_TENANT = (
    "EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')"
)


@contextmanager
def app(tenant_id: str | None) -> Iterator[Db]:
    """The application's role, in a tenant's scope or in none; what it does is undone."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as db:
        if tenant_id is not None:
            db.execute("SELECT set_config('app.tenant', %s, true)", [tenant_id])
        yield db
        db.rollback()


@pytest.fixture
def stocked(globex: Cast, owner_db: Db) -> Cast:
    """Globex, with a row in every table of tenants' rows."""
    limit = {
        "name": "a", "unit": "requests", "amount": 1, "window": "day", "algorithm": "calendar",
    }  # fmt: skip
    both = [{**limit, "shared_by": "key"}, {**limit, "name": "b", "shared_by": "tenant"}]
    globex.issue(limits=both)
    create_api(actor=OPERATOR, slug="own", name="Own", tenant_id=globex.tenant.id)
    with tenant_scope(globex.tenant.id):
        TenantInvitation.objects.create(
            tenant=globex.tenant, email="x@globex.example", role="viewer", sent_at=now(),
            expires_at=now(), digest=globex.tenant.id.encode(),
        )  # fmt: skip
        IdempotencyRecord.objects.create(
            tenant=globex.tenant, credential="c", route="r", key="k", request_hmac=b"", status=201,
            object_id="o",
        )  # fmt: skip
    for statement in HELD.split(";"):
        owner_db.execute(statement, {"tenant": globex.tenant.id, "id": globex.tenant.id[-12:]})
    return globex


def test_every_table_of_tenants_rows_is_protected(owner_db: Db) -> None:
    unprotected = tables(
        owner_db,
        f"{HAS_TENANT} AND NOT (c.relrowsecurity AND EXISTS (SELECT FROM pg_policy p"
        " WHERE p.polrelid = c.oid AND pg_get_expr(coalesce(polqual, polwithcheck), c.oid)"
        " ~ 'app_tenant.*app_platform'))",
    )
    assert unprotected == []
    assert any(name.startswith("keys_decision_2") for name in tables(owner_db, HAS_TENANT))


def test_every_other_table_is_known_and_has_a_reason(owner_db: Db) -> None:
    others = set(tables(owner_db, f"NOT {HAS_TENANT}"))
    assert others == set(WITHOUT_TENANT) | set(UNPROTECTED)
    assert set(tables(owner_db, f"NOT {HAS_TENANT} AND c.relrowsecurity")) == set(WITHOUT_TENANT)


def test_no_policy_says_yes_to_everything(owner_db: Db) -> None:
    rows = owner_db.execute(
        "SELECT polrelid::regclass::text, polname FROM pg_policy, LATERAL (VALUES"
        " (pg_get_expr(polqual, polrelid)), (pg_get_expr(polwithcheck, polrelid))) AS e(rule)"
        " WHERE rule IS NOT NULL AND rule !~ 'app_tenant|app_platform|tenancy_'"
    )
    assert rows.fetchall() == []


def test_partitions_are_reached_by_their_parent_alone(owner_db: Db) -> None:
    partitions = tables(owner_db, "c.relispartition")
    assert partitions
    with app(None) as db:
        for name in partitions:
            told = db.execute("SELECT has_table_privilege(%s, 'SELECT, INSERT')", [name]).fetchone()
            assert told == (False,), name


def test_the_serving_roles_are_bound_by_row_security(owner_db: Db) -> None:
    for url in ("DATABASE_URL", "DATABASE_CHECK_URL"):
        with psycopg.connect(os.environ[url]) as db:
            free = db.execute(
                "SELECT rolsuper OR rolbypassrls OR EXISTS (SELECT FROM pg_class"
                " WHERE relowner = r.oid) FROM pg_roles r WHERE rolname = current_user"
            ).fetchone()
        assert free == (False,), url


def test_a_forgotten_filter_shows_nothing_of_another_tenant(acme: Cast, stocked: Cast) -> None:
    key = acme.issue().key
    with tenant_scope(acme.tenant.id):
        assert [row.id for row in ApiKey.objects.all()] == [key.id]
        assert [row.id for row in Tenant.objects.all()] == [acme.tenant.id]
        assert {row.id for row in Person.objects.all()} == {
            acme.owner.id, acme.developer.id, acme.viewer.id,
        }  # fmt: skip
        assert [row.id for row in Api.objects.all()] == [acme.api.id]
        assert [row.id for row in Gateway.objects.all()] == [acme.gateway.id]


def test_raw_sql_reads_and_writes_no_row_of_another_tenant(
    acme: Cast, stocked: Cast, owner_db: Db
) -> None:
    theirs = stocked.tenant.id
    for name in tables(owner_db, f"{HAS_TENANT} AND NOT c.relispartition"):
        table = sql.Identifier(name)
        query = sql.SQL("SELECT to_jsonb(t) FROM {} t WHERE tenant_id = %s LIMIT 1").format(table)
        row = owner_db.execute(query, [theirs]).fetchone()
        assert row, f"{name} is empty: stock it, so that this test says something"
        with app(acme.tenant.id) as db:
            assert db.execute(query, [theirs]).fetchone() is None, name
        for statement in ("UPDATE {} SET tenant_id = tenant_id", "DELETE FROM {}"):
            with app(acme.tenant.id) as db:
                told = sql.SQL(statement + " WHERE tenant_id = %s").format(table)
                with suppress(psycopg.errors.InsufficientPrivilege):  # append-only, read-only
                    assert db.execute(told, [theirs]).rowcount == 0, name
        with app(acme.tenant.id) as db, pytest.raises(psycopg.errors.InsufficientPrivilege):
            insert = "INSERT INTO {0} SELECT * FROM jsonb_populate_record(NULL::{0}, %s)"
            db.execute(sql.SQL(insert).format(table), [json.dumps(row[0])])


def test_rows_can_t_be_given_to_another_tenant(acme: Cast, globex: Cast) -> None:
    key = acme.issue().key
    with app(acme.tenant.id) as db, pytest.raises(psycopg.errors.InsufficientPrivilege):
        statement = "UPDATE keys_apikey SET tenant_id = %s WHERE id = %s"
        db.execute(statement, [globex.tenant.id, key.id])


def test_without_a_scope_nothing_is_seen(stocked: Cast, owner_db: Db) -> None:
    for name in tables(owner_db, "c.relrowsecurity AND NOT c.relispartition"):
        with app(None) as db:
            count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))
            assert db.execute(count).fetchone() == (0,), name


def test_the_check_role_can_select_no_table(check_db: Db, owner_db: Db) -> None:
    for name in tables(owner_db, "true"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            check_db.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(name)))


def test_functions_that_see_everything_are_pinned_and_not_everybodys(owner_db: Db) -> None:
    rows = owner_db.execute(
        "SELECT proname, EXISTS (SELECT FROM unnest(proconfig) s WHERE s LIKE 'search_path=%%'),"
        " EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0) OR proacl IS NULL"
        " FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    ).fetchall()
    assert rows
    assert [name for name, pinned, public in rows if public or not pinned] == []


def test_a_scope_ends_with_its_transaction(acme: Cast) -> None:
    with tenant_scope(acme.tenant.id):
        assert Tenant.objects.count() == 1
    assert Tenant.objects.count() == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT app_tenant(), app_platform()")
        assert cursor.fetchone() == (None, False)


def test_a_scope_is_never_opened_inside_another_ones(acme: Cast, globex: Cast) -> None:
    with tenant_scope(acme.tenant.id):
        with tenant_scope(acme.tenant.id):
            assert Tenant.objects.count() == 1
        with pytest.raises(ScopeError), tenant_scope(globex.tenant.id):
            pass
        with pytest.raises(ScopeError), platform_scope("more than one tenant"):
            pass


class Callers(ast.NodeVisitor):
    """Finds the functions that call one of these names."""

    def __init__(self, path: str) -> None:
        self.path, self.found = path, set[str]()
        self.inside = ["<module>"]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.inside.append(node.name)
        self.generic_visit(node)
        self.inside.pop()

    def visit_Call(self, node: ast.Call) -> None:
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called in ("platform_scope", "platform_change"):
            self.found.add(f"{self.path}:{self.inside[-1]}")
        self.generic_visit(node)


def test_every_caller_that_sees_all_tenants_is_listed() -> None:
    found = set()
    for top in ("portal", "keys", "consent", "audit"):
        for path in (ROOT / top).rglob("*.py"):
            callers = Callers(str(path.relative_to(ROOT)))
            callers.visit(ast.parse(path.read_text()))
            found |= callers.found
    assert found == PLATFORM_CALLERS
