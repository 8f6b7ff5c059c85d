"""Saved methods of customers: kept by the gateway, named here. Saved with consent, charged, deleted also at the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.conf import settings
from django.db import connection, transaction

from core import clock, crash, ids, strict_json
from core.encryption import Place, open_
from core.errors import DomainError
from core.gateways import encoding
from core.gateways.errors import GatewayError, GatewayMisconfigured, OutcomeUnknown, RequestRejected
from core.gateways.port import CanSaveMethods
from core.gateways.references import fit_reference
from core.gateways.types import (
    CustomerDetails,
    DeleteSavedRequest,
    MethodStatus,
    Mode,
    Report,
    SavedMethod,
    SaveMethodRequest,
)
from core.models import Customer
from payments.models import CustomerPaymentProfile, PaymentGatewayKey, ProfileStatus
from payments.saving import TOKENS, row_of, sealed_tokens
from payments.services import errors, keys
from payments.services.exchanges import ask
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
    profile.deleted_at, profile.status, profile.is_default = clock.now(), ProfileStatus.DELETED, False
    profile.secrets, profile.token_hash = {}, None
    profile.save(update_fields=["deleted_at", "status", "is_default", "secrets", "token_hash"])
    return profile


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
    if not issubclass(type(keys.open_key(row)), CanSaveMethods):
        raise errors.OperationUnsupported(row.about.label, "save methods without")
    public_id = ids.public_id("PM")
    profile = CustomerPaymentProfile(
        id=profile_id, lab_id=key.lab_id, mode=key.mode, customer=customer, gateway_key=key, gateway=key.gateway,
        public_id=public_id, reference=fit_reference(public_id, 1, row.about.reference), consent_at=clock.now(),
        status=ProfileStatus.PENDING, next_action=None,
    )  # fmt: skip
    profile.save(force_insert=True)
    return profile


def finish_begin(profile: CustomerPaymentProfile, *, currency: str, return_url: str) -> CustomerPaymentProfile:
    """Ask the gateway how the customer saves the method. No transaction may be open."""
    row = keys.key_row_of(profile.gateway_key)
    request = SaveMethodRequest(
        reference=profile.reference, idempotency_key=f"{profile.public_id}:save", currency=currency,
        webhook_url=row.webhook_url(), return_url=return_url or f"{settings.PUBLIC_URL}/",
        customer=CustomerDetails(
            id=profile.customer.external_id or None, name=profile.customer.name or None,
            email=profile.customer.email or None, phone=profile.customer.phone or None,
        ),
    )  # fmt: skip
    crash.point("save_method_before_call")
    asked = ask(lambda: keys.open_key(row).save_method(request))  # type: ignore[attr-defined]
    crash.point("save_method_after_call")
    if asked.error is not None:
        if isinstance(asked.error, RequestRejected):
            profile.status = ProfileStatus.FAILED
            profile.save(update_fields=["status"])
        raise _told(asked.error, profile.public_id)
    apply_method_report(row.facts, asked.answer)
    profile.refresh_from_db()
    return profile


_FOLD: Final = """
    UPDATE payments_customerpaymentprofile SET
      status = CASE WHEN status IN ('deleted', 'active') THEN status ELSE %s END,
      gateway_reference = CASE WHEN %s = '' THEN gateway_reference ELSE %s END,
      next_action = %s::jsonb,
      secrets = coalesce(%s::jsonb, secrets), token_hash = coalesce(%s, token_hash), kind = coalesce(%s, kind),
      brand = coalesce(%s, brand), last_four = coalesce(%s, last_four), expiry_month = coalesce(%s, expiry_month),
      expiry_year = coalesce(%s, expiry_year), handle = coalesce(%s, handle)
    WHERE gateway_key_id = %s AND deleted_at IS NULL AND public_id = %s"""


def apply_method_report(key: KeyFacts, report: Report) -> bool:
    """Fold a report about a saved method into its profile; False where it is not known. A method once active stays so."""
    names = [name for name in (report.reference, report.gateway_reference, *report.other_references) if name]
    found = (
        CustomerPaymentProfile.objects.for_lab(key.lab_id)
        .filter(gateway_key_id=key.id)
        .filter(reference__in=names)
        .first()
        or CustomerPaymentProfile.objects.for_lab(key.lab_id)
        .filter(gateway_key_id=key.id, gateway_reference__in=names)
        .exclude(gateway_reference="")
        .first()
    )
    if found is None:
        return False
    status = report.status if isinstance(report.status, MethodStatus) else MethodStatus.PENDING
    saved = report.saved
    values = row_of(key=key, customer_id=found.customer_id, saved=saved) if saved is not None else {}
    tokens = saved and sealed_tokens(lab_id=key.lab_id, mode=found.mode, public_id=found.public_id, saved=saved)
    action = report.next_action
    shown = encoding.next_action_to_json(action) if action is not None and status is MethodStatus.PENDING else None
    with connection.cursor() as cursor:
        cursor.execute(_FOLD, [
            ("active" if saved is not None and status is not MethodStatus.FAILED else status.value),
            report.gateway_reference or "", report.gateway_reference or "",
            None if shown is None else strict_json.dumps(shown),
            strict_json.dumps(tokens) if tokens else None, values.get("token_hash"), values.get("kind") or None,
            values.get("brand") or None, values.get("last_four") or None, values.get("expiry_month"),
            values.get("expiry_year"), values.get("handle") or None, key.id, found.public_id,
        ])  # fmt: skip
    return True


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
        "next_action": profile.next_action,
        "consent_at": time(profile.consent_at),
        "created_at": time(profile.created_at),
        "deleted_at": time(profile.deleted_at),
    }
