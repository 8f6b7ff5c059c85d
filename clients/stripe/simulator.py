"""A faithful local fake of Stripe: its API, its hosted page, its signed webhooks.

Written from the protocol page, never from the client beside it; it shares no code with it. The API is in
`simulator_api`, the state machines in `simulator_payments`, `simulator_sessions` and `simulator_aftercare`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from clients.stripe import simulator_aftercare as aftercare
from clients.stripe import simulator_methods as methods
from clients.stripe import simulator_pages as pages
from clients.stripe import simulator_payments as payments
from clients.stripe import simulator_sessions as sessions
from clients.stripe import simulator_setup as setup
from clients.stripe.simulator_api import Api
from clients.stripe.simulator_merchant import Merchant
from clients.stripe.simulator_money import to_major
from clients.stripe.simulator_wire import Json, StripeError
from core.gateways.simulating import BookLine, GatewaySimulator, SimulatedAccount, World

_VISA = "pm_card_visa"
_DECLINED = "pm_card_visa_chargeDeclined"
_THREE_D_SECURE = "pm_card_authenticationRequired"


class StripeSimulator(GatewaySimulator):
    """Amounts in `act` (amount=...) are Stripe's wire integers. `card=` takes a name of `simulator_cards.CARDS`."""

    slug: ClassVar[str] = "stripe"
    hosts: ClassVar[tuple[str, ...]] = ("api.stripe.com", "checkout.stripe.com", "hooks.stripe.com")
    retry_seconds: ClassVar[tuple[float, ...]] = (1.0, 2.0, 5.0, 10.0, 30.0)
    primary_credential: ClassVar[str] = "secret_key"
    actions: ClassVar[tuple[str, ...]] = (
        "pay",
        "pay_3ds",
        "pay_delayed",
        "settle",
        "settle_fail",
        "decline",
        "expire",
        "refund",
        "dispute",
        "dispute_win",
        "dispute_lose",
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._merchants: dict[tuple[str, str], Merchant] = {}
        self._api = Api(self)

    def routes(self) -> list[Any]:
        return [
            Route("/c/pay/{name}", self._session_page, methods=["GET", "POST"]),
            Route("/pi/{name}", self._intent_page, methods=["GET", "POST"]),
            Route("/3ds/{name}", self._challenge_page, methods=["GET", "POST"]),
            *self._api.routes(),
        ]

    def tick(self) -> None:
        for merchant in self._merchants.values():
            merchant.tick()

    def reset(self) -> None:
        self._merchants.clear()

    # --- what the API needs ----------------------------------------------------------------------------------------

    def accounts(self) -> list[SimulatedAccount]:
        return list(self.world.accounts(self.slug))

    def merchant_of(self, account: SimulatedAccount) -> Merchant:
        name = _identity(account)
        if name not in self._merchants:
            self._merchants[name] = Merchant(
                livemode=account.mode == "live",
                account_id=account.credentials.get("account_id"),
                now=self.world.now,
                send=lambda event: self._send(name, event),
            )
        return self._merchants[name]

    def session_url(self, session: str) -> str:
        return self.world.url("checkout.stripe.com", f"/c/pay/{session}")

    def challenge_url(self, intent: str) -> str:
        return self.world.url("hooks.stripe.com", f"/3ds/{intent}")

    # --- webhooks --------------------------------------------------------------------------------------------------

    def _send(self, name: tuple[str, str], event: Json) -> None:
        # Looked up at this moment: address and secrets may have been changed since the payment began.
        account = next((one for one in self.accounts() if _identity(one) == name), None)
        if account is None:
            return
        secrets = [
            account.credentials.get("webhook_secret"),
            *(account.credentials.get("previous_webhook_secrets") or []),
        ]
        body = json.dumps(event, ensure_ascii=False, indent=2).encode()

        def headers() -> Mapping[str, str]:
            return _signed(body, [secret for secret in secrets if secret])

        self.world.deliver(self.slug, url=account.webhook_url, headers=headers(), body=body, resign=headers)

    # --- acting ----------------------------------------------------------------------------------------------------

    def act(self, action: str, *, gateway_reference: str, **details: Any) -> Mapping[str, Any]:
        """`gateway_reference` is an id of Stripe's (session, intent, charge, refund) or our own reference."""
        table: dict[str, Callable[..., object]] = {
            "pay": self._act_pay,
            "authorize": self._act_authorize,
            "pay_3ds": lambda m, found, **d: self._act_challenged(m, found, is_success=True, **d),
            "pay_3ds_fail": lambda m, found, **d: self._act_challenged(m, found, is_success=False, **d),
            "pay_delayed": self._act_delayed,
            "settle": lambda m, found: sessions.settle_delayed(m, _session(m, found), is_success=True),
            "settle_fail": lambda m, found: sessions.settle_delayed(m, _session(m, found), is_success=False),
            "decline": lambda m, found, card=_DECLINED: self._act_pay(m, found, card=card),
            "cancel": lambda m, found: None,  # the customer leaves; Stripe hears nothing of it
            "expire": self._act_expire,
            "refund": self._act_refund,
            "refund_succeed": lambda m, found: aftercare.succeed_refund(m, _refund(m, found)),
            "refund_fail": lambda m, found: aftercare.fail_refund(m, _refund(m, found)),
            "dispute": self._act_dispute,
            "dispute_answer": lambda m, found: aftercare.answer_dispute(m, _dispute(m, found)),
            "dispute_win": lambda m, found: aftercare.close_dispute(m, _dispute(m, found), is_won=True),
            "dispute_lose": lambda m, found: aftercare.close_dispute(m, _dispute(m, found), is_won=False),
            "forget_method": lambda m, found: methods.detach(m, _method(m, found)),  # in Stripe's dashboard
            "fraud_warning": lambda m, found: aftercare.warn_of_fraud(m, _charge(m, found)),
        }
        if action not in table:
            raise ValueError(f"unknown action {action!r}; known: {', '.join(table)}")
        merchant, found = self._find(gateway_reference)
        try:
            table[action](merchant, found, **details)
        except StripeError as error:
            raise ValueError(str(error)) from error
        return _told(merchant, found)

    def _find(self, name: str) -> tuple[Merchant, Json]:
        """The newest payment of that name: a session before its intent."""
        for merchant in self._merchants.values():
            if name in merchant.objects:
                return merchant, merchant.objects[name]
            for kind in ("checkout.session", "payment_intent", "setup_intent"):
                for one in merchant.find(kind):
                    if name and name in (one.get("client_reference_id"), one["metadata"].get("payment_id")):
                        return merchant, one
        raise ValueError(f"no payment {name!r}")

    def _act_pay(self, m: Merchant, found: Json, card: str = _VISA) -> None:
        if found["object"] == "setup_intent" or found.get("mode") == "setup":
            _save(m, found, card)
            return
        if found["object"] == "checkout.session":
            sessions.pay_session(m, found, card)
            return
        intent = _intent(m, found)
        if m.hidden[intent["id"]].get("session"):
            sessions.pay_session(m, m.objects[m.hidden[intent["id"]]["session"]], card)
        elif intent["status"] not in payments.CONFIRMABLE:
            raise ValueError(f"this PaymentIntent is {intent['status']}")
        else:
            payments.attempt(m, intent, card)

    def _act_authorize(self, m: Merchant, found: Json, card: str = _VISA) -> None:
        method = (
            m.hidden[found["id"]]["intent_data"].get("capture_method")
            if found["object"] == "checkout.session"
            else found["capture_method"]
        )
        if method != "manual":
            raise ValueError("this payment captures by itself; it was not asked to only authorize")
        self._act_pay(m, found, card)

    def _act_challenged(self, m: Merchant, found: Json, *, is_success: bool, card: str = _THREE_D_SECURE) -> None:
        self._act_pay(m, found, card)
        if found.get("mode") == "setup":
            sessions.answer_setup_challenge(m, found, is_success=is_success)
        elif found["object"] == "setup_intent":
            setup.authenticate(m, found, is_success=is_success)
        elif found["object"] == "checkout.session":
            sessions.answer_challenge(m, found, is_success=is_success)
        else:
            payments.authenticate(m, _intent(m, found), is_success=is_success)

    def _act_delayed(self, m: Merchant, found: Json, result: str | None = None) -> None:
        """`result` succeed or fail settles after a moment; without it `settle` or `settle_fail` does."""
        if result not in (None, "", "succeed", "fail"):
            raise ValueError("result is succeed or fail")
        sessions.pay_session_delayed(m, _session(m, found), will_succeed=None if not result else result == "succeed")

    def _act_expire(self, m: Merchant, found: Json) -> None:
        if found["object"] == "checkout.session":
            sessions.expire(m, found)
        else:
            payments.lapse(m, _intent(m, found))

    def _act_refund(self, m: Merchant, found: Json, amount: Any = None, reason: str | None = None) -> None:
        given: Json = {"reason": reason} if amount in (None, "") else {"reason": reason, "amount": int(amount)}
        aftercare.create_refund(m, _charge(m, found), given)

    def _act_dispute(
        self, m: Merchant, found: Json, amount: Any = None, reason: str = "fraudulent", inquiry: bool = False
    ) -> None:
        wanted = None if amount in (None, "") else int(amount)
        aftercare.open_dispute(m, _charge(m, found), amount=wanted, reason=reason, is_inquiry=bool(inquiry))

    # --- books -----------------------------------------------------------------------------------------------------

    def books(self) -> list[BookLine]:
        """One line a payment: by its session where it has one, else by its intent. Refunds that failed do not count."""
        lines = []
        for (mode, _), merchant in self._merchants.items():
            for one in list(merchant.objects.values()):
                owned = one["object"] == "payment_intent" and merchant.hidden[one["id"]].get("session")
                is_payment = one["object"] in ("checkout.session", "payment_intent") and one.get("mode") != "setup"
                if is_payment and not owned:
                    lines.append(_line(merchant, one, mode))
        return lines

    # --- pages -----------------------------------------------------------------------------------------------------

    async def _session_page(self, request: Request) -> Response:
        found = self._for_page(request.path_params["name"], "checkout.session")
        if found is None:
            return HTMLResponse(pages.message("Not found", "There is no such Checkout Session."), status_code=404)
        m, session = found
        error = None
        if request.method == "POST" and session["status"] == "open":
            do = await _chosen(request)
            if do == "cancel" and session["cancel_url"]:
                return RedirectResponse(session["cancel_url"], status_code=303)
            error = _play(m, session, do)
            intent = session["setup_intent"] or session["payment_intent"]
            if intent and m.objects[intent]["status"] == "requires_action":
                return RedirectResponse(self.challenge_url(intent), status_code=303)
        if session["status"] == "complete":
            return RedirectResponse(_success_url(session), status_code=303)
        if session["status"] == "expired":
            return HTMLResponse(pages.message("Expired", "This checkout page has expired."), status_code=410)
        return HTMLResponse(pages.checkout(session, m.hidden[session["id"]]["items"], error=error))

    async def _challenge_page(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = self._for_page(name, "payment_intent") or self._for_page(name, "setup_intent")
        if found is None:
            return HTMLResponse(pages.message("Not found", "There is no such payment."), status_code=404)
        m, intent = found
        session_name = m.hidden[intent["id"]].get("session")
        if request.method == "GET" and intent["status"] == "requires_action":
            return HTMLResponse(pages.challenge(intent))
        if intent["status"] == "requires_action":
            is_success = await _chosen(request) == "pass"
            if intent["object"] == "setup_intent":
                _answer_setup(m, intent, is_success=is_success)
            elif session_name:
                sessions.answer_challenge(m, m.objects[session_name], is_success=is_success)
            else:
                payments.authenticate(m, intent, is_success=is_success)
        if session_name:
            return RedirectResponse(self.session_url(session_name), status_code=303)
        return self._back(m, intent)

    async def _intent_page(self, request: Request) -> Response:
        found = self._for_page(request.path_params["name"], "payment_intent")
        if found is None or found[0].hidden[found[1]["id"]].get("session"):
            return HTMLResponse(pages.message("Not found", "There is no such payment."), status_code=404)
        m, intent = found
        if request.method == "POST" and intent["status"] in payments.CONFIRMABLE:
            payments.attempt(m, intent, _CARD_OF_BUTTON.get(await _chosen(request), _VISA))
            if intent["status"] == "requires_action":
                return RedirectResponse(self.challenge_url(intent["id"]), status_code=303)
        if intent["status"] in ("requires_payment_method", "requires_confirmation"):
            error = (intent["last_payment_error"] or {}).get("message")
            return HTMLResponse(pages.pay_intent(intent, error=error))
        return self._back(m, intent)

    def _back(self, m: Merchant, intent: Json) -> Response:
        back = m.hidden[intent["id"]].get("return_url")
        if not back:
            return HTMLResponse(pages.message("Done", f"This is now {intent['status']}."))
        words = {"succeeded": "succeeded", "requires_capture": "succeeded", "processing": "pending"}
        query = urlencode(
            {
                "payment_intent": intent["id"],
                "payment_intent_client_secret": intent["client_secret"],
                "redirect_status": words.get(intent["status"], "failed"),
            }
        )
        return RedirectResponse(f"{back}{'&' if '?' in back else '?'}{query}", status_code=303)

    def _for_page(self, name: str, kind: str) -> tuple[Merchant, Json] | None:
        self.tick()  # a page opened after its time shows so
        for merchant in self._merchants.values():
            one = merchant.objects.get(name)
            if one is not None and one["object"] == kind:
                return merchant, one
        return None


_CARD_OF_BUTTON = {
    "pay": _VISA,
    "pay_3ds": _THREE_D_SECURE,
    "decline": _DECLINED,
    "decline_funds": f"{_DECLINED}InsufficientFunds",
}


def _play(m: Merchant, session: Json, do: str) -> str | None:
    """A button of the hosted page; the message of a decline, None where all went well."""
    if do in ("pay_delayed", "pay_delayed_fail"):
        sessions.pay_session_delayed(m, session, will_succeed=do == "pay_delayed")
        return None
    card = _CARD_OF_BUTTON.get(do, _VISA)
    if session["mode"] == "setup":
        failed: Json = sessions.save_session(m, session, card)["last_setup_error"] or {}
        return failed.get("message")
    intent = sessions.pay_session(m, session, card)
    error: Json = intent["last_payment_error"] or {}
    return error.get("message")


def _save(m: Merchant, found: Json, card: str) -> None:
    if found["object"] == "checkout.session":
        sessions.save_session(m, found, card)
    elif found["status"] not in setup.CONFIRMABLE:
        raise ValueError(f"this SetupIntent is {found['status']}")
    else:
        setup.attempt(m, found, card)


def _answer_setup(m: Merchant, intent: Json, *, is_success: bool) -> None:
    session = m.hidden[intent["id"]]["session"]
    if session:
        sessions.answer_setup_challenge(m, m.objects[session], is_success=is_success)
    else:
        setup.authenticate(m, intent, is_success=is_success)


async def _chosen(request: Request) -> str:
    body = (await request.body()).decode("utf-8", "replace")
    return next((part.partition("=")[2] for part in body.split("&") if part.startswith("do=")), "")


def _success_url(session: Json) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _identity(account: SimulatedAccount) -> tuple[str, str]:
    return account.mode, str(account.credentials.get("account_id") or account.credentials.get("secret_key"))


def _signed(body: bytes, secrets: list[str]) -> Mapping[str, str]:
    """Section 6.1. `t` is the wall clock, also where the simulated time was moved: receivers compare it with theirs."""
    moment = str(int(time.time()))
    signatures = [
        hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest() for secret in secrets
    ]
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (simulated)",
        "Stripe-Signature": ",".join([f"t={moment}", *(f"v1={signature}" for signature in signatures)]),
    }


def _session(m: Merchant, found: Json) -> Json:
    if found["object"] == "checkout.session":
        return found
    name = m.hidden[found["id"]].get("session") if found["object"] == "payment_intent" else None
    if name is None:
        raise ValueError("this works with a Checkout Session only")
    return m.objects[name]


def _intent(m: Merchant, found: Json) -> Json:
    if found["object"] == "payment_intent":
        return found
    name = found.get("payment_intent")
    if name is None:
        raise ValueError("nobody tried to pay this yet")
    return m.objects[name]


def _charge(m: Merchant, found: Json) -> Json:
    if found["object"] == "charge":
        return found
    name = _intent(m, found)["latest_charge"]
    if name is None:
        raise ValueError("this payment has no charge yet")
    return m.objects[name]


def _refund(m: Merchant, found: Json) -> Json:
    if found["object"] == "refund":
        return found
    refund = next(m.find("refund", charge=_charge(m, found)["id"]), None)
    if refund is None:
        raise ValueError("this payment has no refund")
    return refund


def _method(m: Merchant, found: Json) -> Json:
    name = found["id"] if found["object"] == "payment_method" else found.get("payment_method")
    if name is None and found["object"] == "checkout.session":
        inner = m.objects.get(found["setup_intent"] or found["payment_intent"] or "", {})
        name = inner.get("payment_method")
    if name not in m.objects:
        raise ValueError("this has no payment method yet")
    return m.objects[name]


def _dispute(m: Merchant, found: Json) -> Json:
    return found if found["object"] == "dispute" else aftercare.latest_dispute(m, _charge(m, found))


def _told(m: Merchant, found: Json) -> Mapping[str, Any]:
    intent = found if found["object"] == "payment_intent" else m.objects.get(found.get("payment_intent") or "")
    setup_intent = m.objects.get(found.get("setup_intent") or "")
    told = {"id": found["id"], "status": found.get("status")}
    if intent is not None:
        told |= {"payment_intent": intent["id"], "payment_intent_status": intent["status"]}
        told |= {"latest_charge": intent["latest_charge"]}
    if setup_intent is not None:
        told |= {"setup_intent": setup_intent["id"], "setup_intent_status": setup_intent["status"]}
    if found["object"] == "checkout.session":
        told |= {"payment_status": found["payment_status"], "success_url": _success_url(found)}
    return told


def _line(m: Merchant, one: Json, mode: str) -> BookLine:
    intent = one if one["object"] == "payment_intent" else m.objects.get(one["payment_intent"] or "")
    captured = intent["amount_received"] if intent is not None else 0
    refunds = m.find("refund", payment_intent=intent["id"]) if intent is not None and captured else iter(())
    refunded = sum(refund["amount"] for refund in refunds if refund["status"] == "succeeded")
    reference = one.get("client_reference_id") or one["metadata"].get("payment_id")
    return BookLine(
        gateway_reference=one["id"],
        reference=reference,
        asset=one["currency"].upper(),
        captured=to_major(captured, one["currency"]),
        refunded=to_major(refunded, one["currency"]),
        # Stripe's own word: of the session while nobody paid, of the intent from then on.
        status=one["status"] if intent is None or intent["status"] == "requires_payment_method" else intent["status"],
        mode=mode,
    )
