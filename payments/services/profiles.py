"""Saved methods of customers: kept by the gateway, named here. Saved with consent, charged, deleted also at the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.conf import settings
from django.db import connection, transaction

from core import clock, crash, ids, strict_json
from core.encryption import CannotOpen, Place, open_
from core.errors import DomainError
from core.gateways import encoding
from core.gateways.errors import GatewayError, GatewayMisconfigured, OutcomeUnknown, RequestRejected
from core.gateways.port import CanSaveMethods, CanSaveMethodsAlone
from core.gateways.references import fit_reference
from core.gateways.types import (
    CustomerDetails,
    DeleteSavedRequest,
    MethodNames,
    MethodStatus,
    Mode,
    Report,
    SavedMethod,
    SaveMethodRequest,
)
from core.hashing import keyed_hash
from core.models import Customer
from payments.models import CustomerPaymentProfile, PaymentGatewayKey, ProfileStatus
from payments.rows import opened_action, sealed_action
from payments.saving import TOKENS, customer_token_of, row_of, sealed_tokens
from payments.services import errors, keys
from payments.services.exchanges import ask
from payments.services.keys import KeyRow
from payments.services.orders import Profile
from payments.work import KeyFacts


class ProfileUnusable(DomainError):
    """409: the method exists and cannot be charged."""

    code: ClassVar[str] = "profile_unusable"
    default_detail: ClassVar[str] = "This saved method cannot be charged; its status says why."


def opened(profile: CustomerPaymentProfile) -> SavedMethod:
    """The tokens, for a call. Raises CannotOpen."""
    place = {name: Place(gateway_key=profile.public_id, mode=profile.mode, field=name) for name in TOKENS}
    texts = {name: open_(profile.lab_id, place[name], sealed) for name, sealed in profile.secrets.items()}
    return SavedMethod(
        token=texts["token"], customer_token=texts.get("customer_token"), extra_token=texts.get("extra_token")
    )


# Using --------------------------------------------------------------------------------------------------------------


def for_charge(*, public_id: str, lab_id: int, mode: Mode, customer: str | None) -> Profile | None:
    """The saved method of this lab, mode and customer, opened; None (404) for anybody else's. Raises ProfileUnusable."""
    found = CustomerPaymentProfile.objects.for_lab(lab_id).filter(
        public_id=public_id, mode=mode.value, deleted_at__isnull=True
    )
    if customer is not None:
        found = found.filter(customer__external_id=customer)
    profile = found.first()
    if profile is None:
        return None
    if profile.status != ProfileStatus.ACTIVE:
        raise ProfileUnusable(f"This saved method is {profile.status}; ask the customer for another.")
    return Profile(
        id=profile.pk, gateway_key_id=profile.gateway_key_id, customer_id=profile.customer_id, saved=opened(profile)
    )


def saved_of(profile_id: int) -> SavedMethod:
    """The tokens of the method that a recorded charge uses. Raises CannotOpen, or ProfileUnusable where it was deleted since."""
    profile = CustomerPaymentProfile.across_labs.get(pk=profile_id)  # the charge's own row named it
    if "token" not in profile.secrets:
        raise ProfileUnusable("This saved method was deleted; ask the customer for another.")
    return opened(profile)


def set_default(profile: CustomerPaymentProfile) -> CustomerPaymentProfile:
    """Make it the customer's default; at most one per lab, mode and customer."""
    with transaction.atomic():
        same = CustomerPaymentProfile.objects.for_lab(profile.lab_id).select_for_update()
        rows = list(same.filter(mode=profile.mode, customer_id=profile.customer_id, deleted_at__isnull=True))
        for row in rows:
            if row.is_default and row.pk != profile.pk:
                row.is_default = False
                row.save(update_fields=["is_default"])
        profile.is_default = True
        profile.save(update_fields=["is_default"])
    return profile


def delete_profile(profile: CustomerPaymentProfile) -> CustomerPaymentProfile:
    """Forget it, at the gateway first. Raises GatewayGone or OutcomeNotKnown where that is not certain: repeat."""
    if profile.deleted_at is not None:
        return profile
    if profile.secrets:
        gateway = keys.open_key(keys.key_row_of(profile.gateway_key))
        if isinstance(gateway, CanSaveMethods):
            request = DeleteSavedRequest(saved=opened(profile), idempotency_key=f"{profile.public_id}:delete")
            asked = ask(lambda: gateway.delete_saved(request))
            if asked.error is not None:
                raise _told(asked.error, profile.public_id)
    _forget(profile)
    return profile


def _forget(profile: CustomerPaymentProfile) -> None:
    profile.deleted_at, profile.status, profile.is_default = clock.now(), ProfileStatus.DELETED, False
    profile.secrets, profile.token_hash, profile.next_action, profile.next_check_at = {}, None, None, None
    profile.save(update_fields=[
        "deleted_at", "status", "is_default", "secrets", "token_hash", "next_action", "next_check_at",
    ])  # fmt: skip


def _told(error: GatewayError, public_id: str) -> DomainError:
    members = {"profile": public_id}
    if isinstance(error, RequestRejected):
        return errors.GatewayRejected(error, members=members)
    if isinstance(error, GatewayMisconfigured):
        return errors.GatewayNotSetUp(error, members=members)
    if isinstance(error, OutcomeUnknown):
        return errors.OutcomeNotKnown(error, members=members)
    return errors.GatewayGone(error, members=members)


# Saving without a payment -------------------------------------------------------------------------------------------


def begin(
    *, key: PaymentGatewayKey, customer: Customer, currency: str, profile_id: int | None = None
) -> CustomerPaymentProfile:
    """Record the wish, in the open transaction. `finish_begin` then asks the gateway."""
    row = keys.key_row_of(key)
    public_id = ids.public_id("PM")
    profile = CustomerPaymentProfile(
        id=profile_id, lab_id=key.lab_id, mode=key.mode, customer=customer, gateway_key=key, gateway=key.gateway,
        public_id=public_id, reference=fit_reference(public_id, 1, row.about.reference), consent_at=clock.now(),
        status=ProfileStatus.PENDING, next_action=None, next_check_at=clock.now() + timedelta(seconds=CHECK_DELAYS[0]),
    )  # fmt: skip
    profile.save(force_insert=True)
    return profile


def finish_begin(profile: CustomerPaymentProfile, *, currency: str, return_url: str) -> CustomerPaymentProfile:
    """Ask the gateway how the customer saves the method. No transaction may be open. Raises CannotOpen."""
    row = keys.key_row_of(profile.gateway_key)
    profile.refresh_from_db(fields=["created_at"])
    request = SaveMethodRequest(
        reference=profile.reference, idempotency_key=f"{profile.public_id}:save", currency=currency,
        webhook_url=row.webhook_url(), return_url=return_url or f"{settings.PUBLIC_URL}/",
        customer=CustomerDetails(
            id=profile.customer.external_id or None, name=profile.customer.name or None,
            email=profile.customer.email or None, phone=profile.customer.phone or None,
        ),
        customer_token=customer_token_of(
            lab_id=profile.lab_id, gateway_key_id=row.id, customer_id=profile.customer_id, before=profile.created_at
        ),
    )  # fmt: skip
    crash.point("save_method_before_call")
    asked = ask(lambda: _alone(row).save_method(request))
    crash.point("save_method_after_call")
    if asked.error is not None:
        if isinstance(asked.error, RequestRejected):
            profile.status, profile.next_check_at = ProfileStatus.FAILED, None
            profile.save(update_fields=["status", "next_check_at"])
        raise _told(asked.error, profile.public_id)
    apply_method_report(row.facts, asked.answer)
    profile.refresh_from_db()
    return profile


def _alone(row: KeyRow) -> CanSaveMethodsAlone:
    gateway = keys.open_key(row)
    if not isinstance(gateway, CanSaveMethodsAlone):  # its package was changed since
        raise RequestRejected(f"{row.about.label} saves methods during a payment only")
    return gateway


# A webhook may be lost: until the customer is done, the gateway is asked.
CHECK_DELAYS: Final = (300, 900, 3600, 21600)  # seconds
NOT_WITHIN_SECONDS: Final = 10
GIVES_UP: Final = timedelta(days=1)

_CLAIM: Final = """
    UPDATE payments_customerpaymentprofile SET last_checked_at = clock_timestamp(),
      check_count = least(check_count + %s, 1000),
      next_check_at = %s + (%s::int[])[least(check_count + 1 + %s, %s)] * interval '1 second'
    WHERE id = %s AND status = 'pending' AND deleted_at IS NULL
      AND (last_checked_at IS NULL OR last_checked_at <= clock_timestamp() - %s * interval '1 second')
    RETURNING id"""


def refresh(profile_id: int, *, is_scheduled: bool = False) -> bool:
    """Ask the gateway what became of a saving that the customer may still finish; False where nobody needed asking.

    Nothing of a gateway's is raised. `is_scheduled`: the sweep's own look, which lengthens its pauses and gives up in the end.
    """
    now = clock.now()
    with connection.cursor() as cursor:
        delays, counted = list(CHECK_DELAYS), int(is_scheduled)
        cursor.execute(_CLAIM, [counted, now, delays, counted, len(delays), profile_id, NOT_WITHIN_SECONDS])
        if cursor.fetchone() is None:
            return False
    profile = CustomerPaymentProfile.across_labs.select_related("gateway_key").get(pk=profile_id)
    row = keys.key_row_of(profile.gateway_key)
    names = MethodNames(
        reference=profile.reference, gateway_reference=profile.gateway_reference or None, created_at=profile.created_at
    )
    asked = ask(lambda: _alone(row).fetch_method(names))
    if isinstance(asked.answer, Report):
        apply_method_report(row.facts, replace(asked.answer, reference=profile.reference))
    if is_scheduled and now - profile.created_at >= GIVES_UP:
        _give_up(profile)
    return True


def _give_up(profile: CustomerPaymentProfile) -> None:
    """Nobody finished it in a day. If the gateway tells of it later all the same, it becomes active."""
    pending = CustomerPaymentProfile.objects.for_lab(profile.lab_id).filter(pk=profile.pk, status=ProfileStatus.PENDING)
    pending.update(status=ProfileStatus.FAILED, next_check_at=None, next_action=None)


# What gateways tell -------------------------------------------------------------------------------------------------


_FOLD: Final = """
    UPDATE payments_customerpaymentprofile SET
      status = CASE WHEN status IN ('deleted', 'active') THEN status ELSE %(status)s END,
      gateway_reference = coalesce(%(gateway_reference)s, gateway_reference),
      next_action = CASE WHEN %(status)s = 'pending' THEN coalesce(%(next_action)s::jsonb, next_action) END,
      next_check_at = CASE WHEN %(status)s = 'pending' THEN next_check_at END,
      secrets = secrets || coalesce(%(secrets)s::jsonb, '{}'), token_hash = coalesce(%(token_hash)s, token_hash),
      kind = coalesce(%(kind)s, kind), brand = coalesce(%(brand)s, brand),
      last_four = coalesce(%(last_four)s, last_four), expiry_month = coalesce(%(expiry_month)s, expiry_month),
      expiry_year = coalesce(%(expiry_year)s, expiry_year), handle = coalesce(%(handle)s, handle)
    WHERE id = %(id)s AND deleted_at IS NULL"""


def apply_method_report(key: KeyFacts, report: Report) -> bool:
    """Fold a report about a saved method into its profile; False where it is not known. A method once active stays so
    until it is deleted, here or at the gateway."""
    names = [name for name in (report.reference, report.gateway_reference, *report.other_references) if name]
    found = _by_names(key, names) if names else _by_token(key, report.saved)
    if found is None:
        return not names  # told of by its token alone: the account may keep methods for others, too
    if report.status is MethodStatus.DELETED:
        _forget(found)
        return True
    with connection.cursor() as cursor:
        cursor.execute(_FOLD, _folded(key, found, report))
    return True


def _by_names(key: KeyFacts, names: list[str]) -> CustomerPaymentProfile | None:
    mine = CustomerPaymentProfile.objects.for_lab(key.lab_id).filter(gateway_key_id=key.id)
    found: CustomerPaymentProfile | None = (
        mine.filter(reference__in=names).first()
        or mine.filter(gateway_reference__in=names).exclude(gateway_reference="").first()
    )
    return found


def _by_token(key: KeyFacts, saved: SavedMethod | None) -> CustomerPaymentProfile | None:
    if saved is None:
        return None
    mine = CustomerPaymentProfile.objects.for_lab(key.lab_id).filter(gateway_key_id=key.id, deleted_at__isnull=True)
    found: CustomerPaymentProfile | None = mine.filter(token_hash=keyed_hash("saved_method", saved.token)).first()
    return found


def _folded(key: KeyFacts, profile: CustomerPaymentProfile, report: Report) -> dict[str, Any]:
    told = report.status if isinstance(report.status, MethodStatus) else MethodStatus.PENDING
    saved, action = report.saved, report.next_action
    status = MethodStatus.ACTIVE if saved is not None and told is not MethodStatus.FAILED else told
    values = row_of(key=key, customer_id=profile.customer_id, saved=saved) if saved is not None else {}
    tokens = saved and sealed_tokens(lab_id=key.lab_id, mode=profile.mode, public_id=profile.public_id, saved=saved)
    kept = action and sealed_action(action, lab_id=key.lab_id, public_id=profile.public_id, mode=profile.mode)
    details = ("token_hash", "kind", "brand", "last_four", "expiry_month", "expiry_year", "handle")
    return {
        "id": profile.pk,
        "status": status.value,
        "gateway_reference": report.gateway_reference or None,
        "next_action": strict_json.dumps(kept) if kept else None,
        "secrets": strict_json.dumps(tokens) if tokens else None,
        **{name: values.get(name) or None for name in details},
    }


def show(profile: CustomerPaymentProfile) -> Mapping[str, Any]:
    """The profile as the API shows it: never a token."""
    time = encoding.time_to_json
    return {
        "id": profile.public_id,
        "customer": profile.customer.external_id or None,
        "gateway": profile.gateway,
        "status": profile.status,
        "is_default": profile.is_default,
        "kind": profile.kind or None,
        "brand": profile.brand or None,
        "last_four": profile.last_four or None,
        "expiry_month": profile.expiry_month,
        "expiry_year": profile.expiry_year,
        "handle": profile.handle or None,
        "next_action": _shown_action(profile),
        "consent_at": time(profile.consent_at),
        "created_at": time(profile.created_at),
        "deleted_at": time(profile.deleted_at),
    }


def _shown_action(profile: CustomerPaymentProfile) -> dict[str, Any] | None:
    if profile.next_action is None or profile.status != ProfileStatus.PENDING:
        return None
    try:
        action = opened_action(
            profile.next_action, lab_id=profile.lab_id, public_id=profile.public_id, mode=profile.mode
        )
    except CannotOpen:  # one damaged row must not hide a whole list
        return None
    return encoding.next_action_to_json(action)
