"""python -m clients.simulator --port 9000 --simulator stripe=clients.stripe.simulator:StripeSimulator ..."""

from __future__ import annotations

import argparse

from clients.simulator.app import RETRY_FACTOR, build_app
from clients.simulator.server import LOOPBACK, make_server


def main(arguments: list[str] | None = None) -> None:
    wish = _parser().parse_args(arguments)
    base_url = wish.base_url or f"http://{LOOPBACK}:{wish.port}"
    app = build_app(
        dict(wish.simulator), base_url=base_url, latency_seconds=wish.latency, retry_factor=wish.retry_factor
    )
    make_server(app, port=wish.port, log_level=wish.log_level).run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m clients.simulator", description="Play every gateway on loopback.")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument(
        "--simulator", type=_named, action="append", required=True, metavar="SLUG=MODULE:CLASS", help="may be repeated"
    )
    parser.add_argument("--base-url", default="", help="where browsers find it, if not at http://127.0.0.1:PORT")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to every call of a gateway")
    parser.add_argument("--retry-factor", type=float, default=RETRY_FACTOR, help="scales the pauses of webhook retries")
    parser.add_argument("--log-level", default="warning")
    return parser


def _named(text: str) -> tuple[str, str]:
    slug, _, dotted = text.partition("=")
    if not slug or ":" not in dotted:
        raise argparse.ArgumentTypeError("write SLUG=MODULE:CLASS")
    return slug, dotted


if __name__ == "__main__":
    main()
