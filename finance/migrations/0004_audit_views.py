"""The views by which anybody can check the books (INVARIANTS 14); their columns are a contract."""

from __future__ import annotations

from django.db import migrations

VIEWS = """
CREATE VIEW audit_account (id, lab_id, asset, may_go_negative, balance, held) AS
    SELECT id, lab_id, asset, may_go_negative::integer, balance, held FROM finance_account;

CREATE VIEW audit_entry (id, transaction_id, lab_id, account_id, seq, asset, amount, balance_after, kind, source, source_id,
                         payment_id, withdrawal_id) AS
    SELECT e.id, e.transaction_id, e.lab_id, e.account_id, e.seq, e.asset, e.amount, e.balance_after, t.kind, t.source,
           t.source_id, t.payment_id, t.withdrawal_id
    FROM finance_entry e JOIN finance_transaction t ON t.id = e.transaction_id;
"""

DROP_VIEWS = """
DROP VIEW audit_entry;
DROP VIEW audit_account;
"""


class Migration(migrations.Migration):
    dependencies = [("finance", "0003_post")]

    operations = [migrations.RunSQL(VIEWS, DROP_VIEWS)]
