"""What a PhonePe v1 account consists of, and what the gateway says about itself.

No value tells test from live; only the host does. So the mode of a report is the mode of the account, and a key of the
other environment fails when the connection is tested.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from core.gateways.config_values import matching, text_of, texts_of
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import CredentialField, Description, Mode, PollStep, ReferenceRule, WebhookProof

ASSET: Final = "INR"  # the only one; requests do not even name it
MINIMUM_MINOR: Final = 100  # Unconfirmed: one page says "greater than 100", samples elsewhere have exactly 100
REFERENCE_ALPHABET: Final = string.ascii_letters + string.digits + "_-"
MAX_REFERENCE: Final = 34  # Unconfirmed: the pages say < 35, < 36 and < 38; the strictest is taken
MAX_USER: Final = 35
MIN_SECRET_LENGTH: Final = 8
# Unconfirmed: no expiry is documented; the polling rule ends after 15 minutes on some pages, after 20 on others.
POLLING_SECONDS: Final = 1200

# The signature covers what follows these: `/pg/v1/...`. Unconfirmed: an older name of the sandbox's base ends in
# `/apis/merchant-simulator`; it is dead for new merchants.
BASES: Final[Mapping[Mode, str]] = {
    Mode.TEST: "https://api-preprod.phonepe.com/apis/pg-sandbox",
    Mode.LIVE: "https://api.phonepe.com/apis/hermes",
}
_ORIGINS: Final[Mapping[Mode, tuple[str, ...]]] = {
    Mode.TEST: ("https://api-preprod.phonepe.com", "https://mercury-uat.phonepe.com"),
    Mode.LIVE: ("https://api.phonepe.com", "https://mercury.phonepe.com"),
}
# Pages are shown from more hosts than are documented (mercury, mercury-uat, mercury-t2); all belong to this domain.
PAGE_DOMAIN: Final = "phonepe.com"

# Looks like a salt key: UUID text, not always valid hexadecimal.
_KEY_SHAPE: Final = r"[0-9A-Za-z]{8}(?:-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}"
_SANDBOX_ID: Final = r"[A-Z0-9_]{1,34}UAT[0-9]{0,3}"  # Unconfirmed: sandbox ids often end so; used to notice a swap
_MERCHANT_ID: Final = rf"(?!{_KEY_SHAPE}\Z)[A-Za-z0-9_-]{{1,38}}"
_SALT_KEY: Final = rf"(?!{_SANDBOX_ID}\Z)[!-~]{{8,200}}"
_SALT_INDEX: Final = r"[0-9]{1,9}"
_PAIR: Final = r"[0-9]{1,9}[ \t]*:[ \t]*[!-+\--~]{8,200}"  # no comma: it parts the pairs
_BETWEEN: Final = r"[ \t]*[,\r\n][\s,]*"
_TWICE: Final = r"(?![\s\S]*(?<![^\s,])([0-9]{1,9})[ \t]*:[\s\S]*[\s,]\1[ \t]*:)"
_OTHER_SALTS: Final = rf"{_TWICE}[\s,]*{_PAIR}(?:{_BETWEEN}{_PAIR})*[\s,]*"
_FILLER: Final = re.compile(r"(.)\1*|<.*>|change[-_ ]?me.*|placeholder|your[-_ ]?(salt[-_ ]?)?key", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhonePeV1Config:
    """One account. `salts` maps an index to the keys that may sign under it; empty while the account cannot sign."""

    mode: Mode
    merchant_id: str
    salt_key: str = field(repr=False)
    salt_index: str
    salts: Mapping[str, tuple[str, ...]] = field(repr=False)

    @classmethod
    def of(cls, credentials: Mapping[str, Any], *, mode: Mode) -> Self:
        """Trims every value. Raises GatewayMisconfigured for one of the wrong shape; says which field, never its text."""
        salt_key = matching(credentials, "salt_key", _SALT_KEY, "a salt key (may it be the merchant id?)")
        if salt_key and not _is_usable(salt_key):
            raise GatewayMisconfigured("salt_key is a placeholder")
        salt_index = matching(
            credentials, "salt_index", _SALT_INDEX, "a number (may it be the salt key?)", may_be_number=True
        )
        others = _other_salts(credentials, salt_index)
        return cls(
            mode=Mode(mode),
            merchant_id=matching(credentials, "merchant_id", _MERCHANT_ID, "a merchant id (may it be the salt key?)"),
            salt_key=salt_key,
            salt_index=salt_index,
            # Without a pair of its own the account is not configured, whatever else is still accepted.
            salts=_salts(credentials, salt_key, salt_index, others) if salt_key and salt_index else {},
        )

    @property
    def base(self) -> str:
        return BASES[self.mode]

    @property
    def looks_like_sandbox(self) -> bool:
        return re.fullmatch(_SANDBOX_ID, self.merchant_id) is not None

    def check_complete(self) -> None:
        """Raises GatewayMisconfigured naming what a call needs and has not."""
        values = {"merchant_id": self.merchant_id, "salt_key": self.salt_key, "salt_index": self.salt_index}
        missing = [name for name, value in values.items() if not value]
        if missing:
            raise GatewayMisconfigured(f"no {' and no '.join(missing)} is set for this PhonePe account")


def _salts(
    credentials: Mapping[str, Any], salt_key: str, salt_index: str, others: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """The pair that signs, the pairs kept beside it, and what it replaced lately: key and index may change alone."""
    replaced = [one for one in texts_of(credentials, "previous_salt_keys") if _is_usable(one)]
    found = {salt_index: (salt_key, *replaced)}
    for index in filter(None, texts_of(credentials, "previous_salt_indexs", may_be_number=True)):
        found.setdefault(index, (salt_key, *replaced))
    for index, key in others.items():
        found[index] = (key, *found.get(index, ()))
    return found


def _other_salts(credentials: Mapping[str, Any], salt_index: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for index, key in _pairs(text_of(credentials, "other_salts", max_length=4000)):
        if index in found or index == salt_index:
            raise GatewayMisconfigured("other_salts names an index twice, or the one that salt_index has")
        found[index] = key
    return found


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"[,\r\n]", text):
        if not part.strip():
            continue
        if not re.fullmatch(_PAIR, part.strip(), re.ASCII):
            raise GatewayMisconfigured("other_salts is not a list of pairs like 2:salt-key")
        index, _, key = part.partition(":")
        if not _is_usable(key.strip()):
            raise GatewayMisconfigured("other_salts holds a placeholder")
        yield index.strip(), key.strip()


def _is_usable(key: str) -> bool:
    return len(key) >= MIN_SECRET_LENGTH and _FILLER.fullmatch(key) is None


_CREDENTIALS: Final = (
    CredentialField(
        name="merchant_id",
        label="Merchant ID",
        help="The MID that PhonePe gave with the salt key. Ids of the sandbox often end in UAT.",
        example="DEMOSHOPUAT",
        patterns=dict.fromkeys(Mode, _MERCHANT_ID),
        pattern_help="The merchant ID has 1 to 38 letters, digits, _ and -, and does not look like a UUID: that is the "
        "salt key.",
    ),
    CredentialField(
        name="salt_key",
        label="Salt key",
        help="Signs every call and every callback: whoever has it can forge both. Not the client secret of the newer "
        "API, which is a gateway of its own.",
        is_secret=True,
        example="4f1d2c3b-0a9e-4d8c-b7a6-5e4f3a2b1c0d",
        patterns=dict.fromkeys(Mode, _SALT_KEY),
        pattern_help="The salt key has 8 characters or more and no spaces. One that ends in UAT is the merchant ID.",
        min_length=MIN_SECRET_LENGTH,
        rotates=True,
    ),
    CredentialField(
        name="salt_index",
        label="Salt index",
        help="The number shown with the salt key, usually 1.",
        example="1",
        patterns=dict.fromkeys(Mode, _SALT_INDEX),
        pattern_help="The salt index consists of digits.",
        rotates=True,
    ),
    CredentialField(
        name="other_salts",
        label="Other salt keys",
        help="Pairs index:key, one a line. They are accepted on callbacks and returns and never sign. When a salt key is "
        "replaced, keep the old pair here until callbacks of old payments have ended.",
        is_secret=True,
        is_required=False,
        example="2:9c8b7a65-1f2e-4d3c-8b4a-0f9e8d7c6b5a",
        patterns=dict.fromkeys(Mode, _OTHER_SALTS),
        pattern_help="Other salt keys are pairs like 2:salt-key, one a line or with commas between, each index once.",
        is_multiline=True,
    ),
)

DESCRIPTION: Final = Description(
    label="PhonePe v1",
    website="https://www.phonepe.com/business-solutions/payment-gateway/",
    regions=("India",),
    methods=("upi", "card", "netbanking"),
    currencies=frozenset({ASSET}),
    minimums={ASSET: MINIMUM_MINOR},
    reference=ReferenceRule(
        max_length=MAX_REFERENCE,
        alphabet=REFERENCE_ALPHABET,
        note="merchantTransactionId, of payments and refunds alike; never used twice",
    ),
    credentials=_CREDENTIALS,
    origins=_ORIGINS,
    webhook_events=(),  # none has a name: the callback address travels with each payment and refund
    webhook_proof=WebhookProof.STRONG,
    webhook_setup=(
        "Nothing to set up: our address travels with every payment and refund, and PhonePe calls it when one ends. It must "
        "be https on port 443. An address that was registered with PhonePe's support is not used."
    ),
    # The integration checklist demands this schedule: 22 s, every 3, 6, 10 and 30 s, then each minute until the
    # transaction has timed out; then slowly for three days.
    polling=(
        PollStep(until_age_seconds=22, every_seconds=22),
        PollStep(until_age_seconds=52, every_seconds=3),
        PollStep(until_age_seconds=112, every_seconds=6),
        PollStep(until_age_seconds=172, every_seconds=10),
        PollStep(until_age_seconds=232, every_seconds=30),
        PollStep(until_age_seconds=POLLING_SECONDS + 300, every_seconds=60),
        PollStep(until_age_seconds=3 * 86_400, every_seconds=3600),
    ),
    # What is called timed out may still be paid.
    rereads_after_seconds=(60, 3600, 86_400),
    abandons_unanswered=True,  # the page's address is told once, in the answer, and cannot be asked for again
    default_expiry_seconds=POLLING_SECONDS,
    idempotency_seconds=None,
    manual_capture=False,
    test_recipe=(
        "Sandbox (1 to 1000 rupees): cards 4208 5851 9011 6667 (06/2027, CVV 508) and 4242 4242 4242 4242 (12/2027, CVV "
        "936), OTP 123456; net banking SBIN with test/test. The bank's page has buttons for success, failure and pending."
    ),
    documentation_url="https://developer.phonepe.com/v1/reference/pay-api-1",
)  # fmt: skip
