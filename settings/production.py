"""Production: real keys or no start, https or no start, nothing that points a gateway elsewhere."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from settings.base import *  # noqa: F403
from settings.base import CSRF_TRUSTED_ORIGINS, ENVIRONMENT, PUBLIC_URL
from settings.environment import master_key_entries, reveal
from settings.keys import read_master_keys, read_secret_key
from settings.logs import logging_config


def _refuse(condition: object, message: str) -> None:
    if condition:
        raise ImproperlyConfigured(message)


_refuse(
    not ENVIRONMENT.database_url,
    "DATABASE_URL is not set. Name your PostgreSQL: postgresql://user:password@host:5432/name",
)
_refuse(not ENVIRONMENT.redis_url, "REDIS_URL is not set. Name your Redis: redis://:password@host:6379/0")
_refuse(
    urlsplit(PUBLIC_URL).scheme != "https",
    "PAYWRIGHT_PUBLIC_URL must be the https address under which customers and gateways reach this platform.",
)
_refuse(ENVIRONMENT.debug, "PAYWRIGHT_DEBUG is set: production never shows its insides. Unset it.")
_refuse(
    ENVIRONMENT.simulator_url,
    "PAYWRIGHT_SIMULATOR_URL is set: production talks to real gateways only. Unset it, or use settings.local.",
)
_refuse(
    ENVIRONMENT.gateway_hosts,
    "PAYWRIGHT_GATEWAY_HOSTS is set: production talks to real gateways only. Unset it, or use settings.local.",
)
_refuse(
    bool(ENVIRONMENT.web_certificate) != bool(ENVIRONMENT.web_certificate_key),
    "Set PAYWRIGHT_WEB_CERTIFICATE and PAYWRIGHT_WEB_CERTIFICATE_KEY, or neither.",
)
_refuse(
    not ENVIRONMENT.trusted_proxies and not ENVIRONMENT.web_certificate,
    "Nothing speaks https here: set PAYWRIGHT_TRUSTED_PROXIES to the number of proxies in front (usually 1), or "
    "PAYWRIGHT_WEB_CERTIFICATE and PAYWRIGHT_WEB_CERTIFICATE_KEY.",
)

SECRET_KEY = read_secret_key(reveal(ENVIRONMENT.secret_key))
MASTER_KEYS = read_master_keys(master_key_entries(ENVIRONMENT), secret_key=SECRET_KEY)

# Loopback for the container's own health check. A forged Host gains nothing: links are built from PUBLIC_URL.
ALLOWED_HOSTS = [str(urlsplit(PUBLIC_URL).hostname), *ENVIRONMENT.allowed_hosts, "127.0.0.1"]
CSRF_TRUSTED_ORIGINS = [*CSRF_TRUSTED_ORIGINS, *(f"https://{host}" for host in ENVIRONMENT.allowed_hosts)]
OTP_REQUIRED = True

# __Host- makes the browser itself insist on Secure, Path=/ and no Domain.
SESSION_COOKIE_NAME = "__Host-session"
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-csrf"
CSRF_COOKIE_SECURE = True
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # asked for inside the machine, in plain http
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENVIRONMENT.trusted_proxies else None
SECURE_HSTS_SECONDS = ENVIRONMENT.hsts_seconds
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = False
# W021 wants HSTS preload: a promise about the whole registered domain, which is its owner's to make.
SILENCED_SYSTEM_CHECKS = ["security.W021"]

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = False
LOGGING = logging_config(level=ENVIRONMENT.log_level, as_json=True)
