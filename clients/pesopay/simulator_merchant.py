"""One merchant of the simulated PesoPay: opened pages, attempts under them, and what becomes of these (sections 4-9).

Nothing but attempts exists at PesoPay: a page that nobody used leaves no trace. Independent of the client beside it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from clients.pesopay.simulator_wire import CURRENCIES, PesoPayError, local_day, local_time, short

REFUND_SECONDS: Final = 3 * 24 * 3600  # how long operations take here; PesoPay names days
TAKEN: Final = frozenset(
    "Accepted,Accepted_Adj,Captured,RequestRefund,RequestPartialRefund,Refunded,Partial Refunded,ChargeBack,Partial ChargeBack,"
    "Reversal-CB".split(",")
)
_REFUNDABLE: Final = frozenset({"Accepted", "Accepted_Adj", "Captured", "Partial Refunded"})
_NUMBERS: Final = {"Visa": ("4918", "5005"), "Master": ("5422", "0007")}


@dataclass(kw_only=True, eq=False)
class Page:
    """One form post that was accepted; `fields` as they came."""

    name: str
    fields: dict[str, str]
    opened_at: float
    left: str = ""  # how the customer left it without a record: abandoned, cancelled

    @property
    def reference(self) -> str:
        return self.fields["orderRef"]

    @property
    def is_hold(self) -> bool:
        return self.fields["payType"] == "H"


@dataclass(kw_only=True, eq=False)
class Attempt:
    pay_ref: str
    page: Page
    amount: Decimal
    status: str
    prc: str = "0"
    src: str = "0"
    method: str = "Master"
    payer_auth: str = "Y"
    at: float = 0.0
    bank_reference: str = ""
    approval: str = ""
    captured: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    requested: Decimal = Decimal(0)  # a refund that was filed and not done yet
    due_at: float = 0.0
    before: str = ""  # the status that a refused refund or a won dispute goes back to
    settled_at: float = 0.0
    batch: str = ""
    last_feed: dict[str, str] = field(default_factory=dict)


class Merchant:
    """`feed` gets the fields of one datafeed, without its hash."""

    def __init__(self, *, mode: str, merchant_id: str, now: Callable[[], float], number: Callable[[], str]) -> None:
        self.mode = mode
        self.merchant_id = merchant_id
        self.pages: dict[str, Page] = {}
        self.attempts: dict[str, Attempt] = {}
        self.next_feed: dict[str, str] = {}  # fields and "hash" of the next feed, to be told wrongly
        self.other_secret = ""  # a second secret that feeds are hashed with, as during a rotation
        self.has_online_refund = False
        self.shows_captured = False  # whether a query's amt is the captured amount after a partial capture
        self.feed: Callable[[dict[str, str]], None] = lambda fields: None
        self._now = now
        self._number = number

    def now(self) -> float:
        return self._now()

    def of_reference(self, reference: str) -> list[Attempt]:
        return [one for one in self.attempts.values() if one.page.reference == reference]

    # --- on the page -----------------------------------------------------------------------------------------------

    def refuse_reuse(self, page: Page) -> None:
        """An orderRef belongs to the page that used it first; another try inside that page is allowed."""
        if any(one.page is not page for one in self.of_reference(page.reference)):
            raise PesoPayError("Duplicate merchant reference", prc="-8", src="2007")

    def begin(self, page: Page, status: str, *, method: str = "Master") -> Attempt:
        self.refuse_reuse(page)
        one = Attempt(
            pay_ref=self._number(),
            page=page,
            amount=Decimal(page.fields["amount"]).quantize(Decimal("0.01")),
            status=status,
            prc="",
            src="",
            method=method,
            at=self.now(),
            bank_reference=f"{secrets.randbelow(9 * 10**6) + 10**6}",
        )
        self.attempts[one.pay_ref] = one
        page.left = ""
        return one

    def succeed(self, one: Attempt) -> None:
        one.prc, one.src, one.approval = "0", "0", f"{secrets.randbelow(10**6):06d}"
        one.at = self.now()
        one.status = "Authorized" if one.page.is_hold else "Accepted"
        one.captured = Decimal(0) if one.page.is_hold else one.amount
        self.tell(one)

    def fail(self, one: Attempt, *, prc: str = "1", src: str = "51", payer_auth: str = "U") -> None:
        one.status, one.prc, one.src, one.payer_auth = "Rejected", prc, src, payer_auth
        one.at = self.now()
        self.tell(one)

    def tell(self, one: Attempt) -> None:
        one.last_feed = self.fields_of(one)
        self.feed(dict(one.last_feed))

    # --- merchant API and staff ------------------------------------------------------------------------------------

    def capture(self, one: Attempt, amount: Decimal) -> None:
        if one.status != "Authorized":
            raise PesoPayError("Transaction status does not allow Capture.")
        if amount > one.amount:
            raise PesoPayError("Capture amount is over the authorized amount.")
        one.status, one.captured, one.at = "Captured", amount, self.now()

    def void(self, one: Attempt) -> None:
        """Of a hold, or of a sale that no batch has settled yet."""
        if one.status == "Authorized":
            one.status = "Voided"
        elif one.status == "Accepted" and not one.settled_at:
            one.status, one.refunded = "Voided", one.captured
        else:
            raise PesoPayError("Transaction status does not allow Void.")

    def request_refund(self, one: Attempt, amount: Decimal) -> None:
        """Filed only; operations do it later."""
        self._check_refund(one, amount)
        one.before, one.requested = one.status, amount
        one.due_at = self.now() + REFUND_SECONDS
        whole = one.refunded + amount == one.captured
        one.status = "RequestRefund" if whole else "RequestPartialRefund"

    def refund_now(self, one: Attempt, amount: Decimal) -> None:
        self._check_refund(one, amount)
        self._give_back(one, amount)

    def _check_refund(self, one: Attempt, amount: Decimal) -> None:
        if one.requested:
            raise PesoPayError("A refund request is being processed.")
        if one.status not in _REFUNDABLE:
            raise PesoPayError("Transaction status does not allow Refund.")
        if amount > one.captured - one.refunded:
            raise PesoPayError("Refund amount is over the remaining amount.")

    def end_refund(self, one: Attempt, *, is_done: bool) -> None:
        """Unconfirmed: how a refusal by operations shows; here the old status comes back."""
        if not one.requested:
            raise ValueError("no refund of this was filed")
        amount, one.requested, one.due_at = one.requested, Decimal(0), 0.0
        if is_done:
            self._give_back(one, amount)
        else:
            one.status = one.before

    def _give_back(self, one: Attempt, amount: Decimal) -> None:
        one.refunded += amount
        one.status = "Refunded" if one.refunded == one.captured else "Partial Refunded"

    def settle(self) -> None:
        """The batch of the day: what was taken and not settled yet."""
        batch = f"{secrets.randbelow(10**6):06d}"
        for one in self.attempts.values():
            if one.status in TAKEN and not one.settled_at:
                one.settled_at, one.batch = self.now(), batch

    def tick(self) -> None:
        for one in self.attempts.values():
            if one.status in TAKEN and not one.settled_at and local_day(one.at) < local_day(self.now()):
                one.settled_at, one.batch = self.now(), local_day(one.at).replace("-", "")
            if one.due_at and one.due_at <= self.now():
                self.end_refund(one, is_done=True)

    # --- how it is shown -------------------------------------------------------------------------------------------

    def fields_of(self, one: Attempt) -> dict[str, str]:
        """A datafeed, in the order of the sample; the amount as the form had it."""
        is_done = one.prc == "0" and one.status not in ("Rejected", "Cancelled")
        first, last = _NUMBERS.get(one.method, ("", ""))
        return {
            "prc": one.prc,
            "src": one.src,
            "Ord": one.bank_reference,
            "Ref": one.page.reference,
            "PayRef": one.pay_ref,
            "successcode": "0" if is_done else "1",
            "Amt": one.page.fields["amount"],
            "Cur": one.page.fields["currCode"],
            "Holder": "TEST HOLDER" if first else "",
            "AuthId": one.approval,
            "AlertCode": "R14",
            "remark": one.page.fields.get("remark", ""),
            "eci": "05" if first else "",
            "payerAuth": one.payer_auth if first else "",
            "sourceIp": "203.0.113.9",
            "ipCountry": "PH",
            "payMethod": one.method,
            "TxTime": local_time(one.at),
            "panFirst4": first,
            "panLast4": last,
            "cardIssuingCountry": "PH" if first else "",
            "channelType": "SPC",
            "MerchantId": self.merchant_id,
        }

    def record_of(self, one: Attempt) -> dict[str, str]:
        """A record of a query. Unconfirmed: which amount a partly captured hold shows."""
        told = self.fields_of(one)
        shown = one.captured if self.shows_captured and one.captured else one.amount
        names = "eci payerAuth sourceIp ipCountry payMethod panFirst4 panLast4 cardIssuingCountry channelType".split()
        return {
            "orderStatus": one.status,
            "ref": one.page.reference,
            "payRef": one.pay_ref,
            "amt": short(shown),
            "cur": told["Cur"],
            "prc": one.prc,
            "src": one.src,
            "ord": one.bank_reference,
            "holder": told["Holder"],
            "authId": one.approval,
            "alertCode": told["AlertCode"],
            "remark": told["remark"],
            **{name: told[name] for name in names},
            "settle": "T" if one.settled_at else "F",
            "settleTime": local_time(one.settled_at) if one.settled_at else "",
            "settleBatchId": one.batch,
            "txTime": told["TxTime"],
            "errMsg": "Query Successfully",
        }


def letters_of(page: Page) -> str:
    return CURRENCIES[page.fields["currCode"]]
