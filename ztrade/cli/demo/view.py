"""What is seen while the demo runs: a live table on a terminal, one line per outcome elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ztrade.app.report import text
from ztrade.cli.demo.progress import AgentRow, Look
from ztrade.domain.ledger import CycleRecord, Outcome

#: columns of a terminal from which on the reason stands beside the outcome; in narrower ones it stands below
ROOM_FOR_REASONS = 120
#: colours of the terminal for outcomes that should catch the eye
STYLES = {
    Outcome.ENTERED: "bold green",
    Outcome.EXITED: "bold blue",
    Outcome.BLOCKED: "yellow",
    Outcome.PROPOSED: "magenta",
    Outcome.HELD: "dim",
    Outcome.CLOSED: "dim",
    Outcome.OBSERVED: "dim",
}


class View(Protocol):
    """Shows looks; a context manager, so that the terminal is given back whatever happens."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, look: Look) -> None: ...


class PlainView:
    """Prints one line per outcome, in order of the slots."""

    def __init__(self, echo: Callable[[str], None] = click.echo) -> None:
        self._echo = echo

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, look: Look) -> None:
        """Print what is fresh."""
        for cycle in look.fresh:
            self._echo(plain_line(cycle))


def plain_line(cycle: CycleRecord) -> str:
    """Return one outcome as a line: New York time, agent, outcome, reason."""
    reason = "".join(char if char.isprintable() else " " for char in text.why(cycle))
    return f"{text.stamp(cycle.slot)}  {cycle.agent:<6} {cycle.outcome or 'running':<11} {reason}"


class LiveView:
    """Redraws one table in place."""

    def __init__(self, heading: str, footer: str, console: Console | None = None) -> None:
        self._heading, self._footer = heading, footer
        self._console = console or Console()
        self._live = Live(console=self._console, refresh_per_second=8, transient=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, look: Look) -> None:
        """Draw the table as it is now."""
        self._live.update(screen(self._heading, self._footer, look, self._console.width))


def screen(heading: str, footer: str, look: Look, width: int) -> RenderableType:
    """Return everything that a terminal of ``width`` columns shows."""
    top = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=max(look.total, 1), completed=look.done, width=30)
    top.add_row(Text(text.stamp(look.now), "bold"), bar, f"{look.done} of {look.total} slots", Text(heading, "dim"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=width >= ROOM_FOR_REASONS)
    for name in ("agent", "slot", "outcome", "position", "P&L", "next"):
        table.add_column(name, no_wrap=True, justify="right" if name == "P&L" else "left")
    if width >= ROOM_FOR_REASONS:
        table.add_column("why", ratio=1, no_wrap=True, overflow="ellipsis")
    for row in look.rows:
        table.add_row(*_cells(row)[: len(table.columns)])
    below = () if width >= ROOM_FOR_REASONS else (Text(), *map(_reason, look.rows))
    return Group(top, Text(), table, *below, Text(), Text(footer, "dim"))


def _reason(row: AgentRow) -> Text:
    """Return the reason as a line of its own."""
    why = _cells(row)[-1].plain
    return Text(f"{row.agent.name}: {why}" if why else "", no_wrap=True, overflow="ellipsis")


def _cells(row: AgentRow) -> list[Text]:
    held = row.holding
    position = f"{text.quantity(held.qty)} {held.symbol} at {text.price(held.avg_price)}" if held.qty else "flat"
    tone = {"gain": "green", "loss": "red", "flat": ""}[text.tone(row.pnl)]
    outcome = row.last.outcome if row.last else None
    style = STYLES.get(outcome, "bold red") if outcome else "dim"
    return [
        Text(row.agent.name, "bold"),
        Text(text.clock(row.last.slot if row.last else None)),
        Text(str(outcome or "waiting"), style),
        Text(position),
        Text(text.signed(row.pnl), tone),
        Text(text.clock(row.next_slot)),
        Text(text.why(row.last) if row.last else ""),
    ]
