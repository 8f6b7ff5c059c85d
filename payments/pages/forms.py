"""What a customer fills in on a link's page, cleaned. Only what the link leaves open is read at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.api import fields
from core.api.fields import FieldError
from core.money import Money, MoneyError, parse_decimal_text
from payments.models import OnlinePayment
from payments.pages.options import Option
from payments.services.link_payments import Choice

_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{22,64}", re.ASCII)


@dataclass(slots=True)
class LinkForm:
    """`values` are shown again beside `errors`; a value that was refused for holding a card number is not."""

    link: OnlinePayment
    options: Sequence[Option]
    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def read(self, posted: Mapping[str, Any], *, customer_ip: str) -> Choice | None:
        """The choice, or None with `errors` filled."""
        nonce = str(posted.get("nonce", ""))
        if not _NONCE.fullmatch(nonce):
            self.errors["form"] = "This form is incomplete. Here is a new one: please fill it in again."
        option = self._option(posted)
        amount = self._take(posted, "amount", self._amount) if self.link.amount is None else None
        fixed = None if self.link.amount is None else Money(int(self.link.amount), self.link.currency)
        name = self._take(posted, "name", fields.text_of(200))
        email = self._take(posted, "email", lambda text: fields.clean_email(text) if text.strip() else "")
        coin = self._coin(posted, option)
        money = fixed or amount
        if self.errors or option is None or money is None:
            return None
        return Choice(
            nonce=nonce, amount=money, gateway=option.gateway, pay_currency=coin, name=name or "", email=email or "",
            customer_ip=_address(customer_ip),
        )  # fmt: skip

    def _take(self, posted: Mapping[str, Any], name: str, clean: Callable[[str], Any]) -> Any:
        text = str(posted.get(name, ""))
        try:
            if fields.has_card_number(text):
                raise FieldError("card_number_refused", "Do not write card numbers here; you enter yours when you pay.")
            self.values[name] = text
            return clean(text)
        except FieldError as error:
            self.errors[name] = _PLAIN.get(error.code, error.detail)
            return None

    def _amount(self, text: str) -> Money:
        currency, low, high = self.link.currency, int(self.link.minimum or 1), int(self.link.maximum or 1)
        bounds = f"from {Money(low, currency).decimal_text()} to {Money(high, currency)}"
        try:
            money = parse_decimal_text(text, currency)
            if not low <= money.minor <= high:
                raise MoneyError
            fields.clean_amount(money.minor)
        except (MoneyError, FieldError):
            raise FieldError("invalid_amount", f"Write an amount {bounds}, with a point before the decimals.") from None
        return money

    def _option(self, posted: Mapping[str, Any]) -> Option | None:
        if len(self.options) == 1:
            return self.options[0]
        self.values["gateway"] = str(posted.get("gateway", ""))[:40]
        for option in self.options:
            if option.gateway == self.values["gateway"]:
                return option
        self.errors["gateway"] = "Choose how you want to pay."
        return None

    def _coin(self, posted: Mapping[str, Any], option: Option | None) -> str:
        if option is None or not option.coins:
            return ""
        coin = str(posted.get(f"coin_{option.gateway}", ""))[:32]
        self.values[f"coin_{option.gateway}"] = coin
        if coin not in {code for code, _name in option.coins}:
            self.errors[f"coin_{option.gateway}"] = "Choose a coin and its network."
            return ""
        return coin


_PLAIN: Final[Mapping[str, str]] = {
    "invalid_email": "Write an e-mail address like mira@example.com, or leave it empty.",
    "too_long": "This is too long.",
    "invalid_text": "This text holds characters that cannot be used.",
}


def _address(text: str) -> str | None:
    try:
        return fields.clean_ip_address(text)
    except FieldError:
        return None
