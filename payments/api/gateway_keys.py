"""A lab's own gateway accounts over the API. Secrets go in and never come out: set or not, last four, fingerprint, when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api import fields, idempotency
from core.api.authentication import ApiKeyContext
from core.api.fields import FieldError, Fields
from core.api.pagination import paginate
from core.errors import DomainError, NotFound
from core.gateways import encoding, registry
from core.gateways.types import CredentialField
from core.hashing import keyed_hash
from payments.api import documents
from payments.api.inputs import clean_gateway
from payments.api.manners import actor_of, at_once, path_id
from payments.api.views import caller, json_response
from payments.models import PaymentGatewayKey
from payments.services import keys

ROUTE: Final = "/v1/gateway-keys"
LONGEST_VALUE: Final = 10_000
LONGEST_NAME: Final = 100
MOST_VALUES: Final = 50
PRIORITIES: Final = (0, 32_767)
CANNOT_BE_OPENED: Final = (
    "What is stored here cannot be opened with the master keys of this installation: give the credentials again, or let "
    "its operator restore the keys."
)


class GatewayKeyListView(APIView):
    """GET and POST /v1/gateway-keys. Reading needs the same scope: the webhook address is public by possession."""

    scopes: ClassVar = {"GET": "keys:write", "POST": "keys:write"}

    @documents.LIST_GATEWAY_KEYS
    def get(self, request: Request) -> HttpResponse:
        context = caller(request)
        return json_response(paginate(_keys(context), lab_id=context.lab_id, query=request.query_params, show=show))

    @documents.CREATE_GATEWAY_KEY
    def post(self, request: Request) -> HttpResponse:
        context = caller(request)
        idempotency.read_key(request.headers)
        wish = _read_new(request.data)

        def work(key_id: int | None) -> Mapping[str, Any]:
            with _named_as_sent():
                key = keys.create_gateway_key(
                    lab=context.lab_id, mode=context.mode, actor=actor_of(context), key_id=key_id, **wish
                )
            return show(key)

        return at_once(
            request, route=ROUTE, validated=_for_fingerprint(wish), operation="gateway_key",
            sequence="payments_paymentgatewaykey_id_seq", work=work,
        )  # fmt: skip


class GatewayKeyView(APIView):
    """GET and PATCH /v1/gateway-keys/{id}"""

    scopes: ClassVar = {"GET": "keys:write", "PATCH": "keys:write"}

    @documents.GET_GATEWAY_KEY
    def get(self, request: Request, public_id: str) -> HttpResponse:
        return json_response(show(_key(caller(request), public_id)))

    @documents.CHANGE_GATEWAY_KEY
    def patch(self, request: Request, public_id: str) -> HttpResponse:
        key = _key(caller(request), public_id)
        change = _read_change(request.data)
        try:
            with _named_as_sent():
                key = keys.update_gateway_key(key=key, actor=actor_of(caller(request)), **change)
        except registry.UnknownGateway:
            raise GatewayNotInstalled from None
        return json_response(show(key))


class CheckGatewayKeyView(APIView):
    """POST /v1/gateway-keys/{id}/check: ask the gateway whether the credentials work. Moves nothing."""

    scopes: ClassVar = {"POST": "keys:write"}

    @documents.CHECK_GATEWAY_KEY
    def post(self, request: Request, public_id: str) -> HttpResponse:
        key = _key(caller(request), public_id)
        found = keys.check_gateway_key(key=key)
        answer = {
            "ok": found.ok,
            "message": found.message,
            "mode": None if found.mode is None else found.mode.value,
            "account": found.account,
            "details": dict(found.details),
        }
        return json_response({**answer, "gateway_key": show(_key(caller(request), public_id))})


class DisableGatewayKeyView(APIView):
    """POST /v1/gateway-keys/{id}/disable: no new payments, and its webhook address answers 404. Again is harmless."""

    scopes: ClassVar = {"POST": "keys:write"}

    @documents.DISABLE_GATEWAY_KEY
    def post(self, request: Request, public_id: str) -> HttpResponse:
        key = _key(caller(request), public_id)
        return json_response(show(keys.disable_gateway_key(key=key, actor=actor_of(caller(request)))))


def _keys(context: ApiKeyContext) -> QuerySet[PaymentGatewayKey]:
    found: QuerySet[PaymentGatewayKey] = PaymentGatewayKey.objects.for_lab(context.lab_id).filter(mode=context.mode)
    return found


def _key(context: ApiKeyContext, public_id: str) -> PaymentGatewayKey:
    key = _keys(context).filter(public_id=path_id(public_id)).first()
    if key is None:
        raise NotFound
    return key


# Bodies -------------------------------------------------------------------------------------------------------------


def _read_new(data: Any) -> dict[str, Any]:
    take = Fields(data)
    wish = {
        "gateway": take.take("gateway", clean_gateway, required=True),
        "values": _take_values(take, required=True),
        "label": take.take("label", fields.text_of(120), ""),
        "priority": take.take("priority", fields.whole_number(*PRIORITIES), 100),
    }
    take.check()
    return wish


def _read_change(data: Any) -> dict[str, Any]:
    take = Fields(data)
    change = {
        "values": _take_values(take),
        "label": take.take("label", fields.text_of(120)),
        "priority": take.take("priority", fields.whole_number(*PRIORITIES)),
        "is_active": take.take("is_active", _clean_boolean),
    }
    take.check()
    return change


def _clean_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise FieldError("invalid_type", "Send true or false.")
    return value


def _take_values(take: Fields, *, required: bool = False) -> dict[str, str]:
    """Credentials by field name. What each must look like, the gateway's declaration says."""
    found: dict[str, str] = {}
    for name, value in (take.take("credentials", _clean_object, required=required) or {}).items():
        try:
            found[name] = _clean_value(value)
        except FieldError as error:
            take.refuse(f"credentials.{name}", error)
    return found


def _clean_object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise FieldError("invalid_type", "Send an object of strings, by the names of GET /v1/gateways/{gateway}.")
    if len(value) > MOST_VALUES or any(len(name) > LONGEST_NAME for name in value):
        raise FieldError(
            "too_long", f"Send at most {MOST_VALUES} values, by the names of GET /v1/gateways/{{gateway}}."
        )
    if not all(name.isprintable() for name in value):
        raise FieldError("invalid_text", "A name holds an invisible character: copy it again.")
    return value


def _clean_value(value: object) -> str:
    if not isinstance(value, str):
        raise FieldError("invalid_type", "Send text: write the value between quotation marks.")
    if len(value) > LONGEST_VALUE:
        raise FieldError("too_long", f"Send at most {LONGEST_VALUE} characters.")
    if not all(one.isprintable() or one in "\r\n\t" for one in value):
        raise FieldError("invalid_text", "The value holds an invisible character: copy it again.")
    return value


def _for_fingerprint(wish: Mapping[str, Any]) -> dict[str, Any]:
    # The fingerprint is a plain hash and is stored: of secrets it holds a keyed one.
    return {**wish, "values": {n: keyed_hash("gateway_key_input", text) for n, text in wish["values"].items()}}


class GatewayNotInstalled(DomainError):
    code: ClassVar[str] = "gateway_not_installed"
    default_detail: ClassVar[str] = (
        "The gateway of this key is not installed here any more; disable the key, or install the gateway again."
    )


class _named_as_sent:  # noqa: N801 - reads as a statement where it stands
    """Errors of credentials carry the names that the caller sent: credentials.secret_key."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, keys.CredentialsRefused):
            # An error without a field is about all of them together.
            error.errors = [{**one, "field": f"credentials.{one['field']}".rstrip(".")} for one in error.errors]


# Showing ------------------------------------------------------------------------------------------------------------


def show(key: PaymentGatewayKey) -> dict[str, Any]:
    """The gateway-key object of the API. No secret is opened for it but the webhook's address."""
    row = keys.key_row_of(key)
    is_sound = keys.can_be_opened(row)
    time = encoding.time_to_json
    return {
        "id": key.public_id,
        "gateway": key.gateway,
        "mode": key.mode,
        "label": key.label or None,
        "account": key.account or None,
        "priority": key.priority,
        "is_active": key.is_active,
        "allowed_currencies": key.allowed_currencies,
        "credentials": list(_credentials(key)),
        "webhook_url": row.webhook_url() if is_sound else None,
        "last_check": None if key.last_check_at is None else
        {"at": time(key.last_check_at), "ok": bool(key.last_check_ok), "message": key.last_check_message},
        "last_verified_webhook_at": time(key.last_verified_webhook_at),
        "problem": (key.problem or None) if is_sound else CANNOT_BE_OPENED,
        "created_at": time(key.created_at),
        "updated_at": time(key.updated_at),
    }  # fmt: skip


def _credentials(key: PaymentGatewayKey) -> Iterator[dict[str, Any]]:
    try:
        declared: tuple[CredentialField, ...] = registry.gateway_class(key.gateway).about.credentials
    except registry.UnknownGateway:
        declared = ()
    for one in declared:
        facts = key.secret_facts.get(one.name, {})
        yield {
            "name": one.name,
            "label": one.label,
            "is_secret": one.is_secret,
            "is_set": bool(key.credentials.get(one.name)),
            "value": None if one.is_secret or one.is_filled_by_platform else key.credentials.get(one.name) or None,
            "last_four": facts.get("last_four") or None,
            "fingerprint": facts.get("fingerprint"),
            "changed_at": encoding.time_to_json(encoding.time_from_json(facts.get("changed_at"))),
        }
