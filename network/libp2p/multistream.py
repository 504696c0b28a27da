"""multistream-select 1.0: two ends agree on a protocol by name. No I/O here.

Terms:
    line: a text behind its length, ended by a newline that the length counts.
    proposer: the end that opened the connection or stream; it proposes, the other answers with the same name or `na`.

Source: libp2p specification, `connections/README.md#multistream-select`; docs/spec/network.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from network.libp2p.protocol_error import BadNegotiation, LocalProtocolError, RemoteProtocolError
from network.libp2p.varint import FrameReader, encode_frame

HEADER = "/multistream/1.0.0"
NOT_AVAILABLE = "na"
LINE_BYTES_MAX = 1024
PROPOSALS_MAX = 20


class ProtocolRefused(ConnectionError):
    """The peer speaks none of the protocols that were proposed."""

    rule: ClassVar[str] = "NET-05"


def encode_line(text: str) -> bytes:
    """Return one line as it is sent."""
    return encode_frame(text.encode("utf-8") + b"\n")


class Negotiation:
    """What both roles share: lines in, `agreed` out.

    Attributes:
        agreed: The protocol, once there is one.
        has_failed: The proposer has nothing left to propose.
    """

    def __init__(self) -> None:
        """Nothing is agreed yet."""
        self._lines = FrameReader(LINE_BYTES_MAX)
        self._is_greeted = False
        self.agreed: str | None = None
        self.has_failed = False

    @property
    def is_over(self) -> bool:
        """Is there an agreement, or none to be had?"""
        return self.has_failed or self.agreed is not None

    def receive(self, data: bytes) -> bytes:
        """Return the bytes to answer with.

        Raises:
            RemoteProtocolError: BadVarint, FrameTooLarge, BadNegotiation.
        """
        if self.is_over:
            raise LocalProtocolError("the negotiation is over; the bytes belong to the protocol")
        self._lines.add(data)
        answer = b""
        while not self.is_over and (line := self._take_line()) is not None:
            answer += self._on_line(line)
        return answer

    def take_rest(self) -> bytes:
        """Return the bytes received behind the agreement."""
        return self._lines.take_rest()

    def _take_line(self) -> str | None:
        frame = self._lines.take()
        return None if frame is None else _decode_line(frame)

    def _on_line(self, line: str) -> bytes:
        if not self._is_greeted:
            if line != HEADER:
                raise BadNegotiation("the other end does not speak multistream-select 1.0")
            self._is_greeted = True
            return self._on_greeting()
        return self._on_answer(line)

    def _on_greeting(self) -> bytes:
        raise NotImplementedError

    def _on_answer(self, line: str) -> bytes:
        raise NotImplementedError


class Proposer(Negotiation):
    """The end that proposes names, best first."""

    def __init__(self, protocols: Sequence[str]) -> None:
        """At least one protocol."""
        super().__init__()
        if not protocols:
            raise LocalProtocolError("nothing to propose")
        self._left = list(protocols)

    def start(self) -> bytes:
        """Return the opening: the header and, without waiting, the first proposal."""
        return encode_line(HEADER) + encode_line(self._left[0])

    def _on_greeting(self) -> bytes:
        return b""

    def _on_answer(self, line: str) -> bytes:
        if line == self._left[0]:
            self.agreed = line
            return b""
        if line != NOT_AVAILABLE:
            raise BadNegotiation("the answer to a proposal is neither its name nor na")
        del self._left[0]
        if not self._left:
            self.has_failed = True
            return b""
        return encode_line(self._left[0])


class Responder(Negotiation):
    """The end that answers; `is_known` says which names it speaks."""

    def __init__(self, is_known: Callable[[str], bool]) -> None:
        """Nothing was proposed yet."""
        super().__init__()
        self._is_known = is_known
        self._proposals = 0

    def _take_line(self) -> str | None:
        # SPEC NET-55: What follows a proposal before its answer MUST be the protocol's when it is agreed, and MUST be
        # dropped without a fault when it is refused.
        try:
            return super()._take_line()
        except RemoteProtocolError:
            if not self._proposals:
                raise
            self.has_failed = True
            return None

    def _on_greeting(self) -> bytes:
        return encode_line(HEADER)

    def _on_answer(self, line: str) -> bytes:
        self._proposals += 1
        # SPEC NET-05: A negotiation MUST have lines of at most 1,024 bytes and at most 20 proposals.
        if self._proposals > PROPOSALS_MAX:
            raise BadNegotiation(f"more than {PROPOSALS_MAX} proposals")
        if self._is_known(line):
            self.agreed = line
            return encode_line(line)
        return encode_line(NOT_AVAILABLE)


def _decode_line(frame: bytes) -> str:
    if not frame.endswith(b"\n"):
        raise BadNegotiation("a line does not end in a newline")
    try:
        return frame[:-1].decode("utf-8")
    except UnicodeDecodeError:
        raise BadNegotiation("a line is not UTF-8") from None
