"""What a used platform has besides keys: people of every role, and things in rare states."""

from typing import Any


def others(admin: Any, told: dict[str, Any]) -> list[str]:
    """What is in another state than most, and the pages that only it leads to."""
    from portal.tenancy.factor_policy import waive_factor
    from portal.tenancy.management_tokens import create_management_token
    from portal.tenancy.memberships import add_member, disable_membership
    from portal.tenancy.people import create_person, disable_person
    from portal.tenancy.signing_in.inviting import invite_person
    from portal.tenancy.tenants import create_tenant, suspend_tenant
    from tests.browser.providers import set_up_providers
    from tests.pages.browser import session_of

    reason = "They closed their account."
    quiet = create_tenant(actor=admin, slug="contoso", name="Contoso")
    suspend_tenant(actor=admin, tenant_id=quiet.id, reason=reason)
    waive_factor(actor=admin, tenant_id=quiet.id, reason="A trial of a month.")
    ira = create_person(
        actor=admin, email="ira@countersign.example", name="Ira Bloom", platform_role="auditor"
    )
    invite_person(actor=admin, person_id=ira.id)
    told["auditor"] = session_of(ira)
    gone = create_person(actor=admin, email="kim@contoso.example", name="Kim Osei")
    disable_person(actor=admin, person_id=gone.id, reason="Left.")
    acme = told["tenants"]["acme"]
    cleo = create_person(actor=admin, email="cleo@acme.example", name="Cleo Marsh")
    left = add_member(actor=admin, tenant_id=acme, person_id=cleo.id, role="viewer")
    disable_membership(actor=admin, tenant_id=acme, membership_id=left.id, reason="Moved.")
    owner = add_member(actor=admin, tenant_id=acme, person_id=ira.id, role="developer")
    told["roles"] = roles(admin, acme, told)
    token = create_management_token(
        actor=admin, tenant_id=acme, creator_id=owner.id, name="deploy-bot", scopes=["keys:write"]
    ).token  # fmt: skip
    return [
        f"/admin/keys/{told['keys']['legacy-crm']}/resume/",
        *(
            f"/admin/keys/{told['keys']['checkout-assistant']}/{verb}/"
            for verb in ("edit", "suspend", "revoke")
        ),
        "/admin/tenants/contoso/resume/",
        "/admin/tenants/contoso/second-factor/require/",
        "/admin/tenants/acme/second-factor/waive/",
        "/admin/security/prove/",
        "/admin/login/forgot/",
        "/admin/login/factor/",
        "/admin/tenants/acme/suspend/",
        f"/admin/tenants/acme/members/{owner.id}/role/",
        f"/admin/tenants/acme/members/{owner.id}/disable/",
        f"/admin/tenants/acme/members/{left.id}/enable/",
        f"/admin/tenants/acme/tokens/{token.id}/revoke/",
        f"/admin/people/{gone.id}/enable/",
        *set_up_providers(admin, told),
    ]


def roles(admin: Any, tenant: str, told: dict[str, Any]) -> dict[str, str]:
    """A session of someone of each role; who looks on in Acme, and whom Acme has invited."""
    from portal.tenancy.invitations import invite_member
    from portal.tenancy.management_tokens import create_management_token
    from portal.tenancy.memberships import add_member
    from portal.tenancy.models import Membership
    from portal.tenancy.people import create_person
    from portal.tenancy.scope import tenant_scope
    from tests.pages.browser import session_of

    sessions = {
        "security_admin": told["session"], "auditor": told["auditor"],
        "owner": told["own_sessions"][0], "developer": told["own_sessions"][1],
    }  # fmt: skip
    for role, name in (("privacy_officer", "Priya Nair"), ("viewer", "Vera Kovacs")):
        email = f"{name.split()[0].lower()}@acme.example"
        made = create_person(actor=admin, email=email, name=name)
        add_member(actor=admin, tenant_id=tenant, person_id=made.id, role=role)
        sessions[role] = session_of(made)
    with tenant_scope(tenant):
        ben = Membership.objects.get(tenant_id=tenant, person__email="ben@acme.example")
    create_management_token(
        actor=admin, tenant_id=tenant, creator_id=ben.id, name="ben's own", scopes=["keys:read"]
    )  # fmt: skip
    for email, role in (("jonas@acme.example", "developer"), ("lin@acme.example", "viewer")):
        invite_member(actor=admin, tenant_id=tenant, email=email, role=role)
    return sessions


def pool_of(told: dict[str, Any]) -> str:
    """A limit that Acme's keys share."""
    from keys.models import Limit
    from portal.tenancy.scope import tenant_scope

    acme = told["tenants"]["acme"]
    with tenant_scope(acme):
        return str(Limit.objects.filter(tenant=acme, key=None).earliest("id").id)


def jobs_of(person: Any, tenant: str | None) -> None:
    """One in each state that it may be in."""
    from portal.core.clock import now
    from portal.tenancy.models import Job
    from portal.tenancy.scope import platform_scope

    moment = now()
    with platform_scope("the story"):
        for n, state in enumerate(Job.State):
            ended = moment if state not in ("waiting", "running") else None
            Job.objects.create(
                tenant_id=tenant, kind="ledger-export", actor_kind="user", actor_id=person.id,
                state=state, total=12_000, done=12_000 if state == "done" else 4_000 * (n > 0),
                file_name="ledger-20261128-101500.csv", content_type="text/csv", ended_at=ended,
                failure="You may not do this any more." if state == "failed" else "",
            )  # fmt: skip
