"""What the network desks ask of the chain: what is known, locators, times, and our own rank."""

from __future__ import annotations

from chain.header import Header
from consensus.digest import read_work
from consensus.timestamps import MEDIAN_BLOCKS
from network.messages import LOCATOR_MAX
from node.core.importer import Importer
from node.core.peer_table import Rank

DENSE_STEPS = 10


def get_rank(importer: Importer) -> Rank:
    """Return (justified height, work) of our best chain, as peers' claims state theirs."""
    best = importer.blocks.best
    return best.justified_height, best.work_total


def has_block(importer: Importer, block_hash: bytes) -> bool:
    """Return whether a block was imported: it is in the tree, or on the best chain below."""
    if block_hash in importer.blocks:
        return True
    record = importer.chain.get_record(block_hash)
    return record is not None and importer.chain.get_hash(record.number) == block_hash


def make_locator(importer: Importer, ahead: tuple[bytes, ...] = ()) -> tuple[bytes, ...]:
    """Return hashes of our chain, newest first, thinner with depth, the last one final.

    Args:
        ahead: Hashes of headers beyond the best block, newest first.
    """
    hashes = list(ahead[: LOCATOR_MAX // 4])
    number, step, final = importer.head.number, 1, importer.final
    while number > final.number and len(hashes) < LOCATOR_MAX - 1:
        block_hash = importer.chain.get_hash(number)
        if block_hash is not None:
            hashes.append(block_hash)
        number -= step
        if importer.head.number - number >= DENSE_STEPS:
            step *= 2
    return (*hashes, final.hash)


def list_times(importer: Importer, block_hash: bytes) -> tuple[int, ...]:
    """Return the timestamps of a block and its ancestors, at most 11, oldest first."""
    times: list[int] = []
    header: Header | None = importer.get_header(block_hash)
    while header is not None and header.number > 0 and len(times) < MEDIAN_BLOCKS:
        times.append(read_work(header).timestamp_ms)
        header = importer.get_header(header.parent_hash)
    return tuple(reversed(times))
