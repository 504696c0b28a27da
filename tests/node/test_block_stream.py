"""Exports and imports of blocks, and what is no export."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from chain.block import Block, encode_block
from chain.extrinsic import make_bare
from node.block_stream import CHUNK_BYTES, MalformedBlocks, read_blocks, write_blocks
from tests.node.world import ALICE, BOB, World

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES_MAX = 100_000


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


def read(data: bytes, *, binary: bool) -> Iterator[bytes]:
    """Read an export from a file in memory."""
    return read_blocks(io.BytesIO(data), binary=binary, block_bytes_max=BLOCK_BYTES_MAX)


class EndlessSource(io.RawIOBase):
    """A pipe whose writer never ends; counts what was read."""

    def __init__(self, head: bytes, again: bytes) -> None:
        self.rest = head
        self.again = again
        self.taken = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Give as many bytes as are asked for."""
        view = memoryview(buffer)
        while len(self.rest) < len(view):
            self.rest += self.again
        view[:] = self.rest[: len(view)]
        self.rest = self.rest[len(view) :]
        self.taken += len(view)
        return len(view)


@pytest.mark.parametrize("binary", [False, True])
def test_what_was_written_is_read_back(binary: bool) -> None:
    assert list(read(export(binary=binary), binary=binary)) == [encode_block(block) for block in make_blocks()]


def test_imp_06_data_that_stop_being_blocks_are_refused_behind_the_good_ones() -> None:
    good = export(binary=True)
    for bad in (good[:-1], good + b"\x00", good[:-30], (9).to_bytes(8, "little") + good[8:]):
        found: list[bytes] = []
        with pytest.raises(MalformedBlocks):
            found.extend(read(bad, binary=True))
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
    stream = read(data, binary=False)
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
            list(read(data, binary=binary))


@pytest.mark.parametrize("binary", [False, True])
def test_an_endless_export_is_read_block_by_block(binary: bool) -> None:
    """Only a chunk or two more than the blocks that were asked for, so that any export fits any memory."""
    data = export(binary=binary)
    one = data[8:] if binary else data
    pipe = EndlessSource((2**60).to_bytes(8, "little") if binary else b"", one)
    blocks = read_blocks(io.BufferedReader(pipe, 4096), binary=binary, block_bytes_max=BLOCK_BYTES_MAX)
    count = 2000
    assert len(list(islice(blocks, 3 * count))) == 3 * count
    assert pipe.taken <= len(one) * count + 2 * CHUNK_BYTES + 8


@pytest.mark.parametrize("binary", [False, True])
def test_imp_06_what_has_no_end_is_refused_after_the_largest_block(binary: bool) -> None:
    """Zeros without a line's end; an extrinsic that says that it has a gigabyte."""
    header = encode_block(Block(header=make_blocks()[0].header, extrinsics=()))[:-1]
    head = (1).to_bytes(8, "little") + header + b"\x04" + ((2**29 << 2) | 2).to_bytes(4, "little") if binary else b"{"
    pipe = EndlessSource(head, bytes(4096))
    with pytest.raises(MalformedBlocks, match="block 1 of 1 does not decode" if binary else "line 1 is no block"):
        list(read_blocks(io.BufferedReader(pipe, 4096), binary=binary, block_bytes_max=BLOCK_BYTES_MAX))
    assert pipe.taken < 10 * BLOCK_BYTES_MAX + 2 * CHUNK_BYTES


def test_a_large_block_is_read_whatever_the_size_of_a_chunk() -> None:
    """One of several chunks, between two small ones."""
    small = make_blocks()[0]
    large = Block(header=small.header, extrinsics=(make_bare(bytes(CHUNK_BYTES)), make_bare(bytes(9))))
    for binary in (False, True):
        output = io.BytesIO()
        write_blocks((small, large, small), 3, output, binary=binary)
        found = list(read_blocks(io.BytesIO(output.getvalue()), binary=binary, block_bytes_max=BLOCK_BYTES_MAX))
        assert found == [encode_block(block) for block in (small, large, small)]
