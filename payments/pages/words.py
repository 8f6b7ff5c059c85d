"""What customers are told, in short sentences. Gateways' own messages are for staff and never shown here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Our decline codes -> what the customer can do about it.
DECLINES: Final[Mapping[str, str]] = {
    "insufficient_funds": "There was not enough money on the account.",
    "expired_card": "The card has expired.",
    "incorrect_cvc": "The card's security code was wrong.",
    "processing_error": "The bank could not process the payment. Try again in a few minutes.",
    "authentication_required": "Your bank wants you to confirm the payment yourself.",
    "authentication_failed": "The confirmation with your bank did not succeed.",
    "declined": "Your bank or payment provider declined the payment. Try another way to pay, or ask your bank.",
    "failed": "The payment did not go through.",
    "amount_too_small": "The amount is too small for this way to pay. Choose another one.",
    "amount_too_large": "The amount is too large for this way to pay. Choose another one.",
    "amount_not_supported": "This way to pay does not take this amount. Choose another one.",
    "currency_not_supported": "This way to pay does not take this currency. Choose another one.",
    "currency_unavailable": "This coin cannot be used right now. Choose another one.",
}
OTHER_DECLINE: Final = "The payment provider did not accept the payment."
CANCELLED: Final = frozenset({"cancelled", "canceled", "abandoned"})

CLOSED: Final[Mapping[str, tuple[str, str]]] = {
    "disabled": ("This link was switched off", "It cannot be paid any more. Ask {shop} for a new one."),
    "expired": ("This link has expired", "Its time is over. Ask {shop} for a new one."),
    "used_up": ("This link was used already", "Nothing more can be paid with it. Ask {shop} for a new one."),
}


def decline(code: str) -> str:
    return DECLINES.get(code, OTHER_DECLINE)
