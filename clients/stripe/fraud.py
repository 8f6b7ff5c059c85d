"""What Stripe says about fraud apart from a charge: early warnings of the card network, and reviews. Neither moves money.

Pure. Source: the protocol page §6.3 and §13.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clients.stripe.facts import id_of, ids, mode_of, redacted, text
from core.gateways.types import Attention, Fraud, FraudStatus, Report, Subject

Body = Mapping[str, Any]

# Unconfirmed: what each reason of a closed review says about fraud; the others say nothing.
REVIEW_VERDICT: Final[Mapping[str, FraudStatus]] = {
    "approved": FraudStatus.ACCEPT,
    "refunded_as_fraud": FraudStatus.REJECT,
}


def read_fraud_warning(body: Body) -> Report:
    """An early fraud warning of the card network: says nothing about the money, but somebody should look."""
    charge = id_of(body.get("charge"))
    intent = id_of(body.get("payment_intent"))
    return Report(
        about=Subject.PAYMENT,
        status=None,
        reference=None,
        gateway_reference=intent or charge,
        other_references=ids(charge) if intent else (),
        mode=mode_of(body),
        attention=Attention.FRAUD_WARNING,
        raw=redacted(body),
    )


def read_review(body: Body) -> Report | None:
    """A review of Radar's or the lab's rules, opened or closed. The money is captured all the same. None without verdict."""
    verdict = FraudStatus.REVIEW if body.get("open") is True else REVIEW_VERDICT.get(str(body.get("closed_reason")))
    if verdict is None:
        return None
    charge, intent = id_of(body.get("charge")), id_of(body.get("payment_intent"))
    return Report(
        about=Subject.PAYMENT,
        status=None,
        reference=None,
        gateway_reference=intent or charge,
        other_references=ids(charge) if intent else (),
        mode=mode_of(body),
        fraud=Fraud(status=verdict, message=text(body.get("reason"))),
        attention=Attention.FRAUD_REVIEW if verdict is FraudStatus.REVIEW else None,
        raw=redacted(body),
    )
