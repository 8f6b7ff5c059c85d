"""Reports, next actions and coin facts as plain JSON values, and back.

Written out by hand, field by field: this runs for every webhook and every status answer, and `dataclasses.asdict` costs
ten times as much. A property test keeps both directions exact, and fails when a field is added to `Report` and not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeVar

from core.gateways.types import (
    Attention,
    ClientToken,
    CoinFacts,
    Decline,
    DisputeStatus,
    FormPost,
    Fraud,
    FraudStatus,
    Method,
    MethodStatus,
    Mode,
    NextAction,
    PaymentNames,
    PaymentStatus,
    PayoutStatus,
    Redirect,
    RefundStatus,
    Report,
    SavedMethod,
    ShowAddress,
    Subject,
)
from core.money import Money

Status = PaymentStatus | RefundStatus | DisputeStatus | PayoutStatus | MethodStatus

_STATUS: Final[Mapping[Subject, type[Status]]] = {
    Subject.PAYMENT: PaymentStatus,
    Subject.REFUND: RefundStatus,
    Subject.DISPUTE: DisputeStatus,
    Subject.PAYOUT: PayoutStatus,
    Subject.METHOD: MethodStatus,
}

Word = TypeVar("Word", bound=StrEnum)


def report_to_json(report: Report) -> dict[str, Any]:
    """Every field of `report` by its own name: enums lower-case, times ISO 8601 with Z, tuples as lists, absent null.

    Amounts stay integers of minor units, of any size. `raw` is copied with its Decimals as strings.
    Raises ValueError for a time without a zone.
    """
    return {
        "about": report.about.value,
        "status": _word(report.status),
        "reference": report.reference,
        "gateway_reference": report.gateway_reference,
        "other_references": list(report.other_references),
        "payment": None if report.payment is None else names_to_json(report.payment),
        "account": report.account,
        "mode": _word(report.mode),
        "asset": report.asset,
        "authorized_minor": report.authorized_minor,
        "captured_minor": report.captured_minor,
        "refunded_minor": report.refunded_minor,
        "amount_minor": report.amount_minor,
        "fee_minor": report.fee_minor,
        "occurred_at": time_to_json(report.occurred_at),
        "is_hint": report.is_hint,
        "next_action": None if report.next_action is None else next_action_to_json(report.next_action),
        "method": None if report.method is None else _method_to_json(report.method),
        "coin": None if report.coin is None else _coin_fields(report.coin),
        "fraud": None if report.fraud is None else _fraud_to_json(report.fraud),
        "decline": None if report.decline is None else decline_to_json(report.decline),
        "attention": _word(report.attention),
        "withdrawn_minor": report.withdrawn_minor,
        "respond_by": time_to_json(report.respond_by),
        "dispute_reason": report.dispute_reason,
        "saved": None if report.saved is None else _saved_to_json(report.saved),
        "raw": plain(report.raw),
    }


def report_from_json(value: Mapping[str, Any]) -> Report:
    """The inverse of `report_to_json`. Raises KeyError, ValueError or TypeError for anything else."""
    about = Subject(value["about"])
    return Report(
        about=about,
        status=None if value["status"] is None else _STATUS[about](value["status"]),
        reference=value["reference"],
        gateway_reference=value["gateway_reference"],
        other_references=tuple(value["other_references"]),
        payment=None if value["payment"] is None else names_from_json(value["payment"]),
        account=value["account"],
        mode=_from_word(Mode, value["mode"]),
        asset=value["asset"],
        authorized_minor=value["authorized_minor"],
        captured_minor=value["captured_minor"],
        refunded_minor=value["refunded_minor"],
        amount_minor=value["amount_minor"],
        fee_minor=value["fee_minor"],
        occurred_at=time_from_json(value["occurred_at"]),
        is_hint=value["is_hint"],
        next_action=None if value["next_action"] is None else next_action_from_json(value["next_action"]),
        method=None if value["method"] is None else Method(**value["method"]),
        coin=None if value["coin"] is None else CoinFacts(**value["coin"]),
        fraud=None if value["fraud"] is None else _fraud_from_json(value["fraud"]),
        decline=None if value["decline"] is None else Decline(**value["decline"]),
        attention=_from_word(Attention, value["attention"]),
        withdrawn_minor=value["withdrawn_minor"],
        respond_by=time_from_json(value["respond_by"]),
        dispute_reason=value["dispute_reason"],
        saved=None if value["saved"] is None else _saved_from_json(value["saved"]),
        raw=dict(value["raw"]),
    )


def next_action_to_json(action: NextAction) -> dict[str, Any]:
    """What the customer has to do, in the shape of the API. `amount` is in minor units of the coin `asset`."""
    if isinstance(action, Redirect):
        return {"type": "redirect", "url": action.url}
    if isinstance(action, FormPost):
        return {"type": "form_post", "url": action.url, "fields": dict(action.fields)}
    if isinstance(action, ShowAddress):
        return _address_to_json(action)
    return {
        "type": "client_token",
        "token": action.token,
        "public_key": action.public_key,
        "script_url": action.script_url,
        "parameters": dict(action.parameters),
    }


def next_action_from_json(value: Mapping[str, Any]) -> NextAction:
    """The inverse of `next_action_to_json`. Raises ValueError for an unknown `type`."""
    kind = value["type"]
    if kind == "redirect":
        return Redirect(url=value["url"])
    if kind == "form_post":
        return FormPost(url=value["url"], fields=dict(value["fields"]))
    if kind == "show_address":
        return _address_from_json(value)
    if kind == "client_token":
        return ClientToken(
            token=value["token"],
            public_key=value["public_key"],
            script_url=value["script_url"],
            parameters=dict(value["parameters"]),
        )
    raise ValueError(f"{kind!r} is not a kind of next action")


def coin_to_json(coin: CoinFacts) -> dict[str, Any]:
    """Coin facts in the shape of the API: `amount` asked and `arrived` in minor units of `code`, text beside them."""
    return {
        "code": coin.code,
        "network": coin.network,
        "amount": coin.amount_minor,
        "amount_text": coin.amount_text,
        "arrived": coin.arrived_minor,
        "arrived_text": coin.arrived_text,
        "decimals": coin.decimals,
        "address": coin.address,
        "memo": coin.memo,
        "transaction_hash": coin.transaction_hash,
        "explorer_url": coin.explorer_url,
    }


def coin_from_json(value: Mapping[str, Any]) -> CoinFacts:
    """The inverse of `coin_to_json`."""
    return CoinFacts(
        code=value["code"],
        network=value["network"],
        amount_minor=value["amount"],
        amount_text=value["amount_text"],
        arrived_minor=value["arrived"],
        arrived_text=value["arrived_text"],
        decimals=value["decimals"],
        address=value["address"],
        memo=value["memo"],
        transaction_hash=value["transaction_hash"],
        explorer_url=value["explorer_url"],
    )


def decline_to_json(decline: Decline) -> dict[str, Any]:
    """The API's `decline`: our code, theirs, their message."""
    return {"code": decline.code, "gateway_code": decline.gateway_code, "message": decline.message}


def names_to_json(names: PaymentNames) -> dict[str, Any]:
    amount = names.amount
    return {
        "reference": names.reference,
        "gateway_reference": names.gateway_reference,
        "other_references": list(names.other_references),
        "amount_minor": None if amount is None else amount.minor,
        "asset": None if amount is None else amount.asset,
        "created_at": time_to_json(names.created_at),
        "acknowledged": names.acknowledged,
    }


def names_from_json(value: Mapping[str, Any]) -> PaymentNames:
    return PaymentNames(
        reference=value["reference"],
        gateway_reference=value["gateway_reference"],
        other_references=tuple(value["other_references"]),
        amount=None if value["asset"] is None else Money(value["amount_minor"], value["asset"]),
        created_at=time_from_json(value["created_at"]),
        acknowledged=value["acknowledged"],
    )


def time_to_json(moment: datetime | None) -> str | None:
    """`2026-11-20T18:30:05Z`, with microseconds where there are any. Raises ValueError for a time without a zone."""
    if moment is None:
        return None
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError("a time needs a zone")
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat()[:-6]}Z"


def time_from_json(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def plain(value: Any) -> Any:
    """`value` as JSON can carry it: Decimals and times as strings, tuples as lists, other keys than text as text."""
    kind = type(value)
    if kind is str or kind is int or value is None or kind is bool or kind is float:
        return value
    if isinstance(value, Mapping):
        return {key if type(key) is str else str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        return time_to_json(value)
    raise TypeError(f"{kind.__name__} has no JSON form")


def _word(value: StrEnum | None) -> str | None:
    return None if value is None else value.value


def _from_word(kind: type[Word], value: str | None) -> Word | None:
    return None if value is None else kind(value)


def _method_to_json(method: Method) -> dict[str, Any]:
    return {
        "kind": method.kind,
        "brand": method.brand,
        "last_four": method.last_four,
        "expiry_month": method.expiry_month,
        "expiry_year": method.expiry_year,
        "handle": method.handle,
        "network": method.network,
        "wallet": method.wallet,
    }


def _coin_fields(coin: CoinFacts) -> dict[str, Any]:
    # By the dataclass' own names, unlike the API's shape above: a report is spelled as the port spells it.
    return {
        "code": coin.code,
        "network": coin.network,
        "decimals": coin.decimals,
        "amount_minor": coin.amount_minor,
        "amount_text": coin.amount_text,
        "arrived_minor": coin.arrived_minor,
        "arrived_text": coin.arrived_text,
        "address": coin.address,
        "memo": coin.memo,
        "transaction_hash": coin.transaction_hash,
        "explorer_url": coin.explorer_url,
    }


def _fraud_to_json(fraud: Fraud) -> dict[str, Any]:
    return {"status": fraud.status.value, "message": fraud.message}


def _fraud_from_json(value: Mapping[str, Any]) -> Fraud:
    return Fraud(status=FraudStatus(value["status"]), message=value["message"])


def _saved_to_json(saved: SavedMethod) -> dict[str, Any]:
    """With its tokens: whoever stores this seals them first, whoever shows it masks them."""
    return {
        "token": saved.token,
        "customer_token": saved.customer_token,
        "extra_token": saved.extra_token,
        "method": None if saved.method is None else _method_to_json(saved.method),
    }


def _saved_from_json(value: Mapping[str, Any]) -> SavedMethod:
    method = value["method"]
    return SavedMethod(
        token=value["token"],
        customer_token=value["customer_token"],
        extra_token=value["extra_token"],
        method=None if method is None else Method(**method),
    )


def _address_to_json(action: ShowAddress) -> dict[str, Any]:
    return {
        "type": "show_address",
        "address": action.address,
        "amount": action.amount_minor,
        "amount_text": action.amount_text,
        "asset": action.asset,
        "network": action.network,
        "memo": action.memo,
        "expires_at": time_to_json(action.expires_at),
        "uri": action.uri,
    }


def _address_from_json(value: Mapping[str, Any]) -> ShowAddress:
    return ShowAddress(
        address=value["address"],
        amount_minor=value["amount"],
        amount_text=value["amount_text"],
        asset=value["asset"],
        network=value["network"],
        memo=value["memo"],
        expires_at=time_from_json(value["expires_at"]),
        uri=value["uri"],
    )
