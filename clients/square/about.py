"""What Square says about itself: shown by admin, API, pay page and docs."""

from __future__ import annotations

import string
from typing import Final

from clients.square import config
from clients.square.money import CURRENCIES, MINIMUMS
from clients.square.webhook import EVENTS
from core.gateways.types import CredentialField, Description, Mode, PollStep, ReferenceRule

MAX_REFERENCE: Final = 40

# Unconfirmed: how long Square remembers a key is not published. A day is what others promise; past it we look first.
IDEMPOTENCY_SECONDS: Final = 86_400

_CREDENTIALS: Final = (
    CredentialField(
        name="access_token",
        label="Access token",
        help="Developer console, your application, Credentials; the sandbox has one of its own. Nothing in a token "
        "tells which: test connection does.",
        is_secret=True,
        example="EAAA...",
        patterns=config.ACCESS_TOKEN,
        pattern_help="The access token is one word without spaces, and neither an application id nor an address.",
        usual=config.USUAL_ACCESS_TOKEN,
        min_length=config.MIN_SECRET_LENGTH,
    ),
    CredentialField(
        name="location_id",
        label="Location ID",
        help="Developer console, Locations: the location that takes the money. Its currency is the only one it takes.",
        example="LDOCEXAMPLE1",
        patterns=config.LOCATION_ID,
        pattern_help="A location id is short: letters and digits, usually beginning with L. Tokens belong elsewhere.",
        usual=config.USUAL_LOCATION_ID,
    ),
    CredentialField(
        name="webhook_signature_key",
        label="Webhook signature key",
        help="Developer console, Webhooks, the subscription of this address, Signature key. Each subscription has its "
        "own; it is not the access token. Without it every webhook is refused.",
        is_secret=True,
        patterns=config.SIGNATURE_KEY,
        pattern_help="The signature key is short (about 22 characters), and neither the access token nor an "
        "application secret.",
        min_length=config.MIN_SECRET_LENGTH,
        rotates=True,
    ),
    CredentialField(
        name="notification_url",
        label="Notification URL",
        help="Our webhook address, character for character as it stands in the subscription: Square signs it with "
        "each delivery. Keep the text that was registered, also when our own address changes.",
        example="https://pay.example.test/payments/webhook/square/...",
        patterns=config.NOTIFICATION_URL,
        pattern_help="An https address.",
        is_filled_by_platform=True,
    ),
    CredentialField(
        name="application_id",
        label="Application ID",
        help="Not needed for payment links. Where it is given, it proves that the values belong to this mode.",
        is_required=False,
        example="sandbox-sq0idb-... or sq0idp-...",
        patterns=config.APPLICATION_ID,
        pattern_help="sandbox-sq0idb- for a test account, sq0idp- for a live one",
    ),
    CredentialField(
        name="merchant_id",
        label="Merchant ID",
        help="Learned by test connection. Where it is given, webhooks of another merchant are marked.",
        is_required=False,
        example="MLDOCEXAMPLE1",
        patterns=config.MERCHANT_ID,
        pattern_help="A merchant id is short: letters and digits.",
        usual=config.USUAL_MERCHANT_ID,
    ),
    CredentialField(
        name="application_secret",
        label="Application secret",
        help="For OAuth only, which is not used here: leave it empty.",
        is_secret=True,
        is_required=False,
        patterns=config.APPLICATION_SECRET,
        pattern_help="sq0csp- for a live account",
    ),
)

DESCRIPTION: Final = Description(
    label="Square",
    website="https://squareup.com",
    regions=("United States", "Canada", "United Kingdom", "Ireland", "France", "Spain", "Australia", "Japan"),
    methods=("card", "apple_pay", "google_pay", "cash_app_pay", "afterpay"),
    currencies=CURRENCIES,
    minimums=MINIMUMS,
    reference=ReferenceRule(
        max_length=MAX_REFERENCE,
        alphabet=string.ascii_letters + string.digits + "-_",
        note="reference_id of the order (link) or the payment (saved card); may be used again, but ours never is",
    ),
    credentials=_CREDENTIALS,
    origins={mode: (config.API[mode], *config.PAGES[mode]) for mode in Mode},
    webhook_events=EVENTS,
    webhook_setup="Developer console, Webhooks, Subscriptions: add our address exactly as shown here with the events "
    f"listed, API version {config.SQUARE_VERSION}, and copy the subscription's signature key.",
    polling=(
        PollStep(until_age_seconds=3600, every_seconds=300),
        PollStep(until_age_seconds=86_400, every_seconds=3600),
        PollStep(until_age_seconds=None, every_seconds=21_600),
    ),
    # A minute: the card of a payment whose customer agreed to keep it. A day: a payment that met the deleting of a link.
    rereads_after_seconds=(60, 86_400),
    abandons_unanswered=True,  # a link whose address never arrived was shown to nobody
    idempotency_seconds=IDEMPOTENCY_SECONDS,
    manual_capture=False,  # a link always charges; only a saved card can be held (README)
    test_recipe="In the sandbox open the link and pay by its testing panel. Card 4111 1111 1111 1111 (CVV 111, any "
    "future expiry, postal code 94103) succeeds; an amount of 88.01 to 88.09 opens a dispute.",
    documentation_url="https://developer.squareup.com/docs/devtools/sandbox/payments",
)
