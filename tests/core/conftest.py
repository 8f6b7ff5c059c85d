"""What tests of core share: no keys remembered from another test, a lab, and a client that speaks the API."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from core import encryption, labs, shared_redis
from core.models import AuditLog, Customer, IdempotencyKey, Lab, Scope


@pytest.fixture(autouse=True)
def _no_memory() -> Iterator[None]:
    encryption.forget_cached_keys()
    shared_redis.pause.end()
    yield
    encryption.forget_cached_keys()


@pytest.fixture
def lab(db: None) -> Lab:
    return Lab.objects.create(name="Acme", slug="acme", return_origins=["https://shop.example"])


@pytest.fixture
def committed_lab(django_db_setup: None, django_db_blocker: Any) -> Iterator[Lab]:
    """A lab that other connections see. Removed afterwards as only a superuser can, for its audit rows resist."""
    with django_db_blocker.unblock():
        lab = Lab.objects.create(name="Committed", slug=f"committed-{uuid.uuid4().hex[:12]}")
        yield lab
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for model in (IdempotencyKey, AuditLog, Customer):
                model.objects.for_lab(lab).delete()
            Lab.objects.filter(pk=lab.pk)._raw_delete("default")
        connection.close()


@pytest.fixture
def other_lab(db: None) -> Lab:
    return Lab.objects.create(name="Other", slug="other")


Call = Callable[..., Any]


@pytest.fixture
def call_as() -> Callable[..., Call]:
    """call_as(lab, "live", ["payments:read"]) -> a function (method, path, **options) -> response."""

    def of(lab: Lab, mode: str = "live", scopes: list[str] | None = None) -> Call:
        made = labs.create_api_key(lab=lab, mode=mode, name="test", scopes=scopes or Scope.values, actor="test")
        client = Client(raise_request_exception=False)

        def call(method: str, path: str, body: Any = None, **options: Any) -> Any:
            headers = {"Authorization": f"Bearer {made.text}", **options.pop("headers", {})}
            if body is not None:
                options.update(data=body, content_type=options.pop("content_type", "application/json"))
            return client.generic(method, path, headers=headers, **options)

        return call

    return of
