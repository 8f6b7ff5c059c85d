"""What staff have looked at. Attention itself stays with the payment, for it explains what the books show; a person marks it
as seen, and it is shown again when there is something new to see (`Work.add_attention`)."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from core import audit, transactions
from core.errors import DomainError, NotFound
from core.gateways.types import Attention
from payments import loading
from payments.fold_dispute import ENDED
from payments.frame import Fact, apply_reports
from payments.states import CauseKind
from payments.work import Cause, Work

SEEN: Final = "payment.attention_seen"


class NothingToSee(DomainError):
    """409: somebody was faster, or it is gone by itself."""

    code: ClassVar[str] = "nothing_to_see"
    status: ClassVar[int] = 409

    def __init__(self) -> None:
        super().__init__("There is nothing of that kind to look at on this payment any more.")


def mark_seen(*, lab_id: int, payment_id: int, attention: Attention, actor: Any) -> None:
    """Note that a person has looked, with an audit row. Raises NotFound, or NothingToSee."""
    loaded = loading.by_id(payment_id)
    if loaded is None or loaded.state.lab_id != lab_id:
        raise NotFound

    def body() -> None:
        cause = Cause(kind=CauseKind.STAFF, id=str(getattr(actor, "pk", actor)))
        fact = Fact(
            key=loaded.key.facts,
            report=None,
            cause=cause,
            payment_id=payment_id,
            prepare=lambda work: _see(work, attention),
        )
        apply_reports([fact], wait=True)
        audit.record(
            lab=lab_id, actor=actor, action=SEEN, object_type="payment", object_id=loaded.state.public_id,
            changes={"attention": attention.value},
        )  # fmt: skip

    transactions.run(body)


def _see(work: Work, attention: Attention) -> None:
    """What is over goes for good: of a lost dispute nothing more is to come."""
    state = work.state
    if attention not in state.open_attention:
        raise NothingToSee
    if attention is Attention.DISPUTED and work.disputes and all(one.status in ENDED for one in work.disputes):
        state.attention.discard(attention)
    else:
        state.attention_seen.add(attention)
