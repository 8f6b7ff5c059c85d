"""Cards on file: kept out of a paid link, where its customer agreed to that, and charged later.

A link saves no card by itself. Its payment can be the source of one, though, for about a day (Unconfirmed), so a fetch of
a paid order that carries our mark of consent asks for it. Saving moves no money and its key is the payment's, so a second
look answers with the same card; a refusal leaves the payment as it is, without a saved card.
"""

from __future__ import annotations

from dataclasses import replace

from clients.square import building, translate
from clients.square.client import SquareApi
from clients.square.facts import text, within
from clients.square.finding import Found
from core.gateways.errors import GatewayError
from core.gateways.types import PaymentStatus, Report, SavedMethod


def with_saved(api: SquareApi, found: Found) -> Report:
    """The report, with the saved card where one was agreed to and could be had."""
    if not _is_wanted(found):
        return found.report
    try:
        saved = _save(api, found)
    except GatewayError:  # the payment is what it is; the next look tries again
        return found.report
    return replace(found.report, saved=saved)


def _is_wanted(found: Found) -> bool:
    agreed = within(found.order, "metadata").get(building.CONSENT) == building.CONSENT_GIVEN
    is_card = found.payment.get("source_type") == "CARD"
    return agreed and is_card and found.report.status is PaymentStatus.CAPTURED


def _save(api: SquareApi, found: Found) -> SavedMethod | None:
    payment_id = text(found.payment.get("id"))
    customer = _customer_of(api, found)
    if payment_id is None or customer is None:
        return None
    body = api.create_card(building.build_card(payment_id=payment_id, customer_id=customer))
    return translate.read_card(within(body, "card"), customer_id=customer)


def _customer_of(api: SquareApi, found: Found) -> str | None:
    """Whom Square linked to the payment (it does so by itself for most), else a customer with the payer's address.

    Unconfirmed: whether a card may be kept for a customer that was not linked to its payment.
    """
    known = text(found.payment.get("customer_id")) or text(found.order.get("customer_id"))
    email, payment_id = text(found.payment.get("buyer_email_address")), text(found.payment.get("id"))
    if known is not None or email is None or payment_id is None:
        return known
    body = api.create_customer(building.build_customer(email=email, payment_id=payment_id))
    return text(within(body, "customer").get("id"))
