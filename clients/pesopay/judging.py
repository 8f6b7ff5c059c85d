"""Which of the attempts of one order counts, and what they say together; pure.

Captured before authorized before voided before pending before failed. Several captured ones: the customer paid twice.
Source: gateway page sections 5 and 13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from clients.pesopay.attempt import ALL_REFUNDED, DISPUTE_STATUS, REFUND_STATUS, Attempt
from clients.pesopay.references import is_known, names_a_hold, platform_names
from core.gateways.types import Attention, DisputeStatus, Mode, PaymentNames, PaymentStatus, Report, Subject

S = PaymentStatus
RANK: Final[Mapping[PaymentStatus, int]] = {
    S.CAPTURED: 5,
    S.AUTHORIZED: 4,
    S.VOIDED: 3,
    S.REQUIRES_ACTION: 2,
    S.PENDING: 2,
    S.FAILED: 1,
}


def judge(attempts: Sequence[Attempt], names: PaymentNames, *, mode: Mode) -> Report:
    """One report of at least one attempt. Never raises."""
    ours = distinct([taken_of(one, names) for one in attempts if one.ref is None or is_known(one.ref, names)])
    if not ours:
        return _mismatch(attempts[0], attempts, names, mode)
    best = sorted(ours, key=lambda one: _weight(one, names), reverse=True)
    taken = [one for one in best if one.status is S.CAPTURED]
    if any(map(_lacks_money, taken or best[:1])):
        return _mismatch(best[0], ours, names, mode)
    if len({one.money.asset for one in taken if one.money}) > 1:
        return _mismatch(best[0], ours, names, mode)
    has_foreign = any(one.ref is not None and not is_known(one.ref, names) for one in attempts)
    return _report(best[0], best, taken, names, mode, Attention.MISMATCH if has_foreign else None)


def distinct(attempts: Sequence[Attempt]) -> list[Attempt]:
    """One for each payRef: an attempt that is listed twice was still paid once."""
    found: dict[object, Attempt] = {}
    for number, one in enumerate(attempts):
        key: object = one.pay_ref or number
        known = found.get(key)
        if known is None or _weight(one) > _weight(known):
            found[key] = one
    return list(found.values())


def taken_of(one: Attempt, names: PaymentNames) -> Attempt:
    """The attempt with what was taken of it. A record goes on to show the whole hold after a part was captured, also
    after refunds, so the figure of the capture stands: what it answered, or what it asked for where the answer was lost.

    Unconfirmed: some accounts may show the captured amount. Any other amount than the hold's is believed as it stands.
    """
    part = names.captured
    if one.status is not S.CAPTURED or one.money is None or one.money != names.amount or part is None:
        return one
    if part.asset != one.money.asset or part.minor >= one.money.minor or not names_a_hold(one.ref, names):
        return one
    return replace(one, money=part)


def _weight(one: Attempt, names: PaymentNames | None = None) -> tuple[int, bool, bool, bool]:
    """Of equal ones the one that is known as this payment, then the one with most to tell."""
    is_named = names is not None and one.pay_ref is not None and one.pay_ref == names.gateway_reference
    return RANK[one.status], is_named, one.word in DISPUTE_STATUS, one.word in REFUND_STATUS


def _lacks_money(one: Attempt) -> bool:
    """What claims money must say how much; what is told must be readable."""
    return one.is_odd or (one.money is None and one.status in {S.CAPTURED, S.AUTHORIZED})


def _report(
    best: Attempt,
    attempts: Sequence[Attempt],
    taken: Sequence[Attempt],
    names: PaymentNames,
    mode: Mode,
    attention: Attention | None,
) -> Report:
    status, money = best.status, best.money
    captured = sum(one.money.minor for one in taken if one.money)
    given_back = sum(one.money.minor for one in taken if one.money and one.word == ALL_REFUNDED)
    holds = status is S.AUTHORIZED and money is not None
    return Report(
        about=Subject.PAYMENT,
        status=status,
        reference=best.ref or names.reference,
        gateway_reference=best.pay_ref or names.gateway_reference,
        other_references=_other_names(best, attempts),
        mode=mode,
        asset=money.asset if money else None,
        authorized_minor=money.minor if holds and money else None,
        captured_minor=captured,
        refunded_minor=given_back or None,  # of a partial one nobody tells how much
        occurred_at=best.occurred_at,
        method=best.method,
        fraud=best.fraud,
        decline=best.decline if status is S.FAILED else None,
        attention=attention or _attention(taken),
        raw={"records": [one.raw for one in attempts[:20]]},
    )


def _attention(taken: Sequence[Attempt]) -> Attention | None:
    disputes = {DISPUTE_STATUS.get(one.word) for one in taken}
    if DisputeStatus.WON in disputes:
        return Attention.GATEWAY_DISAGREES  # Unconfirmed: the meaning of Reversal-CB, so a person looks
    if len(taken) > 1:
        return Attention.OVERPAID
    return Attention.DISPUTED if disputes - {None} else None


def _other_names(best: Attempt, attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """The payRefs of the other attempts, and the name that the platform has for our own."""
    theirs = [one.pay_ref for one in attempts if one.pay_ref and one.pay_ref != best.pay_ref]
    ours = [*platform_names(best.ref)] if best.ref else []
    return tuple(dict.fromkeys([*theirs[:20], *ours]))


def _mismatch(best: Attempt, attempts: Sequence[Attempt], names: PaymentNames, mode: Mode) -> Report:
    """Somebody else's, or money that cannot be read: nothing moves, a person looks."""
    return Report(
        about=Subject.PAYMENT,
        status=S.PENDING,
        reference=names.reference or best.ref,
        gateway_reference=names.gateway_reference,
        mode=mode,
        captured_minor=0,
        attention=Attention.MISMATCH,
        raw={"records": [one.raw for one in attempts[:20]]},
    )
