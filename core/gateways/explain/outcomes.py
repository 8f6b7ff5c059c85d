"""Running one operation against one given answer (or none), and what comes of it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast
from urllib.parse import urlencode

from core import clock
from core.gateways.encoding import plain, report_to_json
from core.gateways.errors import GatewayError, GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.explain.asked import Asked
from core.gateways.explain.guesses import variants
from core.gateways.explain.transport import (
    FullCache,
    Given,
    NoCache,
    Recorder,
    Scripted,
    Takes,
    is_at_path,
    is_exactly,
    is_main,
)
from core.gateways.port import (
    Cache,
    CanCapture,
    CanClose,
    CanFetchDisputes,
    CanListCurrencies,
    CanRefund,
    CanSaveMethods,
    CanSaveMethodsAlone,
    CanVoid,
    Gateway,
)
from core.gateways.redaction import redact
from core.gateways.types import (
    CredentialCheck,
    FormPost,
    Mode,
    NotFound,
    Operation,
    Report,
    WebhookReply,
)
from core.http import Http, HttpRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a line comes to. `error` is one of the five classes; `more` holds members beyond the promised ones."""

    verified: bool | None = None
    error: GatewayError | None = None
    reason: str | None = None
    event_key: str | None = None
    reply: WebhookReply | None = None
    reports: tuple[Report, ...] = ()
    request: Mapping[str, Any] | None = None
    not_found: NotFound | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "verified": self.verified,
            "error": None if self.error is None else type(self.error).__name__,
            "reason": self.reason if self.error is None else self.error.reason,
            "event_key": self.event_key,
            "reply": None if self.reply is None else {"status": self.reply.status, "body": self.reply.body},
            # `raw` as it would be stored: that bounds it, too.
            "reports": [report_to_json(_shown(report)) for report in self.reports],
        }
        if self.request is not None:
            found["request"] = dict(self.request)
        found.update(_error_facts(self.error))
        found.update({name: plain(value) for name, value in self.more.items() if value not in (None, "")})
        return found


def _shown(report: Report) -> Report:
    """`raw` as it would be stored, and a saved method without its tokens: they are secrets, also of the person who asks."""
    saved = report.saved
    if saved is not None:
        hidden = {name: "(secret)" for name in _TOKENS if getattr(saved, name)}
        saved = replace(saved, **hidden)  # type: ignore[arg-type]
    return replace(report, raw=redact(report.raw), saved=saved)


_TOKENS: Final = ("token", "customer_token", "extra_token")


def _error_facts(error: GatewayError | None) -> dict[str, Any]:
    if error is None:
        return {}
    facts = {
        "code": error.code,
        "gateway_code": error.gateway_code,
        "http_status": error.http_status,
        "request_id": error.request_id,
        "retry_after_seconds": error.retry_after_seconds,
    }
    return {name: value for name, value in facts.items() if value is not None}


Run = Callable[[Any, Asked], object]

# Operation -> (the ability it belongs to, how it is called). A gateway has the abilities it inherits.
_OPERATIONS: Final[Mapping[str, tuple[type, Run]]] = {
    "initiate": (Gateway, lambda gateway, asked: gateway.initiate(asked.payment_request())),
    "fetch_payment": (Gateway, lambda gateway, asked: gateway.fetch_payment(asked.payment_names())),
    "check_credentials": (Gateway, lambda gateway, asked: gateway.check_credentials()),
    "capture": (CanCapture, lambda gateway, asked: gateway.capture(asked.capture_request())),
    "void": (CanVoid, lambda gateway, asked: gateway.void(asked.void_request())),
    "close": (CanClose, lambda gateway, asked: gateway.close(asked.close_request())),
    "refund": (CanRefund, lambda gateway, asked: gateway.refund(asked.refund_request())),
    "fetch_refund": (CanRefund, lambda gateway, asked: gateway.fetch_refund(asked.refund_names())),
    "save_method": (CanSaveMethodsAlone, lambda gateway, asked: gateway.save_method(asked.save_request())),
    "fetch_method": (CanSaveMethodsAlone, lambda gateway, asked: gateway.fetch_method(asked.method_names())),
    "charge_saved": (CanSaveMethods, lambda gateway, asked: gateway.charge_saved(asked.charge_request())),
    "delete_saved": (CanSaveMethods, lambda gateway, asked: gateway.delete_saved(asked.delete_request())),
    "fetch_dispute": (CanFetchDisputes, lambda gateway, asked: gateway.fetch_dispute(asked.dispute_names())),
    "list_pay_currencies": (CanListCurrencies, lambda gateway, asked: gateway.list_pay_currencies()),
}


def explain_answer(
    cls: type[Gateway], mode: Mode, config: Mapping[str, Any], operation: str, asked: Asked, given: Given
) -> Outcome:
    """What `operation` makes of `given`. It goes to the request it names, else to the operation's own request.

    A request may only be made for another way of paying than the default, or for the payment that the answer is about;
    where the line does not say what was asked, each guess is tried, and the first that can use the answer is told.
    """
    run = _runner(cls, operation)
    unused: Outcome | None = None
    for takes, cache in _passes(given):
        silent: Outcome | None = None
        for variant in variants(operation, asked, cls.about, given):
            http = Scripted(given, takes)
            outcome = _run(cls, mode, config, http, cache, run, variant)
            if not http.was_used:
                unused = unused or outcome
            elif _tells(outcome):
                return _told(outcome, given)
            elif silent is None or (silent.error is not None and outcome.error is None):
                silent = outcome
        if silent is not None:
            return _told(silent, given)
    assert unused is not None  # there is always a pass and a variant
    return replace(unused, more={**unused.more, "note": "the gateway package made no request that this answers"})


def _told(outcome: Outcome, given: Given) -> Outcome:
    """Not found by an error is a refusal of the request, marked; by an empty list it is an answer without a report."""
    found = outcome.not_found
    status = given.response.status if given.response is not None else 0
    if found is None or not (found.is_refusal or status >= 400):
        return outcome
    return replace(outcome, error=RequestRejected(found.reason, code="not_found", http_status=status))


def _tells(outcome: Outcome) -> bool:
    """Whether more was learned than "not found" or "unreadable", which another guess may improve on."""
    if outcome.error is not None:
        return not isinstance(outcome.error, (OutcomeUnknown, GatewayUnavailable))
    return bool(outcome.reports or outcome.more)


def explain_build(cls: type[Gateway], mode: Mode, config: Mapping[str, Any], operation: str, asked: Asked) -> Outcome:
    """The first request that `operation` would send, the form it would have the browser post, or why there is none."""
    run = _runner(cls, operation)
    # Empty first: a gateway that needs a token asks for it and gets no further; then it is given one.
    caches: tuple[Cache, ...] = (NoCache(), FullCache())
    for cache in caches:
        http = Recorder()
        outcome = _run(cls, mode, config, http, cache, run, asked)
        if http.request is not None:
            return Outcome(request=_request_to_json(http.request))
        form = next((one.next_action for one in outcome.reports if isinstance(one.next_action, FormPost)), None)
        if form is not None:
            return Outcome(request=_form_to_json(form), reports=outcome.reports)
    return outcome


def _runner(cls: type[Gateway], operation: str) -> Run:
    if operation not in _OPERATIONS and operation not in tuple(Operation):
        raise RequestRejected(f"there is no operation {operation!r}; known are {', '.join(_OPERATIONS)}")
    if operation not in _OPERATIONS or not issubclass(cls, _OPERATIONS[operation][0]):
        raise RequestRejected(f"{cls.slug} cannot {operation}")
    return _OPERATIONS[operation][1]


def _passes(given: Given) -> Iterator[tuple[Takes, Cache]]:
    """Who takes the answer, strictest first: the named request, also a log-in; then the operation's own."""
    if given.url:
        for takes in (is_exactly(given), is_at_path(given)):
            yield takes, NoCache()
            yield takes, FullCache()
    yield is_main, NoCache()
    yield is_main, FullCache()


def _run(
    cls: type[Gateway], mode: Mode, config: Mapping[str, Any], http: Http, cache: Cache, run: Run, asked: Asked
) -> Outcome:
    try:
        gateway = cls(config, mode=mode, http=http, cache=cache, clock=clock.now)
        found = run(gateway, asked)
    except GatewayError as error:
        return Outcome(error=error)
    return _outcome_of(found)


def _outcome_of(found: object) -> Outcome:
    if isinstance(found, Report):
        return Outcome(reports=(found,))
    if isinstance(found, NotFound):
        return Outcome(reason=found.reason, not_found=found)
    if isinstance(found, CredentialCheck):
        check = {"ok": found.ok, "message": found.message, "mode": found.mode, "account": found.account}
        return Outcome(reason=found.message, more={"check": {**check, "details": dict(found.details)}})
    if found is None:  # an operation without an answer of its own: a saved method is gone
        return Outcome(more={"done": True})
    return Outcome(more={"pay_currencies": list(cast("tuple[str, ...]", found))})


def _request_to_json(request: HttpRequest) -> dict[str, Any]:
    found: dict[str, Any] = {"method": request.method, "url": request.url, "headers": dict(request.headers)}
    try:
        found["body"] = request.body.decode("utf-8")
    except UnicodeDecodeError:
        found["body"] = None
        found["body_base64"] = base64.b64encode(request.body).decode()
    return found


def _form_to_json(form: FormPost) -> dict[str, Any]:
    return {
        "method": "POST",
        "url": form.url,
        "headers": {"content-type": "application/x-www-form-urlencoded"},
        "body": urlencode(dict(form.fields)),
    }
