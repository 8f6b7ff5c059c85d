"""I22 in the database: nothing of a test payment is ever booked, whoever writes."""

from django.db import migrations

FORWARD = [
    """
    CREATE FUNCTION payments_books_are_live() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT 1 FROM payments_payment p WHERE p.id = NEW.payment_id
                 AND (p.mode <> 'live' OR p.lab_id <> NEW.lab_id)) THEN
        RAISE EXCEPTION 'payment % is not a live payment of this lab: nothing of it is booked', NEW.payment_id
          USING ERRCODE = 'integrity_constraint_violation';
      END IF;
      RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER payments_books_are_live BEFORE INSERT ON finance_transaction FOR EACH ROW "
    "WHEN (NEW.payment_id IS NOT NULL) EXECUTE FUNCTION payments_books_are_live()",
]
BACKWARD = [
    "DROP TRIGGER payments_books_are_live ON finance_transaction",
    "DROP FUNCTION payments_books_are_live()",
]


class Migration(migrations.Migration):
    dependencies = [("payments", "0003_audit_views"), ("finance", "0005_seed_currencies")]
    operations = [migrations.RunSQL(sql=FORWARD, reverse_sql=BACKWARD)]
