"""Seals that held: a ticket is run once, whether its header came by gossip or with its block.

Invariant: at most `count_max` headers are remembered, the oldest go first.
"""

from __future__ import annotations

from chain.header import Header
from chain.params import WorkParams
from consensus.context import WorkContext
from consensus.seal import CheckedHeader, SealChecker, check_seal


class SealBook:
    """A seal checker with a memory."""

    def __init__(self, checker: SealChecker | None = None, *, count_max: int = 256) -> None:
        self._checker = checker if checker is not None else check_seal
        self._count_max = count_max
        self._held: dict[bytes, CheckedHeader] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, block_hash: object) -> bool:
        return block_hash in self._held

    def __call__(self, header: Header, context: WorkContext, params: WorkParams) -> CheckedHeader:
        """Return the header with its ticket proven, from memory if it held before.

        The hash covers header and seal, and the parent's hash in it fixes the context, so what held holds.

        Raises:
            InvalidBlock: the ticket does not hold.
        """
        held = self._held.get(header.hash)
        if held is None:
            held = self._checker(header, context, params)
            self._held[header.hash] = held
            if len(self._held) > self._count_max:
                del self._held[next(iter(self._held))]
        return held

    def forget(self, block_hash: bytes) -> None:
        """Forget a header whose block is in."""
        self._held.pop(block_hash, None)
