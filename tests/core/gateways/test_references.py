"""Every gateway's rule gets a reference that fits, is always the same, and is nobody else's."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.gateways.references import fit_reference
from core.gateways.types import ReferenceRule

ID = "PAY_20261120183005_1a2b3c4d"
WIDE = ReferenceRule(max_length=64, alphabet=string.ascii_letters + string.digits + "-_")
RULES = [
    WIDE,
    ReferenceRule(max_length=40, alphabet=string.ascii_letters + string.digits),
    ReferenceRule(max_length=35, alphabet=string.ascii_uppercase + string.digits),
    ReferenceRule(max_length=40, alphabet=string.ascii_lowercase + string.digits + "-"),
    ReferenceRule(max_length=20, alphabet=string.ascii_letters + string.digits),
    ReferenceRule(max_length=20, alphabet=string.digits),
    ReferenceRule(max_length=12, alphabet=string.ascii_uppercase),
]
public_ids = some.builds(
    "PAY_{}_{}".format,
    some.integers(10**13, 10**14 - 1),
    some.integers(0, 16**8 - 1).map(lambda number: f"{number:08x}"),
)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (WIDE, "PAY_20261120183005_1a2b3c4d-2"),
        (ReferenceRule(max_length=40, alphabet=string.ascii_letters + string.digits + "_"), f"{ID}_2"),
        (RULES[1], "PAY202611201830051a2b3c4dT2"),
        (RULES[2], "PAY202611201830051A2B3C4DT2"),
        (RULES[3], "pay-20261120183005-1a2b3c4d-2"),
    ],
)
def test_what_fits_stays_readable(rule: ReferenceRule, expected: str) -> None:
    assert fit_reference(ID, 2, rule) == expected


def test_what_is_too_long_keeps_its_head_and_ends_in_a_hash() -> None:
    rule = RULES[4]
    fitted = fit_reference(ID, 2, rule)
    assert fitted.startswith("PAY20261")
    assert len(fitted) == 20
    assert fitted == fit_reference(ID, 2, rule)
    assert fitted != fit_reference(ID, 3, rule)


def test_a_rule_of_digits_alone_gets_a_number() -> None:
    fitted = fit_reference(ID, 1, RULES[5])
    assert fitted.isdigit()
    assert len(fitted) == 20


@given(some.lists(some.tuples(public_ids, some.integers(1, 30)), min_size=2, max_size=20, unique=True))
def test_different_tries_never_share_a_reference(tries: list[tuple[str, int]]) -> None:
    for rule in RULES:
        fitted = [fit_reference(public_id, number, rule) for public_id, number in tries]
        assert len(set(fitted)) == len(tries)
        assert all(len(one) <= rule.max_length and set(one) <= set(rule.alphabet) for one in fitted)


def test_ids_of_another_shape_that_would_meet_without_their_separators_are_kept_apart() -> None:
    rule = ReferenceRule(max_length=40, alphabet=string.ascii_letters + string.digits)
    assert fit_reference("A_B1", 2, rule) != fit_reference("AB_1", 2, rule)
    assert fit_reference("ab", 1, ReferenceRule(max_length=30, alphabet=string.ascii_uppercase + "1")) != (
        fit_reference("AB", 1, ReferenceRule(max_length=30, alphabet=string.ascii_uppercase + "1"))
    )


def test_ids_outside_ascii_get_a_hash() -> None:
    assert set(fit_reference("zahlung-für-öl", 1, WIDE)) <= set(WIDE.alphabet)


@pytest.mark.parametrize(
    "rule", [ReferenceRule(max_length=4, alphabet="ABCDEF"), ReferenceRule(max_length=90, alphabet="A")]
)
def test_a_rule_without_room_is_refused(rule: ReferenceRule) -> None:
    with pytest.raises(ValueError, match="no room"):
        fit_reference(ID, 1, rule)


@pytest.mark.parametrize(("public_id", "number"), [("", 1), (ID, 0), (ID, -1)])
def test_a_reference_needs_an_id_and_a_try(public_id: str, number: int) -> None:
    with pytest.raises(ValueError, match="needs a public id"):
        fit_reference(public_id, number, WIDE)
