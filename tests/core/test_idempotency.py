from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction

from core.api import idempotency
from core.api.idempotency import (
    InProgress,
    KeyInvalid,
    KeyRequired,
    Mismatch,
    Replay,
    Resume,
    Started,
    begin,
    fingerprint,
    finish,
    let_go,
    purge,
    read_key,
)
from core.models import Customer, IdempotencyKey, Lab

PRINT = fingerprint("/payments/initiate", {"amount": 49900})


def start(lab_id, cursor=None, **changes):
    values = {
        "lab_id": lab_id,
        "mode": "live",
        "method": "POST",
        "route": "/payments/initiate",
        "key": "key-1",
        "fingerprint": PRINT,
        **changes,
    }
    if cursor is not None:
        return begin(cursor, **values)
    with connection.cursor() as own:
        return begin(own, **values)


def answer(held, status=201, body='{"id":"PAY_1"}'):
    with connection.cursor() as cursor:
        return finish(cursor, held, status=status, body=body)


def run_out(row_id):
    IdempotencyKey.across_labs.filter(pk=row_id).update(locked_until="2026-01-01T00:00:00Z")


class TestReadingTheHeader:
    @pytest.mark.parametrize(
        ("given", "key"), [("abc", "abc"), (' "abc" ', "abc"), ('"', '"'), ("x" * 255, "x" * 255), ('a"b', 'a"b')]
    )
    def test_visible_ascii_is_taken_without_surrounding_quotes(self, given, key):
        assert read_key({"Idempotency-Key": given}) == key

    @pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": ""}, {"Idempotency-Key": "  "}])
    def test_a_missing_key_is_required(self, headers):
        with pytest.raises(KeyRequired) as caught:
            read_key(headers)
        assert (caught.value.status, caught.value.code) == (400, "idempotency_key_required")

    @pytest.mark.parametrize("given", ["x" * 256, "a b", "a\tb", "é", "a\x00", '""', "\x7f"])
    def test_anything_else_is_refused(self, given):
        with pytest.raises(KeyInvalid) as caught:
            read_key({"Idempotency-Key": given})
        assert (caught.value.status, caught.value.code) == (400, "idempotency_key_invalid")


class TestFingerprints:
    def test_the_order_of_keys_does_not_matter_and_values_do(self):
        assert fingerprint("/x", {"a": 1, "b": {"c": [1, 2]}}) == fingerprint("/x", {"b": {"c": [1, 2]}, "a": 1})
        assert len(fingerprint("/x", {"a": 1})) == 64
        assert fingerprint("/x", {"a": 1}) != fingerprint("/x", {"a": "1"})

    def test_the_path_is_part_of_it(self):
        assert fingerprint("/v1/payments/PAY_1/capture", {}) != fingerprint("/v1/payments/PAY_2/capture", {})

    def test_what_has_no_fixed_spelling_is_refused(self):
        with pytest.raises(TypeError):
            fingerprint("/x", {"a": object()})


class TestOneKey:
    def test_the_first_request_does_the_work(self, lab):
        held = start(lab.pk, operation_type="payment", operation_id=17)
        row = IdempotencyKey.objects.for_lab(lab).get()
        assert held == Started(row_id=row.pk, lease_token=row.lease_token, operation_id=17, lab_id=lab.pk, mode="live")
        assert (row.state, row.operation_type, row.operation_id, row.fingerprint) == ("running", "payment", 17, PRINT)
        assert "key-1" not in row.key_hash
        assert len(row.key_hash) == 64

    def test_a_repeat_while_it_runs_hears_409(self, lab):
        start(lab.pk)
        with pytest.raises(InProgress) as caught:
            start(lab.pk)
        assert (caught.value.status, caught.value.code, caught.value.retry_after_seconds) == (
            409, "idempotency_in_progress", 2,
        )  # fmt: skip
        assert IdempotencyKey.objects.for_lab(lab).count() == 1

    def test_a_repeat_after_the_end_gets_the_same_bytes(self, lab):
        assert answer(start(lab.pk), 201, '{"id":"PAY_1", "é":1}') is True
        assert start(lab.pk) == Replay(status=201, body='{"id":"PAY_1", "é":1}')

    def test_a_stored_refusal_is_repeated_too(self, lab):
        answer(start(lab.pk), 422, '{"code":"gateway_rejected"}')
        replayed = start(lab.pk)
        assert replayed == Replay(status=422, body='{"code":"gateway_rejected"}')
        response = idempotency.replay_response(replayed)
        assert (response["Idempotency-Replayed"], response["Content-Type"]) == ("true", "application/problem+json")

    @pytest.mark.parametrize("is_finished", [True, False])
    def test_other_input_hears_422_and_changes_nothing(self, lab, is_finished):
        held = start(lab.pk)
        if is_finished:
            answer(held)
        before = IdempotencyKey.objects.for_lab(lab).values().get()
        with pytest.raises(Mismatch) as caught:
            start(lab.pk, fingerprint=fingerprint("/payments/initiate", {"amount": 50000}))
        assert (caught.value.status, caught.value.code) == (422, "idempotency_mismatch")
        assert IdempotencyKey.objects.for_lab(lab).values().get() == before

    def test_other_input_does_not_take_over_a_lease_that_ran_out(self, lab):
        held = start(lab.pk)
        run_out(held.row_id)
        with pytest.raises(Mismatch):
            start(lab.pk, fingerprint="0" * 64)
        assert IdempotencyKey.objects.for_lab(lab).get().lease_token == held.lease_token

    def test_after_the_lease_a_repeat_resumes_the_operation(self, lab):
        held = start(lab.pk, operation_type="payment", operation_id=17)
        run_out(held.row_id)
        resumed = start(lab.pk)
        assert resumed == Resume(
            row_id=held.row_id,
            lease_token=resumed.lease_token,
            operation_type="payment",
            operation_id=17,
            lab_id=lab.pk,
            mode="live",
        )
        assert resumed.lease_token != held.lease_token
        with pytest.raises(InProgress):
            start(lab.pk)

    def test_a_paused_worker_cannot_answer_after_it_lost_the_lease(self, lab):
        held = start(lab.pk)
        run_out(held.row_id)
        resumed = start(lab.pk)
        assert answer(held, 201, "old") is False
        assert answer(resumed, 201, "new") is True
        assert start(lab.pk) == Replay(status=201, body="new")

    def test_the_stored_answer_does_not_open_without_the_labs_key(self, lab):
        held = start(lab.pk)
        answer(held, 201, '{"pay_url":"https://pay.example/pay/secret"}')
        stored = IdempotencyKey.objects.for_lab(lab).get().response_body
        assert stored.startswith("v1.")
        assert "secret" not in stored

    def test_an_answer_is_stored_once(self, lab):
        held = start(lab.pk)
        assert answer(held, 201, "first") is True
        assert answer(held, 200, "second") is False
        assert start(lab.pk) == Replay(status=201, body="first")

    def test_let_go_lets_a_repeat_resume_at_once(self, lab):
        held = start(lab.pk, operation_type="payment", operation_id=17)
        with connection.cursor() as cursor:
            let_go(cursor, held)
        resumed = start(lab.pk)
        assert isinstance(resumed, Resume)
        assert resumed.operation_id == 17

    @pytest.mark.parametrize("status", [500, 502, 504, 100])
    def test_a_5xx_is_never_stored(self, lab, status):
        held = start(lab.pk)
        with pytest.raises(ValueError, match="200 to 499"):
            answer(held, status)
        with pytest.raises(IntegrityError, match="answer_if_finished"), transaction.atomic():
            IdempotencyKey.across_labs.filter(pk=held.row_id).update(state="finished", response_status=status)
        assert IdempotencyKey.objects.for_lab(lab).get().state == "running"

    def test_the_key_goes_with_the_transaction_that_failed(self, lab):
        with transaction.atomic():
            start(lab.pk)
            transaction.set_rollback(True)
        assert IdempotencyKey.objects.for_lab(lab).count() == 0
        assert isinstance(start(lab.pk), Started)

    def test_the_operation_id_can_come_from_the_operations_own_sequence(self, lab):
        held = start(lab.pk, operation_type="customer", operation_sequence="core_customer_id_seq")
        Customer.objects.create(id=held.operation_id, lab=lab)
        assert Customer.objects.create(lab=lab).pk == held.operation_id + 1
        assert IdempotencyKey.objects.for_lab(lab).get().operation_id == held.operation_id

    def test_it_is_one_statement_and_so_is_the_answer(self, lab, django_assert_num_queries, monkeypatch):
        # In ordinary life the lab's data key is in memory; one made in this transaction is not kept there.
        monkeypatch.setattr(idempotency, "seal", lambda _lab, _place, text: text)
        monkeypatch.setattr(idempotency, "open_", lambda _lab, _place, text: text)
        start(lab.pk, key="warm")
        with django_assert_num_queries(1):
            held = start(lab.pk)
        with django_assert_num_queries(1):
            answer(held)
        with django_assert_num_queries(1):
            start(lab.pk)


@pytest.mark.parametrize(
    "other", [{"mode": "test"}, {"method": "PUT"}, {"route": "/payments/refund"}, {"key": "key-2"}, {"lab_id": None}]
)
def test_a_key_counts_for_its_own_lab_mode_method_and_route_only(lab, other_lab, other):
    answer(start(lab.pk))
    if "lab_id" in other:
        other = {"lab_id": other_lab.pk}
    assert isinstance(start(**{"lab_id": lab.pk, **other}), Started)


def test_keys_are_kept_for_30_days_and_then_purged(lab):
    for days, name in ((29, "young"), (31, "old")):
        held = start(lab.pk, key=name)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE core_idempotencykey SET created_at = now() - make_interval(days => %s) WHERE id = %s",
                [days, held.row_id],
            )
    with connection.cursor() as cursor:
        assert purge(cursor, older_than=idempotency.KEEP / 30) == 1  # a shorter time is not taken
        assert purge(cursor) == 0
    assert IdempotencyKey.objects.for_lab(lab).count() == 1
    with pytest.raises(InProgress):
        start(lab.pk, key="young")


@pytest.mark.concurrency
class TestManyAtOnce:
    def race(self, lab: Lab, work, threads: int = 10) -> list[object]:
        together = threading.Barrier(threads)

        def one(number: int) -> object:
            try:
                together.wait()
                with transaction.atomic(), connection.cursor() as cursor:
                    return work(cursor, number)
            except (InProgress, Mismatch) as error:
                return error
            finally:
                connection.close()

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(one, range(threads)))

    def test_of_ten_identical_requests_one_starts(self, committed_lab):
        found = self.race(committed_lab, lambda cursor, _: start(committed_lab.pk, cursor))
        assert Counter(type(each) for each in found) == {Started: 1, InProgress: 9}
        assert IdempotencyKey.objects.for_lab(committed_lab).count() == 1

    def test_of_ten_that_come_after_the_lease_one_resumes(self, committed_lab):
        held = start(committed_lab.pk)
        run_out(held.row_id)
        found = self.race(committed_lab, lambda cursor, _: start(committed_lab.pk, cursor))
        assert Counter(type(each) for each in found) == {Resume: 1, InProgress: 9}

    def test_when_the_first_rolls_back_another_starts(self, committed_lab):
        entered, leave = threading.Event(), threading.Event()

        def fails() -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                start(committed_lab.pk, cursor)
                entered.set()
                leave.wait(5)
                transaction.set_rollback(True)
            connection.close()

        thread = threading.Thread(target=fails)
        thread.start()
        assert entered.wait(5)
        threading.Timer(0.3, leave.set).start()
        assert isinstance(start(committed_lab.pk), Started)  # waits for the first to end
        thread.join()
        assert IdempotencyKey.objects.for_lab(committed_lab).count() == 1
