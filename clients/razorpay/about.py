"""What Razorpay says about itself to the platform: methods, currencies, credentials, events, polling."""

from __future__ import annotations

import string
from typing import Final

from clients.razorpay import config, webhook
from clients.razorpay.money import CURRENCIES_TAKEN, MINIMUMS
from core.gateways.types import CredentialField, Description, Mode, PollStep, Presentation, ReferenceRule

MAX_REFERENCE: Final = 40  # of a link's reference_id and an order's receipt
LINK_LIFETIME_SECONDS: Final = 180 * 86_400  # Razorpay's default, six months, and its most
LATE_AUTHORIZATION_SECONDS: Final = 3 * 86_400  # how long Razorpay asks the bank again; older pages say five days

_CREDENTIALS: Final = (
    CredentialField(
        name="key_id",
        label="Key Id",
        help="Razorpay dashboard, Account & Settings, API Keys. It is seen by browsers.",
        example="rzp_test_DocExample0001",
        patterns=config.KEY_ID,
        pattern_help="rzp_test_ for a test account, rzp_live_ for a live one, then letters and digits",
    ),
    CredentialField(
        name="key_secret",
        label="Key Secret",
        help="Shown once, when the key is made. It also signs browser returns, so an earlier one is still tried for them.",
        is_secret=True,
        patterns=dict.fromkeys(Mode, config.KEY_SECRET),
        pattern_help="The Key Secret has no spaces; about 24 letters and digits.",
        usual=config.USUAL_KEY_SECRET,
        min_length=config.MIN_SECRET_LENGTH,
        rotates=True,
    ),
    CredentialField(
        name="webhook_secret",
        label="Webhook Secret",
        help="The text that you type where the webhook is added in the dashboard; not the Key Secret. Razorpay takes "
        "shorter ones, here it has at least 8 characters. Without it every webhook is refused.",
        is_secret=True,
        min_length=config.MIN_SECRET_LENGTH,
        rotates=True,
    ),
    CredentialField(
        name="account_id",
        label="Account id",
        help="Optional: events of any other account are marked. It stands in the dashboard's account details.",
        is_required=False,
        example="acc_DocEEEEEEEEEE1",
        patterns=dict.fromkeys(Mode, config.ACCOUNT_ID),
        pattern_help="acc_ followed by letters and digits",
    ),
)

DESCRIPTION: Final = Description(
    label="Razorpay",
    website="https://razorpay.com",
    regions=("India", "Malaysia", "Singapore", "United States"),
    methods=("card", "upi", "netbanking", "wallet"),
    currencies=CURRENCIES_TAKEN,
    minimums=MINIMUMS,
    reference=ReferenceRule(
        max_length=MAX_REFERENCE,
        alphabet=string.ascii_letters + string.digits + "-_",
        note="unique for links; whether a second order of the same receipt is refused is not sure",  # Unconfirmed
    ),
    credentials=_CREDENTIALS,
    origins=dict.fromkeys(Mode, (config.API, config.LINKS, config.SCRIPT_ORIGIN)),
    webhook_events=tuple(webhook.READERS),
    webhook_setup="Razorpay dashboard, Account & Settings, Webhooks: add the address with a secret of your own and the "
    "events listed here, once in test and once in live mode, and set payment capture to automatic.",
    polling=(
        PollStep(until_age_seconds=900, every_seconds=120),
        PollStep(until_age_seconds=86_400, every_seconds=1800),
        PollStep(until_age_seconds=None, every_seconds=21_600),
    ),
    # A failed attempt may be authorized late, and captured then.
    rereads_after_seconds=(3600, 86_400, LATE_AUTHORIZATION_SECONDS + 3600),
    default_expiry_seconds=LINK_LIFETIME_SECONDS,
    idempotency_seconds=None,  # of orders and links none; Unconfirmed: how long a refund's key lives
    presentations=(Presentation.HOSTED, Presentation.EMBEDDED),
    manual_capture=True,
    example_reference="pay_DocExample0001",
    test_recipe="In test mode the page has Success and Failure buttons. Card 4100 2800 0000 1007 (any CVV, an OTP of 4 "
    "to 10 digits) succeeds, 4100 2800 0008 0001 with Failure is declined; UPI success@razorpay and failure@razorpay.",
    documentation_url="https://razorpay.com/docs/payments/payments/test-card-details/",
)
