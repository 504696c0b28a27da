"""The chain's messages: one encoding each, bounded, and everything else refused."""

import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.block import INHERENTS_MAX, SIGNED_BYTES_MIN
from network.messages import (
    ANSWER_BYTES_MAX,
    EXTRINSICS_MAX,
    REQUEST_BYTES_MAX,
    STEP_BYTES_MAX,
    STEPS_MAX,
    BadMessage,
    Bodies,
    FinalitySteps,
    GetExtrinsics,
    GetHeaders,
    GetStatePart,
    Headers,
    StatePart,
    Status,
    decode_answer,
    decode_notice,
    decode_request,
    encode_message,
)

STATUS = Status(
    version=1,
    genesis=bytes(32),
    best_number=7,
    best_hash=bytes([1]) * 32,
    justified_height=5,
    work=b"\x01\x00",
    final_number=0,
    final_hash=bytes(32),
    is_authority=True,
)


def test_messages_come_back_as_they_were_sent() -> None:
    request = GetHeaders(locator=(bytes(32),), count=512)
    bodies = Bodies(bodies=((b"one", b""), None, ()))
    assert decode_notice(encode_message(STATUS)) == STATUS
    assert decode_request(encode_message(request)) == request
    assert decode_answer(encode_message(bodies)) == bodies


def test_net_25_the_messages_of_fast_sync_are_bounded() -> None:
    request = GetStatePart(block_hash=bytes(32), start=bytes(32), depth_min=4, bytes_max=1)
    part = StatePart(depth=4, pairs=((b"key", b""),), siblings=(bytes(32),), other=bytes(64))
    assert decode_request(encode_message(request)) == request
    assert decode_answer(encode_message(part)) == part
    for bad in (
        replace(part, siblings=(bytes(31),)),
        replace(part, siblings=(bytes(32),) * 256),
        replace(part, other=bytes(63)),
        replace(part, depth=256),
        FinalitySteps(steps=(bytes(STEP_BYTES_MAX + 1),)),
        FinalitySteps(steps=(b"",) * (STEPS_MAX + 1)),
    ):
        with pytest.raises(BadMessage):
            decode_answer(encode_message(bad))
    for question in (replace(request, start=b""), replace(request, depth_min=256), replace(request, bytes_max=0)):
        with pytest.raises(BadMessage):
            decode_request(encode_message(question))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x90",
        encode_message(STATUS)[:-1],
        encode_message(STATUS) + b"\x00",
        encode_message(STATUS).replace(b"\x07", b"\xcc\x07", 1),  # 7 in two bytes
        msgspec.msgpack.encode([8, [bytes(31)], 1]),
        msgspec.msgpack.encode([8, [], 1]),
        msgspec.msgpack.encode([8, [bytes(32)], 513]),
        msgspec.msgpack.encode([8, [bytes(32)] * 65, 1]),
        msgspec.msgpack.encode([99]),
        bytes(16 * 1024 + 1),
    ],
)
def test_net_25_what_is_no_canonical_message_is_refused(data: bytes) -> None:
    for decode in (decode_notice, decode_request, decode_answer):
        with pytest.raises(BadMessage):
            decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for decode in (decode_notice, decode_request, decode_answer):
        try:
            message = decode(data)
        except BadMessage:
            continue
        assert encode_message(message) == data


def test_an_answer_is_no_request() -> None:
    with pytest.raises(BadMessage):
        decode_request(encode_message(Headers(headers=())))


def test_net_51_a_body_of_millions_of_tiny_extrinsics_is_refused_before_they_become_objects() -> None:
    count = (ANSWER_BYTES_MAX - 64) // 4
    data = b"\x92\x11\x91\xdd" + count.to_bytes(4, "big") + b"\xc4\x02ab" * count
    tracemalloc.start()
    try:
        with pytest.raises(BadMessage, match="extrinsics in"):
            decode_answer(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * 1024 * 1024 + len(data)


def test_net_51_the_bodies_of_permitted_blocks_pass() -> None:
    bodies = Bodies(bodies=(None, (), (b"x",) * INHERENTS_MAX, (b"y" * SIGNED_BYTES_MIN,) * 70_000))
    assert decode_answer(encode_message(bodies)) == bodies


@pytest.mark.parametrize("data", [b"\x92\x11", b"\x92\x11\x91", b"\x92\x11\x91\xdd\xff", b"\x92\x11\x91\x01"])
def test_net_51_broken_bodies_are_refused_as_any_broken_message(data: bytes) -> None:
    with pytest.raises(BadMessage):
        decode_answer(data)


def test_net_25_a_request_has_room_for_as_many_extrinsics_as_one_may_ask_for() -> None:
    hashes = tuple(bytes([index % 256]) * 32 for index in range(EXTRINSICS_MAX))
    assert len(encode_message(GetExtrinsics(hashes=hashes))) <= REQUEST_BYTES_MAX
