"""The page of a payment link: who is paid, how much, by which way; its form makes the payment."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from core import addresses, clock, ids
from core.money import Money
from payments.models import OnlinePayment
from payments.pages import finding, looks, options, responses, words
from payments.pages.forms import LinkForm
from payments.services import link_payments, orders
from payments.services.errors import NoGateway, ReferenceInUse

GONE: Final = 410


@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
@responses.private
def link(request: HttpRequest, token: str) -> HttpResponse:
    """GET and POST /link/{token}"""
    _count(request, token)
    found = link_payments.find(token) if finding.is_token(token) else None
    if found is None:
        return responses.not_found(request)
    reason = link_payments.closed_because(found, now=clock.now())
    if request.method == "POST":  # also of a closed link: the form may be one that was already paid with
        return _pay(request, found)
    return _form_page(request, found) if reason is None else _closed(request, found, reason)


def _count(request: HttpRequest, token: str) -> None:
    """Trying stolen cards needs many payments: few are allowed by address, and not many by link."""
    if request.method == "POST":
        responses.limit(request, "link_post", token, per_page=60, per_address=20)
    else:
        responses.limit(request, "link", token, per_page=600, per_address=120)


def _pay(request: HttpRequest, found: OnlinePayment) -> HttpResponse:
    form = LinkForm(found, options.options_of(found))
    choice = form.read(request.POST, customer_ip=addresses.client_address(request))
    reason = link_payments.closed_because(found, now=clock.now())
    if choice is None:
        return _closed(request, found, reason) if reason else _form_page(request, found, form, status=400)
    try:
        state = link_payments.pay(link=found, choice=choice)
    except link_payments.LinkClosed as error:
        return _closed(request, found, error.reason)
    except ReferenceInUse:
        return _closed(request, found, link_payments.USED_UP)
    except NoGateway:
        form.errors["form"] = "This amount cannot be paid this way. Change the amount, or choose another way."
        return _form_page(request, found, form, status=400)
    response = HttpResponse(status=303)
    response["Location"] = f"{settings.PUBLIC_URL}/pay/{orders.page_token(state)}"
    return response


def _form_page(
    request: HttpRequest, found: OnlinePayment, form: LinkForm | None = None, *, status: int = 200
) -> HttpResponse:
    shop = finding.shop_of(found.lab)
    form = form or LinkForm(found, options.options_of(found))
    if not form.options:
        text = f"No way to pay is open at this moment. Try again later, or ask {shop.name}."
        return responses.message(request, "This cannot be paid right now", text, status=503, shop=shop)
    context: dict[str, Any] = {
        "link": found, "form": form, "nonce": ids.token(), "is_test": found.mode == "test", **_amounts(found),
        "expires": None if found.expires_at is None else looks.moment(found.expires_at, shop.timezone),
    }  # fmt: skip
    return responses.page(request, "link.html", context, shop=shop, status=status)


def _amounts(found: OnlinePayment) -> dict[str, Any]:
    if found.amount is not None:
        return {"amount": looks.amount(int(found.amount), found.currency)}
    low, high = Money(int(found.minimum or 1), found.currency), Money(int(found.maximum or 1), found.currency)
    return {"amount": None, "bounds": f"{low.decimal_text()} to {high}", "placeholder": low.decimal_text()}


def _closed(request: HttpRequest, found: OnlinePayment, reason: str) -> HttpResponse:
    shop = finding.shop_of(found.lab)
    title, text = words.CLOSED[reason]
    return responses.message(request, title, text.format(shop=shop.name), status=GONE, shop=shop)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """settings.CSRF_FAILURE_VIEW: a form from another site, too old, or from a browser without cookies."""
    return _refused(request)


@responses.private
def _refused(request: HttpRequest) -> HttpResponse:
    text = "Open the page again and send its form once more. Your browser must allow cookies for it."
    return responses.message(request, "This form cannot be used", text, status=403)
