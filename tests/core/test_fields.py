from __future__ import annotations

from decimal import Decimal

import pytest

from core.api import fields
from core.api.fields import FieldError, Fields, ValidationFailed

CARDS = [
    "4242424242424242", "4242 4242 4242 4242", "4242-4242-4242-4242", "378282246310005", "6011 1111 1111 1117",
    "4222222222222", "6304000000000000000", "x4242424242424242y", "ref 17: 4242 4242 4242 4242 ok", "4242.4242.4242.4242",
    "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", "4242  4242\u00a04242—4242", "12 4242424242424242",
]  # fmt: skip


def code_of(clean, value) -> str:
    with pytest.raises(FieldError) as caught:
        clean(value)
    return caught.value.code


class TestAmounts:
    @pytest.mark.parametrize(
        ("given", "minor"),
        [(1, 1), (49900, 49900), ("49900", 49900), ("007", 7), ("9" * 38, 10**38 - 1), (10**18, 10**18)],
    )
    def test_whole_minor_units_are_taken(self, given, minor):
        assert fields.clean_amount(given) == minor

    @pytest.mark.parametrize(
        "given",
        [0, -1, "0", True, False, 1.0, Decimal("1"), Decimal("1.5"), "1.5", "1e3", "+1", "-1", "1_000", " 1", "", "١",
         "NaN", "Infinity", 10**38, "9" * 39, None, [], {}, [1]],
    )  # fmt: skip
    def test_anything_else_is_refused(self, given):
        assert code_of(fields.clean_amount, given) == "invalid_amount"

    def test_the_refusal_writes_the_currency_in_capitals(self):
        with pytest.raises(FieldError) as caught:
            fields.clean_amount(1.5)
        assert caught.value.detail == "An amount is a whole number of minor units: 49900 for 499.00 INR."

    def test_a_configured_maximum_holds(self, settings):
        settings.MAX_AMOUNT_MINOR = 1000
        assert fields.clean_amount(1000) == 1000
        assert code_of(fields.clean_amount, 1001) == "amount_too_large"

    def test_zero_is_an_amount_only_where_a_part_may_be_nothing(self):
        assert fields.clean_amount_or_zero(0) == 0
        assert fields.clean_amount_or_zero("0") == 0
        assert fields.clean_amount_or_zero(5) == 5
        for bad in (False, 0.0, -1, "-0", Decimal(0)):
            assert code_of(fields.clean_amount_or_zero, bad) == "invalid_amount"


class TestCurrencies:
    @pytest.mark.parametrize("given", ["INR", "JPY", "KWD", "USDTTRC20"])
    def test_known_ones_are_taken(self, given):
        assert fields.clean_currency(given) == given

    @pytest.mark.parametrize("given", ["inr", "XXX", "XAU", "", "IN", "INR ", 356, None, ["INR"], "ＩＮＲ"])
    def test_others_are_refused(self, given):
        assert code_of(fields.clean_currency, given) == "unknown_currency"


class TestCardNumbers:
    @pytest.mark.parametrize("text", CARDS)
    def test_a_card_number_in_any_dress_is_found_and_not_repeated(self, text):
        assert fields.has_card_number(text)
        with pytest.raises(FieldError) as caught:
            fields.clean_text(text)
        assert caught.value.code == "card_number_refused"
        assert not any(c.isdigit() for c in caught.value.detail)

    @pytest.mark.parametrize(
        "text",
        ["", "4242424242424241", "424242424242", "order 42424242", "0000000000000000", "4242,4242,4242,4242",
         "42424242424242424242", "2026-11-20 18:30", "4242 and 424242424242", "invoice 1234567890123456"],
    )  # fmt: skip
    def test_other_digits_are_not(self, text):
        assert not fields.has_card_number(text)
        assert fields.clean_text(text) == text

    def test_our_own_ids_are_not(self):
        ids = [f"instead of PAY_202611210028{second:02d}_1234abcd, and more" for second in range(60)]
        assert [fields.clean_text(one) for one in ids] == ids

    @pytest.mark.parametrize(
        "text", ["PAY_20261121002822_42424242 42424242", "PAY_20261121002822_1a2b3c4d 4242424242424242"]
    )
    def test_behind_one_of_our_ids_they_are(self, text):
        assert fields.has_card_number(text)


class TestText:
    def test_it_is_trimmed(self):
        assert fields.clean_text("  Zoë & søn \U0001f600 ") == "Zoë & søn \U0001f600"

    @pytest.mark.parametrize("given", [1, None, True, [], {}, b"x"])
    def test_it_is_a_string(self, given):
        assert code_of(fields.clean_text, given) == "invalid_type"

    @pytest.mark.parametrize("given", ["a\x00b", "a\nb", "a\x1bb", "a\ud800b", "a\x85b"])
    def test_it_has_no_control_characters(self, given):
        assert code_of(fields.clean_text, given) == "invalid_text"

    def test_lines_are_allowed_where_they_are_meant(self):
        assert fields.clean_text("a\nb", lines=True) == "a\nb"
        assert code_of(fields.text_of(10, lines=True), "a\x00") == "invalid_text"

    def test_it_has_a_length(self):
        assert fields.text_of(3)("abc") == "abc"
        assert code_of(fields.text_of(3), "abcd") == "too_long"


class TestReferencesAndIds:
    def test_a_reference_has_1_to_120_characters(self):
        assert fields.clean_reference("INV-1") == "INV-1"
        assert code_of(fields.clean_reference, " ") == "blank"
        assert code_of(fields.clean_reference, "x" * 121) == "too_long"
        assert code_of(fields.clean_reference, "4242424242424242") == "card_number_refused"

    def test_an_id_looks_like_ours(self):
        assert fields.clean_public_id("PAY_20261120183005_1a2b3c4d") == "PAY_20261120183005_1a2b3c4d"
        for bad in ("PAY", "PAY_", "1", 7, "PAY_1'; --", "PAY_é", "PAY_1\n"):
            assert code_of(fields.clean_public_id, bad) == "invalid_id"


class TestPeople:
    @pytest.mark.parametrize("given", ["mira@example.com", "a.b+c@sub.example.co", "Zoë@exämple.com"])
    def test_an_email_is_taken(self, given):
        assert fields.clean_email(given) == given

    @pytest.mark.parametrize(
        "given", ["", "mira", "@example.com", "mira@", "a@b", "a@@b.co", "a b@c.de", "<a@b.co>", "a@b..co"]
    )
    def test_what_is_no_email_is_refused(self, given):
        assert code_of(fields.clean_email, given) == "invalid_email"

    @pytest.mark.parametrize("given", ["+919876543210", "020 7946 0958", "+1 (212) 555-0100", "+4915123456786"])
    def test_a_phone_number_is_taken(self, given):
        assert fields.clean_phone(given) == given

    def test_a_phone_number_that_passes_luhn_is_still_one(self):
        assert fields.has_card_number("+378282246310005")
        assert fields.clean_phone("+378282246310005") == "+378282246310005"

    @pytest.mark.parametrize(
        ("given", "code"),
        [("378282246310005", "card_number_refused"), ("4242 4242 4242 4242", "card_number_refused"),
         ("+4242424242424242", "card_number_refused"), ("call me", "invalid_phone"), ("", "invalid_phone"),
         ("1" * 20, "invalid_phone"), (919876543210, "invalid_phone")],
    )  # fmt: skip
    def test_a_card_is_not(self, given, code):
        assert code_of(fields.clean_phone, given) == code

    @pytest.mark.parametrize(("given", "clean"), [("203.0.113.9", "203.0.113.9"), ("2001:DB8::1", "2001:db8::1")])
    def test_an_address_is_taken(self, given, clean):
        assert fields.clean_ip_address(given) == clean

    @pytest.mark.parametrize("given", ["", "203.0.113", "x", 1, "fe80::1%eth0", "203.0.113.9/24", None])
    def test_what_is_no_address_is_refused(self, given):
        assert code_of(fields.clean_ip_address, given) == "invalid_ip_address"


class TestMetadata:
    def test_pairs_of_text_are_taken(self):
        assert fields.clean_metadata({"order": " 17 ", "é": ""}) == {"order": "17", "é": ""}
        assert len(fields.clean_metadata({f"k{n}": "v" for n in range(50)})) == 50

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ([], "invalid_type"), ("x", "invalid_type"), ({"a": 1}, "invalid_type"), ({"a": None}, "invalid_type"),
            ({"a": {}}, "invalid_type"), ({f"k{n}": "v" for n in range(51)}, "too_many"), ({"": "v"}, "invalid_key"),
            ({" a": "v"}, "invalid_key"), ({"k" * 41: "v"}, "too_long"), ({"a": "v" * 501}, "too_long"),
            ({"a": "4242 4242 4242 4242"}, "card_number_refused"), ({"4242424242424242": "v"}, "card_number_refused"),
        ],
    )  # fmt: skip
    def test_anything_else_is_refused(self, given, code):
        assert code_of(fields.clean_metadata, given) == code


class TestChoicesAndNumbers:
    def test_a_word_out_of_a_list(self):
        clean = fields.one_of({"automatic", "manual"})
        assert clean("manual") == "manual"
        for bad in ("Manual", "", None, 1, ["manual"]):
            assert code_of(clean, bad) == "unknown_choice"

    def test_a_whole_number_within_bounds(self):
        clean = fields.whole_number(60, 86400)
        assert (clean(60), clean(86400)) == (60, 86400)
        for bad in (59, 86401, True, 60.0, "60", None):
            assert code_of(clean, bad) == "out_of_range"


class TestReturnUrls:
    CLEAN = staticmethod(fields.return_url_of(["https://shop.example", "http://127.0.0.1:8080"]))

    @pytest.mark.parametrize(
        "given",
        [
            "https://shop.example",
            "https://shop.example/done?a=1#b",
            "https://SHOP.example:443/",
            "http://127.0.0.1:8080/x",
        ],
    )
    def test_the_same_origin_is_taken_as_it_is(self, given):
        assert self.CLEAN(given) == given

    @pytest.mark.parametrize(
        "given",
        ["https://shop.example.evil.com/", "http://shop.example/", "https://shop.example:8443/", "https://evil.com/"],
    )
    def test_another_origin_is_refused_and_the_list_is_named(self, given):
        with pytest.raises(FieldError) as caught:
            self.CLEAN(given)
        assert caught.value.code == "return_url_not_allowed"
        assert "http://127.0.0.1:8080, https://shop.example" in caught.value.detail

    @pytest.mark.parametrize(
        "given",
        ["", "shop.example", "//shop.example", "javascript:alert(1)", "https://user@shop.example/", "https:///x", 7,
         "https://shop.example\\@evil.com", "https://shop.example/\n", "https://shop.example:x/", "https://shöp.example"],
    )  # fmt: skip
    def test_what_is_no_plain_address_is_refused(self, given):
        assert code_of(self.CLEAN, given) == "invalid_url"


class TestFields:
    def test_all_errors_are_told_together_with_dotted_names(self):
        body = Fields({"amount": 1.5, "customer": {"email": "x"}, "billing": 7})
        body.take("amount", fields.clean_amount, required=True)
        body.take("currency", fields.clean_currency, required=True)
        customer = body.nested("customer")
        customer.take("email", fields.clean_email)
        body.nested("billing")
        with pytest.raises(ValidationFailed) as caught:
            body.check()
        assert [(e["field"], e["code"]) for e in caught.value.errors] == [
            ("amount", "invalid_amount"), ("currency", "required"), ("customer.email", "invalid_email"),
            ("billing", "invalid_type"),
        ]  # fmt: skip
        assert (caught.value.code, caught.value.status) == ("validation_failed", 400)

    def test_a_single_error_gives_its_own_code(self):
        body = Fields({"amount": 0})
        body.take("amount", fields.clean_amount)
        with pytest.raises(ValidationFailed) as caught:
            body.check()
        assert caught.value.code == "invalid_amount"
        assert caught.value.detail == "amount: An amount is greater than zero."
        assert ValidationFailed.code == "validation_failed"

    def test_null_and_absent_are_the_same(self):
        body = Fields({"a": None})
        assert body.take("a", fields.clean_text, "x") == "x"
        assert body.take("b", fields.clean_text, "x") == "x"
        assert body.nested("a") is None
        body.check()

    @pytest.mark.parametrize("data", [[], "x", 1, None])
    def test_a_body_is_an_object(self, data):
        with pytest.raises(ValidationFailed) as caught:
            Fields(data).check()
        assert caught.value.errors == [{"field": "", "code": "invalid_type", "detail": "Send a JSON object."}]
