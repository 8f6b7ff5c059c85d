"""Services about tenants: labs, their members, their API keys, their customers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import connection, transaction
from django.utils.text import slugify

from core import audit, clock, encryption
from core.errors import DomainError
from core.gateways.types import Mode
from core.hashing import keyed_hash
from core.models import ApiKey, Lab, Membership, Role, Scope, lab_id_of

API_KEY_PURPOSE: Final = "api_key"
_KEY_TEXT: Final = re.compile(r"pw_(?:live|test)_[0-9a-f]{40}", re.ASCII)
_SHOWN_CHARACTERS: Final = 12  # "pw_live_1a2b": tells keys apart, and leaves 144 bits
_ORIGIN: Final = re.compile(
    r"https?://[A-Za-z0-9.\-]+(?::[0-9]{1,5})?|https?://\[[0-9a-fA-F:]+\](?::[0-9]{1,5})?", re.ASCII
)


class InvalidLab(DomainError):
    """400: a value of a lab that cannot be used."""

    code: ClassVar[str] = "invalid_lab"
    status: ClassVar[int] = 400


class UnknownScope(DomainError):
    code: ClassVar[str] = "unknown_scope"
    status: ClassVar[int] = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """A key that was just made. `text` exists only here: show it once."""

    key: ApiKey
    text: str = field(repr=False)


def create_lab(
    *,
    name: str,
    actor: Any,
    slug: str = "",
    timezone: str = "UTC",
    return_origins: Collection[str] = (),
    owner: Any = None,
) -> Lab:
    """A new tenant with its data key, its first audit row and, where given, its owner. Raises InvalidLab."""
    if not name.strip():
        raise InvalidLab("Give the lab a name.")
    slug = slug or slugify(name) or f"lab-{secrets.token_hex(4)}"
    with transaction.atomic():
        if Lab.objects.filter(slug=slug).exists():
            raise InvalidLab("Another lab has this slug; choose another.")
        lab = Lab.objects.create(
            name=name.strip(),
            slug=slug,
            timezone=_checked_timezone(timezone),
            return_origins=[checked_origin(origin) for origin in return_origins],
        )
        encryption.ensure_data_key(lab)
        audit.record(
            lab=lab, actor=actor, action="lab.created", object_type="lab", object_id=slug, changes={"name": name}
        )
        if owner is not None:
            add_member(lab=lab, user=owner, role=Role.OWNER, actor=actor)
    return lab


def _checked_timezone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidLab("Send an IANA time zone, like Asia/Kolkata.") from None


def checked_origin(origin: str) -> str:
    """An origin without path, in lower case. Raises InvalidLab."""
    if not _ORIGIN.fullmatch(origin):
        raise InvalidLab("A return origin looks like https://shop.example, without path or slash at the end.")
    return origin.lower()


def add_member(*, lab: Lab | int, user: Any, role: str, actor: Any) -> Membership:
    """Give a person a role in a lab, or another role than before. Raises InvalidLab for an unknown role."""
    if role not in Role.values:
        raise InvalidLab(f"Send one of the roles: {', '.join(Role.values)}.")
    with transaction.atomic():
        member, is_new = Membership.objects.for_lab(lab).get_or_create(
            lab_id=lab_id_of(lab), user=user, defaults={"role": role}
        )
        before = None if is_new else member.role
        if before != role:
            member.role = role
            member.save(update_fields=["role"])
            changes = {"role": [before, role]}
            audit.record(
                lab=lab, actor=actor, action="member.set", object_type="user", object_id=user.pk, changes=changes
            )
    return member  # type: ignore[no-any-return]


def create_api_key(
    *,
    lab: Lab | int,
    mode: Mode | str,
    name: str,
    scopes: Collection[str],
    actor: Any,
    expires_at: datetime | None = None,
) -> NewApiKey:
    """A new key of a lab. Its text is in the answer and nowhere else. Raises UnknownScope."""
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown or not scopes:
        raise UnknownScope(f"Send one or more of the scopes: {', '.join(Scope.values)}.")
    text = f"pw_{Mode(mode).value}_{secrets.token_hex(20)}"  # 160 bits
    with transaction.atomic():
        key = ApiKey.objects.create(
            lab_id=lab_id_of(lab),
            mode=Mode(mode).value,
            name=name,
            prefix=text[:_SHOWN_CHARACTERS],
            key_hash=keyed_hash(API_KEY_PURPOSE, text),
            scopes=sorted(set(scopes)),
            created_by=None if isinstance(actor, str) else actor,
            expires_at=expires_at,
        )
        changes = {"name": name, "mode": key.mode, "prefix": key.prefix, "scopes": key.scopes}
        audit.record(
            lab=lab, actor=actor, action="api_key.created", object_type="api_key", object_id=key.prefix, changes=changes
        )
    return NewApiKey(key=key, text=text)


def revoke_api_key(*, lab: Lab | int, key_id: int, actor: Any) -> None:
    """End a key at once and for good; again is harmless. Raises ApiKey.DoesNotExist for another lab's."""
    with transaction.atomic():
        key = ApiKey.objects.for_lab(lab).select_for_update().get(pk=key_id)
        if key.revoked_at is None:
            key.revoked_at = clock.now()
            key.save(update_fields=["revoked_at"])
            audit.record(lab=lab, actor=actor, action="api_key.revoked", object_type="api_key", object_id=key.prefix)


def is_api_key_text(text: str) -> bool:
    """Whether a text has the form of a key; no other is looked up."""
    return _KEY_TEXT.fullmatch(text) is not None


# Customers -----------------------------------------------------------------------------------------------------------

# What is not said (empty) keeps what is known. Where nothing changes nothing is written or locked: the usual case of a
# customer who pays again. As a CTE: `customer AS (UPSERT_CUSTOMER_SQL)`, then `(SELECT id FROM customer)`.
UPSERT_CUSTOMER_SQL: Final = """
    WITH given AS (
        SELECT %(customer_lab_id)s::bigint AS lab_id, %(customer_external_id)s::text AS external_id,
               %(customer_name)s::text AS name, %(customer_email)s::text AS email, %(customer_phone)s::text AS phone
    ), same AS (
        SELECT known.id FROM core_customer AS known JOIN given
            ON known.lab_id = given.lab_id AND known.external_id = given.external_id AND given.external_id <> ''
        WHERE given.name IN ('', known.name) AND given.email IN ('', known.email) AND given.phone IN ('', known.phone)
    ), written AS (
        INSERT INTO core_customer AS mine (lab_id, external_id, name, email, phone)
        SELECT lab_id, external_id, name, email, phone FROM given WHERE NOT EXISTS (SELECT 1 FROM same)
        ON CONFLICT (lab_id, external_id) WHERE external_id <> '' DO UPDATE
            SET name = coalesce(nullif(excluded.name, ''), mine.name),
                email = coalesce(nullif(excluded.email, ''), mine.email),
                phone = coalesce(nullif(excluded.phone, ''), mine.phone)
        RETURNING id
    )
    SELECT id FROM same UNION ALL SELECT id FROM written"""


def customer_parameters(
    *, lab_id: int, external_id: str = "", name: str = "", email: str = "", phone: str = ""
) -> dict[str, Any]:
    """The parameters of UPSERT_CUSTOMER_SQL."""
    return {
        "customer_lab_id": lab_id,
        "customer_external_id": external_id,
        "customer_name": name,
        "customer_email": email,
        "customer_phone": phone,
    }


def upsert_customer(*, lab: Lab | int, external_id: str = "", name: str = "", email: str = "", phone: str = "") -> int:
    """The id of the lab's customer with `external_id`, made or brought up to date; one statement.

    Without an external id always a new customer: an e-mail address proves nobody.
    """
    parameters = customer_parameters(
        lab_id=lab_id_of(lab), external_id=external_id, name=name, email=email, phone=phone
    )
    with connection.cursor() as cursor:
        cursor.execute(UPSERT_CUSTOMER_SQL, parameters)
        return int(cursor.fetchone()[0])
