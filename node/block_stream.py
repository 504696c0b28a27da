"""Blocks in files and pipes, as `export-blocks` writes and `import-blocks` reads them.

Forms:
    JSON: one object a line, as `chain_getBlock` answers.
    binary: a u64 count, then the SCALE of each block and a zero byte (no justifications), as Substrate writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, ClassVar

import msgspec

from chain.block import Block, encode_block
from chain.header import Digest, Header, decode_digest_item, decode_header_prefix
from chain.scale import CodecError, decode_compact
from rpc.methods.encoding import format_block

NO_JUSTIFICATIONS = b"\x00"
CHUNK_BYTES = 64 * 1024
JSON_BYTES_PER_BYTE = 8  # two digits a byte, and for each extrinsic of two bytes or more quotes, comma and 0x


class MalformedBlocks(CodecError):
    """A file that is no export of blocks; says where it goes wrong."""

    rule: ClassVar[str] = "IMP-06"


class _JsonDigest(msgspec.Struct):
    logs: list[str]


class _JsonHeader(msgspec.Struct, rename="camel"):
    parent_hash: str
    number: str
    state_root: str
    extrinsics_root: str
    digest: _JsonDigest


class _JsonBlock(msgspec.Struct):
    header: _JsonHeader
    extrinsics: list[str]


class _JsonLine(msgspec.Struct):
    block: _JsonBlock


def write_blocks(blocks: Iterable[Block], count: int, output: BinaryIO, *, binary: bool) -> None:
    """Write `count` blocks."""
    if binary:
        output.write(count.to_bytes(8, "little"))
    for block in blocks:
        if binary:
            output.write(encode_block(block) + NO_JUSTIFICATIONS)
        else:
            output.write(msgspec.json.encode(format_block(block)) + b"\n")


def read_blocks(source: BinaryIO, *, binary: bool, block_bytes_max: int) -> Iterator[bytes]:
    """Yield the bytes of each block in an export, reading no further than to the end of a block and one chunk more.

    Args:
        block_bytes_max: The largest block of the chain; what is longer is not read to its end.

    Raises:
        MalformedBlocks: the data are no export.
    """
    if binary:
        return _read_binary(source, block_bytes_max + CHUNK_BYTES)
    return _read_json(source, JSON_BYTES_PER_BYTE * block_bytes_max + CHUNK_BYTES)


def _read_json(source: BinaryIO, line_bytes_max: int) -> Iterator[bytes]:
    number = 0
    while line := source.readline(line_bytes_max + 1):
        number += 1
        if len(line) > line_bytes_max:
            hint = "" if number > 1 or line.lstrip().startswith(b"{") else "; is it --binary?"
            raise MalformedBlocks(f"line {number} is no block: it has more than {line_bytes_max} bytes{hint}")
        if line.strip():
            yield encode_block(_parse_line(line, number))


def _parse_line(line: bytes, number: int) -> Block:
    # SPEC IMP-06: An import MUST be refused where the data stop being blocks; the blocks before stay imported.
    try:
        found = msgspec.json.decode(line, type=_JsonLine).block
        header = found.header
        return Block(
            header=Header(
                parent_hash=_from_hex(header.parent_hash),
                number=int(header.number, 16),
                state_root=_from_hex(header.state_root),
                extrinsics_root=_from_hex(header.extrinsics_root),
                digest=Digest(logs=tuple(decode_digest_item(_from_hex(item)) for item in header.digest.logs)),
            ),
            extrinsics=tuple(_from_hex(raw) for raw in found.extrinsics),
        )
    except ValueError as error:  # bad JSON, bad hex, bad SCALE
        hint = "" if number > 1 or line.lstrip().startswith(b"{") else "; is it --binary?"
        raise MalformedBlocks(f"line {number} is no block: {error}{hint}") from error


def _read_binary(source: BinaryIO, window_bytes_max: int) -> Iterator[bytes]:
    head = source.read(8)
    if len(head) < 8:
        raise MalformedBlocks(f"a binary export begins with 8 bytes, these are {len(head)}; is it JSON?")
    count, window, position = int.from_bytes(head, "little"), b"", 0
    hint = "; these data look like JSON, so leave --binary out" if head.startswith(b"{") else ""
    for index in range(count):
        while True:
            try:
                end = _find_end(window, position)
                break
            except (ValueError, IndexError) as error:
                window, position = window[position:], 0
                more = source.read(max(CHUNK_BYTES, len(window))) if len(window) <= window_bytes_max else b""
                if not more:
                    name = f"block {index + 1} of {count}"
                    raise MalformedBlocks(f"{name} does not decode: {error}{hint}") from error
                window += more
        yield window[position:end]
        position = end + len(NO_JUSTIFICATIONS)
    if window[position:] or source.read(1):
        raise MalformedBlocks(f"there are bytes behind the last of {count} blocks")


def _find_end(data: bytes, start: int) -> int:
    """Return where the block at `start` ends."""
    _, position = decode_header_prefix(data, start)
    count, position = decode_compact(data, position, 4)
    for _ in range(count):
        length, position = decode_compact(data, position, 4)
        position += length
        if position > len(data):
            raise MalformedBlocks("the data end inside an extrinsic")
    if data[position : position + 1] != NO_JUSTIFICATIONS:
        raise MalformedBlocks("the block is cut short, or has justifications, which this chain does not know")
    return position


def _from_hex(text: str) -> bytes:
    if not text.startswith("0x"):
        raise MalformedBlocks(f"{text[:20]!r} does not begin with 0x")
    return bytes.fromhex(text[2:])
