"""Guards without a switch: histories are insert-only, requests never change, outcomes close once, tenants match.

Ours and not a library's, because code must not be able to pass them by (docs/architecture.md).
"""

from django.db import migrations

EDGES = [
    ("pending", "requires_action"), ("requires_action", "pending"),
    ("pending", "authorized"), ("pending", "captured"), ("pending", "voided"), ("pending", "failed"),
    ("pending", "expired"),
    ("requires_action", "authorized"), ("requires_action", "captured"), ("requires_action", "voided"),
    ("requires_action", "failed"), ("requires_action", "expired"),
    ("authorized", "captured"), ("authorized", "voided"), ("authorized", "expired"),
    ("failed", "captured"), ("expired", "captured"), ("failed", "authorized"), ("expired", "authorized"),
]  # fmt: skip

EDGE_SQL = ", ".join(f"('{a}','{b}')" for a, b in EDGES)

TABLES_KEPT = [
    "payments_payment", "payments_paymenttransition", "payments_gatewayreference", "payments_refund",
    "payments_paymentgatewaytransaction", "payments_webhookevent", "payments_paymentgatewaykey",
]  # fmt: skip

FORWARD = [
    """
    CREATE FUNCTION payments_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION '% is refused on %: this history is kept', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$
    """,
    *[
        f"CREATE TRIGGER {table}_keep BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION payments_refuse()"
        for table in TABLES_KEPT
    ],
    *[
        f"CREATE TRIGGER {table}_keep_all BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION payments_refuse()"
        for table in TABLES_KEPT
    ],
    "CREATE TRIGGER payments_paymenttransition_fixed BEFORE UPDATE ON payments_paymenttransition "
    "FOR EACH ROW EXECUTE FUNCTION payments_refuse()",
    "CREATE TRIGGER payments_gatewayreference_fixed BEFORE UPDATE ON payments_gatewayreference "
    "FOR EACH ROW EXECUTE FUNCTION payments_refuse()",
    # I12, I13: an edge of the table, gapless, continuing the row before.
    f"ALTER TABLE payments_paymenttransition ADD CONSTRAINT payments_transition_edge CHECK "
    f"((from_status IS NULL AND seq = 1 AND to_status = 'pending') OR (seq > 1 AND (from_status, to_status) IN ({EDGE_SQL})))",
    """
    CREATE FUNCTION payments_transition_continues() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.seq > 1 AND NOT EXISTS (
        SELECT 1 FROM payments_paymenttransition b
        WHERE b.payment_id = NEW.payment_id AND b.seq = NEW.seq - 1 AND b.to_status = NEW.from_status) THEN
        RAISE EXCEPTION 'transition % of payment % does not continue its history', NEW.seq, NEW.payment_id
          USING ERRCODE = 'integrity_constraint_violation';
      END IF;
      RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER payments_transition_continues BEFORE INSERT ON payments_paymenttransition "
    "FOR EACH ROW EXECUTE FUNCTION payments_transition_continues()",
    """
    CREATE FUNCTION payments_status_has_history() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NOT EXISTS (
        SELECT 1 FROM payments_paymenttransition t
        WHERE t.payment_id = NEW.id AND t.seq = NEW.transition_seq AND t.to_status = NEW.status) THEN
        RAISE EXCEPTION 'payment % has status % without a transition', NEW.id, NEW.status
          USING ERRCODE = 'integrity_constraint_violation';
      END IF;
      RETURN NULL;
    END $$
    """,
    "CREATE CONSTRAINT TRIGGER payments_status_has_history AFTER INSERT OR UPDATE OF status, transition_seq "
    "ON payments_payment DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payments_status_has_history()",
    """
    CREATE FUNCTION payments_payment_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF (NEW.id, NEW.lab_id, NEW.mode, NEW.public_id, NEW.amount, NEW.currency, NEW.purpose, NEW.merchant_reference)
         IS DISTINCT FROM
         (OLD.id, OLD.lab_id, OLD.mode, OLD.public_id, OLD.amount, OLD.currency, OLD.purpose, OLD.merchant_reference)
         OR NEW.captured < OLD.captured THEN
        RAISE EXCEPTION 'what payment % asks for does not change', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER payments_payment_fixed BEFORE UPDATE ON payments_payment "
    "FOR EACH ROW EXECUTE FUNCTION payments_payment_fixed()",
    """
    CREATE FUNCTION payments_refund_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF (NEW.id, NEW.lab_id, NEW.mode, NEW.public_id, NEW.payment_id, NEW.amount, NEW.currency)
         IS DISTINCT FROM (OLD.id, OLD.lab_id, OLD.mode, OLD.public_id, OLD.payment_id, OLD.amount, OLD.currency) THEN
        RAISE EXCEPTION 'what refund % gives back does not change', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      IF NEW.status <> OLD.status AND NOT ((OLD.status = 'pending') OR (OLD.status = 'succeeded' AND NEW.status = 'failed')) THEN
        RAISE EXCEPTION 'refund % cannot go from % to %', OLD.id, OLD.status, NEW.status
          USING ERRCODE = 'restrict_violation';
      END IF;
      RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER payments_refund_fixed BEFORE UPDATE ON payments_refund "
    "FOR EACH ROW EXECUTE FUNCTION payments_refund_fixed()",
    # I10, at commit: reserved is the sum of live refunds, refunded that of the succeeded ones.
    """
    CREATE FUNCTION payments_refunds_add_up() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE wanted bigint;
    BEGIN
      wanted := CASE WHEN TG_TABLE_NAME = 'payments_refund' THEN (to_jsonb(NEW)->>'payment_id')::bigint ELSE NEW.id END;
      IF EXISTS (
        SELECT 1 FROM payments_payment p
        CROSS JOIN LATERAL (
          SELECT coalesce(sum(r.amount) FILTER (WHERE r.status IN ('pending','succeeded')), 0) AS reserved,
                 coalesce(sum(r.amount) FILTER (WHERE r.status = 'succeeded'), 0) AS refunded
          FROM payments_refund r WHERE r.payment_id = p.id) s
        WHERE p.id = wanted AND (p.refund_reserved <> s.reserved OR p.refunded <> s.refunded)) THEN
        RAISE EXCEPTION 'the refunds of payment % do not add up to its sums', wanted
          USING ERRCODE = 'integrity_constraint_violation';
      END IF;
      RETURN NULL;
    END $$
    """,
    "CREATE CONSTRAINT TRIGGER payments_refund_adds_up AFTER INSERT OR UPDATE OF status ON payments_refund "
    "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payments_refunds_add_up()",
    "CREATE CONSTRAINT TRIGGER payments_payment_refunds_add_up AFTER UPDATE ON payments_payment "
    "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
    "WHEN (OLD.refund_reserved <> NEW.refund_reserved OR OLD.refunded <> NEW.refunded) "
    "EXECUTE FUNCTION payments_refunds_add_up()",
    """
    CREATE FUNCTION payments_exchange_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF (NEW.id, NEW.lab_id, NEW.mode, NEW.payment_id, NEW.refund_id, NEW.gateway_key_id, NEW.operation, NEW.operation_id,
          NEW.idempotency_key, NEW.request, NEW.request_hash)
         IS DISTINCT FROM
         (OLD.id, OLD.lab_id, OLD.mode, OLD.payment_id, OLD.refund_id, OLD.gateway_key_id, OLD.operation, OLD.operation_id,
          OLD.idempotency_key, OLD.request, OLD.request_hash) THEN
        RAISE EXCEPTION 'the request of exchange % does not change', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      IF NEW.outcome <> OLD.outcome AND OLD.outcome NOT IN ('sent', 'unknown') THEN
        RAISE EXCEPTION 'exchange % is closed', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER payments_exchange_fixed BEFORE UPDATE ON payments_paymentgatewaytransaction "
    "FOR EACH ROW EXECUTE FUNCTION payments_exchange_fixed()",
    """
    CREATE FUNCTION payments_event_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF (NEW.id, NEW.lab_id, NEW.mode, NEW.gateway_key_id, NEW.event_key, NEW.body_sha256, NEW.body)
         IS DISTINCT FROM (OLD.id, OLD.lab_id, OLD.mode, OLD.gateway_key_id, OLD.event_key, OLD.body_sha256, OLD.body) THEN
        RAISE EXCEPTION 'what was received in event % does not change', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER payments_event_fixed BEFORE UPDATE ON payments_webhookevent "
    "FOR EACH ROW EXECUTE FUNCTION payments_event_fixed()",
    # I21: a child has its parent's lab, mode and currency.
    "ALTER TABLE payments_payment ADD CONSTRAINT payments_payment_key_same_lab FOREIGN KEY (lab_id, mode, gateway_key_id) "
    "REFERENCES payments_paymentgatewaykey (lab_id, mode, id)",
    "ALTER TABLE payments_payment ADD CONSTRAINT payments_payment_customer_same_lab FOREIGN KEY (lab_id, customer_id) "
    "REFERENCES core_customer (lab_id, id)",
    "ALTER TABLE payments_payment ADD CONSTRAINT payments_payment_link_same_lab FOREIGN KEY (lab_id, mode, link_id) "
    "REFERENCES payments_onlinepayment (lab_id, mode, id)",
    *[
        f"ALTER TABLE {table} ADD CONSTRAINT {table}_payment_same_lab FOREIGN KEY (lab_id, mode, payment_id) "
        "REFERENCES payments_payment (lab_id, mode, id)"
        for table in (
            "payments_paymenttransition", "payments_gatewayreference", "payments_paymentgatewaytransaction",
            "payments_webhookevent",
        )
    ],
    "ALTER TABLE payments_refund ADD CONSTRAINT payments_refund_payment_same_money FOREIGN KEY "
    "(lab_id, mode, currency, payment_id) REFERENCES payments_payment (lab_id, mode, currency, id)",
    *[
        f"ALTER TABLE {table} ADD CONSTRAINT {table}_key_same_lab FOREIGN KEY (lab_id, mode, gateway_key_id) "
        "REFERENCES payments_paymentgatewaykey (lab_id, mode, id)"
        for table in (
            "payments_gatewayreference", "payments_refund", "payments_paymentgatewaytransaction", "payments_webhookevent",
        )
    ],
]  # fmt: skip

BACKWARD = [
    *[f"DROP TRIGGER {t}_keep ON {t}" for t in TABLES_KEPT],
    *[f"DROP TRIGGER {t}_keep_all ON {t}" for t in TABLES_KEPT],
    "DROP TRIGGER payments_paymenttransition_fixed ON payments_paymenttransition",
    "DROP TRIGGER payments_gatewayreference_fixed ON payments_gatewayreference",
    "DROP TRIGGER payments_transition_continues ON payments_paymenttransition",
    "DROP TRIGGER payments_status_has_history ON payments_payment",
    "DROP TRIGGER payments_payment_fixed ON payments_payment",
    "DROP TRIGGER payments_refund_fixed ON payments_refund",
    "DROP TRIGGER payments_refund_adds_up ON payments_refund",
    "DROP TRIGGER payments_payment_refunds_add_up ON payments_payment",
    "DROP TRIGGER payments_exchange_fixed ON payments_paymentgatewaytransaction",
    "DROP TRIGGER payments_event_fixed ON payments_webhookevent",
    *[
        f"DROP FUNCTION {name}()"
        for name in (
            "payments_refuse", "payments_transition_continues", "payments_status_has_history", "payments_payment_fixed",
            "payments_refund_fixed", "payments_refunds_add_up", "payments_exchange_fixed", "payments_event_fixed",
        )
    ],
]  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]
    operations = [migrations.RunSQL(sql=FORWARD, reverse_sql=BACKWARD)]
