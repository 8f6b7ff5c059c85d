"""What this PostgreSQL can do by itself: its own pgbench writes the rows of one webhook, on bare copies of the tables.

The same rows, columns and indexes in one commit, without triggers, foreign keys, checks, without looking anything up
twice, and without Python or HTTP. It is the line that no platform on this database can pass.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Final

from django.db import connection

from core import embedded

CLIENTS: Final = 8
COPIED: Final = {
    "event": "payments_webhookevent", "payment": "payments_payment", "transition": "payments_paymenttransition",
    "transaction": "finance_transaction", "entry": "finance_entry", "account": "finance_account",
    "outbox": "core_outboxevent",
}  # fmt: skip
SHARDS: Final = 16

# `:n` and `:m` are drawn, so that unique indexes take every row; bodies have the size of the real ones.
_SCRIPT: Final = r"""
\set pid random(:first, :last)
\set n random(1, 9000000000000000)
\set m random(2, 2000000000)
\set a random(1, {shards})
\set b random({shards} + 1, 2 * {shards})
BEGIN;
INSERT INTO bench.event (lab_id, mode, gateway_key_id, event_key, event_type, body, body_sha256, headers, reports, state,
  tries, payment_id, applied_at)
  VALUES (1, 'live', 1, :n::text, 'paid', convert_to(repeat('x', {body}), 'UTF8'), repeat('0', 64), '{{}}',
    jsonb_build_array(repeat('x', {report})), 'applied', 1, :pid, now());
UPDATE bench.payment SET status = 'captured', captured = amount, received = amount, transition_seq = transition_seq + 1,
  completed_at = now(), updated_at = now() WHERE id = :pid;
INSERT INTO bench.transition (lab_id, mode, payment_id, seq, from_status, to_status, cause, cause_id)
  VALUES (1, 'live', :pid, :m, 'pending', 'captured', 'webhook', '1');
WITH booked AS (
  INSERT INTO bench.transaction (lab_id, kind, source, source_id, asset, description, metadata, author, payment_id, created_at)
  VALUES (1, 'payment', 'payment', :n::text, 'EUR', 'Payment', '{{}}', '', :pid, now()) RETURNING id
), lines AS (
  INSERT INTO bench.entry (transaction_id, lab_id, asset, account_id, amount, seq, balance_after)
  SELECT id, 1, 'EUR', :a::bigint, -1000, :n::bigint, 0 FROM booked UNION ALL SELECT id, 1, 'EUR', :b::bigint, 1000, :n::bigint, 0 FROM booked
) UPDATE bench.account SET balance = balance + CASE WHEN id = :a::bigint THEN -1000 ELSE 1000 END, entry_count = entry_count + 1
  WHERE id IN (:a::bigint, :b::bigint);
INSERT INTO bench.outbox (lab_id, mode, type, object_type, object_id, payload, webhook_id)
  VALUES (1, 'live', 'payment.captured', 'payment', 'PAY', jsonb_build_object('data', repeat('x', {payload})), :n::text);
COMMIT;
"""


class Floor:
    """Prepared once; each `round` is a short run of pgbench."""

    def __init__(self, folder: Path, *, body: int, report: int, payload: int) -> None:
        self._script = folder / "floor.sql"
        self._script.write_text(_SCRIPT.format(shards=SHARDS, body=body, report=report, payload=payload))
        self._first, self._last = _copy_tables()

    def round(self, seconds: int) -> float:
        """Transactions a second."""
        known = connection.settings_dict
        environment = {
            **os.environ, "PGHOST": str(known["HOST"]), "PGPORT": str(known["PORT"]), "PGUSER": str(known["USER"]),
            "PGPASSWORD": str(known["PASSWORD"]), "PGDATABASE": str(known["NAME"]),
        }  # fmt: skip
        command = [
            str(embedded.binary("pgbench")), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", "--jobs=2",
            "--max-tries=10",  # two that want the same pair of accounts may meet in the wrong order; the loser goes again
            f"--time={seconds}", f"--file={self._script}", f"--define=first={self._first}", f"--define=last={self._last}",
        ]  # fmt: skip
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        found = re.search(r"^tps = ([\d.]+)", said.stdout, re.MULTILINE)
        if found is None or "failed transactions: 0 " not in said.stdout:
            raise RuntimeError(f"pgbench: {said.stdout[-500:]} {said.stderr[-500:]}")
        return float(found[1])


def _copy_tables() -> tuple[int, int]:
    """The bare copies, and the first and last id of the payments in them."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA bench")
        for name, original in COPIED.items():
            cursor.execute(
                f"CREATE TABLE bench.{name} (LIKE {original} INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING INDEXES)"
            )
        cursor.execute("ALTER TABLE bench.account SET (fillfactor = 50)")  # as the real one
        cursor.execute("INSERT INTO bench.payment SELECT * FROM payments_payment ORDER BY id LIMIT 20000")
        cursor.execute(
            "INSERT INTO bench.account (id, lab_id, kind, owner, shard, asset, may_go_negative)"
            " SELECT n, 1, 'clearing', n::text, 0, 'EUR', true FROM generate_series(1, %s) n",
            [2 * SHARDS],
        )
        cursor.execute("SELECT min(id), max(id) FROM bench.payment")
        first, last = cursor.fetchone()
    return int(first), int(last)
