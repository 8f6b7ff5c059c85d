"""Square behind the port: each verb is build -> send -> read.

Two shapes: a payment link on Square's own page (initiate), and a direct payment by a saved card (charge_saved), which
alone can be held. A link's payment is known by its order, with the link and, once paid, the payment beside it; a direct
one by itself. Every verb takes any of these names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from clients.square import building, facts, finding, saving, translate, webhook
from clients.square.about import DESCRIPTION
from clients.square.client import SquareApi
from clients.square.config import PAGES, SquareConfig
from clients.square.facts import Body, errors_of, returned, text, within
from clients.square.finding import Found
from clients.square.judging import NOT_FOUND
from clients.square.money import Amount, read_money
from core.clock import Clock
from core.gateways.errors import GatewayError, GatewayUnavailable, OutcomeUnknown, RequestRejected
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
    Attention,
    CaptureMode,
    CaptureRequest,
    ChargeRequest,
    CloseRequest,
    CredentialCheck,
    DeleteSavedRequest,
    Description,
    DisputeNames,
    Mode,
    NextAction,
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
    Subject,
    VoidRequest,
    WebhookDelivery,
    WebhookReading,
)
from core.http import Http
from core.money import Money

CARDS: Final = "CREDIT_CARD_PROCESSING"
_STILL_OPEN: Final = frozenset({PaymentStatus.REQUIRES_ACTION, None})
_IN_RETURNS: Final = ("orderId", "transactionId", "referenceId")


class SquareGateway(Gateway, CanCapture, CanVoid, CanClose, CanRefund, CanReadReturn, CanSaveMethods, CanFetchDisputes):
    slug: ClassVar[str] = "square"
    about: ClassVar[Description] = DESCRIPTION

    def __init__(self, credentials: Mapping[str, Any], *, mode: Mode, http: Http, cache: Cache, clock: Clock) -> None:
        self._config = SquareConfig.of(credentials, mode=mode)
        self._api = SquareApi(self._config, http)
        self._http = http

    # --- payments ----------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest) -> Report:
        if request.capture is CaptureMode.MANUAL:
            raise RequestRejected("a payment link of Square always charges", code="capture_unsupported")
        if request.presentation is not Presentation.HOSTED:
            raise RequestRejected("Square takes payments on its own page here", code="presentation_unsupported")
        body = self._api.create_link(building.build_link(request, location_id=self._config.location()))
        if "payment_link" not in body:
            return _with_customer_here(self._read_charge(body, reference=request.reference))
        report = translate.read_link(body, reference=request.reference)
        order = translate.linked_order(body)
        if report is None or text(order.get("reference_id")) not in {request.reference, None}:
            raise OutcomeUnknown("Square's answer names no page, or is about another order")
        if not self._is_their_page(report.next_action):
            raise OutcomeUnknown("the page of the link is not on a known host of Square's")
        return self._checked(report, order)

    def fetch_payment(self, names: PaymentNames) -> Report | NotFound:
        try:
            found = finding.find(self._api, names)
        except RequestRejected as error:
            if error.code == NOT_FOUND:
                return NotFound()
            raise
        return NotFound() if found is None else self._told(found)

    def capture(self, request: CaptureRequest) -> Report:
        """Completing takes all that is held, so to take less the hold is lowered first. Repeating is harmless."""
        asked = request.names.amount
        if asked is not None and asked.asset == request.amount.asset and request.amount.minor > asked.minor:
            raise RequestRejected("more than was asked for cannot be captured", code="amount_not_supported")
        payment_id = self._payment_id(request.names)
        if asked is not None and request.amount != asked:
            self._lower(payment_id, request.amount, key=request.idempotency_key)
        return self._read_payment(self._api.complete_payment(payment_id))

    def void(self, request: VoidRequest) -> Report:
        """A link is deleted; a hold is released."""
        link_id = finding.link_of(request.names)
        if link_id is not None:
            return self._void_link(link_id, request.names)
        body = self._api.cancel_payment(self._payment_id(request.names))
        if "payment" not in body:
            return _voided(request.names, link_id=text(body.get("id")), order_id=text(body.get("cancelled_order_id")))
        return self._read_payment(body)

    def can_close(self, names: PaymentNames) -> bool:
        return finding.link_of(names) is not None

    def close(self, request: CloseRequest) -> Report:
        """Links never expire by themselves: delete it, looking for a payment before and after (§4, §15.17)."""
        link_id = finding.link_of(request.names)
        if link_id is None:
            raise RequestRejected("only a payment link can be ended", code="close_unsupported")
        report = self._void_link(link_id, request.names)
        is_ended = report.status is PaymentStatus.VOIDED  # a link always charges: nothing was held
        return replace(report, status=PaymentStatus.EXPIRED) if is_ended else report

    # --- webhooks and returns ----------------------------------------------------------------------------------

    def read_webhook(self, delivery: WebhookDelivery) -> WebhookReading:
        config = self._config
        webhook.verify(delivery, keys=config.signature_keys, url=config.signed_url())
        reading = webhook.read(delivery.body, location_id=config.location_id, merchant_id=config.merchant_id)
        return replace(reading, reports=tuple(self._in_mode(report) for report in reading.reports))

    def read_return(self, delivery: WebhookDelivery, *, names: PaymentNames | None = None) -> ReturnReading:
        """Unsigned, and empty in the sandbox: only a hint about what to fetch. There is no return after a cancel.

        Unconfirmed: which of these Square adds today.
        """
        order, payment, reference = (returned(delivery.url).get(name) for name in _IN_RETURNS)
        if not (order or payment or reference):
            return ReturnReading(reports=())
        hint = Report(
            about=Subject.PAYMENT,
            status=None,
            reference=reference,
            gateway_reference=order or payment,
            other_references=facts.names(payment if payment != order and order else None),
            is_hint=True,
            raw={name: value for name, value in (("orderId", order), ("transactionId", payment)) if value},
        )
        return ReturnReading(reports=(hint,))

    # --- refunds and disputes ----------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        payment_id = self._payment_id(request.names)
        body = self._api.create_refund(building.build_refund(request, payment_id=payment_id))
        payment = replace(request.names, gateway_reference=payment_id)
        if "refund" not in body:
            amount = Amount(request.amount.minor, request.amount.asset)
            return translate.read_refused_refund(
                errors_of(body), reference=request.reference, amount=amount, payment=payment
            )
        report = self._read_refund(body, payment)
        return replace(report, reference=report.reference or request.reference)

    def fetch_refund(self, names: RefundNames) -> Report | NotFound:
        try:
            if names.gateway_reference:
                return self._read_refund(self._api.get_refund(names.gateway_reference), names.payment)
            return self._find_refund(names) or NotFound(reason="Square lists no such refund of this payment")
        except RequestRejected as error:
            if error.code == NOT_FOUND:
                return NotFound(reason="Square does not know this refund")
            raise

    def fetch_dispute(self, names: DisputeNames) -> Report | NotFound:
        if names.gateway_reference is None:
            return NotFound(reason="Square names a dispute by its own id")
        try:
            body = within(self._api.get_dispute(names.gateway_reference), "dispute")
        except RequestRejected as error:
            if error.code == NOT_FOUND:
                return NotFound(reason="Square does not know this dispute")
            raise
        report = translate.read_dispute(body)
        if report.gateway_reference != names.gateway_reference:
            raise GatewayUnavailable("the answer is about another dispute")
        return translate.at_location(report, body, self._config.location_id)

    # --- saved methods -----------------------------------------------------------------------------------------

    def charge_saved(self, request: ChargeRequest) -> Report:
        """A bank that wants the customer back declines with `authentication_required`: a link brings them back."""
        body = self._api.create_payment(building.build_charge(request, location_id=self._config.location()))
        return self._read_charge(body, reference=request.payment.reference)

    def delete_saved(self, request: DeleteSavedRequest) -> None:
        """Square disables a card for good. Unconfirmed: that doing so twice is fine, too."""
        try:
            self._api.disable_card(request.saved.token)
        except RequestRejected as error:
            if error.code != NOT_FOUND:
                raise

    # --- account -----------------------------------------------------------------------------------------------

    def check_credentials(self) -> CredentialCheck:
        """The location proves token, environment and location at once. No call can prove the signature key."""
        try:
            location = within(self._api.get_location(), "location")
        except GatewayUnavailable:
            raise
        except GatewayError as error:
            return CredentialCheck(ok=False, message=self._why_refused(error), mode=self._config.mode)
        return self._check_location(location)

    def _check_location(self, location: Body) -> CredentialCheck:
        config, merchant = self._config, text(location.get("merchant_id"))
        can_verify = bool(config.signature_keys and config.notification_url)
        problem = _problem_of(location)
        if problem is None and config.merchant_id and merchant not in {config.merchant_id, None}:
            problem = "This location belongs to another merchant than the Merchant ID says."
        if problem is None and not can_verify:
            problem = "Square accepts the token, but without signature key and notification URL no webhook verifies."
        details = {
            "location": text(location.get("name")),
            "currency": text(location.get("currency")),
            "country": text(location.get("country")),
            "merchant": merchant,
            "webhook signature key": "set; only a delivery proves it" if can_verify else "not usable",
        }
        return CredentialCheck(
            ok=problem is None,
            message=problem or f"Square accepts the {config.mode} token for this location.",
            mode=config.mode,
            account=merchant,
            details={name: value for name, value in details.items() if value},
        )

    def _why_refused(self, error: GatewayError) -> str:
        if error.http_status == 401:
            return (
                f"Square does not accept this token for {self._config.mode} payments. Is it of the other environment?"
            )
        if error.http_status == 403:
            return "Square knows this token, but it lacks rights (scopes). The README lists those that are needed."
        if error.code == NOT_FOUND:
            return "Square does not know this location under this token."
        return error.reason

    # --- reading what came -------------------------------------------------------------------------------------

    def _read_payment(self, body: Body) -> Report:
        """The payment of a charge, a capture or a void of a hold: never one of a link."""
        payment = within(body, "payment")
        return self._checked(translate.read_payment(payment, errors_of(body), is_direct=True), payment)

    def _read_charge(self, body: Body, *, reference: str) -> Report:
        """A payment, with errors beside it or not; or a decline without one."""
        if "payment" in body:
            report = self._read_payment(body)
            return replace(report, reference=report.reference or reference)
        return translate.read_refused_charge(errors_of(body), reference=reference, raw=body)

    def _read_refund(self, body: Body, payment: PaymentNames) -> Report:
        refund = within(body, "refund")
        report = translate.read_refund(refund, payment, errors_of(body))
        return translate.at_location(report, refund, self._config.location_id)

    def _told(self, found: Found) -> Report:
        report = saving.with_saved(self._api, found)
        return self._checked(report, found.payment or found.order)

    def _checked(self, report: Report, body: Body) -> Report:
        """Mark what is of another location or mode, and address the browser's next step as this installation wants."""
        report = self._in_mode(translate.at_location(report, body, self._config.location_id))
        action = report.next_action
        if isinstance(action, Redirect):
            return replace(report, next_action=Redirect(url=self._http.browser_url(action.url)))
        return report

    def _is_their_page(self, action: NextAction | None) -> bool:
        """On a host of Square's pages (of either mode: their own samples mix them), or where that is played locally."""
        pages = dict.fromkeys(page for mode in Mode for page in PAGES[mode])
        known = tuple(f"{one}/" for page in pages for one in (page, self._http.browser_url(page)))
        return isinstance(action, Redirect) and action.url.startswith(known)

    def _in_mode(self, report: Report) -> Report:
        is_other = report.mode is not None and report.mode is not self._config.mode
        return replace(report, attention=Attention.MISMATCH) if is_other else report

    # --- steps of operations -----------------------------------------------------------------------------------

    def _payment_id(self, names: PaymentNames) -> str:
        payment_id = finding.payment_id_of(self._api, names)
        if payment_id is None:
            raise RequestRejected("Square has no payment under these names yet")
        return payment_id

    def _lower(self, payment_id: str, amount: Money, *, key: str) -> None:
        body = within(self._api.update_payment(payment_id, building.build_lower_amount(amount, key=key)), "payment")
        if read_money(body.get("amount_money")) != Amount(amount.minor, amount.asset):
            raise OutcomeUnknown("the hold does not show the lower amount")

    def _void_link(self, link_id: str, known: PaymentNames) -> Report:
        """Delete the link, unless somebody has paid it; and look again after, for a payment may have met the deleting."""
        order_id = known.gateway_reference if known.gateway_reference != link_id else None
        before = self._look(order_id)
        if before is not None and before.is_hint:
            raise GatewayUnavailable("the order has payments that cannot be read now: the link stays")
        if before is not None and before.status not in _STILL_OPEN:
            return before
        body = self._delete_link(link_id, order_id)
        order_id = text(body.get("cancelled_order_id")) or order_id
        after = self._look(order_id)
        if after is not None and after.status not in _STILL_OPEN:
            return after
        if (after is not None and after.is_hint) or not body.get("cancelled_order_id"):
            raise OutcomeUnknown("the link is deleted, but how its order stands cannot be read")
        return replace(
            _voided(known, link_id=link_id, order_id=order_id),
            reference=(after.reference if after else None) or known.reference,
        )

    def _delete_link(self, link_id: str, order_id: str | None) -> Body:
        """The answer; an empty one where it was deleted before and its order can tell the rest."""
        try:
            return self._api.delete_link(link_id)
        except RequestRejected as error:
            if error.code != NOT_FOUND or order_id is None:
                raise
            return {}

    def _look(self, order_id: str | None) -> Report | None:
        """What the order says now; None where it cannot be had."""
        if order_id is None:
            return None
        try:
            return self._told(finding.find_by_order(self._api, order_id, is_auxiliary=True))
        except (GatewayUnavailable, RequestRejected):
            return None

    def _find_refund(self, names: RefundNames) -> Report | None:
        """The answer of a refund was lost: the payment lists its refunds, and each ends its reason in our name of it."""
        payment_id = finding.payment_id_of(self._api, names.payment)
        if payment_id is None:
            raise GatewayUnavailable("Square lists refunds by their payment only, and its name is not known")
        body = self._api.get_payment(payment_id)
        listed = within(body, "payment").get("refund_ids")
        for refund_id in listed if isinstance(listed, list) else ():
            report = self._read_refund(self._api.get_refund(str(refund_id)), names.payment)
            if report.reference == names.reference:
                return report
        return None


def _voided(known: PaymentNames, *, link_id: str | None, order_id: str | None) -> Report:
    """A link that was deleted, with no payment on its order."""
    return Report(
        about=Subject.PAYMENT,
        status=PaymentStatus.VOIDED,
        reference=known.reference,
        gateway_reference=order_id,
        other_references=facts.names(link_id),
        captured_minor=0,
        raw={"id": link_id, "cancelled_order_id": order_id},
    )


def _with_customer_here(report: Report) -> Report:
    """A bank that wants to see its customer can, while the customer is with us."""
    if report.decline is None or report.decline.code != "authentication_required":
        return report
    return replace(report, status=PaymentStatus.REQUIRES_ACTION, captured_minor=None)


def _problem_of(location: Body) -> str | None:
    if location.get("status") != "ACTIVE":
        return "Square knows this location, but it is not active."
    capabilities = location.get("capabilities")
    if not isinstance(capabilities, list) or CARDS not in capabilities:
        return "Square knows this location, but it cannot take cards yet: finish its activation."
    return None
