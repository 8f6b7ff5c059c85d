"""`manage.py check` tells which registered gateways cannot be used. Registered by `core.apps`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage

from core.gateways import registry


@checks.register()
def gateways_can_be_used(app_configs: Any = None, **options: Any) -> Sequence[CheckMessage]:
    """An error for a line of our own settings, a warning for an installed package: that must not stop the start."""
    return [_message(one) for one in registry.unusable()]


def _message(one: registry.Unusable) -> CheckMessage:
    text = f"The gateway {one.slug} cannot be used: {one.reason}."
    if one.is_plugin:
        return checks.Warning(text, hint="Update or uninstall the package that declares it.", id="gateways.W001")
    return checks.Error(text, hint="Correct settings.GATEWAYS.", id="gateways.E001")
