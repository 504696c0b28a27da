"""Peers whose answers take long because they are far, and not idle: they are waited for, but not for ever."""

from __future__ import annotations

import pytest

from chain.header import encode_header
from network.messages import Bodies, GetBodies, GetHeaders, Headers
from network.port import AnswerReceived, SendRequest
from node.core.effects import Effect
from node.core.events import Tick
from node.core.peer_table import PATIENCE_MS_MAX, PeerTable
from tests.node.test_sync_desk import connect, say
from tests.node.test_sync_stalls import make_peer
from tests.node.world import BOB, World, find

CHAIN = 8


class Far:
    """A node that lacks a chain which all its peers have, and peers that answer when the test says."""

    def __init__(self) -> None:
        other = World(author=BOB.public)
        self.blocks = [other.mine() for _ in range(CHAIN)]
        self.world = World(author=None)
        self.world.now_ms = other.now_ms + 60_000
        self.asked: list[SendRequest] = []
        connect(self.world, "a", "b")
        best = self.blocks[-1].header
        for peer in ("a", "b"):
            changes = {"work": b"\xff" * 8, "best_number": best.number, "best_hash": best.hash}
            self.note(say(self.world, peer, **changes))

    def note(self, effects: list[Effect]) -> None:
        """Keep what is asked."""
        self.asked += find(effects, SendRequest)

    def wait(self, ms: int) -> None:
        """Let time pass in the ticks of a driver."""
        for _ in range(ms // 250):
            self.note(self.world.handle(Tick(), later_ms=250))

    def list_asked(self, kind: type) -> list[SendRequest]:
        """Return the requests of a kind so far."""
        return [ask for ask in self.asked if isinstance(ask.request, kind)]

    def answer_headers(self, ask: SendRequest) -> None:
        """Let the peer send all headers."""
        headers = Headers(headers=tuple(encode_header(block.header) for block in self.blocks))
        self.note(self.world.handle(AnswerReceived(peer=ask.peer, request_id=ask.request_id, answer=headers)))

    def answer_bodies(self, ask: SendRequest) -> None:
        """Let the peer send what it was asked for."""
        assert isinstance(ask.request, GetBodies)
        bodies = {block.header.hash: block.extrinsics for block in self.blocks}
        answer = Bodies(bodies=tuple(bodies[name] for name in ask.request.hashes))
        self.note(self.world.handle(AnswerReceived(peer=ask.peer, request_id=ask.request_id, answer=answer)))


@pytest.mark.parametrize("trip_ms", [100, 4_000, 7_500])
def test_syn_28_a_row_is_kept_while_its_far_source_takes_its_usual_time(trip_ms: int) -> None:
    """With 7.5 s an answer, a row that is left after 6 s would be begun again for ever."""
    far = Far()
    far.wait(trip_ms)
    for ask in far.list_asked(GetHeaders):
        far.answer_headers(ask)
    row = far.world.machine.peers.sync.row
    assert row is not None
    asked = far.list_asked(GetBodies)
    far.wait(trip_ms)
    assert far.world.machine.peers.sync.row is row
    for ask in asked:
        far.answer_bodies(ask)
    assert far.world.head.number == CHAIN


@pytest.mark.parametrize(("trip_ms", "left_ms"), [(100, 6_500), (4_000, 13_000), (7_500, 15_500)])
def test_syn_28_a_row_is_left_when_its_source_takes_three_times_as_long(trip_ms: int, left_ms: int) -> None:
    far = Far()
    far.wait(trip_ms)
    far.answer_headers(far.list_asked(GetHeaders)[0])
    row = far.world.machine.peers.sync.row
    assert row is not None
    far.wait(left_ms - 2_000)
    assert far.world.machine.peers.sync.row is row
    far.wait(2_000)
    assert far.world.machine.peers.sync.row is not row


def test_syn_08_a_second_peer_is_asked_later_when_the_first_one_is_far() -> None:
    far = Far()
    for state in far.world.machine.peers.table:
        state.note_answer(4_000)
    far.answer_headers(far.list_asked(GetHeaders)[0])
    asked = len(far.list_asked(GetBodies))
    far.wait(5_500)
    assert len(far.list_asked(GetBodies)) == asked
    far.wait(1_000)
    assert len(far.list_asked(GetBodies)) == asked + 1


def test_how_long_answers_take_rises_at_once_and_falls_by_halves() -> None:
    state, table = make_peer(), PeerTable()
    table.add(state)
    for took_ms, answer_ms, patience_ms in [
        (10, 10, 2_000),
        (3_000, 3_000, 4_500),
        (9_000, 9_000, PATIENCE_MS_MAX),
        (1_000, 5_000, PATIENCE_MS_MAX),
        (0, 2_500, 3_750),
        (-60_000, 0, 2_000),  # the clock was set back
    ]:
        state.note_answer(took_ms)
        assert (state.answer_ms, table.compute_patience_ms("peer", 2_000)) == (answer_ms, patience_ms)
    assert table.compute_patience_ms("gone", 2_000) == 2_000
