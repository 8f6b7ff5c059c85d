"""PesoPay behind the port: each verb is build -> send -> read.

A payment begins with a form that the customer's browser posts; nothing is sent from here, and no order exists before.
It is known by our `orderRef`; each attempt under it has a `payRef` of theirs. There is no idempotency key: what was not
answered is looked up by a Query before anything is repeated, and refunds have no name at all.

Not offered: stored cards (MemberPay), because the token in a feed is not covered by its hash and a charge without the
customer is a server-side card payment that depends on the account; and reading browser returns, because they carry the
orderRef alone, unsigned: the platform fetches when the customer comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar, Final

from clients.pesopay import judging, references, translate, webhook
from clients.pesopay.answers import Fields
from clients.pesopay.attempt import REFUND_STATUS, Attempt, parse
from clients.pesopay.client import PesoPayClient
from clients.pesopay.config import DESCRIPTION, REQUEST_REFUND, PesoPayConfig
from core.clock import Clock
from core.gateways.errors import GatewayMisconfigured, GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.port import Cache, CanCapture, CanFetchDisputes, CanRefund, CanVoid, Gateway
from core.gateways.types import (
    CaptureRequest,
    CredentialCheck,
    Description,
    DisputeNames,
    Mode,
    NotFound,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    RefundNames,
    RefundRequest,
    RefundStatus,
    Report,
    VoidRequest,
    WebhookDelivery,
    WebhookReading,
)
from core.http import Http

NO_SUCH_ORDER: Final = "CONNECTION-TEST-0"


class PesoPayGateway(Gateway, CanCapture, CanVoid, CanRefund, CanFetchDisputes):
    slug: ClassVar[str] = "pesopay"
    about: ClassVar[Description] = DESCRIPTION

    def __init__(self, credentials: Mapping[str, Any], *, mode: Mode, http: Http, cache: Cache, clock: Clock) -> None:
        self._config = PesoPayConfig.of(credentials, mode=mode)
        self._client = PesoPayClient(self._config, http=http)
        self._http = http

    # --- payments ----------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest) -> Report:
        """The form for the browser. Pure: nothing is sent, so a repeat is the same to the byte."""
        fields = translate.build_form(request, self._config)
        url = self._http.browser_url(self._config.form_url)
        return translate.report_form(request, fields, url=url, mode=self._config.mode)

    def fetch_payment(self, names: PaymentNames) -> Report | NotFound:
        """Ask by our orderRef, which shows every attempt; by a payRef where only that can tell more.

        Before the browser posted the form there is no record. That is no surprise while no payRef is known: the customer
        may still pay, and our own clock decides when the payment is over.
        """
        attempts = self._attempts(names)
        if not attempts and names.acknowledged and not references.is_pay_ref(names.gateway_reference):
            return translate.report_unposted(names, mode=self._config.mode)
        if not attempts:
            return NotFound(reason="PesoPay knows no attempt to pay under this name")
        return judging.judge(attempts, names, mode=self._config.mode)

    def read_webhook(self, delivery: WebhookDelivery) -> WebhookReading:
        return webhook.read(webhook.verify(delivery, config=self._config), config=self._config)

    # --- holds -------------------------------------------------------------------------------------------------

    def capture(self, request: CaptureRequest) -> Report:
        pay_ref = self._pay_ref(request.names, PaymentStatus.AUTHORIZED)
        answer = self._client.act(translate.CAPTURE, **translate.build_capture(pay_ref, request.amount))
        report = translate.read_captured(self._done(answer, request.names, pay_ref), answer)
        if report is None:
            raise OutcomeUnknown("the answer does not say how much was taken")
        return report

    def void(self, request: VoidRequest) -> Report:
        """Release a hold. A Void of a sale would undo money that was taken, so it is refused; refund it instead."""
        if any(map(references.is_sale, (request.names.reference or "", *request.names.other_references))):
            raise RequestRejected("only a hold can be released; a sale is given back by a refund", code="not_a_hold")
        pay_ref = self._pay_ref(request.names, PaymentStatus.AUTHORIZED)
        answer = self._client.act(translate.VOID_ACTION, payRef=pay_ref)
        return translate.read_voided(self._done(answer, request.names, pay_ref), request.names)

    # --- refunds -----------------------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        """File a refund. A request is only filed at first; an online one is done at once."""
        pay_ref = self._pay_ref(request.names, PaymentStatus.CAPTURED)
        action, fields = translate.build_refund(request, pay_ref, self._config)
        self._check_no_open_refund(pay_ref)
        answer = self._client.act(action, **fields)
        self._done(answer, request.names, pay_ref)
        status = RefundStatus.PENDING if action == REQUEST_REFUND else RefundStatus.SUCCEEDED
        report = self._refund_report(status, request.reference, pay_ref, request.names)
        amount = request.amount
        return replace(report, refunded_minor=amount.minor, asset=amount.asset, raw=translate.redact_answer(answer))

    def fetch_refund(self, names: RefundNames) -> Report | NotFound:
        """The payment's record tells the state of its refund; only one at a time can be told apart."""
        pay_ref = names.gateway_reference or self._pay_ref(names.payment, PaymentStatus.CAPTURED)
        found = [one for one in self._query(payRef=pay_ref) if one.pay_ref in (pay_ref, None)]
        if not found:
            return NotFound(reason="PesoPay does not know the payment of this refund")
        attempt = max(judging.distinct(found), key=lambda one: judging.RANK[one.status])
        if attempt.ref is not None and not references.is_known(attempt.ref, names.payment):
            raise GatewayUnavailable("the answer is about another payment")
        if names.gateway_reference is None and attempt.word not in REFUND_STATUS:
            return NotFound(reason="PesoPay shows no refund of this payment")  # its filing was never answered
        report = self._refund_report(translate.refund_status(attempt), names.reference, pay_ref, names.payment)
        amount = names.amount
        return replace(
            report,
            refunded_minor=amount.minor if amount else None,
            asset=amount.asset if amount else None,
            raw=attempt.raw,
        )

    # --- disputes ----------------------------------------------------------------------------------------------

    def fetch_dispute(self, names: DisputeNames) -> Report | NotFound:
        """PesoPay has no name for a dispute: it is known by the payRef of its payment."""
        pay_ref = names.gateway_reference or names.payment.gateway_reference
        if pay_ref is None or not references.is_pay_ref(pay_ref):
            raise RequestRejected("a dispute is asked for by the payRef of its payment", code="reference_missing")
        report = translate.report_dispute(self._query(payRef=pay_ref), pay_ref, names.payment, mode=self._config.mode)
        return report or NotFound(reason="PesoPay shows no chargeback of this payment")

    # --- account -----------------------------------------------------------------------------------------------

    def check_credentials(self) -> CredentialCheck:
        """A Query of an order that cannot exist proves merchant id, user and password. Nothing proves the secure hash."""
        try:
            self._client.query(orderRef=NO_SUCH_ORDER)
        except (GatewayMisconfigured, RequestRejected) as error:
            return CredentialCheck(ok=False, message=f"{error.reason}.", mode=self._config.mode)
        try:
            self._config.check_signing()
        except GatewayMisconfigured as error:
            return CredentialCheck(ok=False, message=f"{error.reason}.", mode=self._config.mode)
        return CredentialCheck(
            ok=True,
            message="PesoPay accepts merchant ID, API user and password. Secret and function of the secure hash are proven "
            "only by a test payment: the payment page refuses a wrong one.",
            mode=self._config.mode,
            account=self._config.merchant_id,
            details={"secure hash": f"set, {self._config.function}; not proven"},
        )

    # --- helpers -----------------------------------------------------------------------------------------------

    def _attempts(self, names: PaymentNames) -> list[Attempt]:
        """All attempts of the latest try; and, where money came under an earlier one, those of its payRef."""
        pay_ref = names.gateway_reference
        refs = references.order_refs(names)
        if not refs and not references.is_pay_ref(pay_ref):
            raise RequestRejected("nothing is known by which this payment could be asked for", code="reference_missing")
        found: list[Attempt] = []
        for ref in refs:
            found = found or self._query(orderRef=ref)
        is_missing = pay_ref is not None and all(one.pay_ref != pay_ref for one in found)
        if is_missing and references.is_pay_ref(pay_ref) and (not refs or references.has_other_tries(names)):
            found = [*found, *self._query(payRef=pay_ref or "")]
        return found

    def _query(self, *, is_auxiliary: bool = False, **names: str) -> list[Attempt]:
        return [parse(record) for record in self._client.query(is_auxiliary=is_auxiliary, **names)]

    def _pay_ref(self, names: PaymentNames, wanted: PaymentStatus) -> str:
        """The attempt that an operation is about: known, or looked up. Raises RequestRejected where there is none."""
        if names.gateway_reference is not None and references.is_pay_ref(names.gateway_reference):
            return names.gateway_reference
        for ref in references.order_refs(names):
            for one in judging.distinct(self._query(is_auxiliary=True, orderRef=ref)):
                if one.status is wanted and one.pay_ref and (one.ref is None or references.is_known(one.ref, names)):
                    return one.pay_ref
        raise RequestRejected(f"PesoPay shows no {wanted.value} attempt of this payment", code="reference_missing")

    def _done(self, answer: Fields, names: PaymentNames, pay_ref: str) -> Report:
        """What was done is about what was asked for, or nothing is known."""
        ref, theirs = answer.get("ref", ""), answer.get("payref", "")
        if (ref and not references.is_known(ref, names)) or theirs not in ("", pay_ref):
            raise OutcomeUnknown("the answer is about another payment")
        return translate.read_done(answer, names, pay_ref, mode=self._config.mode)

    def _check_no_open_refund(self, pay_ref: str) -> None:
        """Look before filing. What cannot be had does not block: the platform lets one refund at a time go out."""
        with suppress(GatewayUnavailable):
            refusal = translate.refusal_of_refund(self._query(is_auxiliary=True, payRef=pay_ref), pay_ref)
            if refusal is not None:
                raise refusal

    def _refund_report(self, status: RefundStatus, reference: str, pay_ref: str, payment: PaymentNames) -> Report:
        return translate.report_refund(
            status, reference=reference, pay_ref=pay_ref, payment=payment, amount=None, mode=self._config.mode
        )
