"""The page on which the customer of a simulated gateway acts: one look for all, so that nobody takes it for the real one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from string import Template
from typing import Final

Button = tuple[str, str, str]  # what it sends, what it says, how it looks: main, quiet or nothing

_STYLE: Final = Template("""
:root{color-scheme:light dark}*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:#8881}
main{width:min(27rem,100%);background:Canvas;padding:1.5rem;border-radius:1rem;box-shadow:0 4px 24px #0002}
.note{background:#d9770622;border-left:4px solid #d97706;padding:.5rem .8rem;border-radius:.3rem;font-size:.9rem}
.error{background:#dc262622;border-left:4px solid #dc2626;padding:.5rem .8rem;border-radius:.3rem}
h1{font-size:1rem;font-weight:500;opacity:.75;margin:1rem 0 0}
.amount{font-size:2rem;font-weight:700;margin:0 0 1rem;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:auto 1fr;gap:.3rem 1rem;font-size:.9rem}dt{opacity:.65}
dd{margin:0;text-align:right;overflow-wrap:anywhere}code{font-size:.95em}
select,button{width:100%;padding:.75rem;margin:.25rem 0;border-radius:.6rem;border:1px solid #8886;font:inherit;
background:transparent;color:inherit}option{color:black}button{cursor:pointer}
button.main{background:$color;color:#fff;border:0;font-weight:600}button.quiet{border:0;opacity:.7}
""")


@dataclass(frozen=True, slots=True)
class Look:
    """Whose pages they are. `color` is a CSS color, of the button that most customers press."""

    gateway: str
    color: str = "#2563eb"

    def page(
        self, title: str, inner: str, buttons: Iterable[Button] = (), *, error: str | None = None, action: str = ""
    ) -> str:
        """A whole page: `inner` is HTML, everything else is text. The buttons post `do` to `action` (itself when empty)."""
        return self.document(title, f"{inner}{problem(error)}{form(buttons, action=action)}")

    def message(self, title: str, text: str) -> str:
        return self.document(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>")

    def posting(self, url: str, fields: Mapping[str, str]) -> str:
        """Sends the browser to `url` with a form that submits itself, empty fields included; by a button without scripts."""
        inputs = "".join(
            f'<input type=hidden name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
        )
        back = f'<form id=back method=post action="{escape(url)}">{inputs}<button class=main>Back to the shop</button></form>'
        return self.document("Back", f"{back}<script>document.getElementById('back').submit()</script>")

    def document(self, title: str, inner: str) -> str:
        """The same without buttons of its own."""
        whose = escape(f"Simulated {self.gateway}")
        return (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)} - {whose}</title>"
            '<meta name=viewport content="width=device-width,initial-scale=1">'
            f"<style>{_STYLE.substitute(color=self.color)}</style>"
            f"<main><p class=note>{whose} - no real money</p>{inner}</main></html>"
        )


def form(buttons: Iterable[Button], *, action: str = "") -> str:
    """The buttons as a form; nothing where there are none."""
    inner = "".join(f"<button name=do value={do} class='{look}'>{escape(text)}</button>" for do, text, look in buttons)
    where = f' action="{escape(action)}"' if action else ""
    return f"<form method=post{where}>{inner}</form>" if inner else ""


def problem(error: str | None) -> str:
    """What went wrong at the last try, as HTML."""
    return f"<p class=error role=alert>{escape(error)}</p>" if error else ""
