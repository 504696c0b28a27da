"""gossipsub's frames: subscriptions, messages and control, as protobuf. No I/O here.

Source: libp2p specification, `pubsub/README.md#the-rpc`, `pubsub/gossipsub/gossipsub-v1.1.md`; docs/spec/network.md.
"""

from __future__ import annotations

from hashlib import sha256
from typing import ClassVar, NewType

import msgspec

from network.libp2p.protobuf import as_bytes, as_number, as_text, decode_fields, encode_bytes, encode_number
from network.libp2p.protocol_error import RemoteProtocolError

MESHSUB = "/meshsub/1.1.0"
MESHSUB_PROTOCOLS = (MESHSUB, "/meshsub/1.0.0")
RPC_BYTES_MAX = 1_048_576
TOPIC_BYTES_MAX = 256
SUBSCRIPTIONS_MAX = 128
MESSAGES_MAX = 1_024
CONTROLS_MAX = 256
IDS_MAX = 5_000
ID_BYTES_MAX = 64

MessageId = NewType("MessageId", bytes)


class BadGossip(RemoteProtocolError):
    """A gossip frame that holds more than it may, or names that are none."""

    rule: ClassVar[str] = "NET-19"


class GossipMessage(msgspec.Struct, frozen=True):
    """What is published: a topic's bytes."""

    topic: str
    data: bytes


class Prune(msgspec.Struct, frozen=True):
    """We are no longer in the sender's mesh, and should not ask again for `backoff_s` seconds."""

    topic: str
    backoff_s: int


class Rpc(msgspec.Struct, frozen=True, kw_only=True):
    """One frame.

    Attributes:
        subscriptions: (topic, does the sender want it).
        messages: Published or forwarded messages.
        ihave: (topic, ids of messages that the sender can give).
        iwant: Ids that the sender asks for.
        graft: Topics in whose mesh the sender has put us.
        prune: Topics whose mesh we have left.
    """

    subscriptions: tuple[tuple[str, bool], ...] = ()
    messages: tuple[GossipMessage, ...] = ()
    ihave: tuple[tuple[str, tuple[MessageId, ...]], ...] = ()
    iwant: tuple[MessageId, ...] = ()
    graft: tuple[str, ...] = ()
    prune: tuple[Prune, ...] = ()


def compute_message_id(topic: str, data: bytes) -> MessageId:
    """Return the name by which a message is known to everybody."""
    # SPEC NET-20: A gossip message's id MUST be the first 20 bytes of the SHA-256 of its topic's length (4 bytes,
    # little endian), its topic and its data.
    name = topic.encode("utf-8")
    return MessageId(sha256(len(name).to_bytes(4, "little") + name + data).digest()[:20])


def encode_message(message: GossipMessage) -> bytes:
    """Return a message as a field of a frame, so that one encoding serves every peer."""
    return encode_bytes(2, encode_bytes(2, message.data) + encode_bytes(4, message.topic.encode("utf-8")))


def encode_rpc(rpc: Rpc) -> bytes:
    """Return the frame."""
    out = b"".join(
        encode_bytes(1, encode_number(1, int(wanted)) + encode_bytes(2, topic.encode("utf-8")))
        for topic, wanted in rpc.subscriptions
    )
    out += b"".join(encode_message(message) for message in rpc.messages)
    control = b"".join(
        encode_bytes(1, encode_bytes(1, topic.encode("utf-8")) + b"".join(encode_bytes(2, name) for name in ids))
        for topic, ids in rpc.ihave
    )
    if rpc.iwant:
        control += encode_bytes(2, b"".join(encode_bytes(1, name) for name in rpc.iwant))
    control += b"".join(encode_bytes(3, encode_bytes(1, topic.encode("utf-8"))) for topic in rpc.graft)
    control += b"".join(
        encode_bytes(4, encode_bytes(1, prune.topic.encode("utf-8")) + encode_number(3, prune.backoff_s))
        for prune in rpc.prune
    )
    return out + encode_bytes(3, control) if control else out


def decode_rpc(data: bytes) -> Rpc:
    """Return the frame; fields of later versions are passed over.

    Raises:
        BadProtobuf: not a frame. BadGossip: more of something than a frame may hold.
    """
    subscriptions: list[tuple[str, bool]] = []
    messages: list[GossipMessage] = []
    control = _Control()
    for number, value in decode_fields(data):
        if number == 1:
            subscriptions.append(_decode_subscription(as_bytes(value)))
        elif number == 2:
            messages.append(_decode_message(as_bytes(value)))
        elif number == 3:
            control.add(as_bytes(value))
    names = sum(len(ids) for _, ids in control.ihave) + len(control.iwant)
    counts = len(control.ihave) + len(control.graft) + len(control.prune)
    # SPEC NET-19: A gossip frame MUST have at most 1 MiB, 128 subscriptions, 1,024 messages, 256 control entries and
    # 5,000 ids, and topics of at most 256 bytes.
    is_full = len(subscriptions) > SUBSCRIPTIONS_MAX or len(messages) > MESSAGES_MAX
    if is_full or counts > CONTROLS_MAX or names > IDS_MAX:
        raise BadGossip("a gossip frame holds more than it may")
    return Rpc(
        subscriptions=tuple(subscriptions),
        messages=tuple(messages),
        ihave=tuple(control.ihave),
        iwant=tuple(control.iwant),
        graft=tuple(control.graft),
        prune=tuple(control.prune),
    )


def _decode_subscription(data: bytes) -> tuple[str, bool]:
    topic, wanted = "", False
    for number, value in decode_fields(data):
        if number == 1:
            wanted = bool(as_number(value))
        elif number == 2:
            topic = _as_topic(value)
    return topic, wanted


def _decode_message(data: bytes) -> GossipMessage:
    # SPEC NET-21: A node MUST send messages without author, sequence number, signature and key, and pass over those of
    # others: the id names the content, and what is worth signing is signed inside.
    topic, content = "", b""
    for number, value in decode_fields(data):
        if number == 2:
            content = as_bytes(value)
        elif number == 4:
            topic = _as_topic(value)
    return GossipMessage(topic, content)


class _Control:
    """The control entries read so far."""

    def __init__(self) -> None:
        self.ihave: list[tuple[str, tuple[MessageId, ...]]] = []
        self.iwant: list[MessageId] = []
        self.graft: list[str] = []
        self.prune: list[Prune] = []

    def add(self, data: bytes) -> None:
        for number, value in decode_fields(data):
            if number not in (1, 2, 3, 4):
                continue
            fields = decode_fields(as_bytes(value))
            if number == 2:
                self.iwant += [_as_id(part) for inner, part in fields if inner == 1]
                continue
            topic = next((_as_topic(part) for inner, part in fields if inner == 1), "")
            if number == 1:
                self.ihave.append((topic, tuple(_as_id(part) for inner, part in fields if inner == 2)))
            elif number == 3:
                self.graft.append(topic)
            else:
                self.prune.append(Prune(topic, next((as_number(part) for inner, part in fields if inner == 3), 0)))


def _as_topic(value: int | bytes) -> str:
    if len(as_bytes(value)) > TOPIC_BYTES_MAX:
        raise BadGossip(f"a topic has at most {TOPIC_BYTES_MAX} bytes")
    return as_text(value)


def _as_id(value: int | bytes) -> MessageId:
    name = as_bytes(value)
    if len(name) > ID_BYTES_MAX:
        raise BadGossip(f"a message's id has at most {ID_BYTES_MAX} bytes")
    return MessageId(name)
