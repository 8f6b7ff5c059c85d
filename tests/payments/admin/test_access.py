"""Nobody sees another lab, and nobody moves money by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core import labs
from core.models import AuditLog, Lab
from finance.models import Currency
from tests.payments import builders
from tests.payments.admin.conftest import Person, make_person, page
from tests.payments.admin.stock import LISTS, Stock, fill
from tests.payments.shop import TABLES, Shop, Wire, answer, everything, stripe_refund

MakePerson = Callable[..., Person]
MONEY = (
    "payments.payment", "payments.refund", "payments.paymentgatewaytransaction", "payments.webhookevent",
    "finance.userbalance", "finance.transaction", "core.auditlog", "core.customer", "payments.onlinepayment",
    "payments.dispute", "payments.customerpaymentprofile",
)  # fmt: skip


@pytest.fixture
def mine(db: None, wire: Wire) -> Stock:
    return fill(wire, builders.make_lab("Mine"), "mira")


@pytest.fixture
def theirs(db: None, wire: Wire) -> Stock:
    return fill(wire, builders.make_lab("Theirs"), "xenia")


def test_every_page_shows_ones_own_lab_and_no_word_of_another(mine: Stock, theirs: Stock) -> None:
    owner = make_person(mine.lab)
    seen = {name: owner.text(page(name)) + owner.text(path) for name, path in mine.pages.items()}
    seen["today"] = owner.text("/admin/")
    foreign = ("xenia", "Theirs", theirs.payment["id"], theirs.refund["id"], theirs.shop.key.public_id, theirs.lab.slug)
    assert {name: [word for word in foreign if word in text] for name, text in seen.items()} == {
        name: [] for name in seen
    }
    with_marker = [
        name for name in ("payments.payment", "core.customer", "finance.userbalance") if "mira" in seen[name]
    ]
    assert with_marker == ["payments.payment", "core.customer", "finance.userbalance"]


@pytest.mark.parametrize("name", LISTS)
def test_another_labs_row_is_answered_like_a_missing_one(mine: Stock, theirs: Stock, name: str) -> None:
    missing = {"payments.paymentgatewaytransaction": "01a1fb69-0000-7000-8000-000000000000"}.get(name, "999999999")
    owner = make_person(mine.lab)
    foreign, absent = owner.get(theirs.pages[name]), owner.get(page(name, missing))
    assert (foreign.status_code, foreign.headers["Location"]) == (302, "/admin/")
    assert (absent.status_code, absent.headers["Location"], absent.content) == (302, "/admin/", foreign.content)


@pytest.mark.parametrize("verb", ["check", "switch"])
def test_the_buttons_of_another_labs_key_do_nothing(mine: Stock, theirs: Stock, verb: str) -> None:
    before = theirs.shop.key.updated_at
    response = make_person(mine.lab).post(page("payments.paymentgatewaykey", theirs.shop.key.public_id, verb))
    theirs.shop.key.refresh_from_db()
    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")
    assert (theirs.shop.key.updated_at, theirs.shop.key.is_active) == (before, True)
    assert AuditLog.objects.for_lab(theirs.lab).filter(action="gateway_key.checked").count() == 0


def test_the_gateway_of_another_labs_payment_is_not_asked(mine: Stock, theirs: Stock, wire: Wire) -> None:
    wire.script()
    response = make_person(mine.lab).post(page("payments.payment", theirs.payment["id"], "ask"))
    assert (response.status_code, response.headers["Location"], wire.sent) == (302, "/admin/", [])


@pytest.mark.parametrize("name", MONEY)
def test_money_is_not_added_changed_or_deleted_by_a_direct_post(mine: Stock, name: str) -> None:
    owner = make_person(mine.lab)
    before = everything()
    posts = [page(name) + "add/", mine.pages[name], mine.pages[name].replace("/change/", "/delete/")]
    assert [owner.post(path, {"post": "yes", "status": "captured"}).status_code for path in posts] == [403, 403, 403]
    bulk = owner.post(page(name), {"action": "delete_selected", "_selected_action": ["1"], "post": "yes"})
    assert bulk.status_code in {200, 302, 403}
    assert everything() == before
    assert set(before) == set(TABLES)


def test_a_superuser_with_every_permission_moves_no_money_either(mine: Stock) -> None:
    root = make_person(is_superuser=True)
    root.post(f"/admin/labs/{mine.lab.slug}/")
    before = everything()
    answers = [root.post(mine.pages[name], {"post": "yes"}).status_code for name in MONEY]
    assert answers == [403] * len(MONEY)
    assert everything() == before


@pytest.mark.parametrize(
    ("role", "refused"),
    [
        ("owner", []),
        ("manager", []),
        ("finance", ["payments.webhookevent", "core.auditlog"]),
        ("support", ["core.auditlog", "finance.userbalance", "finance.transaction"]),
        ("viewer", ["payments.webhookevent", "core.auditlog"]),
    ],
)
def test_a_role_opens_what_it_needs(mine: Stock, role: str, refused: list[str]) -> None:
    one = make_person(mine.lab, role)
    lists = {name: one.get(page(name)).status_code for name in LISTS}
    pages = {name: one.get(path).status_code for name, path in mine.pages.items()}
    wanted = {name: 403 if name in refused else 200 for name in LISTS}
    assert lists == wanted
    assert {name: 200 if code == 200 else 403 for name, code in pages.items()} == wanted
    assert one.get(page("payments.paymentgatewaykey") + "add/").status_code == (
        200 if role in {"owner", "manager"} else 403
    )


def test_a_role_in_one_lab_opens_nothing_in_another(mine: Stock, theirs: Stock) -> None:
    """Support here, owner there: the books and keys of the one stay closed although the other's are open."""
    both = make_person(mine.lab, "support")
    labs.add_member(lab=theirs.lab, user=both.user, role="owner", actor="test")
    assert both.get(theirs.pages["finance.userbalance"]).status_code == 200
    assert both.get(mine.pages["finance.userbalance"]).status_code == 302
    assert both.post(page("payments.paymentgatewaykey", mine.shop.key.public_id, "switch")).status_code == 403
    assert "mira" not in both.text(page("finance.userbalance"))
    assert "xenia" in both.text(page("finance.userbalance"))


def test_staff_without_a_role_see_an_empty_desk(mine: Stock, person: MakePerson) -> None:
    nobody = person()
    assert {name: nobody.get(page(name)).status_code for name in LISTS} == dict.fromkeys(LISTS, 403)
    assert "You have no role in a lab yet" in nobody.words("/admin/")
    assert mine.lab.name not in nobody.text("/admin/labs/")


def test_who_is_not_staff_gets_the_login_page(mine: Stock) -> None:
    member = make_person(mine.lab)
    member.user.is_staff = False
    member.user.save()
    response = member.get(mine.pages["payments.payment"])
    assert (response.status_code, response.headers["Location"].partition("?")[0]) == (302, "/admin/login/")


# Operators ------------------------------------------------------------------------------------------------------------


def _opened(lab: Lab) -> list[tuple[str, str]]:
    rows = AuditLog.objects.for_lab(lab).filter(action__startswith="desk.").order_by("seq")
    return [(row.action, row.actor_label) for row in rows]


def test_a_superuser_sees_a_lab_only_after_opening_it_and_the_lab_knows(mine: Stock, theirs: Stock) -> None:
    root = make_person(is_superuser=True)
    name = root.user.username
    assert root.get(mine.pages["payments.payment"]).status_code == 302
    assert root.get(page("payments.payment")).status_code == 403
    assert "No lab is open" in root.words("/admin/")

    assert root.post(f"/admin/labs/{mine.lab.slug}/").status_code == 302
    assert root.get(mine.pages["payments.payment"]).status_code == 200
    assert root.get(theirs.pages["payments.payment"]).status_code == 302
    assert "as operator" in root.words("/admin/")
    assert (_opened(mine.lab), _opened(theirs.lab)) == ([("desk.lab_opened", name)], [])

    root.post("/admin/labs/leave/")
    assert root.get(page("payments.payment")).status_code == 403
    assert _opened(mine.lab) == [("desk.lab_opened", name), ("desk.lab_left", name)]


def test_a_lab_is_not_opened_by_following_a_link(mine: Stock) -> None:
    root = make_person(is_superuser=True)
    assert root.get(f"/admin/labs/{mine.lab.slug}/").status_code == 405
    assert (_opened(mine.lab), root.get(page("payments.payment")).status_code) == ([], 403)


def test_a_superuser_who_is_none_any_more_loses_the_opened_lab(mine: Stock) -> None:
    root = make_person(is_superuser=True)
    root.post(f"/admin/labs/{mine.lab.slug}/")
    root.user.is_superuser = False
    root.user.save()
    assert root.get(page("payments.payment")).status_code == 403


def test_a_member_cannot_open_a_foreign_lab(mine: Stock, theirs: Stock) -> None:
    owner = make_person(mine.lab)
    assert owner.post(f"/admin/labs/{theirs.lab.slug}/").status_code == 404
    assert owner.post("/admin/labs/no-such-lab/").status_code == 404
    assert owner.get(theirs.pages["payments.payment"]).status_code == 302
    assert _opened(theirs.lab) == []


def test_a_member_of_two_labs_looks_at_one_without_an_audit_row(mine: Stock, theirs: Stock) -> None:
    owner = make_person(mine.lab)
    labs.add_member(lab=theirs.lab, user=owner.user, role="owner", actor="test")
    assert [word in owner.text(page("payments.payment")) for word in ("mira", "xenia")] == [True, True]
    owner.post(f"/admin/labs/{theirs.lab.slug}/")
    assert [word in owner.text(page("payments.payment")) for word in ("mira", "xenia")] == [False, True]
    assert owner.get(mine.pages["payments.payment"]).status_code == 302
    owner.post("/admin/labs/leave/")
    assert owner.get(mine.pages["payments.payment"]).status_code == 200
    assert (_opened(mine.lab), _opened(theirs.lab)) == ([], [])


# Side doors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "credentials__contains=v1", "webhook_token_hash__startswith=0", "lab__memberships__user__password__startswith=m",
        "lab_id=1", "lab__slug=x",
    ],
)  # fmt: skip
def test_no_column_is_probed_through_the_address(mine: Stock, query: str) -> None:
    response = make_person(mine.lab).get(f"{page('payments.paymentgatewaykey')}?{query}")
    assert response.status_code == 400


def test_a_filter_by_lab_does_not_reach_further(mine: Stock, theirs: Stock) -> None:
    owner = make_person(mine.lab)
    response = owner.get(f"{page('payments.payment')}?lab={theirs.lab.slug}")
    assert "xenia" not in response.content.decode()


def test_autocompletion_offers_ones_own_customers_alone(mine: Stock, theirs: Stock) -> None:
    path = "/admin/autocomplete/?app_label=payments&model_name=payment&field_name=customer&term="
    owner = make_person(mine.lab)
    found = [one["text"] for one in owner.get(path).json()["results"]]
    assert found == ["mira the customer"]
    assert owner.get(path + "xenia").json()["results"] == []


def test_search_finds_no_foreign_payment(mine: Stock, theirs: Stock) -> None:
    owner = make_person(mine.lab)
    for name in (theirs.payment["id"], theirs.payment["gateway_reference"], "xenia-order"):
        assert "0 payments" in owner.words(f"{page('payments.payment')}?q={name}")


@pytest.mark.parametrize("path", ["payments.payment/{payment}/ask", "payments.paymentgatewaykey/{key}/check"])
def test_buttons_want_a_token_against_forged_requests(mine: Stock, path: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = make_person(mine.lab).cookies
    where = f"/admin/{path.format(payment=mine.payment['id'], key=mine.shop.key.public_id).replace('.', '/')}/"
    assert strict.post(where).status_code == 403
    assert strict.get(where).status_code == 405


# Currencies -----------------------------------------------------------------------------------------------------------


def test_currencies_are_read_by_members_and_switched_by_superusers(mine: Stock) -> None:
    euro = Currency.objects.get(provider="", code="EUR")
    path = page("finance.currency", euro.pk)
    owner, root = make_person(mine.lab), make_person(is_superuser=True)
    assert "EUR" in owner.text(path)
    assert owner.post(path, {"is_active": "", "sort_order": "1"}).status_code == 403
    assert root.post(path, {"sort_order": "7", "decimals": "9", "asset": "USD"}).status_code == 302
    euro.refresh_from_db()
    assert (euro.is_active, euro.sort_order, euro.decimals, euro.asset) == (False, 7, 2, "EUR")
    assert [root.post(page("finance.currency") + "add/").status_code, root.post(
        page("finance.currency", euro.pk, "delete"), {"post": "yes"}).status_code] == [403, 403]  # fmt: skip


def test_people_are_managed_by_superusers_alone(mine: Stock) -> None:
    owner, root = make_person(mine.lab), make_person(is_superuser=True)
    path = page("auth.user", owner.user.pk)
    assert (owner.get(path).status_code, owner.post(path, {"is_superuser": "on"}).status_code) == (403, 403)
    assert "Mine (owner)" in root.words(page("auth.user"))


# Cost -----------------------------------------------------------------------------------------------------------------


def _statements(one: Person, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        one.text(path)
    return len(captured)


@pytest.mark.parametrize("name", [*LISTS, "today"])
def test_a_page_costs_the_same_statements_however_long_it_is(mine: Stock, wire: Wire, name: str) -> None:
    owner = make_person(mine.lab)
    path = "/admin/" if name == "today" else page(name)
    _statements(owner, path)
    before = _statements(owner, path)
    for number in range(3):
        more: dict[str, Any] = {"id": f"c{number}", "name": f"Customer {number}"}
        shop = Shop(wire, lab=mine.lab)
        payment = shop.captured_payment(gateway="stripe", customer=more)
        shop.refund(payment, answer(stripe_refund(payment, 1)), amount=1)
    assert _statements(owner, path) == before
    assert before <= 14
