"""The first page: what was taken today, what a person must look at, and whether anything is stuck."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import CharField, Count, F, Func, Sum
from django.http import HttpRequest
from django.urls import reverse

from core import clock
from core.desk import showing
from core.desk.access import Ability, Access, access_of
from core.desk.scoped import address_of
from core.gateways.types import Attention
from payments import reading
from payments.admin.gateway_keys import health
from payments.models import OPEN_STATES, Payment, PaymentGatewayKey, WebhookEvent

_NEWEST: Final = 8
_UNSEEN: Final = Func(  # one row a word
    F("attention"), F("attention_seen"), template="unnest(ARRAY(SELECT unnest(%(expressions)s)))",
    arg_joiner=") EXCEPT SELECT unnest(", output_field=CharField(),
)  # fmt: skip
_GRAVITY: Final = {one.value: place for place, one in enumerate(Attention)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A count with the list that shows what was counted."""

    label: str
    count: int
    link: str
    tone: str


def context(request: HttpRequest, given: dict[str, Any]) -> dict[str, Any]:
    """Unfold's callback: `given` is what the page has, returned with our parts."""
    access = access_of(request)
    labs = access.lab_ids(Ability.SEE)
    if not labs:
        return {**given, "has_labs": False}
    start, zone = _today(access)
    return {
        **given,
        "has_labs": True,
        "zone": zone,
        "captured": _captured(labs, start),
        "attention": _attention(labs),
        "events": _events(access.lab_ids(Ability.SEE_EVENTS)),
        "may_see_events": access.may(Ability.SEE_EVENTS),
        "broken_keys": _broken_keys(labs),
        "may_add_keys": access.may(Ability.CHANGE_KEYS),
        "newest": _newest(labs),
    }


def _today(access: Access) -> tuple[datetime, str]:
    """When today began, by the clock of the one lab in sight, else by UTC."""
    zone = ZoneInfo(access.only_lab.timezone) if access.only_lab else UTC
    now = clock.now().astimezone(zone)
    return now.replace(hour=0, minute=0, second=0, microsecond=0), str(zone)


def _captured(labs: list[int], start: datetime) -> list[dict[str, Any]]:
    """Live money by currency; what is only a test is not money."""
    taken = Payment.across_labs.filter(lab_id__in=labs, mode="live", status="captured", completed_at__gte=start)
    rows = taken.values("currency").annotate(total=Sum("captured"), count=Count("pk")).order_by("currency")
    return [{"amount": showing.money(int(row["total"]), row["currency"]), "count": row["count"]} for row in rows]


def _attention(labs: list[int]) -> list[Line]:
    """The gravest first; what somebody marked as seen is left out."""
    marked = Payment.across_labs.filter(reading.wants_attention(), lab_id__in=labs)
    rows = marked.order_by().annotate(word=_UNSEEN).values_list("word").annotate(count=Count("pk"))
    return [
        Line(label=showing.words(word), count=count, link=_list("payment", attention=word), tone=showing.BAD)
        for word, count in sorted(rows, key=lambda row: _GRAVITY.get(row[0], 99))
    ]


def _events(labs: list[int]) -> list[Line]:
    watched = [*OPEN_STATES, "given_up", "mismatch", "conflict"]
    rows = WebhookEvent.across_labs.filter(lab_id__in=labs, state__in=watched).order_by().values_list("state")
    return [
        Line(
            label=showing.words(state), count=count, link=_list("webhookevent", state=state), tone=showing.TONES[state]
        )
        for state, count in rows.annotate(count=Count("pk")).order_by("state")
    ]


def _broken_keys(labs: list[int]) -> list[dict[str, Any]]:
    found = []
    for key in (
        PaymentGatewayKey.across_labs.filter(lab_id__in=labs, is_active=True).select_related("lab").order_by("pk")
    ):
        word, tone = health(key)
        if tone != showing.GOOD:
            link = address_of(key, key.public_id)
            found.append({"name": str(key), "lab": key.lab.name, "state": showing.badge(word, tone), "link": link,
                          "problem": key.problem})  # fmt: skip
    return found


def _newest(labs: list[int]) -> list[dict[str, Any]]:
    rows = Payment.across_labs.filter(lab_id__in=labs).select_related("customer").order_by("-pk")[:_NEWEST]
    now = clock.now()
    return [
        {
            "id": row.public_id,
            "link": address_of(row, row.public_id),
            "status": showing.badge(row.status),
            "amount": showing.money(row.amount, row.currency),
            "who": str(row.customer or row.merchant_reference or ""),
            "when": showing.ago(row.created_at, now),
        }
        for row in rows
    ]


def _list(model: str, **filters: str) -> str:
    return f"{reverse(f'admin:payments_{model}_changelist')}?{urlencode(filters)}"
