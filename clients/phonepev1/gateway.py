"""PhonePe's older PayPage API behind the port, for merchants who still hold salt keys; new ones use `phonepe`.

A payment or refund is known by our `merchantTransactionId`; PhonePe's own ids cannot be asked for. It is the idempotency
key, too: what was not answered is looked up, never sent under another name. No hold, no void (an unpaid transaction runs
out), no saved method, no dispute. Callbacks are signed over all they say; browser returns only make us ask.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from clients.phonepev1 import returns, translate, webhook
from clients.phonepev1.client import CREATE, NOT_FOUND, REFUND, PhonePeV1Client
from clients.phonepev1.config import ASSET, DESCRIPTION, PAGE_DOMAIN, PhonePeV1Config
from clients.phonepev1.values import Body, member, read_id, read_text, redact
from core.clock import Clock
from core.gateways.errors import GatewayMisconfigured, OutcomeUnknown, RequestRejected
from core.gateways.port import Cache, CanReadReturn, CanRefund, Gateway
from core.gateways.types import (
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
    Report,
    ReturnReading,
    Subject,
    WebhookDelivery,
    WebhookReading,
)
from core.http import Http


class PhonePeV1Gateway(Gateway, CanRefund, CanReadReturn):
    slug: ClassVar[str] = "phonepev1"
    about: ClassVar[Description] = DESCRIPTION

    def __init__(self, credentials: Mapping[str, Any], *, mode: Mode, http: Http, cache: Cache, clock: Clock) -> None:
        self._config = PhonePeV1Config.of(credentials, mode=mode)
        self._client = PhonePeV1Client(self._config, http=http)  # no token, so the cache is not needed
        self._http = http

    # --- payments ----------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest) -> Report:
        """Start the transaction. The page's address is told only now: without it nobody can pay, and it runs out."""
        body = self._client.create(translate.build_create(request, merchant_id=self._config.merchant_id))
        url = translate.read_page(body)
        if url is None:
            raise CREATE.unlearned("the answer has no address of the page")
        if not (_is_their_page(url) or self._is_played(url)):
            raise CREATE.unlearned("the page is not on a known host")
        data = member(body, "data")
        if not self._is_about(data, request.reference) or self._is_foreign(data):
            raise CREATE.unlearned("the answer is about something else than was asked")
        return Report(
            about=Subject.PAYMENT,
            status=PaymentStatus.REQUIRES_ACTION,
            reference=request.reference,
            gateway_reference=read_id(data.get("transactionId")),  # usually the first status answer tells it
            account=self._config.merchant_id,
            mode=self._config.mode,
            asset=ASSET,
            captured_minor=0,
            next_action=Redirect(url=self._http.browser_url(url)),
            raw=redact(body),
        )

    def fetch_payment(self, names: PaymentNames) -> Report | NotFound:
        """Ask by our own reference. An answer that does not repeat it belongs to the payment that was asked about."""
        if not names.reference:
            raise RequestRejected("PhonePe can be asked only by our own reference", code="reference_missing")
        body = self._ask(names.reference)
        if body is None:
            return NotFound(reason="PhonePe knows no transaction of this name", is_refusal=True)
        report = translate.read_payment(body)
        return self._ours(
            replace(
                report,
                reference=names.reference,
                gateway_reference=report.gateway_reference or names.gateway_reference,
            )
        )

    def read_webhook(self, delivery: WebhookDelivery) -> WebhookReading:
        response = webhook.verify(delivery, salts=self._config.salts)
        return webhook.read(response, mode=self._config.mode, merchant_id=self._config.merchant_id)

    def read_return(self, delivery: WebhookDelivery, *, names: PaymentNames | None = None) -> ReturnReading:
        return returns.read_return(delivery, salts=self._config.salts, mode=self._config.mode)

    # --- refunds -----------------------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        """Pending at first, as a rule. A pending one is never sent again under another name: the first one counts."""
        body = self._client.refund(translate.build_refund(request, merchant_id=self._config.merchant_id))
        if not self._is_about(member(body, "data"), request.reference):
            raise REFUND.unlearned("the answer is about something else than was asked")
        return self._refund_report(body, request.reference, request.names)

    def fetch_refund(self, names: RefundNames) -> Report | NotFound:
        """The status call is shared with payments; that this is a refund is known because we asked for one."""
        body = self._ask(names.reference)
        if body is None:
            return NotFound(reason="PhonePe knows no refund of this name", is_refusal=True)
        report = self._refund_report(body, names.reference, names.payment)
        return replace(report, gateway_reference=report.gateway_reference or names.gateway_reference)

    # --- account -----------------------------------------------------------------------------------------------

    def check_credentials(self) -> CredentialCheck:
        """Ask for a transaction that cannot exist: who is told so has the right merchant id, key and index."""
        try:
            self._client.status(f"probe-{secrets.token_hex(8)}")
        except GatewayMisconfigured as error:
            return self._checked(False, f"{error.reason[:1].upper()}{error.reason[1:]}.")
        except RequestRejected as error:
            if error.code == NOT_FOUND:
                return self._checked(True, "PhonePe accepts the merchant ID, salt key and salt index.")
            return self._checked(False, f"{error.reason}, which says that the merchant ID or the keys are wrong.")
        return self._checked(False, "PhonePe knows a transaction that cannot exist: is this its address?")

    def _checked(self, ok: bool, message: str) -> CredentialCheck:
        is_odd = self._config.mode is Mode.LIVE and self._config.looks_like_sandbox
        return CredentialCheck(
            ok=ok,
            message=message,
            mode=self._config.mode,
            account=self._config.merchant_id if ok else None,
            details={"merchant id": "ends like one of the sandbox, but this is a live account"} if is_odd else {},
        )

    # --- helpers -----------------------------------------------------------------------------------------------

    def _ask(self, reference: str) -> dict[str, Any] | None:
        """The status of a payment or refund of ours; None where it is not known."""
        try:
            body = self._client.status(translate.checked_reference(reference))
        except RequestRejected as error:
            if error.code != NOT_FOUND:
                raise
            return None
        if not self._is_about(member(body, "data"), reference):
            raise OutcomeUnknown("the answer is about something else than was asked")  # nothing was learned
        return body

    def _refund_report(self, body: Body, reference: str, payment: PaymentNames) -> Report:
        named = PaymentNames(reference=payment.reference, gateway_reference=payment.gateway_reference)
        return self._ours(replace(translate.read_refund(body), reference=reference, payment=named))

    def _ours(self, report: Report) -> Report:
        return webhook.against(replace(report, mode=self._config.mode), self._config.merchant_id)

    def _is_played(self, url: str) -> bool:
        """Whether it is the page of a simulator that stands in for one of PhonePe's hosts here."""
        origins = self.about.origins[self._config.mode]
        played = [self._http.browser_url(origin) for origin in origins if self._http.browser_url(origin) != origin]
        return any(url.startswith(f"{base}/") for base in played)

    def _is_about(self, data: Body, reference: str) -> bool:
        """Whether the answer repeats our name, or none."""
        return read_text(data.get("merchantTransactionId")) in {None, reference}

    def _is_foreign(self, data: Body) -> bool:
        return read_text(data.get("merchantId")) not in {None, self._config.merchant_id}


def _is_their_page(url: str) -> bool:
    """An https address of PhonePe's domain, without a login or a port of its own.

    A browser takes a backslash for "/" and drops line breaks, so a text with such characters leads elsewhere than it seems.
    """
    if not all("!" <= char <= "~" for char in url) or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        host, is_plain = parts.hostname or "", parts.port is None and parts.username is None
    except ValueError:
        return False
    return parts.scheme == "https" and is_plain and (host == PAGE_DOMAIN or host.endswith(f".{PAGE_DOMAIN}"))
