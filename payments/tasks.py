"""Celery tasks: they carry ids, run twice safely, and only ring what the sweep would find anyway."""

from __future__ import annotations

from celery import shared_task

from payments import sweep as sweeping
from payments.services import disputes, fetching


@shared_task(name="payments.tasks.fetch_payment", ignore_result=True)
def fetch_payment(payment_id: int) -> None:
    """Ask the gateway about one payment, at most once in ten seconds."""
    fetching.refresh(payment_id)


@shared_task(name="payments.tasks.fetch_refund", ignore_result=True)
def fetch_refund(refund_id: int) -> None:
    """Ask the gateway about one refund."""
    fetching.refresh_refund(refund_id)


@shared_task(name="payments.tasks.fetch_dispute", ignore_result=True)
def fetch_dispute(dispute_id: int) -> None:
    """Ask the gateway about one dispute."""
    disputes.refresh_dispute(dispute_id)


@shared_task(name="payments.tasks.sweep", ignore_result=True)
def sweep() -> None:
    """One pass over everything that is due."""
    sweeping.sweep()
