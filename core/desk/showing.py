"""How values look at the desk: amounts in major units, times, badges, stored exchanges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core import strict_json
from core.gateways.redaction import redact, redact_text
from core.money import Money, MoneyError

NOTHING: Final = "–"

GOOD: Final = "good"
WARN: Final = "warn"
BAD: Final = "bad"
INFO: Final = "info"
PLAIN: Final = "plain"

TONES: Final[Mapping[str, str]] = {
    # of payments
    "captured": GOOD, "authorized": INFO, "pending": PLAIN, "requires_action": PLAIN, "voided": PLAIN,
    "failed": BAD, "expired": PLAIN,
    # of refunds
    "succeeded": GOOD, "cancelled": PLAIN,
    # of webhook events
    "new": INFO, "applied": GOOD, "not_applied": PLAIN, "mismatch": BAD, "conflict": BAD, "unmatched": WARN,
    "waiting": WARN, "error": BAD, "ignored": PLAIN, "given_up": BAD,
    # of exchanges
    "sent": INFO, "answered": GOOD, "declined": WARN, "unknown": WARN,
    # modes
    "live": INFO, "test": WARN,
}  # fmt: skip


def badge(text: str, tone: str = "") -> SafeString:
    """A word with a color. Without a tone the word decides."""
    return format_html('<span class="pw-badge pw-{}">{}</span>', tone or TONES.get(text, PLAIN), words(text))


def badges(texts: list[str], tone: str) -> SafeString:
    return format_html_join(" ", "{}", ((badge(text, tone),) for text in texts))


def unbroken(*parts: str) -> SafeString:
    """Parts that stay in one line each; the line may break between them."""
    return format_html_join(" ", '<span class="pw-unbroken">{}</span>', ((part,) for part in parts))


def words(name: str) -> str:
    """`requires_action` -> `requires action`."""
    return name.replace("_", " ")


def money(minor: int | None, asset: str) -> str:
    """An amount in major units with its currency, digits in groups: `1,299.00 EUR`. Never rounded."""
    if minor is None:
        return NOTHING
    try:
        whole, point, rest = Money(minor, asset).decimal_text().partition(".")
    except MoneyError:  # an asset that this version does not know any more: say what is stored
        return f"{minor} minor units of {asset}"
    sign, digits = ("−", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{point}{rest} {asset}"


def time(at: datetime | None) -> str:
    """To the second, in UTC, like the logs."""
    return NOTHING if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago, in the largest fitting unit: `3 min ago`."""
    if at is None:
        return "never"
    seconds = int((now - at).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= size:
            return f"{seconds // size} {unit} ago" if seconds > 0 else f"in {-seconds // size} {unit}"
    return "just now" if seconds >= 0 else "in a moment"


def as_json(value: Any) -> str:
    """A stored request or answer for reading, redacted once more. Empty where there is none."""
    if value is None or value == {} or value == []:
        return ""
    return json.dumps(redact({"": value})[""], indent=2, ensure_ascii=False, default=str)


def body_text(body: bytes | memoryview | None) -> str:
    """A stored webhook body for reading: JSON and forms by their members, anything else as text, all redacted."""
    text = bytes(body or b"").decode("utf-8", "replace")
    found = _members(text)
    return redact_text(text) if found is None else as_json(found)


def _members(text: str) -> Any:
    try:
        return strict_json.loads(text)
    except ValueError:
        pairs = parse_qsl(text, keep_blank_values=True) if "=" in text and "\n" not in text.strip() else []
        return dict(pairs) or None
