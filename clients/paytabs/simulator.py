"""A faithful local fake of PayTabs (PT2): its API, its payment page, its signed callbacks, IPNs and browser returns.

Written from the protocol page, never from the client beside it; it shares no code with it. The calls are in
`simulator_requests`, the states in `simulator_profile`.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from clients.paytabs import simulator_pages as pages
from clients.paytabs import simulator_requests as requests
from clients.paytabs.simulator_profile import MESSAGES, ROOTS, Profile, Transaction, headers_of
from clients.paytabs.simulator_wire import (
    CURRENCIES,
    HOSTS,
    PayTabsError,
    answer,
    exponent,
    from_minor,
    is_loopback,
    read,
    sign_return,
)
from core.gateways.simulating import BookLine, GatewaySimulator, SimulatedAccount, World

_RESULTS = {"pay": ("A", ""), "hold": ("H", ""), "decline": ("D", "302"), "decline_funds": ("D", "316")} | {
    "cancel": ("C", "321"),
    "expire": ("X", ""),
}


class PayTabsSimulator(GatewaySimulator):
    """Amounts in `act` (amount=..., total=...) are minor units. An account's `webhook_url` is its IPN address.

    Callbacks to this machine are taken, which PayTabs refuses (code 210); `act("strict_urls")` makes it refuse them.
    """

    slug: ClassVar[str] = "paytabs"
    hosts: ClassVar[tuple[str, ...]] = tuple(HOSTS.values())
    retry_seconds: ClassVar[tuple[float, ...]] = (1.0, 2.0, 4.0, 8.0, 16.0)
    primary_credential: ClassVar[str] = "profile_id"
    actions: ClassVar[tuple[str, ...]] = (
        "pay",
        "hold",
        "release_hold",
        "decline",
        "cancel",
        "expire",
        "offline",
        "settle",
        "pay_late",
        "pay_short",
        "pay_over",
        "refund",
        "refund_settle",
        "refund_fail",
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._profiles: dict[tuple[str, str], Profile] = {}
        self._last_number = 0

    def routes(self) -> list[Any]:
        return [
            Route("/payment/request", self._request, methods=["POST"]),
            Route("/payment/query", self._query, methods=["POST"]),
            Route("/payment/token", self._token, methods=["POST"]),
            Route("/payment/token/delete", self._delete_token, methods=["POST"]),
            Route("/payment/page/{page}", self._page, methods=["GET", "POST"]),
            Route("/payment/page/{page}/bank", self._bank, methods=["GET", "POST"]),
        ]

    def tick(self) -> None:
        for profile in self._profiles.values():
            profile.tick()

    def reset(self) -> None:
        self._profiles.clear()

    # --- accounts --------------------------------------------------------------------------------------------------

    def _account(self, mode: str, profile_id: str) -> SimulatedAccount | None:
        found = [one for one in self.world.accounts(self.slug) if _name(one) == (mode, profile_id)]
        return found[-1] if found else None

    def _profile_of(self, account: SimulatedAccount) -> Profile:
        name = _name(account)
        if name not in self._profiles:
            host = HOSTS[str(account.credentials.get("region") or "ARE")]
            profile = self._profiles[name] = Profile(
                mode=name[0], profile_id=name[1], host=host, now=self.world.now, number=self._number
            )
            profile.send = lambda url, body: self._send(profile, url, body)
        return self._profiles[name]

    def _number(self) -> str:
        """Eight digits: the true millisecond of the day, so that a new start repeats none of today's."""
        self._last_number = max(self._last_number + 1, int(time.time() * 1000) % 86_400_000)
        return f"{self._last_number % 10**8:08d}"

    def _send(self, profile: Profile, url: str, body: bytes) -> None:
        account = self._account(profile.mode, profile.profile_id)
        if account is None:
            return
        target = url or account.webhook_url
        parts = urlsplit(target)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            body = b""  # a plain address gets an empty body (section 6)

        def headers() -> Mapping[str, str]:
            """With the key of this moment: it may have been changed since the payment began."""
            now = self._account(profile.mode, profile.profile_id) or account
            return headers_of(body, key=str(now.credentials.get("server_key") or ""))

        self.world.deliver(self.slug, url=target, headers=headers(), body=body, resign=headers)

    # --- the API ---------------------------------------------------------------------------------------------------

    async def _request(self, request: Request) -> Response:
        return await self._call(request, lambda p, given: requests.request(p, given, page_url=self._page_url(p)))

    async def _query(self, request: Request) -> Response:
        return await self._call(request, lambda p, given: requests.query(p, given, page_url=self._page_url(p)))

    async def _token(self, request: Request) -> Response:
        return await self._call(request, requests.read_token)

    async def _delete_token(self, request: Request) -> Response:
        return await self._call(request, requests.delete_token)

    async def _call(self, request: Request, work: Callable[[Profile, dict[str, Any]], Any]) -> Response:
        self.tick()
        try:
            account = self._authenticated(request)
            given = read(await request.body())
            number = given.get("profile_id")
            if isinstance(number, bool) or str(number) != str(account.credentials.get("profile_id")):
                raise PayTabsError(3, "Invalid profile ID")
            return answer(200, work(self._profile_of(account), given))
        except PayTabsError as error:
            return answer(error.status, error.body)

    def _authenticated(self, request: Request) -> SimulatedAccount:
        """The bare server key, on the one host where the profile lives."""
        host = str(request.scope.get("root_path", "")).strip("/")
        sent = request.headers.get("authorization", "").encode()
        for account in reversed(self.world.accounts(self.slug)):
            key = str(account.credentials.get("server_key") or "").encode()
            is_here = HOSTS.get(str(account.credentials.get("region") or "ARE")) == host
            if key and is_here and hmac.compare_digest(key, sent):
                return account
        raise PayTabsError(1, "Authentication failed. Check authentication header.", status=401)

    def _page_url(self, profile: Profile) -> Callable[[str], str]:
        return lambda page: self.world.url(profile.host, f"/payment/page/{page}")

    # --- pages -----------------------------------------------------------------------------------------------------

    def _of_page(self, request: Request) -> tuple[Profile, Transaction] | None:
        self.tick()
        for profile in self._profiles.values():
            for one in profile.transactions.values():
                if one.page == request.path_params["page"]:
                    return profile, one
        return None

    async def _page(self, request: Request) -> Response:
        found = self._of_page(request)
        if found is None or not found[1].is_open:
            return HTMLResponse(pages.message("Not found", "This page is used or has expired."), status_code=404)
        profile, one = found
        do = await _chosen(request)
        if do == "pay_3ds":
            return RedirectResponse(f"{self._page_url(profile)(one.page)}/bank", status_code=303)
        if do == "offline" and one.kind != "Register":
            _offline(profile, one)
        elif do == "pay_unsaved":
            one.is_tokenised = False
            profile.finish(one, "A")
        elif do in _RESULTS:
            profile.finish(one, *_RESULTS[do])
        else:
            return HTMLResponse(pages.payment(one))
        return self._sent_back(profile, one)

    async def _bank(self, request: Request) -> Response:
        found = self._of_page(request)
        if found is None or not found[1].is_open:
            return HTMLResponse(pages.message("Not found", "There is nothing to verify."), status_code=404)
        profile, one = found
        do = await _chosen(request)
        if do not in ("success", "failure"):
            return HTMLResponse(pages.bank(one))
        profile.finish(one, *(("A", "") if do == "success" else ("D", "310")))
        return self._sent_back(profile, one)

    def _sent_back(self, profile: Profile, one: Transaction) -> Response:
        parts = urlsplit(one.return_url)
        if not one.return_url:
            return HTMLResponse(pages.message(one.message, f"Reference {one.tran_ref}"))
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            return RedirectResponse(one.return_url, status_code=303)  # a plain address gets no data
        account = self._account(profile.mode, profile.profile_id)
        key = str(account.credentials.get("server_key") or "") if account is not None else ""
        fields = returned(one)
        if not one.returns_by_get:
            return HTMLResponse(pages.way_back(one.return_url, fields | {"signature": sign_return(fields, key=key)}))
        kept = ("cartId", "respCode", "respMessage", "respStatus", "tranRef")
        fewer = {name: value for name, value in fields.items() if name in kept}
        query = urlencode(fewer | {"signature": sign_return(fewer, key=key)})
        return RedirectResponse(f"{one.return_url}{'&' if parts.query else '?'}{query}", status_code=303)

    # --- acting ----------------------------------------------------------------------------------------------------

    def act(self, action: str, *, gateway_reference: str, **details: Any) -> Mapping[str, Any]:
        """`gateway_reference` is a tran_ref, our cart_id, a token, or a profile's number for its settings."""
        table: dict[str, Callable[..., object]] = {
            "pay": self._pay,
            "pay_3ds": self._pay,
            "authorize": self._pay,
            "hold": lambda p, one: p.finish(_open(one), "H"),
            "release_hold": lambda p, one: p.finish(_in(one, "H"), "A", tells_callback=False),
            "reject_hold": lambda p, one: p.finish(_in(one, "H"), "D", "501", tells_callback=False),
            "decline": lambda p, one, code="302": p.finish(_open(one), "D", str(code)),
            "pay_3ds_fail": lambda p, one: p.finish(_open(one), "D", "310"),
            "error": lambda p, one, code="302": p.finish(_open(one), "E", str(code)),
            "cancel": lambda p, one: p.finish(_open(one), "C", "321"),
            "expire": self._expire,
            "offline": lambda p, one: _offline(p, _open(one)),
            "settle": lambda p, one: p.settle_offline(_in(one, "PX", kind="Payment Request")),
            "pay_late": self._pay_late,
            "pay_short": lambda p, one, amount=None: self._pay(p, one, total=amount or _minor(one) // 2),
            "pay_over": lambda p, one, amount=None: self._pay(p, one, total=amount or _minor(one) * 11 // 10 + 1),
            "wrong_asset": self._pay_otherwise,
            "refund": lambda p, one, amount=None: _dashboard(p, _paid(p, one), "Refund", amount),
            "capture": lambda p, one, amount=None: _dashboard(p, _in(one, "A", kind="Auth"), "Capture", amount),
            "void": self._void,
            "refund_settle": lambda p, one: p.finish(_pending_refund(p, one), "A"),
            "refund_fail": lambda p, one: p.finish(_pending_refund(p, one), "D", "320"),
            "refund_mode": self._refund_mode,
            "refuse_next_refund": self._refuse_next_refund,
            "next_charge": self._next_charge,
            "forbid": lambda p, one, what="query": p.forbidden.add(str(what)),
            "forbid_recurring": lambda p, one: setattr(p, "has_recurring", False),
            "strict_urls": lambda p, one: setattr(p, "is_strict", True),
            "sparse_answers": lambda p, one: setattr(p, "is_sparse", True),
            "void_shows": self._void_shows,
            "tell_again": lambda p, one: p.tell(_known(one)),
        }
        if action not in table:
            raise ValueError(f"unknown action {action!r}; known: {', '.join(table)}")
        self.tick()
        profile, one = self._find(gateway_reference)
        table[action](profile, one if one is not None else gateway_reference, **details)
        told = {"profile_id": profile.profile_id}
        if one is not None:
            told |= {"id": one.tran_ref, "cart_id": one.cart_id, "status": one.letter, "tran_type": one.kind}
        return told

    def _find(self, name: str) -> tuple[Profile, Transaction | None]:
        """By reference, else the newest payment with our cart_id before the newest follow-up; then settings."""
        every = [self._profile_of(account) for account in self.world.accounts(self.slug)]
        for profile in every:
            if name in profile.transactions:
                return profile, profile.transactions[name]
            named = [one for one in reversed(profile.transactions.values()) if name and one.cart_id == name]
            if named:
                first = [one for one in named if one.kind in ROOTS and profile.root_of(one) is one]
                return profile, (first or named)[0]
        for profile in every:
            if name in profile.tokens or name == profile.profile_id or (not name and len(every) == 1):
                return profile, None
        raise ValueError(f"no payment {name!r}")

    def _pay(self, p: Profile, one: Any, total: Any = None, save: bool = True) -> None:
        """`total` is what is charged where it differs: a card discount, a donation page."""
        transaction = _open(one)
        if total not in (None, ""):
            transaction.total = from_minor(total, transaction.currency)
        transaction.is_tokenised = transaction.is_tokenised and bool(save)
        p.finish(transaction, "A")

    def _pay_otherwise(self, p: Profile, one: Any, currency: str = "USD", total: Any = None) -> None:
        """The customer chose another currency."""
        transaction = _open(one)
        if currency not in CURRENCIES or currency == transaction.currency:
            raise ValueError("name another currency that PayTabs takes")
        transaction.charged_currency = currency
        minor = _minor(transaction) if total in (None, "") else int(total)
        transaction.total = from_minor(minor, currency)
        p.finish(transaction, "A")

    def _expire(self, p: Profile, one: Any) -> None:
        """Told, unlike the expiry that time brings."""
        transaction = _known(one)
        p.finish(transaction if transaction.is_open else _in(transaction, "P", kind="Payment Request"), "X")

    def _pay_late(self, p: Profile, one: Any) -> None:
        """The page ran out while the bank was asking; an open page expires first."""
        transaction = _known(one)
        if transaction.is_open:
            p.mark(transaction, "X")
        p.finish(_in(transaction, "XC"), "A")

    def _void(self, p: Profile, one: Any, amount: Any = None) -> None:
        """In the dashboard: of a hold, or of a sale on the same day, whose money then goes back."""
        transaction = _known(one)
        if transaction.kind != "Auth":
            _dashboard(p, _paid(p, transaction), "Void", amount)
            return
        _dashboard(p, _in(transaction, "A", kind="Auth"), "Void", amount)
        p.after_void(transaction)

    def _refund_mode(self, p: Profile, one: Any, mode: str = "pending") -> None:
        if mode not in ("done", "pending", "hold"):
            raise ValueError("mode is done, pending (settles days later) or hold (until told)")
        p.refund_mode = mode

    def _refuse_next_refund(self, p: Profile, one: Any, code: str = "320") -> None:
        if str(code) not in ("320", "322"):
            raise ValueError("code is 320 (a declined result) or 322 (a failure)")
        p.next_refund_code = str(code)

    def _next_charge(self, p: Profile, one: Any, code: str = "302") -> None:
        """What the next charge of a token comes to: a code of the decline table, or 3ds for a page."""
        name = one.token if isinstance(one, Transaction) else str(one)
        if name not in p.tokens or str(code) not in (*MESSAGES, "3ds"):
            raise ValueError(f"name a token, and a code of {', '.join(MESSAGES)} or 3ds")
        p.tokens[name].next_codes.append(str(code))

    def _void_shows(self, p: Profile, one: Any, letter: str = "A") -> None:
        """What a query says of an authorization that was voided: V or A, which the documents leave open."""
        if letter not in ("A", "V"):
            raise ValueError("letter is A or V")
        p.void_letter = letter

    # --- books -----------------------------------------------------------------------------------------------------

    def books(self) -> list[BookLine]:
        """One line a page or token charge; what was captured, voided and refunded below it is counted there."""
        return [
            _line(profile, one)
            for profile in self._profiles.values()
            for one in profile.transactions.values()
            if one.kind in ROOTS and profile.root_of(one) is one
        ]


def returned(one: Transaction) -> dict[str, str]:
    """What the browser brings back, empty fields included (section 7)."""
    return {
        "acquirerMessage": "",
        "acquirerRRN": "",
        "cartId": one.cart_id,
        "customerEmail": str(one.customer.get("email", "")),
        "respCode": one.code,
        "respMessage": one.message,
        "respStatus": one.letter,
        "token": one.token,
        "tranRef": one.tran_ref,
    }


def _name(account: SimulatedAccount) -> tuple[str, str]:
    return account.mode, str(account.credentials.get("profile_id"))


def _offline(profile: Profile, one: Transaction) -> None:
    if one.kind != "Sale":
        raise ValueError("only a sale can be paid offline")
    one.kind = "Payment Request"
    one.info = {"payment_method": "Aman", "payment_description": f"AMAN {secrets.randbelow(10**8):08d}"}
    profile.finish(one, "P")


def _dashboard(profile: Profile, of: Transaction, kind: str, amount: Any) -> None:
    """Made by the merchant's staff: under the payment's own cart_id, told by IPN only."""
    rest = profile.held(of) if of.kind == "Auth" else profile.refundable(of)
    wanted = rest if amount in (None, "") else from_minor(amount, of.charged_currency)
    if not 0 < wanted <= rest:
        raise ValueError(f"only {rest} is left")
    row = profile.follow(kind, of, wanted, cart_id=of.cart_id, description=f"Dashboard {kind.lower()}")
    if kind == "Refund":
        profile.begin_refund(row)
    else:
        profile.mark(row, "A")
    profile.tell(row, tells_callback=False)


def _known(one: Any) -> Transaction:
    if not isinstance(one, Transaction):
        raise ValueError("this needs a payment")
    return one


def _open(one: Any) -> Transaction:
    if not _known(one).is_open:
        raise ValueError(f"this page is used: {one.kind} {one.letter}")
    return _known(one)


def _in(one: Any, letters: str, *, kind: str | None = None) -> Transaction:
    found = _known(one)
    if found.letter not in tuple(letters) or kind not in (None, found.kind):
        raise ValueError(f"this is {found.kind} {found.letter or 'without a result'}")
    return found


def _minor(one: Any) -> int:
    return int(_known(one).amount.scaleb(exponent(one.currency)))


async def _chosen(request: Request) -> str:
    if request.method != "POST":
        return ""
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"))).get("do", "")


def _paid(profile: Profile, one: Any) -> Transaction:
    """The sale or capture that money can be given back from."""
    found = _known(one)
    below = [row for row in profile.transactions.values() if profile.root_of(row) is found]
    for row in (found, *below):
        if profile.refundable(row) > 0:
            return row
    raise ValueError("nothing of this was taken, or all was given back")


def _pending_refund(profile: Profile, one: Any) -> Transaction:
    found = _known(one)
    rows = [row for row in profile.transactions.values() if row.kind == "Refund" and row.letter == "P"]
    for row in reversed(rows):
        if row is found or profile.root_of(row) is profile.root_of(found):
            return row
    raise ValueError("no refund of this is pending")


def _line(profile: Profile, root: Transaction) -> BookLine:
    family = [one for one in profile.transactions.values() if profile.root_of(one) is root]
    taken = [one for one in family if one.kind in ("Sale", "Capture") and one.letter == "A"]
    names = {one.tran_ref for one in taken}
    given = [one for one in family if one.kind in ("Refund", "Void") and one.letter == "A" and one.previous in names]
    return BookLine(
        gateway_reference=root.tran_ref,
        reference=root.cart_id,
        asset=root.charged_currency,
        captured=sum((one.total for one in taken), Decimal(0)),
        refunded=sum((one.total for one in given), Decimal(0)),
        status=f"{root.kind} {root.letter or 'open'}",
        mode=profile.mode,
    )
