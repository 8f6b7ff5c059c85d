"""A small gateway of our own invention, so that registry and `explain` are tested without any real one.

It has everything the explanation has to cope with: a token that must be fetched first, HTTP Basic, JSON, a form that the
browser posts, a signed webhook with two secrets, a signed return, refunds, and a bug on demand.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from core import strict_json
from core.clock import Clock
from core.gateways.errors import (
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
    WebhookRejected,
)
from core.gateways.port import Cache, CanReadReturn, CanRefund, Gateway
from core.gateways.types import (
    ClientToken,
    CredentialCheck,
    CredentialField,
    Description,
    FormPost,
    Mode,
    NotFound,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Presentation,
    Redirect,
    ReferenceRule,
    RefundNames,
    RefundRequest,
    RefundStatus,
    Report,
    ReturnReading,
    Subject,
    WebhookDelivery,
    WebhookReading,
    WebhookReply,
)
from core.http import Http, HttpRequest, HttpResponse, NoAnswer, NotSent

ABOUT = Description(
    label="Toy",
    website="https://toy.example.test",
    regions=("Nowhere",),
    methods=("card",),
    currencies=frozenset({"JPY", "INR"}),
    reference=ReferenceRule(max_length=20, alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
    credentials=(
        CredentialField(
            name="api_key",
            label="API key",
            is_secret=True,
            example="toy_test_exampleKey1",
            patterns={Mode.TEST: r"toy_test_[A-Za-z0-9]+", Mode.LIVE: r"toy_live_[A-Za-z0-9]+"},
        ),
        CredentialField(name="account", label="Account number", patterns={Mode.TEST: r"[0-9]+", Mode.LIVE: r"[0-9]+"}),
        CredentialField(name="webhook_secret", label="Webhook secret", is_secret=True, rotates=True),
        CredentialField(name="brand", label="Brand", is_required=False, choices=(("red", "Red"), ("blue", "Blue"))),
        CredentialField(name="callback", label="Callback address", is_filled_by_platform=True),
    ),
    origins={Mode.TEST: ("https://sandbox.toy.example.test",), Mode.LIVE: ("https://api.toy.example.test",)},
    presentations=(Presentation.HOSTED, Presentation.EMBEDDED),
    test_recipe="",
)


class ToyGateway(Gateway, CanRefund, CanReadReturn):
    slug: ClassVar[str] = "toy"
    about: ClassVar[Description] = ABOUT

    def __init__(self, credentials: Mapping[str, Any], *, mode: Mode, http: Http, cache: Cache, clock: Clock) -> None:
        if not isinstance(credentials.get("api_key", ""), str):
            raise GatewayMisconfigured("the API key is text")
        self.credentials = credentials
        self.mode = mode
        self.http = http
        self.cache = cache
        self.clock = clock

    def initiate(self, request: PaymentRequest) -> Report:
        if request.description == "form":
            return self._form(request)
        if request.description == "bug":
            raise KeyError(self.credentials["api_key"])
        self._token()
        path = "/tokens-for-browsers" if request.presentation is Presentation.EMBEDDED else "/orders"
        body = self._call("POST", path, {"ref": request.reference, "amount": request.amount.minor})
        if "secret_for_browser" in body:
            action: Any = ClientToken(token=body["secret_for_browser"])
        elif "url" in body:
            action = Redirect(url=body["url"])
        else:
            raise OutcomeUnknown("the answer has no url")
        if body.get("ref") != request.reference:
            raise OutcomeUnknown("the answer is about another order")
        return self._payment(body, next_action=action)

    def fetch_payment(self, names: PaymentNames) -> Report | NotFound:
        body = self._call("GET", f"/orders/{names.gateway_reference}?by={names.reference or ''}")
        return NotFound() if body.get("none") else self._payment(body)

    def read_webhook(self, delivery: WebhookDelivery) -> WebhookReading:
        secrets = [self.credentials.get("webhook_secret"), *self.credentials.get("previous_webhook_secrets", [])]
        if not secrets[0]:
            raise GatewayMisconfigured("no webhook secret is set")
        received = delivery.headers.get("x-toy-signature", "").encode()
        if not any([hmac.compare_digest(sign(one, delivery.body).encode(), received) for one in secrets if one]):  # noqa: C419
            raise WebhookRejected("signature does not match the body")
        body = strict_json.load_object(delivery.body)
        if body.get("bug"):
            raise ZeroDivisionError(secrets[0])
        return WebhookReading(
            event_key=body["event"],
            event_type=body["type"],
            reports=(self._payment(body),),
            reply=WebhookReply(body="TOY-OK"),
            note=body.get("note"),
        )

    def read_return(self, delivery: WebhookDelivery, *, names: PaymentNames | None = None) -> ReturnReading:
        query = parse_qs(urlsplit(delivery.url).query)
        if query.get("sig") == ["bad"]:
            raise WebhookRejected("the return is not signed")
        names = Report(
            about=Subject.PAYMENT, status=None, reference=query["ref"][0], gateway_reference=None, is_hint=True
        )
        return ReturnReading(reports=(names,), verified=True if "sig" in query else None)

    def check_credentials(self) -> CredentialCheck:
        self._call("GET", "/me")
        return CredentialCheck(ok=True, message="The key works.", mode=self.mode)

    def refund(self, request: RefundRequest) -> Report:
        body = self._call("POST", "/refunds", {"order": request.names.gateway_reference, "ref": request.reference})
        return self._refund(body, request.names)

    def fetch_refund(self, names: RefundNames) -> Report | NotFound:
        return self._refund(self._call("GET", f"/refunds/{names.gateway_reference}"), names.payment)

    # --- inside ---

    def _form(self, request: PaymentRequest) -> Report:
        fields = {"ref": request.reference, "key": self.credentials["api_key"], "amount": str(request.amount.minor)}
        return Report(
            about=Subject.PAYMENT,
            status=PaymentStatus.REQUIRES_ACTION,
            reference=request.reference,
            gateway_reference=None,
            next_action=FormPost(url="https://api.toy.example.test/pay", fields=fields),
        )

    def _payment(self, body: Mapping[str, Any], **more: Any) -> Report:
        return Report(
            about=Subject.PAYMENT,
            status=PaymentStatus(body["status"]),
            reference=body.get("ref"),
            gateway_reference=body.get("id"),
            captured_minor=body.get("captured"),
            occurred_at=self.clock(),
            raw=body,
            **more,
        )

    def _refund(self, body: Mapping[str, Any], payment: PaymentNames) -> Report:
        return Report(
            about=Subject.REFUND,
            status=RefundStatus(body["status"]),
            reference=body["ref"],
            gateway_reference=body["id"],
            payment=payment,
            raw=body,
        )

    def _token(self) -> None:
        if self.cache.get("token") is None:
            answer = self._send(HttpRequest(method="POST", url=self._url("/token"), is_auxiliary=True))
            if answer.status != 200:
                raise GatewayMisconfigured("the login is refused")

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        pair = f"{self.credentials.get('account', '')}:{self.credentials.get('api_key', '')}"
        headers = {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        text = json.dumps(body).encode() if body is not None else b""
        answer = self._send(HttpRequest(method=method, url=self._url(path), headers=headers, body=text))
        if answer.status == 400:
            raise RequestRejected("the toy refuses", code="amount_too_small", http_status=400)
        try:
            return strict_json.load_object(answer.body)
        except strict_json.InvalidJSON:
            raise OutcomeUnknown("the answer is not readable") from None

    def _send(self, request: HttpRequest) -> HttpResponse:
        try:
            return self.http.send(request)
        except NotSent:
            raise GatewayUnavailable("the toy was not reached") from None
        except NoAnswer:
            raise OutcomeUnknown("the toy did not answer") from None

    def _url(self, path: str) -> str:
        return f"{ABOUT.origins[self.mode][0]}{path}"


class HalfGateway(Gateway):
    """Abstract: it lacks everything."""

    slug: ClassVar[str] = "half"


class NamelessGateway(ToyGateway):
    slug: ClassVar[str] = "somebody_else"


def sign(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
