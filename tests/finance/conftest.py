"""A lab with a customer, and another lab."""

from __future__ import annotations

from itertools import count

import pytest

from core.models import Customer, Lab

_numbers = count(1)


def make_lab(name: str = "Lab") -> Lab:
    return Lab.objects.create(name=name, slug=f"lab-{next(_numbers)}")


def make_customer(lab: Lab, external_id: str = "") -> Customer:
    return Customer.across_labs.create(lab=lab, external_id=external_id or f"c{next(_numbers)}")


@pytest.fixture
def lab(db: None) -> Lab:
    return make_lab()


@pytest.fixture
def other_lab(db: None) -> Lab:
    return make_lab("Other")


@pytest.fixture
def customer(lab: Lab) -> Customer:
    return make_customer(lab)
