"""What the OpenAPI document says of each endpoint: shapes, examples, headers, problems. Decorators for the views' methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from core.api.problems import CONTENT_TYPE
from core.api.schema import CURSOR, IDEMPOTENCY_KEY, LIMIT, ProblemSerializer
from core.gateways.types import Attention, DisputeStatus, PaymentStatus, RefundStatus
from payments.api import examples
from payments.api import serializers as shapes
from payments.api.examples import Example
from payments.models import ProfileStatus

ALWAYS: Final = (400, 401, 403, 429, 503)
SENT: Final = (413, 415)  # where there is a body
ONCE: Final = (409, 422)  # where there is an Idempotency-Key
PAGE: Final = (LIMIT, CURSOR)


class Titled(dict[str, Example]):
    """Several examples, by their titles."""


def _query(
    name: str, what: str, *, words: Sequence[str] = (), kind: Any = OpenApiTypes.STR, required: bool = False
) -> OpenApiParameter:
    return OpenApiParameter(name=name, type=kind, description=what, enum=list(words) or None, required=required)


def _path(name: str, what: str) -> OpenApiParameter:
    return OpenApiParameter(name=name, type=OpenApiTypes.STR, location=OpenApiParameter.PATH, description=what)


_PAYMENT_ID: Final = _path("public_id", "The payment's id, PAY_...")
_REFUND_ID: Final = _path("public_id", "The refund's id, RF_...")
_LINK_ID: Final = _path("public_id", "The link's id, LNK_...")
_KEY_ID: Final = _path("public_id", "The gateway key's id, GWK_...")
_DISPUTE_ID: Final = _path("public_id", "The dispute's id, DP_...")
_PROFILE_ID: Final = _path("public_id", "The saved method's id, PM_...")
_RULE_ID: Final = _path("public_id", "The routing rule's id, RR_...")
_CUSTOMER_ID: Final = _path("external_id", "Your own id for the customer")


def _operation(
    name: str, tag: str, summary: str, *, scope: str, response: Any, example: Example,
    status: int = 200, request: Any = None, sent: Example | None = None,
    parameters: Sequence[OpenApiParameter] = (), problems: Sequence[int] = (), once: bool = False, more: str = "",
) -> Any:  # fmt: skip
    """One endpoint. `example` and `sent` are one example, or several that are `Titled`."""
    told = {*ALWAYS, *problems, *(SENT if request else ()), *(ONCE if once else ())}
    return extend_schema(
        operation_id=name,
        tags=[tag],
        summary=summary,
        description=f"{more}\n\nScope: `{scope}`.".strip(),
        parameters=[*parameters, *([IDEMPOTENCY_KEY] if once else [])],
        request=request,
        examples=_examples(sent, request_only=True),
        responses={
            status: OpenApiResponse(response=response, examples=_examples(example, status_codes=[str(status)])),
            **{(code, CONTENT_TYPE): _problem(code) for code in sorted(told)},
        },
    )


def _examples(given: Example | None, **options: Any) -> list[OpenApiExample]:
    titled = given if isinstance(given, Titled) else {} if given is None else {"Example": given}
    return [OpenApiExample(title, value=value, **options) for title, value in titled.items()]


def _problem(code: int) -> OpenApiResponse:
    told = examples.PROBLEMS[code]
    example = OpenApiExample(str(told["code"]), value=told, status_codes=[str(code)], media_type=CONTENT_TYPE)
    return OpenApiResponse(response=ProblemSerializer, description=str(told["title"]), examples=[example])


# The four paths that users know -------------------------------------------------------------------------------------

INITIATE: Final = _operation(
    "initiatePayment", "Payments", "Ask to be paid",
    scope="payments:write", request=shapes.Order, response=shapes.Payment, status=201, once=True, problems=(404, 502, 504),
    sent=Titled({
        "An order": examples.ORDER, "A crypto deposit": examples.DEPOSIT, "A saved method": examples.CHARGE,
    }),
    example=Titled({"To be paid": examples.PAYMENT, "In coins": examples.CRYPTO, "Declined at once": examples.DECLINED}),
    more="Answers 201 with the payment, also when the gateway declined it at once: `status` and `decline` tell. "
    "`next_action` says what the customer has to do; `pay_url` is a page of ours that does it for you. "
    "`save_method` keeps the customer's method for later, with their consent. `profile` charges one that was kept, "
    "with the key that kept it: 404 where there is none of that customer, 409 `profile_unusable` where it cannot be "
    "charged. "
    "422 `gateway_rejected` or `no_gateway`: change the request. 502: nothing was sent. 504 `outcome_unknown`: the "
    "payment is pending; repeat with the same Idempotency-Key, or read its status.",
)  # fmt: skip
STATUS: Final = _operation(
    "getPaymentStatus", "Payments", "Read a payment, freshly",
    scope="payments:read", parameters=[_PAYMENT_ID], response=shapes.Payment, example=examples.PAID, problems=(404,),
    more="A payment that is not final is asked about at its gateway, at most once in ten seconds.",
)  # fmt: skip
REFUND: Final = _operation(
    "refundPayment", "Refunds", "Give money back",
    scope="refunds:write", request=shapes.RefundOrder, sent=examples.REFUND_ORDER, response=shapes.Refund, status=201,
    example=examples.REFUND, once=True, problems=(404, 502),
    more="Without an amount all that is left is refunded. 409 `not_refundable` or `refund_too_large`: nothing was sent. "
    "A refund whose outcome is not known yet is answered as pending, with `pending_reason`.",
)  # fmt: skip

# Payments -----------------------------------------------------------------------------------------------------------

CAPTURE: Final = _operation(
    "capturePayment", "Payments", "Take what is held",
    scope="payments:write", parameters=[_PAYMENT_ID], request=shapes.CaptureOrder, sent=Titled({"A part": {"amount": 40000}}),
    response=shapes.Payment, example=examples.PAID, once=True, problems=(404, 502),
    more="Without an amount all that is held is taken.",
)  # fmt: skip
VOID: Final = _operation(
    "voidPayment", "Payments", "Release what is held, or end an unpaid order",
    scope="payments:write", parameters=[_PAYMENT_ID], response=shapes.Payment, example=examples.VOIDED, once=True,
    problems=(404, 502),
)  # fmt: skip
LIST_PAYMENTS: Final = _operation(
    "listPayments", "Payments", "List payments",
    scope="payments:read", response=shapes.PaymentPage, example=examples.page(examples.PAID, cursor="kXw3l0aXk2c8tUQ0cE9zVg"),
    parameters=[
        *PAGE,
        _query("status", "Payments that stand so", words=[one.value for one in PaymentStatus]),
        _query("reference", "Your own name for the order"),
        _query("gateway", "Payments through this gateway"),
        _query("customer", "Your own id for the customer"),
        _query("currency", "Payments asked in this currency"),
        _query("created_after", "Made at this time or later: ISO 8601 with its zone, or a date (UTC)"),
        _query("created_before", "Made before this time"),
        _query(
            "attention", "Payments that a person must look at: `any`, or one reason",
            words=["any", *(one.value for one in Attention)],
        ),
    ],
)  # fmt: skip
GET_PAYMENT: Final = _operation(
    "getPayment", "Payments", "Read a payment as it is known here",
    scope="payments:read", parameters=[_PAYMENT_ID], response=shapes.Payment, problems=(404,),
    example=Titled({"Paid": examples.PAID, "Held": examples.HELD_OPEN, "Disputed": examples.DISPUTED}),
    more="Never asks the gateway; `/payments/status/{id}` does.",
)  # fmt: skip
GET_TIMELINE: Final = _operation(
    "getPaymentTimeline", "Payments", "What happened to a payment",
    scope="payments:read", parameters=[_PAYMENT_ID], response=shapes.Timeline, problems=(404,),
    example=examples.TIMELINE,
    more="Changes of status, exchanges with the gateway (redacted), its webhooks, refunds and disputes, oldest first.",
)  # fmt: skip
LIST_REFUNDS: Final = _operation(
    "listRefunds", "Refunds", "List refunds",
    scope="payments:read", response=shapes.RefundPage, example=examples.page(examples.REFUND),
    parameters=[
        *PAGE,
        _query("payment", "Refunds of this payment, PAY_..."),
        _query("status", "Refunds that stand so", words=[one.value for one in RefundStatus]),
    ],
)  # fmt: skip
GET_REFUND: Final = _operation(
    "getRefund", "Refunds", "Read a refund",
    scope="payments:read", parameters=[_REFUND_ID], response=shapes.Refund, example=examples.REFUND, problems=(404,),
)  # fmt: skip

# Disputes and saved methods -----------------------------------------------------------------------------------------

LIST_DISPUTES: Final = _operation(
    "listDisputes", "Disputes", "List disputes",
    scope="payments:read", response=shapes.DisputePage, example=examples.page(examples.DISPUTE),
    parameters=[
        *PAGE,
        _query("payment", "Disputes of this payment, PAY_..."),
        _query("status", "Disputes that stand so", words=[one.value for one in DisputeStatus]),
    ],
)  # fmt: skip
GET_DISPUTE: Final = _operation(
    "getDispute", "Disputes", "Read a dispute",
    scope="payments:read", parameters=[_DISPUTE_ID], response=shapes.Dispute, example=examples.DISPUTE, problems=(404,),
    more="Evidence is given in the gateway's dashboard, until `respond_by`.",
)  # fmt: skip
LIST_PROFILES: Final = _operation(
    "listProfiles", "Saved methods", "List saved methods",
    scope="payments:read", response=shapes.ProfilePage, example=examples.page(examples.PROFILE),
    parameters=[
        *PAGE,
        _query("customer", "Your own id for the customer"),
        _query("status", "Methods that stand so; without it all but deleted ones", words=ProfileStatus.values),
    ],
)  # fmt: skip
CREATE_PROFILE: Final = _operation(
    "createProfile", "Saved methods", "Save a method without a payment",
    scope="profiles:write", request=shapes.ProfileOrder, sent=examples.PROFILE_ORDER, response=shapes.Profile, status=201,
    example=examples.NEW_PROFILE, once=True, problems=(502, 504),
    more="`next_action` says what the customer has to do; then the method becomes active by itself. Without `consent` "
    "nothing is saved. 422 `no_gateway` or `gateway_rejected`: change the request. 502 and 504: repeat with the same "
    "Idempotency-Key.",
)  # fmt: skip
GET_PROFILE: Final = _operation(
    "getProfile", "Saved methods", "Read a saved method",
    scope="payments:read", parameters=[_PROFILE_ID], response=shapes.Profile, example=examples.PROFILE, problems=(404,),
)  # fmt: skip
DEFAULT_PROFILE: Final = _operation(
    "setDefaultProfile", "Saved methods", "Make it the customer's default",
    scope="profiles:write", parameters=[_PROFILE_ID], response=shapes.Profile, example=examples.PROFILE,
    problems=(404, 409), more="Again is harmless. 409 `profile_unusable`: only an active method can be the default.",
)  # fmt: skip
DELETE_PROFILE: Final = _operation(
    "deleteProfile", "Saved methods", "Delete a saved method",
    scope="profiles:write", parameters=[_PROFILE_ID], response=shapes.Profile, example=examples.DELETED_PROFILE,
    problems=(404, 422, 502, 504),
    more="Asks the gateway to forget it first; where that is not certain (502, 504) it stays, and the call is repeated. "
    "Again is harmless.",
)  # fmt: skip

# Links --------------------------------------------------------------------------------------------------------------

LIST_LINKS: Final = _operation(
    "listLinks", "Links", "List payment links",
    scope="payments:read", response=shapes.LinkPage, example=examples.page(examples.LINK),
    parameters=[*PAGE, _query("is_active", "Links that were not disabled, or those that were", words=["true", "false"])],
)  # fmt: skip
CREATE_LINK: Final = _operation(
    "createLink", "Links", "Make a payment link",
    scope="links:write", request=shapes.LinkOrder, response=shapes.Link, status=201, example=examples.LINK, once=True,
    sent=Titled({"A fixed amount": examples.LINK_ORDER, "The customer chooses": examples.OPEN_LINK_ORDER}),
)  # fmt: skip
GET_LINK: Final = _operation(
    "getLink", "Links", "Read a payment link",
    scope="payments:read", parameters=[_LINK_ID], response=shapes.Link, example=examples.LINK, problems=(404,),
)  # fmt: skip
DISABLE_LINK: Final = _operation(
    "disableLink", "Links", "Disable a payment link",
    scope="links:write", parameters=[_LINK_ID], response=shapes.Link, example=examples.DISABLED_LINK, problems=(404,),
    more="For good; again is harmless. Payments that it already began go on.",
)  # fmt: skip

# Gateways and their keys --------------------------------------------------------------------------------------------

LIST_GATEWAYS: Final = _operation(
    "listGateways", "Gateways", "What the installed gateways can do",
    scope="payments:read", response=shapes.GatewayPage, example=examples.page(examples.GATEWAY),
)  # fmt: skip
GET_GATEWAY: Final = _operation(
    "getGateway", "Gateways", "What a gateway can do",
    scope="payments:read", parameters=[_path("slug", "The gateway's name here")], response=shapes.Gateway,
    example=examples.GATEWAY, problems=(404,),
)  # fmt: skip
LIST_GATEWAY_KEYS: Final = _operation(
    "listGatewayKeys", "Gateway keys", "List the lab's gateway accounts",
    scope="keys:write", response=shapes.GatewayKeyPage, parameters=PAGE, example=examples.page(examples.GATEWAY_KEY),
)  # fmt: skip
CREATE_GATEWAY_KEY: Final = _operation(
    "createGatewayKey", "Gateway keys", "Keep a gateway account",
    scope="keys:write", request=shapes.GatewayKeyOrder, sent=examples.GATEWAY_KEY_ORDER, response=shapes.GatewayKey,
    status=201, example=examples.GATEWAY_KEY, once=True,
    more="Secrets go in and never come out. 400 `credentials_refused` names every field that cannot be right.",
)  # fmt: skip
GET_GATEWAY_KEY: Final = _operation(
    "getGatewayKey", "Gateway keys", "Read a gateway account",
    scope="keys:write", parameters=[_KEY_ID], response=shapes.GatewayKey, example=examples.GATEWAY_KEY, problems=(404,),
)  # fmt: skip
CHANGE_GATEWAY_KEY: Final = _operation(
    "changeGatewayKey", "Gateway keys", "Change a gateway account",
    scope="keys:write", parameters=[_KEY_ID], request=shapes.GatewayKeyChange, sent=examples.GATEWAY_KEY_CHANGE,
    response=shapes.GatewayKey, example=examples.GATEWAY_KEY, problems=(404, 409),
    more="What is left out stays. The previous value of a rotating secret is accepted in webhooks for 15 days.",
)  # fmt: skip
CHECK_GATEWAY_KEY: Final = _operation(
    "checkGatewayKey", "Gateway keys", "Test the connection",
    scope="keys:write", parameters=[_KEY_ID], response=shapes.GatewayKeyCheck, example=examples.GATEWAY_KEY_CHECK,
    problems=(404,), more="Asks the gateway whether the credentials work, and moves nothing. 200 also when they do not.",
)  # fmt: skip
DISABLE_GATEWAY_KEY: Final = _operation(
    "disableGatewayKey", "Gateway keys", "Disable a gateway account",
    scope="keys:write", parameters=[_KEY_ID], response=shapes.GatewayKey, example=examples.DISABLED_KEY,
    problems=(404,), more="No new payments, and its webhook address answers 404. PATCH `is_active` switches it on again.",
)  # fmt: skip

# Routing ------------------------------------------------------------------------------------------------------------

EXPLAIN_ROUTE: Final = _operation(
    "explainRoute", "Routing", "Which gateway key would take a payment, and why",
    scope="payments:read", response=shapes.Route, example=examples.ROUTE, problems=(422,),
    parameters=[
        _query("amount", "In minor units: 49900 is 499.00 INR", required=True),
        _query("currency", "ISO 4217 or a coin, in capitals", required=True),
        _query("country", "The customer's, as in billing.country: IN"),
        _query("method", "card, upi, ... as in an order"),
        _query("gateway", "Only keys of this gateway"),
    ],
    more="Moves nothing and asks nobody. A rule with shares draws anew each time, as each payment does. 422 `no_gateway` "
    "says key by key why none can.",
)  # fmt: skip
LIST_RULES: Final = _operation(
    "listRoutingRules", "Routing", "List routing rules",
    scope="keys:write", response=shapes.RulePage, example=examples.page(examples.RULE),
)  # fmt: skip
CREATE_RULE: Final = _operation(
    "createRoutingRule", "Routing", "Make a routing rule",
    scope="keys:write", request=shapes.RuleOrder, sent=examples.RULE_ORDER, response=shapes.Rule, status=201,
    example=examples.RULE, once=True,
    more="The first rule in order whose conditions all hold, and which names a key that can take the payment, says who is "
    "tried; without one, priority does. Amounts are minor units of the payment's currency, so name currencies beside them.",
)  # fmt: skip
GET_RULE: Final = _operation(
    "getRoutingRule", "Routing", "Read a routing rule",
    scope="keys:write", parameters=[_RULE_ID], response=shapes.Rule, example=examples.RULE, problems=(404,),
)  # fmt: skip
CHANGE_RULE: Final = _operation(
    "changeRoutingRule", "Routing", "Change a routing rule",
    scope="keys:write", parameters=[_RULE_ID], request=shapes.RuleChange, sent=examples.RULE_CHANGE, response=shapes.Rule,
    example=examples.RULE, problems=(404,), more="What is left out stays; a bound that is null is taken off.",
)  # fmt: skip
DELETE_RULE: Final = _operation(
    "deleteRoutingRule", "Routing", "Delete a routing rule",
    scope="keys:write", parameters=[_RULE_ID], response=shapes.Rule, example=examples.RULE, problems=(404,),
    more="Answers the rule as it was.",
)  # fmt: skip

# Customers and currencies -------------------------------------------------------------------------------------------

LIST_CUSTOMERS: Final = _operation(
    "listCustomers", "Customers", "List customers",
    scope="payments:read", response=shapes.CustomerPage, parameters=PAGE, example=examples.page(examples.CUSTOMER),
)  # fmt: skip
GET_CUSTOMER: Final = _operation(
    "getCustomer", "Customers", "Read a customer",
    scope="payments:read", parameters=[_CUSTOMER_ID], response=shapes.Customer, example=examples.CUSTOMER,
    problems=(404,),
)  # fmt: skip
LIST_BALANCES: Final = _operation(
    "listBalances", "Customers", "What a customer holds",
    scope="balances:read", parameters=[_CUSTOMER_ID], response=shapes.BalancePage, problems=(404,),
    example=examples.page(examples.BALANCE), more="The books are live only: with a test key the list is empty.",
)  # fmt: skip
LIST_TRANSACTIONS: Final = _operation(
    "listTransactions", "Customers", "A customer's statement",
    scope="balances:read", parameters=[_CUSTOMER_ID, *PAGE, _query("asset", "Lines in this asset")],
    response=shapes.TransactionPage, example=examples.page(examples.TRANSACTION), problems=(404,),
    more="The books are live only: with a test key the list is empty.",
)  # fmt: skip
LIST_CURRENCIES: Final = _operation(
    "listCurrencies", "Currencies", "Currencies and coins that are switched on",
    scope="payments:read", response=shapes.CurrencyPage, example=examples.page(examples.CURRENCY),
)  # fmt: skip
