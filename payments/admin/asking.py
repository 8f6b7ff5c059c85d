"""The desk's button "ask the gateway now": the payment, its pending refunds and its open disputes."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest

from core import audit
from core.desk import showing
from core.gateways.errors import GatewayError
from payments.models import Dispute, Payment, Refund
from payments.services import disputes, fetching

_MOST_OF_EACH: Final = 5


def ask_now(request: HttpRequest, payment: Payment, *, dispute_id: int | None = None) -> None:
    """At most once in ten seconds; no transaction is open meanwhile. `dispute_id`: asked about although it has ended."""
    errors: list[GatewayError] = []
    state = fetching.refresh(payment.pk, on_error=errors.append)
    if state is None:
        messages.info(request, "The gateway was asked a moment ago; ask again in ten seconds.")
        return
    _ask_beside(payment, dispute_id)
    audit.record(
        lab=payment.lab_id, actor=request.user, action="payment.asked", object_type="payment",
        object_id=payment.public_id, changes={"status": [payment.status, state.status.value]},
    )  # fmt: skip
    if errors:
        messages.error(request, f"The gateway gave no usable answer, so nothing changed: {errors[0].reason}")
    else:
        messages.success(request, f"The gateway answered: the payment is {showing.words(state.status.value)}.")


def _ask_beside(payment: Payment, dispute_id: int | None) -> None:
    pending = Refund.objects.for_lab(payment.lab_id).filter(payment_id=payment.pk, status="pending").order_by("pk")
    for refund_id in pending.values_list("pk", flat=True)[:_MOST_OF_EACH]:
        fetching.refresh_refund(refund_id)
    found = Dispute.objects.for_lab(payment.lab_id).filter(payment_id=payment.pk).order_by("-pk")
    wanted = found.filter(Q(closed_at__isnull=True) | Q(pk=dispute_id)).values_list("pk", flat=True)
    for one in wanted[:_MOST_OF_EACH]:
        disputes.refresh_dispute(one)
