"""The simulated PhonePe's wire: errors, ids, times, and what a body may hold (sections 2, 3, 4, 9, 12 of the page).

Written from the protocol page and independent of the client beside it.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.responses import Response

Json = dict[str, Any]

LEAST_ORDER: Final = 100
LEAST_REFUND: Final = 1  # Unconfirmed: 100 on some pages of the documentation, 1 on others
DEFAULT_EXPIRY_SECONDS: Final = 900  # Unconfirmed: from the arithmetic of samples
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
_PLAIN: Final = re.compile(r"[a-zA-Z0-9_\- @.+]*")
_UDF: Final = re.compile(r"udf([1-9]|1[0-5])")
_V1_MODES: Final = frozenset({"UPI_INTENT", "UPI_QR", "UPI_COLLECT", "NET_BANKING", "CARD"})
_V2_MODES: Final = frozenset({"UPI", "CARD", "NET_BANKING", "CORPORATE_NET_BANKING", "EMI", "WALLET"})


class PhonePeError(Exception):
    """An error answer of the payment host."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.body: Json = {"success": False, "code": code, "message": message, "data": {}}


class TokenError(PhonePeError):
    """An error answer of the OAuth host, which has another shape. Unconfirmed: its codes."""

    def __init__(self, message: str) -> None:
        super().__init__("INVALID_CLIENT", message)
        self.body = {
            "code": "INVALID_CLIENT",
            "errorCode": "OIM000",
            "message": message,
            "context": {"error_description": message},
        }


def bad(message: str) -> PhonePeError:
    return PhonePeError("BAD_REQUEST", message)


def answer(status: int, body: Json) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status_code=status, media_type="application/json")


def new_id(prefix: str, moment: float) -> str:
    """OMO2501011200000000000001: the time and random digits, so that no id returns after a restart."""
    return f"{prefix}{datetime.fromtimestamp(moment, UTC):%y%m%d%H%M%S}{secrets.randbelow(10**10):010d}"


def milliseconds(moment: float) -> int:
    return int(moment * 1000)


# --- bodies --------------------------------------------------------------------------------------------------------


def object_of(raw: bytes) -> Json:
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise bad("The body is not a JSON object.")
    return body


def check_members(given: Mapping[str, Any], known: str, where: str = "") -> None:
    """Unknown members are refused; an explicit null is tolerated as absent."""
    unknown = sorted(set(given) - set(known.split()))
    if unknown:
        raise bad(f"Unrecognized field {where}{unknown[0]}.")


def group_of(given: Mapping[str, Any], name: str, known: str | None = None) -> Json:
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad(f"{name} is not an object.")
    if known is not None:
        check_members(value, known, f"{name}.")
    return value


def id_of(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or _ID.fullmatch(value) is None:
        raise bad(f"{name} must have 1 to 63 characters of A-Z a-z 0-9 _ -.")
    return value


def amount_of(given: Mapping[str, Any], least: int) -> int:
    """Paise, a JSON integer."""
    value = given.get("amount")
    if type(value) is not int or value < least:
        raise bad(f"amount must be an integer of at least {least}.")
    return value


def text_of(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise bad(f"{name} is not a string.")
    return value or ""


def url_of(given: Mapping[str, Any], name: str) -> str:
    value = text_of(given, name)
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise bad(f"{name} must be an absolute address.")
    return value


def expiry_of(given: Mapping[str, Any], *, least: int) -> int:
    value = given.get("expireAfter")
    if value is None:
        return DEFAULT_EXPIRY_SECONDS
    if type(value) is not int or not least <= value <= 3600:
        raise bad(f"expireAfter must be between {least} and 3600.")
    return value


def meta_of(given: Mapping[str, Any], *, is_live: bool) -> Json:
    """udf1 to udf15. Other names work in the sandbox and fail in production, as integrators found."""
    meta = group_of(given, "metaInfo")
    for name, value in meta.items():
        if value is None:
            continue
        found = _UDF.fullmatch(name)
        if found is None and is_live:
            raise bad(f"Unrecognized field metaInfo.{name}.")
        _check_udf(name, value, is_short=found is not None and int(found[1]) > 10)
    return {name: value for name, value in meta.items() if value is not None}


def _check_udf(name: str, value: Any, *, is_short: bool) -> None:
    if not isinstance(value, str) or len(value) > (50 if is_short else 256):
        raise bad(f"metaInfo.{name} is no text of the allowed length.")
    if is_short and _PLAIN.fullmatch(value) is None:
        raise bad(f"metaInfo.{name} holds characters that are not allowed.")


def check_modes(flow: Mapping[str, Any]) -> None:
    """Exactly one of the two lists, of types that the schema's version knows."""
    config = group_of(flow, "paymentModeConfig", "version enabledPaymentModes disabledPaymentModes")
    if not config:
        return
    version = config.get("version") or "V1"
    lists = [config[name] for name in ("enabledPaymentModes", "disabledPaymentModes") if config.get(name) is not None]
    if version not in ("V1", "V2") or len(lists) != 1 or not isinstance(lists[0], list):
        raise bad("paymentModeConfig needs exactly one of enabledPaymentModes and disabledPaymentModes.")
    known = _V1_MODES if version == "V1" else _V2_MODES
    if not all(isinstance(one, dict) and one.get("type") in known for one in lists[0]):
        raise bad(f"paymentModeConfig names a type that {version} does not know.")
