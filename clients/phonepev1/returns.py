"""The browser's way back: in our mode a GET without promised parameters, in the other one a signed form.

PhonePe's own pages say not to believe it. So it only names what to ask about: no status, no amount, and a checksum that is
wrong or missing means the same as a right one. Source: gateway page section 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from clients.phonepev1.config import ASSET
from clients.phonepev1.signing import is_signed
from clients.phonepev1.translate import checked_reference
from clients.phonepev1.values import read_id
from core.gateways.errors import RequestRejected
from core.gateways.types import Mode, Report, ReturnReading, Subject, WebhookDelivery

# Values are joined in this order, without separators; those that are absent are left out.
# Unconfirmed: the place of merchantOrderId, which we never send.
SIGNED: Final = (
    "code", "merchantId", "transactionId", "amount", "providerReferenceId", "merchantOrderId",
    *(f"param{number}" for number in range(1, 21)),
)  # fmt: skip
_MAX_FIELDS: Final = 100


def read_return(delivery: WebhookDelivery, *, salts: Mapping[str, tuple[str, ...]], mode: Mode) -> ReturnReading:
    """Never raises. `verified` is None where there is no checksum. Fields of the form, else of the query string.

    Unconfirmed: that a GET carries the form's fields in its query; a public log shows it, no page promises it.
    """
    fields = _fields(delivery.body) if delivery.method.upper() == "POST" else _fields(_query(delivery.url))
    checksum = fields.get("checksum", "").strip()
    text = "".join(fields.get(name, "") for name in SIGNED)
    return ReturnReading(
        reports=_hints(fields, mode), verified=is_signed(text, checksum, salts=salts) if checksum else None
    )


def _query(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:  # no address at all
        return ""


def _fields(encoded: str | bytes) -> dict[str, str]:
    """The fields; none where they cannot be read or one of PhonePe's came twice, for then nobody knows which is meant."""
    try:
        text = encoded if isinstance(encoded, str) else encoded.decode()
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        return {}
    known = [name for name, _ in pairs if name in SIGNED or name == "checksum"]
    return dict(pairs) if len(known) == len(set(known)) else {}


def _hints(fields: Mapping[str, str], mode: Mode) -> tuple[Report, ...]:
    try:
        reference = checked_reference(fields.get("transactionId", ""))
    except RequestRejected:
        return ()
    theirs = read_id(fields.get("providerReferenceId"))
    return (
        Report(
            about=Subject.PAYMENT,
            status=None,
            reference=reference,
            gateway_reference=theirs,
            mode=mode,
            asset=ASSET,
            is_hint=True,
            raw={"transactionId": reference, "providerReferenceId": theirs},
        ),
    )
