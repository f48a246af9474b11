"""A ModelAdmin that only shows, in the frame of every page and within the platform's scope."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from django.contrib import admin, messages
from django.contrib.admin.utils import (
    display_for_field,
    display_for_value,
    label_for_field,
    lookup_field,
)
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import Field, Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from portal.core.error_pages import error_response, not_allowed
from portal.tenancy.pages.lists import COUNTED
from portal.tenancy.pages.page import WHY, Page
from portal.tenancy.pages.pasted import PASTED_WORDS, without_credentials
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.browser import actor_of

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Model]
else:
    ModelAdmin = admin.ModelAdmin  # its parameter is the stubs' alone

SPELT: Final = {"api": "API", "allowed cidrs": "Allowed CIDRs", "kid": "Public id"}
EMPTY: Final = "–"


class Counted(Paginator):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """Pages of at most 10 000 rows: beyond, one narrows the search."""

    @cached_property
    def found(self) -> int:
        """Counted to 10 001."""
        rows: Any = self.object_list
        return int(rows[: COUNTED + 1].count())

    @cached_property
    def count(self) -> int:
        """As many as one can turn pages through."""
        return min(self.found, COUNTED)


class Frame(Page):
    """What the page's frame asks of the page that it is around."""

    section = "records"


class Cell(NamedTuple):
    """What stands under a header."""

    label: str
    value: Any
    url: str


class ReadOnly(ModelAdmin):
    """Looks at rows within the platform's scope, in the same frame as every page."""

    title: ClassVar[str] = ""
    what: ClassVar[str] = ""
    """A model in one sentence, for the page that lists them."""
    actions = None
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    sortable_by = ()
    paginator = Counted
    empty_value_display = EMPTY
    ordering: ClassVar[tuple[str, ...]] = ("pk",)
    change_list_template = "records/list.html"
    change_form_template = "records/row.html"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        """Only what the list offers: Django lets any column of the model be asked about.

        A yes or no to `password__startswith` is the hash, letter by letter, and a regular
        expression of the reader's own is as slow as they like.
        """
        offered = {name for name in self.get_list_filter(request) if isinstance(name, str)}
        return lookup.removesuffix("__exact") in offered

    def get_queryset(self, request: HttpRequest) -> Any:
        """With what a row's own page names."""
        related = self.list_select_related
        found = super().get_queryset(request)
        return found.select_related(*related) if isinstance(related, tuple) else found

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list."""
        if any("\0" in value for values in request.GET.lists() for value in values[1]):
            return error_response(request, "REQUEST_INVALID")
        if ERROR_FLAG in request.GET:
            messages.warning(
                request, "There is no such page or filter here. This is the whole list."
            )
            return HttpResponseRedirect(request.path)
        return self._within(super().changelist_view, request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One row."""
        if "\0" in object_id:
            raise Http404
        return self._within(super().change_view, request, object_id)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """What happened to it stands in the ledger; Django's own log is never written."""
        return HttpResponseRedirect(f"{reverse('admin:ledger')}?target={object_id}")

    def _within(self, view: Callable[..., Any], request: HttpRequest, *args: str) -> HttpResponse:
        """Read and render inside the scope: a template's own queries see what the view saw."""
        if request.method not in ("GET", "HEAD"):
            return not_allowed(request, ("GET", "HEAD"))
        if without_credentials(request):
            messages.warning(request, PASTED_WORDS)
            return HttpResponseRedirect(request.path)
        frame = Frame()
        frame.setup(request)
        frame.actor = request.actor = actor_of(request)  # type: ignore[attr-defined]  # the navigation's
        with platform_scope(WHY):
            response: HttpResponse = view(request, *args, extra_context={"page": frame})
            if isinstance(response, TemplateResponse):
                self._tell(response.context_data or {})
                response.render()
        return response

    def _tell(self, context: dict[str, Any]) -> None:
        changes = context.get("cl")
        meta = self.model._meta
        context["table"] = self.title
        context["listed"] = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        if isinstance(changes, ChangeList):
            page = changes.paginator.get_page(changes.page_num)
            context |= {
                "lines": [self._line(changes, row) for row in changes.result_list],
                "labels": [self._label(name) for name in changes.list_display],
                "filters": [
                    (spec.title, list(spec.choices(changes))) for spec in changes.filter_specs
                ],
                "first": page.start_index(),
                "last": page.end_index(),
                "previous": _turn(changes, page.number - 1) if page.has_previous() else "",
                "next": _turn(changes, page.number + 1) if page.has_next() else "",
            }
        elif original := context.get("original"):
            context["history"] = f"{reverse('admin:ledger')}?target={original.pk}"

    def _label(self, name: Any) -> str:
        text = str(label_for_field(name, self.model, self))
        return SPELT.get(text, text[:1].upper() + text[1:])

    def _line(self, changes: Any, row: Model) -> list[Cell]:
        return [
            Cell(
                self._label(name), self._shown(name, row),
                "" if place else changes.url_for_result(row),
            )
            for place, name in enumerate(changes.list_display)
        ]  # fmt: skip

    def _shown(self, name: Any, row: Model) -> Any:
        field, _, value = lookup_field(name, row, self)
        if isinstance(value, bool):
            return "yes" if value else "no"
        if field is None or not isinstance(field, Field) or field.remote_field:
            return display_for_value(value, EMPTY)
        return display_for_field(value, field, EMPTY)

    def _get_obj_does_not_exist_redirect(self, *_: Any) -> HttpResponse:
        raise Http404


def _turn(changes: ChangeList, page: int) -> str:
    return changes.get_query_string({PAGE_VAR: page})
