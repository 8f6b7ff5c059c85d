"""The test cards of the simulated Stripe (protocol page section 14) and what each does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from clients.stripe.simulator_wire import StripeError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """`refund` is immediate, pending or fails_later; `dispute` is none, fraud or inquiry."""

    last4: str = "4242"
    brand: str = "visa"
    decline: str | None = None  # a decline_code, or a code of its own
    needs_authentication: bool = False
    needs_authentication_until_set_up: bool = False  # not for charges off-session of a method that was set up for these
    decline_after_authentication: str | None = None
    outcome: str = "authorized"
    risk_level: str = "normal"
    reason: str | None = None
    refund: str = "immediate"
    dispute: str = "none"
    wallet: str | None = None


_DECLINED: Final = "pm_card_visa_chargeDeclined"
CARDS: Final[dict[str, Card]] = {
    "pm_card_visa": Card(),
    "pm_card_mastercard": Card(last4="4444", brand="mastercard"),
    "pm_card_amex": Card(last4="8431", brand="amex"),
    "pm_card_applePay": Card(wallet="apple_pay"),  # our own name: a wallet needs a device
    "pm_card_googlePay": Card(wallet="google_pay"),  # our own name
    _DECLINED: Card(last4="0002", decline="generic_decline"),
    f"{_DECLINED}InsufficientFunds": Card(last4="9995", decline="insufficient_funds"),
    f"{_DECLINED}LostCard": Card(last4="9987", decline="lost_card"),
    f"{_DECLINED}StolenCard": Card(last4="9979", decline="stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": Card(last4="0069", decline="expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": Card(last4="0127", decline="incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": Card(last4="0119", decline="processing_error"),
    "pm_card_chargeCustomerFail": Card(last4="0341", decline="generic_decline"),
    "pm_card_authenticationRequired": Card(last4="3184", needs_authentication=True),
    "pm_card_authenticationRequiredOnSetup": Card(last4="3155", needs_authentication_until_set_up=True),
    "pm_card_threeDSecure2Required": Card(last4="3220", needs_authentication=True),
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": Card(
        last4="3178", needs_authentication=True, decline_after_authentication="insufficient_funds"
    ),
    "pm_card_threeDSecureRequiredChargeDeclined": Card(
        last4="1629", needs_authentication=True, decline_after_authentication="generic_decline"
    ),
    "pm_card_createDispute": Card(last4="0259", dispute="fraud"),
    "pm_card_createDisputeInquiry": Card(last4="1976", dispute="inquiry"),
    "pm_card_riskLevelElevated": Card(last4="9235", risk_level="elevated", reason="elevated_risk_level"),
    "pm_card_riskLevelHighest": Card(last4="4954", risk_level="highest", reason="highest_risk_level"),
    "pm_card_manualReview": Card(outcome="manual_review", reason="rule"),  # our own name
    "pm_card_radarBlock": Card(
        last4="0019", decline="fraudulent", outcome="blocked", risk_level="highest", reason="highest_risk_level"
    ),
    "pm_card_pendingRefund": Card(last4="7726", refund="pending"),
    "pm_card_refundFail": Card(last4="5126", refund="fails_later"),
}

MESSAGES: Final = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}
_OWN_CODES: Final = frozenset({"expired_card", "incorrect_cvc", "processing_error"})  # told as `code` as well


def card_named(name: str) -> Card:
    if name not in CARDS:
        raise StripeError(
            f"No such PaymentMethod: '{name}'", status=400, code="resource_missing", param="payment_method"
        )
    return CARDS[name]


def card_error(decline: str) -> Json:
    """The members of a card error, as in `error` and in `last_payment_error`."""
    own = decline in _OWN_CODES
    error: Json = {
        "type": "card_error",
        "code": decline if own else "card_declined",
        "message": MESSAGES.get(decline, "Your card was declined."),
    }
    if not own:
        error["decline_code"] = decline
        error["advice_code"] = "do_not_try_again" if decline in ("lost_card", "stolen_card") else "try_again_later"
    return error


def outcome_of(card: Card, decline: str | None) -> Json:
    """`charge.outcome`: what Radar and the issuer said."""
    outcome: Json = {
        "network_status": "approved_by_network",
        "reason": card.reason,
        "risk_level": card.risk_level,
        "seller_message": "Payment complete.",
        "type": card.outcome,
    }
    if decline is not None and card.outcome != "blocked":
        outcome |= {"network_status": "declined_by_network", "reason": decline, "type": "issuer_declined"}
    if card.outcome == "blocked":
        outcome |= {"network_status": "not_sent_to_network", "seller_message": "Stripe blocked this payment."}
    return outcome


def method_details(card: Card, *, capture_before: int | None) -> Json:
    details: Json = {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": f"fp_{card.brand}_{card.last4}",
        "funding": "credit",
        "last4": card.last4,
        "network": card.brand,
        "three_d_secure": {"result": "authenticated"} if card.needs_authentication else None,
        "wallet": {"type": card.wallet} if card.wallet else None,
    }
    if capture_before is not None:
        details["capture_before"] = capture_before
    return {"type": "card", "card": details}
