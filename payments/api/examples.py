"""Examples of the OpenAPI document. A test holds each against its schema, so that none goes stale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Example = Mapping[str, Any]

PAYMENT_ID: Final = "PAY_20261120183005_1a2b3c4d"
PAGE: Final = "https://pay.example/pay/7Jc0bq3Yk2nP5rT8vX1zA4dG6hL9mQ0s"

ORDER: Final[Example] = {
    "amount": 49900,
    "currency": "INR",
    "reference": "order-1042",
    "description": "Two tickets",
    "customer": {"id": "cust-77", "name": "Mira Rao", "email": "mira@example.com", "phone": "+919876543210"},
    "return_url": "https://shop.example/thanks",
    "metadata": {"cart": "c-9"},
}
DEPOSIT: Final[Example] = {
    "amount": 5000,
    "currency": "USD",
    "purpose": "deposit",
    "customer": {"id": "cust-77"},
    "pay_currency": "usdttrc20",
}
CHARGE: Final[Example] = {
    "amount": 49900,
    "currency": "INR",
    "reference": "subscription-7-november",
    "customer": {"id": "cust-77"},
    "profile": "PM_20261020183005_4d3c2b1a",
}

PAYMENT: Final[Example] = {
    "id": PAYMENT_ID,
    "reference": "order-1042",
    "status": "requires_action",
    "refund_status": "none",
    "dispute_status": "none",
    "attention": [],
    "fraud": {"status": "unknown", "message": None},
    "purpose": "payment",
    "amount": 49900,
    "currency": "INR",
    "authorized": 0,
    "captured": 0,
    "received": 0,
    "refunded": 0,
    "disputed": 0,
    "refundable": 0,
    "fee": None,
    "description": "Two tickets",
    "capture": "automatic",
    "gateway": "a_gateway",
    "mode": "live",
    "gateway_reference": "pi_3PExample",
    "next_action": {"type": "redirect", "url": "https://gateway.example/checkout/1"},
    "method": None,
    "coin": None,
    "decline": None,
    "pending_reason": "waiting_for_customer",
    "last_checked_at": None,
    "next_check_at": "2026-11-20T18:32:05Z",
    "metadata": {"cart": "c-9"},
    "created_at": "2026-11-20T18:30:05Z",
    "expires_at": "2026-11-21T18:30:05Z",
    "completed_at": None,
    "pay_url": PAGE,
}
PAID: Final[Example] = {
    **PAYMENT,
    "status": "captured",
    "authorized": 49900,
    "captured": 49900,
    "received": 49900,
    "refundable": 49900,
    "fraud": {"status": "accept", "message": None},
    "next_action": None,
    "method": {"kind": "card", "brand": "visa", "last_four": "4242", "handle": None, "network": None, "wallet": None},
    "pending_reason": None,
    "next_check_at": None,
    "completed_at": "2026-11-20T18:31:40Z",
}
CRYPTO: Final[Example] = {
    **PAYMENT,
    "reference": None,
    "status": "pending",
    "purpose": "deposit",
    "amount": 5000,
    "currency": "USD",
    "description": None,
    "gateway_reference": "5745459419",
    "next_action": {
        "type": "show_address",
        "address": "TExampleAddress1111111111111111111",
        "amount": 50_123_456,
        "amount_text": "50.123456",
        "asset": "USDTTRC20",
        "network": "trx",
        "memo": None,
        "expires_at": "2026-11-20T18:50:05Z",
        "uri": None,
    },
    "coin": {
        "code": "USDTTRC20",
        "network": "trx",
        "amount": 50_123_456,
        "amount_text": "50.123456",
        "arrived": None,
        "arrived_text": None,
        "decimals": 6,
        "address": "TExampleAddress1111111111111111111",
        "memo": None,
        "transaction_hash": None,
        "explorer_url": None,
    },
    "metadata": {},
}
DECLINED: Final[Example] = {
    **PAYMENT,
    "status": "failed",
    "next_action": None,
    "decline": {"code": "insufficient_funds", "gateway_code": "insufficient_funds", "message": "Not enough money."},
    "pending_reason": None,
    "next_check_at": None,
    "completed_at": "2026-11-20T18:30:06Z",
}
DISPUTED: Final[Example] = {
    **PAID, "dispute_status": "open", "attention": ["disputed"], "disputed": 49900,
}  # fmt: skip
HELD: Final[Example] = {**PAID, "status": "authorized", "captured": 0, "refundable": 0, "capture": "manual"}
HELD_OPEN: Final[Example] = {**HELD, "pending_reason": "waiting_for_capture", "completed_at": None}
VOIDED: Final[Example] = {**HELD, "status": "voided", "authorized": 0, "received": 0}

REFUND_ORDER: Final[Example] = {"payment": PAYMENT_ID, "amount": 9900, "reason": "One ticket returned"}
REFUND: Final[Example] = {
    "id": "RF_20261121090000_5e6f7a8b",
    "payment": PAYMENT_ID,
    "amount": 9900,
    "currency": "INR",
    "status": "succeeded",
    "reference": None,
    "reason": "One ticket returned",
    "gateway_reference": "re_3PExample",
    "pending_reason": None,
    "failure": None,
    "is_external": False,
    "created_at": "2026-11-21T09:00:00Z",
    "completed_at": "2026-11-21T09:00:01Z",
}
TIMELINE: Final[Example] = {
    "payment": PAYMENT_ID,
    "data": [
        {
            "at": "2026-11-20T18:30:05Z",
            "kind": "status",
            "text": "Created, pending.",
            "details": {"from": None, "to": "pending", "cause": "api"},
        },
        {
            "at": "2026-11-20T18:31:40Z",
            "kind": "webhook",
            "text": "The gateway reported payment.paid: applied.",
            "details": {
                "event_type": "payment.paid",
                "state": "applied",
                "deliveries": 1,
                "attention": [],
                "applied_at": "2026-11-20T18:31:40Z",
            },
        },
        {
            "at": "2026-11-20T18:31:40Z",
            "kind": "status",
            "text": "Became captured, by a webhook.",
            "details": {"from": "requires_action", "to": "captured", "cause": "webhook"},
        },
    ],
    "is_cut": False,
}

DISPUTE: Final[Example] = {
    "id": "DP_20261128101500_7b6a5f4e",
    "payment": PAYMENT_ID,
    "status": "needs_response",
    "amount": 49900,
    "withdrawn": 49900,
    "currency": "INR",
    "reason": "fraudulent",
    "respond_by": "2026-12-05T23:59:59Z",
    "gateway_reference": "dp_3PExample",
    "opened_at": "2026-11-28T10:15:00Z",
    "closed_at": None,
}

PROFILE_ORDER: Final[Example] = {
    "customer": {"id": "cust-77", "name": "Mira Rao", "email": "mira@example.com"},
    "currency": "INR",
    "return_url": "https://shop.example/methods",
    "consent": True,
}
PROFILE: Final[Example] = {
    "id": "PM_20261020183005_4d3c2b1a",
    "customer": "cust-77",
    "gateway": "a_gateway",
    "status": "active",
    "is_default": True,
    "kind": "card",
    "brand": "visa",
    "last_four": "4242",
    "expiry_month": 12,
    "expiry_year": 2034,
    "handle": None,
    "next_action": None,
    "consent_at": "2026-10-20T18:30:05Z",
    "created_at": "2026-10-20T18:30:05Z",
    "deleted_at": None,
}
NEW_PROFILE: Final[Example] = {
    **PROFILE,
    "status": "pending",
    "is_default": False,
    "kind": None,
    "brand": None,
    "last_four": None,
    "expiry_month": None,
    "expiry_year": None,
    "next_action": {"type": "redirect", "url": "https://gateway.example/save/1"},
}
DELETED_PROFILE: Final[Example] = {
    **PROFILE, "status": "deleted", "is_default": False, "deleted_at": "2026-11-21T09:00:00Z",
}  # fmt: skip

LINK_ORDER: Final[Example] = {
    "amount": 2500,
    "currency": "EUR",
    "description": "Workshop",
    "expires_in": 604_800,
    "max_uses": 30,
}
OPEN_LINK_ORDER: Final[Example] = {"currency": "EUR", "minimum": 500, "maximum": 50_000, "description": "Donation"}
LINK: Final[Example] = {
    "id": "LNK_20261120183005_9c8d7e6f",
    "url": "https://pay.example/link/0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0u",
    "status": "active",
    "amount": 2500,
    "minimum": None,
    "maximum": None,
    "currency": "EUR",
    "description": "Workshop",
    "reference": None,
    "mode": "live",
    "allowed_gateways": [],
    "uses": 4,
    "max_uses": 30,
    "return_url": None,
    "metadata": {},
    "created_at": "2026-11-20T18:30:05Z",
    "expires_at": "2026-11-27T18:30:05Z",
}
DISABLED_LINK: Final[Example] = {**LINK, "status": "disabled"}

_SECRET_FIELD: Final[Example] = {
    "name": "secret_key",
    "label": "Secret key",
    "help": "From the dashboard, under API keys.",
    "is_secret": True,
    "is_required": True,
    "is_multiline": False,
    "is_filled_by_platform": False,
    "rotates": False,
    "example": None,
    "default": None,
    "min_length": 20,
    "choices": [],
    "patterns": {"live": "sk_live_.+", "test": "sk_test_.+"},
    "pattern_help": "It begins with sk_live_ or sk_test_.",
}
GATEWAY: Final[Example] = {
    "gateway": "a_gateway",
    "label": "A Gateway",
    "website": "https://gateway.example",
    "documentation_url": "https://gateway.example/docs",
    "regions": ["IN", "SG"],
    "methods": ["card", "upi"],
    "is_crypto": False,
    "currencies": [{"code": "INR", "exponent": 2, "minimum": 100, "maximum": None}],
    "coins": [],
    "abilities": ["capture", "refund"],
    "manual_capture": True,
    "presentations": ["hosted"],
    "credentials": [_SECRET_FIELD],
    "webhook": {
        "proof": "strong",
        "events": ["payment.paid", "refund.done"],
        "setup": "Add the webhook address in the dashboard and copy its secret here.",
        "content_types": ["application/json"],
    },
    "reference": {"max_length": 40, "alphabet": "abcdefghijklmnopqrstuvwxyz0123456789_-", "note": None},
    "default_expiry_seconds": 86_400,
    "idempotency_seconds": 86_400,
    "test_recipe": "Pay with the test card of the gateway's documentation.",
}

GATEWAY_KEY_ORDER: Final[Example] = {
    "gateway": "a_gateway",
    "label": "Shop",
    "credentials": {"secret_key": "the secret key from the gateway's dashboard"},
}
GATEWAY_KEY_CHANGE: Final[Example] = {"priority": 10, "credentials": {"secret_key": "the new one"}}
GATEWAY_KEY: Final[Example] = {
    "id": "GWK_20261120180000_0f1e2d3c",
    "gateway": "a_gateway",
    "mode": "live",
    "label": "Shop",
    "account": "acct_1Example",
    "priority": 100,
    "is_active": True,
    "allowed_currencies": [],
    "credentials": [
        {
            "name": "secret_key",
            "label": "Secret key",
            "is_secret": True,
            "is_set": True,
            "value": None,
            "last_four": "x7Qz",
            "fingerprint": "3f9a1c0d2b4e",
            "changed_at": "2026-11-20T18:00:00Z",
        }
    ],
    "webhook_url": "https://pay.example/payments/webhook/a_gateway/5uV6wX7yZ8aB9cD0eF1gH2iJ3kL4mN5o",
    "last_check": {"at": "2026-11-20T18:00:10Z", "ok": True, "message": "The credentials work."},
    "last_verified_webhook_at": "2026-11-20T18:31:40Z",
    "problem": None,
    "created_at": "2026-11-20T18:00:00Z",
    "updated_at": "2026-11-20T18:00:00Z",
}
GATEWAY_KEY_CHECK: Final[Example] = {
    "ok": True,
    "message": "The credentials work.",
    "mode": "live",
    "account": "acct_1Example",
    "details": {"country": "IN"},
    "gateway_key": GATEWAY_KEY,
}
DISABLED_KEY: Final[Example] = {**GATEWAY_KEY, "is_active": False}

ROUTE: Final[Example] = {
    "rule": {"id": "RR_20261120180500_3c2b1a0f", "name": "Large amounts"},
    "candidates": [
        {"gateway_key": "GWK_20261120180000_0f1e2d3c", "gateway": "a_gateway", "label": "Shop", "reason": None}
    ],
    "refused": [
        {
            "gateway": "coins",
            "gateway_key": "GWK_20261120180100_1e2d3c4b",
            "reason": "Coins does not take INR here",
        }
    ],
}
RULE_ORDER: Final[Example] = {
    "name": "Large amounts",
    "position": 10,
    "currencies": ["INR"],
    "minimum": 1_000_000,
    "gateway_keys": ["GWK_20261120180000_0f1e2d3c", "GWK_20261120180200_2d3c4b5a"],
    "shares": [80, 20],
}
RULE_CHANGE: Final[Example] = {"minimum": None, "shares": []}
RULE: Final[Example] = {
    "id": "RR_20261120180500_3c2b1a0f",
    "name": "Large amounts",
    "mode": "live",
    "position": 10,
    "currencies": ["INR"],
    "countries": [],
    "methods": [],
    "minimum": 1_000_000,
    "maximum": None,
    "gateway_keys": ["GWK_20261120180000_0f1e2d3c", "GWK_20261120180200_2d3c4b5a"],
    "shares": [80, 20],
    "is_active": True,
    "created_at": "2026-11-20T18:05:00Z",
}

CUSTOMER: Final[Example] = {
    "id": "cust-77",
    "name": "Mira Rao",
    "email": "mira@example.com",
    "phone": "+919876543210",
    "created_at": "2026-11-20T18:30:05Z",
}
BALANCE: Final[Example] = {
    "asset": "USD",
    "balance": 4988,
    "held": 0,
    "available": 4988,
    "total_deposited": 4988,
    "total_withdrawn": 0,
}
TRANSACTION: Final[Example] = {
    "kind": "deposit",
    "asset": "USD",
    "amount": 4988,
    "balance_after": 4988,
    "description": "Deposit",
    "payment": PAYMENT_ID,
    "created_at": "2026-11-20T18:45:12Z",
}
CURRENCY: Final[Example] = {
    "code": "USDTTRC20",
    "name": "Tether on Tron",
    "kind": "coin",
    "exponent": 6,
    "minimum": None,
    "token": "USDT",
    "network": "Tron",
}


def page(row: Example, *, cursor: str | None = None) -> Example:
    """A list with one row."""
    return {"data": [row], "has_more": cursor is not None, "next_cursor": cursor}


def problem(status: int, title: str, code: str, detail: str, **members: Any) -> Example:
    """Problem details; a 404 has no request id."""
    found = {
        "type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, "retryable": False,
        "request_id": "req_5d1f0c9be2a34f7788aa0b1c", **members,
    }  # fmt: skip
    return {name: value for name, value in found.items() if status != 404 or name != "request_id"}


PROBLEMS: Final[Mapping[int, Example]] = {
    400: problem(
        400, "Bad Request", "invalid_amount",
        "amount: An amount is a whole number of minor units: 49900 for 499.00 INR.",
        errors=[{
            "field": "amount", "code": "invalid_amount",
            "detail": "An amount is a whole number of minor units: 49900 for 499.00 INR.",
        }],
    ),
    401: problem(
        401, "Unauthorized", "not_authenticated", "Send a valid API key of your lab as `Authorization: Bearer pw_...`."
    ),
    403: problem(
        403, "Forbidden", "scope_missing", "This API key lacks the scope refunds:write; use a key that has it."
    ),
    404: problem(
        404, "Not Found", "not_found",
        "There is nothing here for this API key; check the id, and that the key's lab and mode are meant.",
    ),
    409: problem(
        409, "Conflict", "idempotency_in_progress",
        "A request with this Idempotency-Key is still running; repeat it after Retry-After.", retryable=True,
    ),
    413: problem(413, "Request Entity Too Large", "too_large", "The body is too large; send at most 256 KiB."),
    415: problem(
        415, "Unsupported Media Type", "unsupported_media_type",
        "Send the body as application/json in UTF-8, without Content-Encoding.",
    ),
    422: problem(
        422, "Unprocessable Entity", "idempotency_mismatch",
        "This Idempotency-Key was used with other input; repeat the first input, or send a new key for a new operation.",
    ),
    429: problem(
        429, "Too Many Requests", "rate_limited",
        "Too many requests in this minute; wait for the time in Retry-After, then go on.", retryable=True,
    ),
    502: problem(
        502, "Bad Gateway", "gateway_unavailable",
        "The gateway could not be reached and nothing was sent. Repeat with the same Idempotency-Key.",
        retryable=True, payment=PAYMENT_ID,
    ),
    503: problem(
        503, "Service Unavailable", "unavailable",
        "The service cannot answer now; repeat with the same Idempotency-Key after Retry-After.", retryable=True,
    ),
    504: problem(
        504, "Gateway Timeout", "outcome_unknown",
        "The gateway gave no readable answer. The payment is pending and will be looked up by itself; repeat with the "
        "same Idempotency-Key, or read its status.",
        retryable=True, payment=PAYMENT_ID,
    ),
}  # fmt: skip
