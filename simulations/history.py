"""What happened in a world: every event and effect in one digest, and who mined, what fell out and what became final.

Invariant: equal digests mean equal histories; nothing that depends on the process (addresses, hash order) is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from network.port import AnswerReceived, GossipReceived, JudgeGossip, NoticeReceived, RequestReceived
from node.core.effects import BestChanged, BlockImported, Effect, Finalized, StartMining

BYTES_SHOWN = 6


class BlockNote(msgspec.Struct, frozen=True, kw_only=True):
    """A block's birth."""

    number: int
    parent: bytes
    miner: str
    mined_ms: int


class Reorg(msgspec.Struct, frozen=True, kw_only=True):
    """A node left blocks for others."""

    name: str
    at_ms: int
    depth: int


class History:
    """The record of one world; `write`, if set, takes each line as well."""

    def __init__(self) -> None:
        """Begin empty."""
        self.blocks: dict[bytes, BlockNote] = {}
        self.reorgs: list[Reorg] = []
        self.finals: dict[str, dict[int, bytes]] = {}
        self.write: Callable[[str], None] | None = None
        self.count = 0
        self._hash = blake2b(digest_size=32)

    @property
    def digest(self) -> str:
        """Hash of all lines so far, hex."""
        return self._hash.hexdigest()

    def note(self, at_ms: int, name: str, what: object) -> None:
        """Add a line."""
        line = f"{at_ms} {name} {describe(what)}\n"
        self._hash.update(line.encode())
        self.count += 1
        if self.write is not None:
            self.write(line)

    def note_effect(self, at_ms: int, name: str, effect: Effect) -> None:
        """Add a line for an effect, and what it says about the chain."""
        self.note(at_ms, name, effect)
        match effect:
            case BlockImported() if effect.origin == "own":
                self.blocks[effect.hash] = BlockNote(
                    number=effect.header.number, parent=effect.header.parent_hash, miner=name, mined_ms=at_ms
                )
            case BestChanged() if effect.retracted:
                self.reorgs.append(Reorg(name=name, at_ms=at_ms, depth=len(effect.retracted)))
            case Finalized():
                finals = self.finals.setdefault(name, {})
                finals.update({header.number: header.hash for header in effect.headers})


def describe(item: object) -> str:
    """Return a short text of a record; the same for the same record in every process."""
    kind = type(item)
    special = _SPECIAL.get(kind)
    if special is not None:
        return special(item)
    if isinstance(item, msgspec.Struct):
        return f"{kind.__name__}({', '.join([describe(getattr(item, name)) for name in item.__struct_fields__])})"
    match item:
        case str() | int() | float():
            return str(item)
        case Exception():
            return f"{kind.__name__}: {item}"
        case Mapping():
            return f"{len(item)} entries"
        case tuple() | list():
            return f"[{', '.join([describe(part) for part in item])}]"
        case _:
            return kind.__name__


def _describe_bytes(item: bytes) -> str:
    return item.hex() if len(item) <= BYTES_SHOWN else blake2b(item, digest_size=BYTES_SHOWN).hexdigest()


def _describe_order(item: StartMining) -> str:
    return f"StartMining({item.generation}, {describe(item.job.work_key)})"


def _describe_import(item: BlockImported) -> str:
    return f"BlockImported({item.header.number}, {describe(item.hash)}, {item.origin}, {item.is_best})"


# What arrives was described when it was sent.


def _describe_notice(item: NoticeReceived) -> str:
    return f"NoticeReceived({item.peer}, {type(item.notice).__name__})"


def _describe_request(item: RequestReceived) -> str:
    return f"RequestReceived({item.peer}, {item.request_id}, {type(item.request).__name__})"


def _describe_answer(item: AnswerReceived) -> str:
    return f"AnswerReceived({item.peer}, {item.request_id}, {type(item.answer).__name__})"


def _describe_gossip(item: GossipReceived) -> str:
    return f"GossipReceived({item.peer}, {item.topic}, {item.message_id.hex()})"


def _describe_verdict(item: JudgeGossip) -> str:
    return f"JudgeGossip({item.message_id.hex()}, {item.verdict})"


_SPECIAL: Mapping[type, Callable[[Any], str]] = {
    bytes: _describe_bytes,
    str: str,
    int: str,
    bool: str,
    float: str,
    type(None): str,
    StartMining: _describe_order,
    BlockImported: _describe_import,
    NoticeReceived: _describe_notice,
    RequestReceived: _describe_request,
    AnswerReceived: _describe_answer,
    GossipReceived: _describe_gossip,
    JudgeGossip: _describe_verdict,
}
