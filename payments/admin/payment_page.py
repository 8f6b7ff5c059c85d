"""The blocks of a payment's page, as labels and texts; the template only lays them out."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from core.desk import showing
from core.desk.scoped import address_of
from core.gateways.types import Attention
from payments.admin import timeline
from payments.admin.gateway_keys import label_of
from payments.models import GatewayReference, Payment

Facts = list[tuple[str, Any]]


class Link(NamedTuple):
    """A value that the template draws as a link."""

    text: str
    href: str


_MEANINGS = {
    Attention.DUPLICATE_PAID: "Another payment of the same reference was made since: probably paid twice. Refund one.",
    Attention.GATEWAY_DISAGREES: "The gateway says what cannot follow from what we know. Compare with its dashboard.",
    Attention.MISMATCH: "Amount, currency, account or mode differ from what was asked. Nothing was credited.",
    Attention.CONFLICT: "The same event arrived with two different contents.",
    Attention.OVERPAID: "More arrived than was asked for.",
    Attention.UNDERPAID: "Less arrived than was asked for.",
    Attention.PAID_LATE: "Paid after it had expired: check that what was sold can still be delivered.",
    Attention.UNKNOWN_OUTCOME: "The gateway never told what became of it. Look into its dashboard.",
    Attention.REFUND_UNEXPECTED: "A refund was made at the gateway that does not fit what we know.",
    Attention.REFUND_FAILED: "A refund failed: the customer does not have the money.",
    Attention.DISPUTED: "The payer's bank asks for the money back.",
    Attention.FRAUD_REVIEW: "The gateway wants a person to review it for fraud.",
    Attention.FRAUD_WARNING: "The gateway warns of fraud.",
}


def context(payment: Payment, *, with_events: bool) -> dict[str, Any]:
    """Everything the template shows; seven statements."""
    return {
        "status": showing.badge(payment.status),
        "mode": showing.badge(payment.mode),
        "amount": showing.money(payment.amount, payment.currency),
        "attention": [(word, showing.badge(word, showing.BAD), _meaning(word)) for word in unseen(payment)],
        "seen": [(showing.badge(word, showing.PLAIN), _meaning(word)) for word in payment.attention_seen],
        "blocks": [block for block in _blocks(payment) if block[1]],
        "moments": timeline.of(payment, with_events=with_events),
    }


def unseen(payment: Payment) -> list[str]:
    """The reasons for attention that nobody has marked as seen."""
    return [word for word in payment.attention if word not in payment.attention_seen]


def _meaning(word: str) -> str:
    return _MEANINGS.get(Attention(word), "") if word in set(Attention) else ""


def _blocks(payment: Payment) -> list[tuple[str, Facts]]:
    return [
        ("Money", _money(payment)),
        ("Next step", _next_action(payment)),
        ("Coin", _coin(payment)),
        ("Declined", _decline(payment)),
        ("Gateway", _gateway(payment)),
        ("Customer", _customer(payment)),
        ("Order", _order(payment)),
    ]


def _money(payment: Payment) -> Facts:
    def amount(minor: int | None) -> str:
        return showing.money(minor, payment.currency)

    facts: Facts = [("Asked for", amount(payment.amount))]
    optional = (
        ("Tax in it", payment.tax), ("Delivery in it", payment.delivery), ("Authorized", payment.authorized),
        ("Received so far", payment.received if payment.received != payment.captured else None),
    )  # fmt: skip
    facts += [(label, amount(minor)) for label, minor in optional if minor]
    facts.append(("Captured", amount(payment.captured)))
    if payment.refund_reserved:
        facts.append(("Refunded", amount(payment.refunded)))
        facts.append(("Refunds on their way", amount(payment.refund_reserved - payment.refunded)))
    return [*facts, *([("Gateway's fee", amount(payment.fee))] if payment.fee else [])]


def _next_action(payment: Payment) -> Facts:
    """What the customer has to do. A token for their browser stays out, and so does the rest of a page's address."""
    action = payment.next_action or {}
    match action.get("type"):
        case "redirect" | "form_post" as kind:
            page = urlsplit(str(action.get("url", ""))).netloc
            return [
                ("Customer", "is sent to the gateway's page" if kind == "redirect" else "posts to the gateway"),
                ("At", page),
            ]
        case "show_address":
            shown = (
                ("Pay", f"{action.get('amount_text', '')} {action.get('asset', '')}".strip()), ("To", action.get("address")),
                ("Network", action.get("network")), ("Memo", action.get("memo")), ("Until", action.get("expires_at")),
            )  # fmt: skip
            return [(label, text) for label, text in shown if text]
        case "client_token":
            return [("Customer", "pays in a form inside the lab's page")]
        case _:
            return []


def _coin(payment: Payment) -> Facts:
    coin = payment.coin or {}
    labels = (
        ("Coin", "code"), ("Network", "network"), ("Asked", "amount_text"), ("Arrived", "arrived_text"),
        ("Address", "address"), ("Memo", "memo"), ("Transaction", "transaction_hash"),
    )  # fmt: skip
    facts: Facts = [(label, coin[name]) for label, name in labels if coin.get(name)]
    explorer = str(coin.get("explorer_url") or "")
    return [*facts, *([("Explorer", Link("look it up", explorer))] if explorer.startswith("https://") else [])]


def _decline(payment: Payment) -> Facts:
    decline = payment.decline or {}
    labels = (("Reason", "code"), ("Gateway's code", "gateway_code"), ("Gateway's words", "message"))
    return [(label, decline[name]) for label, name in labels if decline.get(name)]


def _gateway(payment: Payment) -> Facts:
    key, method = payment.gateway_key, payment.method or {}
    names = (
        GatewayReference.objects.for_lab(payment.lab_id).filter(payment_id=payment.pk, is_refund=False).order_by("pk")
    )
    shown_method = (method.get("kind"), method.get("brand"), method.get("last_four") and f"ends in {method['last_four']}",
                    method.get("handle"), method.get("wallet"), method.get("network"))  # fmt: skip
    facts = (
        ("Gateway", key and label_of(key.gateway)),
        ("Gateway key", key and Link(str(key), address_of(key, key.public_id))),
        ("Names it goes by", ", ".join(names.values_list("reference", flat=True)[:20])),
        ("Method", " ".join(dict.fromkeys(str(part) for part in shown_method if part))),  # brand and network may agree
        ("Fraud", _fraud(payment)),
        ("Last asked", payment.last_checked_at and showing.time(payment.last_checked_at)),
        ("Next asked", payment.next_check_at and showing.time(payment.next_check_at)),
        ("Outcome unknown since", payment.unknown_since and showing.time(payment.unknown_since)),
    )
    return [(label, text) for label, text in facts if text]


def _fraud(payment: Payment) -> str:
    told = "" if payment.fraud_status == "unknown" else payment.fraud_status
    return ": ".join(part for part in (told, payment.fraud_message) if part)


def _customer(payment: Payment) -> Facts:
    customer, address = payment.customer, (payment.billing or {}).get("address")
    facts: Facts = []
    if customer is not None:
        link = Link(str(customer), address_of(customer, customer.pk))
        facts += [
            ("Name", link),
            ("The lab's id", customer.external_id),
            ("E-mail", customer.email),
            ("Phone", customer.phone),
        ]
    facts += [("Network address", payment.customer_ip), ("Billing", showing.as_json(address))]
    return [(label, text) for label, text in facts if text]


def _order(payment: Payment) -> Facts:
    facts = (
        ("Lab", payment.lab.name), ("Reference", payment.merchant_reference), ("Purpose", payment.purpose),
        ("Description", payment.description), ("Capture", payment.capture_mode),
        ("Payment link", payment.link and Link(payment.link.public_id, address_of(payment.link, payment.link.public_id))),
        ("Created", showing.time(payment.created_at)),
        ("Expires", payment.expires_at and showing.time(payment.expires_at)),
        ("Completed", payment.completed_at and showing.time(payment.completed_at)),
        ("Metadata", showing.as_json(payment.metadata)),
    )  # fmt: skip
    return [(label, text) for label, text in facts if text]
