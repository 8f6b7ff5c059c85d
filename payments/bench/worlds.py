"""A lab with one live gateway account, and open payments by the thousand, written as sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection, transaction

from core import labs
from core.gateways import encoding, registry
from core.gateways.references import fit_reference
from core.gateways.types import Description, Mode, Report
from core.models import Lab, Scope
from core.money import Money
from payments.demo import made_up, plan
from payments.models import PaymentGatewayKey
from payments.services import keys

ACTOR: Final = "command bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    lab: Lab
    key: PaymentGatewayKey
    credentials: dict[str, str]
    api_key: str
    money: Money

    @property
    def gateway(self) -> str:
        return str(self.key.gateway)

    @property
    def about(self) -> Description:
        return registry.gateway_class(self.gateway).about

    @property
    def webhook_url(self) -> str:
        return keys.key_row_of(self.key).webhook_url()


def make(gateway: str) -> World:
    lab = labs.create_lab(name="Bench", slug="bench", actor=ACTOR, return_origins=["https://shop.example"])
    credentials = made_up.credentials(gateway, Mode.LIVE)
    key = keys.create_gateway_key(lab=lab, gateway=gateway, mode=Mode.LIVE, values=credentials, actor=ACTOR)
    about = registry.gateway_class(gateway).about
    asset = plan.currency(about)
    return World(
        lab=lab, key=key, credentials=credentials, money=Money(max(1000, about.minimums.get(asset, 0)), asset),
        api_key=labs.create_api_key(lab=lab, mode=Mode.LIVE, name="bench", scopes=Scope.values, actor=ACTOR).text,
    )  # fmt: skip


_PAYMENTS: Final = """
    WITH made AS (
      INSERT INTO payments_payment (public_id, lab_id, mode, purpose, currency, amount, billing, metadata, gateway_key_id,
        gateway, capture_mode, presentation, page_token_hash, page_token_sealed, is_acknowledged, expires_at)
      SELECT u.public_id, %(lab)s, 'live', 'payment', %(asset)s, %(amount)s, '{}', '{}', %(key)s, %(gateway)s, 'automatic',
        'hosted', md5(u.public_id), 'bench', true, now() + interval '1 day'
      FROM unnest(%(ids)s::text[]) AS u(public_id)
      RETURNING id, lab_id, mode, gateway_key_id, public_id
    ), history AS (
      INSERT INTO payments_paymenttransition (lab_id, mode, payment_id, seq, from_status, to_status, cause, cause_id)
      SELECT lab_id, mode, id, 1, NULL, 'pending', 'api', 'bench' FROM made
    ) INSERT INTO payments_gatewayreference (lab_id, mode, gateway_key_id, payment_id, reference, is_ours)
      SELECT m.lab_id, m.mode, m.gateway_key_id, m.id, u.reference, true
      FROM made m JOIN unnest(%(ids)s::text[], %(references)s::text[]) AS u(public_id, reference) USING (public_id)"""


def open_payments(world: World, numbers: Sequence[int]) -> list[str]:
    """Write open payments, one for each number; our references of them, in order."""
    ids = [f"PAY_20260101000000_{number:08x}" for number in numbers]
    references = [fit_reference(one, 1, world.about.reference) for one in ids]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PAYMENTS, {
            "lab": world.lab.pk, "asset": world.money.asset, "amount": world.money.minor, "key": world.key.pk,
            "gateway": world.gateway, "ids": ids, "references": references,
        })  # fmt: skip
    return references


_EVENTS: Final = """
    COPY payments_webhookevent (lab_id, mode, gateway_key_id, event_key, event_type, body, body_sha256, headers, reports)
    FROM STDIN"""


def store_events(world: World, references: Sequence[str], body: bytes, report: Report, reference: str) -> None:
    """An unapplied event for each reference, as a crash before applying would have left it: `body` and `report` are of
    the payment called `reference`, and every name in them is made the other payment's."""
    names = [reference, *sorted({report.gateway_reference or "", *report.other_references} - {"", reference})]
    template = json.dumps([{**encoding.report_to_json(report), "raw": {}}])
    text = body.decode()
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(_EVENTS) as copy:
        for other in references:
            theirs = {name: other if name == reference else f"{name}{other[-12:]}" for name in names}
            copy.write_row((
                world.lab.pk, "live", world.key.pk, f"bench-{other}", "paid", _renamed(text, theirs).encode(), "0" * 64, "{}",
                _renamed(template, theirs),
            ))  # fmt: skip


def _renamed(text: str, names: dict[str, str]) -> str:
    for name, other in names.items():
        text = text.replace(name, other)
    return text


def analyze() -> None:
    """What autovacuum would have done by the time that a real installation has this many rows."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def count(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])
