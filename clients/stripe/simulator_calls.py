"""What each REST call of the simulated Stripe does, once it is known who asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from clients.stripe import simulator_aftercare as aftercare
from clients.stripe import simulator_methods as methods
from clients.stripe import simulator_parameters as tables
from clients.stripe import simulator_payments as payments
from clients.stripe import simulator_sessions as sessions
from clients.stripe.simulator_merchant import Merchant
from clients.stripe.simulator_money import check_amount, check_currency
from clients.stripe.simulator_wire import Json, StripeError, check, missing, require

_SEARCH: Final = re.compile(r"metadata\[['\"]([^'\"]+)['\"]\]\s*:\s*['\"]([^'\"]*)['\"]")


@dataclass(kw_only=True)
class Call:
    """One authenticated request; `is_public` where it came with a publishable key, as a browser does."""

    m: Merchant
    form: Json
    name: str
    version: str
    is_public: bool

    def checked(self, table: tables.Table) -> Json:
        return check(self.form, table)

    def shown(self, found: Json) -> Json:
        return self.m.expanded(found, self.form.get("expand"))


Work = Callable[[Call], Json]


def getter(kind: str) -> Work:
    def get(call: Call) -> Json:
        call.checked(tables.EXPAND)
        return call.shown(call.m.get(kind, call.name))

    return get


def _listed(call: Call, rows: Iterator[Json], url: str, given: Json) -> Json:
    return call.shown(call.m.page(rows, url, given))


# --- balance, customers, events ------------------------------------------------------------------------------------


def balance(call: Call) -> Json:
    call.checked(tables.EXPAND)
    totals: dict[str, int] = {}
    for row in call.m.find("balance_transaction"):
        totals[row["currency"]] = totals.get(row["currency"], 0) + row["net"]
    pending = [
        {"amount": net, "currency": currency, "source_types": {"card": net}} for currency, net in sorted(totals.items())
    ]
    available = [{"amount": 0, "currency": currency, "source_types": {"card": 0}} for currency in sorted(totals)]
    nothing = [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}]
    return {
        "object": "balance",
        "available": available or nothing,
        "livemode": call.m.livemode,
        "pending": pending or nothing,
    }


def create_customer(call: Call) -> Json:
    given = call.checked(tables.CREATE_CUSTOMER)
    plain = {name: given.get(name) for name in ("email", "name", "phone", "description")}
    customer = call.m.add("cus", "customer", **plain, metadata=given.get("metadata") or {})
    call.m.emit("customer.created", customer)
    return call.shown(customer)


def update_customer(call: Call) -> Json:
    given = call.checked(tables.UPDATE_CUSTOMER)
    customer = call.m.get("customer", call.name)
    customer |= {name: given[name] for name in ("email", "name", "phone", "description") if name in given}
    if "metadata" in given:
        _merge_metadata(customer, given["metadata"])
    call.m.emit("customer.updated", customer)
    return call.shown(customer)


def list_customers(call: Call) -> Json:
    given = call.checked(tables.LIST_CUSTOMERS)
    return _listed(call, call.m.find("customer", email=given.get("email")), "/v1/customers", given)


def list_events(call: Call) -> Json:
    given = call.checked(tables.LIST_EVENTS)
    rows = call.m.find("event", type=given.get("type"))
    wanted = given.get("types")
    chosen = (row for row in rows if not wanted or row["type"] in wanted)
    return _listed(call, chosen, "/v1/events", given)


def list_transactions(call: Call) -> Json:
    given = call.checked(tables.LIST_TRANSACTIONS)
    if given.get("payout"):
        return _listed(call, iter(()), "/v1/balance_transactions", given)  # nothing is ever paid out here
    filters = {name: given.get(name) for name in ("source", "type", "currency")}
    return _listed(call, call.m.find("balance_transaction", **filters), "/v1/balance_transactions", given)


# --- sessions ------------------------------------------------------------------------------------------------------


def get_session(call: Call) -> Json:
    call.checked(tables.EXPAND)
    return call.shown(call.m.get("checkout.session", call.name, param="session"))


def list_sessions(call: Call) -> Json:
    given = call.checked(tables.LIST_SESSIONS)
    filters = {name: given.get(name) for name in ("payment_intent", "customer", "status")}
    return _listed(call, call.m.find("checkout.session", **filters), "/v1/checkout/sessions", given)


def expire_session(call: Call) -> Json:
    call.checked(tables.EXPAND)
    session = call.m.get("checkout.session", call.name, param="session")
    sessions.expire(call.m, session)
    return call.shown(session)


# --- intents and charges -------------------------------------------------------------------------------------------


def _intent(call: Call) -> Json:
    intent = call.m.get("payment_intent", call.name, param="intent")
    secret = call.form.get("client_secret")
    if (call.is_public or secret is not None) and secret != intent["client_secret"]:
        raise missing("payment_intent", call.name, param="intent")
    return intent


def choose(m: Merchant, intent: Json, name: str) -> None:
    method = methods.method_to_charge(m, name, customer=intent["customer"])
    m.hidden[intent["id"]] |= {"card": m.hidden[method["id"]]["card"], "method": method["id"]}
    if intent["status"] in ("requires_payment_method", "requires_confirmation"):
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}


def get_intent(call: Call) -> Json:
    call.checked(tables.GET_INTENT)
    return call.shown(_intent(call))


def list_intents(call: Call) -> Json:
    given = call.checked(tables.LIST_INTENTS)
    return _listed(call, call.m.find("payment_intent", customer=given.get("customer")), "/v1/payment_intents", given)


def search_intents(call: Call) -> Json:
    given = call.checked(tables.SEARCH_INTENTS)
    require(given, "query")
    wanted = _SEARCH.findall(given["query"])
    if not wanted:
        raise StripeError("This simulator searches by metadata['key']:'value' only.", param="query")
    rows = (row for row in call.m.find("payment_intent") if all(row["metadata"].get(k) == v for k, v in wanted))
    page = call.m.page(rows, "/v1/payment_intents/search", {"limit": given.get("limit", 10)})
    return call.shown({**page, "object": "search_result", "next_page": None})


def update_intent(call: Call) -> Json:
    tables.drop_or_refuse_types(call.form, version=call.version)
    given = call.checked(tables.UPDATE_INTENT)
    intent = _intent(call)
    if intent["status"] in ("succeeded", "canceled", "processing") and set(given) - {
        "metadata",
        "description",
        "expand",
    }:
        raise payments.unexpected_state(intent, "updated")
    currency = check_currency(str(given.get("currency", intent["currency"])))
    amount: int = given["amount"] if "amount" in given else intent["amount"]
    check_amount(amount, currency)
    intent |= {"amount": amount, "currency": currency}
    if "metadata" in given:
        _merge_metadata(intent, given["metadata"])
    plain = ("description", "receipt_email", "customer", "setup_future_usage", "capture_method")
    intent |= {name: given[name] for name in plain if name in given}
    if given.get("payment_method"):
        choose(call.m, intent, given["payment_method"])
    return call.shown(intent)


def _merge_metadata(target: Json, given: Any) -> None:
    """Keys are merged; an empty value takes its key away, an empty whole takes all."""
    merged = {**target["metadata"], **given} if given else {}
    target["metadata"] = {key: value for key, value in merged.items() if value != ""}


def confirm_intent(call: Call) -> Json:
    tables.drop_or_refuse_types(call.form, version=call.version)
    given = call.checked(tables.CONFIRM_INTENT)
    intent = _intent(call)
    if "capture_method" in given:
        intent["capture_method"] = given["capture_method"]
    payments.confirm(call.m, intent, given)
    return call.shown(intent)


def capture_intent(call: Call) -> Json:
    given = call.checked(tables.CAPTURE_INTENT)
    if given.get("final_capture") is False:
        raise StripeError("This account does not support multicapture.", param="final_capture")
    intent = _intent(call)
    payments.capture(call.m, intent, given.get("amount_to_capture"))
    return call.shown(intent)


def cancel_intent(call: Call) -> Json:
    given = call.checked(tables.CANCEL_INTENT)
    intent = _intent(call)
    payments.cancel(call.m, intent, given.get("cancellation_reason"))
    return call.shown(intent)


def list_charges(call: Call) -> Json:
    given = call.checked(tables.LIST_CHARGES)
    filters = {name: given.get(name) for name in ("payment_intent", "customer")}
    return _listed(call, call.m.find("charge", **filters), "/v1/charges", given)


# --- refunds and disputes ------------------------------------------------------------------------------------------


def create_refund(call: Call) -> Json:
    given = call.checked(tables.CREATE_REFUND)
    charge = aftercare.charge_to_refund(call.m, given)
    return call.shown(aftercare.create_refund(call.m, charge, given))


def list_refunds(call: Call) -> Json:
    return _listed_by_payment(call, "refund", "/v1/refunds", tables.LIST_REFUNDS)


def list_disputes(call: Call) -> Json:
    return _listed_by_payment(call, "dispute", "/v1/disputes", tables.LIST_DISPUTES)


def update_dispute(call: Call) -> Json:
    given = call.checked(tables.UPDATE_DISPUTE)
    if not isinstance(given.get("evidence", {}), dict):
        raise StripeError("Invalid hash: evidence", param="evidence")
    dispute = call.m.get("dispute", call.name)
    aftercare.update_dispute(call.m, dispute, given)
    return call.shown(dispute)


def close_dispute(call: Call) -> Json:
    call.checked(tables.EXPAND)
    dispute = call.m.get("dispute", call.name)
    aftercare.concede_dispute(call.m, dispute)
    return call.shown(dispute)


def _listed_by_payment(call: Call, kind: str, url: str, table: tables.Table) -> Json:
    given = call.checked(table)
    filters = {name: given.get(name) for name in ("payment_intent", "charge")}
    return _listed(call, call.m.find(kind, **filters), url, given)
