"""Logins at the simulated NOWPayments: five-minute tokens, and the codes that release a payout."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import struct
import time
from collections.abc import Callable
from typing import Any, Final

from clients.nowpayments.simulator_requests import Call, Json, Refusal, members
from core.gateways.simulating import SimulatedAccount

TOKEN_SECONDS: Final = 300
MAILED_CODE: Final = "123456"  # what the "e-mail" of an account without a TOTP secret says


class Logins:
    def __init__(self, *, accounts: Callable[[], list[SimulatedAccount]], now: Callable[[], float]) -> None:
        self._accounts = accounts
        self._now = now
        self._tokens: dict[str, tuple[str, float]] = {}

    def login(self, call: Call) -> Json:
        given = members(call.body, {"email": "str", "password": "str"})
        for account in self._accounts():
            known = account.credentials
            mine = account.mode == ("test" if call.is_sandbox else "live")
            fits = (known.get("account_email"), known.get("account_password")) == (
                given.get("email"),
                given.get("password"),
            )
            if mine and fits and known.get("account_email"):
                return {"token": self._new_token(str(known["account_email"]))}
        # Unconfirmed: the page does not tell what a wrong password answers.
        raise Refusal(403, None, "Invalid email or password")

    def _new_token(self, email: str) -> str:
        expires = int(self._now()) + TOKEN_SECONDS
        parts = [{"alg": "HS256", "typ": "JWT"}, {"id": email, "iat": expires - TOKEN_SECONDS, "exp": expires}]
        head = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
        token = f"{head}.{_base64url(secrets.token_bytes(32))}"
        self._tokens[token] = (email, expires)
        return token

    def require(self, call: Call) -> None:
        scheme, _, token = call.request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._tokens:
            raise Refusal(401, "AUTH_REQUIRED", "Authorization header is empty (Bearer JWTtoken is required)")
        email, expires = self._tokens[token]
        if self._now() >= expires:
            raise Refusal(401, "AUTH_REQUIRED", "jwt expired")
        if email != call.account.credentials.get("account_email"):
            raise Refusal(403, None, "Access denied")


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def codes_of(secret: Any) -> set[str]:
    """The codes that verify now: TOTP of this half minute and its neighbors, or the one that was "mailed"."""
    if not secret:
        return {MAILED_CODE}
    text = str(secret).strip().replace(" ", "").upper()
    key = base64.b32decode(text + "=" * (-len(text) % 8))
    step = int(time.time()) // 30
    return {_totp(key, step + offset) for offset in (-1, 0, 1)}


def _totp(key: bytes, step: int) -> str:
    digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"
