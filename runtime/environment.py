"""What a pallet's function sees of the block it runs in.

Terms:
    author: the account in the `pow_` pre-runtime digest item; None only where a runtime is asked without a header.
    work: the `mswk` digest item: problem, core epoch, weight, target and timestamp of this block.

Invariants: everything here comes from the parent's header, the block's own digest and the params, never from a clock.
"""

from __future__ import annotations

import msgspec

from chain.header import Digest, Header
from chain.params import Params
from consensus.digest import WorkDigest
from runtime.storage import Overlay

INITIALIZATION = -1
FINALIZATION = -2


class BlockFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a block in execution that do not change.

    Attributes:
        parent: The parent's header, whose seal takes effect in this block.
        genesis_hash: Hash of block 0.
        author: Who mines this block.
        work: What its digest says about the work.
    """

    number: int
    parent: Header
    genesis_hash: bytes
    digest: Digest
    author: bytes
    work: WorkDigest


class Environment:
    """State, facts and events of one block in execution."""

    __slots__ = ("author", "block", "events", "number", "params", "phase", "state")

    def __init__(self, state: Overlay, params: Params, block: BlockFacts) -> None:
        self.state = state
        self.params = params
        self.block = block
        self.number = block.number
        self.author = block.author
        self.phase = INITIALIZATION
        self.events: list[tuple[int, msgspec.Struct]] = []

    def deposit_event(self, event: msgspec.Struct) -> None:
        """Record that something happened."""
        self.events.append((self.phase, event))

    def make_mark(self) -> tuple[int, int]:
        """Return where writes and events stand, for `roll_back`."""
        return self.state.make_mark(), len(self.events)

    def roll_back(self, mark: tuple[int, int]) -> None:
        """Undo every write and event since `mark`."""
        self.state.roll_back(mark[0])
        del self.events[mark[1] :]
