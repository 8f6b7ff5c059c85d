"""The views by which anybody can check core's invariants (INVARIANTS §14)."""

from django.db import migrations

# A key counts per mode and method too, so these are part of what is called the route here.
FORWARD = """
CREATE VIEW audit_idempotency AS
    SELECT lab_id, mode || ' ' || method || ' ' || route AS route, key_hash, operation_id FROM core_idempotencykey;
CREATE VIEW audit_log AS
    SELECT lab_id, seq, nullif(prev_hash, '') AS prev_hash, row_hash FROM core_auditlog;
"""

REVERSE = "DROP VIEW audit_log; DROP VIEW audit_idempotency;"


class Migration(migrations.Migration):
    dependencies = [("core", "0002_guards")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
