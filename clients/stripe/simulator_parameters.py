"""Which parameters the simulated Stripe knows, by call (protocol page sections 4, 5, 8, 9 and the names of version endive).

"any" is taken without a look inside; everything that this road uses is typed. What is not listed is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clients.stripe.simulator_wire import StripeError

Table = Mapping[str, Any]

CAPTURE_METHODS: Final = ("automatic", "automatic_async", "manual")
FUTURE_USAGE: Final = ("off_session", "on_session")
# Fewer than the real list; an unknown one is refused there too.
LOCALES: Final = (
    "auto bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hr hu id it ja ko lt lv ms mt nb nl pl pt pt-BR ro ru sk "
    "sl sv th tr vi zh zh-HK zh-TW"
).split()


def _any(names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), "any")


EXPAND: Final[Table] = _any("expand")
_RANGE: Final[Table] = {"gt": "int", "gte": "int", "lt": "int", "lte": "int"}
_PAGE: Final[Table] = {"limit": "int", "starting_after": "str", "ending_before": "str", **EXPAND}

_SHARED_INTENT: Final[Table] = {
    "metadata": "metadata",
    "description": "str",
    "receipt_email": "str",
    "statement_descriptor": "str",
    "statement_descriptor_suffix": "str",
    "capture_method": CAPTURE_METHODS,
    "setup_future_usage": FUTURE_USAGE,
    **_any("shipping transfer_data transfer_group application_fee_amount on_behalf_of"),
}

CREATE_INTENT: Final[Table] = {
    **_SHARED_INTENT,
    "amount": "int",
    "currency": "str",
    "customer": "str",
    "payment_method": "str",
    "confirm": "bool",
    "off_session": "bool",
    "error_on_requires_action": "bool",
    "return_url": "url",
    "automatic_payment_methods": {"enabled": "bool", "allow_redirects": ("always", "never")},
    **EXPAND,
    **_any(
        "allowed_payment_method_types excluded_payment_method_types amount_details confirmation_method hooks mandate"
    ),
    **_any("mandate_data payment_details payment_method_configuration payment_method_data payment_method_options"),
    **_any("radar_options use_stripe_sdk customer_account confirmation_token"),
}
UPDATE_INTENT: Final[Table] = {
    **_SHARED_INTENT,
    "amount": "int",
    "currency": "str",
    "customer": "str",
    "payment_method": "str",
    **EXPAND,
    **_any("allowed_payment_method_types excluded_payment_method_types amount_details hooks payment_details"),
    **_any("payment_method_configuration payment_method_data payment_method_options customer_account"),
}
CONFIRM_INTENT: Final[Table] = {
    "payment_method": "str",
    "return_url": "url",
    "off_session": "bool",
    "error_on_requires_action": "bool",
    "receipt_email": "str",
    "capture_method": CAPTURE_METHODS,
    "setup_future_usage": FUTURE_USAGE,
    "client_secret": "str",
    **EXPAND,
    **_any(
        "mandate_data mandate payment_method_data payment_method_options shipping use_stripe_sdk radar_options hooks"
    ),
    **_any("allowed_payment_method_types excluded_payment_method_types amount_details confirmation_token"),
}
CAPTURE_INTENT: Final[Table] = {
    "amount_to_capture": "int",
    "final_capture": "bool",
    "metadata": "metadata",
    "statement_descriptor": "str",
    "statement_descriptor_suffix": "str",
    **EXPAND,
    **_any("application_fee_amount transfer_data amount_details payment_details hooks"),
}
CANCEL_INTENT: Final[Table] = {
    "cancellation_reason": ("abandoned", "duplicate", "fraudulent", "requested_by_customer"),
    **EXPAND,
}
GET_INTENT: Final[Table] = {"client_secret": "str", **EXPAND}
LIST_INTENTS: Final[Table] = {"customer": "str", "created": _RANGE, **_PAGE}
SEARCH_INTENTS: Final[Table] = {"query": "str", "limit": "int", "page": "str", **EXPAND}

CREATE_SESSION: Final[Table] = {
    "mode": ("payment", "setup", "subscription"),
    "line_items": [
        {
            "quantity": "int",
            "price_data": {
                "currency": "str",
                "unit_amount": "int",
                "product_data": {
                    "name": "str",
                    "description": "str",
                    "metadata": "metadata",
                    **_any("images tax_code tax_details unit_label"),
                },
                **_any("product recurring tax_behavior unit_amount_decimal"),
            },
            **_any("adjustable_quantity metadata price tax_rates"),
        }
    ],
    "success_url": "url",
    "cancel_url": "url",
    "client_reference_id": "str",
    "metadata": "metadata",
    "payment_intent_data": _SHARED_INTENT,
    "customer": "str",
    "customer_email": "str",
    "customer_creation": ("always", "if_required"),
    "expires_at": "int",
    "locale": tuple(LOCALES),
    "ui_mode": "str",
    "adaptive_pricing": {"enabled": "bool"},
    "currency": "str",
    "submit_type": ("auto", "book", "donate", "pay", "subscribe"),
    **EXPAND,
    **_any("allowed_payment_method_types excluded_payment_method_types after_expiration allow_promotion_codes"),
    **_any("automatic_tax billing_address_collection branding_settings consent_collection custom_fields custom_text"),
    **_any("customer_account customer_update discounts integration_identifier invoice_creation managed_payments"),
    **_any("name_collection optional_items origin_context payment_method_collection payment_method_configuration"),
    **_any("payment_method_data payment_method_options permissions phone_number_collection redirect_on_completion"),
    "setup_intent_data": {"description": "str", "metadata": "metadata", **_any("on_behalf_of")},
    **_any("return_url saved_payment_method_options shipping_address_collection shipping_options"),
    **_any("subscription_data tax_id_collection wallet_options"),
}
LIST_SESSIONS: Final[Table] = {
    "payment_intent": "str",
    "customer": "str",
    "status": ("open", "complete", "expired"),
    "created": _RANGE,
    **_PAGE,
    **_any("customer_account customer_details payment_link subscription"),
}

CREATE_REFUND: Final[Table] = {
    "payment_intent": "str",
    "charge": "str",
    "amount": "int",
    "reason": ("duplicate", "fraudulent", "requested_by_customer"),
    "metadata": "metadata",
    "instructions_email": "str",
    **EXPAND,
    **_any("reverse_transfer refund_application_fee currency customer origin"),
}
LIST_REFUNDS: Final[Table] = {"payment_intent": "str", "charge": "str", "created": _RANGE, **_PAGE}
LIST_DISPUTES: Final[Table] = LIST_REFUNDS
LIST_CHARGES: Final[Table] = {
    "payment_intent": "str",
    "customer": "str",
    "created": _RANGE,
    **_PAGE,
    **_any("transfer_group"),
}

CREATE_CUSTOMER: Final[Table] = {
    "email": "str",
    "name": "str",
    "phone": "str",
    "description": "str",
    "metadata": "metadata",
    **EXPAND,
    **_any("address balance business_name cash_balance individual_name invoice_prefix invoice_settings"),
    **_any(
        "next_invoice_sequence payment_method preferred_locales shipping source tax tax_exempt tax_id_data validate"
    ),
}
UPDATE_CUSTOMER: Final[Table] = CREATE_CUSTOMER
CREATE_SETUP_INTENT: Final[Table] = {
    "customer": "str",
    "payment_method": "str",
    "confirm": "bool",
    "usage": FUTURE_USAGE,
    "return_url": "url",
    "description": "str",
    "metadata": "metadata",
    "automatic_payment_methods": {"enabled": "bool", "allow_redirects": ("always", "never")},
    **EXPAND,
    **_any(
        "allowed_payment_method_types excluded_payment_method_types attach_to_self confirmation_token flow_directions"
    ),
    **_any("mandate_data on_behalf_of payment_method_configuration payment_method_data payment_method_options"),
    **_any("single_use use_stripe_sdk customer_account"),
}
CONFIRM_SETUP_INTENT: Final[Table] = {
    "payment_method": "str",
    "return_url": "url",
    "client_secret": "str",
    **EXPAND,
    **_any("mandate_data payment_method_data payment_method_options use_stripe_sdk confirmation_token"),
}
CANCEL_SETUP_INTENT: Final[Table] = {
    "cancellation_reason": ("abandoned", "duplicate", "requested_by_customer"),
    **EXPAND,
}
LIST_SETUP_INTENTS: Final[Table] = {
    "customer": "str",
    "payment_method": "str",
    "created": _RANGE,
    **_PAGE,
    **_any("attach_to_self"),
}
LIST_METHODS: Final[Table] = {"customer": "str", "type": "str", **_PAGE, **_any("allow_redisplay customer_account")}
ATTACH_METHOD: Final[Table] = {"customer": "str", **EXPAND}
UPDATE_DISPUTE: Final[Table] = {"evidence": "any", "submit": "bool", "metadata": "metadata", **EXPAND}
LIST_CUSTOMERS: Final[Table] = {"email": "str", "created": _RANGE, **_PAGE}
LIST_EVENTS: Final[Table] = {"type": "str", "created": _RANGE, "delivery_success": "bool", **_PAGE, **_any("types")}
LIST_TRANSACTIONS: Final[Table] = {
    "source": "str",
    "type": "str",
    "currency": "str",
    "payout": "str",
    "created": _RANGE,
    **_PAGE,
}

# Version trains (section 1): a request pinned to an older version may still send what was taken away later.
_TYPES_GONE: Final = "2026-09-30"
_UI_MODES_RENAMED: Final = "2026-03-25"
_UI_MODES: Final = ("hosted_page", "embedded_page", "elements")
_OLD_UI_MODES: Final = {"hosted": "hosted_page", "embedded": "embedded_page", "custom": "elements"}


def drop_or_refuse_types(given: dict[str, Any], *, version: str) -> None:
    """`payment_method_types` is refused from endive on. Changes `given`."""
    if "payment_method_types" in given:
        if version[:10] >= _TYPES_GONE:
            raise StripeError(
                "The parameter payment_method_types is no longer supported; use automatic_payment_methods",
                code="payment_method_types_no_longer_supported",
                param="payment_method_types",
            )
        del given["payment_method_types"]


def ui_mode_of(given: Mapping[str, Any], *, version: str) -> str:
    wanted = str(given.get("ui_mode", "hosted_page"))
    if version[:10] < _UI_MODES_RENAMED:
        wanted = _OLD_UI_MODES.get(wanted, wanted)
    if wanted not in _UI_MODES:
        raise StripeError(f"Invalid ui_mode: must be one of {', '.join(_UI_MODES)}", param="ui_mode")
    return wanted


def refuse_clashing_filters(given: Mapping[str, Any]) -> None:
    """The filter of allowed types may not be combined with the other ways to choose methods (section 1)."""
    others = ("automatic_payment_methods", "excluded_payment_method_types", "payment_method_configuration")
    clash = next((name for name in others if name in given), None)
    if "allowed_payment_method_types" in given and clash is not None:
        raise StripeError(f"You may not combine allowed_payment_method_types with {clash}", param=clash)
