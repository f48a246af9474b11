"""In which tenants a person is something, read before any of them is known."""

from django.db import migrations

PLACES = """
-- What a signed-in person is in their tenants, or in the one of this slug.
CREATE FUNCTION tenancy_places(wanted_person text, wanted_slug text)
    RETURNS TABLE (tenant_id text, slug text, name text, status text, membership_id text, role text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.status, m.id, m.role
    FROM tenancy_membership m JOIN tenancy_tenant t ON t.id = m.tenant_id
    WHERE m.person_id = wanted_person AND m.is_active
      AND (wanted_slug IS NULL OR t.slug = wanted_slug)
    ORDER BY t.name, t.id $$;
"""


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0007_lists")]
    operations = [migrations.RunSQL(PLACES, "DROP FUNCTION tenancy_places(text, text)")]
