"""Everything that is the same wherever Paywright runs. Starts nothing and connects to nothing.

`local`, `test` and `production` build on it and bring what differs: keys, hosts, how strict cookies are.
Code of the platform reads `django.conf.settings`; the names that are ours and not Django's are listed in OURS below.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured

from settings import environment as _environment
from settings.database_url import read_database_url
from settings.email_url import read_email_url
from settings.gateways import GATEWAYS as GATEWAYS
from settings.gateways import SIMULATORS as SIMULATORS
from settings.keys import MasterKey
from settings.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent

ENVIRONMENT = _environment.load()
_database_url = _environment.reveal(ENVIRONMENT.database_url)
_redis_url = _environment.reveal(ENVIRONMENT.redis_url)

# --- OURS -------------------------------------------------------------------------------------------------------------
# GATEWAYS (slug -> dotted path of the class) and SIMULATORS (slug -> "module:Class") are imported above.
# Raw key bytes with their ids; the first seals, every one opens. Filled by local, test and production.
MASTER_KEYS: tuple[MasterKey, ...] = ()
# Where customers, staff and gateways reach this platform; links and webhook addresses are built from it, never from Host.
PUBLIC_URL = ENVIRONMENT.public_url
# How many proxies stand in front: that many entries of X-Forwarded-For, counted from the right, are believed.
TRUSTED_PROXIES = ENVIRONMENT.trusted_proxies
# Local and test only. With SIMULATOR_URL every origin of a gateway is called as <SIMULATOR_URL>/<host>;
# GATEWAY_HOSTS (origin -> base address) says it for single origins, and wins.
SIMULATOR_URL: str | None = None
GATEWAY_HOSTS: dict[str, str] = {}
# What /metrics asks for as bearer token of a caller that is not on this machine. Without one, such a caller gets 404.
METRICS_TOKEN = _environment.reveal(ENVIRONMENT.metrics_token)
# The largest amount that is accepted, in minor units of whatever asset; None for no limit.
MAX_AMOUNT_MINOR = ENVIRONMENT.max_amount_minor
# Requests a minute, by API key ("key") and by lab ("lab"), where an operator wants others than the built-in ones.
API_RATE_LIMITS: dict[str, int] = {
    name: limit
    for name, limit in (("key", ENVIRONMENT.api_limit_per_key), ("lab", ENVIRONMENT.api_limit_per_lab))
    if limit is not None
}
# Whether staff need a one-time code. True in production.
OTP_REQUIRED = False
# Whether a test may have named a crash point. True in test settings alone.
CRASH_POINTS_ALLOWED = False

# --- Django -----------------------------------------------------------------------------------------------------------
DEBUG = False
ALLOWED_HOSTS: list[str] = []
ROOT_URLCONF = "settings.urls"
WSGI_APPLICATION = "settings.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
APPEND_SLASH = False  # the API has no trailing slashes, and a redirect would lose a POST
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # 1 MiB, what a webhook may have at most
FILE_UPLOAD_MAX_MEMORY_SIZE = DATA_UPLOAD_MAX_MEMORY_SIZE

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # before the admin, whose templates it replaces; the site itself is ours
    "unfold.contrib.filters",
    "core.desk.apps.DeskAdminConfig",  # django.contrib.admin with our site
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "axes",
    "csp",
    "django_prometheus",
    "django_structlog",
    "django_celery_beat",
    "core",
    "finance",
    "payments",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "core.api.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "settings.pages.PagePolicyMiddleware",
    "core.api.middleware.ProblemMiddleware",  # outside of all that may answer with a page
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ]
        },
    }
]

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / ".static"
WHITENOISE_USE_FINDERS = True  # a checkout serves its files without collectstatic; production collects them

# --- Servers ----------------------------------------------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]] = {
    "default": read_database_url(_database_url, pool_size=ENVIRONMENT.database_pool_size)
}

# A dead Redis may cost a request half a second, not thirty.
_REDIS_TIMEOUTS = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": _redis_url,
        "KEY_PREFIX": "paywright",
        "OPTIONS": _REDIS_TIMEOUTS,
    }
    if _redis_url
    else {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
}

CELERY_BROKER_URL = _redis_url or "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A killed worker's message comes back after this many seconds. The sweep is the real retry.
    "visibility_timeout": 300,
    "global_keyprefix": "paywright:",
    **_REDIS_TIMEOUTS,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker outlives any outage of Redis
CELERY_TASK_PUBLISH_RETRY = False  # a ring that fails is counted, never waited for
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 240  # below the visibility timeout, so that no task runs twice at once because it is slow
CELERY_TASK_SOFT_TIME_LIMIT = 200
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "paywright"
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_CONCURRENCY = ENVIRONMENT.worker_processes
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

vars().update(read_email_url(_environment.reveal(ENVIRONMENT.email_url)))
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENVIRONMENT.email_from

# --- API --------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    # No session: a browser's cookie must never move money through the API.
    "DEFAULT_AUTHENTICATION_CLASSES": ["core.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["core.api.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.api.parsers.StrictJSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "core.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "URL_FORMAT_OVERRIDE": None,  # ?format= is not ours
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Paywright",
    "DESCRIPTION": "One interface to every payment gateway. Amounts are integers in the currency's minor unit.",
    "VERSION": "1",
    "SERVERS": [{"url": PUBLIC_URL}],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "OAS_VERSION": "3.1.0",
    # Without the hook that names enumerations: they stand where they are used.
    "POSTPROCESSING_HOOKS": ["payments.api.openapi.add_webhooks"],
    # The page's scripts come from this server (drf-spectacular[sidecar]); nothing is loaded from a third party.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- People and pages -------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "/admin/login/"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600  # a working day
OTP_TOTP_ISSUER = "Paywright"

AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = ["username", "ip_address"]  # either one locks: per account and per address
AXES_CLIENT_IP_CALLABLE = "core.addresses.client_address"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False

CSRF_FAILURE_VIEW = "payments.pages.link.csrf_failure"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "no-referrer"  # settings.pages says where not, and why
CSRF_TRUSTED_ORIGINS = ["{0.scheme}://{0.netloc}".format(urlsplit(PUBLIC_URL))]
# No form-action: browsers apply it to redirects too, and a form that ends at a gateway's page is what we are for.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
# The admin's own templates (unfold, which carries Alpine.js) evaluate expressions and set styles in attributes.
CONTENT_SECURITY_POLICY_ADMIN = {
    "script-src": [SELF, NONCE, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "form-action": [SELF],
}

UNFOLD = {
    "SITE_TITLE": "Paywright",
    "SITE_HEADER": "Paywright",
    "SITE_SYMBOL": "payments",
    "SITE_URL": None,  # the platform has no front page
    "SHOW_BACK_BUTTON": True,
    "SHOW_HISTORY": False,  # the audit log has it
    "DASHBOARD_CALLBACK": "payments.admin.dashboard.context",
    "ENVIRONMENT": "payments.admin.navigation.chosen_lab",
    "STYLES": ["payments.admin.navigation.stylesheet"],
    "SCRIPTS": ["payments.admin.navigation.script"],
    "COLORS": {
        "primary": {  # blue; the admin writes them as CSS
            "50": "oklch(97% .014 254.6)",
            "100": "oklch(93.2% .032 255.6)",
            "200": "oklch(88.2% .059 254.1)",
            "300": "oklch(80.9% .105 251.8)",
            "400": "oklch(70.7% .165 254.6)",
            "500": "oklch(62.3% .214 259.8)",
            "600": "oklch(54.6% .245 262.9)",
            "700": "oklch(48.8% .243 264.4)",
            "800": "oklch(42.4% .199 265.6)",
            "900": "oklch(37.9% .146 265.5)",
            "950": "oklch(28.2% .091 267.9)",
        }
    },
    "SIDEBAR": {"show_search": False, "navigation": "payments.admin.navigation.sidebar"},
}

# --- Logs -------------------------------------------------------------------------------------------------------------
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True  # RequestIdMiddleware has made it harmless
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG  # one line a request, when it is answered
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False  # an address is personal, and theirs believes any X-Forwarded-For
LOGGING = logging_config(level=ENVIRONMENT.log_level, as_json=False)

if ENVIRONMENT.crash_at and not _environment.is_testing():
    raise ImproperlyConfigured("PAYWRIGHT_CRASH_AT is set: only the test settings may crash on purpose. Unset it.")
