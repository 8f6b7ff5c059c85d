"""Customers with a real Chromium, a real server and the simulated gateways, whose signed webhooks come over HTTP."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from clients.simulator.testing import Simulator, running_simulator
from core.gateways.types import CustomerDetails, FormPost, Mode, PaymentStatus, Redirect, Report, Subject
from core.models import Lab
from core.money import Money
from payments.models import Payment
from payments.services import initiate, keys, links, orders
from scripts import browser as chromium
from tests.payments import builders

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
WAIT_MS = 15_000


@pytest.fixture(scope="module")
def browser(django_db_setup: None) -> Iterator[Any]:
    path = chromium.find()
    if path is None:
        pytest.skip("no Chromium here: python -m scripts.browser installs one")
    with pytest.MonkeyPatch.context() as patch, playwright.sync_playwright() as running:
        # Playwright's loop runs in this thread, and Django takes that for a view that would block it.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        # A root of a container has no user namespaces for Chromium's sandbox; what is loaded here is our own.
        opened = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def problems() -> list[str]:
    """What the browser complains about: blocked by policy, script errors, missing files."""
    return []


@pytest.fixture
def page(browser: Any, problems: list[str]) -> Iterator[Any]:
    context = browser.new_context(viewport=PHONE)
    context.set_default_timeout(WAIT_MS)
    opened = context.new_page()
    opened.on("console", lambda told: problems.append(told.text) if told.type == "error" else None)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    context.close()


@pytest.fixture
def simulator(browser: Any, live_server: Any, settings: Any) -> Iterator[Simulator]:
    settings.PUBLIC_URL = live_server.url
    with running_simulator(settings.SIMULATORS) as running:
        settings.SIMULATOR_URL = running.url
        yield running


@pytest.fixture
def shop(simulator: Simulator) -> Lab:
    """A lab with both gateways, known to the simulator."""
    lab = builders.make_lab("Tea House")
    for gateway in ("stripe", "nowpayments"):
        key = builders.make_gateway_key(lab, gateway)
        credentials = {name: text.format(mode="live") for name, text in builders.CREDENTIALS[gateway].items()}
        url = keys.key_row_of(key).webhook_url()
        simulator.register(gateway, mode="live", credentials=credentials, webhook_url=url)
    return lab


def order(lab: Lab, **changes: Any) -> tuple[Any, str]:
    """A payment that its gateway knows, and the address of its page."""
    values = {"money": Money(49900, "INR"), "gateway": "stripe", "return_url": "https://shop.example/thanks", **changes}
    prepared = initiate.record(lab_id=lab.pk, mode=Mode.LIVE, order=orders.Order(**values))
    state = initiate.send(prepared, held=None)
    return state, f"/pay/{orders.page_token(state)}"


def test_a_customer_pays_on_the_gateway_s_page_and_comes_back_to_paid(
    live_server: Any, shop: Lab, page: Any, problems: list[str]
) -> None:
    state, path = order(shop)
    page.goto(live_server.url + path)
    page.get_by_role("link", name="Continue to pay").click()
    page.get_by_text("Simulated Stripe").wait_for()
    page.get_by_role("button", name="Pay", exact=True).click()
    page.get_by_text("Tea House has received your payment.").wait_for()
    assert page.url == live_server.url + path
    back = page.get_by_role("link", name="Back to Tea House").get_attribute("href")
    assert back == f"https://shop.example/thanks?payment={state.public_id}&status=captured"
    assert Payment.across_labs.get().status == "captured"
    assert problems == []


def test_the_address_page_turns_to_paid_by_itself(
    live_server: Any, simulator: Simulator, shop: Lab, page: Any, problems: list[str]
) -> None:
    state, path = order(
        shop, money=Money(5000, "USD"), gateway="nowpayments", pay_currency="USDTTRC20", purpose="deposit",
        customer=CustomerDetails(id="c1", name="Mira"),
    )  # fmt: skip
    page.goto(live_server.url + path)
    assert page.locator("#v-address").inner_text() == state.next_action.address
    assert page.locator("#v-amount").inner_text() == state.next_action.amount_text
    assert page.locator("svg.qr").is_visible()
    assert re.fullmatch(r"\d\d:\d\d UTC \(\d+:\d\d left\)", page.locator("[data-countdown]").inner_text())
    assert page.get_by_role("button", name="Copy the address").is_visible()
    simulator.act("nowpayments", "pay", state.gateway_reference)
    page.get_by_text("Tea House has received your payment.").wait_for()
    assert page.locator("#announce").inner_text() == "Paid"
    assert page.title() == "Paid - Tea House"
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert problems == []


def test_a_link_with_an_open_amount_is_paid(live_server: Any, shop: Lab, page: Any, problems: list[str]) -> None:
    link = links.create_link(
        lab=shop, mode=Mode.LIVE, currency="EUR", minimum=500, maximum=100_000, actor="test", max_uses=1
    )
    page.goto(links.link_url(link))
    assert page.get_by_label("Coin and network").is_hidden()
    page.get_by_label("Amount in EUR").fill("4")
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("Write an amount from 5.00 to 1000.00 EUR").wait_for()
    problems.clear()  # Chromium notes the 400 of the refused form
    page.get_by_label("Amount in EUR").fill("12.50")
    page.get_by_role("button", name="Continue").dblclick()
    page.get_by_role("link", name="Continue to pay").click()
    page.get_by_role("button", name="Pay", exact=True).click()
    page.get_by_text("Tea House has received your payment.").wait_for()
    payment = Payment.across_labs.get()
    assert (int(payment.captured), payment.currency, payment.link_id) == (1250, "EUR", link.pk)
    assert problems == []
    page.goto(links.link_url(link))
    page.get_by_text("This link was used already").wait_for()


def test_crypto_of_a_link_asks_for_a_coin(live_server: Any, shop: Lab, page: Any, problems: list[str]) -> None:
    link = links.create_link(lab=shop, mode=Mode.LIVE, currency="USD", amount=5000, actor="test")
    page.goto(links.link_url(link))
    page.get_by_label("Crypto").check()
    page.get_by_label("Coin and network").select_option(label="USDT on Tron")
    page.get_by_role("button", name="Pay 50.00 USD").click()
    page.locator("#v-address").wait_for()
    assert Payment.across_labs.get().pay_currency == "USDTTRC20"
    assert problems == []


def test_without_scripts_everything_can_still_be_done(live_server: Any, shop: Lab, browser: Any) -> None:
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    link = links.create_link(lab=shop, mode=Mode.LIVE, currency="EUR", amount=1299, actor="test")
    page.goto(links.link_url(link))
    assert page.get_by_label("Coin and network").is_visible()
    page.get_by_role("button", name="Pay 12.99 EUR").click()
    page.get_by_role("link", name="Continue to pay").click()
    page.get_by_role("button", name="Pay", exact=True).click()
    page.get_by_text("Tea House has received your payment.").wait_for()
    context.close()


# --- what a gateway learns of where its customer came from -----------------------------------------------------------


class _Door(BaseHTTPRequestHandler):
    """A gateway's page that notes who comes."""

    def _note(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/start":
            self.server.seen.append((self.command, self.headers.get("Referer")))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<title>door</title>")

    do_GET = do_POST = _note  # noqa: N815 - the names of the standard library

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def door() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    server.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("kind", ["redirect", "form_post"])
def test_a_gateway_learns_our_origin_and_never_the_address_of_the_page(
    live_server: Any, shop: Lab, page: Any, door: Any, kind: str
) -> None:
    state, path = order(shop)
    url = f"http://127.0.0.1:{door.server_port}/start"
    action = Redirect(url=url) if kind == "redirect" else FormPost(url=url, fields={"amount": "499.00"})
    report = Report(
        about=Subject.PAYMENT, status=PaymentStatus.REQUIRES_ACTION, reference=None,
        gateway_reference=state.gateway_reference, next_action=action,
    )  # fmt: skip
    key = builders.PaymentGatewayKey.across_labs.get(pk=state.gateway_key_id)
    builders.tell(key, report, payment_id=state.id)
    page.goto(live_server.url + path)
    if kind == "redirect":
        page.get_by_role("link", name="Continue to pay").click()
    page.wait_for_url(url)
    assert door.seen == [("GET" if kind == "redirect" else "POST", f"{live_server.url}/")]
    if kind == "form_post":  # it went by itself; who comes back is not sent away again
        page.goto(live_server.url + path)
        page.get_by_role("button", name="Continue to pay").wait_for()
        assert len(door.seen) == 1
