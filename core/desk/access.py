"""Who may see and do what at the desk: decided by a person's role in a lab, never by Django's model permissions.

A member sees the labs of their memberships. A superuser who is no member first opens a lab, which leaves an audit row in
it, and then acts there like an owner: that is the one way across labs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from django.http import HttpRequest

from core import audit
from core.models import Lab, Membership, Role

_SESSION: Final = "desk_lab"


class Ability(StrEnum):
    SEE = "see"  # payments, refunds, customers, links, gateway keys without their secrets
    CHECK = "check"  # ask the gateway now
    MARK_SEEN = "mark_seen"  # that a person has looked at what wants attention
    SEE_EVENTS = "see_events"  # webhooks with their bodies, addresses of payment links
    SEE_BALANCES = "see_balances"
    CHANGE_KEYS = "change_keys"
    SEE_AUDIT = "see_audit"


_ALL: Final = frozenset(Ability)
ABILITIES: Final[Mapping[Role, frozenset[Ability]]] = {
    Role.OWNER: _ALL,
    Role.MANAGER: _ALL,
    Role.FINANCE: frozenset({Ability.SEE, Ability.MARK_SEEN, Ability.SEE_BALANCES}),
    Role.SUPPORT: frozenset({Ability.SEE, Ability.CHECK, Ability.SEE_EVENTS}),
    Role.VIEWER: frozenset({Ability.SEE, Ability.SEE_BALANCES}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What one request may reach. `roles` and `labs` are by lab id and hold the same labs.

    `member_labs` are all labs of the person, also while one of them is chosen. `is_operator` tells that the one lab was
    opened by a superuser who is no member of it.
    """

    roles: Mapping[int, Role]
    labs: Mapping[int, Lab]
    member_labs: Mapping[int, Lab]
    is_operator: bool = False

    def lab_ids(self, ability: Ability) -> list[int]:
        """The labs in which this person has an ability."""
        return [lab_id for lab_id, role in self.roles.items() if ability in ABILITIES[role]]

    def may(self, ability: Ability, lab_id: int | None = None) -> bool:
        """Whether they have it in a lab; without one, in any."""
        found = self.lab_ids(ability)
        return bool(found) if lab_id is None else lab_id in found

    @property
    def only_lab(self) -> Lab | None:
        """The lab, where this request reaches exactly one."""
        return next(iter(self.labs.values())) if len(self.labs) == 1 else None


def access_of(request: HttpRequest) -> Access:
    """What this request may reach; read once for each request. Nothing for people who may not be at the desk."""
    found: Access | None = getattr(request, "_desk_access", None)
    if found is None:
        found = _read(request)
        request._desk_access = found  # type: ignore[attr-defined]
    return found


def _read(request: HttpRequest) -> Access:
    user: Any = request.user
    if not (user.is_active and user.is_staff):
        return Access(roles={}, labs={}, member_labs={})
    members = list(Membership.across_labs.filter(user_id=user.pk).select_related("lab").order_by("lab__name", "lab_id"))
    labs = {member.lab_id: member.lab for member in members}
    roles = {member.lab_id: Role(member.role) for member in members}
    chosen: int | None = request.session.get(_SESSION)
    if chosen is not None and chosen in labs:
        return Access(roles={chosen: roles[chosen]}, labs={chosen: labs[chosen]}, member_labs=labs)
    opened = Lab.objects.filter(pk=chosen).first() if chosen is not None and user.is_superuser else None
    if opened is not None:
        return Access(roles={opened.pk: Role.OWNER}, labs={opened.pk: opened}, member_labs=labs, is_operator=True)
    return Access(roles=roles, labs=labs, member_labs=labs)


def labs_to_choose(request: HttpRequest) -> list[Lab]:
    """A member's own labs; all of them for a superuser."""
    user: Any = request.user
    return (
        list(Lab.objects.order_by("name", "pk")) if user.is_superuser else list(access_of(request).member_labs.values())
    )


def choose_lab(request: HttpRequest, lab: Lab) -> None:
    """From now on show this lab alone. A superuser who is no member leaves an audit row in it. Raises LookupError."""
    user: Any = request.user
    is_member = lab.pk in access_of(request).member_labs
    if not is_member:
        if not (user.is_superuser and user.is_active and user.is_staff):
            raise LookupError("not a member of this lab")
        audit.record(lab=lab, actor=user, action="desk.lab_opened", object_type="lab", object_id=lab.slug)
    request.session[_SESSION] = lab.pk
    _forget(request)


def leave_lab(request: HttpRequest) -> None:
    """Back to all labs of one's memberships."""
    access = access_of(request)
    if access.is_operator:
        for lab in access.labs.values():
            audit.record(lab=lab, actor=request.user, action="desk.lab_left", object_type="lab", object_id=lab.slug)
    request.session.pop(_SESSION, None)
    _forget(request)


def _forget(request: HttpRequest) -> None:
    if hasattr(request, "_desk_access"):
        del request._desk_access
