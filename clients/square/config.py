"""One Square account: its values, checked when built, and the constants of the version we speak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from core.gateways.config_values import matching, text_of, texts_of
from core.gateways.credentials import is_placeholder
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import Mode

API: Final[Mapping[Mode, str]] = {
    Mode.TEST: "https://connect.squareupsandbox.com",
    Mode.LIVE: "https://connect.squareup.com",
}
PAGES: Final[Mapping[Mode, tuple[str, ...]]] = {
    Mode.TEST: ("https://sandbox.square.link", "https://checkout.square.site"),
    Mode.LIVE: ("https://square.link", "https://checkout.square.site"),
}

# Pins the shape of requests and answers; without it the application's own default applies, which somebody may change.
# Deliveries follow the version of their subscription instead, so that is set to the same date.
SQUARE_VERSION: Final = "2025-08-20"

MIN_SECRET_LENGTH: Final = 8

# An access token and an id are opaque, so nothing is asked of them but not to be something else that is told by its
# beginning: an application id or secret, an address, and (elsewhere) an access token.
_OTHERS: Final = r"(sandbox-)?sq0[a-z]{3}-|https?://"
_TOKEN_LIKE: Final = r"EAAA[A-Za-z0-9_-]{36}"
_IN_HEADER: Final = rf"(?!{_OTHERS})[!-~]{{8,1000}}"
_IN_PATH: Final = rf"(?!{_OTHERS}|{_TOKEN_LIKE})[A-Za-z0-9_-]{{1,64}}"

USUAL_ACCESS_TOKEN: Final = r"EAAA[A-Za-z0-9_-]{16,}"
USUAL_LOCATION_ID: Final = r"L[A-Z0-9]{7,31}"
USUAL_MERCHANT_ID: Final = r"M[A-Z0-9]{7,31}"

ACCESS_TOKEN: Final = dict.fromkeys(Mode, _IN_HEADER)
LOCATION_ID: Final = dict.fromkeys(Mode, _IN_PATH)
MERCHANT_ID: Final = dict.fromkeys(Mode, _IN_PATH)
SIGNATURE_KEY: Final = dict.fromkeys(Mode, rf"(?!{_OTHERS}|{_TOKEN_LIKE})[!-~]{{8,200}}")
# Unconfirmed: `sq0ids-` is seen in samples only, and taken for a sandbox one.
APPLICATION_ID: Final = {
    Mode.TEST: r"(sandbox-sq0idb|sq0ids)-[A-Za-z0-9_-]+",
    Mode.LIVE: r"sq0idp-[A-Za-z0-9_-]+",
}
# Unconfirmed: what a sandbox secret begins with; so a test account refuses only what is surely a live one.
APPLICATION_SECRET: Final = {
    Mode.TEST: r"(?!sq0csp-|(sandbox-)?sq0id|https?://)[!-~]+",
    Mode.LIVE: r"sq0csp-[A-Za-z0-9_-]+",
}
# Square registers https only. Plain http is for a platform on loopback, which the local simulator calls.
NOTIFICATION_URL: Final = dict.fromkeys(
    Mode, r"https://[^\s/]+(/\S*)?|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?(/\S*)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SquareConfig:
    """One account. `signature_keys` has the current one first; empty where it is not usable: then nothing verifies."""

    mode: Mode
    access_token: str | None = field(repr=False)
    location_id: str | None
    signature_keys: tuple[str, ...] = field(repr=False)
    notification_url: str | None = field(repr=False)  # our webhook address holds a token
    merchant_id: str | None

    @classmethod
    def of(cls, credentials: Mapping[str, Any], *, mode: Mode) -> Self:
        """Raises GatewayMisconfigured for a value of the wrong shape or mode; names the field, never its text."""
        mode = Mode(mode)
        # Not used by us, but a live one in a test account tells that the other values are live ones, too.
        matching(credentials, "application_id", APPLICATION_ID[mode], f"the id of a {mode} application")
        matching(credentials, "application_secret", APPLICATION_SECRET[mode], f"the secret of a {mode} application")
        return cls(
            mode=mode,
            access_token=matching(credentials, "access_token", ACCESS_TOKEN[mode], "an access token") or None,
            location_id=matching(credentials, "location_id", LOCATION_ID[mode], "a location id") or None,
            signature_keys=_signature_keys(credentials, mode),
            notification_url=matching(
                credentials, "notification_url", NOTIFICATION_URL[mode], "an https address (or a loopback one)"
            )
            or None,
            merchant_id=matching(credentials, "merchant_id", MERCHANT_ID[mode], "a merchant id") or None,
        )

    @property
    def origin(self) -> str:
        return API[self.mode]

    def token(self) -> str:
        """The access token. Raises GatewayMisconfigured where none is set."""
        if self.access_token is None:
            raise GatewayMisconfigured("no access token is set for this Square account")
        return self.access_token

    def location(self) -> str:
        """The location that takes the money. Raises GatewayMisconfigured where none is set."""
        if self.location_id is None:
            raise GatewayMisconfigured("no location id is set for this Square account")
        return self.location_id

    def signed_url(self) -> str:
        """The address as it stands in the subscription. Raises GatewayMisconfigured where none is set."""
        if self.notification_url is None:
            raise GatewayMisconfigured("no notification URL is set for this Square account: no webhook can be verified")
        return self.notification_url


def is_usable_key(value: object) -> bool:
    """Whether a signature key can prove anything: text, 8 characters or more, no filler."""
    return isinstance(value, str) and len(value) >= MIN_SECRET_LENGTH and not is_placeholder(value)


def _signature_keys(credentials: Mapping[str, Any], mode: Mode) -> tuple[str, ...]:
    name = "webhook_signature_key"
    earlier = texts_of(credentials, f"previous_{name}s")
    current = text_of(credentials, name)
    if not is_usable_key(current):
        return ()
    matching(credentials, name, SIGNATURE_KEY[mode], "a webhook signature key")
    return (current, *(one for one in earlier if is_usable_key(one)))
