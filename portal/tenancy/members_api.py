"""Members, for the directory of a tenant: who they are, and ending a membership.

Nothing is given here: no role, no invitation, no way back (portal.tenancy.sso.deprovisioning).
"""

import zlib
from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core import versions
from portal.core.models import Outbox
from portal.core.refusals import Faults
from portal.tenancy.described import (
    ALWAYS,
    CURSOR,
    IDEMPOTENCY_KEY,
    IDEMPOTENT,
    LIMIT,
    WRITING,
    described,
    object_id,
    query,
)
from portal.tenancy.directory_tokens import DirectoryTokens
from portal.tenancy.idempotency import once
from portal.tenancy.listing import Cursors, choice, page
from portal.tenancy.models import ExternalIdentity, Membership, Person
from portal.tenancy.permission import found
from portal.tenancy.preconditions import etag
from portal.tenancy.rest import TenantView, replayed
from portal.tenancy.schema import MOMENT, Schema, a_page, listed, ref, shape, text
from portal.tenancy.scope import tenant_scope
from portal.tenancy.sso.deprovisioning import ACTION, READING, deprovision_member
from portal.tenancy.texts import checked_reason

STATES: Final = ("active", "disabled")
ONLY: Final = "With a directory token (`csd_…`) of the tenant's provider; no other may this."
COMPONENTS: Final[Schema] = {
    "Member": shape(
        {
            "id": text("Such as `mem_7Kq2mX9aB4cD`."),
            "person": text(),
            "name": text(),
            "email": text(),
            "role": text(enum=list(Membership.Role.values)),
            "state": text("Here; a person can be disabled everywhere besides.", enum=list(STATES)),
            "subjects": listed(text(), "Who they are at the tenant's provider (`sub`)."),
            "created_at": MOMENT,
        }
    ),
    "MemberPage": a_page(ref("Member")),
    "ChangedMember": shape(
        {"member": ref("Member"), "propagation": text(enum=["complete", "pending"])}
    ),
}


def represented(members: list[Membership]) -> list[dict[str, Any]]:
    """The members as they are told. Inside the tenant's scope."""
    subjects: dict[str, list[str]] = {}
    tied = ExternalIdentity.objects.filter(person_id__in=[each.person_id for each in members])
    for person_id, subject in tied.order_by("subject").values_list("person_id", "subject"):
        subjects.setdefault(person_id, []).append(subject)
    return [
        {
            "id": each.id, "person": each.person_id, "name": each.person.name,
            "email": each.person.email, "role": each.role,
            "state": STATES[0] if each.is_active else STATES[1],
            "subjects": subjects.get(each.person_id, []), "created_at": each.created_at,
        }
        for each in members
    ]  # fmt: skip


def version_of(member: Membership) -> int:
    """What its entity tag stands for: role and state, which are all that can change."""
    return zlib.crc32(f"{member.role}:{member.is_active}".encode())


class Members(TenantView):
    """`/v1/tenants/<tenant>/members`."""

    authentication_classes = [DirectoryTokens]
    actions: ClassVar[dict[str, str]] = {"GET": READING}
    parameters = frozenset({"state", "email", "subject", "cursor", "limit"})
    listed = "members"

    @described(
        "members_list",
        "List members",
        tag="members",
        needs=READING,
        description=f"The newest first. {ONLY}",
        answers={200: ("A page of members.", ref("MemberPage"))},
        parameters=[
            query("state", "Those in this state.", {"type": "string", "enum": list(STATES)}),
            query("email", "Who signs in with this address, in any case."),
            query("subject", "Who has this `sub` at the tenant's provider."),
            CURSOR,
            LIMIT,
        ],
        problems=ALWAYS,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        """List members."""
        given = self.asked()
        with tenant_scope(self.tenant_id):
            cursors = Cursors(self.tenant_id, self.listed)
            members, following = page(self.chosen(given), given, cursors)
            results = represented(members)
        return Response({"results": results, "next": following})

    def chosen(self, given: dict[str, str]) -> QuerySet[Membership]:
        """The members that the filters leave."""
        rows = Membership.objects.filter(tenant_id=self.tenant_id).select_related("person")
        if state := choice(given, "state", STATES):
            rows = rows.filter(is_active=state == STATES[0])
        if "email" in given:
            rows = rows.filter(person__email=given["email"].lower())
        if "subject" in given:
            tied = ExternalIdentity.objects.filter(subject=given["subject"])
            rows = rows.filter(person__in=Person.objects.filter(id__in=tied.values("person_id")))
        return rows


class OfMember(TenantView):
    """An address below one member."""

    authentication_classes = [DirectoryTokens]
    listed = "members"
    member: Membership

    def find(self, object_id: str) -> None:
        """The member, of this tenant."""
        self.member = self.now(object_id)

    def now(self, object_id: str) -> Membership:
        """The member as they stand. Inside the tenant's scope."""
        rows = Membership.objects.filter(tenant_id=self.tenant_id).select_related("person")
        return found(rows, object_id)


class OneMember(OfMember):
    """`/v1/tenants/<tenant>/members/<id>`."""

    actions: ClassVar[dict[str, str]] = {"GET": READING}

    @described(
        "members_read",
        "Read a member",
        tag="members",
        needs=READING,
        description=ONLY,
        answers={200: ("The member.", ref("Member"))},
        parameters=[object_id("member")],
        tagged=True,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        """Read a member."""
        self.asked()
        with tenant_scope(self.tenant_id):
            told = represented([self.member])[0]
        return Response(told, headers={"ETag": etag(version_of(self.member))})


class DisableMember(OfMember):
    """`/v1/tenants/<tenant>/members/<id>/disable`."""

    actions: ClassVar[dict[str, str]] = {"POST": ACTION}

    @described(
        "members_disable",
        "End a membership",
        tag="members",
        needs=ACTION,
        description=(
            "The keys that they own are `OWNER_DISABLED` from the next check on, their management"
            " tokens refused, and their pages closed. Again: the same answer. The last active owner"
            f" stays (409). {ONLY} It can't be undone with it: an owner does that."
        ),
        body=ref("Reason"),
        answers={200: ("The member as they are now.", ref("ChangedMember"))},
        parameters=[object_id("member"), IDEMPOTENCY_KEY],
        problems=(*WRITING, *IDEMPOTENT),
        tagged=True,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        """End a membership."""
        body = self.body()
        return once(
            self.claim("members/disable", body), act=lambda: self._end(body), replay=self._ended
        )

    def _end(self, body: dict[str, Any]) -> Response:
        done = deprovision_member(
            actor=self.actor, tenant_id=self.tenant_id, membership_id=self.member.id,
            reason=_reason(body),
        )  # fmt: skip
        told, headers = self._told(self.member.id, done)
        return Response(told, headers=headers)

    def _ended(self, member_id: str) -> Response:
        waiting = Outbox.objects.filter(versions__has_key=versions.of_tenant(self.tenant_id))
        return replayed(*self._told(member_id, "pending" if waiting.exists() else "complete"))

    def _told(self, member_id: str, propagation: str) -> tuple[dict[str, Any], dict[str, str]]:
        with tenant_scope(self.tenant_id):
            member = self.now(member_id)
            told = {"member": represented([member])[0], "propagation": propagation}
        return told, {"ETag": etag(version_of(member))}


def _reason(body: dict[str, Any]) -> str:
    faults = Faults()
    for name in body:
        faults.add(f"/{name}", None if name == "reason" else "There is no such member here.")
    faults.add("/reason", None if "reason" in body else "This member is needed.")
    faults.settle()
    return checked_reason(body["reason"])
