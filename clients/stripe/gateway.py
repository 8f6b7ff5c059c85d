"""Stripe behind the port: each verb is build -> send -> read.

Two shapes: a Checkout Session on Stripe's own page (hosted, the default), and a PaymentIntent with a client token for a
form in our page (embedded). A session's intent is born when the customer confirms, so a payment may be known by `cs_`,
`pi_` and `ch_` names, and every verb takes any of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

from clients.stripe import config, disputes, facts, saved, translate, webhook
from clients.stripe.about import DESCRIPTION, LONGEST_SESSION_SECONDS
from clients.stripe.client import NOT_SENT, Body, StripeApi
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
    CanSaveMethodsAlone,
    CanVoid,
    Gateway,
)
from core.gateways.types import (
    Attention,
    CaptureRequest,
    ChargeRequest,
    ClientToken,
    CloseRequest,
    CredentialCheck,
    DeleteSavedRequest,
    Description,
    DisputeNames,
    MethodNames,
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
    SaveMethodRequest,
    Subject,
    VoidRequest,
    WebhookDelivery,
    WebhookReading,
)
from core.http import Http

SHORTEST_SESSION: Final = timedelta(minutes=31)  # Stripe's bound is 30; the rest is for clocks that differ
LONGEST_SESSION: Final = timedelta(seconds=LONGEST_SESSION_SECONDS)  # also the default
SEARCH_BEFORE: Final = timedelta(minutes=5)
SEARCH_AFTER: Final = timedelta(hours=24)  # a repeat with the same idempotency key may come as late as this

INTENT: Final = re.compile(r"pi_[A-Za-z0-9_]{1,200}", re.ASCII)
SESSION: Final = re.compile(r"cs_[A-Za-z0-9_]{1,200}", re.ASCII)
CHARGE: Final = re.compile(r"(ch|py)_[A-Za-z0-9_]{1,200}", re.ASCII)

# An intent in which nothing is held and nothing is on its way (§5).
CLOSABLE: Final = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
MAYBE_DONE: Final = frozenset({"charge_already_refunded", "idempotency_error"})


class StripeGateway(
    Gateway,
    CanCapture,
    CanVoid,
    CanClose,
    CanRefund,
    CanReadReturn,
    CanSaveMethods,
    CanSaveMethodsAlone,
    CanFetchDisputes,
):
    slug: ClassVar[str] = "stripe"
    # The dashboard decides the methods, wallets included. A fake that does not know the parameter is driven without it.
    intent_extras: ClassVar[Mapping[str, Any]] = {"automatic_payment_methods": {"enabled": True}}
    about: ClassVar[Description] = DESCRIPTION

    def __init__(self, credentials: Mapping[str, Any], *, mode: Mode, http: Http, cache: Cache, clock: Clock) -> None:
        self._config = config.StripeConfig.of(credentials, mode=mode)
        self._api = StripeApi(self._config, http)
        self._http = http
        self._clock = clock

    # --- payments ----------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest) -> Report:
        if request.presentation is Presentation.EMBEDDED:
            return self._initiate_intent(request)
        params = translate.build_session(request, expires_at=self._session_expiry(request))
        body = self._api.create_session(params, key=request.idempotency_key)
        if "error" in body:
            return self._checked(translate.read_answer(body, names=PaymentNames(reference=request.reference)))
        report = translate.read_session(body)
        if report is None or (report.status is PaymentStatus.PENDING and report.next_action is None):
            raise OutcomeUnknown("Stripe's answer names no payment page")
        return self._checked(report)

    def _initiate_intent(self, request: PaymentRequest) -> Report:
        public_key = self._config.page_key()
        customer = self._customer_of(request)
        params = translate.build_intent(request, customer=customer, extras=dict(self.intent_extras))
        body = self._api.create_intent(params, key=request.idempotency_key)
        report = translate.read_answer(body, names=PaymentNames(reference=request.reference))
        token = translate.client_token(
            body, public_key=public_key, account_id=self._config.account_id, return_url=request.return_url
        )
        if token is None and report.decline is None and body.get("status") == "requires_payment_method":
            raise OutcomeUnknown("Stripe's answer holds no client secret")
        return self._checked(replace(report, next_action=token))

    def fetch_payment(self, names: PaymentNames) -> Report | NotFound:
        try:
            report = self._fetch_by_id(names)
        except RequestRejected as error:
            if error.http_status == 404:
                return NotFound()
            raise
        if report is None:
            report = self._find_by_reference(names)
        return NotFound() if report is None else self._checked(report)

    def capture(self, request: CaptureRequest) -> Report:
        params = translate.build_capture(request)
        intent = self._intent_of(request.names)
        if intent is None:
            raise RequestRejected("nothing is held for this payment yet")
        body = self._api.capture(intent, params, key=request.idempotency_key)
        return self._checked(translate.read_answer(body, names=request.names))

    def void(self, request: VoidRequest) -> Report:
        """A session is expired while it is open; a hold is released by canceling its intent."""
        names, intent = request.names, _first(request.names, INTENT)
        if session_id := _first(names, SESSION):
            session = self._session_to_void(session_id, is_confirmed=intent is not None)
            if session is None or session.get("status") == "open":
                body = self._api.expire_session(session_id, key=request.idempotency_key)
                return self._checked(_payment(translate.read_session(body)))
            # An intent that a session made can be canceled while it is held, and never otherwise.
            if not _is_held(session):
                return self._checked(_payment(translate.read_session(session)))
            intent = facts.id_of(session.get("payment_intent"))
        if intent is None:
            raise RequestRejected("Stripe gave no name by which this payment could be voided")
        body = self._api.cancel(intent, key=request.idempotency_key)
        return self._checked(translate.read_answer(body, names=names))

    def can_close(self, names: PaymentNames) -> bool:
        return _first(names, SESSION) is not None or _first(names, INTENT) is not None

    def close(self, request: CloseRequest) -> Report:
        """A session is expired while it is open; an intent of our own page is canceled while nothing is held (§4, §8)."""
        names = request.names
        if session_id := _first(names, SESSION):
            return self._checked(_payment(translate.read_session(self._close_session(session_id, request))))
        intent = _first(names, INTENT)
        if intent is None:
            raise RequestRejected("Stripe gave no name by which this order could be ended")
        body = self._api.get_intent(intent, expand=["latest_charge.balance_transaction"], is_auxiliary=True)
        if body.get("status") in CLOSABLE:
            body = self._api.cancel(intent, key=request.idempotency_key)
        report = translate.read_answer(body, names=names)
        is_ended = report.status is PaymentStatus.VOIDED  # nothing was ever held, so nothing was released
        return self._checked(replace(report, status=PaymentStatus.EXPIRED) if is_ended else report)

    def _close_session(self, session_id: str, request: CloseRequest) -> Body:
        """The session after it: one that Stripe does not expire was paid or is over, and what it is, is the answer."""
        try:
            return self._api.expire_session(session_id, key=request.idempotency_key)
        except RequestRejected as error:
            try:
                body = self._api.get_session(session_id, expand=["payment_intent.latest_charge"], is_auxiliary=True)
            except GatewayError:
                raise error from None
            if body.get("status") == "open":
                raise
            return body

    # --- webhooks and returns ----------------------------------------------------------------------------------

    def read_webhook(self, delivery: WebhookDelivery) -> WebhookReading:
        webhook.verify(delivery, secrets=self._config.webhook_secrets, now=self._clock())
        reading = webhook.read(delivery.body, account_id=self._config.account_id)
        return replace(reading, reports=tuple(self._checked(report) for report in reading.reports))

    def read_return(self, delivery: WebhookDelivery, *, names: PaymentNames | None = None) -> ReturnReading:
        """Unsigned, so only a hint about what to fetch. The client secret that Stripe appends is not looked at."""
        fields = _query(delivery.url)
        for name, pattern in (("session_id", SESSION), ("payment_intent", INTENT)):
            if pattern.fullmatch(fields.get(name, "")):
                hint = Report(
                    about=Subject.PAYMENT,
                    status=None,
                    reference=None,
                    gateway_reference=fields[name],
                    is_hint=True,
                    raw={name: fields[name]},
                )
                return ReturnReading(reports=(hint,))
        return ReturnReading(reports=())

    # --- refunds -----------------------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        intent, charge = self._intent_of(request.names), _first(request.names, CHARGE)
        if intent is None and charge is None:
            raise RequestRejected("Stripe gave no name by which this payment could be refunded")
        params = translate.build_refund(request, intent=intent, charge=charge)
        try:
            body = self._api.create_refund(params, key=request.idempotency_key)
        except RequestRejected as error:
            body = self._refund_made_before(request, error, intent=intent, charge=charge)
        return self._checked(_refund(translate.read_refund(body), request.names))

    def fetch_refund(self, names: RefundNames) -> Report | NotFound:
        try:
            body = self._find_refund(names)
        except RequestRejected as error:
            if error.http_status == 404:
                return NotFound(reason="Stripe does not know this refund")
            raise
        report = None if body is None else translate.read_refund(body)
        if report is None:
            return NotFound(reason="Stripe lists no such refund of this payment")
        return self._checked(_refund(report, names.payment))

    def fetch_dispute(self, names: DisputeNames) -> Report | NotFound:
        if names.gateway_reference is None:
            return NotFound(reason="Stripe names a dispute by its own id")
        try:
            body = self._api.get_dispute(names.gateway_reference)
        except RequestRejected as error:
            if error.http_status == 404:
                return NotFound(reason="Stripe does not know this dispute")
            raise
        return self._checked(_of(disputes.read_dispute(body), names.payment))

    # --- saved methods -----------------------------------------------------------------------------------------

    def save_method(self, request: SaveMethodRequest) -> Report:
        """A page of Stripe's where the customer gives a method and pays nothing; its events tell how it ended."""
        params = saved.build_setup(request, success_url=translate.success_url(request.return_url))
        report = saved.read_setup_session(self._api.create_setup(params, key=request.idempotency_key))
        if report is None or report.next_action is None:
            raise OutcomeUnknown("Stripe's answer names no page on which a method could be saved")
        return self._checked(report)

    def fetch_method(self, names: MethodNames) -> Report | NotFound:
        """Nothing is listed by our reference: without the session's id the same request with the same key tells it."""
        if names.gateway_reference is None or not SESSION.fullmatch(names.gateway_reference):
            return NotFound(reason="Stripe finds a page for saving a method by its own id only")
        try:
            body = self._api.get_session(names.gateway_reference, expand=["setup_intent.payment_method"])
        except RequestRejected as error:
            if error.http_status == 404:
                return NotFound(reason="Stripe does not know this session")
            raise
        report = saved.read_setup_session(body) if saved.is_setup(body) else None
        if report is None or report.reference != names.reference:
            raise GatewayUnavailable("the answer is about another session")
        return self._checked(report)

    def charge_saved(self, request: ChargeRequest) -> Report:
        """A bank that wants the customer is a decline (§12), with the token by which the same intent can be confirmed
        in our page."""
        payment = request.payment
        if not saved.TOKEN.fullmatch(request.saved.token):
            raise RequestRejected("this is no name of a payment method at Stripe")
        body = self._api.create_intent(translate.build_charge(request), key=payment.idempotency_key)
        report = translate.read_answer(body, names=PaymentNames(reference=payment.reference))
        wants_customer = report.decline is not None and report.decline.code == "authentication_required"
        if wants_customer or report.status is PaymentStatus.REQUIRES_ACTION:
            report = replace(report, next_action=self._token_of(translate.intent_in(body), payment.return_url))
        return self._checked(report)

    def delete_saved(self, request: DeleteSavedRequest) -> None:
        if not saved.TOKEN.fullmatch(request.saved.token):
            raise RequestRejected("this is no name of a payment method at Stripe")
        try:
            self._api.detach(request.saved.token, key=request.idempotency_key)
        except RequestRejected as error:
            is_gone = error.http_status == 404 or any(text in error.reason for text in saved.GONE_TEXTS)
            if not is_gone:
                raise

    # --- account -----------------------------------------------------------------------------------------------

    def check_credentials(self) -> CredentialCheck:
        try:
            balance = self._api.get_balance()
        except (GatewayMisconfigured, RequestRejected) as error:
            return _failed_check(error)
        mode = facts.mode_of(balance) or self._config.mode
        if mode is not self._config.mode:
            return CredentialCheck(ok=False, message=f"This key is for {mode} payments.", mode=mode)
        return CredentialCheck(ok=True, message=f"Stripe accepts the {mode} key.", mode=mode)

    # --- finding things ----------------------------------------------------------------------------------------

    def _fetch_by_id(self, names: PaymentNames) -> Report | None:
        """One call by the most telling name: a session says most, with its intent and charge expanded."""
        if session_id := _first(names, SESSION):
            body = self._api.get_session(session_id, expand=["payment_intent.latest_charge.balance_transaction"])
            return _payment(translate.read_session(body))
        if intent_id := _first(names, INTENT):
            body = self._api.get_intent(intent_id, expand=["latest_charge.balance_transaction"])
            return self._with_token(translate.read_intent(body), body)
        if charge_id := _first(names, CHARGE):
            return translate.read_charge(self._api.get_charge(charge_id, expand=["balance_transaction"]))
        return None

    def _find_by_reference(self, names: PaymentNames) -> Report | None:
        """The answer of a create was lost: sessions by time, then intents by search and by time.

        Search lags by a minute and is not offered everywhere; lists are exact. None only when all could be had.
        """
        reference, window = names.reference, _window(names)
        if not reference:
            return None
        failure: GatewayUnavailable | None = None
        for look in (
            lambda: self._api.list_sessions({**window, "expand": ["data.payment_intent"]}),
            lambda: self._search(reference),
            lambda: self._api.list_intents({**window, "expand": ["data.latest_charge"]}),
        ):
            try:
                for body in look():
                    found = self._read_listed(body)
                    if found is not None and found.reference == reference:
                        return found
            except GatewayUnavailable as error:  # another way may still find it
                failure = error
        if failure is not None:
            raise failure
        return None

    def _read_listed(self, body: Body) -> Report | None:
        if body.get("object") == "checkout.session":
            return translate.read_session(body)
        return self._with_token(translate.read_intent(body), body)

    def _session_to_void(self, session_id: str, *, is_confirmed: bool) -> Body | None:
        """None where it cannot be looked at and nobody ever confirmed it, as far as we know: then it is taken for open,
        and Stripe refuses to expire it if it is not."""
        try:
            return self._api.get_session(session_id, expand=["payment_intent"], is_auxiliary=True)
        except GatewayUnavailable:
            if is_confirmed:
                raise
            return None

    def _search(self, reference: str) -> list[Body]:
        quoted = reference.replace("\\", "\\\\").replace("'", "\\'")
        try:
            return self._api.search_intents(f"metadata['payment_id']:'{quoted}'", expand=["data.latest_charge"])
        except RequestRejected:  # Unconfirmed: accounts of some countries have no search
            return []

    def _intent_of(self, names: PaymentNames) -> str | None:
        """The intent of a payment, asking its session where only that is known."""
        intent, session_id = _first(names, INTENT), _first(names, SESSION)
        if intent is None and session_id is not None and _first(names, CHARGE) is None:
            session = self._api.get_session(session_id, expand=["payment_intent"], is_auxiliary=True)
            intent = facts.id_of(session.get("payment_intent"))
        return intent

    def _find_refund(self, names: RefundNames) -> Body | None:
        if names.gateway_reference:
            return self._api.get_refund(names.gateway_reference)
        intent, charge = self._intent_of(names.payment), _first(names.payment, CHARGE)
        if intent is None and charge is None:
            return None
        return self._listed_refund(names.reference, intent=intent, charge=charge)

    def _listed_refund(self, reference: str, *, intent: str | None, charge: str | None) -> Body | None:
        of = {"payment_intent": intent} if intent else {"charge": charge}
        for body in self._api.list_refunds(of):
            if facts.metadata_of(body, "refund_id") == reference:
                return body
        return None

    def _refund_made_before(
        self, request: RefundRequest, error: RequestRejected, *, intent: str | None, charge: str | None
    ) -> Body:
        """A refusal that may be news of our own earlier try: look before telling anybody (§12)."""
        if error.gateway_code not in MAYBE_DONE and "already been refunded" not in error.reason:
            raise error
        try:
            found = self._listed_refund(request.reference, intent=intent, charge=charge)
        except GatewayError as trouble:
            if trouble.code == NOT_SENT:  # the refusal is all that was heard, and it is Stripe's word (§12)
                raise error from None
            raise OutcomeUnknown("Stripe refuses the refund, and its list of refunds cannot be had") from None
        if found is None:
            raise error
        return found

    # --- small things ------------------------------------------------------------------------------------------

    def _session_expiry(self, request: PaymentRequest) -> int | None:
        """Within Stripe's bounds; its default (24 h) stays unsaid. Reckoned from when the order was made, so that a
        repeat says the same."""
        made_at = request.created_at or self._clock()
        if request.expires_at is None or request.expires_at - made_at >= LONGEST_SESSION:
            return None
        return int(max(request.expires_at, made_at + SHORTEST_SESSION).timestamp())

    def _customer_of(self, request: PaymentRequest) -> str | None:
        """Whom a method is saved for. Made where there is none yet, which moves no money: an answer lost here is no more
        than "come again", and the same key then answers with the same customer."""
        if request.customer_token or not request.save_method:
            return request.customer_token
        try:
            body = self._api.create_customer(
                saved.build_customer(request.customer), key=f"{request.idempotency_key}:customer"
            )
        except OutcomeUnknown as error:
            raise GatewayUnavailable(
                error.reason,
                gateway_code=error.gateway_code,
                http_status=error.http_status,
                request_id=error.request_id,
            ) from None
        return facts.text(body.get("id"))

    def _with_token(self, report: Report, body: Body) -> Report:
        """A payment in our own page is finished there: hand its token out again."""
        if facts.is_of_session(body) or self._config.publishable_key is None:
            return report
        return replace(report, next_action=self._token_of(body, None))

    def _token_of(self, intent: Body, return_url: str | None) -> ClientToken | None:
        key, account = self._config.publishable_key, self._config.account_id
        if key is None:
            return None
        return translate.client_token(intent, public_key=key, account_id=account, return_url=return_url)

    def _checked(self, report: Report) -> Report:
        """Mark the other mode, and address the browser's next step where this installation wants it."""
        if report.mode is not None and report.mode is not self._config.mode:
            report = replace(report, attention=facts.graver(report.attention, Attention.MISMATCH))
        action = report.next_action
        if isinstance(action, Redirect):
            return replace(report, next_action=Redirect(url=self._http.browser_url(action.url)))
        return report


def _first(names: PaymentNames, pattern: re.Pattern[str]) -> str | None:
    for name in (names.gateway_reference, *names.other_references):
        if name is not None and pattern.fullmatch(name):
            return name
    return None


def _query(url: str) -> dict[str, str]:
    """Of the address that a browser came back to; empty where it is no address."""
    try:
        return dict(parse_qsl(urlsplit(url).query))
    except ValueError:
        return {}


def _is_held(session: Body) -> bool:
    intent = session.get("payment_intent")
    return isinstance(intent, dict) and intent.get("status") == "requires_capture"


def _window(names: PaymentNames) -> dict[str, Any]:
    if names.created_at is None:
        return {}
    first, last = names.created_at - SEARCH_BEFORE, names.created_at + SEARCH_AFTER
    return {"created": {"gte": int(first.timestamp()), "lte": int(last.timestamp())}}


def _payment(report: Report | None) -> Report:
    if report is None:
        raise RequestRejected("this Checkout Session is no payment")
    return report


def _refund(report: Report | None, payment: PaymentNames) -> Report:
    """A refund record, with the names by which we know its payment."""
    if report is None:
        raise RequestRejected("nothing was captured: Stripe released the hold instead of refunding")
    return _of(report, payment)


def _of(report: Report, payment: PaymentNames) -> Report:
    """A refund or dispute that says whose it is also by our own reference."""
    found = report.payment or payment
    return replace(report, payment=replace(found, reference=found.reference or payment.reference))


def _failed_check(error: GatewayError) -> CredentialCheck:
    if error.http_status == 403:
        message = (
            "Stripe knows this key, but it has no right to read the balance. The README lists the rights it needs."
        )
        return CredentialCheck(ok=True, message=message, details={"rights": "limited"})
    if error.http_status == 404:
        return CredentialCheck(ok=True, message="Stripe accepts the key.")
    if error.http_status is None:
        return CredentialCheck(ok=False, message=error.reason)
    return CredentialCheck(ok=False, message="Stripe does not accept this key.")
