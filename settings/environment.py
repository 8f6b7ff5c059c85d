"""The one place where the environment is read: every value that an operator may set, typed and checked at start.

A value comes from the environment, else from the YAML file that PAYWRIGHT_CONFIG names (the same names, lower case,
without the prefix), else from its default here. `.env.example` lists them all; a test keeps it so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import yaml
from django.core.exceptions import ImproperlyConfigured
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

PREFIX: Final = "PAYWRIGHT_"
CONFIG_VARIABLE: Final = "PAYWRIGHT_CONFIG"
# Read by tests and by the command line beside it; everything else is a field of Environment.
UNPREFIXED: Final = ("DATABASE_URL", "REDIS_URL")


def _split(value: object) -> object:
    """`a, b` of the environment as a list; a list of the YAML file stays one."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _split_pairs(value: object) -> object:
    """`https://api.stripe.com=http://127.0.0.1:9000/stripe, ...` as a mapping."""
    parts = _split(value)
    if isinstance(value, str) and isinstance(parts, list):
        if not all("=" in part for part in parts):
            raise ValueError("must be pairs origin=address, separated by commas")
        return dict(part.split("=", 1) for part in parts)
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
Pairs = Annotated[dict[str, str], NoDecode, BeforeValidator(_split_pairs)]


class Environment(BaseSettings):
    """What an operator says. Secrets are optional here: the settings that need one refuse to go without."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        populate_by_name=True,
        extra="forbid",  # a misspelt name in the YAML file is refused, not ignored
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    database_pool_size: int = Field(default=12, ge=0, le=100)
    redis_url: SecretStr | None = Field(default=None, validation_alias="REDIS_URL")

    secret_key: SecretStr | None = None
    master_keys: Secrets = ()
    master_keys_file: Path | None = None

    public_url: str = "http://127.0.0.1:8000"
    allowed_hosts: Words = ()
    trusted_proxies: int = Field(default=0, ge=0, le=10)
    hsts_seconds: int = Field(default=31_536_000, ge=0)

    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8000, ge=0, le=65_535)
    web_workers: int = Field(default=2, ge=1, le=256)
    web_threads: int = Field(default=4, ge=1, le=256)
    web_certificate: Path | None = None
    web_certificate_key: Path | None = None
    worker_processes: int = Field(default=2, ge=1, le=256)

    metrics_token: SecretStr | None = Field(default=None, min_length=16)
    max_amount_minor: int | None = Field(default=None, ge=1)
    api_limit_per_key: int | None = Field(default=None, ge=0)
    api_limit_per_lab: int | None = Field(default=None, ge=0)

    email_url: SecretStr | None = None
    email_from: str = "paywright@localhost"

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    debug: bool = False

    simulator_url: str | None = None
    gateway_hosts: Pairs = {}
    crash_at: str | None = None

    @field_validator("public_url", "simulator_url")
    @classmethod
    def _must_be_an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.query
            or parts.fragment
            or parts.username
        ):
            raise ValueError("must look like https://pay.your-company.com, without a query")
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the YAML file; nothing else is looked at."""
        return env_settings, InitSettingsSource(settings_cls, init_kwargs=_read_config(os.environ))


_testing = False


def testing() -> None:
    """Called by the test settings before anything else: crash points may be named."""
    global _testing
    _testing = True


def is_testing() -> bool:
    """Whether the test settings are what is loaded."""
    return _testing


def load() -> Environment:
    """Read the environment. Raises ImproperlyConfigured with the name of every setting that is wrong, not its value."""
    try:
        return Environment()
    except ValidationError as error:
        problems = [f"{variable_of(str(one['loc'][0]))}: {_sentence(one)}" for one in error.errors(include_input=False)]
    raise ImproperlyConfigured("; ".join(problems))  # outside the except: pydantic's traceback says nothing more


def master_key_entries(environment: Environment) -> tuple[str, ...]:
    """The entries of PAYWRIGHT_MASTER_KEYS, or the lines of PAYWRIGHT_MASTER_KEYS_FILE. Raises ImproperlyConfigured."""
    if environment.master_keys and environment.master_keys_file:
        raise ImproperlyConfigured("Set PAYWRIGHT_MASTER_KEYS or PAYWRIGHT_MASTER_KEYS_FILE, not both.")
    if environment.master_keys_file is None:
        return tuple(entry.get_secret_value() for entry in environment.master_keys)
    try:
        lines = environment.master_keys_file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"PAYWRIGHT_MASTER_KEYS_FILE cannot be read: {type(error).__name__}.") from None
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def variable_of(field: str) -> str:
    """The environment variable of a field: `web_port` -> PAYWRIGHT_WEB_PORT, `database_url` -> DATABASE_URL."""
    name = field.upper()
    return name if name in UNPREFIXED or name.startswith(PREFIX) else PREFIX + name


def reveal(secret: SecretStr | None) -> str | None:
    """The value of an optional secret."""
    return None if secret is None else secret.get_secret_value()


def _sentence(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return f"this is not a setting; look at the file that {CONFIG_VARIABLE} names"
    return str(error["msg"]).removeprefix("Value error, ")


def _read_config(variables: Mapping[str, str]) -> dict[str, Any]:
    path = variables.get(CONFIG_VARIABLE)
    if not path:
        return {}
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        # Only the class: a YAML error quotes the line, which may hold a secret.
        raise ImproperlyConfigured(f"{CONFIG_VARIABLE}: {path} cannot be read: {type(error).__name__}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ImproperlyConfigured(f"{CONFIG_VARIABLE}: {path} must hold names and values (public_url: https://...).")
    return content
