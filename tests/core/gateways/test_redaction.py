"""What is stored of an exchange holds no secret, no card number and no full name of a person's mailbox or phone."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.gateways import redaction
from core.gateways.redaction import CARD_MASK, CUT_MARK, MASK, redact, redact_text


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "X-Api-Key",
        "client_secret",
        "access_token",
        "clientSecret",
        "account_password",
        "secureHash",
        "cvc",
        "Set-Cookie",
        "Stripe-Signature",
        "X-VERIFY",
        "PAN",
    ],
)
def test_members_of_a_secret_name_are_masked(name: str) -> None:
    assert redact({name: "value", "inside": [{name: {"deep": 1}}]}) == {name: MASK, "inside": [{name: MASK}]}


@pytest.mark.parametrize(
    "name", ["id", "publishable_key", "idempotency_key", "token_id", "company", "author", "pincode"]
)
def test_harmless_names_are_kept(name: str) -> None:
    assert redact({name: "value"}) == {name: "value"}


def test_that_a_secret_is_missing_is_kept() -> None:
    assert redact({"client_secret": None, "token": "", "password": False}) == {
        "client_secret": None,
        "token": "",
        "password": False,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4242424242424242", CARD_MASK),
        ("card 4242 4242 4242 4242, thanks", f"card {CARD_MASK}, thanks"),
        ("5555-5555-5555-4444", CARD_MASK),
        ("3782 822463 10005", CARD_MASK),
        ("x4222222222222x", f"x{CARD_MASK}x"),
        ("4242 4242 4242 4242 12 27", f"{CARD_MASK} 12 27"),
        ("order 7 4242 4242 4242 4242", f"order 7 {CARD_MASK}"),
        ("4242424242424241", "4242424242424241"),
        ("0000000000000000", "0000000000000000"),
        ("42424242424242424242424242", "42424242424242424242424242"),
        ("0.4242424242424242", "0.4242424242424242"),
        ("424242424242", "424242424242"),
    ],
)
def test_card_numbers_are_masked_however_they_are_grouped(text: str, expected: str) -> None:
    assert redact_text(text) == expected


def test_our_own_ids_are_not_taken_for_card_numbers() -> None:
    ids = [f"PAY_202611210028{second:02d}_1a2b3c4d-1" for second in range(60)]
    assert any(redaction.is_card_number(one[4:18]) for one in ids)
    assert [redact_text(one) for one in ids] == ids


def test_a_card_number_behind_our_own_id_is_still_masked() -> None:
    text = "PAY_20261121002822_1a2b3c4d 4242424242424242, X_4242424242424242"
    assert redact_text(text) == f"PAY_20261121002822_1a2b3c4d {CARD_MASK}, X_{CARD_MASK}"


def test_numbers_that_are_card_numbers_are_masked_and_others_stay_numbers() -> None:
    found = redact({"card": 4242424242424242, "amount": 49900, "rate": Decimal("0.4242424242424242"), "ok": True})
    assert found == {"card": CARD_MASK, "amount": 49900, "rate": Decimal("0.4242424242424242"), "ok": True}


def test_people_are_masked() -> None:
    found = redact(
        {"email": "ada@example.com", "note": "write to ada.l@mail.example.com now", "phone": "+91 98765 43210"}
    )
    assert found == {"email": "a***@example.com", "note": "write to a***@mail.example.com now", "phone": "***10"}
    assert redact({"contact": 919876543210, "mobileNumber": "9876"}) == {"contact": "***10", "mobileNumber": "***"}


def test_given_secrets_are_masked_wherever_they_stand() -> None:
    found = redact(
        {"url": "https://a.test/?k=s%2Fecret%20key", "s/ecret key": ["is s/ecret key", b"bytes"]},
        secrets=["s/ecret key"],
    )
    assert found == {"url": f"https://a.test/?k={MASK}", MASK: [f"is {MASK}", "[5 bytes]"]}


def test_a_longer_secret_is_masked_before_one_that_stands_in_it() -> None:
    assert redact_text("long-secret-1", secrets=["secret", "long-secret-1"]) == MASK


def test_empty_and_tiny_secrets_mask_nothing() -> None:
    assert redact_text("abc", secrets=["", "a"]) == "abc"


def test_depth_length_and_number_are_bounded() -> None:
    deep: dict[str, object] = {}
    inner = deep
    for _ in range(50):
        inner["a"] = inner = {}
    assert str(redact(deep)).count("{") == redaction.MAX_DEPTH + 1
    assert redact({"list": list(range(300))})["list"][-1] == CUT_MARK
    assert len(redact({"list": list(range(300))})["list"]) == redaction.MAX_ITEMS + 1
    wide = redact({str(number): number for number in range(300)})
    assert wide[CUT_MARK] == 300 - redaction.MAX_ITEMS
    assert redact({"text": "é" * 9000})["text"] == "é" * redaction.MAX_TEXT + CUT_MARK


def test_the_whole_is_bounded_too() -> None:
    huge = {str(a): {str(b): [1] * 100 for b in range(100)} for a in range(100)}
    assert str(redact(huge)).count("1, ") < redaction.MAX_NODES * 3


def test_a_card_number_at_the_cut_is_masked_first() -> None:
    text = "x" * (redaction.MAX_TEXT - 8) + "4242424242424242"
    assert "42424242" not in redact_text(text)


def test_a_long_row_of_numbers_is_read_in_linear_time() -> None:
    text = "1 " * 300_000 + ".5"
    assert redaction.mask_card_numbers(text) == text


def test_what_is_given_is_not_changed() -> None:
    given_value = {"client_secret": "x", "list": [{"token": "y"}]}
    redact(given_value)
    assert given_value == {"client_secret": "x", "list": [{"token": "y"}]}


@given(some.from_regex(r"[45][0-9]{15}", fullmatch=True), some.text(alphabet="abc .,", max_size=10))
def test_no_card_number_survives_in_any_text(digits: str, around: str) -> None:
    body = digits[:-1]
    card = next(f"{body}{last}" for last in range(10) if redaction.is_card_number(f"{body}{last}"))
    assert card not in redact_text(f"{around} {card} {around}")
