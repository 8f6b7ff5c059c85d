"""REST calls of the simulated Stripe about methods that are kept: PaymentMethods and SetupIntents."""

from __future__ import annotations

from collections.abc import Iterator

from clients.stripe import simulator_methods as methods
from clients.stripe import simulator_parameters as tables
from clients.stripe import simulator_setup as setup
from clients.stripe.simulator_calls import Call
from clients.stripe.simulator_cards import CARDS
from clients.stripe.simulator_wire import Json, missing, require

# --- payment methods -----------------------------------------------------------------------------------------------


def list_methods(call: Call) -> Json:
    """Of one customer; without one Stripe lists none that are attached."""
    given = call.checked(tables.LIST_METHODS)
    if not given.get("customer"):
        return _listed(call, iter(()), "/v1/payment_methods", given)
    call.m.get("customer", given["customer"], param="customer")
    return _listed(call, _methods_of(call, given["customer"], given), "/v1/payment_methods", given)


def list_methods_of_customer(call: Call) -> Json:
    given = call.checked(tables.LIST_METHODS)
    call.m.get("customer", call.name, param="customer")
    rows = _methods_of(call, call.name, given)
    return _listed(call, rows, f"/v1/customers/{call.name}/payment_methods", given)


def _methods_of(call: Call, customer: str, given: Json) -> Iterator[Json]:
    return call.m.find("payment_method", customer=customer, type=given.get("type"))


def _listed(call: Call, rows: Iterator[Json], url: str, given: Json) -> Json:
    return call.shown(call.m.page(rows, url, given))


def get_method(call: Call) -> Json:
    """A test name makes a new method at each use."""
    call.checked(tables.EXPAND)
    if call.name in CARDS:
        return call.shown(methods.new_method(call.m, call.name))
    return call.shown(call.m.get("payment_method", call.name, param="payment_method"))


def attach_method(call: Call) -> Json:
    given = call.checked(tables.ATTACH_METHOD)
    require(given, "customer")
    if call.name not in CARDS:
        call.m.get("payment_method", call.name, param="payment_method")
    return call.shown(methods.attach_by_call(call.m, call.name, given["customer"]))


def detach_method(call: Call) -> Json:
    call.checked(tables.EXPAND)
    method = call.m.get("payment_method", call.name, param="payment_method")
    methods.detach(call.m, method)
    return call.shown(method)


# --- setup intents -------------------------------------------------------------------------------------------------


def _setup_intent(call: Call) -> Json:
    intent = call.m.get("setup_intent", call.name, param="intent")
    secret = call.form.get("client_secret")
    if (call.is_public or secret is not None) and secret != intent["client_secret"]:
        raise missing("setup_intent", call.name, param="intent")
    return intent


def create_setup_intent(call: Call) -> Json:
    tables.drop_or_refuse_types(call.form, version=call.version)
    given = call.checked(tables.CREATE_SETUP_INTENT)
    tables.refuse_clashing_filters(given)
    if given.get("customer"):
        call.m.get("customer", given["customer"], param="customer")
    name = given.get("payment_method")
    method = methods.method_to_charge(call.m, name, customer=given.get("customer")) if name else None
    intent = setup.new_setup_intent(call.m, given)
    if method is not None:
        call.m.hidden[intent["id"]]["method"] = method["id"]
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    if given.get("confirm"):
        setup.confirm(call.m, intent, {})
    return call.shown(intent)


def get_setup_intent(call: Call) -> Json:
    call.checked(tables.GET_INTENT)
    return call.shown(_setup_intent(call))


def list_setup_intents(call: Call) -> Json:
    given = call.checked(tables.LIST_SETUP_INTENTS)
    filters = {name: given.get(name) for name in ("customer", "payment_method")}
    return _listed(call, call.m.find("setup_intent", **filters), "/v1/setup_intents", given)


def confirm_setup_intent(call: Call) -> Json:
    given = call.checked(tables.CONFIRM_SETUP_INTENT)
    intent = _setup_intent(call)
    setup.confirm(call.m, intent, given)
    return call.shown(intent)


def cancel_setup_intent(call: Call) -> Json:
    given = call.checked(tables.CANCEL_SETUP_INTENT)
    intent = _setup_intent(call)
    setup.cancel(call.m, intent, given.get("cancellation_reason"))
    return call.shown(intent)
