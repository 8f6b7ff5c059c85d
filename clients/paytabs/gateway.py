"""PayTabs behind the port: each verb is build -> send -> read.

Everything that moves money is one call (POST /payment/request) told apart by `tran_type`. A payment is known by our
`cart_id` and their `tran_ref`; captures, voids and refunds have both of their own. There is no idempotency key: a lost
answer is looked up by the `cart_id` of its operation, so captures and voids get one that can be derived (building.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar, Final

from clients.paytabs import building, judging, returns, translate, webhook
from clients.paytabs.client import REQUEST, PayTabsClient, is_not_found, may_be_not_found
from clients.paytabs.config import DESCRIPTION, PayTabsConfig
from clients.paytabs.transaction import AUTH, CAPTURE, REFUND, REGISTER, SALE, VOID, Transaction, parse
from clients.paytabs.translate import Account
from core.clock import Clock
from core.gateways.errors import GatewayError, GatewayMisconfigured, OutcomeUnknown, RequestRejected
from core.gateways.port import (
    Cache,
    CanCapture,
    CanReadReturn,
    CanRefund,
    CanSaveMethods,
    CanSaveMethodsAlone,
    CanVoid,
    Gateway,
)
from core.gateways.types import (
    CaptureMode,
    CaptureRequest,
    ChargeRequest,
    CredentialCheck,
    DeleteSavedRequest,
    Description,
    MethodNames,
    MethodStatus,
    Mode,
    NotFound,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Redirect,
    RefundNames,
    RefundRequest,
    Report,
    ReturnReading,
    SaveMethodRequest,
    VoidRequest,
    WebhookDelivery,
    WebhookReading,
)
from core.http import Http
from core.money import Money

NO_SUCH_TRANSACTION: Final = "TST0000000000000"  # asked for to test a connection
CHILDREN_ASKED: Final = 3  # captures and voids of ours that are looked for when a hold shows neither
MAX_OTHERS: Final = 8
# Unconfirmed: their own form. Ours hold a "-" or "_", so the two are never taken for each other.
TRAN_REF: Final = re.compile(r"[A-Za-z]{0,8}[0-9]{6,}[A-Za-z0-9]{0,16}", re.ASCII)


class PayTabsGateway(Gateway, CanCapture, CanVoid, CanRefund, CanReadReturn, CanSaveMethods, CanSaveMethodsAlone):
    slug: ClassVar[str] = "paytabs"
    about: ClassVar[Description] = DESCRIPTION

    def __init__(self, credentials: Mapping[str, Any], *, mode: Mode, http: Http, cache: Cache, clock: Clock) -> None:
        self._config = PayTabsConfig.of(credentials, mode=mode)
        self._client = PayTabsClient(self._config, http=http)
        self._http = http

    # --- payments ----------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest) -> Report:
        """Create the page. Its `tran_ref` is known at once; whoever never saw the page cannot have paid."""
        kind = AUTH if request.capture is CaptureMode.MANUAL else SALE
        row = self._request(building.build_payment(request), kind=kind, currency=request.amount.asset)
        return self._created(row, asked=request.amount, reference=request.reference)

    def fetch_payment(self, names: PaymentNames) -> Report | NotFound:
        """Ask by their reference, else by ours. Other rows of the payment are asked for only where they could say more."""
        try:
            rows = self._main_rows(names)
        except RequestRejected as error:
            if names.gateway_reference is None or not is_not_found(error):
                raise
            return NotFound(reason="PayTabs does not know this transaction under this profile")
        if not rows:
            return NotFound(reason="PayTabs knows no transaction of this name under this profile")
        rows = self._with_siblings(rows, names)
        report = judging.judge(rows, self._account, asked=names.amount, captured=names.captured)
        if report is None:
            return NotFound(reason="PayTabs knows only refunds under this name")
        return self._with_page(_named(report, names), rows)

    def capture(self, request: CaptureRequest) -> Report:
        """Once for each hold, all of it or a part: PayTabs tells increments and never a sum."""
        return self._follow_up(CAPTURE, request.names, amount=request.amount, operation=request.reference)

    def void(self, request: VoidRequest) -> Report:
        """Release the whole hold. An unpaid page cannot be ended (PayTabs refuses); it expires by itself."""
        return self._follow_up(VOID, request.names, amount=request.names.amount, operation=request.reference)

    # --- webhooks and returns ----------------------------------------------------------------------------------

    def read_webhook(self, delivery: WebhookDelivery) -> WebhookReading:
        webhook.verify(delivery, keys=self._config.server_keys)
        return webhook.read(delivery.body, self._account)

    def read_return(self, delivery: WebhookDelivery, *, names: PaymentNames | None = None) -> ReturnReading:
        return returns.read_return(delivery, keys=self._config.server_keys)

    # --- refunds -----------------------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        target = self._refund_target(request.names)
        row = self._request(building.build_refund(request, target), kind=REFUND, currency=request.amount.asset)
        if not row.has_result:
            raise REQUEST.unreadable("the answer has no result")
        report = translate.read(replace(row, kind=REFUND), self._account)
        if report.refunded_minor is None and not row.is_odd:
            report = replace(report, refunded_minor=request.amount.minor, asset=request.amount.asset)
        return replace(report, reference=request.reference, payment=_payment_of(request.names, row))

    def fetch_refund(self, names: RefundNames) -> Report | NotFound:
        try:
            rows = self._refund_rows(names)
        except RequestRejected as error:
            if names.gateway_reference is None or not is_not_found(error):
                raise
            return NotFound(reason="PayTabs does not know this refund under this profile")
        if not rows:
            return NotFound(reason="PayTabs knows no refund of this name under this profile")
        # The same refund may have been refused and then sent again under its name.
        row = next((one for one in rows if one.letter == "A"), judging.newest(rows))
        report = translate.read(row, self._account)
        return replace(report, reference=names.reference, payment=_payment_of(names.payment, row))

    # --- saved cards -------------------------------------------------------------------------------------------

    def save_method(self, request: SaveMethodRequest) -> Report:
        """A page that verifies a card and keeps it, without money."""
        row = self._request(building.build_registration(request), kind=REGISTER, currency=request.currency)
        report = translate.read(replace(row, kind=REGISTER), self._account)
        if row.redirect_url is None:
            return replace(report, reference=request.reference)
        page = self._page(row.redirect_url)
        if page is None:
            raise REQUEST.unreadable("the page is not on the host of this region")
        return replace(report, reference=request.reference, status=MethodStatus.PENDING, next_action=page)

    def fetch_method(self, names: MethodNames) -> Report | NotFound:
        """By PayTabs' reference, else by ours, like a payment."""
        asked = PaymentNames(reference=names.reference, gateway_reference=names.gateway_reference)
        try:
            rows = [row for row in self._main_rows(asked) if row.kind == REGISTER]
        except RequestRejected as error:
            if names.gateway_reference is None or not is_not_found(error):
                raise
            rows = []
        if not rows:
            return NotFound(reason="PayTabs knows no registration of this name under this profile")
        return replace(translate.read(judging.newest(rows), self._account), reference=names.reference)

    def charge_saved(self, request: ChargeRequest) -> Report:
        """Answered at once. Unconfirmed: an issuer that insists on 3-D Secure may answer with a page instead."""
        payment = request.payment
        row = self._request(building.build_charge(request), kind=SALE, currency=payment.amount.asset)
        return self._created(row, asked=payment.amount, reference=payment.reference)

    def delete_saved(self, request: DeleteSavedRequest) -> None:
        body = self._body(building.build_token(request.saved))
        try:
            self._client.delete_token(body)
        except RequestRejected as error:
            if not may_be_not_found(error):
                raise
            self._check_gone(body, error)

    # --- account -----------------------------------------------------------------------------------------------

    def check_credentials(self) -> CredentialCheck:
        """Ask for a transaction that does not exist: every answer but a refused key proves key, profile and region."""
        try:
            self._client.query(self._body(building.build_query(tran_ref=NO_SUCH_TRANSACTION)))
        except GatewayMisconfigured as error:
            return CredentialCheck(ok=False, message=f"PayTabs refuses: {error.reason}.")
        except RequestRejected:
            pass  # it does not know the transaction, so it knows us
        warning = {"server key": "of an unusual shape"} if self._config.has_unusual_key else {}
        return CredentialCheck(
            ok=True,
            message="PayTabs accepts the key for this profile and region. Whether the profile is a test or a live one, and "
            "which currencies it takes, only a payment tells.",
            account=self._config.profile_id,
            details=warning,
        )

    # --- sending -----------------------------------------------------------------------------------------------

    @property
    def _account(self) -> Account:
        return Account(profile_id=self._config.profile_id, mode=self._config.mode)

    def _body(self, members: str | Mapping[str, Any]) -> str:
        return building.with_profile(self._config.profile(), members)

    def _request(self, members: str, *, kind: str, currency: str | None) -> Transaction:
        """Send one operation. Direct answers may lack nearly every name: our own request says what they belong to."""
        return parse(self._client.request(self._body(members)), kind=kind, currency=currency)

    def _created(self, row: Transaction, *, asked: Money, reference: str) -> Report:
        if row.cart_id not in (reference, None):
            raise REQUEST.unreadable("the answer is about another cart")
        report = translate.read(row, self._account)
        if translate.is_foreign(row, self._account):
            return replace(report, reference=reference)  # nobody is sent to another profile's page
        if row.has_result:
            return replace(judging.against(report, row, asked), reference=reference, is_hint=False)
        page = self._page(row.redirect_url)
        if page is None:
            raise REQUEST.unreadable("the page is not on the host of this region")
        return replace(report, reference=reference, status=PaymentStatus.REQUIRES_ACTION, next_action=page)

    def _page(self, url: str | None) -> Redirect | None:
        """On the host of the region, or already where that host is played locally."""
        base = self._config.origin()
        if url is None or not url.startswith((f"{base}/", f"{self._http.browser_url(base)}/")):
            return None
        return Redirect(url=self._http.browser_url(url))

    def _with_page(self, report: Report, rows: Sequence[Transaction]) -> Report:
        """An unpaid page may tell its address again; only then the customer can go on."""
        if report.status is not PaymentStatus.PENDING:
            return report
        open_row = next((row for row in rows if row.tran_ref == report.gateway_reference and not row.has_result), None)
        page = self._page(open_row.redirect_url) if open_row else None
        return report if page is None else replace(report, status=PaymentStatus.REQUIRES_ACTION, next_action=page)

    def _follow_up(self, kind: str, names: PaymentNames, *, amount: Money | None, operation: str | None) -> Report:
        hold = names.gateway_reference
        if hold is None:
            raise RequestRejected("PayTabs gave no reference by which this payment could be reached")
        cart_id = building.child_id(names.reference or hold, building.child_number(operation))
        body = building.build_follow_up(kind, hold, cart_id=cart_id, amount=amount)
        row = self._request(body, kind=kind, currency=amount.asset if amount else None)
        if not row.has_result:
            raise REQUEST.unreadable("the answer has no result")
        if row.kind != kind:
            raise REQUEST.unreadable("the answer is about another operation")
        report = translate.read(replace(row, cart_id=cart_id, previous_ref=row.previous_ref or hold), self._account)
        if amount and report.captured_minor is None and report.status is PaymentStatus.CAPTURED and not row.is_odd:
            report = replace(report, captured_minor=amount.minor, asset=amount.asset)
        report = judging.against(report, row, amount) if amount and kind == CAPTURE else report
        return replace(report, reference=names.reference, is_hint=False)

    # --- looking up --------------------------------------------------------------------------------------------

    def _main_rows(self, names: PaymentNames) -> list[Transaction]:
        tran_ref = names.gateway_reference
        if tran_ref is None:
            if not names.reference:
                raise RequestRejected("nothing is known by which this payment could be asked for")
            return self._rows(names.amount, cart_id=names.reference)
        rows = self._rows(names.amount, tran_ref=tran_ref)
        if rows and not any(_answers(row, names, is_alone=len(rows) == 1) for row in rows):
            raise OutcomeUnknown("the answer is about another transaction")
        return [row if row.tran_ref else replace(row, tran_ref=tran_ref) for row in rows]

    def _rows(
        self,
        asked: Money | None,
        *,
        tran_ref: str | None = None,
        cart_id: str | None = None,
        is_auxiliary: bool = False,
    ) -> list[Transaction]:
        body = self._body(building.build_query(tran_ref=tran_ref, cart_id=cart_id))
        currency = asked.asset if asked else None
        rows = [parse(one, currency=currency) for one in self._client.query(body, is_auxiliary=is_auxiliary)]
        return [row for row in rows if cart_id is None or row.cart_id in (cart_id, None)]

    def _beside(self, asked: Money | None, **name: str) -> list[Transaction]:
        """Rows that may complete the picture. What cannot be had leaves it as it is: a later fetch asks again."""
        with suppress(GatewayError):
            found = self._rows(asked, is_auxiliary=True, **name)
            return [row for row in found if row.tran_ref is not None]
        return []

    def _with_siblings(self, rows: list[Transaction], names: PaymentNames) -> list[Transaction]:
        """The other references that we were told, all rows of our name, and what we sent under names of its own."""
        known = {row.tran_ref for row in rows}
        for one in _transactions(names.other_references):
            if one not in known and not judging.is_taken(rows):
                rows = [*rows, *self._beside(names.amount, tran_ref=one)]
        reference = names.reference or rows[0].cart_id
        if names.gateway_reference is not None and reference and not judging.is_waiting(rows):
            rows = [*rows, *self._beside(names.amount, cart_id=reference)]
        return self._with_children(rows, names)

    def _with_children(self, rows: list[Transaction], names: PaymentNames) -> list[Transaction]:
        """Our own captures and voids have a name of their own. The answer to one may have been lost."""
        reference = names.reference or rows[0].cart_id
        for number in range(1, CHILDREN_ASKED + 1):
            if not reference or not judging.holds(rows):
                break
            rows = [*rows, *self._beside(names.amount, cart_id=building.child_id(reference, number))]
        return rows

    def _refund_target(self, names: PaymentNames) -> str:
        """The sale or capture that took the money: never the hold, nor the page request before an offline sale."""
        known = [*reversed(_transactions(names.other_references))]
        known += [names.gateway_reference] if names.gateway_reference else []
        if len(known) == 1:
            return known[0]
        found = (
            [row for one in known for row in self._beside(names.amount, tran_ref=one)]
            if known
            else self._named_rows(names)
        )
        paid = next((row.tran_ref for row in found if row.is_paid and row.tran_ref), None)
        if paid is not None:
            return paid
        if not known or len(found) == len(known):
            raise RequestRejected("PayTabs shows no sale or capture of this payment that could be refunded")
        return known[0]  # not all could be looked up: the newest is a capture or a second sale; a wrong one is refused

    def _named_rows(self, names: PaymentNames) -> list[Transaction]:
        return self._rows(names.amount, cart_id=names.reference, is_auxiliary=True) if names.reference else []

    def _refund_rows(self, names: RefundNames) -> list[Transaction]:
        """By their reference where it names a refund (some answers repeat the payment's), else by ours."""
        if names.gateway_reference is None:
            return _refunds(self._rows(names.amount, cart_id=names.reference))
        found = _refunds(self._rows(names.amount, tran_ref=names.gateway_reference))
        found = [row for row in found if row.tran_ref in (names.gateway_reference, None)]
        return found or _refunds(self._beside(names.amount, cart_id=names.reference))

    def _check_gone(self, body: str, error: RequestRejected) -> None:
        """A token that is already gone is fine. Unconfirmed: which code says so, hence the look whether it is known."""
        if not is_not_found(error) and self._client.knows_token(body):
            raise error


# --- helpers ------------------------------------------------------------------------------------------------------


def _transactions(names: Sequence[str]) -> list[str]:
    """Those of their references among all names; ours of earlier tries stand there too."""
    return [one for one in names if TRAN_REF.fullmatch(one)][:MAX_OTHERS]


def _refunds(rows: Sequence[Transaction]) -> list[Transaction]:
    return [replace(row, kind=REFUND) for row in rows if row.kind in {REFUND, ""}]


def _answers(row: Transaction, names: PaymentNames, *, is_alone: bool) -> bool:
    """Whether a row is about what was asked. Alone and under another reference only as the sale of a page request."""
    if row.tran_ref in (names.gateway_reference, None):
        return True
    is_ours = row.cart_id is not None and row.cart_id == names.reference
    return is_ours and (not is_alone or row.previous_ref == names.gateway_reference)


def _named(report: Report, names: PaymentNames) -> Report:
    """Rows may be silent about our name, and a follow-up has one of its own."""
    return report if report.reference else replace(report, reference=names.reference)


def _payment_of(names: PaymentNames, row: Transaction) -> PaymentNames:
    """The names of a refund's payment, without what was asked for it."""
    known = names.gateway_reference or row.previous_ref
    return replace(names, gateway_reference=known, amount=None, captured=None, created_at=None)
