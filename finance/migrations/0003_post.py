"""The functions that write the ledger: `finance_post` for any number of transactions in one call, and holds.

A function and not one long statement: every query in it sees what was committed a moment ago, so an account that
somebody else has just made is simply found. Called by `finance.ledger` alone.
"""

from __future__ import annotations

from django.db import migrations

# Order of locks, the same for all: transactions by their names, missing accounts by their names, accounts by id.
#
# The settings: a session keeps these plans, and may make them while the tables are still empty. What is cheap then (a scan,
# a hash or a sort of the whole table) would stay long after the tables have grown; so every look-up goes by its index, one
# row at a time. `force_generic_plan`: planning anew costs more than all the rest of a call with one posting (measured).
POST = """
CREATE FUNCTION finance_post(postings jsonb, lines jsonb)
RETURNS TABLE (posting integer, transaction_id bigint, is_new boolean)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    ids_before bigint := nextval('finance_transaction_id_seq');
    ids bigint[];  -- by number of the posting, like are_new
    are_new boolean[];
    expected bigint;
    transaction_ids bigint[];  -- these six by number of the entry
    lab_ids bigint[];
    assets text[];
    account_ids bigint[];
    shortfall_ids bigint[];
    amounts numeric[];
    locked_ids bigint[];
    line record;
    spare numeric;
BEGIN
    -- 1. The transactions, where they are not there yet.
    INSERT INTO finance_transaction (lab_id, kind, source, source_id, asset, description, metadata, author,
                                     payment_id, withdrawal_id, created_at, reverses_id)
    SELECT p.lab_id, p.kind, p.source, p.source_id, p.asset, p.description, p.metadata, p.author,
           p.payment_id, p.withdrawal_id, p.created_at, original.id
    FROM jsonb_to_recordset(postings) AS p (
        lab_id bigint, kind text, source text, source_id text, asset text, description text, metadata jsonb, author text,
        payment_id bigint, withdrawal_id bigint, created_at timestamptz,
        reverses_source text, reverses_source_id text, reverses_kind text)
    LEFT JOIN finance_transaction original  -- that lab and asset agree is seen to by its composite key
        ON original.source = p.reverses_source AND original.source_id = p.reverses_source_id
        AND original.kind = p.reverses_kind
    ORDER BY p.source, p.source_id, p.kind
    ON CONFLICT DO NOTHING;  -- any of the two: the same name, or the same original reversed at this moment

    -- New is what this call wrote: not another's, and not an earlier call's of the same database transaction.
    SELECT array_agg(t.id ORDER BY p.n),
           array_agg(t.posted_in = pg_current_xact_id() AND t.id > ids_before ORDER BY p.n)
    INTO ids, are_new
    FROM jsonb_to_recordset(postings) AS p (n integer, source text, source_id text, kind text)
    LEFT JOIN finance_transaction t ON t.source = p.source AND t.source_id = p.source_id AND t.kind = p.kind;
    IF array_position(ids, NULL) IS NOT NULL THEN
        IF EXISTS (
            SELECT FROM jsonb_to_recordset(postings) AS p (
                n integer, reverses_source text, reverses_source_id text, reverses_kind text)
            JOIN finance_transaction original
                ON original.source = p.reverses_source AND original.source_id = p.reverses_source_id
                AND original.kind = p.reverses_kind
            JOIN finance_transaction other ON other.reverses_id = original.id
            WHERE ids[p.n] IS NULL
        ) THEN
            RAISE EXCEPTION 'reversed before under another name'
                USING ERRCODE = 'unique_violation', CONSTRAINT = 'finance_transaction_reverses_once';
        END IF;
        -- Only where the isolation level hides another's insert.
        RAISE EXCEPTION 'posted meanwhile: post again' USING ERRCODE = 'serialization_failure';
    END IF;

    -- 2. Which entry goes where: the lines as given, and for a reversal what its original did, with the other sign.
    FOR look IN 1..2 LOOP
        SELECT array_agg(r.transaction_id ORDER BY r.n, r.k), array_agg(r.lab_id ORDER BY r.n, r.k),
               array_agg(r.asset ORDER BY r.n, r.k), array_agg(r.account_id ORDER BY r.n, r.k),
               array_agg(r.shortfall_id ORDER BY r.n, r.k), array_agg(r.amount ORDER BY r.n, r.k),
               count(*) FILTER (WHERE r.is_reversal)
                   + (SELECT count(*) + count(l.shortfall_kind)
                      FROM jsonb_to_recordset(lines) AS l (n integer, shortfall_kind text) WHERE are_new[l.n])
        INTO transaction_ids, lab_ids, assets, account_ids, shortfall_ids, amounts, expected
        FROM (
            SELECT l.n, l.k, ids[l.n] AS transaction_id, l.lab_id, l.asset, a.id AS account_id, s.id AS shortfall_id, l.amount,
                   false AS is_reversal
            FROM jsonb_to_recordset(lines) AS l (
                n integer, k bigint, lab_id bigint, kind text, owner text, shard smallint, asset text, amount numeric,
                shortfall_kind text)
            JOIN finance_account a
                ON a.lab_id = l.lab_id AND a.kind = l.kind AND a.owner = l.owner AND a.shard = l.shard AND a.asset = l.asset
            LEFT JOIN finance_account s
                ON s.lab_id = l.lab_id AND s.kind = l.shortfall_kind AND s.owner = l.owner AND s.shard = 0
                AND s.asset = l.asset
            WHERE are_new[l.n]
            UNION ALL
            SELECT p.n, e.id, ids[p.n], e.lab_id, e.asset, e.account_id, NULL, -e.amount, true
            FROM jsonb_to_recordset(postings) AS p (n integer, reverses_source text)
            JOIN finance_transaction t ON t.id = ids[p.n]
            JOIN finance_entry e ON e.transaction_id = t.reverses_id
            WHERE p.reverses_source IS NOT NULL AND are_new[p.n]
        ) r;
        locked_ids := account_ids || array_remove(shortfall_ids, NULL);
        EXIT WHEN coalesce(cardinality(locked_ids), 0) = expected;
        IF look = 2 THEN  -- as above
            RAISE EXCEPTION 'an account was made meanwhile: post again' USING ERRCODE = 'serialization_failure';
        END IF;

        -- 3. An account is missing: made here, once in its life.
        INSERT INTO finance_account (lab_id, kind, owner, customer_id, shard, asset, may_go_negative)
        SELECT DISTINCT l.lab_id, l.kind, l.owner, l.customer_id, l.shard, l.asset, l.kind <> 'customer_balance'
        FROM (
            SELECT n, lab_id, kind, owner, customer_id, shard, asset
            FROM jsonb_to_recordset(lines) AS l (
                n integer, lab_id bigint, kind text, owner text, customer_id bigint, shard smallint, asset text)
            UNION ALL
            SELECT n, lab_id, shortfall_kind, owner, customer_id, 0, asset
            FROM jsonb_to_recordset(lines) AS l (
                n integer, lab_id bigint, shortfall_kind text, owner text, customer_id bigint, asset text)
            WHERE shortfall_kind IS NOT NULL
        ) l
        WHERE are_new[l.n] AND NOT EXISTS (
            SELECT FROM finance_account a
            WHERE a.lab_id = l.lab_id AND a.kind = l.kind AND a.owner = l.owner AND a.shard = l.shard AND a.asset = l.asset)
        ORDER BY 1, 2, 3, 5, 6
        ON CONFLICT (lab_id, kind, owner, shard, asset) DO NOTHING;
    END LOOP;

    -- 4. All locks in id order, then the entries in the order of the call.
    PERFORM FROM finance_account WHERE id = ANY (locked_ids) ORDER BY id FOR NO KEY UPDATE;
    IF cardinality(locked_ids) = cardinality(account_ids) THEN
        INSERT INTO finance_entry (transaction_id, lab_id, asset, account_id, amount, seq, balance_after)
        SELECT e.transaction_id, e.lab_id, e.asset, e.account_id, e.amount,
               a.entry_count + row_number() OVER by_account, a.balance + sum(e.amount) OVER by_account
        FROM unnest(transaction_ids, lab_ids, assets, account_ids, amounts) WITH ORDINALITY
            AS e (transaction_id, lab_id, asset, account_id, amount, k)
        JOIN finance_account a ON a.id = e.account_id
        WINDOW by_account AS (PARTITION BY e.account_id ORDER BY e.k)
        ORDER BY e.k;
    ELSE
        -- What an account cannot give is taken from its shortfall account. Row by row, for each line sees what the one
        -- before has left.
        FOR line IN
            SELECT * FROM unnest(transaction_ids, lab_ids, assets, account_ids, amounts, shortfall_ids) WITH ORDINALITY
                AS e (transaction_id, lab_id, asset, account_id, amount, shortfall_id, k)
            ORDER BY k
        LOOP
            spare := line.amount;
            IF line.shortfall_id IS NOT NULL THEN
                SELECT -least(greatest(balance - held, 0), -line.amount) INTO spare
                FROM finance_account WHERE id = line.account_id;
            END IF;
            INSERT INTO finance_entry (transaction_id, lab_id, asset, account_id, amount, seq, balance_after)
            SELECT line.transaction_id, line.lab_id, line.asset, a.id, part.amount, a.entry_count + 1, a.balance + part.amount
            FROM (VALUES (line.account_id, spare), (line.shortfall_id, line.amount - spare)) part (account_id, amount)
            JOIN finance_account a ON a.id = part.account_id
            WHERE part.amount <> 0;
        END LOOP;
    END IF;

    -- 5. What was there already must be the same fact. An account may have been short, so not the lines are compared but
    -- what moved in all.
    IF NOT true = ALL (are_new) AND EXISTS (
        SELECT FROM jsonb_to_recordset(postings) AS p (n integer, lab_id bigint, asset text, total numeric,
                                                       reverses_source text, reverses_source_id text, reverses_kind text)
        LEFT JOIN finance_transaction t ON t.id = ids[p.n]
        LEFT JOIN finance_transaction o ON o.id = t.reverses_id
        WHERE NOT are_new[p.n] AND (
            (t.lab_id, t.asset, o.source, o.source_id, o.kind)
                IS DISTINCT FROM (p.lab_id, p.asset, p.reverses_source, p.reverses_source_id, p.reverses_kind)
            OR (o.id IS NULL AND p.total IS DISTINCT FROM (
                SELECT sum(e.amount) FROM finance_entry e WHERE e.transaction_id = t.id AND e.amount > 0)))
    ) THEN
        RAISE EXCEPTION 'posted before with another content'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_transaction_source_reused';
    END IF;
    RETURN QUERY SELECT n::integer, id, fresh FROM unnest(ids, are_new) WITH ORDINALITY AS answer (id, fresh, n);
END $$;
"""

DROP_POST = "DROP FUNCTION finance_post(jsonb, jsonb);"

# Answers with a word instead of raising, so that a refusal does not cost the caller's transaction:
# held, again (the same hold was there), short, other (this name holds another amount), missing (no such account).
HOLD = """
CREATE FUNCTION finance_take_hold(the_lab bigint, the_account bigint, the_amount numeric, the_source text, the_id text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    account finance_account%ROWTYPE;
    known numeric;
BEGIN
    SELECT * INTO account FROM finance_account
        WHERE id = the_account AND lab_id = the_lab AND NOT may_go_negative FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'missing';
    END IF;
    SELECT amount INTO known FROM finance_hold
        WHERE account_id = the_account AND source = the_source AND source_id = the_id AND kind = 'hold';
    IF FOUND THEN
        RETURN CASE WHEN known = the_amount THEN 'again' ELSE 'other' END;
    END IF;
    IF account.balance - account.held < the_amount THEN
        RETURN 'short';
    END IF;
    INSERT INTO finance_hold (lab_id, account_id, asset, kind, source, source_id, amount, held_after)
        VALUES (the_lab, the_account, account.asset, 'hold', the_source, the_id, the_amount, 0);
    RETURN 'held';
END $$;

-- released, again (it was released before), missing (nothing of this name is held).
CREATE FUNCTION finance_release_hold(the_lab bigint, the_account bigint, the_source text, the_id text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    held finance_hold%ROWTYPE;
BEGIN
    PERFORM FROM finance_account WHERE id = the_account AND lab_id = the_lab FOR NO KEY UPDATE;
    SELECT * INTO held FROM finance_hold
        WHERE account_id = the_account AND source = the_source AND source_id = the_id AND kind = 'hold'
            AND lab_id = the_lab;
    IF NOT FOUND THEN
        RETURN 'missing';
    END IF;
    PERFORM FROM finance_hold
        WHERE account_id = the_account AND source = the_source AND source_id = the_id AND kind = 'release';
    IF FOUND THEN
        RETURN 'again';
    END IF;
    INSERT INTO finance_hold (lab_id, account_id, asset, kind, source, source_id, amount, held_after)
        VALUES (the_lab, the_account, held.asset, 'release', the_source, the_id, -held.amount, 0);
    RETURN 'released';
END $$;
"""

DROP_HOLD = """
DROP FUNCTION finance_release_hold(bigint, bigint, text, text);
DROP FUNCTION finance_take_hold(bigint, bigint, numeric, text, text);
"""

# Sixteen accounts take every posting of a busy lab: room on the page keeps their updates in place (HOT).
ROOM = "ALTER TABLE finance_account SET (fillfactor = 50);"
NO_ROOM = "ALTER TABLE finance_account RESET (fillfactor);"


class Migration(migrations.Migration):
    dependencies = [("finance", "0002_guards")]

    operations = [
        migrations.RunSQL(POST, DROP_POST),
        migrations.RunSQL(HOLD, DROP_HOLD),
        migrations.RunSQL(ROOM, NO_ROOM),
    ]
