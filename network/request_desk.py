"""Requests and answers: one stream each, both ways.

Invariants: at most 16 requests of one peer wait for us, and 16 of ours for it; each of ours ends in exactly one event;
a peer that does not read its answers is asked to wait with its next request, and loses the stream in the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from network.chain_protocols import ChainProtocols
from network.doorkeeper import Doorkeeper
from network.event_inbox import EventInbox
from network.libp2p.host import Host
from network.libp2p.multistream import ProtocolRefused
from network.libp2p.node_key import PeerId
from network.libp2p.protocol_error import RemoteProtocolError
from network.libp2p.stream import Stream, StreamReset
from network.messages import (
    ANSWER_BYTES_MAX,
    REQUEST_BYTES_MAX,
    Answer,
    BadMessage,
    Bodies,
    Extrinsics,
    FinalitySteps,
    GetAncestors,
    GetBodies,
    GetExtrinsics,
    GetFinality,
    GetHeaders,
    GetStatePart,
    Headers,
    Request,
    StatePart,
    decode_answer,
    decode_request,
    encode_message,
)
from network.peer_session import PeerSession
from network.penalties import EXCESS, LATE, UNASKED, get_fault_points
from network.port import AnswerReceived, Failure, RequestFailed, RequestReceived, SendAnswer, SendRequest
from network.settings import ServiceLimits


class RequestCounts:
    """How requests ended, since the start."""

    def __init__(self) -> None:
        """None yet."""
        self.out_success = self.out_failure = self.in_success = self.in_failure = 0


class RequestDesk:
    """Asks peers and serves them."""

    def __init__(
        self, host: Host, door: Doorkeeper, inbox: EventInbox, *, protocols: ChainProtocols, limits: ServiceLimits
    ) -> None:
        """`sessions` is set by the service."""
        self._host = host
        self._door = door
        self._inbox = inbox
        self._protocols = protocols
        self._limits = limits
        self._numbers = 0
        self._writing: dict[Stream, int] = {}
        self.sessions: Mapping[PeerId, PeerSession] = {}
        self.counts = RequestCounts()

    # -- ours

    def ask(self, command: SendRequest) -> None:
        """Send a request; an event follows."""
        session = self.sessions.get(PeerId(command.peer))
        if session is None:
            self._fail(command.peer, command.request_id, "gone")
            return
        asked = sum(len(other.asked) for other in self.sessions.values())
        if len(session.asked) >= self._limits.requests_max or asked >= self._limits.asked_max:
            self._fail(command.peer, command.request_id, "refused")
            return
        session.asked[command.request_id] = command.request
        session.solicited_bytes += ANSWER_BYTES_MAX
        self._host.spawn(self._ask(session, command))

    async def _ask(self, session: PeerSession, command: SendRequest) -> None:
        answer: Answer | None = None
        failure: Failure = "refused"
        try:
            async with asyncio.timeout(command.timeout_ms / 1000):
                answer = await self._exchange(session, command.request)
        except RemoteProtocolError as error:
            failure = "bad"
            self._door.punish(session.peer, get_fault_points(error), str(error))
        except TimeoutError:
            failure = "timeout"  # what that costs the core decides, which set the time
        except ProtocolRefused:
            failure = "refused"
        except OSError:
            failure = "gone"
        # SPEC NET-28: A request MUST end in exactly one answer or failure, and what comes behind its time-out, its
        # answer or its peer's leaving MUST be dropped.
        if session.asked.pop(command.request_id, None) is None:
            return
        if answer is None:
            self._fail(command.peer, command.request_id, failure)
            return
        self.counts.out_success += 1
        if isinstance(answer, Extrinsics) and answer.extrinsics:
            self._door.note_use(session.peer, "news")
        self._inbox.put(AnswerReceived(peer=command.peer, request_id=command.request_id, answer=answer))

    async def _exchange(self, session: PeerSession, request: Request) -> Answer | None:
        async with self._host.open_stream(session.peer, self._protocols.sync) as stream:
            await stream.write_frame(encode_message(request))
            stream.close_write()
            frame = await stream.read_frame(ANSWER_BYTES_MAX)
            if frame is None:
                return None
            answer = decode_answer(frame)
            if not is_answer_to(request, answer):
                self._door.punish(session.peer, UNASKED, "answers another question")
                raise BadMessage("an answer to another question")
            return answer

    def drop_asked(self, session: PeerSession) -> None:
        """The peer is gone: each of our requests to it fails."""
        for request_id in list(session.asked):
            del session.asked[request_id]
            self._fail(session.peer, request_id, "gone")

    def _fail(self, peer: str, request_id: int, failure: Failure) -> None:
        self.counts.out_failure += 1
        self._inbox.put(RequestFailed(peer=peer, request_id=request_id, failure=failure))

    # -- theirs

    async def serve(self, session: PeerSession, stream: Stream) -> None:
        """Pass one request on to the core, and send what it answers.

        Raises:
            BadMessage: no request. StreamReset, TimeoutError: the peer left, or was too slow.
        """
        # SPEC NET-27: A node MUST keep at most 16 unanswered requests of one peer, reset the streams of further ones,
        # and serve 2 of them at a time, until it has read their answers.
        if len(session.asking) >= self._limits.requests_max:
            self._door.punish(session.peer, EXCESS, "too many requests")
            raise StreamReset("too many requests")
        self._numbers += 1
        number, waiter = self._numbers, asyncio.get_running_loop().create_future()
        session.asking[number] = waiter
        try:
            async with asyncio.timeout(self._limits.request_s):
                frame = await stream.read_frame(REQUEST_BYTES_MAX)
            request = decode_request(frame or b"")
            async with session.serving:
                if session.is_gone or stream.is_reset:
                    raise StreamReset("the peer is gone")
                self._inbox.put(RequestReceived(peer=session.peer, request_id=number, request=request))
                async with asyncio.timeout(self._limits.answer_s):
                    answer = await waiter
                if answer is None:
                    self.counts.in_failure += 1
                    return  # an end without a frame refuses
                await self._write_answer(session, stream, answer)
        finally:
            session.asking.pop(number, None)

    async def _write_answer(self, session: PeerSession, stream: Stream, answer: bytes) -> None:
        self._writing[stream] = len(answer)
        self._make_room()
        try:
            async with asyncio.timeout(self._limits.writing_s):
                await stream.write_frame(answer)
                await stream.wait_sent()
        except TimeoutError:
            self._door.punish(session.peer, LATE, "does not read its answers")
            raise
        finally:
            self._writing.pop(stream, None)
        self.counts.in_success += 1

    def _make_room(self) -> None:
        # SPEC NET-43: When more than 64 MiB of answers wait to be read, the streams on which they wait longest MUST be
        # reset, and their readers charged as for answers that are not read.
        while self.unread_bytes > self._limits.answer_bytes_max and len(self._writing) > 1:
            slowest = next(iter(self._writing))
            del self._writing[slowest]
            slowest.reset()
            self._door.punish(slowest.peer_id, LATE, "does not read its answers")

    @property
    def unread_bytes(self) -> int:
        """How much of our answers waits to be read."""
        return sum(self._writing.values())

    def answer(self, command: SendAnswer) -> None:
        """The core's answer; what nobody waits for any more is dropped."""
        session = self.sessions.get(PeerId(command.peer))
        waiter = session.asking.get(command.request_id) if session is not None else None
        if waiter is not None and not waiter.done():
            waiter.set_result(None if command.answer is None else encode_message(command.answer))


def is_answer_to(request: Request, answer: Answer) -> bool:
    """Could this answer that request?"""
    match request, answer:
        case GetHeaders(), Headers():
            return len(answer.headers) <= request.count
        case GetBodies(), Bodies():
            return len(answer.bodies) <= len(request.hashes)
        case GetExtrinsics(), Extrinsics():
            return len(answer.extrinsics) <= len(request.hashes)
        case GetAncestors(), Headers():
            return len(answer.headers) <= request.count
        case (GetFinality(), FinalitySteps()) | (GetStatePart(), StatePart()):
            return True
        case _:
            return False
