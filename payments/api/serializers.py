"""The shapes of requests and answers, for the OpenAPI document alone.

Views do not run them: cleaning is `payments.api.inputs`, showing is `payments.showing`, both a hundred times faster. A test
holds every answer of every endpoint against what stands here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers
from rest_framework.serializers import BooleanField, CharField, DateTimeField, DictField, IntegerField, ListField

from core.api import fields
from core.gateways.types import (
    Attention,
    CaptureMode,
    DisputeStatus,
    FraudStatus,
    Mode,
    PaymentStatus,
    Presentation,
    RefundStatus,
    WebhookProof,
)
from finance.models import TransactionKind
from payments.models import ProfileStatus, Purpose
from payments.services.links import LinkStatus

Document = serializers.Serializer


def _words(words: Iterable[Any]) -> type[CharField]:
    """A field class for one of some words. Inline: a component for each would only make the page longer."""
    found = [str(getattr(word, "value", word)) for word in words]
    return extend_schema_field({"type": "string", "enum": found})(type("Word", (CharField,), {}))


@extend_schema_field({
    "oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]{1,38}$"}],
    "description": "Minor units: 49900 is 499.00 INR. A string of digits where the number does not fit your JSON.",
})  # fmt: skip
class AmountInField(CharField):
    """An amount in a request."""


@extend_schema_field({
    "oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]{1,38}$"}],
    "description": "Minor units; a part of amount.",
})  # fmt: skip
class PartInField(CharField):
    """A part of an amount in a request."""


@extend_schema_field({
    "type": "object", "maxProperties": fields.METADATA_KEYS,
    "additionalProperties": {"type": "string", "maxLength": fields.METADATA_VALUE_LENGTH},
})  # fmt: skip
class MetadataField(DictField):
    """Text by name; given back as it came."""


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class TextsField(DictField):
    """Text by name."""


@extend_schema_field({"type": "object", "additionalProperties": True})
class AnythingField(DictField):
    """What a gateway was asked or said, redacted."""


@extend_schema_field({"oneOf": [{"type": "object", "additionalProperties": True}]})
class MaybeAnythingField(DictField):
    """The same, where it may be null."""


ModeField = _words(Mode)
PaymentStatusField = _words(PaymentStatus)
RefundStatusField = _words(RefundStatus)
AttentionField = _words(Attention)
FraudStatusField = _words(FraudStatus)
PurposeField = _words(Purpose.values)
CaptureModeField = _words(CaptureMode)
PresentationField = _words(Presentation)
RefundSumField = _words(["none", "pending", "partially_refunded", "refunded"])
DisputeSumField = _words(["none", "open", "withdrawn"])
DisputeStatusField = _words(DisputeStatus)
ProfileStatusField = _words(ProfileStatus.values)
LinkStatusField = _words(LinkStatus)
ProofField = _words(WebhookProof)
MomentKindField = _words(["status", "gateway", "webhook", "refund", "dispute", "staff"])
TransactionKindField = _words(TransactionKind.values)
CurrencyKindField = _words(["currency", "coin"])

MINOR: Final = "In minor units of currency"


# Payments: what is asked --------------------------------------------------------------------------------------------


class OrderCustomer(Document):
    """Who pays. With an id the lab's customer of that id is made or brought up to date."""

    id = CharField(required=False, max_length=120, help_text="Your own id for them; a deposit needs it")
    name = CharField(required=False, max_length=200)
    email = CharField(required=False, max_length=254)
    phone = CharField(required=False, max_length=40, help_text="With + and country, like +919876543210")


class OrderBilling(Document):
    name = CharField(required=False, max_length=200)
    line1 = CharField(required=False, max_length=200)
    line2 = CharField(required=False, max_length=200)
    city = CharField(required=False, max_length=100)
    state = CharField(required=False, max_length=100)
    postal_code = CharField(required=False, max_length=20)
    country = CharField(required=False, max_length=2, help_text="ISO 3166-1 alpha-2, like IN")


class Order(Document):
    """A wish to be paid."""

    amount = AmountInField()
    currency = CharField(help_text="ISO 4217 or a coin, in capitals: INR, USD, USDTTRC20")
    gateway = CharField(
        required=False, help_text="Without it the lab's active keys are tried in priority order, by what they can take"
    )
    reference = CharField(
        required=False, max_length=120, help_text="Your own name for the order; one open or paid payment at a time"
    )
    description = CharField(required=False, max_length=500)
    customer = OrderCustomer(required=False)
    billing = OrderBilling(required=False)
    tax = PartInField(required=False)
    delivery = PartInField(required=False)
    return_url = CharField(
        required=False, max_length=2000, help_text="Where the customer goes back to; its origin is in the lab's list"
    )
    capture = CaptureModeField(required=False, help_text="manual holds the money until you capture it")
    presentation = PresentationField(required=False, help_text="hosted: the gateway's page; embedded: a form in yours")
    pay_currency = CharField(required=False, max_length=32, help_text="The coin that the customer chose: usdttrc20")
    purpose = PurposeField(required=False, help_text="deposit credits the customer's balance")
    expires_in = IntegerField(required=False, min_value=60, max_value=90 * 24 * 3600, help_text="Seconds")
    customer_ip = CharField(required=False, help_text="The payer's network address")
    method = CharField(
        required=False, max_length=32, help_text="Only gateways that take it: card, upi, ... as GET /v1/gateways says"
    )
    save_method = BooleanField(
        required=False, help_text="The customer agreed that their method is kept; needs customer.id"
    )
    profile = CharField(required=False, help_text="PM_...: charge this saved method while the customer is away")
    metadata = MetadataField(required=False)


class CaptureOrder(Document):
    amount = AmountInField(required=False)


class RefundOrder(Document):
    payment = CharField(help_text="The id of the payment, PAY_...")
    amount = AmountInField(required=False)
    reason = CharField(required=False, max_length=300)
    reference = CharField(required=False, max_length=120, help_text="Your own name for the refund")


# Payments: what is shown --------------------------------------------------------------------------------------------


class Redirect(Document):
    """Send the customer's browser there."""

    type = _words(["redirect"])()
    url = CharField()


class FormPost(Document):
    """Let the customer's browser post these fields there."""

    type = _words(["form_post"])()
    url = CharField()
    fields = TextsField()  # type: ignore[assignment]


class ShowAddress(Document):
    """Show the address, its network and memo, and the exact amount."""

    type = _words(["show_address"])()
    address = CharField()
    amount = IntegerField(allow_null=True, help_text="In minor units of the coin; null while its decimals are unknown")
    amount_text = CharField(help_text="What the customer copies; exact")
    asset = CharField(help_text="The coin")
    network = CharField()
    memo = CharField(allow_null=True, help_text="Where it is given, money without it is lost")
    expires_at = DateTimeField(allow_null=True)
    uri = CharField(allow_null=True, help_text="For a QR code")


class ClientToken(Document):
    """For the gateway's own script in this buyer's browser, and for nothing else."""

    type = _words(["client_token"])()
    token = CharField()
    public_key = CharField(allow_null=True)
    script_url = CharField(allow_null=True)
    parameters = TextsField()


@extend_schema_field(
    PolymorphicProxySerializer(
        component_name="NextAction",
        serializers={
            "redirect": Redirect, "form_post": FormPost, "show_address": ShowAddress, "client_token": ClientToken,
        },
        resource_type_field_name="type",
    )
)  # fmt: skip
class NextActionField(DictField):
    """What the customer has to do."""


class Fraud(Document):
    status = FraudStatusField()
    message = CharField(allow_null=True)


class Method(Document):
    """How it was paid."""

    kind = CharField(help_text="card, upi, netbanking, wallet, bank_transfer, crypto, ...")
    brand = CharField(allow_null=True)
    last_four = CharField(allow_null=True)
    handle = CharField(allow_null=True)
    network = CharField(allow_null=True)
    wallet = CharField(allow_null=True)


class Coin(Document):
    """What a crypto payment asked for and what arrived, in minor units of code."""

    code = CharField()
    network = CharField(allow_null=True)
    amount = IntegerField(allow_null=True)
    amount_text = CharField(allow_null=True)
    arrived = IntegerField(allow_null=True)
    arrived_text = CharField(allow_null=True)
    decimals = IntegerField(allow_null=True)
    address = CharField(allow_null=True)
    memo = CharField(allow_null=True)
    transaction_hash = CharField(allow_null=True)
    explorer_url = CharField(allow_null=True)


class Decline(Document):
    code = CharField(help_text="Ours; stable")
    gateway_code = CharField(allow_null=True)
    message = CharField(allow_null=True, help_text="The gateway's")


class Payment(Document):
    """A payment. Amounts are minor units of currency."""

    id = CharField(help_text="PAY_...")
    reference = CharField(allow_null=True, help_text="Your own")
    status = PaymentStatusField()
    refund_status = RefundSumField()
    dispute_status = DisputeSumField(
        help_text="open: a person must act, or the money is gone; withdrawn: held back while nobody has to act"
    )
    attention = ListField(
        child=AttentionField(),
        help_text="Why a person must look; the gravest first. Left out: what staff have marked as seen",
    )
    fraud = Fraud()
    purpose = PurposeField()
    amount = IntegerField(min_value=1, help_text="What was asked")
    currency = CharField()
    authorized = IntegerField(min_value=0)
    captured = IntegerField(min_value=0)
    received = IntegerField(min_value=0, help_text="What arrived by the gateway's word, also when it was too little")
    refunded = IntegerField(min_value=0)
    disputed = IntegerField(min_value=0, help_text="What the gateway holds back now because of disputes")
    refundable = IntegerField(min_value=0, help_text="What can still be refunded through the gateway")
    fee = IntegerField(allow_null=True, help_text="What the gateway kept, where it says so")
    description = CharField(allow_null=True)
    capture = CaptureModeField()
    gateway = CharField()
    mode = ModeField()
    gateway_reference = CharField(allow_null=True)
    next_action = NextActionField(allow_null=True)
    method = Method(allow_null=True)
    coin = Coin(allow_null=True)
    decline = Decline(allow_null=True)
    pending_reason = CharField(
        allow_null=True,
        help_text="waiting_for_customer, waiting_for_capture, capture_pending, waiting_for_gateway, outcome_unknown, ...",
    )
    last_checked_at = DateTimeField(allow_null=True)
    next_check_at = DateTimeField(allow_null=True)
    metadata = MetadataField()
    created_at = DateTimeField()
    expires_at = DateTimeField(allow_null=True)
    completed_at = DateTimeField(allow_null=True)
    pay_url = CharField(help_text="Our page for the customer")


class Refund(Document):
    """A refund."""

    id = CharField(help_text="RF_...")
    payment = CharField()
    amount = IntegerField(min_value=1, help_text=MINOR)
    currency = CharField()
    status = RefundStatusField()
    reference = CharField(allow_null=True)
    reason = CharField(allow_null=True)
    gateway_reference = CharField(allow_null=True)
    pending_reason = CharField(allow_null=True)
    failure = Decline(allow_null=True)
    is_external = BooleanField(help_text="Made at the gateway, not through this API")
    created_at = DateTimeField()
    completed_at = DateTimeField(allow_null=True)


class Moment(Document):
    """One thing that happened to a payment."""

    at = DateTimeField()
    kind = MomentKindField()
    text = CharField(help_text="A sentence for people")
    details = AnythingField(help_text="By kind: status from, to, cause; what a gateway was asked and said; ...")


class Timeline(Document):
    payment = CharField()
    data = Moment(many=True, help_text="Oldest first")  # type: ignore[assignment]
    is_cut = BooleanField(help_text="Whether only the newest 200 of a kind are here")


def _page(name: str, row: type[Document], what: str) -> type[Document]:
    members = {
        "__doc__": what,
        "data": row(many=True),
        "has_more": BooleanField(),
        "next_cursor": CharField(allow_null=True, help_text="Send it as cursor for the next page"),
    }
    return type(name, (Document,), members)


PaymentPage = _page("PaymentPage", Payment, "Payments, newest first.")
RefundPage = _page("RefundPage", Refund, "Refunds, newest first.")


# Disputes and saved methods -----------------------------------------------------------------------------------------


class Dispute(Document):
    """The payer's bank asks for the money of a payment back. Amounts are minor units of currency."""

    id = CharField(help_text="DP_...")
    payment = CharField()
    status = DisputeStatusField()
    amount = IntegerField(allow_null=True, help_text="What is disputed")
    withdrawn = IntegerField(min_value=0, help_text="What the gateway holds back because of it now")
    currency = CharField()
    reason = CharField(allow_null=True)
    respond_by = DateTimeField(allow_null=True, help_text="Until when evidence is taken, in the gateway's dashboard")
    gateway_reference = CharField()
    opened_at = DateTimeField()
    closed_at = DateTimeField(allow_null=True)


DisputePage = _page("DisputePage", Dispute, "Disputes, newest first.")


class ProfileCustomer(OrderCustomer):
    """Whose method it is."""

    id = CharField(max_length=120, help_text="Your own id for them")


@extend_schema_field({"type": "boolean", "enum": [True]})
class ConsentField(BooleanField):
    """Nothing but true."""


class ProfileOrder(Document):
    """A method to save without a payment."""

    customer = ProfileCustomer()
    currency = CharField(help_text="Of the later payments")
    gateway = CharField(required=False, help_text="Without it the first of the lab's keys that can")
    return_url = CharField(
        required=False, max_length=2000, help_text="Where the customer goes back to; its origin is in the lab's list"
    )
    consent = ConsentField(help_text="true: the customer agreed that their method is kept for later payments")


class Profile(Document):
    """A customer's saved method. The gateway keeps it; never a card number, never its token."""

    id = CharField(help_text="PM_...")
    customer = CharField(allow_null=True, help_text="Your own id for them")
    gateway = CharField()
    status = ProfileStatusField(help_text="Only an active one can be charged")
    is_default = BooleanField()
    kind = CharField(allow_null=True, help_text="card, upi, ...")
    brand = CharField(allow_null=True)
    last_four = CharField(allow_null=True)
    expiry_month = IntegerField(allow_null=True)
    expiry_year = IntegerField(allow_null=True)
    handle = CharField(allow_null=True)
    next_action = NextActionField(allow_null=True, help_text="What the customer has to do for it to be saved")
    consent_at = DateTimeField()
    created_at = DateTimeField()
    deleted_at = DateTimeField(allow_null=True)


ProfilePage = _page("ProfilePage", Profile, "Saved methods, newest first.")


# Links --------------------------------------------------------------------------------------------------------------


class LinkOrder(Document):
    """A payment link: amount for a fixed amount, or minimum and maximum for one that the customer chooses."""

    currency = CharField()
    amount = AmountInField(required=False)
    minimum = AmountInField(required=False)
    maximum = AmountInField(required=False)
    description = CharField(required=False, max_length=500)
    reference = CharField(required=False, max_length=100)
    expires_in = IntegerField(required=False, min_value=60, max_value=5 * 366 * 24 * 3600, help_text="Seconds")
    max_uses = IntegerField(required=False, min_value=1, max_value=1_000_000)
    allowed_gateways = ListField(child=CharField(), required=False, help_text="None: all of the lab's")
    return_url = CharField(required=False, max_length=2000)
    metadata = MetadataField(required=False)


class Link(Document):
    id = CharField(help_text="LNK_...")
    url = CharField(allow_null=True, help_text="Hand it out; whoever has it can pay")
    status = LinkStatusField()
    amount = IntegerField(allow_null=True, help_text="null: the customer chooses")
    minimum = IntegerField(allow_null=True)
    maximum = IntegerField(allow_null=True)
    currency = CharField()
    description = CharField(allow_null=True)
    reference = CharField(allow_null=True)
    mode = ModeField()
    allowed_gateways = ListField(child=CharField())
    uses = IntegerField(min_value=0)
    max_uses = IntegerField(allow_null=True)
    return_url = CharField(allow_null=True)
    metadata = MetadataField()
    created_at = DateTimeField()
    expires_at = DateTimeField(allow_null=True)


LinkPage = _page("LinkPage", Link, "Links, newest first.")


# Gateways and their keys --------------------------------------------------------------------------------------------


class GatewayCurrency(Document):
    code = CharField()
    exponent = IntegerField(min_value=0, help_text="Decimals: 0, 2, 3, ...")
    minimum = IntegerField(allow_null=True, help_text="In minor units, as far as published")
    maximum = IntegerField(allow_null=True)


class CredentialChoice(Document):
    value = CharField()
    label = CharField()  # type: ignore[assignment]


class Credential(Document):
    """One field of a gateway account: what a form needs to ask for it."""

    name = CharField()
    label = CharField()  # type: ignore[assignment]
    help = CharField(allow_null=True)
    is_secret = BooleanField()
    is_required = BooleanField()
    is_multiline = BooleanField()
    is_filled_by_platform = BooleanField()
    rotates = BooleanField(help_text="Its previous value is accepted in webhooks for 15 days after a change")
    example = CharField(allow_null=True)
    default = CharField(allow_null=True)
    min_length = IntegerField(min_value=0)
    choices = CredentialChoice(many=True)
    patterns = TextsField(help_text="Regular expressions for the whole value, by mode")
    pattern_help = CharField(allow_null=True)


class GatewayWebhook(Document):
    proof = ProofField(help_text="weak: a delivery only makes us ask the gateway")
    events = ListField(child=CharField(), help_text="What to switch on in the gateway's dashboard")
    setup = CharField(allow_null=True)
    content_types = ListField(child=CharField())


class GatewayReference(Document):
    """What the gateway accepts as our reference; references are fitted to it by themselves."""

    max_length = IntegerField(min_value=1)
    alphabet = CharField()
    note = CharField(allow_null=True)


class Gateway(Document):
    """What an installed gateway can do, by its own word."""

    gateway = CharField(help_text="Its name here")
    label = CharField()  # type: ignore[assignment]
    website = CharField()
    documentation_url = CharField(allow_null=True)
    regions = ListField(child=CharField())
    methods = ListField(child=CharField())
    is_crypto = BooleanField()
    currencies = GatewayCurrency(many=True)
    coins = ListField(child=CharField(), help_text="Coins offered for paying")
    abilities = ListField(child=CharField(), help_text="capture, void, refund, read_return, list_currencies, ...")
    manual_capture = BooleanField()
    presentations = ListField(child=PresentationField())
    credentials = Credential(many=True)
    webhook = GatewayWebhook()
    reference = GatewayReference()
    default_expiry_seconds = IntegerField(allow_null=True)
    idempotency_seconds = IntegerField(allow_null=True)
    test_recipe = CharField(allow_null=True)


GatewayPage = _page("GatewayPage", Gateway, "Every installed gateway.")


class GatewayKeyOrder(Document):
    """A gateway account to keep. Its mode is the API key's."""

    gateway = CharField()
    label = CharField(required=False, max_length=120)  # type: ignore[assignment]
    credentials = TextsField(help_text="By the names of GET /v1/gateways/{slug}")
    priority = IntegerField(required=False, min_value=0, max_value=32_767, help_text="Lower is tried first; 100")


class GatewayKeyChange(Document):
    """What is left out, and a credential that is blank, stays as it is."""

    label = CharField(required=False, max_length=120)  # type: ignore[assignment]
    credentials = TextsField(required=False)
    priority = IntegerField(required=False, min_value=0, max_value=32_767)
    is_active = BooleanField(required=False)


class KeptCredential(Document):
    """What may be shown of a credential that is kept. Of a secret never more than its end."""

    name = CharField()
    label = CharField()  # type: ignore[assignment]
    is_secret = BooleanField()
    is_set = BooleanField()
    value = CharField(allow_null=True, help_text="null for secrets")
    last_four = CharField(allow_null=True)
    fingerprint = CharField(allow_null=True, help_text="The same value has the same fingerprint here")
    changed_at = DateTimeField(allow_null=True)


class LastCheck(Document):
    at = DateTimeField()
    ok = BooleanField()
    message = CharField()


class GatewayKey(Document):
    """One gateway account of the lab."""

    id = CharField(help_text="GWK_...")
    gateway = CharField()
    mode = ModeField()
    label = CharField(allow_null=True)  # type: ignore[assignment]
    account = CharField(allow_null=True, help_text="The gateway's own name for it, once known")
    priority = IntegerField()
    is_active = BooleanField()
    allowed_currencies = ListField(child=CharField(), help_text="None: all that the gateway takes")
    credentials = KeptCredential(many=True)
    webhook_url = CharField(allow_null=True, help_text="For the gateway's dashboard; keep it to yourself")
    last_check = LastCheck(allow_null=True)
    last_verified_webhook_at = DateTimeField(allow_null=True)
    problem = CharField(allow_null=True)
    created_at = DateTimeField()
    updated_at = DateTimeField()


GatewayKeyPage = _page("GatewayKeyPage", GatewayKey, "Gateway keys of the API key's mode, newest first.")


class GatewayKeyCheck(Document):
    """What the gateway said of the credentials."""

    ok = BooleanField()
    message = CharField()
    mode = CharField(allow_null=True, help_text="test or live, where the gateway tells")
    account = CharField(allow_null=True)
    details = TextsField()
    gateway_key = GatewayKey()


# Routing ------------------------------------------------------------------------------------------------------------


class RouteRule(Document):
    id = CharField(help_text="RR_...")
    name = CharField(allow_null=True)


class RouteCandidate(Document):
    """A gateway key that would be tried."""

    gateway_key = CharField()
    gateway = CharField()
    label = CharField(allow_null=True)  # type: ignore[assignment]
    reason = CharField(allow_null=True, help_text="Why it stands where it stands, where there is something to say")


class RouteRefusal(Document):
    gateway = CharField()
    gateway_key = CharField()
    reason = CharField(help_text="Why it cannot take such a payment")


class Route(Document):
    """Who would be tried, in order, and why."""

    rule = RouteRule(allow_null=True, help_text="The rule that decided; null: priority did")
    candidates = RouteCandidate(many=True)
    refused = RouteRefusal(many=True)


class RuleChange(Document):
    """What is left out stays as it is; a bound that is null is taken off, an empty list always holds."""

    name = CharField(required=False, max_length=120)
    position = IntegerField(required=False, min_value=0, max_value=32_767, help_text="Lower is read first; 100")
    currencies = ListField(child=CharField(), required=False, max_length=200)
    countries = ListField(
        child=CharField(), required=False, max_length=200, help_text="Of billing.country: ISO 3166-1 alpha-2"
    )
    methods = ListField(child=CharField(), required=False, max_length=200, help_text="Of method: card, upi, ...")
    minimum = AmountInField(required=False, allow_null=True)
    maximum = AmountInField(required=False, allow_null=True)
    gateway_keys = ListField(
        child=CharField(), required=False, min_length=1, max_length=20, help_text="GWK_..., in the order to be tried"
    )
    shares = ListField(
        child=IntegerField(min_value=0, max_value=100), required=False, max_length=20,
        help_text="Percentages, one for each of gateway_keys, together 100; none: strictly in order",
    )  # fmt: skip
    is_active = BooleanField(required=False)


class RuleOrder(RuleChange):
    """A routing rule. The first in order whose conditions all hold names who is tried."""

    gateway_keys = ListField(
        child=CharField(), min_length=1, max_length=20, help_text="GWK_..., in the order to be tried"
    )


class Rule(Document):
    """A routing rule of the lab."""

    id = CharField(help_text="RR_...")
    name = CharField(allow_null=True)
    mode = ModeField()
    position = IntegerField()
    currencies = ListField(child=CharField(), help_text="None: all")
    countries = ListField(child=CharField(), help_text="None: all")
    methods = ListField(child=CharField(), help_text="None: all")
    minimum = IntegerField(allow_null=True, help_text="In minor units of the payment's currency")
    maximum = IntegerField(allow_null=True)
    gateway_keys = ListField(child=CharField())
    shares = ListField(child=IntegerField())
    is_active = BooleanField()
    created_at = DateTimeField()


RulePage = _page("RulePage", Rule, "Every routing rule of the API key's mode, in the order in which they are read.")


# Customers ----------------------------------------------------------------------------------------------------------


class Customer(Document):
    id = CharField(allow_null=True, help_text="Your own id for them")
    name = CharField(allow_null=True)
    email = CharField(allow_null=True)
    phone = CharField(allow_null=True)
    created_at = DateTimeField()


CustomerPage = _page("CustomerPage", Customer, "Customers, newest first.")


class Balance(Document):
    """What a customer holds in one asset, in its minor units."""

    asset = CharField()
    balance = IntegerField()
    held = IntegerField(min_value=0, help_text="Set aside for withdrawals under way")
    available = IntegerField()
    total_deposited = IntegerField()
    total_withdrawn = IntegerField()


BalancePage = _page("BalancePage", Balance, "A customer's balances, by asset; none in test mode.")


class Transaction(Document):
    """One line of a customer's statement, in minor units of asset."""

    kind = TransactionKindField()
    asset = CharField()
    amount = IntegerField(help_text="Positive where the customer gained")
    balance_after = IntegerField()
    description = CharField(allow_null=True)
    payment = CharField(allow_null=True, help_text="The payment that it came from")
    created_at = DateTimeField()


TransactionPage = _page("TransactionPage", Transaction, "A customer's statement, newest first; empty in test mode.")


class Currency(Document):
    code = CharField()
    name = CharField()
    kind = CurrencyKindField()
    exponent = IntegerField(min_value=0, help_text="Decimals: 0, 2, 3, 8, ...")
    minimum = IntegerField(allow_null=True)
    token = CharField(allow_null=True)
    network = CharField(allow_null=True)


CurrencyPage = _page("CurrencyPage", Currency, "Currencies and coins that are switched on.")
