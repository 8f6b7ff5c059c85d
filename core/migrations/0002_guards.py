"""The audit log can only grow, by one row at a time, each continuing the one before (INVARIANTS I25)."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION core_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: its rows are never changed', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER core_auditlog_no_change BEFORE UPDATE OR DELETE ON core_auditlog
    FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER core_auditlog_no_truncate BEFORE TRUNCATE ON core_auditlog
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

CREATE FUNCTION core_auditlog_continue() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before record;
BEGIN
    -- One writer a lab: the lock is that of a change to the lab that leaves its key alone, so children may be inserted.
    PERFORM 1 FROM core_lab WHERE id = NEW.lab_id FOR NO KEY UPDATE;
    SELECT seq, row_hash INTO before FROM core_auditlog WHERE lab_id = NEW.lab_id ORDER BY seq DESC LIMIT 1;
    IF NEW.seq <> coalesce(before.seq, 0) + 1 OR NEW.prev_hash <> coalesce(before.row_hash, '') THEN
        RAISE EXCEPTION 'the audit log of lab % does not continue with row %', NEW.lab_id, NEW.seq
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER core_auditlog_continues BEFORE INSERT ON core_auditlog
    FOR EACH ROW EXECUTE FUNCTION core_auditlog_continue();
"""

REVERSE = """
DROP TRIGGER core_auditlog_continues ON core_auditlog;
DROP TRIGGER core_auditlog_no_truncate ON core_auditlog;
DROP TRIGGER core_auditlog_no_change ON core_auditlog;
DROP FUNCTION core_auditlog_continue();
DROP FUNCTION core_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
