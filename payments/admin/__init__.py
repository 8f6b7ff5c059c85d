"""The desk of payments. Importing it registers its pages, as Django's autodiscovery expects."""

from django.contrib import admin

from payments.admin import gateway_keys, lists, payments, routing_rules

admin.site.index_template = "admin/payments/today.html"

__all__ = ["gateway_keys", "lists", "payments", "routing_rules"]
