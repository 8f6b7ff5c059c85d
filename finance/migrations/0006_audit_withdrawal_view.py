"""The auditors' view of withdrawals, empty until withdrawals exist: checks that read all views can be written now."""

from django.db import migrations

VIEW = """
    CREATE VIEW audit_withdrawal AS
    SELECT NULL::bigint AS id, NULL::bigint AS lab_id, NULL::bigint AS account_id, NULL::text AS asset,
           NULL::numeric AS amount, NULL::numeric AS fee, NULL::text AS status, NULL::text AS requested_by,
           NULL::text AS approved_by
    WHERE false"""


class Migration(migrations.Migration):
    dependencies = [("finance", "0005_seed_currencies")]
    operations = [migrations.RunSQL(sql=VIEW, reverse_sql="DROP VIEW audit_withdrawal")]
