"""A local fake of Tollbooth, from its documents: API, the customer's page, signed webhooks. Shares no code with the client."""

from __future__ import annotations

import hashlib
import hmac
import html
import itertools
import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from core.gateways.simulating import BookLine, GatewaySimulator, SimulatedAccount, World

SETTLING_SECONDS = 2
DECIMALS = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
ENDS = {"pay": "paid", "decline": "failed", "expire": "expired"}


@dataclass(kw_only=True)
class Charge:
    account: SimulatedAccount
    body: dict[str, Any]
    webhook_url: str
    return_url: str
    refunds: list[dict[str, Any]] = field(default_factory=list)

    def left(self) -> int:
        return int(self.body["paid"]) - sum(one["amount"] for one in self.refunds if one["status"] != "failed")


class TollboothSimulator(GatewaySimulator):
    """Refunds are pending for a moment, or until the action `refund_settle` or `refund_fail`."""

    slug: ClassVar[str] = "tollbooth"
    hosts: ClassVar[tuple[str, ...]] = (
        "api.tollbooth.example",
        "test-api.tollbooth.example",
        "pay.tollbooth.example",
    )
    primary_credential: ClassVar[str] = "api_key"
    actions: ClassVar[tuple[str, ...]] = ("pay", "decline", "expire", "refund_settle", "refund_fail")

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.reset()

    def reset(self) -> None:
        self._charges: dict[str, Charge] = {}
        self._answers: dict[tuple[str, str], tuple[Any, Response]] = {}
        self._numbers = itertools.count(1)

    def routes(self) -> list[Any]:
        return [
            Route("/v1/account", self._account, methods=["GET"]),
            Route("/v1/charges", self._create, methods=["POST"]),
            Route("/v1/charges", self._find, methods=["GET"]),
            Route("/v1/charges/{id}", self._get, methods=["GET"]),
            Route("/v1/charges/{id}/refunds", self._refund, methods=["POST"]),
            Route("/v1/refunds", self._find_refunds, methods=["GET"]),
            Route("/v1/refunds/{id}", self._get_refund, methods=["GET"]),
            Route("/pay/{id}", self._page, methods=["GET", "POST"]),
        ]

    # --- the API ---------------------------------------------------------------------------------------------------

    async def _account(self, request: Request) -> Response:
        account = self._account_of(request)
        if account is None:
            return _refusal(401, "bad_key")
        return JSONResponse({"id": f"acct_{account.mode}", "live": account.mode == "live"})

    async def _create(self, request: Request) -> Response:
        account, wish = self._account_of(request), await request.json()
        if account is None:
            return _refusal(401, "bad_key")
        return self._once(request, wish, lambda: self._new_charge(account, wish))

    def _new_charge(self, account: SimulatedAccount, wish: Mapping[str, Any]) -> Response:
        amount, currency = wish.get("amount"), wish.get("currency")
        if type(amount) is not int or amount < 1 or currency not in DECIMALS:
            return _refusal(400, "bad_amount")
        mine = (one for one in self._charges.values() if one.account.mode == account.mode)
        if any(one.body["reference"] == wish["reference"] for one in mine):
            return _refusal(400, "reference_used")
        name = self._new_name("ch")
        body = {
            "id": name, "reference": wish["reference"], "status": "open", "amount": amount, "currency": currency, "paid": 0,
            "live": account.mode == "live", "changed": int(self.world.now()), "url": self.world.url("pay.tollbooth.example", f"/pay/{name}"),
        }  # fmt: skip
        self._charges[name] = Charge(
            account=account, body=body, webhook_url=wish["webhook_url"], return_url=wish["return_url"]
        )
        return JSONResponse(body, status_code=201)

    async def _find(self, request: Request) -> Response:
        wanted = request.query_params.get("reference")
        rows = [one.body for one in self._seen_by(request) if one.body["reference"] == wanted]
        return JSONResponse({"data": rows}) if self._account_of(request) else _refusal(401, "bad_key")

    async def _get(self, request: Request) -> Response:
        found = self._charge_of(request)
        return found if isinstance(found, Response) else JSONResponse(found.body)

    async def _refund(self, request: Request) -> Response:
        charge, wish = self._charge_of(request), await request.json()
        return charge if isinstance(charge, Response) else self._once(request, wish, lambda: self._give(charge, wish))

    def _give(self, charge: Charge, wish: Mapping[str, Any]) -> Response:
        amount = wish.get("amount")
        if type(amount) is not int or amount < 1 or wish.get("currency") != charge.body["currency"]:
            return _refusal(400, "bad_amount")
        if amount > charge.left():
            return _refusal(400, "more_than_paid")
        one = {
            "id": self._new_name("rf"), "reference": wish["reference"], "status": "pending", "amount": amount,
            "currency": charge.body["currency"], "charge": charge.body["id"], "live": charge.body["live"],
            "charge_reference": charge.body["reference"], "changed": int(self.world.now()),
        }  # fmt: skip
        charge.refunds.append(one)
        return JSONResponse(one, status_code=201)

    async def _find_refunds(self, request: Request) -> Response:
        wanted = request.query_params.get("reference")
        rows = [one for one in self._refunds_seen_by(request) if one["reference"] == wanted]
        return JSONResponse({"data": rows}) if self._account_of(request) else _refusal(401, "bad_key")

    async def _get_refund(self, request: Request) -> Response:
        name = request.path_params["id"]
        found = next((one for one in self._refunds_seen_by(request) if one["id"] == name), None)
        return _refusal(404, "no_such_refund") if found is None else JSONResponse(found)

    def _once(self, request: Request, wish: Any, work: Any) -> Response:
        """The same key repeats the first answer; with another body it is refused."""
        name = request.headers.get("authorization", ""), request.headers.get("idempotency-key", "")
        if not name[1]:
            return _refusal(400, "key_missing")
        if name not in self._answers:
            self._answers[name] = (wish, work())
        known, answer = self._answers[name]
        return answer if known == wish else _refusal(409, "key_used")

    def _account_of(self, request: Request) -> SimulatedAccount | None:
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        mode = "test" if "/test-" in str(request.scope.get("root_path", "")) else "live"
        accounts = [one for one in self.world.accounts(self.slug) if one.mode == mode]
        return next((one for one in accounts if one.credentials.get("api_key") == sent), None)

    def _seen_by(self, request: Request) -> list[Charge]:
        account = self._account_of(request)
        key = None if account is None else account.credentials["api_key"]
        return [one for one in self._charges.values() if one.account.credentials["api_key"] == key]

    def _refunds_seen_by(self, request: Request) -> list[dict[str, Any]]:
        return [refund for charge in self._seen_by(request) for refund in charge.refunds]

    def _charge_of(self, request: Request) -> Charge | Response:
        if self._account_of(request) is None:
            return _refusal(401, "bad_key")
        name = request.path_params["id"]
        return next((one for one in self._seen_by(request) if one.body["id"] == name), _refusal(404, "no_such_charge"))

    def _new_name(self, kind: str) -> str:
        return f"{kind}_{next(self._numbers)}_{secrets.token_hex(6)}"

    # --- what happens ----------------------------------------------------------------------------------------------

    async def _page(self, request: Request) -> Response:
        charge = self._charges.get(request.path_params["id"])
        if charge is None:
            return HTMLResponse("<h1>There is no such charge</h1>", status_code=404)
        if request.method == "POST":
            action = dict(await request.form()).get("action") if request.headers.get("content-length") else None
            self._end(charge, str(action or "pay"))
            return RedirectResponse(charge.return_url, status_code=303)
        buttons = "".join(f'<button name="action" value="{one}">{one}</button>' for one in ENDS)
        amount = html.escape(f"{_major(charge.body['amount'], charge.body['currency'])} {charge.body['currency']}")
        return HTMLResponse(f"<h1>Tollbooth</h1><p>{amount}</p><form method=post>{buttons}</form>")

    def act(self, action: str, *, gateway_reference: str, **details: Any) -> Mapping[str, Any]:
        charge = self._named(gateway_reference)
        if action in ENDS:
            self._end(charge, action)
        elif action in {"refund_settle", "refund_fail"}:
            self._settle(charge, "done" if action == "refund_settle" else "failed")
        else:
            raise ValueError(f"unknown action {action!r}; known: {', '.join(self.actions)}")
        return {"id": charge.body["id"], "status": charge.body["status"]}

    def _named(self, name: str) -> Charge:
        for charge in self._charges.values():
            if name in {charge.body["id"], charge.body["reference"], *(one["id"] for one in charge.refunds)}:
                return charge
        raise ValueError("no charge of this name")

    def _end(self, charge: Charge, action: str) -> None:
        if charge.body["status"] != "open" or action not in ENDS:
            return
        charge.body.update(status=ENDS[action], changed=int(self.world.now()))
        if action == "pay":
            charge.body["paid"] = charge.body["amount"]
        if action == "decline":
            charge.body["failure"] = "no_funds"
        self._tell(charge, f"charge.{charge.body['status']}", charge.body)

    def _settle(self, charge: Charge, word: str, *, changed_before: float = math.inf) -> None:
        for one in charge.refunds:
            if one["status"] == "pending" and one["changed"] < changed_before:
                one.update(status=word, changed=int(self.world.now()))
                self._tell(charge, f"refund.{word}", one)

    def tick(self) -> None:
        """Refunds settle by themselves a moment later."""
        for charge in self._charges.values():
            self._settle(charge, "done", changed_before=self.world.now() - SETTLING_SECONDS)

    def _tell(self, charge: Charge, event: str, data: Mapping[str, Any]) -> None:
        told = {"id": self._new_name("ev"), "type": event, "live": charge.body["live"], "data": dict(data)}
        body = json.dumps(told).encode()
        secret = str(charge.account.credentials.get("webhook_secret", ""))
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "Tollbooth-Signature": signature}
        self.world.deliver(self.slug, url=charge.webhook_url, headers=headers, body=body)

    def books(self) -> list[BookLine]:
        return [_line(charge) for charge in self._charges.values()]


def _line(charge: Charge) -> BookLine:
    body = charge.body
    given = sum(one["amount"] for one in charge.refunds if one["status"] == "done")
    return BookLine(
        gateway_reference=body["id"],
        reference=body["reference"],
        asset=body["currency"],
        captured=_major(body["paid"], body["currency"]),
        refunded=_major(given, body["currency"]),
        status=body["status"],
        mode=charge.account.mode,
    )


def _major(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-DECIMALS[currency])


def _refusal(status: int, code: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": code.replace("_", " ")}}, status_code=status)
