"""Single sign-on: providers, their domains, who came from them, and what ends memberships."""

import functools

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import portal.core.ids
from portal.core.rowsecurity import PLATFORM, protect, protect_shared

FUNCTIONS = """
-- The provider in force of an id, a tenant's slug or a verified mail domain; any one when nothing is
-- asked for. Read before anyone is known.
CREATE FUNCTION tenancy_provider_read(wanted_id text, wanted_slug text, wanted_domain text)
    RETURNS TABLE (id text, tenant_id text, slug text, tenant_name text, name text, issuer text,
                   client_id text, sealed_secret text, scopes text[], role_claim text,
                   role_map jsonb, default_role text, mfa_acr text[], mfa_amr text[],
                   trusts_email boolean, enforced boolean, domains text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.id, t.id, t.slug, t.name, p.name, p.issuer, p.client_id, p.sealed_secret,
           p.scopes::text[], p.role_claim, p.role_map, p.default_role, p.mfa_acr::text[],
           p.mfa_amr::text[], p.trusts_email, p.enforced,
           coalesce((SELECT array_agg(d.domain::text) FROM tenancy_providerdomain d
                     WHERE d.provider_id = p.id AND d.verified_at IS NOT NULL), '{}')
    FROM tenancy_identityprovider p JOIN tenancy_tenant t ON t.id = p.tenant_id
    WHERE p.is_active AND (wanted_id IS NULL OR p.id = wanted_id)
      AND (wanted_slug IS NULL OR t.slug = wanted_slug)
      AND (wanted_domain IS NULL OR EXISTS (
          SELECT FROM tenancy_providerdomain d WHERE d.provider_id = p.id
              AND d.domain = wanted_domain AND d.verified_at IS NOT NULL))
    LIMIT 1 $$;
-- As tenancy_management_token: what authentication needs, the digest is compared by the caller.
CREATE FUNCTION tenancy_deprovisioning_token(wanted text)
    RETURNS TABLE (id text, name text, tenant_id text, tenant_slug text, provider_id text,
                   issuer text, digest bytea, pepper_id smallint, ended boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT k.id, k.name, t.id, t.slug, p.id, p.issuer, k.digest, k.pepper_id,
           k.revoked_at IS NOT NULL OR coalesce(k.expires_at <= clock_timestamp(), false)
    FROM tenancy_deprovisioningtoken k JOIN tenancy_identityprovider p ON p.id = k.provider_id
    JOIN tenancy_tenant t ON t.id = k.tenant_id WHERE k.kid = wanted $$;
CREATE FUNCTION tenancy_deprovisioning_used(wanted text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE tenancy_deprovisioningtoken SET last_used_at = clock_timestamp()
    WHERE id = (SELECT id FROM tenancy_deprovisioningtoken
                WHERE id = wanted AND coalesce(last_used_at < now() - interval '1 minute', true)
                FOR UPDATE SKIP LOCKED) $$;
-- As tenancy_token_upgrade: only who knows the digest's text can give the new one.
CREATE FUNCTION tenancy_deprovisioning_upgrade(wanted text, was smallint, better bytea,
                                               pepper smallint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE tenancy_deprovisioningtoken SET digest = better, pepper_id = pepper
    WHERE id = (SELECT id FROM tenancy_deprovisioningtoken
                WHERE kid = wanted AND pepper_id = was FOR UPDATE SKIP LOCKED) $$;

-- As before, and who lets its people in besides: no page asks for it again.
DROP FUNCTION tenancy_places(text, text);
CREATE FUNCTION tenancy_places(wanted_person text, wanted_slug text)
    RETURNS TABLE (tenant_id text, slug text, name text, status text, membership_id text, role text,
                   issuer text, enforced boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.status, m.id, m.role, coalesce(p.issuer, ''),
           coalesce(p.enforced, false)
    FROM tenancy_membership m JOIN tenancy_tenant t ON t.id = m.tenant_id
    LEFT JOIN tenancy_identityprovider p ON p.tenant_id = t.id AND p.is_active
    WHERE m.person_id = wanted_person AND m.is_active
      AND (wanted_slug IS NULL OR t.slug = wanted_slug)
    ORDER BY t.name, t.id $$;
"""
DROP = """
DROP FUNCTION tenancy_provider_read(text, text, text);
DROP FUNCTION tenancy_deprovisioning_token(text);
DROP FUNCTION tenancy_deprovisioning_used(text);
DROP FUNCTION tenancy_deprovisioning_upgrade(text, smallint, bytea, smallint);
DROP FUNCTION tenancy_places(text, text);
CREATE FUNCTION tenancy_places(wanted_person text, wanted_slug text)
    RETURNS TABLE (tenant_id text, slug text, name text, status text, membership_id text, role text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.status, m.id, m.role
    FROM tenancy_membership m JOIN tenancy_tenant t ON t.id = m.tenant_id
    WHERE m.person_id = wanted_person AND m.is_active
      AND (wanted_slug IS NULL OR t.slug = wanted_slug)
    ORDER BY t.name, t.id $$;
"""
# A tenant sees who its members are at its own provider, and at no other.
SEEN = (
    f"{PLATFORM} OR (person_id IN (SELECT person_id FROM tenancy_membership)"
    " AND issuer IN (SELECT issuer FROM tenancy_identityprovider))"
)


class Migration(migrations.Migration):
    dependencies = [
        ("tenancy", "0008_places"),
    ]

    operations = [
        migrations.CreateModel(
            name="IdentityProvider",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=functools.partial(portal.core.ids.new_id, *("idp",), **{}),
                        max_length=32,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("name", models.CharField(max_length=128)),
                ("issuer", models.CharField(max_length=512)),
                ("client_id", models.CharField(max_length=256)),
                ("sealed_secret", models.TextField(blank=True)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=128), default=list, size=None
                    ),
                ),
                ("role_claim", models.CharField(blank=True, max_length=256)),
                ("role_map", models.JSONField(default=list)),
                (
                    "default_role",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("owner", "Owner"),
                            ("developer", "Developer"),
                            ("privacy_officer", "Privacy Officer"),
                            ("viewer", "Viewer"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "mfa_acr",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=256),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "mfa_amr",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("trusts_email", models.BooleanField(default=False)),
                ("enforced", models.BooleanField(default=False)),
                ("is_active", models.BooleanField(default=False)),
                ("version", models.BigIntegerField(default=1)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="tenancy.tenant"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DeprovisioningToken",
            fields=[
                ("kid", models.CharField(max_length=12, unique=True)),
                ("digest", models.BinaryField()),
                ("pepper_id", models.SmallIntegerField()),
                (
                    "id",
                    models.CharField(
                        default=functools.partial(portal.core.ids.new_id, *("dpt",), **{}),
                        max_length=32,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("name", models.CharField(max_length=128)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="tenancy.tenant"
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="tenancy.identityprovider"
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="LinkInvitation",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=functools.partial(portal.core.ids.new_id, *("lnk",), **{}),
                        max_length=32,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, to="tenancy.tenant"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ProviderDomain",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=functools.partial(portal.core.ids.new_id, *("dom",), **{}),
                        max_length=32,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("domain", models.CharField(max_length=253)),
                ("challenge", models.CharField(max_length=64)),
                ("verified_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="domains",
                        to="tenancy.identityprovider",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="tenancy.tenant"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ExternalIdentity",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=functools.partial(portal.core.ids.new_id, *("xid",), **{}),
                        max_length=32,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("issuer", models.CharField(max_length=512)),
                ("subject", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "external identities",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("issuer", "subject"), name="one_person_an_identity"
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="identityprovider",
            constraint=models.UniqueConstraint(fields=("tenant",), name="one_provider_a_tenant"),
        ),
        migrations.AddConstraint(
            model_name="identityprovider",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("default_role__in", ["", "owner", "developer", "privacy_officer", "viewer"])
                ),
                name="provider_default_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="linkinvitation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("used_at__isnull", True)),
                fields=("tenant", "person"),
                name="one_open_link_invitation",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="providerdomain",
            constraint=models.UniqueConstraint(
                fields=("provider", "domain"), name="one_claim_on_a_domain"
            ),
        ),
        migrations.AddConstraint(
            model_name="providerdomain",
            constraint=models.UniqueConstraint(
                condition=models.Q(("verified_at__isnull", False)),
                fields=("domain",),
                name="one_owner_of_a_domain",
            ),
        ),
        protect("tenancy_identityprovider"),
        protect("tenancy_providerdomain"),
        protect("tenancy_linkinvitation"),
        protect("tenancy_deprovisioningtoken"),
        protect_shared("tenancy_externalidentity", SEEN),
        migrations.RunSQL(FUNCTIONS, DROP),
    ]
