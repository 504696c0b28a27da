"""How the network desks hand blocks and extrinsics to the node, and read from the effects what became of a block."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

import msgspec

from chain.scale import CodecError
from consensus.errors import InvalidBlock
from network.port import Peer
from node.core.effects import BlockImported, BlockPostponed, BlockRefused, Effect
from node.core.events import Origin
from node.core.import_errors import BelowFinal, BlockKnown, KnownInvalid

Fate: TypeAlias = Literal["imported", "known", "invalid", "below final", "waiting"]


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """The node's ways in; each returns the effects.

    Attributes:
        take_block: For the bytes of a block, where they come from, and the time.
        take_extrinsic: For the bytes of an extrinsic and the time.
        read_votes: For the body of a block that was refused, who brought it, and the time.
    """

    take_block: Callable[[bytes, Origin, int], list[Effect]]
    take_extrinsic: Callable[[bytes, int], list[Effect]]
    read_votes: Callable[[tuple[bytes, ...], Peer, int], list[Effect]]


def get_fate(effects: Iterable[Effect], block_hash: bytes) -> Fate:
    """Return what became of the block that was handed in."""
    for effect in effects:
        match effect:
            case BlockImported() if effect.hash == block_hash:
                return "imported"
            case BlockPostponed() if effect.hash == block_hash:
                return "waiting"
            case BlockRefused(error=BlockKnown()):
                return "known"
            case BlockRefused(error=BelowFinal()):
                return "below final"
            case BlockRefused(error=CodecError() | InvalidBlock() | KnownInvalid()):
                return "invalid"
            case _:
                continue
    return "waiting"
