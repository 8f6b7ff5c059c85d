"""The text that is signed, against the vectors of the protocol reference, section 14, and of JavaScript."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from clients.nowpayments.canonical import NotCanonical, js_number, parse, text_of, values_of
from tests.clients.nowpayments.wire import SECRET, payload


def canonical(text: str, *, arrays_as_objects: bool = False) -> str:
    return text_of(parse(text.encode()), arrays_as_objects=arrays_as_objects)


def signature(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha512).hexdigest()


@pytest.mark.parametrize(
    ("token", "printed"),
    [
        ("17.0", "17"),
        ("640000.0", "640000"),
        ("6.1e-05", "0.000061"),
        ("0.000001", "0.000001"),
        ("4E-7", "4e-7"),
        ("2.5e-07", "2.5e-7"),
        ("1e20", "100000000000000000000"),
        ("1e21", "1e+21"),
        ("1.5e300", "1.5e+300"),
        ("12345678901234567890", "12345678901234567000"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("-17.50", "-17.5"),
        ("1e-400", "0"),
        ("0.1", "0.1"),
        ("123456.789", "123456.789"),
        ("100", "100"),
        ("5e-324", "5e-324"),
    ],
)
def test_a_number_is_printed_as_javascript_prints_it(token: str, printed: str) -> None:
    assert js_number(token) == printed


def test_the_first_vector_is_reproduced_to_the_byte() -> None:
    text = text_of(parse(payload("ipn_finished.json")))
    assert text.encode() == payload("ipn_finished.canonical.txt")
    assert signature(text) == (
        "ac0766dc39d1e4eddd8fad11903e5f583d069c80cd7aa59bf0dc6558c76a718d"
        "768ef46c2667ce9a7b3294fb9b4c5bc376103d40d078a2f0d6fc0ba73ff31fe4"
    )


def test_the_array_vector_is_reproduced_in_both_forms() -> None:
    tree = parse(payload("ipn_arrays.json"))
    assert signature(text_of(tree)) == (
        "1091d39488bca607b355446431c806ec44cb4fb1355709bf5c3cf6fb7592350a"
        "8fb5cd44c74ee27d37294d7f590aeaf9c6105b834d05f81feb623ea6d45bba8d"
    )
    assert signature(text_of(tree, arrays_as_objects=True)) == (
        "5c0496b32925703c003e996a16600faae64017093f7dbea71d157c7144fa1a53"
        "b159afff6596e04101a96a9551612c2fcbddc051a9f8acf857b994fb3b2dc919"
    )


def test_the_payout_vector_is_reproduced() -> None:
    assert signature(text_of(parse(payload("ipn_payout.json")))) == (
        "d4cfddc038f42fd3c33a3a209d835bec0d3aa09d5852a2b34025047b75507423"
        "eeeec89485fb3d55d99fea941843b094e33ed723b6e69e2ec60b26ca109458a4"
    )


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ('{ "b" : 1 , "a" : { "d" : [ 2.0 , { "f" : 1 , "e" : null } ] , "c" : true } }',
         '{"a":{"c":true,"d":[2,{"e":null,"f":1}]},"b":1}'),
        ('{"10":1,"9":2,"0":3,"01":4,"a":5,"-1":6}', '{"0":3,"9":2,"10":1,"-1":6,"01":4,"a":5}'),
        ('{"4294967294":1,"4294967295":2,"5":3}', '{"5":3,"4294967294":1,"4294967295":2}'),
        ('{"a":"\\/<>&\\u00e9\\u2028\\u007f"}', '{"a":"/<>&\u00e9\u2028\x7f"}'),
        ('{"a":"\\u0000\\u001F\\b\\f\\n\\r\\t\\"\\\\"}', '{"a":"\\u0000\\u001f\\b\\f\\n\\r\\t\\"\\\\"}'),
        ('{"a":"\\uD83D\\ude00 \\uDEAD \\uD800x"}', '{"a":"\U0001f600 \\udead \\ud800x"}'),
        # U+FF61 sorts before U+1F600 by code point, after it by UTF-16 code unit
        ('{"\uff61":1,"\U0001f600":2}', '{"\U0001f600":2,"\uff61":1}'),
    ],
)  # fmt: skip
def test_keys_strings_and_space_are_written_as_javascript_writes_them(text: str, printed: str) -> None:
    assert canonical(text) == printed


def test_an_array_of_more_than_ten_becomes_an_object_in_the_order_of_its_numbers() -> None:
    text = '{"a":[' + ",".join(str(n) for n in range(12)) + "]}"
    assert canonical(text, arrays_as_objects=True) == (
        '{"a":{"0":0,"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"10":10,"11":11}}'
    )


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b'"text"', b"17", b"{", b"{}x", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}',
        b'{"a":1,"a":1}', b'{"x":{"a":1,"a":2}}', b'{"a":"\xff"}', b'\xef\xbb\xbf{"a":1}', b'{"a":01}', b'{"a":1,}',
        b'{"a":"\x01"}', b"[" * 5000, b'{"a":' * 17 + b"1" + b"}" * 17, b'{"a":"' + b"x" * 65536 + b'"}',
    ],
)  # fmt: skip
def test_what_is_not_a_strict_object_cannot_be_signed(body: bytes) -> None:
    with pytest.raises(NotCanonical):
        parse(body)


@pytest.mark.parametrize("token", ["1e999", "-1e309", "1" + "0" * 400])
def test_a_number_that_no_double_holds_is_refused(token: str) -> None:
    with pytest.raises(NotCanonical):
        canonical(f'{{"a":{token}}}')


def test_sixteen_levels_are_still_read() -> None:
    text = '{"a":' * 16 + "1" + "}" * 16
    assert canonical(text) == text


def test_amounts_keep_their_literal_text_when_read() -> None:
    values = values_of(parse(b'{"a":0.123456789012345678,"b":17,"c":[2.50],"d":"x","e":5745.0}'))
    assert {name: str(value) for name, value in values.items() if name != "c"} == {
        "a": "0.123456789012345678", "b": "17", "d": "x", "e": "5745.0"}  # fmt: skip
    assert type(values["b"]) is int and str(values["c"][0]) == "2.50"
