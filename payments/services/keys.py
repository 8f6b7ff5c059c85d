"""Gateway keys: kept sealed, opened for a call, checked, rotated. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Final

from django.conf import settings
from django.db import connection, transaction

from core import audit, clock, crash, ids, strict_json
from core.encryption import CannotOpen, Place, open_, seal
from core.errors import DomainError
from core.gateways import credentials as checking
from core.gateways import registry
from core.gateways.errors import GatewayError, GatewayMisconfigured
from core.gateways.port import Gateway
from core.gateways.types import CredentialCheck, CredentialField, Description, Mode
from core.hashing import keyed_hash
from core.models import Lab, lab_id_of
from payments.models import PaymentGatewayKey
from payments.work import KeyFacts
from payments.writing import Part

TOKEN_PURPOSE: Final = "webhook_token"
PREVIOUS_SECRETS_LIVE: Final = timedelta(days=15)  # gateways sign repeats of old events with the old secret
COLUMNS: Final = (
    "id", "public_id", "lab_id", "mode", "gateway", "account", "label", "priority", "is_active", "allowed_currencies",
    "credentials", "previous_secrets", "webhook_token_sealed",
)  # fmt: skip
SELECT: Final = ", ".join(f"k.{name}" for name in COLUMNS)


class CredentialsRefused(DomainError):
    """400 with one error for each field."""

    code: ClassVar[str] = "credentials_refused"
    status: ClassVar[int] = 400

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("Some credentials cannot be right; `errors` says which and why.")
        self.errors = [{"field": name, "code": "credential", "detail": text} for name, text in errors.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A gateway key as loaded for a call. Credentials are still sealed."""

    id: int
    public_id: str
    lab_id: int
    mode: Mode
    gateway: str
    account: str
    label: str
    priority: int
    is_active: bool
    allowed_currencies: tuple[str, ...]
    credentials: str = field(repr=False)
    previous_secrets: str = field(repr=False)
    webhook_token_sealed: str = field(repr=False)

    @property
    def facts(self) -> KeyFacts:
        return KeyFacts(id=self.id, lab_id=self.lab_id, mode=self.mode, gateway=self.gateway, account=self.account)

    @property
    def about(self) -> Description:
        return registry.gateway_class(self.gateway).about

    def webhook_url(self) -> str:
        token = open_(self.lab_id, Place(self.public_id, self.mode, "webhook_token"), self.webhook_token_sealed)
        return _webhook_url(self.gateway, token)


def read_key(row: Sequence[Any]) -> KeyRow:
    """A row of SELECT."""
    values = dict(zip(COLUMNS, row, strict=True))
    values["mode"] = Mode(values["mode"])
    values["allowed_currencies"] = tuple(values["allowed_currencies"])
    for name in ("credentials", "previous_secrets"):
        if not isinstance(values[name], str):
            values[name] = strict_json.dumps(values[name])
    return KeyRow(**values)


def key_row_of(key: PaymentGatewayKey) -> KeyRow:
    return read_key([getattr(key, name) for name in COLUMNS])


# Opening ------------------------------------------------------------------------------------------------------------


def open_key(key: KeyRow) -> Gateway:
    """The gateway, ready to be called. Raises GatewayMisconfigured when it cannot be opened."""
    try:
        return _opened(key, _valid_until(key))
    except CannotOpen:
        raise GatewayMisconfigured("the credentials of this gateway key cannot be opened") from None
    except registry.UnknownGateway:
        raise GatewayMisconfigured(f"the gateway {key.gateway} is not installed") from None


@lru_cache(maxsize=256)
def _opened(key: KeyRow, previous: tuple[tuple[str, str], ...]) -> Gateway:
    # The sealed texts are part of the cache's key, so a changed credential opens anew at once.
    values = _unsealed(key)
    for name, sealed in previous:
        values.setdefault(f"previous_{name}s", []).append(open_(key.lab_id, _place(key, name), sealed))
    return registry.open_gateway(key.gateway, values, mode=key.mode, cache_scope=f"{key.lab_id}:{key.id}")


def can_be_opened(key: KeyRow) -> bool:
    """Whether every sealed value of the key opens. Builds no gateway and calls nobody."""
    try:
        _unsealed(key)
        key.webhook_url()
    except CannotOpen:
        return False
    except registry.UnknownGateway:  # its secrets cannot be told from its other values
        return True
    return True


def _valid_until(key: KeyRow) -> tuple[tuple[str, str], ...]:
    now = clock.now()
    kept = strict_json.loads(key.previous_secrets)
    return tuple((one["field"], one["sealed"]) for one in kept if datetime.fromisoformat(one["until"]) > now)


def _place(key: Any, name: str) -> Place:
    return Place(gateway_key=key.public_id, mode=key.mode, field=name)


def _unsealed(key: KeyRow) -> dict[str, Any]:
    sealed = {one.name for one in key.about.credentials if _is_sealed(one)}
    stored = strict_json.load_object(key.credentials)
    return {
        name: open_(key.lab_id, _place(key, name), value) if name in sealed else value for name, value in stored.items()
    }


def _is_sealed(one: CredentialField) -> bool:
    """Secrets, and our own webhook address, which is public by possession."""
    return one.is_secret or one.is_filled_by_platform


# Writing ------------------------------------------------------------------------------------------------------------


def create_gateway_key(
    *,
    lab: Lab | int,
    gateway: str,
    mode: Mode,
    values: Mapping[str, str],
    actor: Any,
    label: str = "",
    priority: int = 100,
    key_id: int | None = None,
) -> PaymentGatewayKey:
    """Keep a gateway account of a lab. Raises CredentialsRefused, naming every field that cannot be right.

    `key_id` is an id already drawn from the table's sequence (Idempotency-Key).
    """
    about = registry.gateway_class(gateway).about
    given = _filled(about, values)
    _refuse_wrong(gateway, about, given, mode)
    key = PaymentGatewayKey(
        id=key_id, lab_id=lab_id_of(lab), public_id=ids.public_id("GWK"), gateway=gateway, mode=mode.value, label=label,
        priority=priority,
    )  # fmt: skip
    token = ids.token()
    key.webhook_token_hash = keyed_hash(TOKEN_PURPOSE, token)
    with transaction.atomic():
        key.webhook_token_sealed = seal(lab, _place(key, "webhook_token"), token)
        _take(key, about, given)
        _take(key, about, _addresses(key, about, token))
        key.save(force_insert=True)
        audit.record(
            lab=lab, actor=actor, action="gateway_key.created", object_type="gateway_key", object_id=key.public_id,
            changes={"gateway": gateway, "mode": mode.value, "fields": sorted(given)},
        )  # fmt: skip
        crash.point("key_before_commit")
    return key


def update_gateway_key(
    *, key: PaymentGatewayKey, values: Mapping[str, str], actor: Any, label: str | None = None,
    priority: int | None = None, is_active: bool | None = None,
) -> PaymentGatewayKey:  # fmt: skip
    """Change what is given; a secret left blank stays. The old value of a rotating secret is accepted for 15 days.

    A key that cannot be opened can still be switched off, and is mended by giving all its secrets anew.
    """
    about = registry.gateway_class(key.gateway).about
    changed = _given(values)
    if changed:
        _refuse_wrong(key.gateway, about, {**_kept(key_row_of(key), besides=changed), **changed}, Mode(key.mode))
    with transaction.atomic():
        key = PaymentGatewayKey.objects.for_lab(key.lab_id).select_for_update().get(pk=key.pk)
        _keep_previous(key, about, changed)
        _take(key, about, changed)
        key.label = key.label if label is None else label
        key.priority = key.priority if priority is None else priority
        key.is_active = key.is_active if is_active is None else is_active
        key.updated_at = clock.now()
        key.save()
        audit.record(
            lab=key.lab_id, actor=actor, action="gateway_key.changed", object_type="gateway_key",
            object_id=key.public_id, changes={"fields": sorted(changed), "is_active": key.is_active},
        )  # fmt: skip
    return key


def disable_gateway_key(*, key: PaymentGatewayKey, actor: Any) -> PaymentGatewayKey:
    """Take no more payments and no more webhooks with this key; again is harmless.

    Opens nothing: a key that cannot be opened, or whose gateway is gone, can still be switched off.
    """
    with transaction.atomic():
        key = PaymentGatewayKey.objects.for_lab(key.lab_id).select_for_update().get(pk=key.pk)
        if key.is_active:
            key.is_active, key.updated_at = False, clock.now()
            key.save(update_fields=["is_active", "updated_at"])
            audit.record(
                lab=key.lab_id, actor=actor, action="gateway_key.disabled", object_type="gateway_key",
                object_id=key.public_id,
            )  # fmt: skip
    return key


def _kept(key: KeyRow, *, besides: Mapping[str, str]) -> dict[str, Any]:
    """The kept values that are not given anew. Raises CredentialsRefused where one cannot be opened."""
    stored = {name: value for name, value in strict_json.load_object(key.credentials).items() if name not in besides}
    closed = [one.name for one in key.about.credentials if one.is_secret and not _opens(key, one.name, stored)]
    if closed:
        raise CredentialsRefused(dict.fromkeys(closed, "The kept value cannot be opened: give it again."))
    return _unsealed(replace(key, credentials=strict_json.dumps(stored)))


def _opens(key: Any, name: str, stored: Mapping[str, Any]) -> bool:
    try:
        return name not in stored or bool(open_(key.lab_id, _place(key, name), stored[name]))
    except CannotOpen:
        return False


def _filled(about: Description, values: Mapping[str, Any]) -> dict[str, Any]:
    return {**{one.name: one.default for one in about.credentials if one.default}, **_given(values)}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is not blank, trimmed. What is no text stays as it is, for the check to refuse."""
    trimmed = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
    return {name: value for name, value in trimmed.items() if value not in ("", None)}


def _refuse_wrong(gateway: str, about: Description, values: Mapping[str, Any], mode: Mode) -> None:
    if errors := checking.check_values(about, values, mode):
        raise CredentialsRefused(errors)
    try:
        # What only the values together show, the gateway itself finds when it is built; nobody is called.
        registry.open_gateway(gateway, values, mode=mode, cache_scope="on save")
    except GatewayMisconfigured as error:
        raise CredentialsRefused(checking.read_refusal(about, error.reason)) from None


def _take(key: PaymentGatewayKey, about: Description, values: Mapping[str, str]) -> None:
    stored, shown = dict(key.credentials), dict(key.secret_facts)
    for one in about.credentials:
        if one.name not in values:
            continue
        value = values[one.name]
        stored[one.name] = seal(key.lab_id, _place(key, one.name), value) if _is_sealed(one) else value
        if one.is_secret:
            shown[one.name] = _facts(value)
    key.credentials, key.secret_facts = stored, shown
    key.account = values.get("account_id", key.account)


def _addresses(key: PaymentGatewayKey, about: Description, token: str) -> dict[str, str]:
    """Fields that hold our own webhook address (some gateways sign it). Kept as it was registered there, also when this
    platform moves: `renew_address` is for when the lab has registered the new one."""
    url = _webhook_url(key.gateway, token)
    return {one.name: url for one in about.credentials if one.is_filled_by_platform}


def renew_address(*, key: PaymentGatewayKey, actor: Any) -> PaymentGatewayKey:
    """From now on the gateway signs the address that this platform has now."""
    about = registry.gateway_class(key.gateway).about
    token = open_(key.lab_id, _place(key, "webhook_token"), key.webhook_token_sealed)
    if found := _addresses(key, about, token):
        with transaction.atomic():
            _take(key, about, found)
            key.save(update_fields=["credentials"])
            audit.record(
                lab=key.lab_id, actor=actor, action="gateway_key.address_renewed", object_type="gateway_key",
                object_id=key.public_id,
            )  # fmt: skip
    return key


def _webhook_url(gateway: str, token: str) -> str:
    return f"{settings.PUBLIC_URL}/payments/webhook/{gateway}/{token}"


def _facts(value: str) -> dict[str, str]:
    """What may be shown of a secret."""
    return {
        "last_four": value[-4:] if len(value) >= 12 else "",
        "fingerprint": _fingerprint(value),
        "changed_at": clock.now().isoformat(),
    }


def _fingerprint(value: str) -> str:
    return keyed_hash("secret_fingerprint", value)[:12]


def holds(key: PaymentGatewayKey, values: Mapping[str, str]) -> bool:
    """Whether these are the values of `key`, told by the fingerprints of its secrets: nothing is opened."""
    shown = {name: facts["fingerprint"] for name, facts in key.secret_facts.items()}
    return all(
        shown[name] == _fingerprint(value) if name in shown else key.credentials.get(name) == value
        for name, value in values.items()
    )


def _keep_previous(key: PaymentGatewayKey, about: Description, changed: Mapping[str, str]) -> None:
    now = clock.now()
    kept = [
        one
        for one in key.previous_secrets
        if datetime.fromisoformat(one["until"]) > now and _opens(key, one["field"], {one["field"]: one["sealed"]})
    ]
    rotating: list[CredentialField] = [one for one in about.credentials if one.rotates and one.name in changed]
    for one in rotating:
        sealed = key.credentials.get(one.name)
        if sealed and _opens(key, one.name, key.credentials):  # one that is lost would keep the whole key closed
            kept.append({"field": one.name, "sealed": sealed, "until": (now + PREVIOUS_SECRETS_LIVE).isoformat()})
    key.previous_secrets = kept


# Looking up ---------------------------------------------------------------------------------------------------------


_BY_TOKEN: Final = f"""
    SELECT {SELECT} FROM payments_paymentgatewaykey k JOIN core_lab l ON l.id = k.lab_id
    WHERE k.webhook_token_hash = %s AND k.gateway = %s AND k.is_active AND l.is_active"""  # noqa: S608

_ONLY: Final = f"""
    SELECT {SELECT} FROM payments_paymentgatewaykey k JOIN core_lab l ON l.id = k.lab_id
    WHERE k.gateway = %s AND k.is_active AND l.is_active LIMIT 2"""  # noqa: S608

_ACTIVE: Final = f"""
    SELECT {SELECT} FROM payments_paymentgatewaykey k
    WHERE k.lab_id = %s AND k.mode = %s AND k.is_active
    ORDER BY k.priority, k.id"""  # noqa: S608


def find_by_token(gateway: str, token: str) -> KeyRow | None:
    """The active key whose webhook address this is. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_TOKEN, [keyed_hash(TOKEN_PURPOSE, token), gateway])
        row = cursor.fetchone()
    return None if row is None else read_key(row)


def find_only(gateway: str) -> KeyRow | None:
    """The one active key of this gateway, None where there is none or more than one."""
    with connection.cursor() as cursor:
        cursor.execute(_ONLY, [gateway])
        found = cursor.fetchall()
    return read_key(found[0]) if len(found) == 1 else None


def active_keys(*, lab_id: int, mode: Mode) -> list[KeyRow]:
    """A lab's active keys of a mode in priority order. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_ACTIVE, [lab_id, mode.value])
        return [read_key(row) for row in cursor.fetchall()]


def problem_part(key_id: int, reason: str) -> Part:
    """Flag the account for its lab, beside whatever else is written. "Test connection" takes the flag off."""
    return Part(
        "key_flagged", "UPDATE payments_paymentgatewaykey SET problem = %s WHERE id = %s", (reason[:300], key_id)
    )


# Test connection ----------------------------------------------------------------------------------------------------


def check_gateway_key(*, key: PaymentGatewayKey) -> CredentialCheck:
    """Ask the gateway whether the credentials work, and note the answer on the key. No transaction is open."""
    try:
        found = open_key(key_row_of(key)).check_credentials()
    except GatewayError as error:
        found = CredentialCheck(ok=False, message=error.reason)
    changes: dict[str, Any] = {
        "last_check_at": clock.now(), "last_check_ok": found.ok, "last_check_message": found.message[:300],
        "problem": "" if found.ok else found.message[:300],
    }  # fmt: skip
    if found.ok and found.account:
        changes["account"] = found.account
    PaymentGatewayKey.objects.for_lab(key.lab_id).filter(pk=key.pk).update(**changes)
    return found
