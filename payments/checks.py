"""Invariants of payments as queries that return no rows, and the guards that must exist. See docs/invariants.md."""

from __future__ import annotations

from typing import Final

from core import guards

LIVE: Final = "('pending', 'requires_action', 'authorized', 'captured')"

CHECKS: Final[tuple[tuple[str, str], ...]] = (
    (
        "I8 what a payment credited is at most what it captured",
        """
        SELECT p.id, p.captured, e.credited FROM payments_payment p JOIN (
            SELECT t.payment_id, sum(e.amount) AS credited FROM finance_entry e
            JOIN finance_transaction t ON t.id = e.transaction_id
            WHERE t.kind IN ('deposit', 'payment') AND e.amount > 0 AND t.payment_id IS NOT NULL GROUP BY t.payment_id
        ) e ON e.payment_id = p.id WHERE e.credited > p.captured
        """,
    ),
    (
        "I8 every live captured payment is in the books with all that it captured",
        """
        SELECT p.id, p.captured, e.credited FROM payments_payment p LEFT JOIN (
            SELECT t.payment_id, sum(e.amount) AS credited FROM finance_entry e
            JOIN finance_transaction t ON t.id = e.transaction_id
            WHERE t.kind IN ('deposit', 'payment') AND e.amount > 0 AND t.payment_id IS NOT NULL GROUP BY t.payment_id
        ) e ON e.payment_id = p.id WHERE p.mode = 'live' AND p.captured > coalesce(e.credited, 0)
        """,
    ),
    (
        # One sum finds what is missing and what is booked twice: captures, refunds, disputes and fees.
        "I8 the books of a live payment say what its row says",
        """
        SELECT p.id, p.captured, p.refunded, p.disputed, p.fee, b.net FROM payments_payment p LEFT JOIN (
            SELECT t.payment_id, -sum(e.amount) AS net FROM finance_entry e
            JOIN finance_transaction t ON t.id = e.transaction_id JOIN finance_account a ON a.id = e.account_id
            WHERE a.kind = 'clearing' AND t.payment_id IS NOT NULL AND t.source <> 'reversal' GROUP BY t.payment_id
        ) b ON b.payment_id = p.id
        WHERE p.mode = 'live' AND p.captured - p.refunded - p.disputed - p.fee <> coalesce(b.net, 0)
        """,
    ),
    (
        "I9 refunds neither failed nor cancelled are at most what was captured",
        "SELECT id, captured, refund_reserved FROM payments_payment WHERE refund_reserved > captured",
    ),
    (
        "I10 refunded and reserved are the sums of the refunds",
        """
        SELECT p.id FROM payments_payment p LEFT JOIN (
            SELECT payment_id, sum(amount) FILTER (WHERE status IN ('pending', 'succeeded')) AS reserved,
                   sum(amount) FILTER (WHERE status = 'succeeded') AS refunded FROM payments_refund GROUP BY payment_id
        ) r ON r.payment_id = p.id
        WHERE p.refund_reserved <> coalesce(r.reserved, 0) OR p.refunded <> coalesce(r.refunded, 0)
        """,
    ),
    (
        "I10 disputed is the sum of what disputes withdrew",
        """
        SELECT p.id FROM payments_payment p LEFT JOIN (
            SELECT payment_id, sum(withdrawn) AS withdrawn FROM payments_dispute GROUP BY payment_id
        ) d ON d.payment_id = p.id WHERE p.disputed <> coalesce(d.withdrawn, 0)
        """,
    ),
    (
        "I11 status and captured amount agree",
        """
        SELECT id, status, captured, amount FROM payments_payment
        WHERE (status = 'captured') <> (captured > 0)
           OR (captured > coalesce(capture_asked, amount) AND NOT 'overpaid' = ANY(attention))
           OR (status = 'captured' AND captured < amount AND capture_asked IS NULL AND attention = '{}')
        """,
    ),
    (
        "I12 every transition is an edge of the state table",
        """
        SELECT payment_id, seq, from_status, to_status FROM payments_paymenttransition
        WHERE NOT coalesce((from_status IS NULL AND seq = 1 AND to_status = 'pending') OR (from_status, to_status) IN (
            ('pending', 'requires_action'), ('requires_action', 'pending'), ('pending', 'authorized'),
            ('pending', 'captured'), ('pending', 'voided'), ('pending', 'failed'), ('pending', 'expired'),
            ('requires_action', 'authorized'), ('requires_action', 'captured'), ('requires_action', 'voided'),
            ('requires_action', 'failed'), ('requires_action', 'expired'), ('authorized', 'captured'),
            ('authorized', 'voided'), ('authorized', 'expired'), ('failed', 'captured'), ('expired', 'captured'),
            ('failed', 'authorized'), ('expired', 'authorized')), false)
        """,
    ),
    (
        "I13 the history is gapless and ends in the current status",
        """
        SELECT p.id FROM payments_payment p LEFT JOIN (
            SELECT payment_id, count(*) AS steps, max(seq) AS last FROM payments_paymenttransition GROUP BY payment_id
        ) h ON h.payment_id = p.id LEFT JOIN payments_paymenttransition t ON t.payment_id = p.id AND t.seq = h.last
        WHERE h.last IS DISTINCT FROM h.steps OR t.to_status IS DISTINCT FROM p.status OR p.transition_seq <> h.last
        """,
    ),
    (
        "I13 each step begins where the one before ended",
        """
        SELECT payment_id, seq FROM (
            SELECT payment_id, seq, from_status, lag(to_status) OVER (PARTITION BY payment_id ORDER BY seq) AS before
            FROM payments_paymenttransition) s WHERE from_status IS DISTINCT FROM before
        """,
    ),
    (
        "I14 money is caused by a verified webhook, a fetch or a direct answer, with its id",
        """
        SELECT t.payment_id, t.seq FROM payments_paymenttransition t
        LEFT JOIN payments_webhookevent e ON t.cause = 'webhook' AND e.id::text = t.cause_id
            AND (e.lab_id, e.mode) = (t.lab_id, t.mode)
        LEFT JOIN payments_paymentgatewaytransaction x ON t.cause IN ('fetch', 'response') AND x.id::text = t.cause_id
            AND (x.lab_id, x.mode) = (t.lab_id, t.mode) AND coalesce(x.payment_id, t.payment_id) = t.payment_id
        WHERE t.to_status IN ('authorized', 'captured') AND e.id IS NULL AND x.id IS NULL
        """,
    ),
    (
        "I15 one inbox row per gateway key and event key",
        "SELECT gateway_key_id, event_key FROM payments_webhookevent GROUP BY 1, 2 HAVING count(*) > 1",
    ),
    (
        "I16 nothing unverified is in the inbox",
        "SELECT id FROM audit_inbox WHERE verified <> 1",
    ),
    (
        "I17 a gateway reference belongs to one payment of its key",
        """
        SELECT gateway_key_id, reference FROM payments_gatewayreference GROUP BY 1, 2
        HAVING count(DISTINCT payment_id) > 1
        """,
    ),
    (
        "I18 a merchant reference has one live payment per lab and mode",
        f"""
        SELECT lab_id, mode, merchant_reference FROM payments_payment
        WHERE merchant_reference <> '' AND NOT is_duplicate AND status IN {LIVE} GROUP BY 1, 2, 3 HAVING count(*) > 1
        """,  # noqa: S608
    ),
    (
        "I20 one gateway idempotency key per operation, never shared by two",
        """
        SELECT gateway_key_id, idempotency_key FROM payments_paymentgatewaytransaction GROUP BY 1, 2
        HAVING count(DISTINCT operation_id) > 1
        """,
    ),
    (
        "I21 child and parent have the same lab, mode and currency",
        """
        SELECT 'transition', t.payment_id FROM payments_paymenttransition t JOIN payments_payment p ON p.id = t.payment_id
          WHERE (t.lab_id, t.mode) <> (p.lab_id, p.mode)
        UNION ALL SELECT 'refund', r.id FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id
          WHERE (r.lab_id, r.mode, r.currency) <> (p.lab_id, p.mode, p.currency)
        UNION ALL SELECT 'key', p.id FROM payments_payment p JOIN payments_paymentgatewaykey k ON k.id = p.gateway_key_id
          WHERE (p.lab_id, p.mode) <> (k.lab_id, k.mode)
        UNION ALL SELECT 'name', n.id FROM payments_gatewayreference n JOIN payments_payment p ON p.id = n.payment_id
          JOIN payments_paymentgatewaykey k ON k.id = n.gateway_key_id
          WHERE (n.lab_id, n.mode, n.lab_id, n.mode) <> (p.lab_id, p.mode, k.lab_id, k.mode)
        UNION ALL SELECT 'event', e.id FROM payments_webhookevent e
          JOIN payments_paymentgatewaykey k ON k.id = e.gateway_key_id LEFT JOIN payments_payment p ON p.id = e.payment_id
          WHERE (e.lab_id, e.mode) <> (k.lab_id, k.mode) OR (e.lab_id, e.mode) <> (p.lab_id, p.mode)
        UNION ALL SELECT 'gateway transaction', p.id FROM payments_paymentgatewaytransaction x
          JOIN payments_payment p ON p.id = x.payment_id JOIN payments_paymentgatewaykey k ON k.id = x.gateway_key_id
          WHERE (x.lab_id, x.mode, x.lab_id, x.mode) <> (p.lab_id, p.mode, k.lab_id, k.mode)
        UNION ALL SELECT 'dispute', d.id FROM payments_dispute d JOIN payments_payment p ON p.id = d.payment_id
          WHERE (d.lab_id, d.mode, d.currency) <> (p.lab_id, p.mode, p.currency)
        UNION ALL SELECT 'saved method', m.id FROM payments_customerpaymentprofile m
          JOIN payments_paymentgatewaykey k ON k.id = m.gateway_key_id JOIN core_customer c ON c.id = m.customer_id
          WHERE (m.lab_id, m.mode, m.lab_id) <> (k.lab_id, k.mode, c.lab_id)
        UNION ALL SELECT 'link', p.id FROM payments_payment p JOIN payments_onlinepayment l ON l.id = p.link_id
          WHERE (p.lab_id, p.mode) <> (l.lab_id, l.mode)
        UNION ALL SELECT 'customer', p.id FROM payments_payment p JOIN core_customer c ON c.id = p.customer_id
          WHERE p.lab_id <> c.lab_id
        """,
    ),
    (
        "I22 test mode is not in the books",
        """
        SELECT t.id FROM finance_transaction t JOIN payments_payment p ON p.id = t.payment_id WHERE p.mode <> 'live'
        """,
    ),
    (
        "I30 nothing waits unseen: events over 15 minutes and unknown outcomes over 7 days have attention",
        """
        SELECT 'event', id FROM payments_webhookevent WHERE state IN ('new', 'error', 'waiting', 'unmatched')
          AND NOT 'unapplied' = ANY(attention)
          AND received_at < now() - interval '20 minutes'
        UNION ALL SELECT 'payment', id FROM payments_payment WHERE unknown_since < now() - interval '7 days 1 hour'
          AND NOT 'unknown_outcome' = ANY(attention)
        UNION ALL SELECT 'refund', r.id FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id
          WHERE r.unknown_since < now() - interval '7 days 1 hour' AND r.status = 'pending'
            AND NOT 'unknown_outcome' = ANY(p.attention)
        """,
    ),
)

GUARDS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "payments_payment": (
        (
            "payments_payment_keep", "payments_payment_keep_all", "payments_payment_fixed",
            "payments_status_has_history", "payments_payment_refunds_add_up",
        ),
        (
            "payments_payment_one_live_reference", "payments_payment_refunds_fit", "payments_payment_refunded_fits",
            "payments_payment_captured_agrees", "payments_payment_amount_positive", "payments_payment_status_known",
            "payments_payment_key_same_lab", "payments_payment_customer_same_lab", "payments_payment_link_same_lab",
            "payments_payment_profile_same_lab",
        ),
    ),
    "payments_paymenttransition": (
        (
            "payments_paymenttransition_keep", "payments_paymenttransition_keep_all",
            "payments_paymenttransition_fixed", "payments_transition_continues",
        ),
        (
            "payments_transition_edge", "payments_transition_seq_uniq", "payments_transition_money_cause",
            "payments_transition_cause_known", "payments_paymenttransition_payment_same_lab",
        ),
    ),
    "payments_gatewayreference": (
        ("payments_gatewayreference_keep", "payments_gatewayreference_keep_all", "payments_gatewayreference_fixed"),
        ("payments_reference_uniq", "payments_gatewayreference_payment_same_lab", "payments_gatewayreference_key_same_lab"),
    ),
    "payments_refund": (
        ("payments_refund_keep", "payments_refund_keep_all", "payments_refund_fixed", "payments_refund_adds_up"),
        (
            "payments_refund_amount_positive", "payments_refund_status_known", "payments_refund_payment_same_money",
            "payments_refund_gateway_reference_uniq", "payments_refund_one_live_reference", "payments_refund_key_same_lab",
        ),
    ),
    "payments_paymentgatewaytransaction": (
        (
            "payments_paymentgatewaytransaction_keep", "payments_paymentgatewaytransaction_keep_all",
            "payments_exchange_fixed",
        ),
        (
            "payments_exchange_idempotency_uniq", "payments_exchange_outcome_known",
            "payments_paymentgatewaytransaction_payment_same_lab", "payments_paymentgatewaytransaction_key_same_lab",
        ),
    ),
    "payments_webhookevent": (
        ("payments_webhookevent_keep", "payments_webhookevent_keep_all", "payments_event_fixed"),
        ("payments_event_key_uniq", "payments_event_state_known", "payments_webhookevent_key_same_lab",
         "payments_webhookevent_payment_same_lab"),
    ),
    "payments_paymentgatewaykey": (
        ("payments_paymentgatewaykey_keep", "payments_paymentgatewaykey_keep_all"),
        ("payments_gatewaykey_lab_mode_id_uniq", "payments_gatewaykey_mode_known"),
    ),
    "finance_transaction": (("payments_books_are_live",), ()),
    "payments_dispute": (
        ("payments_dispute_keep", "payments_dispute_keep_all"),
        (
            "payments_dispute_reference_uniq", "payments_dispute_status_known", "payments_dispute_withdrawn_positive",
            "payments_dispute_payment_same_money", "payments_dispute_key_same_lab",
        ),
    ),
    "payments_customerpaymentprofile": (
        ("payments_customerpaymentprofile_keep", "payments_customerpaymentprofile_keep_all"),
        (
            "payments_profile_token_uniq", "payments_profile_one_default", "payments_profile_reference_uniq",
            "payments_customerpaymentprofile_key_same_lab", "payments_profile_customer_same_lab",
        ),
    ),
    "payments_onlinepayment": ((), ("payments_link_uses_fit", "payments_link_amount_or_bounds")),
}  # fmt: skip


def expect_guards() -> None:
    """Name the guards of payments; called once when the app is ready."""
    for table, (triggers, constraints) in GUARDS.items():
        guards.expect(table, triggers=triggers, constraints=constraints)
