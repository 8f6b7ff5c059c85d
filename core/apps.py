"""The app `core`: tenants, keys, encryption, API manners, audit log, outbox."""

from __future__ import annotations

from collections.abc import Callable

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.models.signals import post_migrate


class CoreConfig(AppConfig):
    name = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Name the guards and the checks. Asks no server."""
        from core import guards, startup
        from core.api import schema  # noqa: F401 - registers the OpenAPI description of our authentication
        from core.gateways import checks  # noqa: F401 - registers the check of registered gateways

        register(startup.check_master_keys, Tags.security)
        register(startup.check_database, Tags.database)
        post_migrate.connect(startup.prepare_database, sender=self, dispatch_uid="core.prepare_database")
        _expect_guards(guards.expect)


def _expect_guards(expect: Callable[..., None]) -> None:
    expect(
        "core_auditlog",
        triggers=["core_auditlog_no_change", "core_auditlog_no_truncate", "core_auditlog_continues"],
        constraints=["core_auditlog_lab_seq_uniq"],
    )
    expect(
        "core_idempotencykey",
        constraints=["core_idempotencykey_scope_uniq", "core_idempotencykey_answer_if_finished"],
    )
    expect("core_customer", constraints=["core_customer_lab_id_uniq", "core_customer_lab_external_id_uniq"])
    expect("core_apikey", constraints=["core_apikey_key_hash_key", "core_apikey_scopes_known"])
    expect("core_labdatakey", constraints=["core_labdatakey_one_current"])
