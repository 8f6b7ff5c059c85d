"""What customers, banks and the merchant's staff do at the simulated PesoPay, by name (for its control API)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from clients.pesopay.simulator_merchant import TAKEN, Attempt, Merchant, Page
from clients.pesopay.simulator_wire import local_time

_RANK: Final = ("Authorized", "Voided", "Reverse Auth", "Pending", "Pending_3D", "Rejected", "Cancelled")


def tries(merchant: Merchant, page: Page) -> list[Attempt]:
    return [one for one in merchant.attempts.values() if one.page is page]


def is_paid(merchant: Merchant, page: Page) -> bool:
    return any(one.approval for one in tries(merchant, page))


def _page_of(found: Any) -> Page:
    if isinstance(found, Attempt):
        return found.page
    if not isinstance(found, Page):
        raise ValueError("this needs a payment")
    return found


def _open(merchant: Merchant, found: Any) -> Page:
    page = _page_of(found)
    if is_paid(merchant, page):
        raise ValueError("this page is used; see pay_twice and fail_after_pay")
    return page


def ready(merchant: Merchant, found: Any) -> Attempt:
    """An attempt to end: the one that the bank or the wallet still works on, else a new one."""
    page = _open(merchant, found)
    waiting = [one for one in tries(merchant, page) if one.status in ("Pending", "Pending_3D")]
    return waiting[-1] if waiting else merchant.begin(page, "Pending")


def _any(merchant: Merchant, found: Any) -> Attempt:
    """The attempt itself, or the one of a page that counts."""
    if isinstance(found, Attempt):
        return found
    tried = tries(merchant, _page_of(found))
    if not tried:
        raise ValueError("nobody tried to pay this yet")
    return min(reversed(tried), key=rank)


def rank(one: Attempt) -> int:
    """Captured before authorized before voided before pending before failed."""
    return _RANK.index(one.status) + 1 if one.status in _RANK else 0


def _in(merchant: Merchant, found: Any, *states: str) -> Attempt:
    one = _any(merchant, found)
    if one.status not in states:
        raise ValueError(f"this is {one.status}, not {' or '.join(states)}")
    return one


def _paid(merchant: Merchant, found: Any) -> Attempt:
    one = _any(merchant, found)
    if not one.approval:
        raise ValueError(f"this is {one.status}: nothing was paid")
    return one


def _authorize(merchant: Merchant, found: Any) -> None:
    if not _page_of(found).is_hold:
        raise ValueError("this is a sale (payType N); only payType H is held")
    merchant.succeed(ready(merchant, found))


def _cancel(merchant: Merchant, found: Any, record: bool = False) -> None:
    """Nobody hears of it. Unconfirmed: what leaves a record Cancelled; `record` makes one."""
    page = _open(merchant, found)
    if record:
        one = merchant.begin(page, "Cancelled")
        one.prc, one.src = "-8", "1000"
    page.left = "cancelled"


def _pay_twice(merchant: Merchant, found: Any) -> None:
    """Two successes under one orderRef: pays now where nobody did, and then again."""
    page = _page_of(found)
    for _ in range(1 if is_paid(merchant, page) else 2):
        merchant.succeed(merchant.begin(page, "Pending"))


def _staff(
    merchant: Merchant, found: Any, work: Callable[[Attempt, Decimal], None], amount: Any, states: tuple[str, ...]
) -> None:
    """In the merchant portal; there is no feed for it."""
    one = _in(merchant, found, *states)
    rest = one.amount if one.status == "Authorized" else one.captured - one.refunded
    work(one, rest if amount in (None, "") else Decimal(int(amount)).scaleb(-2))


def _dispute(merchant: Merchant, found: Any, partial: bool = False) -> None:
    one = _in(merchant, found, "Accepted", "Accepted_Adj", "Captured", "Partial Refunded")
    one.before, one.status = one.status, "Partial ChargeBack" if partial else "ChargeBack"


def _dispute_win(merchant: Merchant, found: Any) -> None:
    """No word ever says that one was lost."""
    _in(merchant, found, "ChargeBack", "Partial ChargeBack").status = "Reversal-CB"


def _told(one: Attempt) -> dict[str, str]:
    if not one.last_feed:
        raise ValueError("there was no feed about this")
    return dict(one.last_feed)


def _next_feed(merchant: Merchant, found: Any, **changes: Any) -> None:
    """Fields of the next feed by their names (signed as changed), and hash="corrupt" or hash="missing"."""
    if changes.get("hash", "missing") not in ("corrupt", "missing"):
        raise ValueError("hash is corrupt or missing")
    merchant.next_feed = {name: str(value) for name, value in changes.items()}


def _test_feed(merchant: Merchant, *, is_signed: bool) -> None:
    """The portal's test of the address. Unconfirmed: whether it is signed, and with which values."""
    if not is_signed:
        merchant.next_feed = {"hash": "missing"}
    moment = local_time(merchant.now())
    names = (
        "prc src Ord Ref PayRef successcode Amt Cur Holder AuthId remark payerAuth payMethod TxTime MerchantId".split()
    )
    known = {"prc": "0", "src": "0", "Ref": "TestDatafeed", "PayRef": "1", "successcode": "0", "Amt": "1.00"}
    known |= {"Cur": "608", "TxTime": moment, "MerchantId": merchant.merchant_id}
    merchant.feed({name: known.get(name, "") for name in names})


def shown(merchant: Merchant, found: Any) -> Mapping[str, Any]:
    if found is None:
        return {"merchant_id": merchant.merchant_id}
    tried = tries(merchant, _page_of(found))
    told: dict[str, Any] = {"reference": _page_of(found).reference, "status": _page_of(found).left or "Opened"}
    if tried:
        one = _any(merchant, found)
        told |= {"id": one.pay_ref, "status": one.status}
    return told


# Each gets the merchant and what was found: an attempt, a page, or None for settings.
ACTIONS: Final[Mapping[str, Callable[..., object]]] = {
    "pay": lambda m, found: m.succeed(ready(m, found)),
    "pay_3ds": lambda m, found: m.succeed(ready(m, found)),
    "authorize": _authorize,
    "start_3ds": lambda m, found: m.begin(_open(m, found), "Pending_3D"),
    "pay_3ds_fail": lambda m, found: m.fail(ready(m, found), prc="3", src="1", payer_auth="N"),
    "decline": lambda m, found, prc="1", src="51": m.fail(ready(m, found), prc=str(prc), src=str(src)),
    "wallet": lambda m, found: m.begin(_open(m, found), "Pending", method="GCash"),
    "settle": lambda m, found: m.succeed(_in(m, found, "Pending", "Pending_3D")),
    "settle_fail": lambda m, found: m.fail(_in(m, found, "Pending", "Pending_3D"), src="05"),
    "abandon": lambda m, found: setattr(_open(m, found), "left", "abandoned"),
    "cancel": _cancel,
    "expire": lambda m, found: setattr(_in(m, found, "Authorized"), "status", "Reverse Auth"),
    "pay_late": lambda m, found: m.succeed(ready(m, found)),
    "pay_twice": _pay_twice,
    "fail_after_pay": lambda m, found: m.fail(m.begin(_paid(m, found).page, "Pending")),
    "capture": lambda m, found, amount=None: _staff(m, found, m.capture, amount, ("Authorized",)),
    "void": lambda m, found: m.void(_in(m, found, "Authorized", "Accepted")),
    "refund": lambda m, found, amount=None: _staff(m, found, m.refund_now, amount, tuple(TAKEN)),
    "refund_settle": lambda m, found: m.end_refund(_paid(m, found), is_done=True),
    "refund_fail": lambda m, found: m.end_refund(_paid(m, found), is_done=False),
    "settle_batch": lambda m, found: m.settle(),
    "dispute": _dispute,
    "dispute_win": _dispute_win,
    "adjust": lambda m, found: setattr(_in(m, found, "Accepted"), "status", "Accepted_Adj"),
    "show_status": lambda m, found, status: setattr(_any(m, found), "status", str(status)),
    "resend": lambda m, found: m.feed(_told(_any(m, found))),
    "next_feed": _next_feed,
    "test_feed": lambda m, found, signed=True: _test_feed(m, is_signed=bool(signed)),
    "other_secret": lambda m, found, secret="": setattr(m, "other_secret", str(secret)),
    "online_refund": lambda m, found: setattr(m, "has_online_refund", True),
    "show_captured": lambda m, found: setattr(m, "shows_captured", True),
}
