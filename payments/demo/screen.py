"""What the person at the terminal sees: a headline, a line for everything that is done, the table, the last words."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from payments.demo.tour import STEPS, Cell, Row

WIDTH: Final = 100
ROOMY: Final = 90  # characters; in a narrower window the columns move together
_HEADS: Final = {
    "initiate": "Initiate",
    "paid": "Webhooks",
    "status": "Status",
    "refund": "Refund",
    "balance": "Balance",
    "books": "Their books",
}


class Screen:
    """Colors and a moving line on a terminal; plain lines of at most WIDTH characters in a pipe or file."""

    def __init__(self) -> None:
        is_terminal = sys.stdout.isatty()
        self.console = Console(highlight=False, soft_wrap=not is_terminal, width=None if is_terminal else WIDTH)

    def headline(self, text: str) -> None:
        self.console.print(Text(text, style="bold"))
        self.console.print()

    def line(self, what: str, how: str, *, ok: bool = True) -> None:
        mark = ("  ok  ", "green") if ok else ("  no  ", "bold red")
        self.console.print(Text.assemble(mark, f"{what:<13} ", (how, "dim")))
        sys.stdout.flush()

    def note(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style=style))
        sys.stdout.flush()

    @contextmanager
    def doing(self, what: str) -> Iterator[Doing]:
        """Says what is going on while it goes on, then what came of it and how long it took."""
        began = time.monotonic()
        doing = Doing()
        with self.console.status(f"{what} ...") as status:
            doing.say = lambda text: status.update(f"{text} ...")
            yield doing
        self.line(what, ", ".join(filter(None, [doing.result, f"{time.monotonic() - began:.1f} s"])), ok=doing.ok)

    def table(self, rows: Sequence[Row]) -> None:
        gap = 1 if self.console.width >= ROOMY else 0  # beside the one of the box
        table = Table(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False, leading=1)
        table.add_column("Gateway", style="bold", no_wrap=True)
        for step in STEPS:
            table.add_column(_HEADS[step], no_wrap=True)
        for row in rows:
            table.add_row(row.label, *(_shown(row.cells.get(step)) for step in STEPS))
        self.console.print()
        self.console.print(table, soft_wrap=False)
        self.console.print()


class Doing:
    """The handle of a step that is going on: `say` what it is at, leave `result` and `ok` for its line."""

    def __init__(self) -> None:
        self.result = ""
        self.ok = True
        self.say: Callable[[str], None] = lambda _text: None


def _shown(cell: Cell | None) -> Text:
    if cell is None:
        return Text("not reached", style="dim")
    style = {True: "green", False: "bold red", None: "dim"}[cell.ok]
    return Text.assemble((cell.text, style), *([("\n" + cell.note, "dim")] if cell.note else []))
