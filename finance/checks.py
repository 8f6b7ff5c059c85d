"""Finance's invariants as queries that return no rows (INVARIANTS 1); `manage.py check_invariants` runs them.

They look at what is stored, never at how it came there, so they also find what a dropped guard let through. Each reads its
tables once, so that a million payments take seconds. `GUARDS` are what the database must have (I28).
"""

from __future__ import annotations

from typing import Final

from django.db import connection

from core import guards

CHECKS: Final[tuple[tuple[str, str], ...]] = (
    (
        "I1 every ledger transaction has at least two entries and sums to zero per asset",
        """
        SELECT t.id AS transaction_id, e.asset, e.lines, e.total
        FROM finance_transaction t
        LEFT JOIN (
            SELECT transaction_id, asset, count(*) AS lines, sum(amount) AS total
            FROM finance_entry GROUP BY transaction_id, asset
        ) e ON e.transaction_id = t.id
        WHERE coalesce(e.lines, 0) < 2 OR e.total <> 0
        """,
    ),
    (
        "I2 an account's balance is the sum of its entries",
        """
        SELECT a.id AS account_id, a.balance, e.total, a.entry_count, e.lines
        FROM finance_account a
        LEFT JOIN (
            SELECT account_id, sum(amount) AS total, count(*) AS lines FROM finance_entry GROUP BY account_id
        ) e ON e.account_id = a.id
        WHERE a.balance <> coalesce(e.total, 0) OR a.entry_count <> coalesce(e.lines, 0)
        """,
    ),
    (
        "I3 balance_after continues the account's previous entry, without gaps",
        """
        SELECT id AS entry_id, account_id, seq, balance_after FROM (
            SELECT id, account_id, seq, amount, balance_after,
                   lag(seq, 1, 0::bigint) OVER by_account AS seq_before,
                   lag(balance_after, 1, 0::numeric) OVER by_account AS balance_before
            FROM finance_entry WINDOW by_account AS (PARTITION BY account_id ORDER BY seq)
        ) e WHERE seq <> seq_before + 1 OR balance_after <> balance_before + amount
        """,
    ),
    (
        "I4 what may not go negative has not, and nothing held is negative",
        """
        SELECT id AS account_id, balance, held FROM finance_account
        WHERE held < 0 OR (NOT may_go_negative AND balance < held)
           OR may_go_negative = (kind = 'customer_balance')
        """,
    ),
    (
        # That each open hold is one open withdrawal is checked with withdrawals.
        "I5 held is the sum of the open holds",
        """
        SELECT a.id AS account_id, a.held, h.total
        FROM finance_account a
        LEFT JOIN (SELECT account_id, sum(amount) AS total FROM finance_hold GROUP BY account_id) h
            ON h.account_id = a.id
        WHERE a.held <> coalesce(h.total, 0)
        """,
    ),
    (
        "I6 one ledger transaction per source, source id and kind",
        """
        SELECT source, source_id, kind, count(*) FROM finance_transaction GROUP BY 1, 2, 3 HAVING count(*) > 1
        """,
    ),
    (
        "I7 entry, account and transaction agree on asset and lab",
        """
        SELECT e.id AS entry_id
        FROM finance_entry e
        LEFT JOIN finance_transaction t ON (t.id, t.lab_id, t.asset) = (e.transaction_id, e.lab_id, e.asset)
        LEFT JOIN finance_account a ON (a.id, a.lab_id, a.asset) = (e.account_id, e.lab_id, e.asset)
        WHERE t.id IS NULL OR a.id IS NULL
        UNION ALL
        SELECT h.id FROM finance_hold h
        LEFT JOIN finance_account a ON (a.id, a.lab_id, a.asset) = (h.account_id, h.lab_id, h.asset)
        WHERE a.id IS NULL
        """,
    ),
)

# table -> (triggers, constraints)
GUARDS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "finance_account": (
        ("finance_account_guard", "finance_account_no_delete", "finance_account_no_truncate"),
        (
            "finance_account_customer_fk",
            "finance_account_funds",
            "finance_account_kind",
            "finance_account_id_lab_asset_uniq",
            "finance_account_may_go_negative",
            "finance_account_name_uniq",
            "finance_account_owner",
            "finance_account_shard",
        ),
    ),
    "finance_transaction": (
        (
            "finance_transaction_balanced",
            "finance_transaction_guard",
            "finance_transaction_insert_only",
            "finance_transaction_no_truncate",
        ),
        (
            "finance_transaction_kind",
            "finance_transaction_id_lab_asset_uniq",
            "finance_transaction_reverses",
            "finance_transaction_reverses_fk",
            "finance_transaction_reverses_once",
            "finance_transaction_source",
            "finance_transaction_source_uniq",
        ),
    ),
    "finance_entry": (
        (
            "finance_entry_balanced",
            "finance_entry_insert_only",
            "finance_entry_moves_balance",
            "finance_entry_no_truncate",
        ),
        (
            "finance_entry_account_fk",
            "finance_entry_account_seq_uniq",
            "finance_entry_amount",
            "finance_entry_transaction_fk",
        ),
    ),
    "finance_hold": (
        ("finance_hold_insert_only", "finance_hold_moves_held", "finance_hold_no_truncate"),
        ("finance_hold_account_fk", "finance_hold_amount", "finance_hold_source_uniq"),
    ),
}


def expect_guards() -> None:
    """Tell core what must exist in the database before any process starts."""
    for table, (triggers, constraints) in GUARDS.items():
        guards.expect(table, triggers=triggers, constraints=constraints)


def run() -> dict[str, int]:
    """How many rows each check of CHECKS found: all zero in sound books."""
    found: dict[str, int] = {}
    with connection.cursor() as cursor:
        for name, sql in CHECKS:
            cursor.execute(f"SELECT count(*) FROM ({sql}) AS offending")  # noqa: S608 constants above
            found[name] = cursor.fetchone()[0]
    return found
