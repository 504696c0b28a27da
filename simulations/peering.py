"""The network that nodes see: `network.port`'s commands in, its events out, over the wires.

Gossip floods: a node passes on what its core accepts, to every peer but the one that brought it. Requests get an
answer, a refusal or a time-out. Messages travel as the bytes that they really have, so what no node could decode fails
here as well.

Terms:
    points: what `Punish` adds up for a peer in the real node's book of bans; rejected gossip counts too.
    wish: a peer that a node dials whenever it is not connected with it.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import assert_never

import msgspec

from network.bans import BanBook
from network.messages import (
    Answer,
    BadMessage,
    Notice,
    Request,
    decode_answer,
    decode_notice,
    decode_request,
    encode_message,
)
from network.port import (
    AnswerReceived,
    Disconnect,
    Failure,
    GossipReceived,
    JudgeGossip,
    NetworkCommand,
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
    Topic,
)
from simulations.agenda import Agenda
from simulations.chance import Chance
from simulations.wires import Connection, Link, Wires

REJECT_POINTS = 20
REDIAL_MS = 1_000
SEEN_MS = 120_000
GOSSIP_REPEATS = 3
GOSSIP_REPEAT_MS = 1_000


class _Asked(msgspec.Struct, frozen=True):
    """A request that waits: who asked whom, and the asker's id."""

    asker: str
    asked: str
    request_id: int


class _Seat:
    """What the network layer of one running node remembers."""

    def __init__(self, wishes: tuple[str, ...]) -> None:
        self.wishes = wishes
        self.seen: dict[bytes, int] = {}
        self.judged: dict[bytes, tuple[str, Topic, bytes]] = {}


class Peering:
    """Everybody's network layer."""

    def __init__(
        self, agenda: Agenda, chance: Chance, link: Link, deliver: Callable[[str, NetworkEvent], None]
    ) -> None:
        """Begin with nobody.

        Args:
            deliver: Gives an event to a node.
        """
        self.wires = Wires(agenda, chance, link, self._on_closed)
        self.bans: dict[str, BanBook] = {}
        self._agenda = agenda
        self._chance = chance
        self._deliver = deliver
        self._seats: dict[str, _Seat] = {}
        self._asked: dict[int, _Asked] = {}
        self._count = 0

    def join(self, name: str, wishes: tuple[str, ...]) -> None:
        """Begin a node's network layer."""
        seat = _Seat(wishes)
        self._seats[name] = seat
        self._dial_all(name, seat)

    def leave(self, name: str) -> None:
        """End a node's network layer; its peers notice."""
        self._seats.pop(name, None)
        for peer in self.wires.list_peers(name):
            connection = self.wires.find(name, peer)
            if connection is not None:
                self.wires.close(connection)

    def is_banned(self, name: str, peer: str) -> bool:
        """Return whether a node has banned another."""
        return name in self.bans and self.bans[name].is_banned(peer, self._agenda.now_ms)

    def list_banned(self, name: str) -> list[str]:
        """Return whom a node has ever banned."""
        return [ban.name for ban in self.bans[name].list_bans(self._agenda.now_ms)] if name in self.bans else []

    def perform(self, name: str, command: NetworkCommand) -> None:
        """Do what a node wants done."""
        match command:
            case SendNotice():
                self._send_notice(name, command.peer, command.notice)
            case SendRequest():
                self._send_request(name, command)
            case SendAnswer():
                self._send_answer(name, command)
            case Publish():
                self._publish(name, command)
            case JudgeGossip():
                self._judge(name, command)
            case Punish():
                self._punish(name, command.peer, command.points)
            case Disconnect():
                self._disconnect(name, command.peer)
            case _:
                assert_never(command)

    # Connections

    def _dial_all(self, name: str, seat: _Seat) -> None:
        if self._seats.get(name) is not seat:
            return
        for peer in seat.wishes:
            if self.wires.find(name, peer) is None and not self.is_banned(name, peer):
                wait_ms = round(2 * self.wires.draw_latency_ms(name, peer))
                self._agenda.plan(self._agenda.now_ms + wait_ms, self._make_connect(name, peer))
        wait_ms = REDIAL_MS + self._chance.draw_delay_ms(REDIAL_MS / 2, "dial", name)
        self._agenda.plan(self._agenda.now_ms + wait_ms, lambda: self._dial_all(name, seat))

    def _make_connect(self, dialer: str, listener: str) -> Callable[[], None]:
        def connect() -> None:
            is_possible = dialer in self._seats and listener in self._seats and dialer != listener
            is_wanted = not self.is_banned(listener, dialer) and not self.is_banned(dialer, listener)
            if self.wires.is_split(dialer, listener) or not is_possible or not is_wanted:
                return
            if self.wires.find(dialer, listener) is None:
                self.wires.open(dialer, listener)
                self._deliver(dialer, PeerConnected(peer=listener, is_outbound=True))
                self._deliver(listener, PeerConnected(peer=dialer, is_outbound=False))

        return connect

    def _disconnect(self, name: str, peer: str) -> None:
        connection = self.wires.find(name, peer)
        if connection is not None:
            self.wires.close(connection)

    def _on_closed(self, connection: Connection) -> None:
        for name in (connection.dialer, connection.listener):
            peer = connection.get_other(name)
            for number, asked in list(self._asked.items()):
                if (asked.asker, asked.asked) == (name, peer):
                    self._fail(number, "gone")
            if name in self._seats:
                self._deliver(name, PeerGone(peer=peer))

    def _punish(self, name: str, peer: str, points: int) -> None:
        book = self.bans.setdefault(name, BanBook())
        if book.add_points(peer, None, points, self._agenda.now_ms):
            self._disconnect(name, peer)

    # Notices, requests, answers

    def _send_notice(self, name: str, peer: str, notice: Notice) -> None:
        data = encode_message(notice)

        def arrive() -> None:
            self._deliver(peer, NoticeReceived(peer=name, notice=decode_notice(data)))

        self.wires.send(name, peer, len(data), arrive, in_order=True)

    def _send_request(self, name: str, command: SendRequest) -> None:
        self._count += 1
        number, peer = self._count, command.peer
        self._asked[number] = _Asked(name, peer, command.request_id)
        if self.wires.find(name, peer) is None:
            self._agenda.plan(self._agenda.now_ms, lambda: self._fail(number, "gone"))
            return
        data = encode_message(command.request)

        def arrive() -> None:
            request: Request = decode_request(data)
            self._deliver(peer, RequestReceived(peer=name, request_id=number, request=request))

        self.wires.send(name, peer, len(data), arrive)
        self._agenda.plan(self._agenda.now_ms + command.timeout_ms, lambda: self._fail(number, "timeout"))

    def _send_answer(self, name: str, command: SendAnswer) -> None:
        number, peer = command.request_id, command.peer
        if command.answer is None:
            self.wires.send(name, peer, 1, lambda: self._fail(number, "refused"))
            return
        data = encode_message(command.answer)

        def arrive() -> None:
            asked = self._asked.get(number)
            if asked is None or (asked.asker, asked.asked) != (peer, name):
                return
            try:
                answer: Answer = decode_answer(data)
            except BadMessage:
                self._fail(number, "bad")
                return
            del self._asked[number]
            self._deliver(peer, AnswerReceived(peer=name, request_id=asked.request_id, answer=answer))

        self.wires.send(name, peer, len(data), arrive)

    def _fail(self, number: int, failure: Failure) -> None:
        asked = self._asked.pop(number, None)
        if asked is not None and asked.asker in self._seats:
            self._deliver(asked.asker, RequestFailed(peer=asked.asked, request_id=asked.request_id, failure=failure))

    # Gossip

    def _publish(self, name: str, command: Publish) -> None:
        message_id = blake2b(command.topic.encode() + b"/" + command.data, digest_size=20).digest()
        self._seats[name].seen[message_id] = self._agenda.now_ms
        self._spread(name, (name, command.topic, command.data), message_id)

    def _spread(self, name: str, message: tuple[str, Topic, bytes], message_id: bytes) -> None:
        origin, topic, data = message
        passed = (topic, data)
        for peer in self.wires.list_peers(name):
            if peer != origin:
                self._pass_on(name, peer, passed, message_id)
                if self._chance.is_hit(self.wires.get_link(name, peer).doubled, "doubled", name):
                    self._pass_on(name, peer, passed, message_id)

    def _pass_on(self, name: str, peer: str, message: tuple[Topic, bytes], message_id: bytes, tries: int = 1) -> None:
        """Send gossip; where it did not get through, the heartbeat offers it a few times more."""
        topic, data = message

        def arrive() -> None:
            self._on_gossip(name, peer, message, message_id)

        def repeat() -> None:
            seat = self._seats.get(peer)
            if name in self._seats and seat is not None and message_id not in seat.seen:
                self._pass_on(name, peer, message, message_id, tries + 1)

        self.wires.send(name, peer, len(data) + len(topic), arrive)
        if tries <= GOSSIP_REPEATS and self.wires.get_link(name, peer).loss > 0:
            self._agenda.plan(self._agenda.now_ms + GOSSIP_REPEAT_MS, repeat)

    def _on_gossip(self, source: str, name: str, message: tuple[Topic, bytes], message_id: bytes) -> None:
        seat, now_ms = self._seats.get(name), self._agenda.now_ms
        if seat is None or now_ms - seat.seen.get(message_id, -SEEN_MS) < SEEN_MS:
            return
        topic, data = message
        seat.seen[message_id] = now_ms
        seat.judged[message_id] = (source, topic, data)
        self._deliver(name, GossipReceived(peer=source, topic=topic, message_id=message_id, data=data))

    def _judge(self, name: str, command: JudgeGossip) -> None:
        seat = self._seats[name]
        message = seat.judged.pop(command.message_id, None)
        if message is None:
            return
        if command.verdict == "accept":
            self._spread(name, message, command.message_id)
        elif command.verdict == "reject":
            self._punish(name, message[0], REJECT_POINTS)
