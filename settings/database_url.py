"""DATABASE_URL as Django's DATABASES entry. Twenty lines of our own save a library and know pooling."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

CONNECT_SECONDS: Final = 3  # an API call must be told soon that the database is gone
POOL_WAIT_SECONDS: Final = 5

_SHAPE: Final = "DATABASE_URL must look like postgresql://user:password@host:5432/name (percent-encode the parts)."


def read_database_url(url: str | None, *, pool_size: int = 0) -> dict[str, Any]:
    """`postgresql://user:password@host:port/name?option=value`; a host that begins with %2F is a socket's folder.

    Options of the query go to libpq as they are (sslmode, application_name, ...). `pool_size` > 0 gives each process a
    pool of at most so many connections. Without a URL: an engine that raises at the first statement.
    Raises ImproperlyConfigured, never with the URL in it, for it holds a password.
    """
    if not url:
        return {"ENGINE": "settings.no_database", "NAME": "none"}
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured(_SHAPE) from None
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme not in ("postgres", "postgresql") or not name or "/" in name:
        raise ImproperlyConfigured(_SHAPE)
    host = parts.netloc.rpartition("@")[2]  # `hostname` would lower-case the folder of a socket
    host = host.removesuffix(f":{port}").strip("[]") if port is not None else host.removesuffix(":").strip("[]")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(host),
        "PORT": "" if port is None else str(port),
        "ATOMIC_REQUESTS": False,  # no transaction may be open around a call to a gateway
        "CONN_MAX_AGE": 0,  # the pool keeps connections
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": CONNECT_SECONDS, **dict(parse_qsl(parts.query)), **_pool(pool_size)},
    }


def _pool(size: int) -> dict[str, Any]:
    return {"pool": {"min_size": 1, "max_size": size, "timeout": POOL_WAIT_SECONDS}} if size else {}
