"""Row security on who's tables, and the two functions that act before the tenant is known."""

from django.db import migrations

from portal.core.rowsecurity import PLATFORM, TENANT, protect, protect_shared

OWN_API = f"api_id IN (SELECT id FROM tenancy_api WHERE {TENANT})"

TOKEN_FUNCTIONS = """
-- A management token by its public id, with its creator's present role: what authentication needs
-- and nothing else. The digest is compared by the caller.
CREATE FUNCTION tenancy_management_token(wanted text)
    RETURNS TABLE (id text, name text, tenant_id text, tenant_slug text, tenant_status text,
                   membership_id text, role text, creator_active boolean, scopes text[],
                   digest bytea, pepper_id smallint, ended boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT k.id, k.name, t.id, t.slug, t.status, m.id, m.role, m.is_active AND p.is_active,
           k.scopes::text[], k.digest, k.pepper_id,
           k.revoked_at IS NOT NULL OR coalesce(k.expires_at <= clock_timestamp(), false)
    FROM tenancy_managementtoken k
    JOIN tenancy_tenant t ON t.id = k.tenant_id
    JOIN tenancy_membership m ON m.id = k.creator_id
    JOIN tenancy_person p ON p.id = m.person_id
    WHERE k.kid = wanted $$;
-- At most one write a minute for each token, and none that waits for a lock.
CREATE FUNCTION tenancy_token_used(wanted text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE tenancy_managementtoken SET last_used_at = clock_timestamp()
    WHERE id = (SELECT id FROM tenancy_managementtoken
                WHERE id = wanted AND coalesce(last_used_at < now() - interval '1 minute', true)
                FOR UPDATE SKIP LOCKED) $$;
"""


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0001_initial"), ("core", "0001_scope_functions_and_outbox")]
    operations = [
        protect("tenancy_tenant", f"id = (SELECT app_tenant()) OR {PLATFORM}"),
        protect("tenancy_membership"),
        protect_shared(
            "tenancy_person", f"{PLATFORM} OR id IN (SELECT person_id FROM tenancy_membership)"
        ),
        protect("tenancy_apigrant"),
        protect_shared(
            "tenancy_api",
            f"{TENANT} OR id IN (SELECT api_id FROM tenancy_apigrant)",
            TENANT,
        ),
        protect_shared("tenancy_scope", "api_id IN (SELECT id FROM tenancy_api)", OWN_API),
        protect_shared("tenancy_route", "api_id IN (SELECT id FROM tenancy_api)", OWN_API),
        protect("tenancy_gatewaytenant"),
        protect_shared(
            "tenancy_gateway",
            f"{PLATFORM} OR id IN (SELECT gateway_id FROM tenancy_gatewaytenant)",
        ),
        protect("tenancy_managementtoken"),
        protect("tenancy_idempotencyrecord"),
        migrations.RunSQL(
            TOKEN_FUNCTIONS,
            "DROP FUNCTION tenancy_management_token(text); DROP FUNCTION tenancy_token_used(text);",
        ),
    ]
