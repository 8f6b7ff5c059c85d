"""The calls of the simulated PayTabs: /payment/request, /payment/query and tokens (sections 4, 5, 8, 9, 10).

Independent of the client beside this file.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from clients.paytabs.simulator_profile import PAGE_SECONDS, ROOTS, Profile, Token, Transaction, result_of
from clients.paytabs.simulator_wire import (
    Json,
    PayTabsError,
    amount_of,
    currency_of,
    flag_of,
    invalid,
    number_of,
    person_of,
    text_of,
    text_of_amount,
    trace,
    url_of,
)

_FOLLOW_UPS: Final = {"capture": "Capture", "void": "Void", "release": "Release", "refund": "Refund"}
_KINDS: Final = {"sale": "Sale", "auth": "Auth", "register": "Register"}
_NO_REFUND: Final = PayTabsError(322, "Refund not available for this transaction").body


def request(profile: Profile, given: Json, *, page_url: Callable[[str], str]) -> Json:
    """POST /payment/request"""
    kind = given.get("tran_type")
    if kind not in _KINDS and kind not in _FOLLOW_UPS:
        raise invalid("tran_type is missing or not known")
    if given.get("tran_class") not in ("ecom", "recurring", "moto"):
        raise invalid("tran_class is missing or not known")
    currency = currency_of(given)
    wish = Transaction(
        tran_ref=profile.new_reference(),
        kind=_KINDS.get(str(kind)) or _FOLLOW_UPS[str(kind)],
        tran_class="ECom",
        cart_id=text_of(given, "cart_id", longest=64),
        description=text_of(given, "cart_description", longest=128),
        currency=currency,
        amount=amount_of(given, currency),
        total=Decimal(0),
        charged_currency=currency,
        callback=url_of(given, "callback", is_strict=profile.is_strict),
    )
    wish.total = wish.amount
    profile.refuse_duplicate(wish.cart_id, wish.amount)
    if kind in _FOLLOW_UPS:
        return _follow_up(profile, given, wish)
    if given["tran_class"] == "recurring":
        return _recurring(profile, given, wish, page_url)
    if given["tran_class"] == "moto":
        raise PayTabsError(112, "Payment method, class or currency is not supported by this profile")
    _customer_present(profile, given, wish)
    return _with_page(profile, wish, page_url)


# --- a page ---------------------------------------------------------------------------------------------------------


def _customer_present(profile: Profile, given: Json, wish: Transaction) -> None:
    wish.return_url = url_of(given, "return", is_strict=profile.is_strict, needs_https=False)
    wish.returns_by_get = flag_of(given, "return_using_get")
    flag_of(given, "hide_shipping")
    wish.customer, wish.shipping = person_of(given, "customer_details"), person_of(given, "shipping_details")
    if given.get("paypage_lang", "en") not in ("en", "ar", "tr"):
        raise invalid("paypage_lang is not known")
    offered = flag_of(given, "show_save_card")
    wish.is_tokenised = number_of(given, "tokenise", least=2, most=6) is not None or offered
    minutes = number_of(given, "paypage_ttl", least=1, most=10**6)
    wish.expires_at = profile.now() + (minutes * 60 if minutes else PAGE_SECONDS)
    methods = given.get("payment_methods", ["all"])
    if not isinstance(methods, list) or not all(isinstance(one, str) and one for one in methods):
        raise invalid("payment_methods is no list of codes")
    wish.user_defined = _user_defined(given)
    if "token" in given:
        _token(profile, given)


def _user_defined(given: Json) -> Json:
    value = given.get("user_defined") or {}
    if not isinstance(value, dict) or not all(re.fullmatch(r"udf[1-9]", name) for name in value):
        raise invalid("user_defined has members udf1 to udf9")
    return value


def _with_page(profile: Profile, wish: Transaction, page_url: Callable[[str], str]) -> Json:
    wish.page = secrets.token_hex(32).upper()
    wish.expires_at = wish.expires_at or profile.now() + PAGE_SECONDS
    profile.add(wish)
    profile.remember(wish.cart_id, wish.amount)
    urls = {name: url for name, url in (("callback", wish.callback), ("return", wish.return_url)) if url}
    return _head(wish) | urls | {"redirect_url": page_url(wish.page)} | _tail(profile)


# --- charges without a page ------------------------------------------------------------------------------------------


def _token(profile: Profile, given: Json) -> Token:
    found = profile.tokens.get(text_of(given, "token", longest=64))
    if found is None:
        raise invalid("Invalid token")
    return found


def _recurring(profile: Profile, given: Json, wish: Transaction, page_url: Callable[[str], str]) -> Json:
    """The token and the transaction that made it are both needed (section 10)."""
    if not profile.has_recurring or wish.kind == "Register":
        raise PayTabsError(112, "Payment method, class or currency is not supported by this profile")
    token = _token(profile, given)
    if given.get("tran_ref") != token.tran_ref:
        raise invalid("tran_ref is not the transaction of this token")
    wish.previous, wish.tran_class = token.tran_ref, "C/Auth"
    wish.info, wish.customer, wish.user_defined = dict(token.info), token.customer, _user_defined(given)
    code = token.next_codes.pop(0) if token.next_codes else ""
    if code == "3ds":  # Unconfirmed: an issuer that insists on 3-D Secure makes this a page
        wish.return_url = url_of(given, "return", is_strict=profile.is_strict, needs_https=False)
        return _with_page(profile, wish, page_url)
    profile.add(wish)
    profile.remember(wish.cart_id, wish.amount)
    profile.finish(wish, "D" if code else "A", code)
    return _completed(profile, wish)


# --- follow-ups -----------------------------------------------------------------------------------------------------


def _follow_up(profile: Profile, given: Json, wish: Transaction) -> Json:
    if str(given["tran_type"]) in profile.forbidden:
        raise _not_permitted("Transaction " + wish.kind)
    of = profile.transactions.get(text_of(given, "tran_ref", longest=64))
    if of is None:
        raise invalid("Transaction not found")  # Unconfirmed: the code of an unknown reference
    if wish.currency != of.charged_currency:
        raise PayTabsError(206, "Currency is not available or does not match the original")
    wish.previous, wish.customer, wish.info = of.tran_ref, of.customer, of.info
    if of.letter == "H":
        return _refused(profile, wish, "E", "120")
    if wish.kind == "Refund":
        return _refund(profile, wish, of)
    # Unconfirmed: the code of a capture or void that does not fit; a refused request in any case.
    if of.kind != "Auth" or of.letter != "A":
        raise invalid("The transaction is no approved authorisation")
    if wish.amount > profile.held(of):
        raise invalid("The amount is more than what is held")
    if wish.kind == "Void" and profile.children(of, "Capture"):
        raise invalid("The transaction was captured: release the rest")
    _take_note(profile, wish)
    profile.mark(wish, "A")
    if wish.kind != "Capture":
        profile.after_void(of)
    profile.tell(wish)
    return _completed(profile, wish)


def _refund(profile: Profile, wish: Transaction, of: Transaction) -> Json:
    code, profile.next_refund_code = profile.next_refund_code, ""
    if code == "322" or wish.amount > profile.refundable(of):
        raise PayTabsError(322, str(_NO_REFUND["message"]))
    if code:
        return _refused(profile, wish, "D", code)
    _take_note(profile, wish)
    profile.begin_refund(wish)
    profile.tell(wish)
    return _completed(profile, wish)


def _refused(profile: Profile, wish: Transaction, letter: str, code: str) -> Json:
    _take_note(profile, wish)
    profile.finish(wish, letter, code)
    return _completed(profile, wish)


def _take_note(profile: Profile, wish: Transaction) -> None:
    profile.add(wish)
    profile.remember(wish.cart_id, wish.amount)


# --- reading --------------------------------------------------------------------------------------------------------


def query(profile: Profile, given: Json, *, page_url: Callable[[str], str]) -> Json | list[Json]:
    """POST /payment/query: an object by tran_ref, an array by cart_id, exactly one of the two."""
    if "query" in profile.forbidden:
        raise _not_permitted("Transaction Query")
    if ("tran_ref" in given) == ("cart_id" in given):
        raise invalid("Exactly one of tran_ref and cart_id is needed")
    if "cart_id" in given:
        cart_id = text_of(given, "cart_id", longest=64)
        rows = [one for one in profile.transactions.values() if one.cart_id == cart_id]
        return [_queried(profile, one, page_url) for one in reversed(rows)]
    found = profile.transactions.get(text_of(given, "tran_ref", longest=64))
    if found is None:
        raise invalid("Transaction not found")
    return _queried(profile, found, page_url)


def _queried(profile: Profile, one: Transaction, page_url: Callable[[str], str]) -> Json:
    return profile.seen(one) | ({"redirect_url": page_url(one.page)} if one.is_open else {})


def read_token(profile: Profile, given: Json) -> Json:
    """Unconfirmed: which members a token has."""
    token = _token(profile, given)
    shown: Json = {"token": given["token"], "tran_ref": token.tran_ref, "payment_info": token.info}
    return shown | ({"customer_details": token.customer} if token.customer else {})


def delete_token(profile: Profile, given: Json) -> Json:
    _token(profile, given)
    del profile.tokens[given["token"]]
    return {"code": 0, "message": "success", "trace": trace("PMNT0403")}


# --- answers --------------------------------------------------------------------------------------------------------


def _not_permitted(what: str) -> PayTabsError:
    """Unconfirmed: code and HTTP status."""
    return PayTabsError(2, f"{what} not permitted with this key", status=403)


def _head(one: Transaction) -> Json:
    return {
        "tran_ref": one.tran_ref,
        "tran_type": one.kind,
        "cart_id": one.cart_id,
        "cart_description": one.description,
        "cart_currency": one.currency,
        "cart_amount": text_of_amount(one.amount, one.currency),
    }


def _tail(profile: Profile) -> Json:
    numbers: Json = {"serviceId": 2, "profileId": int(profile.profile_id), "merchantId": profile.merchant_id}
    return numbers | {"trace": trace("PMNT0404")}


def _completed(profile: Profile, one: Transaction) -> Json:
    head = _head(one) | {"tran_class": one.tran_class, "previous_tran_ref": one.previous}
    head |= {"tran_currency": one.charged_currency, "tran_total": text_of_amount(one.total, one.charged_currency)}
    if profile.is_sparse and one.kind not in ROOTS:
        head = {name: value for name, value in head.items() if name not in ("cart_id", "previous_tran_ref")}
    return head | result_of(one) | _tail(profile)
