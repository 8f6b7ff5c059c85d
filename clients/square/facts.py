"""Small facts inside Square's objects: method, decline, fraud verdict, mode, fee, times, and what may be stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from clients.square.money import read_money
from core.gateways.redaction import mask_card_numbers
from core.gateways.types import Decline, Fraud, FraudStatus, Method, Mode

Body = Mapping[str, Any]

# Our words for theirs are our own choice; their code and text always go beside them. Anything else is "declined".
DECLINE: Final[Mapping[str, str]] = {
    "GENERIC_DECLINE": "declined",
    "CARD_DECLINED": "declined",
    "INSUFFICIENT_FUNDS": "insufficient_funds",
    "CVV_FAILURE": "incorrect_cvc",
    "ADDRESS_VERIFICATION_FAILURE": "declined",
    "INVALID_EXPIRATION": "expired_card",
    "CARD_EXPIRED": "expired_card",
    "PAN_FAILURE": "declined",
    "TRANSACTION_LIMIT": "declined",
    "VOICE_FAILURE": "declined",
    "CARD_NOT_SUPPORTED": "declined",
    "CARD_DECLINED_VERIFICATION_REQUIRED": "authentication_required",
    "CARD_TOKEN_EXPIRED": "method_unusable",
    "CARD_TOKEN_USED": "method_unusable",
    "SOURCE_USED": "method_unusable",
    "SOURCE_EXPIRED": "method_unusable",
}

FRAUD: Final[Mapping[str, FraudStatus]] = {
    "NORMAL": FraudStatus.ACCEPT,
    "MODERATE": FraudStatus.REVIEW,
    "HIGH": FraudStatus.REVIEW,  # Square itself blocks nothing by it, so never "reject"
}

METHOD: Final[Mapping[str, str]] = {
    "CARD": "card",
    "BANK_ACCOUNT": "bank_debit",
    "WALLET": "wallet",
    "BUY_NOW_PAY_LATER": "pay_later",
    "SQUARE_ACCOUNT": "square_account",
    "CASH": "cash",
    "EXTERNAL": "external",  # also what the sandbox's testing panel makes
}

_SANDBOX_HOST: Final = "squareupsandbox.com"
_LIVE_HOST: Final = "squareup.com"
_MAX_TEXT: Final = 500
_MAX_NAME: Final = 200


def read_decline(errors: Iterable[Any]) -> Decline | None:
    """The first error that is a decline, else the first that is one at all. A list of {category, code, detail}."""
    known = [one for one in errors if isinstance(one, Mapping)]
    if not known:
        return None
    chosen = next((one for one in known if text(one.get("code")) in DECLINE), known[0])
    theirs, said = text(chosen.get("code")), text(chosen.get("detail"))
    message = mask_card_numbers(said) if said else None  # free text, and it is kept and shown
    return Decline(code=DECLINE.get(theirs or "", "declined"), gateway_code=theirs, message=message)


def errors_of(body: Body) -> list[Any]:
    found = body.get("errors")
    return found if isinstance(found, list) else []


def read_fraud(payment: Body) -> Fraud | None:
    """Only where the seller opted in. PENDING, and a level never seen, is no verdict yet."""
    level = within(payment, "risk_evaluation").get("risk_level")
    if not isinstance(level, str):
        return None
    return Fraud(status=FRAUD.get(level, FraudStatus.UNKNOWN), message=mask_card_numbers(level[:60].lower()))


def read_method(payment: Body) -> Method | None:
    source = payment.get("source_type")
    if not isinstance(source, str) or not source:
        return None
    kind = METHOD.get(source) or mask_card_numbers(source.lower()[:40])
    if source == "CARD":
        return read_card_method(within(within(payment, "card_details"), "card"))
    wallet = text(within(payment, "wallet_details").get("brand"))
    bank = within(payment, "bank_account_details")
    lender = text(within(payment, "buy_now_pay_later_details").get("brand"))
    return Method(
        kind=kind,
        brand=lender.lower() if lender else text(bank.get("bank_name")),
        last_four=_last_four(bank.get("account_number_suffix")),
        wallet=wallet.lower() if wallet else None,
    )


def read_card_method(card: Body) -> Method:
    brand = text(card.get("card_brand"))
    return Method(
        kind="card",
        brand=brand.lower() if brand else None,
        last_four=_last_four(card.get("last_4")),
        expiry_month=whole(card.get("exp_month")),
        expiry_year=whole(card.get("exp_year")),
    )


def read_mode(payment: Body) -> Mode | None:
    """The signs that a payment carries of its environment; None where there are none. One of the sandbox is enough.

    Unconfirmed: one captured delivery. Both signs are missing on some payments, which says nothing.
    """
    application = within(payment, "application_details").get("application_id")
    if isinstance(application, str) and application.startswith("sandbox-"):
        return Mode.TEST
    host = _host(payment.get("receipt_url"))
    if host == _SANDBOX_HOST or host.endswith("." + _SANDBOX_HOST):
        return Mode.TEST
    return Mode.LIVE if host == _LIVE_HOST or host.endswith("." + _LIVE_HOST) else None


def read_fee(payment: Body, asset: str | None) -> int | None:
    """The sum of `processing_fee[]`, which a later payment.updated fills in; None where it is not all in `asset`."""
    fees = payment.get("processing_fee")
    if not isinstance(fees, list) or not fees or asset is None:
        return None
    amounts = [read_money(one.get("amount_money")) if isinstance(one, Mapping) else read_money("") for one in fees]
    if any(one.asset != asset or one.minor is None for one in amounts):
        return None
    return sum(one.minor or 0 for one in amounts)


def returned(url: str) -> dict[str, str]:
    """What a return carries, by name: plain text that can be stored, and nothing else."""
    try:
        fields = parse_qsl(urlsplit(url).query)
    except ValueError:
        return {}
    return {
        name: value for name, value in fields if value.isascii() and value.isprintable() and len(value) <= _MAX_NAME
    }


def moment(value: Any) -> datetime | None:
    """RFC 3339, also with nanoseconds -> aware UTC."""
    if not isinstance(value, str) or len(value) > 60:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def within(body: Body, name: str) -> Body:
    """A member that is an object; an empty one where it is missing or anything else."""
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}


def text(value: Any) -> str | None:
    return value[:_MAX_TEXT] if isinstance(value, str) and value else None


def whole(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= 9999 else None


def names(*values: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _last_four(value: Any) -> str | None:
    return value[-4:] if isinstance(value, str) and value else None


def _host(url: Any) -> str:
    if not isinstance(url, str):
        return ""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


# An allow-list: no e-mail, name, postal address, phone, note, page address, card fingerprint or device is among these, and
# no customer: with a card on file that name is half of what charges it. The card's own is dropped wherever it stands.
KEPT: Final = frozenset({
    "id", "dispute_id", "version", "status", "state", "type", "amount_money", "tip_money", "total_money",
    "approved_money", "refunded_money", "app_fee_money", "processing_fee", "amount", "currency", "currency_code",
    "effective_at", "source_type", "card_details", "card", "card_brand", "last_4", "exp_month", "exp_year", "card_type",
    "prepaid_type", "enabled", "avs_status", "cvv_status", "entry_method", "auth_result_code", "wallet_details",
    "brand", "bank_account_details", "bank_name", "buy_now_pay_later_details", "external_details", "source",
    "location_id", "order_id", "reference_id", "payment_id", "refund_ids", "reason", "created_at",
    "updated_at", "delayed_until", "delay_action", "delay_duration", "capabilities", "risk_evaluation", "risk_level",
    "application_details", "square_product", "application_id", "errors", "category", "code", "detail", "field",
    "tenders", "net_amounts", "metadata", "cancelled_order_id", "due_at", "disputed_payment", "brand_dispute_id",
    "reported_date", "payment_link", "related_resources", "orders",
})  # fmt: skip
OUR_METADATA: Final = frozenset({"save_method"})  # the rest is anybody's, and may be anything
_CARD_ON_FILE: Final = "ccof:"
_DEEPEST: Final = 6
_MAX_ITEMS: Final = 20


def redacted(body: Body) -> dict[str, Any]:
    """The part of an object that may be stored: small, and free of secrets and personal data."""
    kept = _kept(body, _DEEPEST)
    return kept if isinstance(kept, dict) else {}


def _kept(value: Any, depth: int, allowed: frozenset[str] = KEPT) -> Any:
    if isinstance(value, Mapping):
        inner = {
            name: _kept(one, depth - 1, OUR_METADATA if name == "metadata" else KEPT)
            for name, one in value.items()
            if name in allowed and depth
        }
        return {name: one for name, one in inner.items() if one not in (None, {}, [])}
    if isinstance(value, list):
        return [_kept(one, depth - 1) for one in value[:_MAX_ITEMS]] if depth else []
    if isinstance(value, str):
        return None if value.startswith(_CARD_ON_FILE) else value[:_MAX_TEXT]
    return value
