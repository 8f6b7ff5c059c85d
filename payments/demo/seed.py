"""A lab to play with: owner, gateway accounts, API keys, payment link. A second run finds what the first one made."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db import transaction

from core import labs
from core.api.authentication import find_api_key
from core.gateways import registry
from core.gateways.types import Mode
from core.models import ApiKey, Lab, Membership, Role, Scope
from payments.demo import made_up
from payments.models import OnlinePayment, Payment, PaymentGatewayKey, Refund
from payments.services import keys, links

LAB_NAME: Final = "Demo lab"
LAB_SLUG: Final = "demo-lab"
SHOP: Final = "https://shop.example"
LABEL: Final = "Demo"
ACTOR: Final = "command demo"
LINK_DESCRIPTION: Final = "Payment link of the demo"
LINK_BOUNDS: Final = (10_00, 1_000_00)  # minor units of a currency with two decimals
LINK_CURRENCY: Final = "USD"


class AccountRefused(Exception):
    """A simulator does not accept the credentials that were made up for it. One sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """The lab and the secrets that a person or program needs to use it."""

    lab: Lab
    owner: Owner
    live_key: str = field(repr=False)
    test_key: str = field(repr=False)
    webhook_urls: Mapping[str, str]  # of the live accounts
    pay_link: str


def seed(*, notes: Mapping[str, Any], origin: str, simulated: frozenset[str], register: Callable[..., None]) -> Seeded:
    """Make what is missing. `notes` is the last demo.json, `origin` where this platform is now, `simulated` the gateways
    that have a simulator; `register(gateway, mode=, credentials=, webhook_url=)` tells it one account."""
    owner, user = _owner(dict(notes.get("admin") or {}))
    lab = _lab(user, origin)
    _forget_the_last_world(lab)
    webhook_urls = {}
    for gateway in registry.slugs():
        if gateway in simulated:
            for mode in Mode:
                webhook_url = _account(lab, gateway, mode, register)
                if mode is Mode.LIVE:
                    webhook_urls[gateway] = webhook_url
    return Seeded(
        lab=lab,
        owner=owner,
        live_key=_api_key(lab, Mode.LIVE, str(notes.get("api_key") or "")),
        test_key=_api_key(lab, Mode.TEST, str(notes.get("test_api_key") or "")),
        webhook_urls=webhook_urls,
        pay_link=_pay_link(lab),
    )


def _owner(known: Mapping[str, Any]) -> tuple[Owner, Any]:
    """The lab's owner with a password that is known: that of the last run while it still opens, else a new one."""
    membership = Membership.across_labs.filter(lab__slug=LAB_SLUG, role=Role.OWNER).select_related("user").first()
    user = membership.user if membership is not None else None
    password = str(known.get("password") or "")
    if user is not None and user.get_username() == known.get("username") and user.check_password(password):
        return Owner(username=user.get_username(), password=password), user
    password = secrets.token_urlsafe(15)
    if user is None:
        user = get_user_model()(username=f"owner_{secrets.token_hex(2)}", is_staff=True)
    user.set_password(password)
    user.save()
    return Owner(username=user.get_username(), password=password), user


def _lab(owner: Any, origin: str) -> Lab:
    """Customers may be sent back to a shop that does not exist, and to wherever this platform is (its port may change)."""
    lab = Lab.objects.filter(slug=LAB_SLUG).first()
    if lab is None:
        return labs.create_lab(name=LAB_NAME, slug=LAB_SLUG, actor=ACTOR, return_origins=[SHOP, origin], owner=owner)
    labs.add_member(lab=lab, user=owner, role=Role.OWNER, actor=ACTOR)
    if origin not in lab.return_origins:
        lab.return_origins = [*lab.return_origins, labs.checked_origin(origin)]
        lab.save(update_fields=["return_origins"])
    return lab


def _forget_the_last_world(lab: Lab) -> None:
    """The simulator keeps nothing: asked about payments of the run before it would only say that it never heard of
    them, and each would want a person's attention. Who reads one by the API still asks."""
    Payment.objects.for_lab(lab).filter(next_check_at__isnull=False).update(next_check_at=None)
    Refund.objects.for_lab(lab).filter(next_check_at__isnull=False).update(next_check_at=None)


def _account(lab: Lab, gateway: str, mode: Mode, register: Callable[..., None]) -> str:
    """One account, known to the platform and to the simulator, tried by "test connection". Answers its webhook URL."""
    values = made_up.credentials(gateway, mode)
    key = PaymentGatewayKey.objects.for_lab(lab).filter(gateway=gateway, mode=mode.value, label=LABEL).first()
    if key is None:
        key = keys.create_gateway_key(lab=lab, gateway=gateway, mode=mode, values=values, actor=ACTOR, label=LABEL)
    elif not keys.holds(key, values) or not key.is_active:
        key = keys.update_gateway_key(key=key, values=values, actor=ACTOR, is_active=True)
    key = keys.renew_address(key=key, actor=ACTOR)  # another run may have another port
    webhook_url = keys.key_row_of(key).webhook_url()
    register(gateway, mode=mode.value, credentials=values, webhook_url=webhook_url)
    found = keys.check_gateway_key(key=key)
    if not found.ok:
        raise AccountRefused(f"{gateway} ({mode}) refused the credentials made up for it: {found.message}")
    return webhook_url


def _api_key(lab: Lab, mode: Mode, known: str) -> str:
    """The key of the last run where it still works, else a new one in the place of those nobody knows any more."""
    context = find_api_key(known)
    if context is not None and (context.lab_id, context.mode) == (lab.pk, mode):
        return known
    with transaction.atomic():
        lost = ApiKey.objects.for_lab(lab).filter(mode=mode.value, name=LABEL, revoked_at=None)
        for key in lost:
            labs.revoke_api_key(lab=lab, key_id=key.pk, actor=ACTOR)
        return labs.create_api_key(lab=lab, mode=mode, name=LABEL, scopes=Scope.values, actor=ACTOR).text


def _pay_link(lab: Lab) -> str:
    found = OnlinePayment.objects.for_lab(lab).filter(
        mode=Mode.LIVE.value, is_active=True, description=LINK_DESCRIPTION
    )
    link = found.first() or links.create_link(
        lab=lab, mode=Mode.LIVE, currency=LINK_CURRENCY, minimum=LINK_BOUNDS[0], maximum=LINK_BOUNDS[1],
        description=LINK_DESCRIPTION, actor=ACTOR,
    )  # fmt: skip
    return links.link_url(link)
