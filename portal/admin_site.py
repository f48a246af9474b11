"""The admin: Django's own site behind a second factor, with our pages in front of its own.

Every address below /admin/ is named here. Our pages come first; Django's, which only show rows, are
found behind them by app and model.
"""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, path, reverse
from django_otp.admin import OTPAdminSite

from audit.pages import Ledger, LedgerEntry, LedgerExport
from keys.pages.change import Change
from keys.pages.decisions import Decisions, OneDecision
from keys.pages.issue import NewKey
from keys.pages.key import KeyPage
from keys.pages.limit import OneLimit
from keys.pages.limit_edit import EditLimit
from keys.pages.limits import Limits
from keys.pages.list import Keys
from keys.pages.route_test import RouteTest
from keys.pages.turn import Resume, Revoke, Suspend
from keys.pages.usage import Usage
from portal import records
from portal.overview import Overview, OverviewCsv
from portal.tenancy.pages import (
    addresses,  # noqa: F401 - the converter `id`
    api,
    api_routes,
    api_scopes,
    apis,
    factor_policy,
    gateway,
    gateway_edit,
    gateways,
    management_tokens,
    member_list,
    members,
    outbox,
    own_sessions,
    passkeys,
    people,
    person,
    person_sso,
    provider,
    provider_addresses,
    proving,
    reset,
    security,
    sign_in,
    sign_in_passkey,
    tenant,
    tenants,
)
from portal.tenancy.pages.jobs import JobFile, JobPage, Jobs

PAGES: list[URLPattern] = [
    path("", Overview.as_view(), name="index"),
    path("overview/csv/", OverviewCsv.as_view(), name="overview-csv"),
    path("ledger/", Ledger.as_view(), name="ledger"),
    path("ledger/export/", LedgerExport.as_view(), name="ledger-export"),
    path("ledger/<uuid:id>/", LedgerEntry.as_view(), name="ledger-entry"),
    path("jobs/", Jobs.as_view(), name="jobs"),
    path("jobs/<id:id>/", JobPage.as_view(), name="job"),
    path("jobs/<id:id>/file/", JobFile.as_view(), name="job-file"),
    path("records/", records.Records.as_view(), name="records"),
    path("tenants/", tenants.Tenants.as_view(), name="tenants"),
    # Not below tenants/: a tenant may be called anything.
    path("new/tenant/", tenants.NewTenant.as_view(), name="tenant-new"),
    path("tenants/<slug:slug>/", tenant.TenantPage.as_view(), name="tenant"),
    path("tenants/<slug:slug>/suspend/", tenant.SuspendTenant.as_view(), name="tenant-suspend"),
    path("tenants/<slug:slug>/resume/", tenant.ResumeTenant.as_view(), name="tenant-resume"),
    path(
        "tenants/<slug:slug>/second-factor/require/",
        factor_policy.RequireFactor.as_view(),
        name="tenant-require-factor",
    ),
    path(
        "tenants/<slug:slug>/second-factor/waive/",
        factor_policy.WaiveFactor.as_view(),
        name="tenant-waive-factor",
    ),
    path("tenants/<slug:slug>/members/", member_list.Members.as_view(), name="members"),
    path("tenants/<slug:slug>/members/new/", members.AddMember.as_view(), name="member-add"),
    path(
        "tenants/<slug:slug>/members/<id:id>/role/",
        members.ChangeMember.as_view(),
        name="member-change",
    ),
    path(
        "tenants/<slug:slug>/members/<id:id>/disable/",
        members.DisableMember.as_view(),
        name="member-disable",
    ),
    path(
        "tenants/<slug:slug>/members/<id:id>/enable/",
        members.EnableMember.as_view(),
        name="member-enable",
    ),
    path("tenants/<slug:slug>/sso/", provider.ProviderPage.as_view(), name="sso"),
    *(
        path(f"tenants/<slug:slug>/sso/{address}/", page.as_view(), name=name)
        for address, page, name in provider_addresses.PAGES
    ),
    path("people/", people.People.as_view(), name="people"),
    path("new/person/", people.NewPerson.as_view(), name="person-new"),
    path("people/<id:id>/", person.PersonPage.as_view(), name="person"),
    path("people/<id:id>/role/", person.PersonRole.as_view(), name="person-role"),
    path("people/<id:id>/invite/", person.InvitePerson.as_view(), name="person-invite"),
    path("people/<id:id>/sessions/", person.SignPersonOut.as_view(), name="person-sessions"),
    path("people/<id:id>/disable/", person.DisablePerson.as_view(), name="person-disable"),
    path("people/<id:id>/sso/", person_sso.InviteToLink.as_view(), name="person-sso"),
    path(
        "people/<id:id>/sso/<id:identity>/untie/",
        person_sso.UnlinkIdentity.as_view(),
        name="person-untie",
    ),
    path("people/<id:id>/enable/", person.EnablePerson.as_view(), name="person-enable"),
    path("outbox/", outbox.Outbox.as_view(), name="outbox"),
    path("outbox/<id:id>/", outbox.MailPage.as_view(), name="mail"),
    path("keys/", Keys.as_view(), name="keys"),
    path("keys/new/", NewKey.as_view(), name="key-new"),
    path("keys/<id:id>/", KeyPage.as_view(), name="key"),
    path("keys/<id:id>/edit/", Change.as_view(), name="key-edit"),
    path("keys/<id:id>/suspend/", Suspend.as_view(), name="key-suspend"),
    path("keys/<id:id>/resume/", Resume.as_view(), name="key-resume"),
    path("keys/<id:id>/revoke/", Revoke.as_view(), name="key-revoke"),
    path("apis/", apis.Apis.as_view(), name="apis"),
    path("apis/new/", apis.NewApi.as_view(), name="api-new"),
    path("apis/<id:id>/", api.ApiPage.as_view(), name="api"),
    path("apis/<id:id>/scopes/", api_scopes.Scopes.as_view(), name="api-scopes"),
    path("apis/<id:id>/routes/", api_routes.Routes.as_view(), name="api-routes"),
    path("apis/<id:id>/try/", RouteTest.as_view(), name="api-try"),
    path("apis/<id:id>/grant/", api.Grant.as_view(), name="api-grant"),
    path("apis/<id:id>/withdraw/<id:tenant>/", api.Withdraw.as_view(), name="api-withdraw"),
    path("gateways/", gateways.Gateways.as_view(), name="gateways"),
    path("gateways/new/", gateway.NewGateway.as_view(), name="gateway-new"),
    path("gateways/<id:id>/", gateway.GatewayPage.as_view(), name="gateway"),
    path("gateways/<id:id>/edit/", gateway_edit.EditGateway.as_view(), name="gateway-edit"),
    path("gateways/<id:id>/disable/", gateway.Disable.as_view(), name="gateway-disable"),
    path("tenants/<slug:slug>/tokens/", management_tokens.Tokens.as_view(), name="tokens"),
    path("tenants/<slug:slug>/tokens/new/", management_tokens.NewToken.as_view(), name="token-new"),
    path(
        "tenants/<slug:slug>/tokens/<id:id>/revoke/",
        management_tokens.RevokeToken.as_view(),
        name="token-revoke",
    ),
    path("decisions/", Decisions.as_view(), name="decisions"),
    path("decisions/<uuid:id>/", OneDecision.as_view(), name="decision"),
    path("usage/", Usage.as_view(), name="usage"),
    path("limits/", Limits.as_view(), name="limits"),
    path("limits/<id:id>/", OneLimit.as_view(), name="limit"),
    path("limits/<id:id>/edit/", EditLimit.as_view(), name="limit-edit"),
    path("login/", sign_in.SignIn.as_view(), name="login"),
    path("login/code/", sign_in.SecondStep.as_view(), name="login-code"),
    path("login/passkey/", sign_in_passkey.PasskeyAlone.as_view(), name="login-passkey"),
    path("login/code/passkey/", sign_in_passkey.PasskeyStep.as_view(), name="login-code-passkey"),
    path("login/recovery/", sign_in.RecoveryStep.as_view(), name="login-recovery"),
    path("login/factor/", sign_in.FactorMissing.as_view(), name="login-factor"),
    path("login/forgot/", reset.Forgot.as_view(), name="login-forgot"),
    path("logout/", sign_in.SignOut.as_view(), name="logout"),
    path("security/", security.Security.as_view(), name="security"),
    path("security/password/", security.ChangePassword.as_view(), name="security-password"),
    path("security/codes/", security.RecoveryCodes.as_view(), name="security-codes"),
    path("security/app/", security.ChangeApp.as_view(), name="security-app"),
    path("security/prove/", proving.Prove.as_view(), name="security-prove"),
    path("security/factor/", proving.BeginFactor.as_view(), name="security-factor"),
    path("security/passkeys/new/", passkeys.AddPasskey.as_view(), name="security-passkey-new"),
    path(
        "security/passkeys/<id:id>/name/",
        passkeys.RenamePasskey.as_view(),
        name="security-passkey-name",
    ),
    path(
        "security/passkeys/<id:id>/remove/",
        passkeys.RemovePasskey.as_view(),
        name="security-passkey-remove",
    ),
    path("security/sessions/", own_sessions.EndOthers.as_view(), name="security-sessions"),
    path(
        "security/sessions/<uuid:ref>/", own_sessions.EndSession.as_view(), name="security-session"
    ),
    # Django's own would write the password unrecorded, without a code.
    path("password_change/", security.ChangePassword.as_view(), name="password_change"),
]


class AdminSite(OTPAdminSite):  # type: ignore[misc]  # django-otp has no types
    """Django's admin site, with our overview for an index and our sign-in."""

    site_title = site_header = "Countersign"
    index_title = "Overview"
    login_form = None
    site_url = None

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Ours first; without the page that Django's own change of a password would end on."""
        stock = super().get_urls()
        return [
            *PAGES,
            *(each for each in stock if getattr(each, "name", "") != "password_change_done"),
        ]

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: object = None
    ) -> HttpResponse:
        """One list of all tables; Django would have one an app."""
        return HttpResponseRedirect(reverse("admin:records"))


site = AdminSite(name="admin")
records.register(site)
