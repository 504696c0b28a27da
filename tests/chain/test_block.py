"""Blocks: a header and the body that it commits to."""

from __future__ import annotations

from time import process_time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.block import (
    Block,
    BlockTooLarge,
    InvalidBody,
    TooManyExtrinsics,
    check_body,
    compute_extrinsics_root,
    decode_block,
    encode_block,
)
from chain.extrinsic import make_bare
from chain.header import Digest, Header, encode_header
from chain.scale import CodecError, LimitExceeded, NotCanonical, TrailingBytes, UnexpectedEnd, encode_compact

ROOM = 5 * 1024 * 1024


def _make(*calls: bytes) -> Block:
    extrinsics = tuple(make_bare(call) for call in calls)
    root = compute_extrinsics_root(extrinsics)
    header = Header(parent_hash=bytes(32), number=5, state_root=bytes(32), extrinsics_root=root, digest=Digest())
    return Block(header=header, extrinsics=extrinsics)


BLOCK = _make(b"one", b"two", b"x" * 100)


@given(st.lists(st.binary(max_size=90), max_size=6))
def test_every_block_comes_back(calls: list[bytes]) -> None:
    block = _make(*calls)
    assert decode_block(encode_block(block), bytes_max=ROOM) == block


def test_a_blocks_hash_is_its_headers() -> None:
    assert BLOCK.hash == BLOCK.header.hash


def test_blk_01_a_body_that_the_header_does_not_commit_to_is_refused() -> None:
    for extrinsics in (
        BLOCK.extrinsics[:2],
        BLOCK.extrinsics[::-1],
        (*BLOCK.extrinsics, BLOCK.extrinsics[-1]),
        (*BLOCK.extrinsics[:2], make_bare(b"y" * 100)),
        (),
    ):
        forged = msgspec.structs.replace(BLOCK, extrinsics=extrinsics)
        with pytest.raises(InvalidBody, match="the header says"):
            decode_block(encode_block(forged), bytes_max=ROOM)
        with pytest.raises(InvalidBody):
            check_body(forged)


def test_blk_02_a_block_larger_than_allowed_is_refused_before_it_is_read() -> None:
    data = encode_block(BLOCK)
    assert decode_block(data, bytes_max=len(data)) == BLOCK
    with pytest.raises(BlockTooLarge):
        decode_block(data, bytes_max=len(data) - 1)
    with pytest.raises(BlockTooLarge):
        decode_block(b"\xff" * 100, bytes_max=99)


def test_blk_03_a_body_of_empty_extrinsics_costs_nothing_to_refuse() -> None:
    head = encode_header(BLOCK.header)
    count = ROOM - len(head) - 4
    data = head + encode_compact(count) + bytes(count)
    started = process_time()
    with pytest.raises(TooManyExtrinsics):
        decode_block(data, bytes_max=ROOM)
    assert process_time() - started < 0.2
    assert decode_block(encode_block(_make(*[b""] * 16)), bytes_max=ROOM)
    with pytest.raises(TooManyExtrinsics):
        decode_block(encode_block(_make(*[b""] * 17)), bytes_max=ROOM)


def test_scl_02_a_cut_off_block_is_refused() -> None:
    data = encode_block(BLOCK)
    for length in range(len(data)):
        with pytest.raises((UnexpectedEnd, LimitExceeded)):
            decode_block(data[:length], bytes_max=ROOM)


def test_scl_03_bytes_after_a_block_are_refused() -> None:
    with pytest.raises(TrailingBytes):
        decode_block(encode_block(BLOCK) + b"\x00", bytes_max=ROOM)


def test_scl_04_a_count_or_length_in_a_longer_form_is_refused() -> None:
    head = encode_header(BLOCK.header)
    with pytest.raises(NotCanonical):
        decode_block(head + b"\x0d\x00" + b"".join(BLOCK.extrinsics), bytes_max=ROOM)
    first = BLOCK.extrinsics[0]
    longer = (int.from_bytes(first[:1], "little") | 1).to_bytes(2, "little") + first[1:]
    with pytest.raises(NotCanonical):
        decode_block(head + b"\x0c" + longer + b"".join(BLOCK.extrinsics[1:]), bytes_max=ROOM)


def test_scl_06_a_count_beyond_the_bytes_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        decode_block(encode_header(BLOCK.header) + encode_compact(2**32 - 1), bytes_max=ROOM)


@given(st.binary(max_size=120), st.booleans())
def test_a_strangers_bytes_are_a_block_or_a_codec_error(data: bytes, is_headed: bool) -> None:
    raw = encode_header(BLOCK.header) + data if is_headed else data
    try:
        block = decode_block(raw, bytes_max=ROOM)
    except CodecError:
        return
    assert encode_block(block) == raw
