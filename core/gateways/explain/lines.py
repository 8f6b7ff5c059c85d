"""`manage.py explain`: what the platform makes of something that a gateway said, or would send. One line in, one out.

For support, and for anyone who writes a gateway. It runs the real gateway package with a transport that only knows the
given answer, so it changes nothing and needs no network, server or database. Shapes in and out: docs of the command.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from core import clock, strict_json
from core.gateways.credentials import infer_mode
from core.gateways.errors import GatewayError, GatewayMisconfigured, OutcomeUnknown, RequestRejected, WebhookRejected
from core.gateways.explain.asked import Asked, BadLine
from core.gateways.explain.hiding import Hider
from core.gateways.explain.outcomes import Outcome, explain_answer, explain_build
from core.gateways.explain.transport import Given, NoCache, Silence
from core.gateways.port import CanReadReturn, Gateway
from core.gateways.replies import reply_before_reading, reply_to_error
from core.gateways.types import Mode, WebhookDelivery, WebhookReply
from core.http import HttpResponse

FindGateway = Callable[[str], type[Gateway]]

_QUESTIONS: Final = ("delivery", "return", "answer", "build")


@dataclass(frozen=True, slots=True)
class _Line:
    """One understood line."""

    cls: type[Gateway]
    mode: Mode
    config: Mapping[str, Any]
    now: datetime | None
    question: str
    value: Mapping[str, Any]
    asked: Mapping[str, Any]


def explain_line(line: bytes | str, *, find_gateway: FindGateway, show_secrets: bool = False) -> dict[str, Any]:
    """The explanation of one JSON line, as JSON values; never raises for what a line holds.

    `find_gateway` answers a class for a slug and raises LookupError with a message that may be shown.
    Members: verified, error, reason, event_key, reply, reports; for "build" also request; further ones where they help.
    """
    try:
        understood = _understand(line, find_gateway)
    except (BadLine, strict_json.InvalidJSON) as error:
        return _not_understood(error).to_json()
    except LookupError as error:
        return Outcome(error=RequestRejected(str(error.args[0]))).to_json()
    hider = Hider(understood.cls.about, understood.config)
    with _time(understood.now):
        found = _guarded(understood)
    return hider.clean(found, keep_request=show_secrets)


def _guarded(line: _Line) -> dict[str, Any]:
    """A package that breaks its own contract is explained too, as the platform would take it: nothing is known."""
    try:
        return _ANSWER[line.question](line).to_json()
    except BadLine as error:
        return _not_understood(error).to_json()
    except GatewayError as error:
        return Outcome(error=error).to_json()
    except Exception as error:
        return Outcome(error=_bug(error)).to_json()


def _not_understood(error: Exception) -> Outcome:
    return Outcome(error=RequestRejected(f"the line is not understood: {error}"))


def _bug(error: Exception) -> OutcomeUnknown:
    # The text of a stranger's exception may hold anything, so only its class is told.
    return OutcomeUnknown(f"the gateway package raised {type(error).__name__}, which is a bug in it")


# --- the four questions -------------------------------------------------------------------------------------------


def _delivery(line: _Line) -> Outcome:
    delivery = _read_delivery(line.value, "POST")
    early = reply_before_reading(
        line.cls.about, method=delivery.method, headers=delivery.headers, body_bytes=len(delivery.body)
    )
    if early is not None:
        return Outcome(error=WebhookRejected(_early_reason(early)), verified=False, reply=early)
    try:
        reading = _open(line).read_webhook(delivery)
    except (WebhookRejected, GatewayMisconfigured) as error:
        return Outcome(error=error, verified=False, reply=reply_to_error(error))
    except Exception as error:  # the gateway hears 500, so that it sends again
        return Outcome(error=_bug(error), reply=reply_to_error(error))
    return Outcome(
        verified=True,
        event_key=reading.event_key,
        reply=reading.reply,
        reports=reading.reports,
        more={"event_type": reading.event_type, "note": reading.note, "attention": reading.attention},
    )


def _early_reason(reply: WebhookReply) -> str:
    return f"refused before the signature is looked at: {reply.body}"


def _return(line: _Line) -> Outcome:
    gateway = _open(line)
    delivery = _read_delivery(line.value, "POST" if line.value.get("body") else "GET")
    if not isinstance(gateway, CanReadReturn):
        return Outcome(more={"note": "returns of this gateway say nothing: the payment is fetched"})
    try:
        asked = _asked(line)
        is_named = asked.has("reference") or asked.has("gateway_reference")
        names = asked.payment_names() if is_named else None
        reading = gateway.read_return(delivery, names=names)
    except WebhookRejected as error:
        return Outcome(error=error, verified=False)
    return Outcome(verified=reading.verified, reports=reading.reports)


def _answer(line: _Line) -> Outcome:
    given = _read_answer(line.value)
    return explain_answer(line.cls, line.mode, line.config, _operation(line), _asked(line), given)


def _build(line: _Line) -> Outcome:
    return explain_build(line.cls, line.mode, line.config, _operation(line), _asked(line))


_ANSWER: Final[Mapping[str, Callable[[_Line], Outcome]]] = {
    "delivery": _delivery,
    "return": _return,
    "answer": _answer,
    "build": _build,
}


def _open(line: _Line) -> Gateway:
    return line.cls(line.config, mode=line.mode, http=Silence(), cache=NoCache(), clock=clock.now)


@contextmanager
def _time(moment: datetime | None) -> Iterator[None]:
    if moment is None:
        yield
        return
    with clock.fixed(moment):
        yield


# --- reading a line -----------------------------------------------------------------------------------------------


def _understand(line: bytes | str, find_gateway: FindGateway) -> _Line:
    value = strict_json.load_object(line)
    slug = value.get("gateway")
    if not isinstance(slug, str):
        raise BadLine('it needs a "gateway"')
    questions = [name for name in _QUESTIONS if value.get(name) is not None]
    if len(questions) != 1:
        raise BadLine("it has no delivery, return, answer or build" if not questions else "it asks more than one thing")
    cls = find_gateway(slug)
    config = _object(value, "config")
    question = _object(value, questions[0])
    asked = {**_object(value, "asked"), **_object(question, "asked")}
    return _Line(cls, _mode(value, cls, config), config, _now(value), questions[0], question, asked)


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadLine(f'"{name}" is an object')
    return found


def _mode(value: Mapping[str, Any], cls: type[Gateway], config: Mapping[str, Any]) -> Mode:
    given = value.get("mode")
    if given is None:
        return infer_mode(cls.about, config) or Mode.LIVE
    if given not in tuple(Mode):
        raise BadLine('"mode" is "live" or "test"')
    return Mode(given)


def _now(value: Mapping[str, Any]) -> datetime | None:
    given = value.get("now")
    if given is None:
        return None
    if type(given) is not int and not isinstance(given, Decimal):
        raise BadLine('"now" is a number of unix seconds')
    try:
        return datetime.fromtimestamp(float(given), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadLine('"now" is a number of unix seconds') from None


def _operation(line: _Line) -> str:
    operation = line.value.get("operation")
    if not isinstance(operation, str):
        raise BadLine(f'"{line.question}" needs an "operation"')
    return operation


def _asked(line: _Line) -> Asked:
    # A "build" may say what is asked beside its operation, without a member of its own.
    beside = {**line.value} if line.question == "build" else {}
    return Asked({**beside, **line.asked}, line.cls.about)


def _read_delivery(value: Mapping[str, Any], default_method: str) -> WebhookDelivery:
    return WebhookDelivery(
        method=_text(value, "method", default_method).upper(),
        url=_text(value, "url", ""),
        headers=_headers(value),
        body=_body(value),
    )


def _read_answer(value: Mapping[str, Any]) -> Given:
    to = _object(value, "to")
    status = value.get("status")
    lost = status is None and "status" in value  # an answer that never came
    if not lost and (type(status) is not int or not 100 <= status <= 599):
        raise BadLine('an answer needs a "status" from 100 to 599, or null for one that never came')
    response = None if lost else HttpResponse(status=int(status or 0), headers=_headers(value), body=_body(value))
    return Given(method=_text(to, "method", "").upper(), url=_text(to, "url", ""), response=response)


def _text(value: Mapping[str, Any], name: str, default: str) -> str:
    found = value.get(name)
    if found is None:
        return default
    if not isinstance(found, str):
        raise BadLine(f'"{name}" is text')
    return found


def _headers(value: Mapping[str, Any]) -> dict[str, str]:
    """Names lower-cased; one that appears twice in different case is joined, as a server joins repeated headers."""
    found: dict[str, str] = {}
    for name, given in _object(value, "headers").items():
        text = ", ".join(map(str, given)) if isinstance(given, list) else str(given)
        key = name.lower()
        found[key] = f"{found[key]},{text}" if key in found else text
    return found


def _body(value: Mapping[str, Any]) -> bytes:
    """The bytes of `body`, exactly; bytes that were no UTF-8 come as `body_base64` or as Python's surrogate escapes."""
    encoded = value.get("body_base64")
    if isinstance(encoded, str):
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise BadLine('"body_base64" is not base64') from None
    text = _text(value, "body", "")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
