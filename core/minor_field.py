"""A model field for an amount in minor units: `numeric(38,0)` in the database, `int` in Python."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models


class MinorField(models.DecimalField):  # type: ignore[type-arg]
    """Whole minor units of an asset. 64 bits would overflow past 9.2 ETH."""

    description = "amount in minor units"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"] = 38
        kwargs["decimal_places"] = 0
        super().__init__(*args, **kwargs)

    @property
    def validators(self) -> list[Any]:  # those of DecimalField look inside a Decimal, and ours is an int
        return list(self._validators)  # type: ignore[attr-defined]  # the stubs do not know it

    def deconstruct(self) -> tuple[str, str, Any, dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_digits"], kwargs["decimal_places"]
        return name, path, args, kwargs

    def from_db_value(self, value: Decimal | None, expression: Any, connection: Any) -> int | None:
        return None if value is None else int(value)

    def to_python(self, value: Any) -> int | None:
        if value is None or type(value) is int:
            return value
        if isinstance(value, (float, bool)):
            raise ValidationError("an amount is a whole number of minor units")
        number = super().to_python(value)
        if number is None:
            return None
        if number != number.to_integral_value():
            raise ValidationError("an amount is a whole number of minor units")
        return int(number)

    def get_prep_value(self, value: Any) -> Any:
        value = self.to_python(value)
        return value if value is None or hasattr(value, "resolve_expression") else Decimal(value)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if hasattr(value, "as_sql"):
            return value
        return connection.ops.adapt_decimalfield_value(self.get_prep_value(value), self.max_digits, 0)
