"""The simulated network keeps `network.port`'s promises."""

from __future__ import annotations

import pytest

from network.bans import BAN_MS
from network.messages import ExtrinsicInventory, GetExtrinsics, Headers
from network.port import (
    AnswerReceived,
    Disconnect,
    GossipReceived,
    JudgeGossip,
    NetworkEvent,
    NoticeReceived,
    PeerConnected,
    PeerGone,
    Publish,
    Punish,
    RequestFailed,
    RequestReceived,
    SendAnswer,
    SendNotice,
    SendRequest,
    Verdict,
)
from simulations.agenda import Agenda
from simulations.chance import Chance
from simulations.peering import Peering
from simulations.wires import Link

HASH = bytes(32)


class Room:
    """Three nodes, of which bob knows both others, and all that they hear."""

    def __init__(self, link: Link | None = None) -> None:
        self.agenda = Agenda(0)
        self.heard: list[tuple[str, NetworkEvent]] = []
        self.peering = Peering(
            self.agenda, Chance(1), link or Link(), lambda name, event: self.heard.append((name, event))
        )
        for name, wishes in (("alice", ()), ("bob", ("alice", "carol")), ("carol", ())):
            self.peering.join(name, wishes)
        self.run(2_000)
        self.heard.clear()

    def run(self, for_ms: int) -> list[tuple[str, NetworkEvent]]:
        """Let time pass; return what was heard meanwhile."""
        self.heard.clear()
        until_ms = self.agenda.now_ms + for_ms
        while self.agenda.step(until_ms):
            pass
        return list(self.heard)


def test_both_ends_hear_of_a_connection() -> None:
    """Once, and who dialled."""
    room = Room()
    assert room.run(5_000) == []
    room.peering.leave("carol")
    room.peering.join("carol", ())
    assert room.run(5_000) == [
        ("bob", PeerConnected(peer="carol", is_outbound=True)),
        ("carol", PeerConnected(peer="bob", is_outbound=False)),
    ]


def test_a_request_gets_its_answer_or_its_refusal_once() -> None:
    """Ids are the asker's; the asked one answers under the id that it was given."""
    room = Room()
    request = GetExtrinsics(hashes=(HASH,))
    for number in (7, 8):
        room.peering.perform("bob", SendRequest(peer="alice", request_id=number, request=request, timeout_ms=1_000))
    asked = [event for _, event in room.run(200) if isinstance(event, RequestReceived)]
    assert len(asked) == 2
    answer = Headers(headers=())
    room.peering.perform("alice", SendAnswer(peer="bob", request_id=asked[0].request_id, answer=answer))
    room.peering.perform("alice", SendAnswer(peer="bob", request_id=asked[1].request_id, answer=None))
    heard = [event for name, event in room.run(5_000) if name == "bob"]
    assert [type(event) for event in sorted(heard, key=lambda event: type(event).__name__)] == [
        AnswerReceived,
        RequestFailed,
    ]
    assert {event.request_id for event in heard if isinstance(event, AnswerReceived | RequestFailed)} == {7, 8}


def test_a_request_without_answer_fails_after_its_time() -> None:
    """And the answer that comes too late is dropped."""
    room = Room()
    request = GetExtrinsics(hashes=(HASH,))
    room.peering.perform("bob", SendRequest(peer="alice", request_id=7, request=request, timeout_ms=1_000))
    events = room.run(2_000)
    assert events[-1] == ("bob", RequestFailed(peer="alice", request_id=7, failure="timeout"))
    number = next(event.request_id for _, event in events if isinstance(event, RequestReceived))
    room.peering.perform("alice", SendAnswer(peer="bob", request_id=number, answer=Headers(headers=())))
    assert room.run(2_000) == []


def test_requests_to_a_lost_peer_fail_before_the_peer_is_gone() -> None:
    """As the port promises; later ones fail at once."""
    room = Room()
    request = GetExtrinsics(hashes=(HASH,))
    room.peering.perform("bob", SendRequest(peer="alice", request_id=7, request=request, timeout_ms=9_000))
    room.peering.leave("alice")
    failed = RequestFailed(peer="alice", request_id=7, failure="gone")
    assert room.heard == [("bob", failed), ("bob", PeerGone(peer="alice"))]
    room.peering.perform("bob", SendRequest(peer="alice", request_id=8, request=request, timeout_ms=9_000))
    assert room.run(10) == [("bob", RequestFailed(peer="alice", request_id=8, failure="gone"))]


@pytest.mark.parametrize("verdict", ["accept", "ignore", "reject"])
def test_gossip_goes_on_only_when_it_was_accepted(verdict: Verdict) -> None:
    """Each node hears a message once, however often it comes."""
    room = Room(Link(doubled=1.0))
    room.peering.perform("alice", Publish(topic="votes", data=b"vote"))
    (name, event), *rest = room.run(500)
    assert (name, rest) == ("bob", [])
    assert isinstance(event, GossipReceived)
    assert (event.topic, event.data, event.peer) == ("votes", b"vote", "alice")
    room.peering.perform("bob", JudgeGossip(message_id=event.message_id, verdict=verdict))
    names = [name for name, _ in room.run(500)]
    assert names == (["carol"] if verdict == "accept" else [])


def test_lost_gossip_is_offered_again() -> None:
    """As gossipsub's heartbeat does; half the messages lost, none missed."""
    room = Room(Link(loss=0.5))
    for number in range(50):
        room.peering.perform("bob", Publish(topic="votes", data=bytes([number])))
    heard = [(name, event.data) for name, event in room.run(10_000) if isinstance(event, GossipReceived)]
    assert len(heard) == len(set(heard))
    assert len(heard) > 90


def test_notices_keep_their_order() -> None:
    """A newer status never comes before an older one."""
    room = Room(Link(jitter_ms=100))
    sent = [ExtrinsicInventory(hashes=(bytes([number]) * 32,)) for number in range(20)]
    for notice in sent:
        room.peering.perform("bob", SendNotice(peer="alice", notice=notice))
    assert [event.notice for _, event in room.run(5_000) if isinstance(event, NoticeReceived)] == sent


def test_a_hundred_points_ban_a_peer_for_a_while() -> None:
    """It is disconnected and not dialled; a disconnected peer is dialled again."""
    room = Room()
    room.peering.perform("bob", Punish(peer="alice", points=60, reason="bad header"))
    room.peering.perform("bob", Disconnect(peer="carol", reason="enough"))
    assert ("carol", PeerConnected(peer="bob", is_outbound=False)) in room.run(5_000)
    room.peering.perform("bob", Punish(peer="alice", points=50, reason="bad header"))
    assert room.peering.is_banned("bob", "alice")
    assert not any(isinstance(event, PeerConnected) for _, event in room.run(BAN_MS - 1_000))
    assert ("alice", PeerConnected(peer="bob", is_outbound=False)) in room.run(10_000)
