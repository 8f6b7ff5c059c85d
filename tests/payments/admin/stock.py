"""One row of everything the desk shows, so that a test can look at all pages of a lab at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.gateways.types import Mode
from core.models import AuditLog, Customer, Lab
from finance.models import Transaction, UserBalance
from payments.models import PaymentGatewayTransaction, WebhookEvent
from payments.services import links, rules
from tests.payments.admin.conftest import page
from tests.payments.api.objects import disputed, saved
from tests.payments.shop import CRYPTO_ORDER, PREFLIGHT, Shop, Wire, answer, coins, made, stripe_refund


@dataclass(frozen=True)
class Stock:
    """`pages` are the lab's own pages by the name of their list; `marker` stands on every list of the lab."""

    lab: Lab
    shop: Shop
    pages: dict[str, str]
    marker: str
    payment: dict[str, Any]
    refund: dict[str, Any]


LISTS = (
    "payments.payment", "payments.refund", "payments.onlinepayment", "payments.paymentgatewaykey",
    "payments.webhookevent", "payments.paymentgatewaytransaction", "core.customer", "core.auditlog",
    "finance.userbalance", "finance.transaction", "payments.dispute", "payments.customerpaymentprofile",
    "payments.routingrule",
)  # fmt: skip


def fill(wire: Wire, lab: Lab, marker: str) -> Stock:
    """A card payment with a refund, a crypto deposit that is booked, a link, a dispute, a saved method, a routing rule."""
    shop = Shop(wire, lab=lab)
    coin_shop = Shop(wire, lab=lab, gateway="nowpayments")
    customer = {"id": marker, "name": f"{marker} the customer", "email": f"{marker}@example.com"}
    payment = shop.captured_payment(gateway="stripe", customer=customer, reference=f"{marker}-order")
    refund = made(shop.refund(payment, answer(stripe_refund(payment, 299)), amount=299, reason=f"{marker} came back"))
    number = 4_000_000_000 + lab.pk
    deposit = made(
        coin_shop.initiate(
            *PREFLIGHT, answer(coins(number=number)), gateway="nowpayments", purpose="deposit", customer=customer,
            **CRYPTO_ORDER,
        )
    )  # fmt: skip
    coin_shop.deliver(coins("finished", number=number, arrived="50", order_id=f"{deposit['id']}-1"))
    link = links.create_link(lab=lab, mode=Mode.LIVE, currency="EUR", actor="test", amount=700, description=marker)
    dispute, method = disputed(shop, payment, withdrawn=0), saved(shop, marker)
    wish = {"gateway_keys": [shop.key.public_id], "name": f"{marker} first"}
    rule = rules.create_rule(lab_id=lab.pk, mode=Mode.LIVE, values=wish, actor="test")
    rows = {
        "payments.payment": payment["id"], "payments.refund": refund["id"], "payments.onlinepayment": link.public_id,
        "payments.paymentgatewaykey": shop.key.public_id, "payments.webhookevent": _newest(WebhookEvent, lab),
        "payments.paymentgatewaytransaction": _newest(PaymentGatewayTransaction, lab),
        "core.customer": _newest(Customer, lab), "core.auditlog": _newest(AuditLog, lab),
        "finance.userbalance": UserBalance.for_lab(lab).get().pk, "finance.transaction": _newest(Transaction, lab),
        "payments.dispute": dispute["id"], "payments.customerpaymentprofile": method.public_id,
        "payments.routingrule": rule.public_id,
    }  # fmt: skip
    pages = {name: page(name, address) for name, address in rows.items()}
    return Stock(lab, shop, pages, marker, payment, refund)


def _newest(model: Any, lab: Lab) -> Any:
    return model.objects.for_lab(lab).order_by("-pk").values_list("pk", flat=True)[0]
