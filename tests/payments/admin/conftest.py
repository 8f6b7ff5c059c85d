"""People at the desk."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from core import labs
from core.models import Lab

_numbers = itertools.count(1)
BACKEND = "django.contrib.auth.backends.ModelBackend"
PASSWORD = "a desk of oak, 1947"


class Person(Client):
    """A browser in which somebody is logged in."""

    user: Any

    def text(self, path: str) -> str:
        """A page that must be 200, as its source."""
        response = self.get(path)
        assert response.status_code == 200, (path, response.status_code, response.headers.get("Location"))
        return response.content.decode()

    def words(self, path: str) -> str:
        """A page as a person reads it: without tags, spaces as one."""
        return readable(self.text(path))


def readable(source: str) -> str:
    bare = re.sub(r"<(script|style)\b.*?</\1>", " ", source, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", bare)))


def make_person(lab: Lab | None = None, role: str = "owner", **options: Any) -> Person:
    """Somebody with a role in a lab, or in none."""
    user = get_user_model()(username=f"person{next(_numbers)}", is_staff=True, **options)
    user.set_password(PASSWORD)
    user.save()
    if lab is not None:
        labs.add_member(lab=lab, user=user, role=role, actor="test")
    person = Person(raise_request_exception=False)
    person.force_login(user, backend=BACKEND)
    person.user = user
    return person


@pytest.fixture
def person(db: None) -> Callable[..., Person]:
    return make_person


def page(model: str, address: Any = "", verb: str = "change") -> str:
    """The path of a list, or of a page under it."""
    base = f"/admin/{model.replace('.', '/')}/"
    return base if address == "" else f"{base}{address}/{verb}/"
