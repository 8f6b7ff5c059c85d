"""What Stripe says about itself: the one declaration that services, admin, pay page and docs read."""

from __future__ import annotations

import string
from typing import Final

from clients.stripe import config, webhook
from clients.stripe.money import CURRENCIES_TAKEN, MINIMUMS
from core.gateways.types import CredentialField, Description, Mode, PollStep, Presentation, ReferenceRule

LONGEST_SESSION_SECONDS: Final = 86_400  # also the default

DESCRIPTION: Final = Description(
    label="Stripe",
    website="https://stripe.com",
    regions=("North America", "Europe", "Asia-Pacific", "Latin America"),
    methods=("card", "apple_pay", "google_pay", "link", "bank_debit", "bank_transfer", "wallet"),
    currencies=CURRENCIES_TAKEN,
    minimums=MINIMUMS,
    # Unconfirmed: 200 characters of client_reference_id.
    resumes_declined_charges=True,
    reference=ReferenceRule(max_length=200, alphabet=string.ascii_letters + string.digits + "-_"),
    credentials=(
        CredentialField(
            name="secret_key",
            label="Secret key or restricted key",
            help="Stripe dashboard, Developers, API keys. A restricted key is the better choice; the README lists "
            "the rights it needs.",
            is_secret=True,
            example="rk_test_...",
            patterns=config.SECRET_KEY,
            pattern_help="sk_test_ or rk_test_ for a test account, sk_live_ or rk_live_ for a live one",
        ),
        CredentialField(
            name="publishable_key",
            label="Publishable key",
            help="Needed only for the card form embedded in a page; it is seen by browsers.",
            is_required=False,
            example="pk_test_...",
            patterns=config.PUBLISHABLE_KEY,
            pattern_help="pk_test_ for a test account, pk_live_ for a live one",
        ),
        CredentialField(
            name="webhook_secret",
            label="Webhook signing secret",
            help="Shown by Stripe when the webhook address is added. Without it every webhook is refused.",
            is_secret=True,
            example="whsec_...",
            pattern_help="usually begins with whsec_",
            min_length=config.MIN_SECRET_LENGTH,
            rotates=True,
        ),
        CredentialField(
            name="account_id",
            label="Connected account",
            help="Only for Stripe Connect: the account that requests act on and that webhooks must come from.",
            is_required=False,
            example="acct_...",
            patterns=dict.fromkeys(Mode, config.ACCOUNT_ID),
            pattern_help="acct_ followed by letters and digits",
        ),
    ),
    origins=dict.fromkeys(Mode, (config.API, config.CHECKOUT, config.SCRIPT_ORIGIN)),
    webhook_events=tuple(webhook.READERS),
    webhook_setup="Stripe dashboard, Developers, Webhooks: add the address with the events listed here (snapshot "
    f"payloads, API version {config.STRIPE_API_VERSION}) and copy its signing secret.",
    polling=(
        PollStep(until_age_seconds=3600, every_seconds=300),
        PollStep(until_age_seconds=86400, every_seconds=3600),
        PollStep(until_age_seconds=None, every_seconds=21600),
    ),
    default_expiry_seconds=LONGEST_SESSION_SECONDS,
    # `abandons_unanswered` stays False. Nobody has the page's address whose answer was lost, but a fetch hands it out again
    # while the session is open (§4.1, §5), so that nobody will ever have it is not provable; Stripe's own rule (§12) is
    # to repeat with the same key, then to look, and to begin anew only when nothing is found.
    idempotency_seconds=86400,
    presentations=(Presentation.HOSTED, Presentation.EMBEDDED),
    manual_capture=True,
    example_reference="pi_3DocExample0001",
    test_recipe="Card 4242 4242 4242 4242 succeeds, 4000 0000 0000 0002 is declined, 4000 0027 6000 3184 asks for "
    "3D Secure; any future expiry, any CVC.",
    documentation_url="https://docs.stripe.com/testing",
)
