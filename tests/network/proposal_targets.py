"""Fuzz targets of negotiations that do not wait: what goes with a proposal, and what comes instead of its answer."""

from __future__ import annotations

from collections.abc import Hashable

from network.libp2p.multistream import HEADER, NOT_AVAILABLE, PROPOSALS_MAX, Responder, encode_line
from network.libp2p.node_key import PeerId
from network.libp2p.protocol_error import BadNegotiation
from network.libp2p.stream import Stream
from tests.network.fuzzing import Target

_OPENING = encode_line(HEADER) + encode_line("/a")
_REFUSAL = encode_line(HEADER) + encode_line(NOT_AVAILABLE)


class _Account:
    """Stands for a connection: counts what a stream keeps."""

    def __init__(self) -> None:
        self.peer_id = PeerId("")
        self.kept = 0
        self.is_reset = False

    def send(self, stream: int, data: bytes) -> int:
        return 0

    def get_pending_bytes(self, stream: int) -> int:
        return 0

    def close_write(self, stream: int) -> None:
        """Nothing to close."""

    def reset_stream(self, stream: int) -> None:
        self.is_reset = True

    def consume(self, stream: int, count: int) -> None:
        self.kept -= count

    def discard(self, count: int) -> None:
        self.kept -= count


def _check_refusal(data: bytes) -> Hashable:
    """Whatever follows a refusal is no fault, short of too many proposals."""
    responder = Responder(lambda _: False)
    assert responder.receive(_OPENING) == _REFUSAL
    try:
        answer = responder.receive(data)
    except BadNegotiation as error:
        if "proposals" not in str(error):
            raise
        return "too many"
    assert answer == encode_line(NOT_AVAILABLE) * min(data.count(b"\n"), len(answer) // 4)
    return responder.has_failed, len(answer), len(responder.take_rest()) > 0


def _check_answer(data: bytes) -> Hashable:
    """The end that proposes raises nothing here, keeps nothing before an agreement and all of what is behind it."""
    account, half = _Account(), len(data) // 2
    stream = Stream(account, 1)
    stream.propose("/a")
    for piece in (data[:half], data[half:]):
        if piece and not account.is_reset:
            account.kept += len(piece)
            stream.on_data(piece)
    assert account.kept == stream.buffered_bytes
    is_agreed = data.startswith(_OPENING)
    assert (stream.protocol == "/a") == is_agreed
    assert stream.buffered_bytes == (len(data) - len(_OPENING) if is_agreed else 0)
    assert not (is_agreed and account.is_reset)
    return is_agreed, account.is_reset, stream.buffered_bytes > 0


PROPOSAL_TARGETS = (
    Target(
        name="after a refusal",
        seeds=(b"question", encode_line("/b") * 3, encode_line("/b") * (PROPOSALS_MAX - 1) + b"\x00"),
        check=_check_refusal,
        errors=(),
    ),
    Target(
        name="answer to a proposal",
        seeds=(_OPENING, _OPENING + b"answer", _REFUSAL, encode_line(HEADER)),
        check=_check_answer,
        errors=(),
    ),
)
