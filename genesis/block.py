"""Block 0 of a chain spec."""

from __future__ import annotations

from chain.block import compute_extrinsics_root
from chain.header import Digest, Header
from chain.state_tree import StateTree
from chain.store import MemoryStore
from genesis.chain_spec import ChainSpec, build_state


def make_genesis_block(spec: ChainSpec) -> tuple[Header, dict[bytes, bytes]]:
    """Return the header of block 0 and the storage it begins with.

    Raises:
        InvalidChainSpec
    """
    state = build_state(spec)
    root = StateTree.open(MemoryStore()).root_of(dict(state))
    header = Header(
        parent_hash=bytes(32),
        number=0,
        state_root=root,
        extrinsics_root=compute_extrinsics_root(()),
        digest=Digest(logs=()),
    )
    return header, state
