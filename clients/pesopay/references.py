"""The names of a payment: our `orderRef` (feeds call it `Ref`) and their `payRef`.

Neither feed nor Query repeats whether a sale (`N`) or a hold (`H`) was asked for, and the feed's hash covers the
orderRef. So its end tells: `PAY-20261120183005-1a2b3c4d-H2` is the second try, a hold. What ends in nothing of ours is a
sale. The hash is a bare join with bars, so no name may hold one (gateway page section 4).
"""

from __future__ import annotations

import re
import string
from contextlib import suppress
from typing import Final

from core.gateways.errors import RequestRejected
from core.gateways.types import PaymentNames

MAX_ORDER_REF: Final = 35
ALPHABET: Final = string.ascii_letters + string.digits + "-"

# The platform's names, "_" already "-": public id, and the number of the try with or without the letter.
_OURS: Final = re.compile(r"([A-Z]{1,8}-[0-9]{14}-[0-9a-f]{8})(?:-([NH]?)([1-9][0-9]{0,5}))?", re.ASCII)
_MARKED: Final = re.compile(r"(.*-)[NH]([1-9][0-9]{0,5})", re.ASCII)
_HOLD: Final = re.compile(r".*-H[0-9]{1,6}", re.ASCII)
_SALE: Final = re.compile(r".*-N[0-9]{1,6}", re.ASCII)
_PAY_REF: Final = re.compile(r"[0-9]{1,32}", re.ASCII)


def order_ref(reference: str, *, is_hold: bool) -> str:
    """Our reference as it is sent. Raises RequestRejected for what the gateway would refuse, a bar above all."""
    text = checked(reference)
    letter = "H" if is_hold else "N"
    ours, marked = _OURS.fullmatch(text), _MARKED.fullmatch(text)
    if ours:
        text = f"{ours[1]}-{letter}{ours[3] or 1}"
    elif marked:
        text = f"{marked[1]}{letter}{marked[2]}"
    elif is_hold:
        text = f"{text}-H1"
    return text[-MAX_ORDER_REF:]  # the front is cut, never the end


def checked(reference: str) -> str:
    """`reference` in the gateway's alphabet; the "_" of our own ids becomes "-"."""
    text = reference.replace("_", "-")
    if not 0 < len(text) <= MAX_ORDER_REF or not set(text) <= set(ALPHABET):
        raise RequestRejected(
            f"a reference has 1 to {MAX_ORDER_REF} letters, digits and - at PesoPay", code="reference_invalid"
        )
    return text


def is_hold(ref: str) -> bool:
    return _HOLD.fullmatch(ref) is not None


def is_sale(ref: str) -> bool:
    """Whether its end says so. A name without the letter tells nothing."""
    return _SALE.fullmatch(ref) is not None


def names_a_hold(ref: str | None, names: PaymentNames) -> bool:
    """Whether an attempt under `ref` is a hold; without one, whether this payment was asked for as one."""
    known = [ref] if ref is not None else [names.reference or "", *names.other_references]
    return any(map(is_hold, known))


def platform_names(ref: str) -> tuple[str, ...]:
    """The name under which the platform keeps the try of this orderRef, where it is another one."""
    ours = _OURS.fullmatch(ref)
    return (f"{ours[1]}-{ours[3]}",) if ours and ours[2] else ()


def order_refs(names: PaymentNames) -> list[str]:
    """Every orderRef that the latest try may have been sent under, the likeliest first."""
    if not names.reference:
        return []
    text = checked(names.reference)
    ours = _OURS.fullmatch(text)
    if ours and ours[2]:
        return [text]
    sent = [order_ref(text, is_hold=one) for one in (False, True)]
    learned = [one for one in sent if one in names.other_references]
    if learned:
        return learned[:1]
    return sent if ours else [text]


def is_known(ref: str, names: PaymentNames) -> bool:
    """Whether an answer's `ref` is one of this payment's names (all tries). Without a name of ours any is. Never raises."""
    return names.reference is None or ref in {names.reference, *names.other_references, *_sent(names.reference)}


def has_other_tries(names: PaymentNames) -> bool:
    """Whether another try of ours is known, under which money may have come."""
    latest = {names.reference, *order_refs(names)}
    return any(
        not is_pay_ref(one) and one not in latest and names.reference not in platform_names(one)
        for one in names.other_references
    )


def _sent(reference: str) -> list[str]:
    """Every orderRef that may stand for `reference`; none for a name that could never be sent."""
    with suppress(RequestRejected):
        return [checked(reference), *(order_ref(reference, is_hold=one) for one in (False, True))]
    return []


def is_pay_ref(text: str | None) -> bool:
    """Theirs are digits only; ours always hold a letter or a "-"."""
    return text is not None and _PAY_REF.fullmatch(text) is not None
