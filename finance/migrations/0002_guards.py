"""The guards of the ledger: triggers and composite keys of our own, without any switch (INVARIANTS 1 and 6).

django-pgtrigger's can be passed with `pgtrigger.ignore` and do not refuse TRUNCATE, so these are plain SQL.
"""

from __future__ import annotations

from django.db import migrations

# I7, I21: child and parent agree on lab and asset. Not deferred: refused where it happens.
COMPOSITE_KEYS = """
ALTER TABLE finance_account
    ADD CONSTRAINT finance_account_customer_fk
        FOREIGN KEY (lab_id, customer_id) REFERENCES core_customer (lab_id, id),
    -- A customer's account is named by the customer, so that one unique index finds every kind of account.
    ADD CONSTRAINT finance_account_owner CHECK (
        (kind IN ('customer_balance', 'receivable')) = (customer_id IS NOT NULL)
        AND (customer_id IS NULL OR owner = customer_id::text)
    );
ALTER TABLE finance_transaction
    ADD CONSTRAINT finance_transaction_reverses_fk
        FOREIGN KEY (reverses_id, lab_id, asset) REFERENCES finance_transaction (id, lab_id, asset);
ALTER TABLE finance_entry
    ADD CONSTRAINT finance_entry_transaction_fk
        FOREIGN KEY (transaction_id, lab_id, asset) REFERENCES finance_transaction (id, lab_id, asset),
    ADD CONSTRAINT finance_entry_account_fk
        FOREIGN KEY (account_id, lab_id, asset) REFERENCES finance_account (id, lab_id, asset);
ALTER TABLE finance_hold
    ADD CONSTRAINT finance_hold_account_fk
        FOREIGN KEY (account_id, lab_id, asset) REFERENCES finance_account (id, lab_id, asset);
"""

DROP_COMPOSITE_KEYS = """
ALTER TABLE finance_hold DROP CONSTRAINT finance_hold_account_fk;
ALTER TABLE finance_entry DROP CONSTRAINT finance_entry_account_fk, DROP CONSTRAINT finance_entry_transaction_fk;
ALTER TABLE finance_transaction DROP CONSTRAINT finance_transaction_reverses_fk;
ALTER TABLE finance_account DROP CONSTRAINT finance_account_owner, DROP CONSTRAINT finance_account_customer_fk;
"""

INSERT_ONLY = """
CREATE FUNCTION finance_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: the ledger is insert only, reverse what is wrong', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER finance_transaction_insert_only BEFORE UPDATE OR DELETE ON finance_transaction
    FOR EACH ROW EXECUTE FUNCTION finance_refuse_change();
CREATE TRIGGER finance_entry_insert_only BEFORE UPDATE OR DELETE ON finance_entry
    FOR EACH ROW EXECUTE FUNCTION finance_refuse_change();
CREATE TRIGGER finance_hold_insert_only BEFORE UPDATE OR DELETE ON finance_hold
    FOR EACH ROW EXECUTE FUNCTION finance_refuse_change();
CREATE TRIGGER finance_account_no_delete BEFORE DELETE ON finance_account
    FOR EACH ROW EXECUTE FUNCTION finance_refuse_change();
CREATE TRIGGER finance_transaction_no_truncate BEFORE TRUNCATE ON finance_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION finance_refuse_change();
CREATE TRIGGER finance_entry_no_truncate BEFORE TRUNCATE ON finance_entry
    FOR EACH STATEMENT EXECUTE FUNCTION finance_refuse_change();
CREATE TRIGGER finance_hold_no_truncate BEFORE TRUNCATE ON finance_hold
    FOR EACH STATEMENT EXECUTE FUNCTION finance_refuse_change();
CREATE TRIGGER finance_account_no_truncate BEFORE TRUNCATE ON finance_account
    FOR EACH STATEMENT EXECUTE FUNCTION finance_refuse_change();
"""

DROP_INSERT_ONLY = """
DROP TRIGGER finance_account_no_truncate ON finance_account;
DROP TRIGGER finance_hold_no_truncate ON finance_hold;
DROP TRIGGER finance_entry_no_truncate ON finance_entry;
DROP TRIGGER finance_transaction_no_truncate ON finance_transaction;
DROP TRIGGER finance_account_no_delete ON finance_account;
DROP TRIGGER finance_hold_insert_only ON finance_hold;
DROP TRIGGER finance_entry_insert_only ON finance_entry;
DROP TRIGGER finance_transaction_insert_only ON finance_transaction;
DROP FUNCTION finance_refuse_change();
"""

ACCOUNT = """
CREATE FUNCTION finance_guard_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF (NEW.balance, NEW.held, NEW.entry_count) IS DISTINCT FROM (0::numeric, 0::numeric, 0::bigint) THEN
            RAISE EXCEPTION 'an account starts empty' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.lab_id, NEW.kind, NEW.owner, NEW.customer_id, NEW.shard, NEW.asset, NEW.may_go_negative)
        IS DISTINCT FROM
       (OLD.id, OLD.lab_id, OLD.kind, OLD.owner, OLD.customer_id, OLD.shard, OLD.asset, OLD.may_go_negative) THEN
        RAISE EXCEPTION 'what an account is never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    -- Depth 1 is this trigger on a statement that somebody typed. The triggers on entries and holds update from within,
    -- so this runs at 2; and of the two, one moves the balance and counts the entries, the other moves held alone.
    IF pg_trigger_depth() < 2
        OR NOT ((NEW.entry_count > OLD.entry_count AND NEW.held = OLD.held)
             OR (NEW.entry_count = OLD.entry_count AND NEW.balance = OLD.balance)) THEN
        RAISE EXCEPTION 'a balance moves by entries and holds alone' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER finance_account_guard BEFORE INSERT OR UPDATE ON finance_account
    FOR EACH ROW EXECUTE FUNCTION finance_guard_account();
"""

DROP_ACCOUNT = """
DROP TRIGGER finance_account_guard ON finance_account;
DROP FUNCTION finance_guard_account();
"""

# I2, I3: the insert of entries is what moves the balances, so they cannot disagree. By statement and not by row: five
# hundred postings move sixteen clearing accounts once each. What comes in must say the right seq and balance_after, and is
# refused otherwise; rows that ON CONFLICT skipped are not in `added`.
ENTRY_MOVES_BALANCE = """
CREATE FUNCTION finance_move_balance() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off AS $$
DECLARE
    wrong record;
BEGIN
    PERFORM FROM finance_account WHERE id = ANY (ARRAY(SELECT account_id FROM added)) ORDER BY id FOR NO KEY UPDATE;
    SELECT e.* INTO wrong FROM (
        SELECT account_id, seq, amount, balance_after,
               row_number() OVER by_seq AS place, sum(amount) OVER by_seq AS moved
        FROM added WINDOW by_seq AS (PARTITION BY account_id ORDER BY seq)
    ) e
    LEFT JOIN finance_account a ON a.id = e.account_id
    WHERE a.id IS NULL OR e.seq <> a.entry_count + e.place OR e.balance_after <> a.balance + e.moved
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % of account % does not continue its balance', wrong.seq, wrong.account_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_entry_moves_balance';
    END IF;
    -- Not only in the end: no entry takes what is not there at its place.
    IF EXISTS (SELECT FROM added e JOIN finance_account a ON a.id = e.account_id
               WHERE NOT a.may_go_negative AND e.amount < 0 AND e.balance_after < a.held) THEN
        RAISE EXCEPTION 'the balance is too small' USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_account_funds';
    END IF;
    UPDATE finance_account a SET balance = a.balance + s.moved, entry_count = a.entry_count + s.lines
    FROM (SELECT account_id, sum(amount) AS moved, count(*) AS lines FROM added GROUP BY account_id) s
    WHERE a.id = s.account_id;
    RETURN NULL;
END $$;

CREATE TRIGGER finance_entry_moves_balance AFTER INSERT ON finance_entry REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION finance_move_balance();
"""

DROP_ENTRY_MOVES_BALANCE = """
DROP TRIGGER finance_entry_moves_balance ON finance_entry;
DROP FUNCTION finance_move_balance();
"""

# I1, at commit. `posted_in` is the database transaction that wrote the row: entries cannot be added to it later, not
# even ones that sum to zero. It is a top-level id, so savepoints do not matter.
BALANCED = """
ALTER TABLE finance_transaction ADD COLUMN posted_in xid8 NOT NULL DEFAULT pg_current_xact_id();

CREATE FUNCTION finance_guard_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.posted_in := pg_current_xact_id();
    IF NEW.reverses_id IS NOT NULL THEN  -- by itself: an expression with a query in it costs a query each time
        IF EXISTS (SELECT FROM finance_transaction WHERE id = NEW.reverses_id AND kind = 'reversal') THEN
            RAISE EXCEPTION 'a reversal is not reversed: post again what was right'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_transaction_guard';
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER finance_transaction_guard BEFORE INSERT ON finance_transaction
    FOR EACH ROW EXECUTE FUNCTION finance_guard_transaction();

CREATE FUNCTION finance_check_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    checked finance_transaction%ROWTYPE;
    lines bigint;
    total numeric;
BEGIN
    IF TG_TABLE_NAME = 'finance_transaction' THEN
        checked := NEW;
    ELSE
        SELECT * INTO checked FROM finance_transaction WHERE id = NEW.transaction_id;
        IF checked.posted_in <> pg_current_xact_id() THEN
            RAISE EXCEPTION 'transaction % is closed: post a new one', NEW.transaction_id
                USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;
    SELECT count(*), sum(amount) INTO lines, total FROM finance_entry WHERE transaction_id = checked.id;
    IF lines < 2 OR total <> 0 THEN
        RAISE EXCEPTION 'transaction % has % entries that sum to %', checked.id, lines, coalesce(total, 0)
            USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_transaction_balanced';
    END IF;
    IF checked.reverses_id IS NOT NULL THEN
        IF EXISTS (
            SELECT FROM finance_entry WHERE transaction_id IN (checked.id, checked.reverses_id)
            GROUP BY account_id HAVING sum(amount) <> 0
        ) THEN
            RAISE EXCEPTION 'transaction % does not undo %', checked.id, checked.reverses_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_transaction_balanced';
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER finance_transaction_balanced AFTER INSERT ON finance_transaction
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION finance_check_balanced();
CREATE CONSTRAINT TRIGGER finance_entry_balanced AFTER INSERT ON finance_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION finance_check_balanced();
"""

DROP_BALANCED = """
DROP TRIGGER finance_entry_balanced ON finance_entry;
DROP TRIGGER finance_transaction_balanced ON finance_transaction;
DROP FUNCTION finance_check_balanced();
DROP TRIGGER finance_transaction_guard ON finance_transaction;
DROP FUNCTION finance_guard_transaction();
ALTER TABLE finance_transaction DROP COLUMN posted_in;
"""

# I4, I5: held moves by rows too, under the account's lock and only as far as there is money.
HOLD_MOVES_HELD = """
CREATE FUNCTION finance_move_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.id := nextval('finance_hold_id_seq');
    UPDATE finance_account SET held = held + NEW.amount
        WHERE id = NEW.account_id AND NOT may_go_negative AND balance - held >= NEW.amount AND held + NEW.amount >= 0
        RETURNING held INTO NEW.held_after;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'not enough to hold or release % on account %', NEW.amount, NEW.account_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_account_funds';
    END IF;
    -- The account's row is ours now, so nobody else adds a hold to it: a second one of this name is refused here, before
    -- ON CONFLICT DO NOTHING could skip the row after held has moved.
    IF EXISTS (SELECT FROM finance_hold
               WHERE (account_id, source, source_id, kind) = (NEW.account_id, NEW.source, NEW.source_id, NEW.kind)) THEN
        RAISE EXCEPTION 'there is such a % already', NEW.kind
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'finance_hold_source_uniq';
    END IF;
    IF NEW.kind = 'release' AND NOT EXISTS (
        SELECT FROM finance_hold
        WHERE (account_id, source, source_id, kind) = (NEW.account_id, NEW.source, NEW.source_id, 'hold')
            AND amount = -NEW.amount
    ) THEN
        RAISE EXCEPTION 'a release gives back one hold, whole'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_hold_release';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER finance_hold_moves_held BEFORE INSERT ON finance_hold
    FOR EACH ROW EXECUTE FUNCTION finance_move_held();
"""

DROP_HOLD_MOVES_HELD = """
DROP TRIGGER finance_hold_moves_held ON finance_hold;
DROP FUNCTION finance_move_held();
"""


class Migration(migrations.Migration):
    dependencies = [("finance", "0001_initial")]

    operations = [
        migrations.RunSQL(COMPOSITE_KEYS, DROP_COMPOSITE_KEYS),
        migrations.RunSQL(INSERT_ONLY, DROP_INSERT_ONLY),
        migrations.RunSQL(ACCOUNT, DROP_ACCOUNT),
        migrations.RunSQL(ENTRY_MOVES_BALANCE, DROP_ENTRY_MOVES_BALANCE),
        migrations.RunSQL(BALANCED, DROP_BALANCED),
        migrations.RunSQL(HOLD_MOVES_HELD, DROP_HOLD_MOVES_HELD),
    ]
