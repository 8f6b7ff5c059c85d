"""What the customer sees at the simulated PhonePe v1: the PayPage, the bank's page, the form that posts him back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from clients.phonepev1.simulator_merchant import Transaction
from core.gateways.simulated_page import Button, Look

_LOOK: Final = Look("PhonePe v1", "#5f259f")
_PAY: Final[tuple[Button, ...]] = (
    ("pay", "Pay by UPI", "main"),
    ("card", "Pay by card, the bank asks first", ""),
    ("pend", "Pay by UPI, approve later", ""),
    ("fail", "The payment fails", ""),
    ("decline", "Decline", ""),
    ("expire", "Let it run out", ""),
    ("cancel", "Cancel", "quiet"),
)
_BANK: Final[tuple[Button, ...]] = (
    ("success", "Success", "main"),
    ("failure", "Failure", ""),
    ("pending", "Pending", ""),
)


def payment(one: Transaction, *, error: str | None) -> str:
    return _LOOK.page("Payment", f"<h1>To pay</h1>{_amount(one)}", _PAY, error=error)


def bank(one: Transaction) -> str:
    return _LOOK.page("Bank", f"<h1>Your bank asks: is it you who pays</h1>{_amount(one)}", _BANK)


def message(title: str, text: str) -> str:
    return _LOOK.message(title, text)


def form_post(url: str, fields: Mapping[str, str]) -> str:
    """A cross-site form."""
    return _LOOK.posting(url, fields)


def _amount(one: Transaction) -> str:
    return f"<p class=amount>{Decimal(one.amount).scaleb(-2)} INR</p>"
