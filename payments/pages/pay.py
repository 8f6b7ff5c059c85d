"""The pay page: what a payment costs, what to do next, how it stands, and the way back to the lab."""

from __future__ import annotations

from contextlib import suppress
from importlib import resources
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from core import clock
from core.encryption import CannotOpen
from core.gateways import registry
from core.gateways.errors import GatewayError
from core.gateways.port import CanReadReturn
from core.gateways.types import ClientToken, FormPost, Redirect, ShowAddress, WebhookDelivery
from finance.models import Currency
from payments import loading
from payments.models import OnlinePayment
from payments.pages import asking, finding, looks, responses
from payments.pages.finding import Found
from payments.pages.picture import Kind, Picture, View, picture
from payments.services import link_payments, links
from payments.services.keys import open_key
from payments.states import OPEN
from payments.work import PaymentState

EMBEDDED_SCRIPT: Final = "page.js"  # in a gateway's package: how its own browser script is put into a page
_MAY_START_AGAIN: Final = frozenset({Kind.FAILED, Kind.EXPIRED, Kind.CANCELLED, Kind.TIME_OVER})


@require_safe
@responses.private
def pay(request: HttpRequest, token: str) -> HttpResponse:
    """GET /pay/{token}; with `?part` only what changes while somebody looks."""
    responses.limit(request, "pay", token, per_page=120, per_address=300)
    found = finding.by_token(token)
    if found is None:
        return responses.not_found(request)
    shown = _picture(found)
    context = {"shown": shown, "token": token, "state": found.state, **_extras(found, shown)}
    template = "live.html" if "part" in request.GET else "pay.html"
    response = responses.page(request, template, context, shop=found.shop)
    if isinstance(shown.action, Redirect | FormPost):
        response["Referrer-Policy"] = responses.HANDS_OVER
    if isinstance(shown.action, ClientToken) and context["script_url"]:
        responses.allow_script(request, response, shown.action, _origins(found.state))
    return response


@require_GET
@responses.private
def status(request: HttpRequest, token: str) -> HttpResponse:
    """GET /pay/{token}/status.json: how it stands now. `version` changes with anything that the page shows."""
    responses.limit(request, "pay_status", token, per_page=240, per_address=1200)
    found = finding.by_token(token)
    if found is None:
        return JsonResponse({"status": None}, status=404)
    found = Found(state=asking.ask(found.state, now=clock.now()), shop=found.shop)
    shown = _picture(found)
    return JsonResponse({
        "status": found.state.status.value, "kind": shown.kind.value, "is_end": shown.is_end, "title": shown.title,
        "version": shown.version,
    })  # fmt: skip


@require_safe
@responses.private
def go(request: HttpRequest, token: str) -> HttpResponse:
    """GET /pay/{token}/go: hand the customer to the gateway's page, with our origin as referrer."""
    responses.limit(request, "pay", token, per_page=120, per_address=300)
    found = finding.by_token(token)
    if found is None:
        return responses.not_found(request)
    action = _picture(found).action
    if not isinstance(action, Redirect) or not responses.origin_of(action.url):
        return _see(_page_of(token))
    response = _see(action.url)
    response["Referrer-Policy"] = responses.HANDS_OVER
    return response


@csrf_exempt  # gateways post here from their own pages; nothing but a fetch comes of it
@require_http_methods(["GET", "HEAD", "POST"])
@responses.private
def come_back(request: HttpRequest, token: str) -> HttpResponse:
    """/pay/{token}/return: the browser comes from the gateway. Whatever it brings is only a reason to ask."""
    responses.limit(request, "pay_return", token, per_page=60, per_address=300)
    found = finding.by_token(token)
    if found is None:
        return responses.not_found(request)
    if found.state.status in OPEN and _is_plausible(request, found.state):
        asking.ask(found.state, now=clock.now(), is_return=True)
    return _see(_page_of(token))


@csrf_exempt  # whoever knows the address may press the button on it
@require_POST
@responses.private
def retry(request: HttpRequest, token: str) -> HttpResponse:
    """POST /pay/{token}/retry: send a link's order again that did not reach its gateway."""
    responses.limit(request, "pay_retry", token, per_page=6, per_address=20)
    found = finding.by_token(token)
    if found is None:
        return responses.not_found(request)
    if found.state.link_id is not None and _picture(found).kind is Kind.NOT_STARTED:
        link_payments.resume(found.state.id)
    return _see(_page_of(token))


@require_safe
def embedded_script(request: HttpRequest, gateway: str) -> HttpResponse:
    """GET /pay/embedded/{gateway}.js: how a gateway's package mounts its form. Ours, so that no page holds such code."""
    body = _script_of(gateway)
    if body is None:
        return responses.private(responses.not_found)(request)
    response = HttpResponse(body, content_type="text/javascript; charset=utf-8")
    response["Cache-Control"] = "public, max-age=300"
    return response


# Parts --------------------------------------------------------------------------------------------------------------


def _see(url: str) -> HttpResponse:
    # By hand: HttpResponseRedirect would refuse nothing here, and answers 302, on which some browsers post again.
    response = HttpResponse(status=303)
    response["Location"] = url
    return response


def _page_of(token: str) -> str:
    return f"{settings.PUBLIC_URL}/pay/{token}"


def _picture(found: Found) -> Picture:
    view = View(shop=found.shop.name, zone=found.shop.timezone, provider=_provider(found.state), now=clock.now())
    return picture(found.state, view)


def _provider(state: PaymentState) -> str:
    try:
        return registry.gateway_class(state.gateway).about.label
    except registry.UnknownGateway:
        return "The payment provider"


def _origins(state: PaymentState) -> tuple[str, ...]:
    try:
        return registry.gateway_class(state.gateway).about.origins.get(state.mode, ())
    except registry.UnknownGateway:
        return ()


def _is_plausible(request: HttpRequest, state: PaymentState) -> bool:
    """False where a gateway that signs returns did not sign this one: then not even a fetch comes of it."""
    loaded = loading.by_id(state.id)
    if loaded is None:
        return False
    try:
        gateway = open_key(loaded.key)
        if isinstance(gateway, CanReadReturn):
            gateway.read_return(_delivery(request), names=loaded.state.names())
    except (GatewayError, RequestDataTooBig):
        return False
    return True


def _delivery(request: HttpRequest) -> WebhookDelivery:
    return WebhookDelivery(
        method=request.method or "GET",
        url=f"{settings.PUBLIC_URL}{request.get_full_path()}",
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.body,
    )


def _extras(found: Found, shown: Picture) -> dict[str, Any]:
    """What some kinds of pages need beside the picture."""
    action, state = shown.action, found.state
    extras: dict[str, Any] = {
        "is_test": state.mode == "test",
        "may_retry": shown.kind is Kind.NOT_STARTED and state.link_id is not None,
        "back_url": _back_url(state, shown),
        "again_url": _link_url(state) if shown.kind in _MAY_START_AGAIN else None,
        "script_url": None,
    }
    if isinstance(action, FormPost):
        extras["form_url"] = action.url if responses.origin_of(action.url) else None
    if isinstance(action, ShowAddress):
        extras.update(coin=_coin(action), qr=looks.qr_svg(action.uri or action.address))
    if isinstance(action, ClientToken):
        extras.update(_embedded(action, state))
    return extras


def _coin(action: ShowAddress) -> dict[str, str]:
    """The coin by the names that wallets use; by its code where we do not know it."""
    known = Currency.objects.filter(provider="", code=action.asset).first()
    if known is None:
        return {"symbol": action.asset, "name": action.asset, "network": action.network or action.asset}
    symbol = known.token or known.code
    return {"symbol": symbol, "name": known.name, "network": action.network or known.network or known.name}


def _embedded(action: ClientToken, state: PaymentState) -> dict[str, Any]:
    """What the embedded form needs; `script_url` None where it cannot be shown here."""
    can = (
        action.public_key
        and responses.origin_of(action.script_url or "") in _origins(state)
        and _script_of(state.gateway) is not None
    )
    return {
        "script_url": action.script_url if can else None,
        "embedded": {"token": action.token, "publicKey": action.public_key, "parameters": dict(action.parameters)},
    }


def _script_of(gateway: str) -> bytes | None:
    try:
        package = registry.gateway_class(gateway).__module__.rpartition(".")[0]
    except registry.UnknownGateway:
        return None
    script = resources.files(package) / EMBEDDED_SCRIPT
    return script.read_bytes() if script.is_file() else None


def _back_url(state: PaymentState, shown: Picture) -> str | None:
    """The lab's own page, told which payment ended how. What it is told is a hint: the API knows."""
    if not state.return_url or not (shown.is_end or shown.kind is Kind.TIME_OVER):
        return None
    parts = urlsplit(state.return_url)
    told = [*parse_qsl(parts.query, keep_blank_values=True), ("payment", state.public_id), ("status", state.status)]
    return urlunsplit(parts._replace(query=urlencode(told)))


def _link_url(state: PaymentState) -> str | None:
    """Where a link's customer may start again, if its link still takes somebody."""
    if state.link_id is None:
        return None
    link = OnlinePayment.objects.for_lab(state.lab_id).filter(pk=state.link_id).first()
    if link is None or link_payments.closed_because(link, now=clock.now()):
        return None
    with suppress(CannotOpen):
        return links.link_url(link)
    return None
