"""Blocks for the store's tests: a chain in which everything follows from the seed and the height."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from chain.block import compute_extrinsics_root
from chain.header import Digest, Header
from chain.state_tree import StateTree
from chain.store import MemoryStore, Store
from node.chain_layout import BlockData
from node.chain_opening import create_chain
from node.chain_store import ChainStore

GENESIS_STATE = {b"account %03d" % i: b"balance 0" for i in range(100)}


def make_block(chain: ChainStore, *, seed: int = 0, keys: int = 20) -> tuple[BlockData, dict[bytes, bytes | None]]:
    """Return the next block on a chain's head and its changes; another seed gives another block."""
    number = chain.head.number + 1
    changes = make_changes(number, seed=seed, keys=keys)
    return make_block_on(chain.head, changes, root_of=chain.state.root_of, seed=seed), changes


def make_block_on(
    parent: Header,
    changes: dict[bytes, bytes | None],
    *,
    root_of: Callable[[dict[bytes, bytes | None]], bytes],
    seed: int = 0,
) -> BlockData:
    """Return the block on `parent` with these changes."""
    number = parent.number + 1
    extrinsics = tuple(b"extrinsic %d of block %d, seed %d" % (i, number, seed) for i in range(5))
    header = Header(
        parent_hash=parent.hash,
        number=number,
        state_root=root_of(changes),
        extrinsics_root=compute_extrinsics_root(extrinsics),
        digest=Digest(),
    )
    return BlockData(
        header=header,
        extrinsics=extrinsics,
        work_total=number * 2**70 + seed,
        events=b"events of %d" % number,
        receipts=b"receipts of %d" % number,
    )


def make_changes(number: int, *, seed: int = 0, keys: int = 20) -> dict[bytes, bytes | None]:
    """Return what a block changes: some accounts, some new keys, some deleted ones, and its own mark."""
    random = Random(number * 1_000 + seed)
    changes: dict[bytes, bytes | None] = {
        b"account %03d" % random.randrange(100): b"balance %d" % random.randrange(10**9) for _ in range(keys)
    }
    changes.update({b"new %d %d" % (number, i): random.randbytes(40) for i in range(keys // 4)})
    changes.update({b"new %d %d" % (number - 3, i): None for i in range(keys // 4)})
    changes[b"mark"] = b"%d of seed %d" % (number, seed)
    return changes


def make_genesis() -> BlockData:
    """Return the genesis block of `GENESIS_STATE`."""
    header = Header(
        parent_hash=bytes(32),
        number=0,
        state_root=StateTree.open(MemoryStore()).root_of(GENESIS_STATE),
        extrinsics_root=compute_extrinsics_root(()),
        digest=Digest(),
    )
    return BlockData(header=header, extrinsics=(), work_total=0)


def make_stored_chain(store: Store, *, blocks: int = 0) -> ChainStore:
    """Return a new chain in the store."""
    chain = create_chain(store, make_genesis(), GENESIS_STATE)
    for _ in range(blocks):
        chain.append_block(*make_block(chain))
    return chain


def make_expected_state(height: int, *, keys: int = 20) -> dict[bytes, bytes]:
    """Return the values after the block at a height on the chain of seed 0."""
    values = dict(GENESIS_STATE)
    for number in range(1, height + 1):
        for key, value in make_changes(number, keys=keys).items():
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
    return values
