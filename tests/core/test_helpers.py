"""Rate limits, when a key was last used, Redis that is away, outgoing events, health."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client

from core import clock, health, labs, outbox, rate_limit, shared_redis, tasks
from core.models import ApiKey, OutboxEvent
from core.rate_limit import TooManyRequests

AT = datetime(2026, 11, 20, 18, 30, 20, tzinfo=UTC)
NOBODY = "redis://127.0.0.1:1/0"  # nothing listens there


@pytest.fixture
def redis_is_away(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": NOBODY}}


class TestLimits:
    def test_the_limit_holds_for_a_minute_and_says_how_long_to_wait(self):
        subject = uuid.uuid4().hex
        with clock.fixed(AT):
            for _ in range(3):
                rate_limit.check(name="link", subject=subject, limit=3)
            with pytest.raises(TooManyRequests) as caught:
                rate_limit.check(name="link", subject=subject, limit=3)
            rate_limit.check(name="link", subject="another", limit=3)
        assert (caught.value.status, caught.value.code, caught.value.retry_after_seconds) == (429, "rate_limited", 40)
        with clock.fixed(AT + timedelta(seconds=40)):
            rate_limit.check(name="link", subject=subject, limit=3)

    def test_a_key_and_its_lab_are_counted_apart(self, settings):
        settings.API_RATE_LIMITS = {"key": 2, "lab": 3}
        lab_id, one, two = (uuid.uuid4().int % 10**12 for _ in range(3))
        with clock.fixed(AT):
            rate_limit.check_api(key_id=one, lab_id=lab_id)
            rate_limit.check_api(key_id=one, lab_id=lab_id)
            rate_limit.check_api(key_id=two, lab_id=lab_id)
            for key_id in (one, two):
                with pytest.raises(TooManyRequests):
                    rate_limit.check_api(key_id=key_id, lab_id=lab_id)

    def test_zero_means_no_limit(self, settings):
        settings.API_RATE_LIMITS = {"key": 0, "lab": 0}
        with clock.fixed(AT):
            for _ in range(5):
                rate_limit.check_api(key_id=-1, lab_id=-1)

    @pytest.mark.django_db
    @pytest.mark.urls("tests.core.urls")
    def test_the_api_answers_429_with_retry_after(self, lab, call_as, settings):
        settings.API_RATE_LIMITS = {"key": 1, "lab": 0}
        call = call_as(lab)
        with clock.fixed(AT + timedelta(seconds=uuid.uuid4().int % 10**9)):
            assert call("GET", "/v1/customers").status_code == 200
            response = call("GET", "/v1/customers")
        assert (response.status_code, response.json()["code"], response.json()["retryable"]) == (
            429,
            "rate_limited",
            True,
        )
        assert 1 <= int(response["Retry-After"]) <= 60


class TestLastUsed:
    def test_it_is_written_away_from_the_request_and_at_most_once_a_minute(self, lab):
        key = labs.create_api_key(lab=lab, mode="live", name="x", scopes=["payments:read"], actor="test").key
        rate_limit.flush_last_used()

        def used_at() -> datetime | None:
            return ApiKey.objects.for_lab(lab).get().last_used_at

        with clock.fixed(AT):
            rate_limit.check_api(key_id=key.pk, lab_id=lab.pk)
        assert used_at() is None
        assert tasks.flush_last_used() == 1
        assert used_at() == AT
        assert rate_limit.flush_last_used() == 0
        for seconds, written in ((30, 0), (61, 1)):
            with clock.fixed(AT + timedelta(seconds=seconds)):
                rate_limit.check_api(key_id=key.pk, lab_id=lab.pk)
            assert rate_limit.flush_last_used() == written
        assert used_at() == AT + timedelta(seconds=61)

    def test_without_redis_it_is_skipped(self, db, redis_is_away):
        assert rate_limit.flush_last_used() == 0


class TestRedisThatIsAway:
    def test_requests_pass(self, redis_is_away):
        for _ in range(3):
            rate_limit.check(name="link", subject="x", limit=1)

    def test_it_is_not_asked_again_for_ten_seconds(self, redis_is_away):
        asked = []
        before = shared_redis.pause.failures
        for _ in range(3):
            assert shared_redis.attempt(lambda client: asked.append(1) or client.ping(), False) is False
        assert len(asked) == 1
        assert shared_redis.pause.failures == before + 1

    def test_a_pause_ends_by_itself(self):
        moment = [100.0]
        pause = shared_redis.Pause(10, monotonic=lambda: moment[0])
        assert pause.is_on is False
        pause.start()
        moment[0] = 109.9
        assert pause.is_on is True
        moment[0] = 110.0
        assert pause.is_on is False

    def test_an_installation_without_redis_has_none_to_ask(self, settings):
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
        assert shared_redis.address() is None
        assert shared_redis.attempt(lambda client: client.ping(), "otherwise") == "otherwise"


class TestOutbox:
    def test_a_row_is_plain_json_with_a_payload_to_be_signed(self):
        with clock.fixed(AT):
            row = outbox.event_row(
                lab_id=7, mode="live", type="payment.captured", object_type="payment", object_id="PAY_1",
                data={"id": "PAY_1", "amount": 10**30},
            )  # fmt: skip
        assert tuple(row) == outbox.COLUMNS
        assert row["payload"] == {
            "type": "payment.captured",
            "timestamp": "2026-11-20T18:30:20Z",
            "data": {"id": "PAY_1", "amount": 10**30},
        }
        assert row["webhook_id"].startswith("msg_")
        assert len(row["webhook_id"]) == 36

    def test_any_number_of_rows_is_one_statement(self, lab, django_assert_num_queries):
        rows = [
            outbox.event_row(
                lab_id=lab.pk, mode="test", type="a.b", object_type="payment", object_id=str(n), data={"n": n}
            )
            for n in range(100)
        ]
        with django_assert_num_queries(1), connection.cursor() as cursor:
            cursor.execute(outbox.INSERT_SQL, {"outbox": outbox.rows_text(rows)})
        kept = OutboxEvent.objects.for_lab(lab).order_by("id")
        assert [event.payload for event in kept] == [row["payload"] for row in rows]
        assert len({event.webhook_id for event in kept}) == 100
        assert {event.dispatched_at for event in kept} == {None}


@pytest.mark.urls("core.urls")
class TestHealth:
    def test_healthz_asks_nobody(self, redis_is_away):
        response = Client().get("/healthz")
        assert (response.status_code, response.json()) == (200, {"status": "ok"})

    def test_readyz_names_every_part(self, db):
        response = Client().get("/readyz")
        assert (response.status_code, response.json()) == (
            200,
            {
                "status": "ok",
                "checks": dict.fromkeys(["database", "migrations", "guards", "encryption", "redis"], "ok"),
            },
        )

    def test_without_redis_it_is_degraded_and_still_ready(self, db, redis_is_away):
        response = Client().get("/readyz")
        assert (response.status_code, response.json()["status"], response.json()["checks"]["redis"]) == (
            200, "degraded", "down",
        )  # fmt: skip

    def test_without_the_database_it_is_not_ready(self, monkeypatch):
        def down() -> str:
            raise OperationalError("password=secret")

        for part in ("_database", "_migrations", "_guards", "_encryption"):
            monkeypatch.setattr(health, part, down)
        response = Client().get("/readyz")
        assert (response.status_code, response.json()["status"], response["Retry-After"]) == (503, "not_ready", "5")
        assert response.json()["checks"]["database"] == "down"
        assert b"secret" not in response.content

    def test_with_a_strangers_key_it_is_not_ready(self, db, settings):
        settings.MASTER_KEYS = ("stranger:MTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6QUJDRA==",)
        response = Client().get("/readyz")
        assert (response.status_code, response.json()["checks"]["encryption"]) == (503, "cannot_open")

    def test_with_a_migration_missing_it_is_not_ready(self, db, monkeypatch):
        monkeypatch.setattr(health, "_migrated", set())
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM django_migrations WHERE app = 'core')"
            )
        response = Client().get("/readyz")
        assert (response.status_code, response.json()["checks"]["migrations"]) == (503, "not_applied")

    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
    def test_they_are_only_read(self, db, path):
        assert Client().post(path).status_code == 405

    def test_metrics_are_for_this_machine(self):
        response = Client().get("/metrics")
        assert response.status_code == 200
        assert b"python_info" in response.content

    @pytest.mark.parametrize(
        "seen",
        [{"REMOTE_ADDR": "203.0.113.9"}, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, {"HTTP_FORWARDED": "for=127.0.0.1"},
         {"REMOTE_ADDR": ""}],
    )  # fmt: skip
    def test_metrics_are_not_for_others(self, settings, seen):
        settings.METRICS_TOKEN = ""
        response = Client().get("/metrics", **seen)
        assert (response.status_code, json.loads(response.content)["code"]) == (404, "not_found")

    def test_metrics_can_be_read_with_a_token(self, settings):
        settings.METRICS_TOKEN = "for-prometheus"
        for given, status in (("Bearer for-prometheus", 200), ("Bearer for-prometheu", 404), ("Bearer ", 404)):
            headers = {"Authorization": given}
            assert Client().get("/metrics", headers=headers, REMOTE_ADDR="203.0.113.9").status_code == status
