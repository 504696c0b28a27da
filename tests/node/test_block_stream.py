"""Exports and imports of blocks, and what is no export."""

from __future__ import annotations

import io
from functools import cache

import pytest

from chain.block import Block, encode_block
from node.block_stream import MalformedBlocks, read_blocks, write_blocks
from tests.node.world import ALICE, BOB, World


@cache
def make_blocks() -> tuple[Block, ...]:
    """Return a few mined blocks, one with a transfer."""
    world = World()
    world.submit(world.transfer(ALICE, BOB, 10**12, 0))
    return tuple(world.mine() for _ in range(3))


def export(*, binary: bool) -> bytes:
    """Return the blocks as an export."""
    output = io.BytesIO()
    write_blocks(make_blocks(), len(make_blocks()), output, binary=binary)
    return output.getvalue()


@pytest.mark.parametrize("binary", [False, True])
def test_what_was_written_is_read_back(binary: bool) -> None:
    assert list(read_blocks(export(binary=binary), binary=binary)) == [encode_block(block) for block in make_blocks()]


def test_imp_06_data_that_stop_being_blocks_are_refused_behind_the_good_ones() -> None:
    good = export(binary=True)
    for bad in (good[:-1], good + b"\x00", good[:-30], (9).to_bytes(8, "little") + good[8:]):
        found: list[bytes] = []
        with pytest.raises(MalformedBlocks):
            found.extend(read_blocks(bad, binary=True))
        assert found == [encode_block(block) for block in make_blocks()][: len(found)]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'{"block": 1}',
        b'{"block": {"header": {"parentHash": "0x"}, "extrinsics": []}}',
        export(binary=False).splitlines()[0].replace(b'"number":"0x1"', b'"number":"one"'),
        export(binary=False).splitlines()[0].replace(b"0x06", b"0y06", 1),
        export(binary=False).splitlines()[0].replace(b'logs":["0x06', b'logs":["0x17', 1),
    ],
)
def test_a_json_line_that_is_no_block_is_refused_with_its_number(line: bytes) -> None:
    data = export(binary=False).splitlines()[0] + b"\n\n" + line
    stream = read_blocks(data, binary=False)
    next(stream)
    with pytest.raises(MalformedBlocks, match="line 3"):
        next(stream)


def test_an_export_of_the_other_kind_is_told_as_one() -> None:
    """Three bytes, a whole export as the other kind, and the other way round."""
    for data, binary, words in (
        (b"{}", True, "is it JSON"),
        (export(binary=False), True, "leave --binary out"),
        (export(binary=True), False, "is it --binary"),
    ):
        with pytest.raises(MalformedBlocks, match=words):
            list(read_blocks(data, binary=binary))
