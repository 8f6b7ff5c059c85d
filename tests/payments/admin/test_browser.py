"""The desk in a real browser: what an owner does on the first day, at a desk and on a phone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import Browser, Page, expect, sync_playwright

from clients.simulator.testing import Simulator, running_simulator
from core import labs
from core.gateways.types import Mode
from core.models import Lab
from payments.models import PaymentGatewayKey
from payments.services import initiate, keys
from scripts import browser as browsers
from tests.payments import builders
from tests.payments.admin.conftest import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SECRET, SIGNING = "sk_test_51BrowserSecret0042", "whsec_BrowserSigning0077"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = browsers.find()
    if path is None:
        pytest.skip("no Chromium here: python -m scripts.browser installs one")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, which Django takes for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        running = playwright.chromium.launch(executable_path=path, args=arguments)
        yield running
        running.close()


@pytest.fixture
def simulator(settings: Any) -> Iterator[Simulator]:
    with running_simulator(settings.SIMULATORS) as running:
        settings.SIMULATOR_URL = running.url
        yield running


@pytest.fixture
def shop_lab(transactional_db: None) -> Lab:
    lab = builders.make_lab("Shop")
    user = get_user_model()(username="mira", is_staff=True)
    user.set_password(PASSWORD)
    user.save()
    labs.add_member(lab=lab, user=user, role="owner", actor="test")
    return lab


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, chromium: Browser, live_server: Any, settings: Any) -> Iterator[Page]:
    """A tab on the platform. It fails the test when a script or the page's policy complains."""
    settings.PUBLIC_URL = live_server.url
    context = chromium.new_context(
        viewport=request.param, base_url=live_server.url, permissions=["clipboard-read", "clipboard-write"]
    )
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    context.close()
    assert complaints == []


def log_in(page: Page) -> None:
    page.goto("/admin/")
    page.get_by_label("Username").fill("mira")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")


def fits(page: Page) -> bool:
    """Whether nothing sticks out at the side."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_an_owner_adds_a_key_tests_it_and_finds_a_payment(shop_lab: Lab, simulator: Simulator, page: Page) -> None:
    simulator.register("stripe", mode="test", credentials={"secret_key": SECRET, "webhook_secret": SIGNING})
    log_in(page)

    page.get_by_role("link", name="Add a gateway key").click()
    page.get_by_label("Stripe").check()
    page.get_by_label("test").check()
    page.get_by_role("button", name="Go on").click()

    secret = page.get_by_label("Secret key or restricted key")
    secret.fill("sk_live_51BrowserSecret0042")
    page.get_by_label("Webhook signing secret").fill(SIGNING)
    page.get_by_role("button", name="Save").click()
    wrong = page.locator(".errors").filter(has=page.get_by_label("Secret key or restricted key"))
    expect(wrong).to_contain_text("This is a live value, but the account is a test account")
    assert (secret.input_value(), fits(page)) == ("", True)

    secret.fill(SECRET)
    page.get_by_label("Webhook signing secret").fill(SIGNING)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The key is saved.")).to_be_visible()
    key = PaymentGatewayKey.objects.for_lab(shop_lab).get()

    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("Stripe accepts the test key.").first).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == keys.key_row_of(key).webhook_url()
    assert fits(page)

    prepared = builders.make_payment(shop_lab, mode=Mode.TEST, reference="order-7")
    initiate.send(prepared, held=None)
    page.goto("/admin/payments/payment/?q=order-7")
    page.locator("#result_list").get_by_role("link", name=prepared.state.public_id).click()
    expect(page.locator(".pw-timeline")).to_contain_text("Gateway: initiate")
    expect(page.locator(".pw-timeline")).to_contain_text("new → pending")
    simulator.act("stripe", "pay", builders.read(prepared.state.id).gateway_reference or "")
    page.get_by_role("button", name="Ask the gateway now").click()
    expect(page.get_by_text("The gateway answered: the payment is captured.")).to_be_visible()
    assert fits(page)


def test_no_page_of_the_desk_sticks_out_or_complains(shop_lab: Lab, simulator: Simulator, page: Page) -> None:
    key = builders.make_gateway_key(shop_lab, "stripe", Mode.TEST)
    builders.make_payment(shop_lab, mode=Mode.TEST, reference="a-long-reference-of-the-shop-0123456789")
    log_in(page)
    lists = page.locator("#nav-sidebar a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    paths = [path for path in lists if path and path.startswith("/admin/")]
    assert len(paths) >= 12
    paths.append(f"/admin/payments/paymentgatewaykey/{key.public_id}/change/")
    sticking = []
    for path in dict.fromkeys(paths):
        answer = page.goto(path)
        assert answer is not None
        assert (path, answer.status) == (path, 200)
        if not fits(page):
            sticking.append(path)
    assert sticking == []
