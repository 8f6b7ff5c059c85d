"""Razorpay behind the port: each verb is build -> send -> read.

Two shapes: a Payment Link on Razorpay's own page (hosted, the default), and an order with Checkout (embedded; also where
capture is manual or the method is to be saved, which links cannot). A payment is known by `plink_` or `order_`, and by
the `pay_` of its attempts, which capture and refund need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from clients.razorpay import checkout, facts, returns, saving, translate, webhook
from clients.razorpay.about import DESCRIPTION, LINK_LIFETIME_SECONDS
from clients.razorpay.attempts import Told, report_payment
from clients.razorpay.client import NOT_FOUND, NOT_SENT, OTHER_REQUEST_TEXT, RazorpayApi
from clients.razorpay.config import RazorpayConfig
from clients.razorpay.facts import Body, text
from clients.razorpay.finding import find_attempt, find_payment, first
from core.clock import Clock
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.gateways.port import (
    Cache,
    CanCapture,
    CanClose,
    CanFetchDisputes,
    CanReadReturn,
    CanRefund,
    CanSaveMethods,
    CanVoid,
    Gateway,
)
from core.gateways.types import (
    CaptureMode,
    CaptureRequest,
    ChargeRequest,
    ClientToken,
    CloseRequest,
    CredentialCheck,
    DeleteSavedRequest,
    Description,
    DisputeNames,
    FormPost,
    Mode,
    NotFound,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Presentation,
    Redirect,
    RefundNames,
    RefundRequest,
    Report,
    ReturnReading,
    VoidRequest,
    WebhookDelivery,
    WebhookReading,
)
from core.http import Http

SHORTEST_LINK: Final = timedelta(minutes=16)  # Razorpay's bound is 15; the rest is for clocks that differ
LONGEST_LINK: Final = timedelta(seconds=LINK_LIFETIME_SECONDS)  # also the default

# Texts that may be news of our own earlier try.
REFUNDED_BEFORE: Final = ("already", "same idempotency key")


class RazorpayGateway(
    Gateway, CanCapture, CanVoid, CanClose, CanRefund, CanReadReturn, CanSaveMethods, CanFetchDisputes
):
    slug: ClassVar[str] = "razorpay"
    about: ClassVar[Description] = DESCRIPTION

    def __init__(self, credentials: Mapping[str, Any], *, mode: Mode, http: Http, cache: Cache, clock: Clock) -> None:
        self._config = RazorpayConfig.of(credentials, mode=mode)
        self._api = RazorpayApi(self._config, http)
        self._http = http
        self._cache = cache
        self._clock = clock

    # --- payments ----------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest) -> Report:
        is_embedded = request.presentation is Presentation.EMBEDDED
        if is_embedded or request.capture is CaptureMode.MANUAL or request.save_method:
            return self._initiate_order(request)
        body = self._api.create_link(translate.build_link(request, expire_by=self._link_expiry(request)))
        report = report_payment(Told(link=body))
        is_open = report.status is PaymentStatus.PENDING
        if not facts.LINK.fullmatch(report.gateway_reference or "") or (is_open and report.next_action is None):
            raise OutcomeUnknown("Razorpay's answer names no payment page")
        return self._checked(report)

    def _initiate_order(self, request: PaymentRequest) -> Report:
        public_key = self._config.page_key()
        customer = saving.customer_of(self._api, self._cache, request) if request.save_method else None
        params = translate.build_order(request, customer_token=customer, expire_at=self._consent_expiry(request))
        body = self._api.create_order(params)
        if not facts.ORDER.fullmatch(text(body.get("id")) or ""):
            raise OutcomeUnknown("Razorpay's answer names no order")
        action: FormPost | ClientToken | None = None
        if request.presentation is Presentation.HOSTED and customer is None:
            action = checkout.hosted_form(body, public_key=public_key, request=request)
        if action is None:
            action = checkout.client_token(body, public_key=public_key, request=request, customer_token=customer)
        return self._checked(replace(report_payment(Told(order=body)), next_action=action))

    def fetch_payment(self, names: PaymentNames) -> Report | NotFound:
        try:
            report = find_payment(self._api, names, public_key=self._config.key_id)
        except RequestRejected as error:
            if error.code == NOT_FOUND:
                return NotFound()
            raise
        return NotFound() if report is None else self._checked(report)

    def capture(self, request: CaptureRequest) -> Report:
        """All of what is held: Razorpay knows no partial capture, so that is refused here. Repeating is harmless."""
        held = request.names.amount
        if held is not None and held != request.amount:
            raise RequestRejected(
                "Razorpay captures all of what is held, or nothing", code="partial_capture_unsupported"
            )
        params = translate.build_capture(request.amount)
        payment_id = find_attempt(self._api, request.names, PaymentStatus.AUTHORIZED)
        if payment_id is None:
            raise RequestRejected("nothing is held for this payment yet")
        body = self._api.capture(payment_id, params)
        return _known_by(report_payment(Told(attempts=(body,))), request.names)

    def void(self, request: VoidRequest) -> Report:
        """An unpaid link is cancelled. There is no call that ends an order or releases a hold."""
        link_id = first(request.names, facts.LINK)
        if link_id is None:
            reason = (
                "Razorpay cannot release a hold: it lapses within three days; to release it at once capture and refund"
            )
            raise RequestRejected(reason, code="void_unsupported")
        return self._cancel_link(link_id)

    def can_close(self, names: PaymentNames) -> bool:
        """A link. Nothing ends an order (§4): it stays payable, and money that comes late is kept as such."""
        return first(names, facts.LINK) is not None

    def close(self, request: CloseRequest) -> Report:
        """Cancel an unpaid link, which reads as expired."""
        link_id = first(request.names, facts.LINK)
        if link_id is None:
            raise RequestRejected("no call of Razorpay ends an order", code="close_unsupported")
        return self._cancel_link(link_id)

    def _cancel_link(self, link_id: str) -> Report:
        try:
            body = self._api.cancel_link(link_id)
        except RequestRejected as error:
            body = self._link_as_it_is(link_id, error)
        return self._checked(report_payment(Told(link=body)))

    # --- webhooks and returns ----------------------------------------------------------------------------------

    def read_webhook(self, delivery: WebhookDelivery) -> WebhookReading:
        webhook.verify(delivery, secrets=self._config.webhook_secrets)
        return webhook.read(delivery.body, account_id=self._config.account_id)

    def read_return(self, delivery: WebhookDelivery, *, names: PaymentNames | None = None) -> ReturnReading:
        """Three signed shapes, and unsigned failures. With `names` it must be the return of that very payment."""
        return returns.read(delivery, secrets=self._config.return_secrets, names=names)

    # --- refunds and disputes ----------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        params, key = translate.build_refund(request), translate.refund_key(request.idempotency_key)
        payment_id = find_attempt(self._api, request.names, PaymentStatus.CAPTURED)
        if payment_id is None:
            raise RequestRejected("Razorpay gave no name by which this payment could be refunded")
        try:
            body = self._api.create_refund(payment_id, params, key=key)
        except RequestRejected as error:
            body = self._refund_made_before(request.reference, payment_id, error)
        return translate.read_refund(body, payment=translate.with_attempt(request.names, payment_id))

    def fetch_refund(self, names: RefundNames) -> Report | NotFound:
        try:
            body = self._find_refund(names)
        except RequestRejected as error:
            if error.code == NOT_FOUND:
                return NotFound(reason="Razorpay does not know this refund")
            raise
        if body is None:
            return NotFound(reason="Razorpay lists no such refund of this payment")
        return translate.read_refund(body, payment=names.payment)

    def fetch_dispute(self, names: DisputeNames) -> Report | NotFound:
        if names.gateway_reference is None:
            return NotFound(reason="Razorpay names a dispute by its own id")
        try:
            body = self._api.get_dispute(names.gateway_reference)
        except RequestRejected as error:
            if error.code == NOT_FOUND:
                return NotFound(reason="Razorpay does not know this dispute")
            raise
        return translate.read_dispute(body, payment=names.payment)

    # --- saved methods -----------------------------------------------------------------------------------------

    def charge_saved(self, request: ChargeRequest) -> Report:
        return saving.charge(self._api, self._cache, request)

    def delete_saved(self, request: DeleteSavedRequest) -> None:
        saving.delete(self._api, request)

    # --- account -----------------------------------------------------------------------------------------------

    def check_credentials(self) -> CredentialCheck:
        """The newest payment: needs Key Id and Key Secret. The list of methods would come for the Key Id alone."""
        mode = self._config.mode
        try:
            self._api.list_newest_payment()
        except (GatewayMisconfigured, RequestRejected) as error:
            return _failed_check(error, mode)
        is_set = bool(self._config.webhook_secrets)
        secret = "set; only a webhook proves it" if is_set else "not usable: every webhook is refused"
        message = f"Razorpay accepts the {mode} key."
        if not is_set:
            message += " The webhook secret is missing or shorter than 8 characters."
        return CredentialCheck(ok=is_set, message=message, mode=mode, details={"webhook secret": secret})

    # --- small things ------------------------------------------------------------------------------------------

    def _link_expiry(self, request: PaymentRequest) -> int | None:
        """Within Razorpay's bounds; its default stays unsaid. Reckoned from when the order was made, so that a repeat
        says the same."""
        made_at = self._made_at(request)
        if request.expires_at is None or request.expires_at - made_at >= LONGEST_LINK:
            return None
        return int(max(request.expires_at, made_at + SHORTEST_LINK).timestamp())

    def _consent_expiry(self, request: PaymentRequest) -> int:
        return int(self._made_at(request).timestamp()) + translate.TOKEN_LIFETIME_SECONDS

    def _made_at(self, request: PaymentRequest) -> datetime:
        return request.created_at or self._clock()

    def _link_as_it_is(self, link_id: str, error: RequestRejected) -> Body:
        """A link that cannot be cancelled is paid, expired or cancelled already: what it is, is the answer."""
        try:
            body = self._api.get_link(link_id, is_auxiliary=True)
        except GatewayError:
            raise error from None
        if report_payment(Told(link=body)).status is PaymentStatus.PENDING:
            raise error
        return body

    def _refund_made_before(self, reference: str, payment_id: str, error: RequestRejected) -> Body:
        """A refusal that may be news of our own earlier try: look before telling anybody."""
        if not any(part in error.reason.lower() for part in REFUNDED_BEFORE):
            raise error
        try:
            found = self._listed_refund(payment_id, reference)
        except GatewayError as trouble:
            # A refund of that key was made: whether it is this one is not known. Any other refusal is Razorpay's word,
            # and so is this one where the look never left.
            if OTHER_REQUEST_TEXT in error.reason.lower() and trouble.code != NOT_SENT:
                raise OutcomeUnknown("Razorpay refuses the refund, and its list of refunds cannot be had") from None
            raise error from None
        if found is None:
            raise error
        return found

    def _find_refund(self, names: RefundNames) -> Body | None:
        if names.gateway_reference:
            return self._api.get_refund(names.gateway_reference)
        payment_id = find_attempt(self._api, names.payment, PaymentStatus.CAPTURED)
        if payment_id is None:
            raise GatewayUnavailable("Razorpay lists refunds by their payment only, and its name is not known")
        return self._listed_refund(payment_id, names.reference)

    def _listed_refund(self, payment_id: str, reference: str) -> Body | None:
        for body in self._api.list_refunds(payment_id):
            if reference in {text(body.get("receipt")), facts.note_of(body, "refund_id")}:
                return body
        return None

    def _checked(self, report: Report) -> Report:
        """Address the browser's next step where this installation wants it."""
        action = report.next_action
        if isinstance(action, Redirect):
            return replace(report, next_action=Redirect(url=self._http.browser_url(action.url)))
        if isinstance(action, FormPost):
            return replace(report, next_action=replace(action, url=self._http.browser_url(action.url)))
        return report


def _known_by(report: Report, names: PaymentNames) -> Report:
    """An attempt's report under the name by which its payment is known."""
    main = names.gateway_reference or report.gateway_reference
    others = facts.ids(report.gateway_reference, *report.other_references)
    return replace(
        report,
        reference=report.reference or names.reference,
        gateway_reference=main,
        other_references=tuple(one for one in others if one != main),
    )


def _failed_check(error: GatewayError, mode: Mode) -> CredentialCheck:
    if error.http_status is None:
        return CredentialCheck(ok=False, message=error.reason, mode=mode)
    if error.http_status == 403:
        message = "Razorpay denies access. If the dashboard limits API calls to listed addresses, add this server's."
        return CredentialCheck(ok=False, message=message, mode=mode)
    return CredentialCheck(ok=False, message=f"Razorpay does not accept this {mode} Key Id and Key Secret.", mode=mode)
