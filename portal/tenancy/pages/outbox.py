"""The outbox: mails that were written, and how their delivery went."""

from typing import Any, Final

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from portal.core.mail import configured, letter_of
from portal.core.models import Mail
from portal.tenancy.mailing import read_mail
from portal.tenancy.models import Person
from portal.tenancy.pages.list_page import ListPage
from portal.tenancy.pages.lists import Column, Filter, Listing
from portal.tenancy.pages.page import Page
from portal.tenancy.permission import found

STATE: Final = Filter(
    "state", "State",
    [("", "Any state"), ("standing", "Standing"), ("waiting", "Waiting"), ("sent", "Sent"),
     ("failed", "Failed")],
)  # fmt: skip


class Outbox(ListPage):
    """`/admin/outbox/`."""

    needs = "mail:read"
    section = "outbox"
    template = "tenancy/outbox.html"
    file = "mails"
    noun = "mails"
    writes = "tenants:write"
    columns = {
        "id": lambda row: row.id,
        "written_at": lambda row: row.created_at,
        "subject": lambda row: row.subject,
        "about": lambda row: row.about,
        "state": lambda row: row.state,
        "tries": lambda row: row.tries,
        "sent_at": lambda row: row.sent_at,
        "fault": lambda row: row.fault,
    }

    def listing(self) -> Listing:
        return Listing(
            self.request.GET,
            filters=[STATE],
            columns=[
                Column("written", ["-created_at", "-id"]),
                Column("subject", ["subject", "id"]),
            ],
            searched="Recipient, subject or id",
            dates=True,
        )

    def chosen(self, listing: Listing) -> QuerySet[Mail]:
        rows = Mail.objects.all()
        if listing.q:
            # Recipients are sealed: they are found by whom the mail is about.
            known = Q(name__icontains=listing.q) | Q(email__icontains=listing.q)
            people = Person.objects.filter(known).values("id")
            rows = rows.filter(
                Q(subject__icontains=listing.q) | Q(id=listing.q) | Q(about=listing.q)
                | Q(about__in=people)
            )  # fmt: skip
        if listing.chosen["state"]:
            rows = rows.filter(state=listing.chosen["state"])
        if listing.since:
            rows = rows.filter(created_at__date__gte=listing.since)
        if listing.until:
            rows = rows.filter(created_at__date__lte=listing.until)
        return rows

    def any(self) -> bool:
        return Mail.objects.exists()

    def context(self) -> dict[str, Any]:
        told = super().context()
        rows = [(mail, letter_of(mail)) for mail in told["list"].rows]
        return {**told, "rows": rows, "configured": configured()}


class MailPage(Page):
    """`/admin/outbox/<id>/`. Its text is shown to who asks for it: it may hold a link."""

    needs = "mail:read"
    section = "outbox"
    template = "tenancy/mail.html"

    def context(self) -> dict[str, Any]:
        mail = found(Mail.objects.all(), self.kwargs["id"])
        return {
            "mail": mail, "letter": letter_of(mail), "configured": configured(),
            "may_write": self.may("tenants:write"),
        }  # fmt: skip

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the text, and record that it was read."""
        letter = read_mail(actor=self.actor, mail_id=kwargs["id"])
        return self.show({"text": letter.text})
