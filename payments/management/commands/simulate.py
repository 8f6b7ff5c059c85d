"""`manage.py simulate`: play the customer or the misbehaving gateway against a running simulator."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import strict_json
from payments import simulator_control
from payments.models import Payment


class Command(BaseCommand):
    help = "Steer the running simulator: act as the customer, set faults, send webhooks again, move its clock."

    def add_arguments(self, parser: CommandParser) -> None:
        steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
        act = steps.add_parser("act", help="what the customer or the gateway does: pay, decline, cancel, expire, ...")
        act.add_argument("action")
        act.add_argument("payment", help="our id (PAY_...) or the gateway's")
        act.add_argument("--gateway", default="", help="needed with the gateway's own id")
        act.add_argument("details", nargs="*", metavar="NAME=VALUE")
        fault = steps.add_parser(
            "fault", help="misbehave: timeout_after, error_before, rate_limit, outage, truncate, ..."
        )
        fault.add_argument("gateway")
        fault.add_argument("kind")
        fault.add_argument("--path", default="", help="regular expression of the path")
        fault.add_argument("--times", type=int, default=1)
        fault.add_argument("--seconds", type=float, default=None)
        webhooks = steps.add_parser("webhooks", help="duplicate, reorder, delay, drop or forge the next webhooks")
        webhooks.add_argument("gateway")
        webhooks.add_argument("kind", choices=["duplicate", "reorder", "delay", "drop", "forge"])
        webhooks.add_argument("--times", type=int, default=1)
        webhooks.add_argument("--seconds", type=float, default=None)
        again = steps.add_parser("redeliver", help="send the last webhooks again")
        again.add_argument("gateway")
        again.add_argument("--last", type=int, default=1)
        steps.add_parser("advance", help="move the simulator's clock forward").add_argument("seconds", type=float)
        steps.add_parser("clear", help="end all faults")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            answer = getattr(self, f"_{options['step']}")(options)
        except simulator_control.NoSimulator as error:
            raise CommandError(str(error)) from None
        self.stdout.write(strict_json.dumps(answer))

    def _act(self, options: dict[str, Any]) -> Any:
        gateway, reference = self._find(options["payment"], options["gateway"])
        details = dict(one.split("=", 1) for one in options["details"] if "=" in one)
        wish = {**details, "action": options["action"], "gateway_reference": reference}
        return simulator_control.call("POST", f"/{gateway}/act", wish)

    def _find(self, text: str, gateway: str) -> tuple[str, str]:
        payment = Payment.across_labs.filter(public_id=text).first()
        if payment is not None:
            return payment.gateway, payment.gateway_reference
        if not gateway:
            raise CommandError(f"there is no payment {text}; with a gateway's own id, name it by --gateway")
        return gateway, text

    def _fault(self, options: dict[str, Any]) -> Any:
        return simulator_control.call("POST", "/faults", _said(options, "gateway", "kind", "path", "times", "seconds"))

    def _webhooks(self, options: dict[str, Any]) -> Any:
        return simulator_control.call("POST", "/webhook_faults", _said(options, "gateway", "kind", "times", "seconds"))

    def _redeliver(self, options: dict[str, Any]) -> Any:
        return simulator_control.call("POST", "/redeliver", _said(options, "gateway", "last"))

    def _advance(self, options: dict[str, Any]) -> Any:
        return simulator_control.call("POST", "/advance", {"seconds": options["seconds"]})

    def _clear(self, options: dict[str, Any]) -> Any:
        return simulator_control.call("DELETE", "/faults")


def _said(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if options[name] not in (None, "")}
