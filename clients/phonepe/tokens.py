"""The access token of one account, kept in the advisory cache that the port hands in.

Two places: "fresh" holds a token until it is due to be renewed, "spare" until it expires. When a renewal fails, the
spare one is still good. How long a token lives is taken from its own two times (epoch seconds of PhonePe's clock), so
that our clock and theirs are never compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clients.phonepe.config import PhonePeConfig
from clients.phonepe.values import read_minor
from core.gateways.port import Cache

EARLY_SECONDS: Final = 300
MAX_SECONDS: Final = 7 * 86_400
RENEWING_SECONDS: Final = 10  # one renews, the others go on with the spare one meanwhile
SCHEME: Final = "O-Bearer"  # never the bare "Bearer"
_MAX_LENGTH: Final = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """`header` is the value of the Authorization header."""

    header: str = field(repr=False)
    life_seconds: int = 0

    @property
    def fresh_seconds(self) -> int:
        """Until the renewal: half its life, and five minutes before its end at the latest."""
        return min(self.life_seconds - EARLY_SECONDS, self.life_seconds // 2)


def read_token(body: Mapping[str, Any]) -> Token | None:
    """The token of the answer; None where it holds none. `expires_in` and `refresh_token` are of no use.

    Source: gateway page section 2. One whose times make no sense is used once and not kept.
    """
    value, scheme = body.get("access_token"), body.get("token_type")
    if not _is_header_word(value):
        return None
    issued, expires = read_minor(body.get("issued_at")), read_minor(body.get("expires_at"))
    life = expires - issued if issued and expires else 0
    word = scheme if isinstance(scheme, str) and _is_header_word(scheme) else SCHEME
    return Token(header=f"{word} {value}", life_seconds=max(0, min(life, MAX_SECONDS)))


def _is_header_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_LENGTH and all("!" <= char <= "~" for char in value)


class TokenStore:
    """Names differ by environment, client, version and secret: a changed secret never meets the old one's token."""

    def __init__(self, config: PhonePeConfig, cache: Cache) -> None:
        parts = (config.mode.value, config.client_id, config.client_version, config.client_secret)
        name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
        self._fresh, self._spare, self._renewing = f"token:{name}", f"spare-token:{name}", f"renewing-token:{name}"
        self._cache = cache

    def fresh(self) -> str | None:
        return _header(self._cache.get(self._fresh))

    def spare(self) -> str | None:
        return _header(self._cache.get(self._spare))

    def spare_while_renewed(self) -> str | None:
        """The spare one, while somebody else is at the renewal (or has just failed at it); else the renewal is ours.

        The port's cache has no lock, so two may still ask at the same instant: a token too many, and harmless.
        """
        spare = self.spare()
        if spare is None or self._cache.get(self._renewing) is not None:
            return spare
        self._cache.set(self._renewing, "1", seconds=RENEWING_SECONDS)
        return None

    def keep(self, token: Token) -> None:
        if token.fresh_seconds > 0:
            self._cache.set(self._fresh, token.header, seconds=token.fresh_seconds)
        else:
            self._cache.delete(self._fresh)
        if token.life_seconds > 0:
            self._cache.set(self._spare, token.header, seconds=token.life_seconds)

    def drop(self, header: str) -> None:
        """Forget a token that was refused; not the newer one that another process may have put in its place."""
        for name in (self._fresh, self._spare):
            if _header(self._cache.get(name)) == header:
                self._cache.delete(name)


def _header(kept: str | None) -> str | None:
    """A kept value; one without a scheme gets the usual one."""
    return kept if not kept or " " in kept else f"{SCHEME} {kept}"
