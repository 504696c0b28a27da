"""What a person sees of a running devnet: a live table in a terminal, and a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.live import Live
from rich.table import Table

from matchstrike.devnet.node_line import NodeStatus

QUIET_SECONDS = 10.0
COLUMNS = ("node", "peers", "height", "finalized", "strikes/s", "tickets/s")
Row = tuple[str, ...]


class Display:
    """Shows the nodes; without a terminal it prints a line every ten seconds, when something has changed."""

    def __init__(self, console: Console, live: Live | None) -> None:
        self._console = console
        self._live = live
        self._shown = ""
        self._shown_at = -QUIET_SECONDS

    def show(self, statuses: Sequence[NodeStatus], caption: str = "") -> None:
        """Show the nodes' present state."""
        if self._live is not None:
            self._live.update(make_table(statuses, caption))
            return
        text = describe(statuses, caption)
        if text != self._shown and monotonic() - self._shown_at >= QUIET_SECONDS:
            self.say(text)
            self._shown, self._shown_at = text, monotonic()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def open_display(console: Console | None = None) -> Iterator[Display]:
    """Return a display that ends with the context; its last table stays on the screen."""
    chosen = console or Console(highlight=False)
    if not chosen.is_terminal:
        yield Display(chosen, None)
        return
    with Live(Table(), console=chosen, refresh_per_second=4, transient=False) as live:
        yield Display(chosen, live)


def make_table(statuses: Sequence[NodeStatus], caption: str) -> Table:
    """Return the table of a terminal."""
    table = Table(title="Matchstrike devnet", caption=caption or None, caption_justify="left")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "node" else "right")
    for status in statuses:
        table.add_row(*make_row(status))
    return table


def make_row(status: NodeStatus) -> Row:
    """Return a node's cells; one that tells nothing shows its state."""
    name = status.name if status.state == "running" else f"{status.name} ({status.state})"
    numbers = (status.peers, status.best, status.final, status.strikes_per_second, status.tickets_per_second)
    return (name, *("-" if number is None else f"{number:,}" for number in numbers))


def describe(statuses: Sequence[NodeStatus], caption: str) -> str:
    """Return the same as one line."""
    parts = []
    for status in statuses:
        name, peers, best, final, strikes, _ = make_row(status)
        parts.append(f"{name} #{best} (final #{final}, {peers} peers, {strikes} strikes/s)")
    return "; ".join([*parts, caption] if caption else parts)
