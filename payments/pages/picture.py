"""What the pay page shows of a payment: a pure function of its state and the time.

A `Picture` is all that the template needs, and its `version` is what the live status compares: whatever changes for the
customer changes it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from core.gateways.types import Attention, ClientToken, FormPost, NextAction, PaymentStatus, Redirect, ShowAddress
from payments.pages import looks, words
from payments.states import OPEN
from payments.work import PaymentState

S = PaymentStatus


class Kind(StrEnum):
    """Where the customer stands. The template has one block for each way to go on."""

    TO_PAY = "to_pay"
    PARTLY_PAID = "partly_paid"
    TIME_OVER = "time_over"
    WAITING = "waiting"
    NOT_STARTED = "not_started"
    CHECKING = "checking"
    HELD = "held"
    PAID = "paid"
    PAID_LATE = "paid_late"
    REFUNDED = "refunded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


ENDS: Final = frozenset({
    Kind.HELD, Kind.PAID, Kind.PAID_LATE, Kind.REFUNDED, Kind.FAILED, Kind.EXPIRED, Kind.CANCELLED,
})  # fmt: skip
GOOD: Final = frozenset({Kind.HELD, Kind.PAID, Kind.PAID_LATE})
BAD: Final = frozenset({Kind.FAILED, Kind.EXPIRED, Kind.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """`amount` is the large number, `action` is what is to be done now, if anything. Label and value: `progress` of what
    has arrived so far, `facts` about the payment."""

    kind: Kind
    title: str
    text: str
    amount: str
    note: str = ""
    progress: tuple[tuple[str, str], ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    action: NextAction | None = None
    explorer_url: str | None = None

    @property
    def is_end(self) -> bool:
        return self.kind in ENDS

    @property
    def tone(self) -> str:
        return "good" if self.kind in GOOD else "bad" if self.kind in BAD else "calm"

    @property
    def version(self) -> str:
        """16 hex digits that change with anything the customer sees."""
        return hashlib.sha256(json.dumps(asdict(self), default=str, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """From where one looks: the lab's name and time zone, the gateway's name for customers, and now."""

    shop: str
    zone: ZoneInfo
    provider: str
    now: datetime


def picture(state: PaymentState, view: View) -> Picture:
    match state.status:
        case S.CAPTURED:
            shown = _paid(state, view)
        case S.AUTHORIZED:
            shown = _end(
                state, Kind.HELD, "Payment approved", f"The amount is reserved for {view.shop}, who will collect it."
            )
        case S.FAILED:
            shown = _failed(state, view)
        case S.EXPIRED:
            shown = _end(state, Kind.EXPIRED, "The time to pay is over", "This payment was not completed.")
        case S.VOIDED:
            shown = _end(state, Kind.CANCELLED, "Payment cancelled", "Nothing was charged.")
        case _:
            shown = _open(state, view)
    return _with_facts(shown, state, view)


# Ends ---------------------------------------------------------------------------------------------------------------


def _end(state: PaymentState, kind: Kind, title: str, text: str) -> Picture:
    return Picture(kind=kind, title=title, text=text, amount=looks.amount(state.amount, state.currency))


def _paid(state: PaymentState, view: View) -> Picture:
    shown = Picture(
        kind=Kind.PAID, title="Paid", text=f"{view.shop} has received your payment. Thank you.",
        amount=looks.amount(state.captured, state.currency), note=_paid_note(state, view),
    )  # fmt: skip
    if state.refunded and state.refunded == state.captured:
        return replace(shown, kind=Kind.REFUNDED, title="Refunded", text="The whole amount was given back.", note="")
    if Attention.PAID_LATE in state.attention:
        text = f"Your payment came after its time was over. {view.shop} has it and will see to it."
        return replace(shown, kind=Kind.PAID_LATE, title="Paid late", text=text)
    return shown


def _paid_note(state: PaymentState, view: View) -> str:
    if Attention.DUPLICATE_PAID in state.attention:
        return f"This order was paid more than once. {view.shop} has been told."
    if state.captured > state.amount:
        more = looks.amount(state.captured - state.amount, state.currency)
        return f"That is {more} more than was asked. {view.shop} has been told."
    return ""


def _failed(state: PaymentState, view: View) -> Picture:
    code = state.decline.code if state.decline is not None else ""
    if code in words.CANCELLED:
        return _end(state, Kind.CANCELLED, "Payment cancelled", "Nothing was charged.")
    text = words.decline(code) if code else "The payment was not completed."
    return _end(state, Kind.FAILED, "Payment failed", text)


# On the way ---------------------------------------------------------------------------------------------------------


def _open(state: PaymentState, view: View) -> Picture:
    asked = looks.amount(state.amount, state.currency)
    shown = Picture(kind=Kind.WAITING, title="", text="", amount=asked)
    action = state.next_action
    if Attention.UNDERPAID in state.attention:
        return _partly_paid(state, shown)
    if action is None:
        return _without_action(state, shown, view)
    if _has_coins(state):
        text = "Your coins were seen. The network now confirms them; this takes from a minute to an hour."
        return replace(shown, title="Payment seen", text=text)
    if _is_over(state, action, view.now):
        return _time_over(shown)
    note = ""
    if state.decline is not None:
        note = f"The last try did not work. {words.decline(state.decline.code)} You can try again."
    return replace(
        shown, kind=Kind.TO_PAY, title=_TITLES[type(action)], text=_how(action, view), action=action, note=note
    )


_TITLES: Final = {
    Redirect: "Ready to pay", FormPost: "Ready to pay", ShowAddress: "Ready to pay", ClientToken: "Pay here",
}  # fmt: skip


def _how(action: NextAction, view: View) -> str:
    if isinstance(action, ShowAddress):
        return "Send exactly the amount below, in this coin and on this network only. Anything else may be lost."
    if isinstance(action, ClientToken):
        return f"The form below comes from {view.provider}. {view.shop} does not see your card."
    return f"You pay on the secure page of {view.provider}, and come back here."


def _has_coins(state: PaymentState) -> bool:
    coin = state.coin
    return state.received > 0 or (coin is not None and looks.is_positive(coin.arrived_text))


def _is_over(state: PaymentState, action: NextAction, now: datetime) -> bool:
    price_ends = action.expires_at if isinstance(action, ShowAddress) else None
    return any(end is not None and end <= now for end in (price_ends, state.expires_at))


def _time_over(shown: Picture) -> Picture:
    return replace(
        shown, kind=Kind.TIME_OVER, title="The time to pay is over",
        text="Please do not send anything now. If you have paid already, keep this page open: it is still noticed.",
    )  # fmt: skip


def _partly_paid(state: PaymentState, shown: Picture) -> Picture:
    progress = []
    coin = state.coin
    missing = looks.missing_coins(coin)
    if coin is not None and missing is not None:
        progress = [("Arrived", f"{coin.arrived_text} {coin.code}"), ("Missing", f"{missing} {coin.code}")]
    elif 0 < state.received < state.amount:
        progress = [
            ("Arrived", looks.amount(state.received, state.currency)),
            ("Missing", looks.amount(state.amount - state.received, state.currency)),
        ]
    action = state.next_action if missing is not None else None
    if isinstance(action, ShowAddress) and missing is not None:
        # The rest goes to the same address; the old window of the price says nothing about it.
        action = replace(action, amount_text=missing, amount_minor=None, expires_at=None, uri=action.address)
    text = "A part of the amount has arrived. Send the rest to the same address." if action else (
        "A part of the amount has arrived. Please ask how to pay the rest."
    )  # fmt: skip
    return replace(
        shown, kind=Kind.PARTLY_PAID, title="Partly paid", text=text, progress=tuple(progress),
        action=action if isinstance(action, ShowAddress) else None,
    )  # fmt: skip


def _without_action(state: PaymentState, shown: Picture, view: View) -> Picture:
    if state.unknown_since is not None:
        text = f"{view.provider} has not answered yet. Please wait and do not pay again: we are asking."
        return replace(shown, kind=Kind.CHECKING, title="One moment", text=text)
    if not state.is_acknowledged:
        if state.is_past_expiry(view.now):
            return _time_over(shown)
        text = f"We are reaching {view.provider}. Nothing has been charged."
        return replace(shown, kind=Kind.NOT_STARTED, title="Setting up your payment", text=text)
    return replace(shown, title="Waiting for confirmation", text=f"{view.provider} is still working on your payment.")


# Beside -------------------------------------------------------------------------------------------------------------


def _with_facts(shown: Picture, state: PaymentState, view: View) -> Picture:
    facts = []
    if state.status not in OPEN:
        if state.completed_at is not None:
            facts.append(("Date", looks.moment(state.completed_at, view.zone)))
        if state.status in {S.FAILED, S.EXPIRED, S.VOIDED} and (arrived := _arrived(state)):
            facts.append(("Arrived", arrived))
            shown = replace(shown, note=f"Something has arrived all the same. {view.shop} will see to it.")
        if state.refunded:
            facts.append(("Given back", looks.amount(state.refunded, state.currency)))
    if state.description:
        facts.append(("For", state.description))
    if state.merchant_reference:
        facts.append(("Reference", state.merchant_reference))
    facts.append(("Payment", state.public_id))
    url = state.coin.explorer_url if state.coin is not None and _has_coins(state) else None
    return replace(shown, facts=tuple(facts), explorer_url=url if url and url.startswith("https://") else None)


def _arrived(state: PaymentState) -> str | None:
    if state.coin is not None and looks.is_positive(state.coin.arrived_text):
        return f"{state.coin.arrived_text} {state.coin.code}"
    return looks.amount(state.received, state.currency) if state.received > 0 else None
