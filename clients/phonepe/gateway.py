"""PhonePe Standard Checkout v2 behind the port: the customer pays on PhonePe's page, by UPI, card, net banking or wallet.

An order is known by our `merchantOrderId`, a refund by our `merchantRefundId`; PhonePe's own ids cannot be asked for.
Both are the idempotency keys, too: what was not answered is looked up, never sent under another name. No hold, no void
(an unpaid order runs out), no saved method. Webhooks and browser returns prove nothing: they only make us ask.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from clients.phonepe import translate, webhook
from clients.phonepe.client import CREATE, NOT_FOUND, REFUND, PhonePeClient
from clients.phonepe.config import ASSET, DESCRIPTION, PAGE_DOMAIN, PhonePeConfig
from clients.phonepe.values import Body, Unreadable, read_id, read_minor, read_word, redact
from core.clock import Clock
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.gateways.port import Cache, CanRefund, Gateway
from core.gateways.types import (
    Attention,
    CredentialCheck,
    Description,
    Mode,
    NotFound,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Redirect,
    RefundNames,
    RefundRequest,
    RefundStatus,
    Report,
    Subject,
    WebhookDelivery,
    WebhookReading,
)
from core.http import Http


class PhonePeGateway(Gateway, CanRefund):
    slug: ClassVar[str] = "phonepe"
    about: ClassVar[Description] = DESCRIPTION

    def __init__(self, credentials: Mapping[str, Any], *, mode: Mode, http: Http, cache: Cache, clock: Clock) -> None:
        self._config = PhonePeConfig.of(credentials, mode=mode)
        self._client = PhonePeClient(self._config, http=http, cache=cache)
        self._http = http
        self._clock = clock

    # --- payments ----------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest) -> Report:
        """Create the order. The page's address is told only now: without it nobody can pay, and the order runs out."""
        body = self._create(translate.build_create(request, now=self._clock()), request.reference)
        try:
            order_id, url = translate.read_created(body)
        except Unreadable as error:
            raise CREATE.unreadable(str(error)) from None
        if not self._is_their_page(url):
            raise CREATE.unreadable("the page of the order is not on a known host")
        return Report(
            about=Subject.PAYMENT,
            status=PaymentStatus.REQUIRES_ACTION,
            reference=request.reference,
            gateway_reference=order_id,
            mode=self._config.mode,
            asset=ASSET,
            captured_minor=0,
            next_action=Redirect(url=self._http.browser_url(url)),
            raw=redact(body),
        )

    def fetch_payment(self, names: PaymentNames) -> Report | NotFound:
        """Ask by our own reference. An answer that does not repeat it belongs to the order that was asked about."""
        if not names.reference:
            raise RequestRejected("PhonePe can be asked only by our own reference", code="reference_missing")
        try:
            body = self._client.order_status(translate.checked_reference(names.reference))
        except RequestRejected as error:
            if error.code != NOT_FOUND:
                raise
            return NotFound(reason="PhonePe knows no order of this name", is_refusal=True)
        _check_answers(body, "merchantOrderId", names.reference)
        _check_answers(body, "orderId", names.gateway_reference)
        report = replace(translate.read_payment(body), reference=names.reference)
        return self._ours(replace(report, gateway_reference=report.gateway_reference or names.gateway_reference))

    def read_webhook(self, delivery: WebhookDelivery) -> WebhookReading:
        webhook.verify(delivery, logins=self._config.webhook_logins)
        return webhook.read(delivery, mode=self._config.mode, merchant_id=self._config.merchant_id)

    # --- refunds -----------------------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        """Never final at once. One at a time for an order; a failed one is tried again under a new reference."""
        body = self._client.refund(translate.build_refund(request))
        if read_id(body.get("merchantRefundId")) not in {None, request.reference}:
            raise REFUND.unreadable("the answer is about something else than was asked")
        lacking = [
            name for name, read in (("refundId", read_id), ("state", read_word), ("amount", read_minor))
            if read(body.get(name)) is None
        ]  # fmt: skip
        if lacking:
            raise REFUND.unreadable(f"the answer has no {lacking[0]}")
        return self._ours(_of_refund(body, request.reference, request.names))

    def fetch_refund(self, names: RefundNames) -> Report | NotFound:
        try:
            body = self._client.refund_status(translate.checked_reference(names.reference))
        except RequestRejected as error:
            if error.code != NOT_FOUND:
                raise
            return NotFound(reason="PhonePe knows no refund of this name", is_refusal=True)
        _check_answers(body, "merchantRefundId", names.reference)
        _check_answers(body, "refundId", names.gateway_reference)
        _check_answers(body, "originalMerchantOrderId", names.payment.reference)
        report = _of_refund(body, names.reference, names.payment)
        return self._ours(replace(report, gateway_reference=report.gateway_reference or names.gateway_reference))

    # --- account -----------------------------------------------------------------------------------------------

    def check_credentials(self) -> CredentialCheck:
        """A new token proves id, secret and version; asking for an order that cannot exist, that both hosts agree."""
        try:
            self._client.check_token()
        except GatewayMisconfigured as error:
            return self._refused(f"{error.reason}. Is it a pair of this mode?")
        try:
            self._client.order_status(f"probe-{secrets.token_hex(8)}")
        except GatewayMisconfigured as error:
            return self._refused(f"PhonePe gives a token, but {error.reason}.")
        except GatewayUnavailable as error:
            return self._accepted(f"not reached just now ({error.reason})")
        except RequestRejected as error:
            if error.code != NOT_FOUND:
                return self._accepted(f"takes the token, but does not say that there is no such order ({error.reason})")
        return self._accepted("takes the token")

    def _refused(self, message: str) -> CredentialCheck:
        return CredentialCheck(ok=False, message=message, mode=self._config.mode)

    def _accepted(self, payment_host: str) -> CredentialCheck:
        has_login = bool(self._config.webhook_logins)
        return CredentialCheck(
            ok=True,
            message="PhonePe accepts the client ID, secret and version.",
            mode=self._config.mode,
            account=self._config.merchant_id,
            details={
                "payment host": payment_host,
                "webhook": "username and password set; only a delivery proves them"
                if has_login
                else "username or password missing: webhooks are refused, payments are found by asking",
            },
        )

    # --- helpers -----------------------------------------------------------------------------------------------

    def _create(self, body: str, reference: str) -> dict[str, Any]:
        try:
            return self._client.create(body)
        except RequestRejected as error:
            if error.http_status == 400 and self._exists(reference):
                # The refusal of a used id reads like bad input. Whoever created it, its page was never told to us.
                # Unconfirmed: one sentence says that an order still in CREATED is not refused: its page is told then.
                raise OutcomeUnknown(
                    "the order exists already: an earlier try got through",
                    gateway_code=error.gateway_code,
                    http_status=error.http_status,
                ) from None
            raise

    def _exists(self, reference: str) -> bool:
        """Whether an order of ours has this name. Where that cannot be had the refusal stands: no page, no payment."""
        try:
            body = self._client.order_status(reference, is_auxiliary=True)
        except GatewayError:
            return False
        return read_id(body.get("orderId")) is not None

    def _is_their_page(self, url: str) -> bool:
        """On their domain, or already where one of their hosts is played locally."""
        played = [self._http.browser_url(origin) for origin in self._config.origins]
        if any(url.startswith(f"{base}/") for base in played):
            return True
        try:
            parts = urlsplit(url)
            host, is_plain = parts.hostname or "", parts.port is None and parts.username is None
        except ValueError:
            return False
        return parts.scheme == "https" and is_plain and (host == PAGE_DOMAIN or host.endswith(f".{PAGE_DOMAIN}"))

    def _ours(self, report: Report) -> Report:
        """A fetched or direct answer. One that names another merchant claims no money; the reducer checks the asset."""
        report = webhook.against(replace(report, mode=self._config.mode), self._config.merchant_id)
        if report.attention is not Attention.MISMATCH:
            return report
        if report.about is Subject.REFUND:
            return replace(report, status=RefundStatus.PENDING, refunded_minor=0)
        return replace(report, status=PaymentStatus.PENDING, captured_minor=None)


def _of_refund(body: Body, reference: str, payment: PaymentNames) -> Report:
    report = translate.read_refund(body)
    named = PaymentNames(reference=payment.reference, gateway_reference=payment.gateway_reference)
    return replace(report, reference=reference, payment=named if payment.reference else report.payment)


def _check_answers(body: Body, name: str, asked: str | None) -> None:
    """An answer without a name belongs to what was asked; one with another name says nothing about it."""
    if read_id(body.get("orderId")) is None and read_id(body.get("refundId")) is None and "state" not in body:
        raise GatewayUnavailable("the answer has neither an id nor a state")
    told = read_id(body.get(name))
    if asked and told is not None and told != asked:
        raise OutcomeUnknown("the answer is about something else than was asked")  # nothing was learned
