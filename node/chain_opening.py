"""Creating a chain in a store, and opening one with the start-up check.

A crash leaves whole batches only, but a disk can lose or change bytes: a log with one flipped bit was measured to open
with one block missing in the middle. So a node trusts a store only after it has rebuilt the state root from the values
and compared it with the head's header, and has seen that undo records and block hashes link without a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from chain.block import compute_extrinsics_root
from chain.hashing import blake2b_256
from chain.header import Header, InvalidHeader, decode_header
from chain.state_tree import CACHE_BYTES_MAX, StateDamaged, StateTree
from chain.store import Store, StoreDamaged, StoreError
from node.chain_layout import (
    ADVICE,
    FORMAT_KEY,
    FORMAT_VERSION,
    HEAD_KEY,
    HEADER_PREFIX,
    BlockData,
    HeadRecord,
    StoreFormat,
    decode_record,
    encode_record,
)
from node.chain_store import BlockNotNext, ChainStore, make_block_entries, make_canonical_entries

LINKS_CHECKED_MAX = 1_024


class ChainMismatch(StoreError):
    """A store of another chain or another layout."""

    rule: ClassVar[str] = "STO-01"


class HeadIncomplete(StoreDamaged):
    """A head block of which a part is missing or wrong."""

    rule: ClassVar[str] = "STO-02"


class StateMisplaced(StateDamaged):
    """A state that is whole but not the head's."""

    rule: ClassVar[str] = "STO-03"


class ChainBroken(StoreDamaged):
    """Canonical blocks that do not link."""

    rule: ClassVar[str] = "STO-04"


def has_chain(store: Store) -> bool:
    """Return whether the store holds a chain."""
    return store.get(FORMAT_KEY) is not None


def create_chain(store: Store, genesis: BlockData, state: Mapping[bytes, bytes]) -> ChainStore:
    """Write a genesis block and its state into an empty store, in one synced batch.

    Raises:
        ChainMismatch: the store holds a chain already.
        StoreDamaged: the store is not empty, yet holds no chain.
        BlockNotNext: the genesis header does not have the root of this state, or not the number 0.
    """
    if has_chain(store):
        raise ChainMismatch("the store holds a chain already")
    if next(iter(store.iterate(b"")), None) is not None:
        raise StoreDamaged(f"The store is damaged: it holds data but no chain. {ADVICE}")
    tree = StateTree.open(store)
    prepared = tree.prepare(state)
    header = genesis.header
    if header.number != 0 or header.state_root != prepared.root:
        raise BlockNotNext(f"the genesis header has the state root {header.state_root.hex()}, its state another")
    form = StoreFormat(version=FORMAT_VERSION, genesis_hash=header.hash)
    batch = [*prepared.entries, *make_block_entries(genesis), *make_canonical_entries(genesis)]
    store.write([*batch, (FORMAT_KEY, encode_record(form))])
    tree.commit(prepared)
    return ChainStore(store, tree, header, header.hash)


def open_chain(
    store: Store, *, genesis_hash: bytes | None = None, cache_bytes_max: int = CACHE_BYTES_MAX
) -> ChainStore:
    """Return the chain in a store, after the start-up check.

    Args:
        genesis_hash: Refuse another chain's store.
        cache_bytes_max: Bound of the cache of state values.

    Raises:
        ChainMismatch: the store holds another chain, or a layout of another version.
        StoreDamaged: what it holds is not one whole chain state; the message says what to do.
    """
    try:
        form = decode_record(store.get(FORMAT_KEY) or b"", StoreFormat, what="the store's format")
        _check_format(form, genesis_hash)
        head = _read_head(store)
        state = StateTree.open(store, cache_bytes_max=cache_bytes_max)
        chain = ChainStore(store, state, head, form.genesis_hash)
        _check_head(chain)
        _check_links(chain)
    except StoreDamaged as error:
        text = str(error)
        raise type(error)(text if ADVICE in text else f"The store is damaged: {text}. {ADVICE}") from error
    return chain


def _check_format(form: StoreFormat, genesis_hash: bytes | None) -> None:
    # SPEC STO-01: A store MUST have the node's layout version and the genesis hash of its chain spec.
    if form.version != FORMAT_VERSION:
        raise ChainMismatch(
            f"the store has layout {form.version}, this node writes {FORMAT_VERSION}. Use the node that wrote it, or "
            "remove the chain with `purge-chain` and synchronise again."
        )
    if genesis_hash is not None and form.genesis_hash != genesis_hash:
        raise ChainMismatch(
            f"the store holds the chain with genesis 0x{form.genesis_hash.hex()}, the chain spec has "
            f"0x{genesis_hash.hex()}. Use another --base-path, or remove the old chain with `purge-chain`."
        )


def _read_head(store: Store) -> Header:
    """Return the head's header, if its bytes have the head's hash."""
    head = decode_record(store.get(HEAD_KEY) or b"", HeadRecord, what="the record of the head")
    raw = store.get(HEADER_PREFIX + head.hash)
    # SPEC STO-02: The head's header, body, events and records MUST be present and fit the head's hash and the header.
    if raw is None or blake2b_256(raw) != head.hash:
        raise HeadIncomplete(f"the header of the head block {head.number} is missing or changed")
    try:
        header = decode_header(raw)
    except InvalidHeader as error:
        raise HeadIncomplete(f"the header of the head block {head.number} cannot be read ({error})") from error
    if header.number != head.number:
        raise HeadIncomplete(f"the head's header has number {header.number}, not {head.number}")
    return header


def _check_head(chain: ChainStore) -> None:
    head, state = chain.head, chain.state
    # SPEC STO-03: The stored state MUST be the head's: its height the head's number, its root the header's state root.
    if state.height != head.number or state.root != head.state_root:
        raise StateMisplaced(f"the state is that of block {state.height}, the head is block {head.number}")
    body, record = chain.get_body(head.hash), chain.get_record(head.hash)
    if body is None or compute_extrinsics_root(body) != head.extrinsics_root:
        raise HeadIncomplete(f"the body of the head block {head.number} is missing or changed")
    if record is None or (record.number, record.parent, record.state_root) != (
        head.number,
        head.parent_hash,
        head.state_root,
    ):
        raise HeadIncomplete(f"the record of the head block {head.number} is missing or changed")
    if chain.get_execution(head.hash) is None:
        raise HeadIncomplete(f"the events of the head block {head.number} are missing")


def _check_links(chain: ChainStore) -> None:
    """Refuse a gap in the canonical chain, as far back as undo records reach."""
    block_hash = chain.head.hash
    oldest = max(chain.state.oldest_height, chain.head.number - LINKS_CHECKED_MAX)
    for number in range(chain.head.number, oldest - 1, -1):
        record = chain.get_record(block_hash)
        # SPEC STO-04: The canonical blocks that undo records reach MUST be stored and link parent to parent.
        if record is None or record.number != number or chain.get_hash(number) != block_hash:
            raise ChainBroken(f"block {number} is missing from the canonical chain")
        block_hash = record.parent
    if chain.get_hash(0) != chain.genesis_hash:
        raise ChainBroken("block 0 is not the genesis block")
