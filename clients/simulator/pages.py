"""The index page: what runs here, what was paid, and buttons to play the customer without a browser tour."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from core.gateways.simulating import BookLine, GatewaySimulator

_STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--accent:#4f46e5}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;padding:1.5rem;max-width:70rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0;opacity:.8}
.note{border-left:4px solid #d97706;padding:.4rem .8rem;background:#d977061a;border-radius:.3rem;opacity:1}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:.6rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.5rem .7rem;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;font-size:.85rem;background:var(--soft)}tr:last-child td{border-bottom:0}
tr:has(+.play) td{border-bottom:0;padding-bottom:0}.play td{padding-top:0;white-space:normal}td.n{text-align:right}
code{font-size:.85em}.badge{padding:.1rem .5rem;border-radius:1rem;background:var(--soft);border:1px solid var(--line)}
form{display:inline}button{font:inherit;font-size:.8rem;padding:.15rem .55rem;margin:.1rem;border-radius:.4rem;
border:1px solid var(--line);background:transparent;cursor:pointer;color:inherit}button:hover{border-color:var(--accent)}
"""
NEWEST: Final = 50


def index(simulators: Mapping[str, GatewaySimulator]) -> str:
    """HTML of the whole page; the newest payments of each gateway first."""
    sections = "".join(_section(slug, simulator) for slug, simulator in sorted(simulators.items()))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Gateway simulator</title>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style><h1>Gateway simulator</h1>"
        "<p class=note>Simulated gateways on this machine. No real money, no real gateway is called.</p>"
        f"{sections}"
        "<p>Control API: <code>/_control/health</code>, <code>/_control/webhooks</code>, "
        "<code>/_control/{gateway}/books</code>, <code>/_control/{gateway}/calls</code></p></html>"
    )


def _section(slug: str, simulator: GatewaySimulator) -> str:
    lines = simulator.books()
    title = f"<h2>{escape(slug)}</h2><p>hosts: <code>{escape(', '.join(simulator.hosts))}</code></p>"
    if not lines:
        return f"{title}<p>No payments yet.</p>"
    rows = "".join(_row(slug, line, getattr(simulator, "actions", ())) for line in reversed(lines[-NEWEST:]))
    head = "<tr><th>payment<th>reference<th>mode<th>status<th>charged<th>given back<th>asset</tr>"
    return f"{title}<div class=scroll><table>{head}{rows}</table></div>"


def _row(slug: str, line: BookLine, actions: tuple[str, ...]) -> str:
    return (
        f"<tr><td><code>{escape(line.gateway_reference)}</code><td><code>{escape(line.reference or '-')}</code>"
        f"<td>{escape(line.mode)}<td><span class=badge>{escape(line.status)}</span>"
        f"<td class=n>{line.captured}<td class=n>{line.refunded}<td>{escape(line.asset)}</tr>"
        f"<tr class=play><td colspan=7>{''.join(_button(slug, line.gateway_reference, action) for action in actions)}</tr>"
    )


def _button(slug: str, reference: str, action: str) -> str:
    return (
        f'<form method=post action="/_control/{escape(slug)}/act">'
        f'<input type=hidden name=gateway_reference value="{escape(reference)}">'
        f'<button name=action value="{escape(action)}">{escape(action.replace("_", " "))}</button></form>'
    )
