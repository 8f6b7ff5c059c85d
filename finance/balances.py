"""Opening a customer's balance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from core.models import Customer, Lab, lab_id_of
from core.money import exponent_of
from finance.models import AccountKind, UserBalance

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser


def open_balance(*, lab: Lab | int, owner: Customer | AbstractUser, asset: str) -> UserBalance:
    """The balance of a customer, or of a Django user's customer at `lab`; both are made where missing.

    Raises ValueError when the customer is another lab's, core.money.UnknownAsset for an asset that is not known.
    """
    exponent_of(asset)
    lab_id = lab_id_of(lab)
    customer = owner if isinstance(owner, Customer) else customer_of_user(lab=lab_id, user=owner)
    if customer.lab_id != lab_id:
        raise ValueError("the customer belongs to another lab")
    balance, _ = UserBalance.objects.for_lab(lab_id).get_or_create(
        lab_id=lab_id,
        kind=AccountKind.CUSTOMER_BALANCE,
        owner=str(customer.pk),
        shard=0,
        asset=asset,
        defaults={"customer": customer, "may_go_negative": False},
    )
    return balance


def customer_of_user(*, lab: Lab | int, user: AbstractUser) -> Customer:
    """The one customer that a Django user is at `lab`, made where there is none yet."""
    customers = Customer.objects.for_lab(lab)
    found = customers.filter(user=user).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            return customers.create(
                lab_id=lab_id_of(lab), user=user, name=user.get_full_name() or user.get_username(), email=user.email
            )
    except IntegrityError:  # somebody else was faster
        return customers.get(user=user)
