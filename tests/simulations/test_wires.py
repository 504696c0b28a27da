"""Links: how long messages take, in which order they come, and which never do."""

from __future__ import annotations

from statistics import mean

from simulations.agenda import Agenda
from simulations.chance import Chance
from simulations.wires import SILENCE_MS_MAX, Connection, Link, Wires


class Line:
    """Two connected nodes and what arrives at the second."""

    def __init__(self, link: Link) -> None:
        self.agenda = Agenda(0)
        self.closed: list[Connection] = []
        self.wires = Wires(self.agenda, Chance(1), link, self.closed.append)
        self.connection = self.wires.open("alice", "bob")
        self.arrivals: list[tuple[int, int]] = []

    def send(self, count: int, size: int = 100, *, in_order: bool = False) -> None:
        """Send numbered messages."""
        for number in range(count):
            arrive = lambda number=number: self.arrivals.append((self.agenda.now_ms, number))  # noqa: E731
            self.wires.send("alice", "bob", size, arrive, in_order=in_order)

    def run(self, until_ms: int = 100_000) -> list[int]:
        """Return the numbers in the order of their arrival."""
        while self.agenda.step(until_ms):
            pass
        return [number for _, number in self.arrivals]


def test_messages_overtake_each_other_unless_sent_in_order() -> None:
    """All arrive, with the latency at least."""
    loose, strict = Line(Link(latency_ms=50, jitter_ms=30)), Line(Link(latency_ms=50, jitter_ms=30))
    loose.send(50)
    strict.send(50, in_order=True)
    assert sorted(loose.run()) == list(range(50))
    assert loose.run() != list(range(50))
    assert strict.run() == list(range(50))
    assert min(at_ms for at_ms, _ in loose.arrivals) >= 50
    assert 60 < mean(at_ms for at_ms, _ in loose.arrivals) < 110


def test_the_share_of_lost_messages_is_the_links() -> None:
    """Three of ten, within four standard errors."""
    line = Line(Link(loss=0.3))
    line.send(1_000)
    assert 640 < len(line.run()) < 760


def test_what_exceeds_the_bandwidth_waits_in_line() -> None:
    """A megabyte at a kilobyte a millisecond takes a second, and holds up what comes after it."""
    line = Line(Link(latency_ms=10, jitter_ms=0, bytes_per_ms=1_000))
    line.send(1, size=1_000_000)
    line.send(1, size=1_000)
    line.run()
    assert [at_ms for at_ms, _ in line.arrivals] == [1_010, 1_011]


def test_a_partition_lets_nothing_pass_and_breaks_what_crosses_it() -> None:
    """After a while of silence; inside a group everything goes on."""
    line = Line(Link())
    other = line.wires.open("alice", "carol")
    line.wires.split([("bob",)])
    line.send(3)
    assert line.run(SILENCE_MS_MAX - 1) == []
    assert line.connection.is_open
    line.run()
    assert not line.connection.is_open
    assert line.closed == [line.connection]
    assert other.is_open


def test_a_partition_that_heals_in_time_breaks_nothing() -> None:
    """What was sent meanwhile is gone."""
    line = Line(Link())
    line.wires.split([("bob",)])
    line.send(1)
    line.agenda.plan(5_000, line.wires.heal)
    line.agenda.plan(6_000, lambda: line.send(1))
    line.run()
    assert len(line.arrivals) == 1
    assert line.connection.is_open


def test_a_message_dies_with_its_connection() -> None:
    """Also when the same two are connected again."""
    line = Line(Link(latency_ms=100))
    line.send(1)
    line.wires.close(line.connection)
    line.wires.open("alice", "bob")
    assert line.run() == []
