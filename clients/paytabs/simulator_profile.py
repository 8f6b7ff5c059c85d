"""One profile of the simulated PayTabs: its transactions, tokens and what staff and customers do to them.

Every capture, void, release and refund is a transaction of its own below another (`previous`), as PayTabs keeps them
(sections 5, 8, 9, 10). Independent of the client beside this file.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from clients.paytabs.simulator_wire import Json, PayTabsError, dumps, iso, sign_body, text_of_amount, trace

PAGE_SECONDS: Final = 20 * 60
DUPLICATE_SECONDS: Final = 120
REFUND_SECONDS: Final = 2 * 24 * 3600  # how long a pending refund takes here; PayTabs names days
ROOTS: Final = frozenset({"Sale", "Auth", "Register", "Payment Request"})
MESSAGES: Final = {
    "120": "Previous transaction is on hold",
    "200": "Invalid card number",
    "300": "Not authorised",
    "302": "Declined",
    "310": "3D Secure authentication rejected",
    "316": "Insufficient funds",
    "320": "Unable to refund",
    "321": "Cancelled",
    "345": "3D Secure authentication not completed",
    "501": "Fraud",
    "600": "Pending",
}


@dataclass(kw_only=True, eq=False)
class Transaction:
    """`letter` is empty until something happened; `amount` was asked, `total` is charged."""

    tran_ref: str
    kind: str  # Sale, Auth, Register, Payment Request, Capture, Void, Release, Refund
    tran_class: str
    cart_id: str
    description: str
    currency: str
    amount: Decimal
    total: Decimal
    charged_currency: str
    previous: str = ""
    callback: str = ""
    return_url: str = ""
    returns_by_get: bool = False
    customer: Json = field(default_factory=dict)
    shipping: Json = field(default_factory=dict)
    user_defined: Json = field(default_factory=dict)
    page: str = ""
    expires_at: float = 0.0
    is_tokenised: bool = False
    token: str = ""
    letter: str = ""
    code: str = ""
    message: str = ""
    finished_at: float = 0.0
    acquirer_ref: str = ""
    info: Json = field(default_factory=dict)
    due_at: float = 0.0  # of a pending refund

    @property
    def is_open(self) -> bool:
        """The customer can still pay on the page."""
        return bool(self.page) and not self.letter


@dataclass(kw_only=True)
class Token:
    tran_ref: str
    info: Json
    customer: Json
    next_codes: list[str] = field(default_factory=list)  # of the next charges: a decline, or "3ds"


class Profile:
    """`send` gets one delivery: the wish's callback address, or "" for the profile's IPN, and the body."""

    def __init__(
        self, *, mode: str, profile_id: str, host: str, now: Callable[[], float], number: Callable[[], str]
    ) -> None:
        self.mode = mode
        self.profile_id = profile_id
        self.host = host
        self.merchant_id = 4711
        self.transactions: dict[str, Transaction] = {}
        self.tokens: dict[str, Token] = {}
        self.refund_mode = "done"  # done, pending (settles days later), hold (until told)
        self.next_refund_code = ""
        self.forbidden: set[str] = set()  # operations that the key may not do
        self.has_recurring = True
        self.is_strict = False  # refuses callbacks to this machine, as PayTabs does
        self.is_sparse = False  # direct answers without cart_id and previous_tran_ref
        self.void_letter = "V"
        self.send: Callable[[str, bytes], None] = lambda url, body: None
        self._now = now
        self._number = number
        self._recent: dict[tuple[str, Decimal], float] = {}

    def now(self) -> float:
        return self._now()

    # --- transactions ----------------------------------------------------------------------------------------------

    def add(self, transaction: Transaction) -> Transaction:
        self.transactions[transaction.tran_ref] = transaction
        return transaction

    def new_reference(self) -> str:
        """TST, two digits of the year, day of the year, eight digits. Unconfirmed: how live references begin."""
        day = datetime.fromtimestamp(self.now(), UTC).strftime("%y%j")
        return f"{'TST' if self.mode == 'test' else 'PTS'}{day}{self._number()}"

    def refuse_duplicate(self, cart_id: str, amount: Decimal) -> None:
        """Unconfirmed: what exactly makes a duplicate; here cart_id and amount (section 17)."""
        if self.now() - self._recent.get((cart_id, amount), 0.0) < DUPLICATE_SECONDS:
            raise PayTabsError(4, "Duplicate Request", status=409)

    def remember(self, cart_id: str, amount: Decimal) -> None:
        self._recent[cart_id, amount] = self.now()

    def children(self, of: Transaction, kind: str, letters: str = "A") -> list[Transaction]:
        rows = self.transactions.values()
        return [
            one for one in rows if one.previous == of.tran_ref and one.kind == kind and one.letter in tuple(letters)
        ]

    def root_of(self, one: Transaction) -> Transaction:
        """The payment that a follow-up or the second leg of an offline payment belongs to."""
        while one.previous in self.transactions and (one.kind not in ROOTS or self._is_second_leg(one)):
            one = self.transactions[one.previous]
        return one

    def _is_second_leg(self, one: Transaction) -> bool:
        return one.kind == "Sale" and self.transactions[one.previous].kind == "Payment Request"

    def held(self, auth: Transaction) -> Decimal:
        """What can still be captured."""
        rest = auth.total if auth.letter == "A" else Decimal(0)
        freed = (*self.children(auth, "Capture"), *self.children(auth, "Void"), *self.children(auth, "Release"))
        return rest - sum((one.total for one in freed), Decimal(0))

    def refundable(self, paid: Transaction) -> Decimal:
        """Of a sale or a capture; pending refunds count."""
        if paid.kind not in ("Sale", "Capture") or paid.letter != "A":
            return Decimal(0)
        given = (*self.children(paid, "Refund", "AP"), *self.children(paid, "Void"))
        return paid.total - sum((one.total for one in given), Decimal(0))

    # --- what happens ----------------------------------------------------------------------------------------------

    def finish(self, one: Transaction, letter: str, code: str = "", *, tells_callback: bool = True) -> None:
        """The result of a transaction, told by callback (where asked) and IPN (where configured)."""
        self.mark(one, letter, code)
        if letter == "A" and one.is_tokenised and one.kind in ROOTS and not one.token:
            self._give_token(one)
        self.tell(one, tells_callback=tells_callback)

    def mark(self, one: Transaction, letter: str, code: str = "") -> None:
        one.letter = letter
        one.code = code or (f"G{secrets.randbelow(10**5):05d}" if letter in "AH" else "600" if letter == "P" else "")
        approved = {"A": "Authorised", "H": "Hold for review", "P": "Pending", "X": "Expired", "V": "Voided"}
        one.message = approved.get(letter) or MESSAGES.get(one.code, "Declined")
        one.finished_at = self.now()
        one.acquirer_ref = trace("TRAN0001")
        if not one.info and letter in "AHD":
            one.info = card()

    def _give_token(self, one: Transaction) -> None:
        one.token = secrets.token_hex(16).upper()
        self.tokens[one.token] = Token(tran_ref=one.tran_ref, info=dict(one.info), customer=dict(one.customer))

    def tell(self, one: Transaction, *, tells_callback: bool = True) -> None:
        """Callback and IPN differ in `ipn_trace` alone. Unconfirmed: that it is not the same in both."""
        for url in ((one.callback,) if tells_callback and one.callback else ()) + ("",):
            self.send(url, dumps(self.seen(one) | {"ipn_trace": trace("IPNS0001")}))

    def follow(self, kind: str, of: Transaction, amount: Decimal, *, cart_id: str, description: str) -> Transaction:
        """A new transaction below `of`, without a result yet."""
        return self.add(
            Transaction(
                tran_ref=self.new_reference(),
                kind=kind,
                tran_class="ECom",
                cart_id=cart_id,
                description=description,
                currency=of.charged_currency,
                amount=amount,
                total=amount,
                charged_currency=of.charged_currency,
                previous=of.tran_ref,
                customer=of.customer,
                info=of.info,
            )
        )

    def after_void(self, auth: Transaction) -> None:
        """Nothing held and nothing taken: the authorization is gone. Unconfirmed: whether it then reads V or A."""
        if not self.held(auth) and not self.children(auth, "Capture"):
            auth.letter = self.void_letter

    def begin_refund(self, one: Transaction) -> None:
        if self.refund_mode == "done":
            self.mark(one, "A")
        else:
            self.mark(one, "P")
            one.due_at = self.now() + REFUND_SECONDS if self.refund_mode == "pending" else 0.0

    def settle_offline(self, asked: Transaction) -> Transaction:
        """The second leg: a sale of its own under the same cart_id."""
        sale = self.follow("Sale", asked, asked.amount, cart_id=asked.cart_id, description=asked.description)
        sale.callback, sale.user_defined = asked.callback, asked.user_defined
        sale.info = asked.info
        self.mark(asked, "A")
        self.finish(sale, "A")
        return sale

    def tick(self) -> None:
        for one in list(self.transactions.values()):
            if one.is_open and one.expires_at <= self.now():
                self.mark(one, "X")  # expiry is not always notified: here never, the platform has to ask
            elif one.kind == "Refund" and one.letter == "P" and one.due_at and one.due_at <= self.now():
                self.finish(one, "A")

    # --- how it is shown -------------------------------------------------------------------------------------------

    def seen(self, one: Transaction) -> Json:
        """As a notification and a query show it (sections 5 and 6), members in the order of the sample."""
        body: Json = {"tran_ref": one.tran_ref}
        body |= {"previous_tran_ref": one.previous} if one.previous else {}
        body |= {
            "merchant_id": self.merchant_id,
            "profile_id": int(self.profile_id),
            "cart_id": one.cart_id,
            "cart_description": one.description,
            "cart_currency": one.currency,
            "cart_amount": text_of_amount(one.amount, one.currency),
            "tran_currency": one.charged_currency,
            "tran_total": text_of_amount(one.total, one.charged_currency),
            "tran_type": one.kind,
            "tran_class": one.tran_class,
        }
        for name, part in (("customer_details", one.customer), ("shipping_details", one.shipping)):
            body |= {name: part} if part else {}
        body |= result_of(one)
        body |= {"token": one.token} if one.token else {}
        body |= {"user_defined": one.user_defined} if one.user_defined else {}
        if one.kind in ("Capture", "Void", "Release", "Refund"):
            parent = self.transactions[one.previous]
            body["parentRequest"] = {
                "tran_ref": parent.tran_ref,
                "cart_amount": text_of_amount(parent.amount, parent.currency),
                "cart_currency": parent.currency,
            }
        return body


def result_of(one: Transaction) -> Json:
    if not one.letter:
        return {}
    shown: Json = {
        "payment_result": {
            "response_status": one.letter,
            "response_code": one.code,
            "response_message": one.message,
            "acquirer_ref": one.acquirer_ref,
            "cvv_result": " ",
            "avs_result": " ",
            "transaction_time": iso(one.finished_at),
        }
    }
    return shown | ({"payment_info": one.info} if one.info else {})


def card() -> Json:
    return {
        "payment_method": "Visa",
        "card_type": "Credit",
        "card_scheme": "Visa",
        "payment_description": "4111 11## #### 1111",
        "expiryMonth": 12,
        "expiryYear": 2030,
    }


def headers_of(body: bytes, *, key: str) -> dict[str, str]:
    return {"Content-Type": "application/json", "Signature": sign_body(body, key=key)}
