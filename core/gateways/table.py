"""The truth table of gateways as Markdown, made from what each says about itself. `manage.py gateway_table` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from core.gateways.port import Gateway
from core.gateways.registry import abilities, ability_classes
from core.gateways.types import Description
from core.money import exponent_of

HEAD = """# Gateways

Made by `manage.py gateway_table` from what each gateway's package declares; a test keeps it current. How to get keys,
which events to switch on and each gateway's quirks: the README of its package.
"""


def markdown(classes: Mapping[str, type[Gateway]]) -> str:
    """The whole page. Deterministic: the same declarations give the same text."""
    parts = [HEAD, _overview(classes), _abilities(classes), *(_one(slug, cls) for slug, cls in classes.items())]
    return "\n".join(parts)


def _overview(classes: Mapping[str, type[Gateway]]) -> str:
    rows = [
        (
            f"[{cls.about.label}](#{_anchor(cls.about)})",
            ", ".join(cls.about.regions),
            ", ".join(cls.about.methods),
            str(len(cls.about.currencies)),
            cls.about.webhook_proof.value,
            ", ".join(one.value for one in cls.about.presentations),
        )
        for cls in classes.values()
    ]
    return _table(("gateway", "regions", "methods", "currencies", "webhook proof", "where the customer pays"), rows)


def _abilities(classes: Mapping[str, type[Gateway]]) -> str:
    words = list(ability_classes())
    rows = [
        (cls.about.label, *("yes" if word in abilities(cls) else "-" for word in words), _keys(cls.about))
        for cls in classes.values()
    ]
    head = ("ability", *(word.replace("_", " ") for word in words), "idempotency keys")
    return "\n## What each can do\n\n" + _table(head, rows)


def _keys(about: Description) -> str:
    return (
        "none: looked up by our reference"
        if about.idempotency_seconds is None
        else _duration(about.idempotency_seconds)
    )


def _one(slug: str, cls: type[Gateway]) -> str:
    about = cls.about
    rule = about.reference
    lines = [
        f"\n## {about.label}\n",
        f"`{slug}` · {about.website}\n",
        f"- Currencies by decimals: {_currencies(about.currencies)}",
        f"- Our reference: at most {rule.max_length} characters of {_alphabet(rule.alphabet)}. {rule.note}".rstrip(),
        f"- Held first, captured later: {'yes' if about.manual_capture else 'no'}",
        f"- An order stays payable for {_duration(about.default_expiry_seconds)} where nobody says otherwise",
        f"- Webhooks: {about.webhook_proof.value} proof"
        + ("" if about.webhook_proof.value == "strong" else " (a hint: the platform asks before it believes)"),
        f"- Events to switch on: {', '.join(f'`{event}`' for event in about.webhook_events) or 'none to choose'}",
    ]
    if about.webhook_setup:
        lines.append(f"- Setting up: {about.webhook_setup}")
    lines.append(f"- Trying it: {about.test_recipe or 'see its README'}")
    lines.append("\n" + _table(("credential", "secret", "required", "what it is"), _credentials(about)))
    return "\n".join(lines)


def _credentials(about: Description) -> list[tuple[str, ...]]:
    return [
        (
            f"`{one.name}`",
            "yes" if one.is_secret else "no",
            "filled by the platform" if one.is_filled_by_platform else ("yes" if one.is_required else "no"),
            f"{one.label}. {one.help}".strip(),
        )
        for one in about.credentials
    ]


def _currencies(codes: Iterable[str]) -> str:
    by_exponent: dict[int, list[str]] = {}
    for code in sorted(codes):
        by_exponent.setdefault(exponent_of(code), []).append(code)
    told = [f"{exponent} ({', '.join(found)})" for exponent, found in sorted(by_exponent.items())]
    return "; ".join(told) or "none"


def _alphabet(text: str) -> str:
    classes = [("A-Z", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), ("a-z", "abcdefghijklmnopqrstuvwxyz"), ("0-9", "0123456789")]
    found = [name for name, letters in classes if set(letters) <= set(text)]
    covered = {letter for name, letters in classes if name in found for letter in letters}
    rest = "".join(sorted(set(text) - covered))
    return f"`{''.join(found)}{rest.replace('|', '¦')}`"


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return "as long as the gateway says"
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds % length == 0 and seconds >= length:
            count = seconds // length
            return f"{count} {unit if count != 1 else unit.removesuffix('s')}"
    return f"{seconds} seconds"


def _anchor(about: Description) -> str:
    return "".join(c for c in about.label.lower().replace(" ", "-") if c.isalnum() or c == "-")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join('---' for _ in head)}|"]
    lines += [f"| {' | '.join(cell.replace('|', '¦') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"
