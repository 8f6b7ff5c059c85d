"""Addresses of payments."""

from __future__ import annotations

from django.urls import path

from payments.api import (
    customers,
    disputes,
    gateway_keys,
    gateways,
    links,
    lists,
    openapi,
    profiles,
    routing,
    views,
    webhooks,
)
from payments.pages import link, pay

urlpatterns = [
    path("payments/initiate", views.InitiateView.as_view(), name="initiate"),
    path("payments/status/<str:public_id>", views.StatusView.as_view(), name="status"),
    path("payments/refund", views.RefundView.as_view(), name="refund"),
    path("payments/webhook/<str:gateway>/<str:token>", webhooks.webhook, name="webhook"),
    path("payments/webhook/<str:gateway>", webhooks.webhook, name="webhook-short"),
    path("v1/payments", lists.PaymentListView.as_view(), name="payments"),
    path("v1/payments/<str:public_id>", lists.PaymentView.as_view(), name="payment"),
    path("v1/payments/<str:public_id>/timeline", lists.TimelineView.as_view(), name="timeline"),
    path("v1/payments/<str:public_id>/capture", views.CaptureView.as_view(), name="capture"),
    path("v1/payments/<str:public_id>/void", views.VoidView.as_view(), name="void"),
    path("v1/refunds", lists.RefundListView.as_view(), name="refunds"),
    path("v1/refunds/<str:public_id>", lists.OneRefundView.as_view(), name="one-refund"),
    path("v1/disputes", disputes.DisputeListView.as_view(), name="disputes"),
    path("v1/disputes/<str:public_id>", disputes.DisputeView.as_view(), name="dispute"),
    path("v1/profiles", profiles.ProfileListView.as_view(), name="profiles"),
    path("v1/profiles/<str:public_id>", profiles.ProfileView.as_view(), name="profile"),
    path("v1/profiles/<str:public_id>/default", profiles.DefaultProfileView.as_view(), name="default-profile"),
    path("v1/links", links.LinkListView.as_view(), name="links"),
    path("v1/links/<str:public_id>", links.LinkView.as_view(), name="one-link"),
    path("v1/links/<str:public_id>/disable", links.DisableLinkView.as_view(), name="disable-link"),
    path("v1/gateways", gateways.GatewayListView.as_view(), name="gateways"),
    path("v1/gateways/route", routing.RouteView.as_view(), name="route"),  # before the slugs: no gateway is named so
    path("v1/gateways/<str:slug>", gateways.GatewayView.as_view(), name="gateway"),
    path("v1/gateway-keys", gateway_keys.GatewayKeyListView.as_view(), name="gateway-keys"),
    path("v1/gateway-keys/<str:public_id>", gateway_keys.GatewayKeyView.as_view(), name="gateway-key"),
    path("v1/gateway-keys/<str:public_id>/check", gateway_keys.CheckGatewayKeyView.as_view(), name="check-gateway-key"),
    path(
        "v1/gateway-keys/<str:public_id>/disable",
        gateway_keys.DisableGatewayKeyView.as_view(),
        name="disable-gateway-key",
    ),
    path("v1/routing-rules", routing.RuleListView.as_view(), name="routing-rules"),
    path("v1/routing-rules/<str:public_id>", routing.RuleView.as_view(), name="routing-rule"),
    # `path`, because a lab's own id for a customer may hold slashes; the longer addresses come first.
    path("v1/customers", customers.CustomerListView.as_view(), name="customers"),
    path("v1/customers/<path:external_id>/balances", customers.BalancesView.as_view(), name="balances"),
    path("v1/customers/<path:external_id>/transactions", customers.TransactionsView.as_view(), name="transactions"),
    path("v1/customers/<path:external_id>", customers.CustomerView.as_view(), name="customer"),
    path("v1/currencies", customers.CurrencyListView.as_view(), name="currencies"),
    path("openapi.json", openapi.openapi, name="openapi"),
    path("docs", openapi.DocsView.as_view(), name="docs"),
    path("pay/embedded/<str:gateway>.js", pay.embedded_script, name="embedded-script"),
    path("pay/<str:token>", pay.pay, name="pay"),
    path("pay/<str:token>/status.json", pay.status, name="pay-status"),
    path("pay/<str:token>/go", pay.go, name="pay-go"),
    path("pay/<str:token>/return", pay.come_back, name="pay-return"),
    path("pay/<str:token>/retry", pay.retry, name="pay-retry"),
    path("link/<str:token>", link.link, name="link"),
]
