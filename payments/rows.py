"""Between the tables and the typed state: one list of columns, read and written in whole sets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from core.encryption import Place, open_, seal
from core.gateways import encoding
from core.gateways.types import (
    Attention,
    ClientToken,
    Decline,
    DisputeStatus,
    FraudStatus,
    Method,
    Mode,
    NextAction,
    PaymentStatus,
    RefundStatus,
)
from payments.work import DisputeState, PaymentState, RefundState

# Columns that never change after the insert, then those that the frame writes, with their SQL types.
FIXED: Final = (
    "id", "public_id", "lab_id", "mode", "purpose", "merchant_reference", "currency",
    "amount", "customer_id", "capture_mode", "wants_saved", "profile_id", "link_id", "page_token_sealed", "description", "return_url",
    "metadata", "created_at",
)  # fmt: skip
WRITTEN: Final[Mapping[str, str]] = {
    "gateway": "text", "gateway_key_id": "bigint", "try_number": "smallint", "status": "text", "authorized": "numeric", "capture_asked": "numeric",
    "received": "numeric", "captured": "numeric", "refund_reserved": "numeric", "refunded": "numeric",
    "refunded_seen": "numeric", "fee": "numeric", "disputed": "numeric", "gateway_reference": "text", "is_acknowledged": "boolean",
    "next_action": "jsonb", "method": "jsonb", "coin": "jsonb", "decline": "jsonb", "fraud_status": "text",
    "fraud_message": "text", "attention": "text[]", "attention_seen": "text[]", "is_duplicate": "boolean",
    "claim": "text", "closing_since": "timestamptz",
    "holds_link_use": "boolean", "transition_seq": "int", "unknown_since": "timestamptz", "check_count": "smallint",
    "last_checked_at": "timestamptz", "next_check_at": "timestamptz", "expires_at": "timestamptz",
    "completed_at": "timestamptz",
}  # fmt: skip
COLUMNS: Final = (*FIXED, *WRITTEN)
SELECT: Final = ", ".join(f"p.{name}" for name in COLUMNS)
_MONEY: Final = frozenset(name for name, kind in WRITTEN.items() if kind == "numeric") | {"amount"}
_JSON: Final = frozenset(name for name, kind in WRITTEN.items() if kind == "jsonb") | {"metadata"}

DISPUTE_COLUMNS: Final = (
    "id", "public_id", "gateway_reference", "status", "amount", "withdrawn", "moves", "reason", "respond_by",
    "opened_at", "closed_at", "next_check_at",
)  # fmt: skip
_METHOD: Final = tuple(Method.__dataclass_fields__)

REFUND_COLUMNS: Final = (
    "id", "public_id", "status", "amount", "merchant_reference", "reason", "sent_reference", "gateway_reference",
    "pending_reason", "failure", "is_external", "completed_at", "unknown_since", "check_count", "next_check_at", "created_at",
)  # fmt: skip


def _token_place(public_id: str, mode: str) -> Place:
    return Place(gateway_key=public_id, mode=mode, field="client_token")


def read_payment(row: Sequence[Any], *, account: str = "") -> PaymentState:
    """A row of `SELECT` as a state. `account` is the gateway key's, which the payment's row does not hold."""
    values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    for name in _MONEY:
        values[name] = None if values[name] is None else int(values[name])
    for name in _JSON:
        if isinstance(values[name], str):
            values[name] = json.loads(values[name])
    values["mode"] = Mode(values["mode"])
    values["status"] = PaymentStatus(values["status"])
    values["fraud_status"] = FraudStatus(values["fraud_status"])
    for name in ("attention", "attention_seen"):
        values[name] = {Attention(word) for word in values[name]}
    values["next_action"] = _read_action(values)
    values["method"] = None if values["method"] is None else Method(**values["method"])
    values["coin"] = None if values["coin"] is None else encoding.coin_from_json(values["coin"])
    values["decline"] = _read_decline(values["decline"])
    return PaymentState(account=account, **values)


def _read_action(values: Mapping[str, Any]) -> NextAction | None:
    if values["next_action"] is None:
        return None
    return opened_action(
        values["next_action"], lab_id=values["lab_id"], public_id=values["public_id"], mode=values["mode"]
    )


def opened_action(kept: Mapping[str, Any], *, lab_id: int, public_id: str, mode: str) -> NextAction:
    """The inverse of `sealed_action`. Raises CannotOpen."""
    action = encoding.next_action_from_json(kept)
    if isinstance(action, ClientToken):
        return replace(action, token=open_(lab_id, _token_place(public_id, mode), action.token))
    return action


def sealed_action(action: NextAction, *, lab_id: int, public_id: str, mode: str) -> dict[str, Any]:
    """As it is kept, of a payment or of a saved method: a token belongs to one buyer's browser, so at rest it is sealed."""
    if isinstance(action, ClientToken):
        action = replace(action, token=seal(lab_id, _token_place(public_id, mode), action.token))
    return encoding.next_action_to_json(action)


def payment_row(state: PaymentState) -> dict[str, Any]:
    """What the frame writes of a state, as plain JSON values for `jsonb_to_recordset`."""
    row: dict[str, Any] = {"id": state.id}
    for name in WRITTEN:
        row[name] = _plain(getattr(state, name))
    row["attention"] = sorted(state.attention)
    row["attention_seen"] = sorted(state.attention_seen & state.attention)
    row["next_action"] = _action_row(state)
    row["method"] = None if state.method is None else {name: getattr(state.method, name) for name in _METHOD}
    row["coin"] = None if state.coin is None else encoding.coin_to_json(state.coin)
    row["decline"] = None if state.decline is None else encoding.decline_to_json(state.decline)
    return row


def _read_decline(value: Mapping[str, Any] | None) -> Decline | None:
    return None if value is None else Decline(**value)


def _action_row(state: PaymentState) -> dict[str, Any] | None:
    action = state.next_action
    if action is None:
        return None
    return sealed_action(action, lab_id=state.lab_id, public_id=state.public_id, mode=state.mode)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def read_refund(row: Sequence[Any] | Mapping[str, Any]) -> RefundState:
    """A row of REFUND_COLUMNS (sequence, or JSON object with the same names)."""
    values = dict(row) if isinstance(row, Mapping) else dict(zip(REFUND_COLUMNS, row, strict=True))
    values["status"] = RefundStatus(values["status"])
    values["amount"] = int(values["amount"])
    failure = values["failure"]
    values["failure"] = _read_decline(json.loads(failure) if isinstance(failure, str) else failure)
    for name in ("completed_at", "unknown_since", "next_check_at", "created_at"):
        if isinstance(values[name], str):
            values[name] = datetime.fromisoformat(values[name])
    return RefundState(**values)


def read_dispute(row: Mapping[str, Any]) -> DisputeState:
    """A JSON object of DISPUTE_COLUMNS."""
    values = dict(row)
    values["status"] = DisputeStatus(values["status"])
    values["amount"] = None if values["amount"] is None else int(values["amount"])
    values["withdrawn"] = int(values["withdrawn"])
    for name in ("respond_by", "opened_at", "closed_at", "next_check_at"):
        values[name] = None if values[name] is None else datetime.fromisoformat(values[name])
    return DisputeState(**values)
