"""The payment behind a pay page, with what of its lab is shown: one statement, by the keyed hash of the token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import connection

from core.hashing import keyed_hash
from core.models import Lab
from payments import rows
from payments.services.orders import PAGE_PURPOSE
from payments.work import PaymentState

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22,64}", re.ASCII)
_SELECT: Final = f"""
    SELECT {rows.SELECT}, l.name, l.brand_name, l.brand_color, l.timezone
    FROM payments_payment p JOIN core_lab l ON l.id = p.lab_id WHERE p.page_token_hash = %s"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What customers see of a lab."""

    name: str
    color: str
    timezone: ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    state: PaymentState
    shop: Shop


def is_token(text: str) -> bool:
    """Whether a text has the form of a token; no other is looked up."""
    return _TOKEN.fullmatch(text) is not None


def by_token(token: str) -> Found | None:
    """The payment whose page this is. An inactive lab's payments are still shown: their customers paid."""
    if not is_token(token):
        return None
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, [keyed_hash(PAGE_PURPOSE, token)])
        row = cursor.fetchone()
    if row is None:
        return None
    name, brand_name, color, timezone = row[len(rows.COLUMNS) :]
    shop = Shop(name=brand_name or name, color=_color(color), timezone=_zone(timezone))
    return Found(state=rows.read_payment(row[: len(rows.COLUMNS)]), shop=shop)


def shop_of(lab: Lab) -> Shop:
    return Shop(name=lab.shown_name, color=_color(lab.brand_color), timezone=_zone(lab.timezone))


_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)


def _color(text: str) -> str:
    # It goes into a style sheet, and only forms have checked it.
    return text if _COLOR.fullmatch(text) else "#1f2937"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
