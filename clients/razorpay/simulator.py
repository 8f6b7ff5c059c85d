"""A faithful local fake of Razorpay: its API, its pages, its signed webhooks.

Written from the protocol page, never from the client beside it; it shares no code with it. The API is in
`simulator_api`, the states in `simulator_payments` and `simulator_aftercare`, the pages in `simulator_checkout`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from clients.razorpay import simulator_aftercare as aftercare
from clients.razorpay import simulator_calls as calls
from clients.razorpay import simulator_more_calls as more
from clients.razorpay import simulator_payments as payments
from clients.razorpay.simulator_api import Api
from clients.razorpay.simulator_checkout import Pages
from clients.razorpay.simulator_merchant import Merchant
from clients.razorpay.simulator_wire import Json, RazorpayError, characters, dumps, to_major
from core.gateways.simulating import BookLine, GatewaySimulator, SimulatedAccount, World


class RazorpaySimulator(GatewaySimulator):
    """Amounts in `act` (amount=...) are Razorpay's wire integers. `method=` is card, upi, netbanking or wallet."""

    slug: ClassVar[str] = "razorpay"
    hosts: ClassVar[tuple[str, ...]] = (
        "api.razorpay.com",
        "prod-api-static.razorpay.com",
        "checkout.razorpay.com",
        "rzp.io",
    )
    retry_seconds: ClassVar[tuple[float, ...]] = (1.0, 2.0, 4.0, 8.0, 16.0)
    primary_credential: ClassVar[str] = "key_id"
    actions: ClassVar[tuple[str, ...]] = (
        "pay",
        "authorize",
        "decline",
        "no_answer",
        "pay_late",
        "pay_short",
        "expire",
        "refund",
        "refund_process",
        "refund_fail",
        "dispute",
        "dispute_win",
        "dispute_lose",
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._merchants: dict[tuple[str, str], Merchant] = {}
        self._api = Api(self)
        self._pages = Pages(self)

    def routes(self) -> list[Any]:
        return [*self._pages.routes(), *self._api.routes()]

    def tick(self) -> None:
        for merchant in self.merchants():
            merchant.tick()

    def reset(self) -> None:
        self._merchants.clear()
        self._pages.reset()

    # --- what API and pages need -----------------------------------------------------------------------------------

    def accounts(self) -> list[SimulatedAccount]:
        return list(self.world.accounts(self.slug))

    def merchants(self) -> list[Merchant]:
        return list(self._merchants.values())

    def merchant_of(self, account: SimulatedAccount) -> Merchant:
        """Several keys of one account see the same payments."""
        name = _identity(account)
        if name not in self._merchants:
            self._merchants[name] = Merchant(
                account_id=account.credentials.get("account_id") or None,
                mode=account.mode,
                now=self.world.now,
                send=lambda event: self._send(name, event),
            )
        return self._merchants[name]

    def merchant_named(self, key_id: str) -> Merchant | None:
        found = [one for one in self.accounts() if key_id and one.credentials.get("key_id") == key_id]
        return self.merchant_of(found[0]) if found else None

    def key_secret_of(self, m: Merchant) -> str:
        """The newest key's: what a browser return is signed with at this moment."""
        name = next(name for name, one in self._merchants.items() if one is m)
        mine = [one for one in self.accounts() if _identity(one) == name]
        return str(mine[-1].credentials.get("key_secret") or "") if mine else ""

    def api_url(self, path: str) -> str:
        return self.world.url("api.razorpay.com", path)

    def page_url(self, name: str) -> str:
        return self.world.url("rzp.io", f"/i/{name}")

    # --- webhooks --------------------------------------------------------------------------------------------------

    def _send(self, name: tuple[str, str], event: Json) -> None:
        """To every address of the account. Signed once: retries keep the secret of the moment of the event."""
        targets = {one.webhook_url: one for one in self.accounts() if _identity(one) == name}
        body, event_id = dumps(event).encode(), characters(14)
        for url, account in targets.items():
            headers = {
                "Content-Type": "application/json",
                "User-Agent": "Razorpay-Webhook/v1 (simulated)",
                "x-razorpay-event-id": event_id,
            }
            secret = account.credentials.get("webhook_secret")
            if secret:
                headers["X-Razorpay-Signature"] = sign(body, str(secret))
            self.world.deliver(self.slug, url=url, headers=headers, body=body)

    # --- acting ----------------------------------------------------------------------------------------------------

    def act(self, action: str, *, gateway_reference: str, **details: Any) -> Mapping[str, Any]:
        """`gateway_reference` is an id of Razorpay's (of whatever kind) or our own reference."""
        table: dict[str, Callable[..., object]] = {
            "pay": self._pay,
            "pay_3ds": self._pay,
            "authorize": self._authorize,
            "decline": self._decline,
            "pay_3ds_fail": lambda m, found: self._decline(m, found, reason="authentication_failed"),
            "cancel": lambda m, found: self._decline(m, found, reason="payment_cancelled"),
            "no_answer": lambda m, found, method="": payments.attempt(m, _order(m, found), method=method),
            "pay_late": self._pay_late,
            "pay_short": self._pay_short,
            "pay_rest": self._pay,
            "pay_twice": self._pay_twice,
            "expire": self._expire,
            "cancel_link": lambda m, found: calls.cancel_link(m, found),
            "refund": self._refund,
            "refund_process": lambda m, found: aftercare.process_refund(m, _refund(m, found)),
            "refund_slow": lambda m, found: aftercare.slow_refund(m, _refund(m, found)),
            "refund_fail": lambda m, found: aftercare.fail_refund(m, _refund(m, found)),
            "dispute": self._dispute,
            "dispute_answer": lambda m, found: aftercare.move_dispute(m, _dispute(m, found), "under_review"),
            "dispute_ask": lambda m, found: aftercare.move_dispute(
                m, _dispute(m, found), "open", event="action_required"
            ),
            "dispute_win": lambda m, found: aftercare.move_dispute(m, _dispute(m, found), "won"),
            "dispute_lose": lambda m, found: aftercare.move_dispute(m, _dispute(m, found), "lost"),
            "dispute_close": lambda m, found: aftercare.move_dispute(m, _dispute(m, found), "closed"),
            "settle": lambda m, found: aftercare.settle(m),
            "refund_mode": self._refund_mode,
            "refuse_next_refund": lambda m, found, text=aftercare.LOW_BALANCE: m.refusals.append(str(text)),
            "next_charge": self._next_charge,
            "token_status": self._token_status,
        }
        if action not in table:
            raise ValueError(f"unknown action {action!r}; known: {', '.join(table)}")
        merchant, found = self._find(gateway_reference)
        try:
            table[action](merchant, found, **details)
        except RazorpayError as error:
            raise ValueError(str(error)) from error
        return _told(merchant, found)

    def _find(self, name: str) -> tuple[Merchant, Json]:
        """The newest of that name: a link before its order, a payment's own name before a refund's."""
        for merchant in self.merchants():
            if name in merchant.objects:
                return merchant, merchant.objects[name]
            for prefix, member in (("plink", "reference_id"), ("order", "receipt"), ("rfnd", "receipt")):
                found = next(merchant.find(prefix, **{member: name}), None) if name else None
                if found is not None:
                    return merchant, found
        raise ValueError(f"no payment {name!r}")

    def _pay(self, m: Merchant, found: Json, method: str = "", amount: Any = None, save: bool = False) -> None:
        """A waiting attempt goes on; otherwise a new one is made."""
        wanted = None if amount in (None, "") else int(amount)
        if found["id"].startswith("qr_"):
            more.pay_qr(m, found, amount=wanted)
            return
        payment = found if found["id"].startswith("pay_") else None
        if payment is None:
            _check_open(found)
            payment = payments.attempt(m, _order(m, found), method=method, amount=wanted)
            m.hidden[payment["id"]]["will_save"] = bool(save)
        payments.succeed(m, payment)

    def _authorize(self, m: Merchant, found: Json, method: str = "") -> None:
        if not found["id"].startswith("pay_") and m.hidden[_order(m, found)["id"]]["capture"] != "manual":
            raise ValueError("this order captures by itself; it was not asked to only authorize")
        self._pay(m, found, method=method)

    def _decline(self, m: Merchant, found: Json, reason: str = "card_declined", method: str = "card") -> None:
        if found["id"].startswith("qr_"):
            more.decline_qr(m, found, reason=reason)
            return
        is_payment = found["id"].startswith("pay_")
        if not is_payment:
            _check_open(found)
        payments.fail(m, found if is_payment else payments.attempt(m, _order(m, found), method=method), reason)

    def _pay_late(self, m: Merchant, found: Json, method: str = "") -> None:
        """The bank's yes comes after failure, expiry or cancellation; an open link is expired first."""
        if found["id"].startswith("pay_"):
            payments.succeed(m, found)
            return
        order = _order(m, found)
        waiting = next(
            (one for one in m.find("pay", order_id=order["id"]) if one["status"] in ("created", "failed")), None
        )
        payment = waiting or payments.attempt(m, order, method=method)
        if payment["status"] == "created":
            payments.fail(m, payment, "payment_timed_out")
        if found["id"].startswith("plink_") and found["status"] in ("created", "partially_paid"):
            calls.expire_link(m, found)
        payments.succeed(m, payment)

    def _pay_short(self, m: Merchant, found: Json, amount: Any = None) -> None:
        due = _order(m, found)["amount_due"]
        self._pay(m, found, amount=max(1, due // 2) if amount in (None, "") else amount)

    def _pay_twice(self, m: Merchant, found: Json) -> None:
        """Two attempts at once: the second is authorized too late and given back by Razorpay."""
        order = _order(m, found)
        first, second = payments.attempt(m, order), payments.attempt(m, order)
        payments.succeed(m, first)
        payments.succeed(m, second)

    def _expire(self, m: Merchant, found: Json) -> None:
        if found["id"].startswith("plink_"):
            calls.expire_link(m, found)
        elif found["id"].startswith("qr_"):
            more.close_qr(m, found, None)
        else:
            _let_lapse(m, _payment(m, found))

    def _refund(self, m: Merchant, found: Json, amount: Any = None, speed: str = "normal") -> None:
        given: Json = {"speed": speed} if amount in (None, "") else {"speed": speed, "amount": int(amount)}
        aftercare.refund(m, _payment(m, found), given)

    def _dispute(
        self,
        m: Merchant,
        found: Json,
        amount: Any = None,
        phase: str = "chargeback",
        reason: str = "goods_not_received",
    ) -> None:
        wanted = None if amount in (None, "") else int(amount)
        aftercare.open_dispute(m, _payment(m, found), amount=wanted, phase=phase, reason=reason)

    def _refund_mode(self, m: Merchant, found: Json, mode: str = "pending") -> None:
        """Of the refunds to come: processed (at once), pending (settle a moment later), hold (until told)."""
        if mode not in aftercare.REFUND_MODES:
            raise ValueError(f"mode is one of {', '.join(aftercare.REFUND_MODES)}")
        m.refund_mode = mode

    def _next_charge(self, m: Merchant, found: Json, result: str = "decline", reason: str = "") -> None:
        """What the bank will say to the next charge of a token: succeed, decline (later), refuse (at once), hold."""
        if result not in ("succeed", "decline", "refuse", "hold"):
            raise ValueError("result is succeed, decline, refuse or hold")
        m.hidden[_token(m, found)["id"]]["next"].append((result, reason))

    def _token_status(self, m: Merchant, found: Json, status: str = "cancelled") -> None:
        if status not in ("initiated", "confirmed", "rejected", "cancelled", "paused"):
            raise ValueError("status is initiated, confirmed, rejected, cancelled or paused")
        _token(m, found)["recurring_details"]["status"] = status

    # --- books -----------------------------------------------------------------------------------------------------

    def books(self) -> list[BookLine]:
        """One line a payment link, order of its own or QR code. What was held and given back unkept counts as nothing."""
        lines = []
        for (mode, _), m in self._merchants.items():
            for one in list(m.objects.values()):
                if one["id"].startswith(("plink_", "qr_")) or (
                    one["id"].startswith("order_") and not m.hidden[one["id"]].get("link")
                ):
                    lines.append(_line(m, one, mode))
        return lines


def sign(body: bytes, secret: str) -> str:
    """`X-Razorpay-Signature` (section 6.1): the raw body under the webhook secret, in lower-case hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _identity(account: SimulatedAccount) -> tuple[str, str]:
    return account.mode, str(account.credentials.get("account_id") or account.credentials.get("key_id"))


def _attempts(m: Merchant, one: Json) -> list[Json]:
    """Newest first."""
    if one["id"].startswith("qr_"):
        return more.qr_payments(m, one)
    order = one["id"] if one["id"].startswith("order_") else one.get("order_id")
    return list(m.find("pay", order_id=order)) if order else []


def _line(m: Merchant, one: Json, mode: str) -> BookLine:
    kept = [payment for payment in _attempts(m, one) if payment["captured"]]
    names = {payment["id"] for payment in kept}
    refunds = [row for row in m.find("rfnd") if row["payment_id"] in names and row["status"] == "processed"]
    currency = one.get("currency", "INR")
    return BookLine(
        gateway_reference=one["id"],
        reference=one.get("reference_id") or one.get("receipt"),
        asset=currency,
        captured=to_major(sum(payment["amount"] for payment in kept), currency),
        refunded=to_major(sum(row["amount"] for row in refunds), currency) if refunds else Decimal(0),
        status=one["status"],
        mode=mode,
    )


def _check_open(found: Json) -> None:
    if found["id"].startswith("plink_") and found["status"] not in ("created", "partially_paid"):
        raise ValueError(f"this payment link is {found['status']}; use pay_late")


def _order(m: Merchant, found: Json) -> Json:
    if found["id"].startswith("plink_"):
        return calls.order_of_link(m, found)
    if found["id"].startswith("order_"):
        return found
    if found.get("order_id"):
        return m.objects[found["order_id"]]
    raise ValueError("this has no order")


def _payment(m: Merchant, found: Json) -> Json:
    """The payment itself, or the attempt that counts: a captured one, else an authorized one, else the newest."""
    if found["id"].startswith("pay_"):
        return found
    if found.get("payment_id"):
        return m.objects[found["payment_id"]]
    attempts = _attempts(m, found)
    for wanted in (("captured", "refunded"), ("authorized",), ("created",)):
        for one in attempts:
            if one["status"] in wanted:
                return one
    if not attempts:
        raise ValueError("nobody tried to pay this yet")
    return attempts[0]


def _let_lapse(m: Merchant, payment: Json) -> None:
    if payment["status"] == "authorized":
        payments.give_back_unkept(m, payment)
    elif payment["status"] == "created":
        payments.fail(m, payment, "payment_timed_out")
    else:
        raise ValueError(f"orders do not expire, and this payment is {payment['status']}")


def _refund(m: Merchant, found: Json) -> Json:
    if found["id"].startswith("rfnd_"):
        return found
    newest = next(m.find("rfnd", payment_id=_payment(m, found)["id"]), None)
    if newest is None:
        raise ValueError("this payment has no refund")
    return newest


def _dispute(m: Merchant, found: Json) -> Json:
    if found["id"].startswith("disp_"):
        return found
    newest = next(m.find("disp", payment_id=_payment(m, found)["id"]), None)
    if newest is None:
        raise ValueError("this payment has no dispute")
    return newest


def _token(m: Merchant, found: Json) -> Json:
    name = found["id"] if found["id"].startswith("token_") else _payment(m, found).get("token_id")
    if not name:
        raise ValueError("this payment left no token")
    return m.objects[name]


def _told(m: Merchant, found: Json) -> Mapping[str, Any]:
    told: Json = {"id": found["id"], "status": found.get("status")}
    attempts = _attempts(m, found) if found["id"].startswith(("plink_", "order_", "qr_")) else []
    if attempts:
        told |= {"payment_id": attempts[0]["id"], "payment_status": attempts[0]["status"]}
    if found.get("order_id"):
        told["order_id"] = found["order_id"]
    return told
