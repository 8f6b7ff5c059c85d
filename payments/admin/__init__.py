"""The desk of payments. Importing it registers its pages, as Django's autodiscovery expects."""

from payments.admin import gateway_keys, lists, payments

__all__ = ["gateway_keys", "lists", "payments"]
