"""The app `finance`: the ledger, balances and currencies. It knows no gateway and no payment."""

from django.apps import AppConfig


class FinanceConfig(AppConfig):
    name = "finance"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from finance.checks import expect_guards

        expect_guards()
