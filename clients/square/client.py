"""All HTTP with Square: plain requests with a pinned version. The class of every answer is judged in judging.py.

No SDK: about a dozen endpoints, while `squareup` makes a new major version nearly every month, retries by itself (each
retry of ours is a row in the database first) and wants its own HTTP client. A test asks its verifier, where it is
installed, to agree with ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from clients.square.config import SQUARE_VERSION, SquareConfig
from clients.square.judging import NOT_FOUND, Call, Kind, judge
from core import strict_json
from core.gateways.errors import GatewayUnavailable, RequestRejected
from core.http import Http, HttpRequest, NoAnswer, NotSent

Body = dict[str, Any]

PAGE: Final = 100
LINKS: Final = "/v2/online-checkout/payment-links"

_ID: Final = re.compile(r"[A-Za-z0-9_:-]{1,255}", re.ASCII)  # whatever goes into a path: nothing that could leave it
_CHARGE: Final = frozenset({Kind.DECLINED})
_REFUND: Final = frozenset({Kind.REFUND_FAILED})


class SquareApi:
    """Every method answers with the object that Square sent, and raises the five GatewayErrors and nothing else."""

    def __init__(self, config: SquareConfig, http: Http) -> None:
        self._config = config
        self._http = http

    # --- payment links and orders ------------------------------------------------------------------------------

    def create_link(self, body: Body) -> Body:
        return self._post(LINKS, body, wants=("payment_link", "payment"), results=_CHARGE)

    def get_link(self, link_id: str, *, is_auxiliary: bool = False) -> Body:
        return self._get(f"{LINKS}/{_part(link_id)}", wants=("payment_link",), is_auxiliary=is_auxiliary)

    def list_links(self, cursor: str | None) -> Body:
        return self._get(f"{LINKS}?{_query(limit=PAGE, cursor=cursor)}")

    def delete_link(self, link_id: str) -> Body:
        path = f"{LINKS}/{_part(link_id)}"
        return self._send(Call(method="DELETE", path=path, wants=("id", "cancelled_order_id")))

    def get_order(self, order_id: str, *, is_auxiliary: bool = False) -> Body:
        """A payment is taken too: what came is read by what it holds."""
        return self._get(f"/v2/orders/{_part(order_id)}", wants=("order", "payment"), is_auxiliary=is_auxiliary)

    def get_orders(self, order_ids: Sequence[str]) -> Body:
        """Up to 100 at once; those that do not exist are left out."""
        body = {"location_id": self._config.location(), "order_ids": list(order_ids)}
        return self._post("/v2/orders/batch-retrieve", body, reads=True)

    # --- payments ----------------------------------------------------------------------------------------------

    def create_payment(self, body: Body) -> Body:
        return self._post("/v2/payments", body, wants=("payment",), results=_CHARGE)

    def get_payment(self, payment_id: str, *, is_auxiliary: bool = False) -> Body:
        """An order is taken too: what came is read by what it holds."""
        return self._get(f"/v2/payments/{_part(payment_id)}", wants=("payment", "order"), is_auxiliary=is_auxiliary)

    def list_payments(self, cursor: str | None, **filters: str) -> Body:
        location = self._config.location()
        return self._get(f"/v2/payments?{_query(location_id=location, **filters, limit=PAGE, cursor=cursor)}")

    def update_payment(self, payment_id: str, body: Body) -> Body:
        call = Call(
            method="PUT", path=f"/v2/payments/{_part(payment_id)}", body=strict_json.dumps(body), wants=("payment",)
        )
        return self._send(call)

    def complete_payment(self, payment_id: str) -> Body:
        return self._post(f"/v2/payments/{_part(payment_id)}/complete", {}, wants=("payment",))

    def cancel_payment(self, payment_id: str) -> Body:
        """The word about a deleted link is taken, too: what came is read by what it holds."""
        return self._post(f"/v2/payments/{_part(payment_id)}/cancel", {}, wants=("payment", "cancelled_order_id"))

    # --- refunds and disputes ----------------------------------------------------------------------------------

    def create_refund(self, body: Body) -> Body:
        return self._post("/v2/refunds", body, wants=("refund",), results=_REFUND)

    def get_refund(self, refund_id: str) -> Body:
        return self._get(f"/v2/refunds/{_part(refund_id)}", wants=("refund",))

    def get_dispute(self, dispute_id: str) -> Body:
        return self._get(f"/v2/disputes/{_part(dispute_id)}", wants=("dispute",))

    # --- saved cards -------------------------------------------------------------------------------------------

    def create_customer(self, body: Body) -> Body:
        return self._post("/v2/customers", body, wants=("customer",), is_auxiliary=True)

    def create_card(self, body: Body) -> Body:
        return self._post("/v2/cards", body, wants=("card",), is_auxiliary=True)

    def disable_card(self, card_id: str) -> Body:
        return self._post(f"/v2/cards/{_part(card_id)}/disable", {}, wants=("card",))

    # --- account -----------------------------------------------------------------------------------------------

    def get_location(self) -> Body:
        return self._get(f"/v2/locations/{_part(self._config.location())}", wants=("location",))

    # --- one request -------------------------------------------------------------------------------------------

    def _get(self, path: str, *, wants: tuple[str, ...] = (), is_auxiliary: bool = False) -> Body:
        return self._send(Call(method="GET", path=path, wants=wants, is_auxiliary=is_auxiliary))

    def _post(self, path: str, body: Body, **more: Any) -> Body:
        return self._send(Call(method="POST", path=path, body=strict_json.dumps(body), **more))

    def _send(self, call: Call) -> Body:
        request = HttpRequest(
            method=call.method,
            url=self._config.origin + call.path,
            headers=self._headers(call),
            body=call.body.encode(errors="replace"),  # half a surrogate pair is no text
            is_auxiliary=call.is_auxiliary,
        )
        try:
            response = self._http.send(request)
        except NotSent:
            raise GatewayUnavailable("Square could not be reached") from None
        except NoAnswer:
            raise call.unreadable("Square did not answer") from None
        return judge(call, response)

    def _headers(self, call: Call) -> Mapping[str, str]:
        headers = {
            "authorization": f"Bearer {self._config.token()}",
            "square-version": SQUARE_VERSION,
            "accept": "application/json",
        }
        return {**headers, "content-type": "application/json"} if call.body else headers


def _part(name: str) -> str:
    """An id inside a path. Raises RequestRejected as Square would: it knows nothing of that name."""
    if not _ID.fullmatch(name):
        raise RequestRejected("this is no id of Square's", code=NOT_FOUND)
    return quote(name, safe=":")


def _query(**values: Any) -> str:
    return urlencode({name: value for name, value in values.items() if value is not None})
