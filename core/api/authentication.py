"""Who is asking: a lab's API key as bearer token, found by its keyed hash in one statement together with its lab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.db import connection
from rest_framework.authentication import BaseAuthentication

from core import rate_limit, strict_json
from core.errors import DomainError
from core.gateways.types import Mode
from core.hashing import keyed_hash
from core.labs import API_KEY_PURPOSE, is_api_key_text


class NotAuthenticated(DomainError):
    """401. One answer for a missing, malformed, unknown, revoked or expired key and for a lab that is switched off."""

    code: ClassVar[str] = "not_authenticated"
    status: ClassVar[int] = 401
    default_detail: ClassVar[str] = "Send a valid API key of your lab as `Authorization: Bearer pw_...`."


@dataclass(frozen=True, slots=True)
class ApiKeyContext:
    """What a request may do: lab and mode come from the key, never from the request (INVARIANTS §8)."""

    key_id: int
    lab_id: int
    mode: Mode
    scopes: frozenset[str]
    lab_name: str
    return_origins: tuple[str, ...]

    @property
    def is_authenticated(self) -> bool:
        """Lets it stand as `request.user`, too: nobody logs in here."""
        return True

    @property
    def is_active(self) -> bool:
        return True


_FIND: Final = """
    SELECT key.id, key.lab_id, key.mode, key.scopes, lab.name, lab.return_origins::text
    FROM core_apikey AS key JOIN core_lab AS lab ON lab.id = key.lab_id
    WHERE key.key_hash = %s AND lab.is_active AND key.revoked_at IS NULL
      AND (key.expires_at IS NULL OR key.expires_at > clock_timestamp())"""


def find_api_key(text: str) -> ApiKeyContext | None:
    """The key with this text, if it may be used now. One statement; none for a text that cannot be a key."""
    if not is_api_key_text(text):
        return None
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [keyed_hash(API_KEY_PURPOSE, text)])
        row = cursor.fetchone()
    return None if row is None else _context(row)


def _context(row: tuple[Any, ...]) -> ApiKeyContext:
    key_id, lab_id, mode, scopes, name, origins = row
    return ApiKeyContext(key_id, lab_id, Mode(mode), frozenset(scopes), name, _origins(origins))


def _origins(text: str) -> tuple[str, ...]:
    found = strict_json.loads(text)
    return tuple(origin for origin in found if isinstance(origin, str)) if isinstance(found, list) else ()


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer pw_live_...`; `request.auth` is the ApiKeyContext. Raises NotAuthenticated."""

    def authenticate(self, request: Any) -> tuple[ApiKeyContext, ApiKeyContext]:
        """Always authenticates or raises: a view for everybody names no authentication class."""
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        found = find_api_key(text.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise NotAuthenticated
        rate_limit.check_api(key_id=found.key_id, lab_id=found.lab_id)
        return found, found

    def authenticate_header(self, request: Any) -> str:
        return "Bearer"
