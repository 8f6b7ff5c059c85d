"""Views with fixed columns, so that the same checks fit any implementation (docs/invariants)."""

from django.db import migrations

# The gravest first; the enum core.gateways.types.Attention has the same order (a test compares).
GRAVITY = (
    "duplicate_paid, gateway_disagrees, mismatch, conflict, overpaid, underpaid, paid_late, unknown_outcome, "
    "refund_unexpected, refund_failed, disputed, fraud_review, fraud_warning"
)

VIEWS = {
    "audit_gateway_key": "SELECT id, lab_id, gateway, mode FROM payments_paymentgatewaykey",
    "audit_payment": f"""
        SELECT id, lab_id, gateway_key_id, mode, status, amount, currency, captured, refund_reserved, refunded,
               nullif(gateway_reference, '') AS gateway_reference, nullif(merchant_reference, '') AS merchant_reference,
               (SELECT g.word FROM unnest(string_to_array('{GRAVITY}', ', ')) WITH ORDINALITY AS g(word, n)
                WHERE g.word = ANY(attention) ORDER BY g.n LIMIT 1) AS attention
        FROM payments_payment""",  # noqa: S608 - only our own words
    "audit_transition": """
        SELECT payment_id, seq, from_status, to_status, cause, cause_id FROM payments_paymenttransition""",
    "audit_attempt": """
        SELECT id, lab_id, payment_id, operation, operation_id, gateway_key_id, idempotency_key, outcome
        FROM payments_paymentgatewaytransaction""",
    "audit_refund": "SELECT id, lab_id, payment_id, amount, currency, status FROM payments_refund",
    "audit_inbox": """
        SELECT id, gateway_key_id, event_key, body_sha256, 1 AS verified, state, payment_id FROM payments_webhookevent""",
}


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_guards")]
    operations = [
        migrations.RunSQL(sql=f"CREATE VIEW {name} AS {body}", reverse_sql=f"DROP VIEW {name}")
        for name, body in VIEWS.items()
    ]
