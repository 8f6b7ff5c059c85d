"""The simulated Razorpay's wire: how it writes JSON, how it refuses, how it checks what it is given.

Written from the protocol page (sections 1, 3, 4, 12) and independent of the client beside it.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from starlette.responses import Response

from core.money import CURRENCIES

Json = dict[str, Any]

_ALPHANUMERICS: Final = string.ascii_letters + string.digits
_NO_DECIMALS: Final = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())
_THREE_DECIMALS: Final = frozenset("BHD IQD JOD KWD OMR TND".split())
MAX_NOTES: Final = 15
MAX_NOTE: Final = 256
MAXIMUM: Final = 10**12  # Unconfirmed: real figures depend on method and account
WRONG_ID: Final = "The id provided does not exist"
WRONG_URL: Final = "The requested URL was not found on the server."


class RazorpayError(Exception):
    """An error answer: 400 for nearly everything, unknown ids and wrong addresses included (section 12)."""

    def __init__(
        self,
        description: str,
        *,
        status: int = 400,
        field: str | None = None,
        reason: str | None = "input_validation_failed",
        step: str | None = "payment_initiation",
        source: str | None = "business",
        metadata: Json | None = None,
    ) -> None:
        super().__init__(description)
        self.status = status
        error: Json = {"code": "BAD_REQUEST_ERROR", "description": description}
        if field is not None:
            error["field"] = field
        self.body: Json = {"error": error | {"source": source, "step": step, "reason": reason}}
        self.body["error"]["metadata"] = metadata or {}


def plain_refusal(description: str, *, status: int = 400) -> RazorpayError:
    """A refusal about which Razorpay has nothing more to say than its text."""
    return RazorpayError(description, status=status, reason="NA", step="NA", source="NA")


def dumps(value: Any) -> str:
    r"""JSON as Razorpay's encoder writes it: compact, `/` as `\/`, everything beyond ASCII as `\uXXXX`."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/")  # a bare slash occurs in strings only


def answer(status: int, body: Any) -> Response:
    return Response(dumps(body), status_code=status, media_type="application/json")


def new_id(prefix: str) -> str:
    """Random, so that a simulator that is started again gives out none that a platform remembers."""
    return f"{prefix}_{characters(14)}"


def characters(count: int) -> str:
    return "".join(secrets.choice(_ALPHANUMERICS) for _ in range(count))


# --- money ---------------------------------------------------------------------------------------------------------


def exponent_of(currency: str) -> int:
    return 0 if currency in _NO_DECIMALS else 3 if currency in _THREE_DECIMALS else 2


def to_major(amount: int, currency: str) -> Decimal:
    return Decimal(amount).scaleb(-exponent_of(currency))


def currency_of(given: Mapping[str, Any], *, default: str | None = None) -> str:
    currency = given.get("currency", default)
    if currency is None:
        raise RazorpayError("The currency field is required.", field="currency")
    if not isinstance(currency, str) or currency not in CURRENCIES:  # lower case is not a currency there
        raise RazorpayError("Currency is not supported", field="currency")
    return currency


def amount_of(given: Mapping[str, Any], currency: str, *, name: str = "amount", least: int | None = None) -> int:
    """A charge's amount in subunits. `least` where another floor than one whole unit of the currency holds."""
    amount = integer_of(given, name)
    floor = 10 ** exponent_of(currency) if least is None else least
    if amount < floor:
        raise RazorpayError(f"The {name} must be at least {currency} {to_major(floor, currency)}", field=name)
    if amount > MAXIMUM:
        raise RazorpayError("Amount exceeds maximum amount allowed", field=name)
    if currency in _THREE_DECIMALS and amount % 10:
        raise RazorpayError(f"The last digit of the {name} must be 0 for {currency}", field=name)
    return amount


def integer_of(given: Mapping[str, Any], name: str) -> int:
    value = given.get(name)
    if value is None:
        raise RazorpayError(f"The {name} field is required.", field=name)
    if type(value) is not int:  # neither text nor true
        raise RazorpayError(f"The {name} must be an integer.", field=name)
    return value


# --- members -------------------------------------------------------------------------------------------------------


def check_members(given: Mapping[str, Any], known: str) -> None:
    unknown = sorted(set(given) - set(known.split()))
    if unknown:
        raise RazorpayError(f"{', '.join(unknown)} is/are not required and should not be sent", field=unknown[0])


def text_of(given: Mapping[str, Any], name: str, *, longest: int, shortest: int = 0) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise RazorpayError(f"The {name} must be a string.", field=name)
    if len(value) > longest:
        raise RazorpayError(f"The {name} may not be greater than {longest} characters.", field=name)
    if len(value) < shortest:
        raise RazorpayError(f"The {name} must be at least {shortest} characters.", field=name)
    return value


def flag_of(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if value not in (True, False, 0, 1, "0", "1"):
        raise RazorpayError(f"The {name} field must be true or false.", field=name)
    return value in (True, "1")


def group_of(given: Mapping[str, Any], name: str, known: str) -> Json:
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RazorpayError(f"The {name} must be an object.", field=name)
    check_members(value, known)
    return value


def notes_of(given: Mapping[str, Any]) -> Json | list[Any]:
    """An empty set of notes is an empty list, as PHP writes it."""
    notes = given.get("notes")
    if notes in (None, {}, []):
        return []
    if not isinstance(notes, dict):
        raise RazorpayError("The notes must be an array.", field="notes")
    if len(notes) > MAX_NOTES:
        raise RazorpayError(f"Number of fields in notes should be less than or equal to {MAX_NOTES}", field="notes")
    if any(isinstance(value, (dict, list)) or len(str(value)) > MAX_NOTE for value in notes.values()):
        raise RazorpayError(f"The notes may not be greater than {MAX_NOTE} characters.", field="notes")
    return dict(notes)
