"""Tollbooth through the port: a redirect to its page, whole and partial refunds, signed webhooks. No hold, no void."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from core.clock import Clock
from core.gateways.errors import GatewayError, GatewayMisconfigured, GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.port import Cache, CanRefund, Gateway
from core.gateways.types import (
    CaptureMode,
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
    WebhookDelivery,
    WebhookReading,
)
from core.http import Http, origin_of
from tollbooth_gateway import webhook
from tollbooth_gateway.client import NOT_FOUND, Client
from tollbooth_gateway.config import DESCRIPTION, PAGE, Config
from tollbooth_gateway.translate import Unreadable, build_charge, build_refund, read_charge, read_refund


class TollboothGateway(Gateway, CanRefund):
    slug: ClassVar[str] = "tollbooth"
    about: ClassVar[Description] = DESCRIPTION

    def __init__(self, credentials: Mapping[str, Any], *, mode: Mode, http: Http, cache: Cache, clock: Clock) -> None:
        self._config = Config.of(credentials, mode=Mode(mode))
        self._http = http
        self._client = Client(self._config, http=http)

    def initiate(self, request: PaymentRequest) -> Report:
        if request.capture is CaptureMode.MANUAL:
            raise RequestRejected("Tollbooth cannot hold money", code="capture_unsupported")
        body = self._client.create_charge(build_charge(request), idempotency_key=request.idempotency_key)
        report = self._read(read_charge, body, of=OutcomeUnknown)
        if report.reference != request.reference:
            raise OutcomeUnknown("the answer is about another payment")
        return self._with_page(report, body)

    def fetch_payment(self, names: PaymentNames) -> Report | NotFound:
        if names.gateway_reference:
            return self._fetch_by_id(names.gateway_reference)
        if not names.reference:
            return NotFound(reason="there is no name to ask by")
        body = self._one_of(self._client.find_charges(names.reference), names.reference)
        return NotFound() if body is None else self._with_page(self._read(read_charge, body), body)

    def read_webhook(self, delivery: WebhookDelivery) -> WebhookReading:
        return webhook.read(delivery, secrets=self._config.webhook_secrets)

    def check_credentials(self) -> CredentialCheck:
        """GET /v1/account proves the key. No call can prove the webhook secret."""
        try:
            body = self._client.get_account()
        except (GatewayMisconfigured, RequestRejected) as error:
            return CredentialCheck(ok=False, message=f"The API key does not work: {error.reason}.", mode=self._mode)
        account = body.get("id")
        if not self._config.webhook_secrets:
            return CredentialCheck(
                ok=False, message="The API key works; the webhook secret is missing.", mode=self._mode
            )
        return CredentialCheck(
            ok=True,
            message="The API key works.",
            mode=self._mode,
            account=account if isinstance(account, str) else None,
        )

    # --- CanRefund -------------------------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        if not request.names.gateway_reference:
            raise RequestRejected("Tollbooth's own name of the payment is not known yet", code="not_yet")
        body = self._client.create_refund(
            request.names.gateway_reference, build_refund(request), idempotency_key=request.idempotency_key
        )
        report = self._read(read_refund, body, of=OutcomeUnknown)
        if report.reference != request.reference:
            raise OutcomeUnknown("the answer is about another refund")
        return report

    def fetch_refund(self, names: RefundNames) -> Report | NotFound:
        """By Tollbooth's name, or, when the answer was lost, by ours."""
        if names.gateway_reference is None:
            body = self._one_of(self._client.find_refunds(names.reference), names.reference)
            return NotFound(reason="no such refund") if body is None else self._read(read_refund, body)
        try:
            return self._read(read_refund, self._client.get_refund(names.gateway_reference))
        except RequestRejected as error:
            if error.code != NOT_FOUND:
                raise
            return NotFound(reason="no such refund")

    # --- helpers ---------------------------------------------------------------------------------------------------

    @property
    def _mode(self) -> Mode:
        return self._config.mode

    def _fetch_by_id(self, charge_id: str) -> Report | NotFound:
        try:
            body = self._client.get_charge(charge_id)
        except RequestRejected as error:
            if error.code != NOT_FOUND:
                raise
            return NotFound()
        report = self._read(read_charge, body)
        if report.gateway_reference != charge_id:
            raise GatewayUnavailable("the answer is about another payment")
        return self._with_page(report, body)

    def _read(self, reader: Any, body: Mapping[str, Any], *, of: type[GatewayError] = GatewayUnavailable) -> Report:
        try:
            report: Report = reader(body)
        except Unreadable as error:
            raise of(f"the answer is not readable: {error}") from None
        return report

    def _one_of(self, found: Mapping[str, Any], reference: str) -> Mapping[str, Any] | None:
        rows = found.get("data")
        if not isinstance(rows, list):
            raise GatewayUnavailable("the answer is not readable")
        return next((row for row in rows if isinstance(row, dict) and row.get("reference") == reference), None)

    def _with_page(self, report: Report, body: Mapping[str, Any]) -> Report:
        """Where the customer pays, while that is still to be done. A page on any other host is not shown."""
        url = body.get("url")
        if report.status is not PaymentStatus.REQUIRES_ACTION:
            return report
        if not isinstance(url, str) or not self._is_theirs(url):
            raise OutcomeUnknown("the customer's page is missing or on a host that is not declared")
        return replace(report, next_action=Redirect(url=self._http.browser_url(url)))

    def _is_theirs(self, url: str) -> bool:
        """On the declared host, or already where that host is played locally."""
        return origin_of(url) == PAGE or url.startswith(f"{self._http.browser_url(PAGE)}/")
