"""Connections between nodes, and how long what travels on them takes, or that it never arrives.

Terms:
    link: the way between two nodes, whether they are connected or not. connection: a session on it.
    loss: the share of messages that vanish, in both directions. A real connection would send them again, later; here
        they are gone, which is harder on the nodes.
    partition: groups of nodes between which nothing passes; a connection across it breaks after a while.

Invariant: a message arrives only if the connection that it left on still stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from simulations.agenda import Action, Agenda
from simulations.chance import Chance

SILENCE_MS_MAX = 10_000


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What a link is like.

    Attributes:
        latency_ms: The least time one way.
        jitter_ms: Mean of the exponentially distributed time on top, so that messages overtake each other.
        loss: Share of messages that vanish.
        doubled: Share of gossip messages that arrive twice.
        bytes_per_ms: What a node can send; what exceeds it waits in line.
    """

    latency_ms: float = 30.0
    jitter_ms: float = 20.0
    loss: float = 0.0
    doubled: float = 0.0
    bytes_per_ms: float = 1_250.0


class Connection:
    """A session between two nodes."""

    def __init__(self, dialer: str, listener: str) -> None:
        self.dialer = dialer
        self.listener = listener
        self.is_open = True
        self.last_arrival_ms: dict[str, float] = {dialer: 0.0, listener: 0.0}

    def get_other(self, name: str) -> str:
        """Return who is at the other end."""
        return self.listener if name == self.dialer else self.dialer


class Wires:
    """All links and connections."""

    def __init__(self, agenda: Agenda, chance: Chance, link: Link, on_closed: Callable[[Connection], None]) -> None:
        """Begin without connections.

        Args:
            link: What every link is like that `set_link` does not change.
            on_closed: Told of each connection that ends, after it has ended.
        """
        self._agenda = agenda
        self._chance = chance
        self._on_closed = on_closed
        self._link = link
        self._links: dict[tuple[str, str], Link] = {}
        self._open: dict[str, dict[str, Connection]] = {}
        self._sent_until_ms: dict[str, float] = {}
        self._sides: dict[str, int] = {}

    # Links

    def set_link(self, link: Link, one: str | None = None, two: str | None = None) -> None:
        """Change the link of two nodes, or without names every link."""
        if one is None or two is None:
            self._link = link
            self._links.clear()
        else:
            self._links[min(one, two), max(one, two)] = link

    def get_link(self, one: str, two: str) -> Link:
        """Return what the link of two nodes is like."""
        return self._links.get((min(one, two), max(one, two)), self._link)

    def split(self, groups: Iterable[Iterable[str]]) -> None:
        """Let nothing pass between the groups; nodes in no group are together."""
        self._sides = {name: side for side, group in enumerate(groups, start=1) for name in group}
        for name in sorted(self._open):
            for connection in list(self._open[name].values()):
                if name == connection.dialer and self.is_split(connection.dialer, connection.listener):
                    self._agenda.plan(self._agenda.now_ms + SILENCE_MS_MAX, self._make_break(connection))

    def heal(self) -> None:
        """Let everything pass again."""
        self._sides = {}

    def is_split(self, one: str, two: str) -> bool:
        """Return whether a partition lies between two nodes."""
        return self._sides.get(one, 0) != self._sides.get(two, 0)

    # Connections

    def open(self, dialer: str, listener: str) -> Connection:
        """Return a new connection of two nodes that have none."""
        connection = Connection(dialer, listener)
        self._open.setdefault(dialer, {})[listener] = connection
        self._open.setdefault(listener, {})[dialer] = connection
        return connection

    def close(self, connection: Connection) -> None:
        """End a connection; closing twice is harmless."""
        if not connection.is_open:
            return
        connection.is_open = False
        del self._open[connection.dialer][connection.listener]
        del self._open[connection.listener][connection.dialer]
        self._on_closed(connection)

    def find(self, one: str, two: str) -> Connection | None:
        """Return the connection of two nodes, if there is one."""
        return self._open.get(one, {}).get(two)

    def list_peers(self, name: str) -> list[str]:
        """Return who a node is connected with, in the order of connecting."""
        return list(self._open.get(name, {}))

    # Messages

    def send(self, source: str, target: str, size: int, arrive: Action, *, in_order: bool = False) -> None:
        """Let something happen when a message of `size` bytes arrives, if it does.

        Args:
            in_order: It does not overtake what was sent in order before.
        """
        connection = self.find(source, target)
        if connection is None:
            return
        link = self.get_link(source, target) if self._links else self._link
        left_ms = max(float(self._agenda.now_ms), self._sent_until_ms.get(source, 0.0)) + size / link.bytes_per_ms
        self._sent_until_ms[source] = left_ms
        is_cut = bool(self._sides) and self.is_split(source, target)
        if is_cut or (link.loss > 0 and self._chance.is_hit(link.loss, "loss", source, target)):
            return
        at_ms = left_ms + link.latency_ms + self._chance.draw_delay_ms(link.jitter_ms, "latency", source, target)
        if in_order:
            at_ms = max(at_ms, connection.last_arrival_ms[target])
            connection.last_arrival_ms[target] = at_ms
        self._agenda.plan(round(at_ms), lambda: arrive() if connection.is_open else None)

    def draw_latency_ms(self, source: str, target: str) -> float:
        """Return how long the next message takes."""
        link = self.get_link(source, target)
        return link.latency_ms + self._chance.draw_delay_ms(link.jitter_ms, "latency", source, target)

    def _make_break(self, connection: Connection) -> Action:
        def break_if_split() -> None:
            if self.is_split(connection.dialer, connection.listener):
                self.close(connection)

        return break_if_split
