"""What the simulated NOWPayments writes: answers and callbacks, with the mixed number and string types of the real one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from clients.nowpayments.simulator_coins import COINS, converted
from clients.nowpayments.simulator_state import Batch, Invoice, Payment, Payout, iso

Json = dict[str, Any]

OUTCOME: Final = "usdttrc20"  # the coin in which the simulated merchant is paid
_NETTED: Final = Decimal("0.995")
# Numbers that a naive printer gets wrong: 6.1e-05 and 2.5e-07 in Python, 0.000061 and 2.5e-7 in JavaScript.
_DEPOSIT_FEE: Final = Decimal("0.000061")
_SERVICE_FEE: Final = Decimal("2.5e-7")
_DESCRIPTION: Final = "Simulated café / ☕"  # where the merchant gave none: text that a naive verifier gets wrong


def _outcome(payment: Payment) -> Decimal:
    return COINS[OUTCOME].round_up(converted(payment.pay_amount, payment.pay_currency, OUTCOME) * _NETTED)


def created(payment: Payment) -> Json:
    """POST /v1/payment: the id as text, and in the sandbox `pay_amount` as text too."""
    coin = COINS[payment.pay_currency]
    pay_amount: Any = str(payment.pay_amount) if payment.is_sandbox else payment.pay_amount
    return {
        "payment_id": str(payment.id),
        "payment_status": payment.status,
        "pay_address": payment.address,
        "price_amount": payment.price_amount,
        "price_currency": payment.price_currency,
        "pay_amount": pay_amount,
        "amount_received": _outcome(payment),
        "pay_currency": payment.pay_currency,
        "order_id": payment.order_id,
        "order_description": payment.description,
        "payin_extra_id": payment.memo,
        "ipn_callback_url": payment.callback_url,
        "customer_email": None,
        "created_at": iso(payment.created_at),
        "updated_at": iso(payment.updated_at),
        "purchase_id": str(payment.purchase_id),
        "smart_contract": None,
        "network": coin.network,
        "network_precision": None,
        "time_limit": None,
        "burning_percent": None,
        "expiration_estimate_date": iso(payment.estimate_until),
        "is_fixed_rate": payment.is_fixed_rate,
        "is_fee_paid_by_user": payment.is_fee_paid_by_user,
        "valid_until": iso(payment.watched_until),
        "type": "crypto2crypto",
        "product": "api",
        "origin_ip": None,
        **({"invoice_id": payment.invoice_id} if payment.invoice_id is not None else {}),
    }


def fetched(payment: Payment) -> Json:
    """GET /v1/payment/{id} and the rows of the list: ids as numbers, times as text."""
    body: Json = {
        "payment_id": payment.id,
        "invoice_id": payment.invoice_id,
        "payment_status": payment.status,
        "pay_address": payment.address,
        "payin_extra_id": payment.memo,
        "price_amount": payment.price_amount,
        "price_currency": payment.price_currency,
        "pay_amount": payment.pay_amount,
        "actually_paid": payment.arrived,
        "actually_paid_at_fiat": 0,  # as often in reality: nothing may be decided on it
        "pay_currency": payment.pay_currency,
        "order_id": payment.order_id,
        "order_description": payment.description,
        "purchase_id": payment.purchase_id,
        "outcome_amount": _outcome(payment),
        "outcome_currency": OUTCOME,
        "payout_hash": None,
        "payin_hash": payment.payin_hash,
        "created_at": iso(payment.created_at),
        "updated_at": iso(payment.updated_at),
        "burning_percent": "null",
        "type": "crypto2crypto",
        "payment_extra_ids": payment.children or None,
    }
    if payment.parent_id is not None:
        body["parent_payment_id"] = payment.parent_id
    return body


def payment_callback(payment: Payment) -> Json:
    """The body of an IPN: `purchase_id` as text, `updated_at` in milliseconds."""
    fee_currency = payment.pay_currency
    return {
        "payment_id": payment.id,
        "parent_payment_id": payment.parent_id,
        "invoice_id": payment.invoice_id,
        "payment_status": payment.status,
        "pay_address": payment.address,
        "payin_extra_id": payment.memo,
        "price_amount": payment.price_amount,
        "price_currency": payment.price_currency,
        "pay_amount": payment.pay_amount,
        "actually_paid": payment.arrived,
        "actually_paid_at_fiat": 0,
        "pay_currency": payment.pay_currency,
        "order_id": payment.order_id,
        "order_description": payment.description or _DESCRIPTION,
        "purchase_id": str(payment.purchase_id),
        "outcome_amount": _outcome(payment),
        "outcome_currency": OUTCOME,
        "payment_extra_ids": payment.children or None,
        "fee": {
            "currency": fee_currency,
            "depositFee": _DEPOSIT_FEE,
            "withdrawalFee": 0,
            "serviceFee": _SERVICE_FEE,
        },
        "updated_at": round(payment.updated_at * 1000),
    }


def invoice(made: Invoice, url: str) -> Json:
    """POST /v1/invoice: id and price as text; no status, for an invoice has none."""
    return {
        "id": str(made.id),
        "token_id": str(made.id + 7),
        "order_id": made.order_id,
        "order_description": made.description,
        "price_amount": str(made.price_amount),
        "price_currency": made.price_currency.upper(),
        "pay_currency": made.pay_currency,
        "ipn_callback_url": made.callback_url,
        "invoice_url": url,
        "success_url": made.success_url,
        "cancel_url": made.cancel_url,
        "partially_paid_url": made.partially_paid_url,
        "payout_currency": OUTCOME,
        "created_at": iso(made.created_at),
        "updated_at": iso(made.created_at),
        "is_fixed_rate": made.is_fixed_rate,
        "is_fee_paid_by_user": made.is_fee_paid_by_user,
    }


def batch(made: Batch) -> Json:
    return {"id": str(made.id), "withdrawals": [payout(one, index) for index, one in enumerate(made.payouts)]}


def payout(one: Payout, index: int = 0) -> Json:
    """One row; the real service spells the timestamps in two ways in the same array."""
    named = (
        ("created_at", "requested_at", "updated_at") if index % 2 == 0 else ("createdAt", "requestedAt", "updatedAt")
    )
    moments = (one.created_at, one.requested_at, one.updated_at or None)
    return {
        "is_request_payouts": False,
        "id": str(one.id),
        "batch_withdrawal_id": str(one.batch_id),
        "status": one.status,
        "error": one.error,
        "currency": one.currency,
        "amount": str(one.amount),
        "address": one.address,
        "extra_id": one.extra_id,
        "hash": one.hash,
        "ipn_callback_url": one.callback_url,
        "unique_external_id": one.unique_external_id,
        **{name: iso(moment) for name, moment in zip(named, moments, strict=True)},
    }


def payout_callback(one: Payout) -> Json:
    return {
        "id": str(one.id),
        "batch_withdrawal_id": str(one.batch_id),
        "status": one.status,
        "error": one.error,
        "currency": one.currency,
        "amount": str(one.amount),
        "address": one.address,
        "fee": "1.32",
        "extra_id": one.extra_id,
        "hash": one.hash,
        "ipn_callback_url": one.callback_url,
        "created_at": iso(one.created_at),
        "requested_at": iso(one.requested_at),
        "updated_at": iso(one.updated_at),
    }
