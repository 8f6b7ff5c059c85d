"""NOWPayments through the port: the customer sends coins to an address. No hold, no void, no refund, no decline.

With a coin chosen we show the address ourselves (POST /v1/payment); without one the gateway's page does (POST
/v1/invoice), and its payments can be asked for only with the dashboard login.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final

from clients.nowpayments import webhook
from clients.nowpayments.client import CREATE_INVOICE, CREATE_PAYMENT, LIST_LIMIT, NowPaymentsClient
from clients.nowpayments.coins import COINS
from clients.nowpayments.config import DESCRIPTION, Config
from clients.nowpayments.judging import DEAD, PAID
from clients.nowpayments.payment import MAX_CHILDREN, Payment, parse_payment, read_created
from clients.nowpayments.translate import (
    INVOICE_PREFIX,
    Decimals,
    build_invoice,
    build_payment,
    number_text,
    read_invoice,
    report_invoice,
    report_payment,
    show_address,
)
from clients.nowpayments.values import Unreadable, read_amount, read_code, read_id
from core.clock import Clock
from core.gateways.errors import (
    GatewayError,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.gateways.port import Cache, CanListCurrencies, Gateway
from core.gateways.types import (
    CaptureMode,
    CredentialCheck,
    Description,
    Mode,
    NotFound,
    PaymentNames,
    PaymentRequest,
    Redirect,
    Report,
    WebhookDelivery,
    WebhookReading,
)
from core.http import Http

MINIMUM_ROOM: Final = Decimal("1.03")  # the rate moves between our estimate and theirs
MAX_PAGES: Final = 10  # of 200 payments each, newest first, when searching for a lost answer


class NowPaymentsGateway(Gateway, CanListCurrencies):
    slug: ClassVar[str] = "nowpayments"
    about: ClassVar[Description] = DESCRIPTION

    def __init__(self, credentials: Mapping[str, Any], *, mode: Mode, http: Http, cache: Cache, clock: Clock) -> None:
        self._config = Config.of(credentials, mode=mode)
        self._http = http
        self._client = NowPaymentsClient(self._config, http=http, cache=cache, clock=clock)

    def initiate(self, request: PaymentRequest) -> Report:
        """Create the payment (with `pay_currency`) or the invoice. A repeated call makes a second one: no idempotency."""
        if request.capture is CaptureMode.MANUAL:
            raise RequestRejected("coins cannot be held: capture is automatic", code="capture_unsupported")
        if request.pay_currency is None:
            return self._create_invoice(request)
        coin = read_code(request.pay_currency.strip())
        if coin is None:
            raise RequestRejected("the coin is not a code of letters and digits", code="currency_unavailable")
        self._preflight(request, coin)
        return self._create_payment(request, coin)

    def fetch_payment(self, names: PaymentNames) -> Report | NotFound:
        """Ask by payment id, by invoice (needs the login), or, for a lost answer, by our own reference.

        Repeated deposits are read with their parent and summed. Raises GatewayErrors, for an answer about another
        payment too.
        """
        try:
            return self._fetch(names)
        except RequestRejected as error:
            if error.code != "not_found":
                raise
            return NotFound(reason="NOWPayments does not know this payment under this API key")

    def read_webhook(self, delivery: WebhookDelivery) -> WebhookReading:
        return webhook.read(delivery, secrets=self._config.ipn_secrets, mode=self._config.mode)

    def check_credentials(self) -> CredentialCheck:
        """GET /v1/merchant/coins proves the key, POST /v1/auth the login. No call can prove the IPN secret."""
        try:
            coins = self._client.merchant_coins(use_cache=False)
        except GatewayUnavailable:
            raise
        except GatewayError as error:
            return self._refused(f"The API key does not work: {error.reason}. Is it a key of this mode?")
        try:
            self._check_login()
        except GatewayUnavailable:
            raise
        except GatewayError as error:
            return self._refused(f"The API key works, the dashboard login does not ({error.reason}).")
        return self._accepted(coins)

    def list_pay_currencies(self) -> tuple[str, ...]:
        return self._client.merchant_coins()

    # --- initiate --------------------------------------------------------------------------------------------------

    def _preflight(self, request: PaymentRequest, coin: str) -> None:
        """Refuse what the gateway would refuse, before it is asked. What cannot be looked up does not block."""
        refusal = None
        with suppress(GatewayError):  # the first that cannot be had ends the looking: the create will tell
            refusal = self._refusal(request, coin)
        if refusal is not None:
            raise refusal

    def _refusal(self, request: PaymentRequest, coin: str) -> RequestRejected | None:
        enabled = self._client.merchant_coins(is_auxiliary=True)
        if enabled and coin not in enabled:
            return RequestRejected(f"{coin} is not switched on in this account", code="currency_unavailable")
        estimate, minimum = self._estimate(request, coin), read_amount(self._client.minimum(coin=coin.lower()))
        if estimate is not None and minimum is not None and estimate < minimum * MINIMUM_ROOM:
            return RequestRejected(f"the amount is below the minimum of {coin}", code="amount_too_small")
        return None

    def _estimate(self, request: PaymentRequest, coin: str) -> Decimal | None:
        if request.amount.asset == coin:
            return request.amount.decimal()
        asset = request.amount.asset.lower()
        amount = number_text(request.amount)
        return read_amount(self._client.estimate(amount=amount, currency_from=asset, currency_to=coin.lower()))

    def _create_payment(self, request: PaymentRequest, coin: str) -> Report:
        body = self._client.create_payment(build_payment(request, coin=coin))
        try:
            payment = read_created(body, request=request, coin=coin)
        except Unreadable as error:
            raise CREATE_PAYMENT.unreadable(str(error)) from None
        known = self._decimals(payment)
        report = self._with_our_reference(report_payment(payment, mode=self._config.mode, coin=known), request)
        return replace(report, next_action=show_address(payment, coin=known))

    def _create_invoice(self, request: PaymentRequest) -> Report:
        body = self._client.create_invoice(build_invoice(request))
        try:
            invoice_id, url = read_invoice(body, request=request)
        except Unreadable as error:
            raise CREATE_INVOICE.unreadable(str(error)) from None
        if not self._is_their_page(url):
            raise CREATE_INVOICE.unreadable("the page of the invoice is not on a known host")
        report = report_invoice(invoice_id, reference=request.reference, raw=body)
        return replace(report, next_action=Redirect(url=self._http.browser_url(url)))

    def _is_their_page(self, url: str) -> bool:
        """On the declared page host, or already where that host is played locally."""
        page = self._config.page_origin
        return url.startswith((f"{page}/", f"{self._http.browser_url(page)}/"))

    def _with_our_reference(self, report: Report, request: PaymentRequest) -> Report:
        return report if report.reference else replace(report, reference=request.reference)

    # --- fetch -----------------------------------------------------------------------------------------------------

    def _fetch(self, names: PaymentNames) -> Report | NotFound:
        payment_ids, invoice_ids = _split(names)
        if invoice_ids and self._config.has_login:
            report = self._fetch_invoice(invoice_ids[0], names)
            if report is not None:
                return report
        if payment_ids:
            return self._fetch_by_id(payment_ids[0], names, others=payment_ids[1:])
        if invoice_ids and self._config.has_login:
            return report_invoice(invoice_ids[0], reference=names.reference, raw={})
        if invoice_ids or names.acknowledged:
            # It may well be paid: only its callback will tell.
            raise OutcomeUnknown("this can be asked for only with the dashboard login", code="login_needed")
        return self._fetch_by_reference(names)

    def _fetch_by_id(self, payment_id: str, names: PaymentNames, *, others: Sequence[str]) -> Report:
        payment = _parse(self._client.get_payment(payment_id))
        if payment.payment_id != payment_id:
            raise GatewayUnavailable("the answer is about another payment")
        if names.reference and payment.reference not in (names.reference, None):
            raise GatewayUnavailable("the answer is about another order")
        if payment.parent_id is not None:
            return report_payment(payment, mode=self._config.mode)
        rows = [payment, *self._read_others(others)]
        same_invoice = [row for row in rows if payment.invoice_id and row.invoice_id == payment.invoice_id]
        return self._report(_furthest(same_invoice) or payment, rows=rows)

    def _read_others(self, payment_ids: Sequence[str]) -> list[Payment]:
        """The other payments of these names: children that brought a hint, other coins of the same invoice."""
        found = (self._read_beside(one) for one in payment_ids[:MAX_CHILDREN])
        return [one for one in found if one is not None]

    def _read_beside(self, payment_id: str) -> Payment | None:
        """A payment beside the one asked for, or None: one that cannot be read leaves the sum as it was."""
        try:
            payment = parse_payment(self._client.get_payment(payment_id, is_auxiliary=True))
        except (GatewayError, Unreadable):
            return None
        return payment if payment.payment_id == payment_id else None

    def _fetch_invoice(self, invoice_id: str, names: PaymentNames) -> Report | None:
        """The payment of an invoice that is furthest on; the customer may have begun several, one per coin."""
        rows = _rows(self._client.list_payments(invoiceId=invoice_id))
        best = _furthest([row for row in rows if invoice_id == row.invoice_id])
        return None if best is None else self._report(best, rows=rows)

    def _fetch_by_reference(self, names: PaymentNames) -> Report | NotFound:
        """The create's answer was lost. A payment whose address nobody saw holds no money.

        So where we cannot even look (no login) "not found" is the right word: the platform may create another one
        after hearing it twice, 15 minutes apart, and a callback of the first would have come by then.
        """
        if not names.reference or not self._config.has_login:
            return NotFound(reason="no address was shown yet, and without the dashboard login nothing can be looked up")
        mine = self._search(names)
        best = _furthest(mine)
        if best is None:
            return NotFound()
        report = self._report(best, rows=mine)
        return replace(report, next_action=show_address(best, coin=self._decimals(best)) if _is_open(best) else None)

    def _search(self, names: PaymentNames) -> list[Payment]:
        """Payments with our reference, from the day before it was made. Raises GatewayUnavailable if the list is endless."""
        filters = {}
        if names.created_at is not None:
            filters["dateFrom"] = (names.created_at - timedelta(days=1)).date().isoformat()
        for page in range(MAX_PAGES):
            page_rows = self._client.list_payments(page=page, **filters)
            found = [row for row in _rows(page_rows) if row.reference == names.reference]
            if found or len(page_rows) < LIST_LIMIT:
                return found
        raise GatewayUnavailable("too many payments to search")

    def _report(self, payment: Payment, *, rows: Sequence[Payment]) -> Report:
        """A payment with its children: those it names, and those among the payments read beside it."""
        known = {row.payment_id: row for row in rows}
        named = [known.get(one) or self._read_beside(one) for one in payment.child_ids if one != payment.payment_id]
        # Named by the parent, a child may be silent about it; any other must say whose child it is.
        found = [one for one in named if one and one.parent_id in (payment.payment_id, None)]
        found += [row for row in rows if row.parent_id == payment.payment_id]
        children = list({child.payment_id: child for child in found}.values())
        return report_payment(payment, mode=self._config.mode, children=children, coin=self._decimals(payment))

    def _decimals(self, payment: Payment) -> Decimals | None:
        """Of a coin outside our table, as the gateway's list of all coins tells them."""
        if payment.coin is None or payment.coin in COINS:
            return None
        found = self._client.catalog().get(payment.coin)
        if not isinstance(found, list) or len(found) != 2:
            return None
        decimals, network = found
        return Decimals(
            decimals=decimals if type(decimals) is int else None,
            network=network.lower() if isinstance(network, str) else None,
        )

    # --- credentials -----------------------------------------------------------------------------------------------

    def _check_login(self) -> None:
        if self._config.has_login:
            self._client.check_login()

    def _refused(self, message: str) -> CredentialCheck:
        return CredentialCheck(ok=False, message=message, mode=self._config.mode)

    def _accepted(self, coins: Sequence[str]) -> CredentialCheck:
        has_secret = bool(self._config.ipn_secrets)
        return CredentialCheck(
            ok=has_secret,
            message="The API key works."
            if has_secret
            else "The API key works, but the IPN secret is missing or shorter than 8 characters: no callback verifies.",
            mode=self._config.mode,
            details={
                "coins": ", ".join(coins[:60]),
                "dashboard login": "works" if self._config.has_login else "not given: invoices cannot be polled",
                "IPN secret": "set; only a payment proves it" if has_secret else "not usable",
            },
        )


# --- helpers ------------------------------------------------------------------------------------------------------


def _split(names: PaymentNames) -> tuple[list[str], list[str]]:
    """(payment ids, invoice ids) among all names that are known, the main one first."""
    known = [one for one in (names.gateway_reference, *names.other_references) if one]
    invoices = [one.removeprefix(INVOICE_PREFIX) for one in known if one.startswith(INVOICE_PREFIX)]
    return _ids(known), _ids(invoices)


def _ids(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(one for one in texts if read_id(one)))


def _parse(body: Mapping[str, Any]) -> Payment:
    try:
        return parse_payment(body)
    except Unreadable as error:
        raise GatewayUnavailable(str(error)) from None


def _rows(rows: Iterable[Mapping[str, Any]]) -> list[Payment]:
    """Readable rows of a list; one that is not is no reason to see none."""
    found = []
    for row in rows:
        try:
            found.append(parse_payment(row))
        except Unreadable:
            continue
    return found


def _furthest(payments: Sequence[Payment]) -> Payment | None:
    """Paid before seen on the chain before waiting before dead; of equals the first, for lists are newest first."""
    roots = [one for one in payments if one.parent_id is None]
    return max(roots, key=_progress, default=None)


def _progress(payment: Payment) -> tuple[bool, int]:
    ranks = {**dict.fromkeys(DEAD, 0), "waiting": 1, **dict.fromkeys(PAID, 3), "finished": 4}
    return bool(payment.arrived), ranks.get(payment.word, 2)


def _is_open(payment: Payment) -> bool:
    return payment.word == "waiting"
