"""Every address that Django serves. Only pages' end in a slash; none is redirected to one."""

from django.urls import URLPattern, URLResolver, include, path

from audit.api import AuditEvents
from keys.api import exposure  # noqa: F401 - it knows API keys and gateway tokens by sight
from keys.api.acts import Resume, Revoke, Suspend
from keys.api.keys import Keys, OneKey
from keys.api.limits import Limits, OneLimit
from keys.api.usage import Usage
from portal import front, tenant_site
from portal.admin_site import site
from portal.core import health
from portal.tenancy.members_api import DisableMember, Members, OneMember
from portal.tenancy.pages import sso, sso_factor
from portal.tenancy.pages.choice import Choice
from portal.tenancy.pages.join import Accept, Join
from portal.tenancy.pages.set_up import SetUp
from portal.tenancy.pages.sso_link import Link

# `str`, never a shape of its own: an id that could not be one is as unknown as any other.
TENANT = "v1/tenants/<str:tenant>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", front.home, name="home"),
    path("admin/", site.urls),
    path("t/", Choice.as_view(), name="choice"),
    path("t/<slug:slug>/", include((tenant_site.PAGES, "tenant"))),
    path("sso/", sso.Find.as_view(), name="sso"),
    path("sso/platform/", sso.AtPlatform.as_view(), name="sso-platform"),
    path("sso/at/<slug:slug>/", sso.AtTenant.as_view(), name="sso-tenant"),
    path("sso/back/<str:provider>", sso.Back.as_view(), name="sso-back"),
    path("sso/code/", sso_factor.OwnCode.as_view(), name="sso-code"),
    path("sso/recovery/", sso_factor.OwnRecovery.as_view(), name="sso-recovery"),
    path("sso/factor/", sso_factor.OwnFactor.as_view(), name="sso-factor"),
    path("sso/link/", Link.as_view(), name="sso-link"),
    path("setup/<str:token>", SetUp.as_view(), name="setup"),
    path("join/<str:token>", Join.as_view(), name="join"),
    path("invitations/<id:id>/", Accept.as_view(), name="invitation"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("v1/docs", front.docs, name="docs"),
    path("v1/openapi.json", front.openapi, name="openapi"),
    path(f"{TENANT}/keys", Keys.as_view(), name="keys"),
    path(f"{TENANT}/keys/<str:id>", OneKey.as_view(), name="key"),
    path(f"{TENANT}/keys/<str:id>/revoke", Revoke.as_view(), name="key-revoke"),
    path(f"{TENANT}/keys/<str:id>/suspend", Suspend.as_view(), name="key-suspend"),
    path(f"{TENANT}/keys/<str:id>/resume", Resume.as_view(), name="key-resume"),
    path(f"{TENANT}/limits", Limits.as_view(), name="limits"),
    path(f"{TENANT}/limits/<str:id>", OneLimit.as_view(), name="limit"),
    path(f"{TENANT}/usage", Usage.as_view(), name="usage"),
    path(f"{TENANT}/members", Members.as_view(), name="members"),
    path(f"{TENANT}/members/<str:id>", OneMember.as_view(), name="member"),
    path(f"{TENANT}/members/<str:id>/disable", DisableMember.as_view(), name="member-disable"),
    path(f"{TENANT}/audit/events", AuditEvents.as_view(), name="audit-events"),
]

handler400 = "portal.core.error_pages.bad_request"
handler403 = "portal.core.error_pages.forbidden"
handler404 = "portal.core.error_pages.not_found"
handler500 = "portal.core.error_pages.broken"
