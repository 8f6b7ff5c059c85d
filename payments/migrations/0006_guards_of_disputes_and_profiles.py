"""The same guards for disputes, saved methods and routing rules as for the rest: kept, and of their parents' lab and mode."""

from django.db import migrations

KEPT = ["payments_dispute", "payments_customerpaymentprofile"]

FORWARD = [
    *[
        f"CREATE TRIGGER {table}_keep BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION payments_refuse()"
        for table in KEPT
    ],
    *[
        f"CREATE TRIGGER {table}_keep_all BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION payments_refuse()"
        for table in KEPT
    ],
    "ALTER TABLE payments_dispute ADD CONSTRAINT payments_dispute_payment_same_money FOREIGN KEY "
    "(lab_id, mode, currency, payment_id) REFERENCES payments_payment (lab_id, mode, currency, id)",
    *[
        f"ALTER TABLE {table} ADD CONSTRAINT {table}_key_same_lab FOREIGN KEY (lab_id, mode, gateway_key_id) "
        "REFERENCES payments_paymentgatewaykey (lab_id, mode, id)"
        for table in KEPT
    ],
    "ALTER TABLE payments_customerpaymentprofile ADD CONSTRAINT payments_profile_customer_same_lab "
    "FOREIGN KEY (lab_id, customer_id) REFERENCES core_customer (lab_id, id)",
    "ALTER TABLE payments_payment ADD CONSTRAINT payments_payment_profile_same_lab FOREIGN KEY (lab_id, mode, profile_id) "
    "REFERENCES payments_customerpaymentprofile (lab_id, mode, id)",
]
BACKWARD = [
    "ALTER TABLE payments_payment DROP CONSTRAINT payments_payment_profile_same_lab",
    "ALTER TABLE payments_customerpaymentprofile DROP CONSTRAINT payments_profile_customer_same_lab",
    *[f"ALTER TABLE {table} DROP CONSTRAINT {table}_key_same_lab" for table in KEPT],
    "ALTER TABLE payments_dispute DROP CONSTRAINT payments_dispute_payment_same_money",
    *[f"DROP TRIGGER {table}_keep_all ON {table}" for table in KEPT],
    *[f"DROP TRIGGER {table}_keep ON {table}" for table in KEPT],
]


class Migration(migrations.Migration):
    dependencies = [("payments", "0005_disputes_profiles_routing")]
    operations = [migrations.RunSQL(sql=FORWARD, reverse_sql=BACKWARD)]
