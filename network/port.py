"""Between a node and the network: what the network tells, and what it is told to do. Records only, no I/O.

The node's core takes a `NetworkEvent` and returns `NetworkCommand`s among its effects. `network.service` drives real
connections with them, the simulated world drives many cores with the same.

Terms:
    peer: the text of a peer id. request_id: chosen by whoever sends the request, unique among those unanswered.
    gossip: a message that floods the network; each node judges it before it passes it on.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from network.messages import Answer, Notice, Request

Peer: TypeAlias = str
Topic: TypeAlias = Literal["headers", "votes"]
Verdict: TypeAlias = Literal["accept", "ignore", "reject"]
Failure: TypeAlias = Literal["timeout", "gone", "refused", "bad"]

# ---- what the network tells


class PeerConnected(msgspec.Struct, frozen=True, kw_only=True):
    """A secured connection stands; our status goes to the peer next."""

    peer: Peer
    is_outbound: bool


class PeerGone(msgspec.Struct, frozen=True, kw_only=True):
    """The connection ended; requests to the peer fail with `gone` before this comes."""

    peer: Peer


class NoticeReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A peer said something that wants no answer."""

    peer: Peer
    notice: Notice


class RequestReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A peer asks; `SendAnswer` with the same peer and id answers."""

    peer: Peer
    request_id: int
    request: Request


class AnswerReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A peer answered our request."""

    peer: Peer
    request_id: int
    answer: Answer


class RequestFailed(msgspec.Struct, frozen=True, kw_only=True):
    """Our request got no answer: too late, the peer is gone, it refused, or what it sent was no answer."""

    peer: Peer
    request_id: int
    failure: Failure


class GossipReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A gossip message waits for our verdict.

    Attributes:
        peer: Who brought it first; not its author.
        data: `headers`: the SCALE bytes of a sealed header; `votes`: the SCALE bytes of a signed vote.
    """

    peer: Peer
    topic: Topic
    message_id: bytes
    data: bytes


NetworkEvent: TypeAlias = (
    PeerConnected | PeerGone | NoticeReceived | RequestReceived | AnswerReceived | RequestFailed | GossipReceived
)

# ---- what the network is told to do


class SendNotice(msgspec.Struct, frozen=True, kw_only=True):
    """Tell a peer something."""

    peer: Peer
    notice: Notice


class SendRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask a peer; an AnswerReceived or a RequestFailed with this id follows, the latter after `timeout_ms`."""

    peer: Peer
    request_id: int
    request: Request
    timeout_ms: int


class SendAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Answer a peer; None refuses."""

    peer: Peer
    request_id: int
    answer: Answer | None


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """Send a gossip message of our own."""

    topic: Topic
    data: bytes


class JudgeGossip(msgspec.Struct, frozen=True, kw_only=True):
    """Pass a gossip message on (accept), drop it (ignore), or drop it and lower its senders' scores (reject)."""

    message_id: bytes
    verdict: Verdict


class Punish(msgspec.Struct, frozen=True, kw_only=True):
    """Add to a peer's ban score; at 100 it is banned."""

    peer: Peer
    points: int
    reason: str


class Disconnect(msgspec.Struct, frozen=True, kw_only=True):
    """Close the connection with a peer; it did nothing that deserves a ban."""

    peer: Peer
    reason: str


NetworkCommand: TypeAlias = SendNotice | SendRequest | SendAnswer | Publish | JudgeGossip | Punish | Disconnect
