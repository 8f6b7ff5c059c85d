"""What must hold for every gateway, as checks that take a `GatewayCase`.

Run it under pytest by subclassing with the cases as parameters:

    @pytest.mark.parametrize("case", [MyCase()], ids=lambda case: case.slug)
    class TestMyGateway(GatewayContract): ...

A case may name a check in `lacks`, with the reason why it cannot hold; the check is then skipped, saying so. What needs
the platform (every order of a story's facts ending in the same books) is checked by the platform's suite from the same
cases.
"""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any, Final, NoReturn
from urllib.parse import urlencode

from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    OutcomeUnknown,
    WebhookRejected,
)
from core.gateways.port import CanClose, CanRefund
from core.gateways.testing import (
    Answer,
    Event,
    Exchange,
    FakeHttp,
    GatewayCase,
    MemoryCache,
    Trouble,
    answer,
    fixed_clock,
    wire_fields,
)
from core.gateways.types import (
    Attention,
    DisputeStatus,
    FormPost,
    Fraud,
    MethodStatus,
    Mode,
    NotFound,
    Operation,
    PaymentStatus,
    RefundStatus,
    Report,
    Subject,
    WebhookDelivery,
    WebhookReading,
)
from core.http import HttpRequest, HttpResponse, NoAnswer, NotSent, origin_of
from core.money import exponent_of
from core.strict_json import dumps

HTML: Final = b"<!DOCTYPE html><html><head><title>502</title></head><body><h1>Bad gateway</h1></body></html>"
LONG: Final = "Caf\u00e9 \u2615 \u0915\u0949\u092b\u093c\u0940 \U0001f9fe 'x' & <b>=?#" * 60
STATUSES: Final = {
    Subject.PAYMENT: PaymentStatus, Subject.REFUND: RefundStatus, Subject.METHOD: MethodStatus,
    Subject.DISPUTE: DisputeStatus,
}  # fmt: skip
SUBJECTS: Final = {  # of what an operation reports; all others report a payment
    Operation.REFUND: Subject.REFUND,
    Operation.FETCH_REFUND: Subject.REFUND,
    Operation.SAVE_METHOD: Subject.METHOD,
    Operation.FETCH_DISPUTE: Subject.DISPUTE,
    Operation.CHARGE_SAVED: Subject.PAYMENT,
}
REFUND_EVENTS: Final = (Event.REFUND_PENDING, Event.REFUND_SUCCEEDED, Event.REFUND_FAILED)
CUT_POINTS: Final[
    Mapping[str, tuple[Trouble, Answer | None]]
] = {  # where an exchange can break; None: cut its own answer
    "not sent": (Trouble.NOT_SENT, NotSent("ConnectError")),
    "reset before the answer": (Trouble.NO_ANSWER, NoAnswer("ReadError")),
    "timeout": (Trouble.NO_ANSWER, NoAnswer("ReadTimeout")),
    "server error": (Trouble.SERVER_ERROR, answer({"message": "internal"}, status=503)),
    "truncated answer": (Trouble.TRUNCATED, None),
    "unreadable answer": (Trouble.HTML_PAGE, answer(text=HTML, status=200)),
}
A_DAY: Final = timedelta(days=1)
YEARS: Final = timedelta(days=3 * 365)


def check(test: Callable[..., None]) -> Callable[..., None]:
    """Skip a check that the case lacks, with the case's reason."""

    @functools.wraps(test)
    def run(self: Any, case: GatewayCase, *rest: Any, **more: Any) -> None:
        if test.__name__ in case.lacks:
            not_applicable(case.lacks[test.__name__])
        test(self, case, *rest, **more)

    return run


class GatewayContract:
    # --- the case itself ---------------------------------------------------------------------------------------

    def test_what_a_case_lacks_is_a_check_and_has_a_reason(self, case: GatewayCase) -> None:
        for name, reason in case.lacks.items():
            assert callable(getattr(self, name, None)), f"{name} is no check"
            assert len(reason.split()) >= 3, f"say why {case.slug} lacks {name}"
        for exponent, reason in case.missing_exponents.items():
            assert exponent in {0, 2, 3} and len(reason.split()) >= 3

    def test_every_ability_has_an_exchange(self, case: GatewayCase) -> None:
        gateway = case.open()
        wanted = {Operation.INITIATE, Operation.FETCH_PAYMENT}
        wanted |= {operation for operation in Operation if callable(getattr(gateway, operation.value, None))}
        wanted -= {Operation.CHECK_CREDENTIALS}
        assert {exchange.operation for exchange in case.exchanges()} == wanted

    # --- what it says about itself -----------------------------------------------------------------------------

    @check
    def test_it_describes_itself(self, case: GatewayCase) -> None:
        about = case.gateway_class.about
        assert case.gateway_class.slug == case.slug and re.fullmatch(r"[a-z][a-z0-9_]{0,31}", case.slug)
        assert about.label and about.regions and about.methods and about.currencies and about.webhook_setup
        for asset in (*about.currencies, *about.minimums, *about.maximums):
            assert exponent_of(asset) >= 0
        assert set(about.minimums) | set(about.maximums) <= about.currencies
        for mode in Mode:
            assert about.origins[mode] and all(one.startswith("https://") for one in about.origins[mode])

    @check
    def test_its_credentials_fit_their_declaration(self, case: GatewayCase) -> None:
        for mode in Mode:
            given = case.credentials(mode)
            declared = {one.name: one for one in case.gateway_class.about.credentials}
            allowed = set(declared) | {f"previous_{one.name}s" for one in declared.values() if one.rotates}
            assert set(given) <= allowed
            for one in declared.values():
                assert one.label and (one.name in given or not one.is_required), one.name
                value = given.get(one.name)
                if value is not None:
                    assert re.fullmatch(one.patterns.get(mode, ".*"), value, re.DOTALL), one.name
                    assert len(value) >= one.min_length
        assert declared[case.secret_field].is_secret

    @check
    def test_credentials_of_the_other_mode_are_refused(self, case: GatewayCase) -> None:
        for mode, other in ((Mode.TEST, Mode.LIVE), (Mode.LIVE, Mode.TEST)):
            foreign = functools.partial(case.open, mode=mode, credentials=case.credentials(other))
            assert isinstance(raised(foreign), GatewayMisconfigured)

    @check
    def test_good_credentials_pass_and_bad_ones_do_not(self, case: GatewayCase) -> None:
        good = case.open(FakeHttp(case.working_credentials())).check_credentials()
        assert good.ok is True and good.message
        bad = case.open(FakeHttp(case.refused_credentials())).check_credentials()
        assert bad.ok is False and bad.message

    # --- amounts and fields ------------------------------------------------------------------------------------

    @check
    def test_amounts_survive_zero_two_and_three_decimals(self, case: GatewayCase) -> None:
        samples = case.amounts()
        seen = {exponent_of(sample.amount.asset) for sample in samples}
        assert {0, 2, 3} - seen == set(case.missing_exponents), "samples for 0, 2 and 3 decimals, or a reason"
        for sample in samples:
            main = main_request(case, case.initiate(case.payment_request(sample.amount)))
            assert sample.sent in main.body.decode(), f"{sample.sent!r} is not in the body for {sample.amount}"
            report = case.run(sample.paid)
            assert (report.status, report.asset, report.captured_minor) == (
                PaymentStatus.CAPTURED, sample.amount.asset, sample.amount.minor)  # fmt: skip

    @check
    def test_unicode_and_long_fields_fit(self, case: GatewayCase) -> None:
        plain = case.payment_request()
        assert plain.customer is not None
        customer = replace(plain.customer, name=LONG)
        request = replace(plain, description=LONG, customer=customer, metadata={"note": LONG[:200], "k": "v"})
        exchange = case.initiate(request)
        assert isinstance(exchange.call(case.open(FakeHttp(exchange.answers()))), Report)
        sent = wire_fields(main_request(case, exchange))
        for name, limit in case.wire_limits().items():
            assert len(sent.get(name, "")) <= limit, name
        assert not any("\ud800" <= character <= "\udfff" for value in sent.values() for character in value)

    @check
    def test_our_reference_travels_and_the_longest_allowed_one_does_too(self, case: GatewayCase) -> None:
        rule = case.gateway_class.about.reference
        longest = (rule.alphabet * rule.max_length)[: rule.max_length]
        for reference in (case.reference, longest):
            assert len(reference) <= rule.max_length and set(reference) <= set(rule.alphabet)
            exchange = case.initiate(case.payment_request(reference=reference))
            assert reference in wire_fields(main_request(case, exchange)).values()

    @check
    def test_only_declared_hosts_are_called(self, case: GatewayCase) -> None:
        for mode in Mode:
            for exchange in case.exchanges():
                sent = requests_of(case, exchange, mode=mode)
                assert sent
                assert {origin_of(one.url) for one in sent} <= set(case.gateway_class.about.origins[mode])

    # --- answers -----------------------------------------------------------------------------------------------

    @check
    def test_every_operation_answers_with_a_report(self, case: GatewayCase) -> None:
        for exchange in reporting(case):
            report = case.run(exchange)
            is_refund = report.about is Subject.REFUND
            assert report.about is SUBJECTS.get(exchange.operation, Subject.PAYMENT), exchange
            assert isinstance(report.status, STATUSES[report.about]), exchange
            assert report.gateway_reference or exchange.is_local, exchange
            assert not is_refund or (report.payment is not None and report.refunded_minor is not None), exchange
            assert report.about is not Subject.DISPUTE or report.payment is not None, exchange
            assert_plain(report)

    @check
    def test_a_created_payment_says_what_to_do_next(self, case: GatewayCase) -> None:
        report = case.run(case.initiate())
        assert report.status in {PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION}
        assert report.next_action is not None
        assert report.captured_minor in {0, None} and report.decline is None

    @check
    def test_a_decline_is_a_result(self, case: GatewayCase) -> None:
        exchange, code = case.decline()
        report = case.run(exchange)
        assert report.decline is not None and report.decline.code == code
        assert report.status in {PaymentStatus.FAILED, PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION}
        assert report.captured_minor in {0, None}

    @check
    def test_an_unseen_status_stays_pending(self, case: GatewayCase) -> None:
        report = case.run(case.unseen_status())
        assert report.status is PaymentStatus.PENDING and report.captured_minor in {0, None}

    @check
    def test_a_payment_that_the_gateway_does_not_know_is_not_found(self, case: GatewayCase) -> None:
        exchange = case.not_found()
        assert isinstance(exchange.call(case.open(FakeHttp(exchange.answers()))), NotFound)

    @check
    def test_a_closed_order_is_over_and_holds_no_money(self, case: GatewayCase) -> None:
        closes = [one for one in case.exchanges() if one.operation is Operation.CLOSE]
        if not closes:
            not_applicable(f"{case.slug} cannot close an unpaid order")
        created = case.run(case.initiate())
        names = case.names(created.gateway_reference, other_references=created.other_references)
        assert case.open().can_close(names) is True, "what it makes by default is what it can end"
        for exchange in closes:
            report = case.run(exchange)
            assert (report.status, report.captured_minor or 0) == (PaymentStatus.EXPIRED, 0)

    @check
    def test_money_that_met_a_close_is_told(self, case: GatewayCase) -> None:
        found = case.close_that_met_money()
        if isinstance(found, str):
            assert not isinstance(case.open(), CanClose), "say how a close meets money"
            not_applicable(found)
        report = case.run(found)
        assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, case.default_amount.minor)

    # --- trouble -----------------------------------------------------------------------------------------------

    @check
    def test_a_lost_answer_is_outcome_unknown(self, case: GatewayCase) -> None:
        expect_errors(case, Trouble.NO_ANSWER, NoAnswer("ReadTimeout"))

    @check
    def test_what_was_never_sent_is_unavailable(self, case: GatewayCase) -> None:
        expect_errors(case, Trouble.NOT_SENT, NotSent("ConnectError"))

    @check
    def test_too_many_requests_is_unavailable_and_says_when_to_return(self, case: GatewayCase) -> None:
        for error in expect_errors(case, Trouble.RATE_LIMITED, case.rate_limit_answer()):
            assert error.http_status == 429 and error.retry_after_seconds == 7.0

    @check
    def test_a_server_error_is_outcome_unknown(self, case: GatewayCase) -> None:
        expect_errors(case, Trouble.SERVER_ERROR, answer({"message": "internal"}, status=500))
        expect_errors(case, Trouble.SERVER_ERROR_PAGE, answer(text=HTML, status=502))

    @check
    def test_an_unreadable_answer_is_outcome_unknown(self, case: GatewayCase) -> None:
        expect_errors(case, Trouble.HTML_PAGE, answer(text=HTML, status=200))
        expect_errors(case, Trouble.EMPTY, answer(text=b"", status=200))
        for exchange in calling(case):
            cut = replace(exchange.answer, body=exchange.answer.body[: len(exchange.answer.body) // 2])
            expect_error(case, exchange, Trouble.TRUNCATED, cut)

    @check
    def test_an_answer_of_the_wrong_shape_never_crashes(self, case: GatewayCase) -> None:
        for exchange in case.exchanges():
            for text in ("[]", "null", "true", '"text"', "1", "{}", '{"data": null}', '{"error": "x"}', '{"id": 7}'):
                wrong = answer(text=text)
                error = raised(exchange.call, case.open(FakeHttp([*exchange.before, wrong, wrong, wrong])))
                assert error is None or isinstance(error, GatewayError), f"{exchange} of {text}: {error!r}"

    @check
    def test_a_retry_repeats_the_idempotency_key(self, case: GatewayCase) -> None:
        for exchange in (one for one in case.exchanges() if one.is_write):
            key = case.idempotency_key_of(main_request(case, exchange))
            assert key and len(key) <= 255, exchange
            assert case.idempotency_key_of(main_request(case, exchange)) == key

    @check
    def test_a_retry_repeats_every_parameter(self, case: GatewayCase) -> None:
        for exchange in (one for one in case.exchanges() if one.is_write):
            first, again = main_request(case, exchange), main_request(case, exchange)
            assert case.comparable(first) == case.comparable(again), exchange

    @check
    def test_initiate_may_break_at_six_points(self, case: GatewayCase) -> None:
        expect_six_cuts(case, Operation.INITIATE)

    @check
    def test_capture_may_break_at_six_points(self, case: GatewayCase) -> None:
        expect_six_cuts(case, Operation.CAPTURE)

    @check
    def test_refund_may_break_at_six_points(self, case: GatewayCase) -> None:
        expect_six_cuts(case, Operation.REFUND)

    @check
    def test_a_token_that_ran_out_is_fetched_anew(self, case: GatewayCase) -> None:
        found = case.expired_token()
        if isinstance(found, str):
            for exchange in case.exchanges():
                cache = MemoryCache()
                exchange.call(case.open(FakeHttp(exchange.answers()), cache=cache))
                kept = [name for name in cache.values if "token" in name.lower()]
                assert not kept, f"{case.slug} keeps {kept}: give expired_token() an exchange"
            not_applicable(found)
        cache, exchange = found
        http = FakeHttp(exchange.answers())
        report = exchange.call(case.open(http, cache=cache))
        assert isinstance(report, Report) and len(http.sent) == len(exchange.answers())
        again = FakeHttp([exchange.answer])
        assert exchange.call(case.open(again, cache=cache)) == report, "the new token is kept"

    # --- secrets -----------------------------------------------------------------------------------------------

    @check
    def test_what_names_a_saved_method_is_told_nowhere_else(self, case: GatewayCase) -> None:
        for exchange in reporting(case):
            report = case.run(exchange)
            if report.saved is None:
                continue
            shown = f"{report!r} {dumps(dict(report.raw))}"
            for secret in (report.saved.token, report.saved.customer_token, report.saved.extra_token):
                assert not secret or secret not in shown, f"{exchange}: a token stands beside the saved method"

    @check
    def test_no_secret_appears_in_repr_logs_or_errors(self, case: GatewayCase) -> None:
        secrets = secrets_of(case)
        with heard() as lines:
            said = [repr(case.open()), str(case.open())]
            for exchange in reporting(case):
                report = case.run(exchange)
                said += [repr(report), dumps(dict(report.raw))]
            for exchange in case.exchanges():
                for bad in (NoAnswer("x"), NotSent("x"), answer({"error": echo(secrets)}, status=401),
                            answer({"error": {"message": echo(secrets)}, "message": echo(secrets)}, status=400),
                            answer(text=echo(secrets), status=500)):  # fmt: skip
                    said += list(told(case, exchange, bad))
            said += told_by_bad_webhooks(case)
        for secret in secrets:
            assert not any(secret in one for one in [*said, *lines]), "a secret is told"

    # --- webhooks ----------------------------------------------------------------------------------------------

    @check
    def test_a_paid_webhook_is_read_and_asks_nobody(self, case: GatewayCase) -> None:
        http = FakeHttp()
        reading = case.open(http).read_webhook(case.webhook(Event.PAID))
        assert isinstance(reading, WebhookReading) and http.sent == []
        (report,) = reading.reports
        assert report.status is PaymentStatus.CAPTURED and report.reference == case.reference
        assert (report.captured_minor, report.asset) == (case.default_amount.minor, case.default_amount.asset)
        assert_plain(report)

    @check
    def test_every_event_is_read_as_what_it_is(self, case: GatewayCase) -> None:
        for event in sorted(case.events - {Event.UNKNOWN}):
            reports = case.open().read_webhook(case.webhook(event)).reports
            word = event.value.removeprefix("refund_")
            wanted = "captured" if event is Event.PAID else word
            assert [one.status.value for one in reports if one.status is not None] == [wanted], event

    @check
    def test_a_forged_or_unsigned_webhook_is_rejected(self, case: GatewayCase) -> None:
        gateway, good = case.open(), case.webhook(Event.PAID)
        forged = [("unsigned", case.unsigned(good)), ("tampered", case.tampered(good)),
                  ("signed with another secret", case.resigned(good, case.other_secret())),
                  ("empty signature", case.with_signature(good, "")),
                  ("no signature at all in it", case.with_signature(good, "\u00e9\u2615")),
                  *case.forgeries()]  # fmt: skip
        for name, delivery in forged:
            assert isinstance(raised(gateway.read_webhook, delivery), WebhookRejected), name

    @check
    def test_without_a_secret_no_webhook_is_believed(self, case: GatewayCase) -> None:
        good = case.webhook(Event.PAID)
        for value in (None, "", "   "):
            known = {**case.credentials(Mode.TEST), case.secret_field: value}
            if value is None:
                del known[case.secret_field]
            for delivery in (good, case.resigned(good, "")):
                error = raised(open_and_read, case, known, delivery)
                assert isinstance(error, GatewayMisconfigured), repr(value)

    @check
    def test_the_previous_secret_is_still_accepted(self, case: GatewayCase) -> None:
        known = {**case.credentials(Mode.TEST), f"previous_{case.secret_field}s": [case.other_secret()]}
        old = case.resigned(case.webhook(Event.PAID), case.other_secret())
        gateway = case.open(credentials=known)
        assert gateway.read_webhook(old).reports == gateway.read_webhook(case.webhook(Event.PAID)).reports
        stranger = case.resigned(old, case.other_secret() + "x")
        assert isinstance(raised(gateway.read_webhook, stranger), WebhookRejected)

    @check
    def test_the_event_key_is_stable_and_tells_events_apart(self, case: GatewayCase) -> None:
        keys = set()
        for event in sorted(case.events):
            delivery = case.webhook(event)
            first, again = case.open().read_webhook(delivery), case.open().read_webhook(delivery)
            assert first.event_key == again.event_key and 1 <= len(first.event_key) <= 255
            keys.add(first.event_key)
        assert len(keys) == len(case.events)

    @check
    def test_an_unknown_event_is_verified_and_says_nothing(self, case: GatewayCase) -> None:
        reading = case.open().read_webhook(case.webhook(Event.UNKNOWN))
        assert reading.reports == () and reading.note and reading.reply.status == 200

    @check
    def test_bytes_of_any_kind_are_read_or_refused(self, case: GatewayCase) -> None:
        gateway, good = case.open(), case.webhook(Event.PAID)
        secret = case.credentials(Mode.TEST)[case.secret_field]
        for body in (b"", b"\xff\xfe", b"null", b"[]", b"{}", b'{"id": 1e999}', b"[" * 5000, b'{"a":1,"a":2}'):
            delivery = replace(good, body=body)
            assert isinstance(raised(gateway.read_webhook, delivery), WebhookRejected), body[:20]
            try:
                signed = case.resigned(delivery, secret)
            except ValueError:
                continue  # cannot even be signed: this gateway signs a parsed form
            error = raised(gateway.read_webhook, signed)
            assert error is None or isinstance(error, WebhookRejected), f"{body[:20]!r}: {error!r}"

    @check
    def test_the_other_mode_is_visible_in_the_report(self, case: GatewayCase) -> None:
        secret = case.credentials(Mode.TEST)[case.secret_field]
        foreign = case.resigned(case.webhook(Event.PAID, mode=Mode.LIVE), secret)
        reading = case.open(mode=Mode.TEST).read_webhook(foreign)
        assert [one.mode for one in reading.reports] == [Mode.LIVE]
        assert case.read(case.webhook(Event.PAID)).mode is Mode.TEST

    @check
    def test_what_was_paid_is_told_and_not_what_was_asked(self, case: GatewayCase) -> None:
        """Wrong amount, wrong currency: the reducer compares, so the gateway must not repeat what we wanted to hear."""
        known = case.default_amount
        others = [replace(known, minor=known.minor + step) for step in (-100, 100)]
        foreign = sorted(
            one for one in case.gateway_class.about.currencies
            if one != known.asset and exponent_of(one) == exponent_of(known.asset)
        )  # fmt: skip
        others += [replace(known, asset=case.other_currency or foreign[0])] if foreign else []
        for money in others:
            report = case.read(case.webhook(Event.PAID, amount=money))
            told = (report.captured_minor, report.asset)
            assert told == (money.minor, money.asset) or report.attention is not None, money

    @check
    def test_a_refund_is_read_in_every_shape(self, case: GatewayCase) -> None:
        if not isinstance(case.open(), CanRefund):
            not_applicable(f"{case.slug} cannot refund")
        told = [event for event in REFUND_EVENTS if event in case.events]
        if not told:
            not_applicable(f"{case.slug} sends no webhook about refunds: they are fetched")
        whole = case.default_amount
        part = replace(whole, minor=whole.minor // 100 * 40)
        for event in told:
            for number, money in enumerate((whole, part, part), start=1):
                name = case.refund_reference_of(number)
                report = case.read(case.webhook(event, amount=money, refund_reference=name))
                assert (report.about, report.status) == (Subject.REFUND, RefundStatus(event.value[7:])), event
                assert report.asset == money.asset, event
                # Where nothing went out yet, some count nothing as refunded and name the amount beside it.
                is_unsent = event is not Event.REFUND_SUCCEEDED and report.refunded_minor == 0
                assert (report.amount_minor if is_unsent else report.refunded_minor) == money.minor, event
                assert report.payment is not None and report.gateway_reference, event
                assert report.reference in {name, None}, event
                assert_plain(report)

    @check
    def test_a_refund_that_settles_or_fails_later_is_the_same_refund(self, case: GatewayCase) -> None:
        told = [event for event in REFUND_EVENTS if event in case.events]
        if len(told) < 2:
            not_applicable(f"{case.slug} tells of a refund once at most, by webhook")
        name = case.refund_reference_of(1)
        reports = [case.read(case.webhook(event, refund_reference=name)) for event in told]
        assert len({(one.gateway_reference, one.reference) for one in reports}) == 1
        assert len({one.status for one in reports}) == len(told)

    @check
    def test_another_account_s_delivery_is_refused_or_marked(self, case: GatewayCase) -> None:
        found = case.foreign_account()
        if isinstance(found, str):
            not_applicable(found)
        credentials, delivery = found
        try:
            reading = case.open(credentials=credentials).read_webhook(delivery)
        except WebhookRejected:
            return
        own = case.open(credentials=credentials).read_webhook(case.webhook(Event.PAID))
        for report in reading.reports:
            is_marked = Attention.MISMATCH in {report.attention, reading.attention}
            assert is_marked or report.account not in {one.account for one in own.reports}, "nobody would notice"

    @check
    def test_a_clock_that_is_wrong_refuses_no_more_than_it_must(self, case: GatewayCase) -> None:
        good, known = case.webhook(Event.PAID), case.open().read_webhook(case.webhook(Event.PAID))
        limit = case.tolerance_seconds
        near = [timedelta(seconds=sign * (limit or 3600)) for sign in (-1, 1)]
        far = [timedelta(seconds=sign * (limit + 1)) for sign in (-1, 1)] if limit else []
        far += [-A_DAY, A_DAY]
        for skew in near:
            gateway = case.open(clock=fixed_clock(case.now + skew))
            assert gateway.read_webhook(good).reports == known.reports, skew
        for skew in far:
            gateway = case.open(clock=fixed_clock(case.now + skew))
            if limit is None:  # no time is signed: then none is compared either
                assert gateway.read_webhook(good).reports == known.reports, skew
            else:
                assert isinstance(raised(gateway.read_webhook, good), WebhookRejected), skew

    @check
    def test_an_event_sent_again_years_later_is_the_same_event(self, case: GatewayCase) -> None:
        secret, then = case.credentials(Mode.TEST)[case.secret_field], case.now + YEARS
        good, known = case.webhook(Event.PAID), case.open().read_webhook(case.webhook(Event.PAID))
        later = case.open(clock=fixed_clock(then))
        if case.tolerance_seconds is not None:
            assert isinstance(raised(later.read_webhook, good), WebhookRejected)
            good = case.resigned_at(good, secret, then)
        again = later.read_webhook(good)
        assert (again.event_key, again.reports) == (known.event_key, known.reports)

    # --- stories -----------------------------------------------------------------------------------------------

    @check
    def test_stories_are_about_one_payment_and_end_in_their_truth(self, case: GatewayCase) -> None:
        assert case.stories()
        for story in case.stories():
            assert story.truth.status is story.expected_status, story.name
            assert (story.truth.captured_minor or 0) == story.expected_captured_minor, story.name
            assert story.expected_attention == frozenset(), story.name
            refunds = {one.reference: one for one in story.refund_truths}
            assert set(story.refunds_asked) <= set(refunds), story.name
            given_back = sum(one.refunded_minor or 0 for one in refunds.values()
                             if one.status is RefundStatus.SUCCEEDED)  # fmt: skip
            assert given_back == story.expected_refunded_minor, story.name
            for fact in (story.initiated, *story.facts, story.truth):
                assert fact.about is Subject.REFUND or fact.reference in {story.reference, None}, story.name

    @check
    def test_contradictions_name_the_attention_they_end_in(self, case: GatewayCase) -> None:
        assert case.contradictions()
        for story in case.contradictions():
            assert story.expected_attention <= set(Attention) and story.expected_attention, story.name


# --- helpers ------------------------------------------------------------------------------------------------------


def raised(call: Callable[..., Any], *arguments: Any) -> BaseException | None:
    """What a call raises. A failed assertion (a request that the script does not know) is not caught."""
    try:
        call(*arguments)
    except AssertionError:
        raise
    except Exception as error:
        return error
    return None


def open_and_read(case: GatewayCase, credentials: Mapping[str, Any], delivery: WebhookDelivery) -> WebhookReading:
    reading = case.open(credentials=credentials).read_webhook(delivery)
    assert isinstance(reading, WebhookReading)
    return reading


def reporting(case: GatewayCase) -> list[Exchange]:
    """All but the deletion of a saved method, which answers with nothing."""
    return [exchange for exchange in case.exchanges() if exchange.operation is not Operation.DELETE_SAVED]


def expect_error(case: GatewayCase, exchange: Exchange, trouble: Trouble, bad: Answer) -> GatewayError:
    http = FakeHttp([*exchange.before, bad, bad, bad, bad])
    error = raised(exchange.call, case.open(http))
    wanted = case.expected_error(exchange, trouble)
    assert type(error) is wanted, f"{exchange} after {trouble}: {error!r}, not {wanted.__name__}"
    assert isinstance(error, GatewayError)
    writes = [one for one in http.sent if one.method == "POST" and not one.is_auxiliary]
    assert len(writes) <= 1, f"{exchange} after {trouble}: repeating is the platform's, not the gateway's"
    return error


def expect_six_cuts(case: GatewayCase, operation: Operation) -> None:
    """Each break has its class, which says whether money may have moved; the repeat then sends the same and succeeds."""
    exchanges = [one for one in case.exchanges() if one.operation is operation]
    if not exchanges:
        not_applicable(f"{case.slug} cannot {operation.value}")
    if all(one.is_local for one in exchanges):
        not_applicable(f"{case.slug} sends nothing itself to {operation.value}: the browser posts a form")
    for exchange in exchanges:
        whole = exchange.answer.body
        for name, (trouble, bad) in CUT_POINTS.items():
            broken = replace(exchange.answer, body=whole[: len(whole) // 2]) if bad is None else bad
            error = expect_error(case, exchange, trouble, broken)
            assert error.money_may_have_moved is isinstance(error, OutcomeUnknown), name
            first = FakeHttp([*exchange.before, broken, broken, broken, broken])
            raised(exchange.call, case.open(first))
            again = FakeHttp(exchange.answers())
            assert isinstance(exchange.call(case.open(again)), Report), f"{exchange} repeated after: {name}"
            place = len(exchange.before)
            assert case.comparable(first.sent[place]) == case.comparable(again.sent[place]), name


def not_applicable(reason: str) -> NoReturn:
    import pytest  # only here: whoever runs the suite has it

    pytest.skip(reason)


def expect_errors(case: GatewayCase, trouble: Trouble, bad: Answer) -> list[GatewayError]:
    exchanges = calling(case)
    assert exchanges
    return [expect_error(case, exchange, trouble, bad) for exchange in exchanges]


def calling(case: GatewayCase) -> list[Exchange]:
    """Exchanges that can fail on the wire: all but a form that the browser posts."""
    return [exchange for exchange in case.exchanges() if not exchange.is_local]


def main_request(case: GatewayCase, exchange: Exchange) -> HttpRequest:
    return requests_of(case, exchange)[len(exchange.before)]


def requests_of(case: GatewayCase, exchange: Exchange, *, mode: Mode = Mode.TEST) -> list[HttpRequest]:
    """What an exchange sends. A form that the browser is to post counts as sent."""
    http = FakeHttp(exchange.answers())
    found = exchange.call(case.open(http, mode=mode))
    action = found.next_action if isinstance(found, Report) else None
    if exchange.is_local:
        assert http.sent == [], f"{exchange} is said to send nothing"
        assert isinstance(action, FormPost), exchange
        http.sent.append(HttpRequest(method="POST", url=action.url, body=urlencode(dict(action.fields)).encode()))
    return http.sent


def secrets_of(case: GatewayCase) -> list[str]:
    declared = {one.name for one in case.gateway_class.about.credentials if one.is_secret}
    found = [value for name, value in case.credentials(Mode.TEST).items() if name in declared and value]
    assert found
    return found


def echo(secrets: list[str]) -> str:
    """What a careless server sends back."""
    return "bad credentials: " + " ".join(secrets)


def told(case: GatewayCase, exchange: Exchange, bad: HttpResponse | Exception) -> Iterator[str]:
    error = raised(exchange.call, case.open(FakeHttp([*exchange.before, bad, bad, bad, bad])))
    while error is not None:
        yield from (str(error), repr(error), repr(vars(error)))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def told_by_bad_webhooks(case: GatewayCase) -> list[str]:
    paid, known = case.webhook(Event.PAID), case.credentials(Mode.TEST)
    errors = [
        raised(open_and_read, case, known, case.tampered(paid)),
        raised(open_and_read, case, {**known, case.secret_field: ""}, paid),
    ]
    return [f"{error} {error!r} {vars(error)}" for error in errors if error is not None]


@contextmanager
def heard() -> Iterator[list[str]]:
    """Everything that any logger says, at every level."""
    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {record.args} {vars(record)}")

    root, listener = logging.getLogger(), Listener(level=0)
    level = root.level
    root.addHandler(listener)
    root.setLevel(1)
    try:
        yield lines
    finally:
        root.removeHandler(listener)
        root.setLevel(level)


def assert_plain(report: Report) -> None:
    """A report holds whole minor units, aware times and a payload that has a JSON form."""
    for one in fields(report):
        value = getattr(report, one.name)
        if one.name.endswith("_minor") and value is not None:
            assert type(value) is int and value >= 0, one.name
    assert report.occurred_at is None or report.occurred_at.tzinfo is not None
    assert report.asset is None or exponent_of(report.asset) >= 0
    assert report.fraud is None or isinstance(report.fraud, Fraud)
    json.loads(dumps(dict(report.raw)))
