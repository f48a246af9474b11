"""Records: every governed row to look at, none to change, and never what proves anything."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from keys.models import ApiKey, Secret
from portal.admin_site import site
from portal.records.tables import MODELS
from portal.tenancy.models import ManagementToken, Person
from portal.tenancy.scope import platform_scope
from tests.cast import Cast
from tests.pages.browser import Browser, staff

HIDDEN = re.compile(r"digest|password|sealed|salt|hmac|seed", re.IGNORECASE)
LIMIT = {
    "name": "a", "unit": "requests", "amount": 12_345, "window": "day", "algorithm": "calendar",
    "shared_by": "key",
}  # fmt: skip
models = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)


def address(model: Any, *args: Any) -> str:
    kind = "change" if args else "changelist"
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{kind}", args=args)


@pytest.fixture
def key(acme: Cast) -> Any:
    return acme.issue(name="billing", limits=[LIMIT], metadata={"team": "a<b"}).key


def newest(model: Any) -> Any:
    with platform_scope("test"):
        return model.objects.order_by("-pk").first()


@models
def test_every_model_has_a_list_and_a_page_of_each_row(ira: Browser, key: Any, model: Any) -> None:
    page = ira.get(address(model))
    assert page.status == 200
    assert 'id="result_list"' in page.html and "To look at, not to change." in page.text
    row = ira.get(address(model, newest(model).pk))
    assert row.status == 200
    assert "History in the ledger" in row.text
    for shown in (page, row):
        assert "<style" not in shown.html and "style=" not in shown.html
        assert not re.search(r"<script(?![^>]*src=)", shown.html)
        assert not re.search(r"<[^>]*\son[a-z]+=", shown.html)


def test_nothing_that_proves_anything_is_shown() -> None:
    for model, admin in MODELS.items():
        named = {*(admin.fields or ()), *admin.list_display, *admin.search_fields}
        assert admin.fields and not [name for name in named if HIDDEN.search(str(name))], model


def test_a_secret_s_and_a_person_s_page_tell_no_digest(ira: Browser, acme: Cast, key: Any) -> None:
    with platform_scope("test"):
        secret = Secret.objects.get(key=key)
        token = ManagementToken.objects.filter(tenant=acme.tenant).latest("created_at")
        person = Person.objects.get(pk=acme.owner.id)
    for row in (secret, token):
        page = ira.get(address(type(row), row.pk))
        assert row.kid in page.text
        assert bytes(row.digest).hex() not in page.html and "digest" not in page.html.lower()
    assert person.password not in ira.get(address(Person, person.pk)).html


@models
@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_nothing_can_be_changed(sol: Browser, key: Any, model: Any, method: str) -> None:
    row = newest(model)
    told = ["add/", f"{row.pk}/delete/", f"{row.pk}/change/", ""]
    for rest in told:
        sent = getattr(sol.client, method)(f"{address(model)}{rest}", {"name": "x", "post": "yes"})
        assert sent.status_code in (403, 404, 405), (rest, sent.status_code)
    with platform_scope("test"):
        assert model.objects.filter(pk=row.pk).values().get() == {
            field.attname: getattr(row, field.attname) for field in model._meta.concrete_fields
        }


@models
def test_adding_and_deleting_are_not_offered(sol: Browser, key: Any, model: Any) -> None:
    row = newest(model)
    assert sol.get(f"{address(model)}add/").status == 403
    assert sol.get(f"{address(model)}{row.pk}/delete/").status == 403
    for path in (address(model), address(model, row.pk)):
        html = sol.get(path).html
        assert "/add/" not in html and "/delete/" not in html
        assert len(re.findall(r'method="post"', html)) == 1, "signing out alone"


def test_django_s_own_log_is_never_written(sol: Browser, key: Any) -> None:
    sol.post(address(ApiKey, key.id), name="other")
    with platform_scope("test"):
        assert not LogEntry.objects.exists()


def test_a_row_s_history_is_the_ledger_s(ira: Browser, key: Any) -> None:
    page = ira.get(f"{address(ApiKey)}{key.id}/history/")
    assert page.status == 302 and page.goes_to == f"/admin/ledger/?target={key.id}"


def test_rows_are_found_by_whole_ids(ira: Browser, acme: Cast, key: Any) -> None:
    other = acme.issue(name="other").key
    page = ira.get(address(ApiKey), q=key.id)
    assert key.id in page.text and other.id not in page.text
    assert "Nothing found" in ira.get(address(ApiKey), q="key_nothing").text
    assert "key_nothing" in ira.get(address(ApiKey), q="key_nothing").html


def test_rows_are_filtered_by_state(ira: Browser, key: Any) -> None:
    found = ira.get(address(ApiKey), state__exact="active", q=key.id)
    assert key.id in found.text.partition("Expires at")[2]
    assert "Nothing found" in ira.get(address(ApiKey), state__exact="leaked", q=key.id).text


@pytest.mark.parametrize(
    "asked",
    [
        {"p": "x"}, {"p": "9999"}, {"p": "-1"}, {"all": "1"}, {"o": "9"}, {"e": "1"},
        {"q": "a\0b"}, {"state__exact": "\0"}, {"state__exact": "eaten"}, {"nonsense": "1"},
        {"secrets__digest__startswith": "a"}, {"owner__person__password__startswith": "p"},
        {"_popup": "1"}, {"_to_field": "digest"}, {"_facets": "1"}, {"q": "x" * 5000},
    ],
    ids=str,
)  # fmt: skip
def test_nonsense_in_an_address_breaks_nothing(
    ira: Browser, key: Any, asked: dict[str, str]
) -> None:
    page = ira.get(address(ApiKey), **asked)
    assert page.status in (200, 302, 400), page.status
    if page.status == 302:
        assert ira.get(page.goes_to).status in (200, 302)


@pytest.mark.parametrize("pk", ["key_nothing", "a\0b", "_", "x" * 300])
def test_a_row_that_is_not_there_is_not_found(ira: Browser, key: Any, pk: str) -> None:
    assert ira.get(address(ApiKey, pk)).status == 404


@models
def test_a_list_asks_few_questions_however_many_rows(
    ira: Browser, acme: Cast, key: Any, model: Any, queries: Any
) -> None:
    for n in range(4):
        acme.issue(name=f"k{n}", limits=[LIMIT])
        acme.token_of("owner", [])
    ira.get(address(model))
    for path in (address(model), address(model, newest(model).pk)):
        with queries() as told:
            assert ira.get(path).status == 200
        assert len(told) <= 9, [each["sql"] for each in told]


def test_what_people_wrote_is_escaped(ira: Browser, acme: Cast) -> None:
    key = acme.issue(name="<script>x</script>").key
    for path in (f"{address(ApiKey)}?q={key.id}", address(ApiKey, key.id)):
        html = ira.get(path).html
        assert "<script>x" not in html and "&lt;script&gt;x" in html


def test_who_has_no_role_or_only_a_password_sees_nothing(
    nobody: Any, acme: Cast, ira: Browser, key: Any
) -> None:
    with platform_scope("test"):
        person = Person.objects.get(pk=acme.owner.id)
    one_factor = Browser(ira.person, factors=("pwd",))
    no_role = Browser(person)
    for path in (address(ApiKey), address(ApiKey, key.id), "/admin/records/"):
        assert nobody.get(path).status_code == 302
        for who in (one_factor, no_role):
            page = who.get(path)
            assert page.status in (302, 403) and "billing" not in page.html


def test_all_of_them_are_listed(ira: Browser) -> None:
    page = ira.get("/admin/records/")
    assert page.status == 200
    assert all(address(model) in page.html for model in MODELS)
    assert set(MODELS) <= set(site._registry)
    assert ira.get("/admin/tenancy/").goes_to == "/admin/records/"


def test_no_column_can_be_asked_about_but_those_that_a_list_offers(ira: Browser) -> None:
    for model, shown in MODELS.items():
        offered = set(shown.list_filter)
        for field in model._meta.get_fields():
            if not field.concrete or field.is_relation or field.name in offered:
                continue
            for how in ("__startswith", "__regex", "__gt", "__isnull", ""):
                page = ira.get(address(model), **{f"{field.name}{how}": "1"})
                assert page.status in (302, 400), (model, field.name, how, page.status)
    person = staff("Kim", "security_admin")
    asked = {"email": person.email, "password__startswith": "pbkdf2_"}
    assert ira.get(address(Person), **asked).status in (302, 400)
    page = ira.get(address(Person), platform_role__exact="security_admin")
    assert page.status == 200 and person.name in page.text
