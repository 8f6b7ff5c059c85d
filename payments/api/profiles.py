"""Saved methods of customers over the API: save one without a payment, list, read, make it the default, delete."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final

from django.db import connection
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from core import labs, strict_json
from core.api import fields, idempotency, problems
from core.api.authentication import ApiKeyContext
from core.api.fields import FieldError, Fields
from core.api.pagination import paginate
from core.encryption import CannotOpen
from core.errors import DomainError, NotFound
from core.gateways import registry
from core.gateways.errors import GatewayMisconfigured, RequestRejected
from core.gateways.port import CanSaveMethodsAlone
from core.gateways.types import CustomerDetails
from core.models import Customer
from core.money import Money
from finance import currencies
from payments.api import documents
from payments.api.inputs import clean_gateway, read_customer
from payments.api.manners import filters_of, path_id
from payments.api.views import CREATED, caller, json_response, once
from payments.models import CustomerPaymentProfile, PaymentGatewayKey, ProfileStatus
from payments.services import errors, keys, profiles
from payments.services.choosing import Wish, why_not
from payments.services.initiate import Held
from payments.services.keys import KeyRow

ROUTE: Final = "/v1/profiles"
CONSENT: Final = "Send true once the customer agreed that their method is kept for later payments."


class ProfileListView(APIView):
    """GET and POST /v1/profiles."""

    scopes: ClassVar = {"GET": "payments:read", "POST": "profiles:write"}

    @documents.LIST_PROFILES
    def get(self, request: Request) -> HttpResponse:
        context = caller(request)
        take = filters_of(request)
        customer = take.take("customer", fields.text_of(120))
        status = take.take("status", fields.one_of(ProfileStatus.values))
        take.check()
        found = _profiles(context)
        found = found.filter(deleted_at__isnull=True) if status is None else found.filter(status=status)
        if customer is not None:
            found = found.filter(customer__external_id=customer)
        return json_response(paginate(found, lab_id=context.lab_id, query=request.query_params, show=_show))

    @documents.CREATE_PROFILE
    def post(self, request: Request) -> HttpResponse:
        context = caller(request)
        idempotency.read_key(request.headers)
        wish = read_wish(request.data, context)
        return once(
            request, route=ROUTE, path=ROUTE, validated=asdict(wish), operation="profile",
            sequence="payments_customerpaymentprofile_id_seq",
            first=lambda held: _begin(context, wish, held.operation_id), again=lambda held: _begun(context, held),
            send=lambda profile, held: _finish(profile, wish, held), status=CREATED,
        )  # fmt: skip


class ProfileView(APIView):
    """GET and DELETE /v1/profiles/{id}"""

    scopes: ClassVar = {"GET": "payments:read", "DELETE": "profiles:write"}

    @documents.GET_PROFILE
    def get(self, request: Request, public_id: str) -> HttpResponse:
        """Asks the gateway where the customer is not done yet, at most once in ten seconds."""
        context = caller(request)
        profile = _profile(context, public_id)
        if profile.status == ProfileStatus.PENDING and profiles.refresh(profile.pk):
            profile = _profile(context, public_id)
        return json_response(_show(profile))

    @documents.DELETE_PROFILE
    def delete(self, request: Request, public_id: str) -> HttpResponse:
        """Asks the gateway to forget it first. Again is harmless."""
        profile = _profile(caller(request), public_id)
        try:
            return json_response(_show(profiles.delete_profile(profile)))
        except CannotOpen:
            raise _not_set_up("the kept token cannot be opened", profile) from None
        except GatewayMisconfigured as error:
            raise errors.GatewayNotSetUp(error, members={"profile": profile.public_id}) from error


class DefaultProfileView(APIView):
    """POST /v1/profiles/{id}/default: the customer's default from now on. Again is harmless."""

    scopes: ClassVar = {"POST": "profiles:write"}

    @documents.DEFAULT_PROFILE
    def post(self, request: Request, public_id: str) -> HttpResponse:
        profile = _profile(caller(request), public_id)
        if profile.status != ProfileStatus.ACTIVE:
            raise profiles.ProfileUnusable(f"This saved method is {profile.status}; only an active one can be default.")
        return json_response(_show(profiles.set_default(profile)))


def _profiles(context: ApiKeyContext) -> QuerySet[CustomerPaymentProfile]:
    found: QuerySet[CustomerPaymentProfile] = CustomerPaymentProfile.objects.for_lab(context.lab_id)
    return found.filter(mode=context.mode).select_related("customer")


def _profile(context: ApiKeyContext, public_id: str) -> CustomerPaymentProfile:
    profile = _profiles(context).filter(public_id=path_id(public_id)).first()
    if profile is None:
        raise NotFound
    return profile


def _show(profile: CustomerPaymentProfile) -> dict[str, Any]:
    return dict(profiles.show(profile))


# Saving without a payment -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileWish:
    """Whose method is saved, for payments in which currency. `gateway` empty: the first key that can."""

    customer: CustomerDetails
    currency: str
    gateway: str
    return_url: str


def read_wish(data: Any, context: ApiKeyContext) -> ProfileWish:
    """The body of POST /v1/profiles. Raises ValidationFailed; without the customer's consent nothing is saved."""
    take = Fields(data)
    customer = read_customer(take)
    if customer is None or not customer.id:
        take.refuse("customer.id", FieldError("required", "A method is saved for a customer: send customer.id."))
    currency = take.take("currency", fields.clean_currency, required=True)
    gateway = take.take("gateway", clean_gateway, "")
    return_url = take.take("return_url", fields.return_url_of(context.return_origins), "")
    take.take("consent", _clean_consent, required=True)
    take.check()
    assert customer is not None and currency is not None
    return ProfileWish(customer=customer, currency=currency, gateway=gateway, return_url=return_url)


def _clean_consent(value: object) -> bool:
    if value is not True:
        raise FieldError("consent_required", CONSENT)
    return True


def _begin(context: ApiKeyContext, wish: ProfileWish, profile_id: int | None) -> CustomerPaymentProfile:
    """Record the wish in the open transaction."""
    key = _key_for(context, wish)
    customer = wish.customer
    customer_id = labs.upsert_customer(
        lab=context.lab_id, external_id=customer.id or "", name=customer.name or "", email=customer.email or "",
        phone=customer.phone or "",
    )  # fmt: skip
    row = Customer.objects.for_lab(context.lab_id).get(pk=customer_id)
    return profiles.begin(key=key, customer=row, currency=wish.currency, profile_id=profile_id)


def _key_for(context: ApiKeyContext, wish: ProfileWish) -> PaymentGatewayKey:
    """The first active key, in priority order, that can save a method for this currency. Raises NoGateway."""
    if not currencies.is_usable(wish.currency):
        raise errors.CurrencyDisabled(wish.currency)
    reasons = []
    for row in keys.active_keys(lab_id=context.lab_id, mode=context.mode):
        if wish.gateway and row.gateway != wish.gateway:
            continue
        reason = _why_not_save(row, wish.currency)
        if reason is None:
            key: PaymentGatewayKey = PaymentGatewayKey.objects.for_lab(context.lab_id).get(pk=row.id)
            return key
        reasons.append({"gateway": row.gateway, "gateway_key": row.public_id, "reason": reason})
    raise errors.NoGateway(reasons)


def _why_not_save(row: KeyRow, currency: str) -> str | None:
    """As for the smallest payment that also saves its method, by a gateway that can do so without the payment."""
    try:
        least = row.about.minimums.get(currency, 1)
    except registry.UnknownGateway:
        least = 1
    reason = why_not(row, Wish(amount=Money(least, currency), save_method=True))
    if reason is None and not issubclass(registry.gateway_class(row.gateway), CanSaveMethodsAlone):
        reason = f"{row.about.label} saves methods during a payment only: initiate one with save_method"
    return reason


def _begun(context: ApiKeyContext, held: idempotency.Resume) -> CustomerPaymentProfile:
    found: CustomerPaymentProfile = _profiles(context).get(pk=held.operation_id or 0)
    return found


def _finish(profile: CustomerPaymentProfile, wish: ProfileWish, held: Held) -> dict[str, Any]:
    """Ask the gateway, and keep what the caller is told under the key. Nothing can be paid by asking twice.

    A repeat finds what an earlier request heard, and asks again, with the same reference and key, where it heard nothing.
    """
    try:
        if profile.status == ProfileStatus.FAILED:
            refusal = RequestRejected("the gateway refused to save this method")
            raise errors.GatewayRejected(refusal, members={"profile": profile.public_id})
        if profile.status == ProfileStatus.PENDING and profile.next_action is None:
            profile = profiles.finish_begin(profile, currency=wish.currency, return_url=wish.return_url)
    except CannotOpen:
        closed = _not_set_up("this gateway key cannot be opened", profile)
        _keep_refusal(held, closed)
        raise closed from None
    except DomainError as told:
        _keep_refusal(held, told)
        raise
    shown = _show(profile)
    with connection.cursor() as cursor:
        idempotency.finish(cursor, held, status=CREATED, body=strict_json.dumps(shown))
    return shown


def _keep_refusal(held: Held, told: DomainError) -> None:
    """A 4xx is the answer of this key; after a 5xx a repeat goes on at once."""
    with connection.cursor() as cursor:
        if told.status >= 500:
            idempotency.let_go(cursor, held)
        else:
            idempotency.finish(cursor, held, status=told.status, body=problems.body_of(told))


def _not_set_up(reason: str, profile: CustomerPaymentProfile) -> DomainError:
    return errors.GatewayNotSetUp(GatewayMisconfigured(reason), members={"profile": profile.public_id})
