"""What stands around every page of the desk: the menu, the chosen lab, the style sheet. Named in settings.UNFOLD."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

from core.desk.access import Ability, access_of

# title, icon, name of the admin page, who sees it
_ITEMS: Final = (
    (
        "Payments",
        (
            ("Payments", "payments", "payments_payment_changelist", Ability.SEE),
            ("Refunds", "undo", "payments_refund_changelist", Ability.SEE),
            ("Disputes", "gavel", "payments_dispute_changelist", Ability.SEE),
            ("Payment links", "link", "payments_onlinepayment_changelist", Ability.SEE),
            ("Customers", "group", "core_customer_changelist", Ability.SEE),
            ("Saved methods", "credit_card", "payments_customerpaymentprofile_changelist", Ability.SEE),
        ),
    ),
    (
        "Books",
        (
            ("Balances", "account_balance_wallet", "finance_userbalance_changelist", Ability.SEE_BALANCES),
            ("Transactions", "receipt_long", "finance_transaction_changelist", Ability.SEE_BALANCES),
            ("Currencies", "currency_exchange", "finance_currency_changelist", Ability.SEE),
        ),
    ),
    (
        "Gateways",
        (
            ("Gateway keys", "vpn_key", "payments_paymentgatewaykey_changelist", Ability.SEE),
            ("Routing rules", "alt_route", "payments_routingrule_changelist", Ability.SEE),
            ("Webhook events", "inbox", "payments_webhookevent_changelist", Ability.SEE_EVENTS),
            ("Gateway transactions", "swap_horiz", "payments_paymentgatewaytransaction_changelist", Ability.SEE),
        ),
    ),
    ("Lab", (("Audit log", "history", "core_auditlog_changelist", Ability.SEE_AUDIT),)),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu: only what this person may open."""
    groups = [_group(title, items, request) for title, items in _ITEMS]
    home = {"items": [_item("Today", "dashboard", "index", _always), _item("Labs", "storefront", "labs", _always)]}
    people = {
        "title": "Platform",
        "items": [
            _item("People", "person", "auth_user_changelist", _is_superuser),
            _item("Currencies", "currency_exchange", "finance_currency_changelist", _is_superuser_without_lab),
        ],
    }
    return [home, *groups, people]


def _group(title: str, items: Any, request: HttpRequest) -> dict[str, Any]:
    return {"title": title, "items": [_item(name, icon, page, _may(ability)) for name, icon, page, ability in items]}


def _item(title: str, icon: str, page: str, permission: Callable[[HttpRequest], bool]) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse(f"admin:{page}"), "permission": permission}


def _may(ability: Ability) -> Callable[[HttpRequest], bool]:
    return lambda request: access_of(request).may(ability)


def _always(_request: HttpRequest) -> bool:
    return True


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _is_superuser_without_lab(request: HttpRequest) -> bool:
    return _is_superuser(request) and not access_of(request).may(Ability.SEE)


def chosen_lab(request: HttpRequest) -> list[str] | None:
    """The badge beside the title: whose desk this is."""
    if not request.user.is_authenticated:
        return None
    access = access_of(request)
    lab = access.only_lab
    if lab is None:
        return [f"{len(access.labs)} labs", "info"] if access.labs else None
    return [f"{lab.name} · as operator", "danger"] if access.is_operator else [lab.name, "info"]


def stylesheet(_request: HttpRequest) -> str:
    return static("payments/desk.css")


def script(_request: HttpRequest) -> str:
    return static("payments/desk.js")
