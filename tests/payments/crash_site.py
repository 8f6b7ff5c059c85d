"""The process that the crash tests kill: `python -m tests.payments.crash_site PORT`.

Everything is loaded once; each life is a fork of that, so a kill -9 of a real server costs milliseconds and not seconds.
One JSON line in, one out:

    {"do": "serve", "crash_at": name or null}                 a web server on PORT, ready when answered
    {"do": "wait"}                                            how that server ended: {"signal": 9}
    {"do": "stop"}                                            ends it in our way (SIGKILL too: there is no other ending)
    {"do": "sweep", "crash_at": ..., "seconds": 3600}         `manage.py sweep`, so many seconds later
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


def main(port: int) -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application

    settings.DOORBELL = False  # nobody is rung: what a crash leaves behind, the sweep alone must find
    application = get_wsgi_application()
    load_everything()
    server: int | None = None
    answer({"ready": True})
    for line in sys.stdin:
        wish = json.loads(line)
        match wish["do"]:
            case "serve":
                server = serve(application, port, wish["crash_at"])
                answer({"pid": server})
            case "wait" | "stop":
                assert server is not None
                if wish["do"] == "stop":
                    os.kill(server, signal.SIGKILL)
                answer(ending(server))
                server = None
            case "sweep":
                answer(ending(fork(lambda wish=wish: sweep(wish["seconds"]), wish["crash_at"])))


def load_everything() -> None:
    """What a life would import or read at its first request. Opens no connection and starts no thread: a fork follows."""
    from django.core.management import load_command_class
    from django.urls import get_resolver

    from core import http
    from core.gateways import registry

    assert get_resolver().url_patterns
    load_command_class("payments", "sweep")
    http._client()
    for slug in registry.slugs():
        __import__(f"{registry.gateway_class(slug).__module__.rpartition('.')[0]}.client")
    gc.freeze()


def answer(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)


def ending(child: int) -> dict[str, Any]:
    _, status = os.waitpid(child, 0)
    return {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, "code": os.waitstatus_to_exitcode(status)}


def fork(life: Callable[[], None], crash_at: str | None) -> int:
    """A child that lives `life` and dies at `crash_at`."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        from core import crash

        sys.stdin = open(os.devnull)  # noqa: SIM115 - for the child's whole life
        os.dup2(2, 1)
        crash.arm(crash_at)
        life()
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def serve(application: Any, port: int, crash_at: str | None) -> int:
    ready, tell = os.pipe()

    def life() -> None:
        os.close(ready)
        with make_server("127.0.0.1", port, application, server_class=_Server, handler_class=_Quiet) as server:
            os.write(tell, b"!")
            server.serve_forever(poll_interval=5)

    child = fork(life, crash_at)
    os.close(tell)
    assert os.read(ready, 1) == b"!", "the server did not start"
    os.close(ready)
    return child


def sweep(seconds: float) -> None:
    from django.core.management import call_command

    from core import clock

    with clock.fixed(clock.now() + timedelta(seconds=seconds)):
        call_command("sweep")


if __name__ == "__main__":
    main(int(sys.argv[1]))
