"""Which gateways exist, and how one is opened. The only door to `clients`, and it knows no name.

Gateways come from `settings.GATEWAYS` (slug -> dotted path of the class) and from installed packages that declare the
entry-point group `paywright.gateways`; settings win where both name one. A class is imported when it is first needed.
A package that cannot be loaded never stops the start: it is left out, logged and shown by `manage.py check`.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

from core import clock as clocks
from core.gateways import port
from core.gateways.caching import GatewayCache
from core.gateways.port import Gateway
from core.gateways.types import Description, Mode
from core.http import GatewayHttp, Http

ENTRY_POINT_GROUP: Final = "paywright.gateways"
_SLUG: Final = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)

logger = logging.getLogger(__name__)


class UnknownGateway(LookupError):
    """There is no usable gateway of that name. The message says which there are, or why it cannot be used."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A registered gateway that cannot be used, and why. `is_plugin` tells an entry point from a line in settings."""

    slug: str
    reason: str
    is_plugin: bool


def slugs() -> tuple[str, ...]:
    """Every usable gateway, in the order of settings, then of plugins by name."""
    return tuple(slug for slug, found in _all().items() if not isinstance(found, Unusable))


def gateway_class(slug: str) -> type[Gateway]:
    """The class of one gateway. Raises UnknownGateway."""
    paths = _declared()
    if slug not in paths:
        raise UnknownGateway(f"there is no gateway {slug!r}; known are {', '.join(paths) or 'none'}")
    found = _load(slug, paths[slug], slug not in settings.GATEWAYS)
    if isinstance(found, Unusable):
        raise UnknownGateway(f"the gateway {slug!r} cannot be used: {found.reason}")
    return found


def descriptions() -> Mapping[str, Description]:
    """What every usable gateway says about itself, by slug."""
    return {slug: found.about for slug, found in _all().items() if not isinstance(found, Unusable)}


def unusable() -> tuple[Unusable, ...]:
    """What is registered and cannot be used, for `manage.py check`."""
    shadowed = [
        Unusable(point.name, "settings.GATEWAYS has a gateway of the same name", is_plugin=True)
        for point in _plugins()
        if point.name in settings.GATEWAYS
    ]
    return (*(found for found in _all().values() if isinstance(found, Unusable)), *shadowed)


@lru_cache(maxsize=64)
def abilities(cls: type[Gateway]) -> tuple[str, ...]:
    """The abilities a gateway inherits, as words: `CanReadReturn` is "read_return"."""
    return tuple(word for word, ability in ability_classes().items() if issubclass(cls, ability))


@lru_cache(maxsize=1)
def ability_classes() -> Mapping[str, type]:
    """Every ability of the port by its word. Read from the port itself, so there is no second list."""
    return {
        re.sub(r"(?<!^)([A-Z])", r"_\1", name.removeprefix("Can")).lower(): member
        for name, member in vars(port).items()
        if name.startswith("Can") and inspect.isclass(member)
    }


def open_gateway(
    slug: str,
    credentials: Mapping[str, Any],
    *,
    mode: Mode,
    cache_scope: str,
    clock: clocks.Clock = clocks.now,
) -> Gateway:
    """One account at one gateway, ready to be called.

    `cache_scope` names the account (lab and gateway key): what is cached for one is never seen by another, nor by the
    same account once its credentials changed.
    Raises UnknownGateway, and GatewayMisconfigured for credentials of the wrong shape.
    """
    cls = gateway_class(slug)
    scope = f"{slug}|{mode}|{cache_scope}|{_fingerprint(credentials)}"
    return cls(credentials, mode=mode, http=_http(cls, mode), cache=GatewayCache(scope), clock=clock)


def _http(cls: type[Gateway], mode: Mode) -> Http:
    return GatewayHttp(origins=cls.about.origins.get(mode, ()), overrides=host_overrides(cls))


def host_overrides(cls: type[Gateway]) -> Mapping[str, str]:
    """Where requests to each declared origin really go, in local and test settings; empty in production."""
    simulator = str(getattr(settings, "SIMULATOR_URL", "") or "")
    return {**_simulated(cls, simulator), **getattr(settings, "GATEWAY_HOSTS", {})}


@lru_cache(maxsize=64)
def _simulated(cls: type[Gateway], simulator: str) -> Mapping[str, str]:
    origins = {origin for both in cls.about.origins.values() for origin in both} if simulator else set()
    return {origin: f"{simulator.rstrip('/')}/{urlsplit(origin).netloc}" for origin in origins}


def _fingerprint(credentials: Mapping[str, Any]) -> str:
    text = json.dumps(credentials, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _all() -> dict[str, type[Gateway] | Unusable]:
    return {slug: _load(slug, path, slug not in settings.GATEWAYS) for slug, path in _declared().items()}


def _declared() -> Mapping[str, str]:
    declared: dict[str, str] = dict(settings.GATEWAYS)
    for point in _plugins():
        declared.setdefault(point.name, point.value)
    return declared


@lru_cache(maxsize=1)
def _plugins() -> tuple[EntryPoint, ...]:
    # Reading all installed packages takes milliseconds, and they do not change while a process runs.
    return tuple(sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name))


@lru_cache(maxsize=256)
def _load(slug: str, path: str, is_plugin: bool) -> type[Gateway] | Unusable:
    try:
        found = _import(path)
    except Exception as error:  # a stranger's package may raise anything when it is imported
        logger.exception("gateway %s cannot be loaded", slug)
        return Unusable(slug, f"{path} cannot be imported ({type(error).__name__})", is_plugin=is_plugin)
    faults = "; ".join(_faults(slug, path, found))
    if faults:
        logger.error("gateway %s cannot be used: %s", slug, faults)
        return Unusable(slug, faults, is_plugin=is_plugin)
    return found  # type: ignore[no-any-return]


def _import(path: str) -> Any:
    """The object at `package.module.Name` (settings) or `package.module:Name` (entry points)."""
    module, _, name = path.partition(":") if ":" in path else path.rpartition(".")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _faults(slug: str, path: str, found: Any) -> Iterable[str]:
    if not _SLUG.fullmatch(slug):
        yield "a slug is lower-case letters, digits and _, and begins with a letter"
    if not (inspect.isclass(found) and issubclass(found, Gateway)):
        yield f"{path} is not a class that inherits core.gateways.port.Gateway"
        return
    if inspect.isabstract(found):
        yield f"{path} lacks {', '.join(sorted(found.__abstractmethods__))}"
    if getattr(found, "slug", None) != slug:
        yield f"the class calls itself {getattr(found, 'slug', None)!r}"
    if not isinstance(getattr(found, "about", None), Description):
        yield "the class has no description (`about`)"
