"""The offences this node knows: kept on disk, told again, and brought into blocks, until they are settled.

Terms:
    settled: the final state shows the key slashed, or the evidence is too old for every block to come.
    open: the next block could carry the evidence and would take stake for it.

Invariants: one offence a key, `OFFENCES_MAX` in all; an offence is in the book before anybody is told of it.

Source: docs/spec/voting.md.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import msgspec

from chain.scale import CodecError, codec_of
from consensus.finality import BadEvidence, BadVote, Evidence, check_evidence
from network.port import Publish
from node.core.effects import Effect, Log
from node.core.importer import Importer
from node.core.voting import MemoryOffenceBook, OffenceBook, OffenceBookUnusable
from node.log_lines import say_conflict, say_offence_kept
from runtime.staking_records import KeyOwner
from runtime.staking_state import KEY_OWNERS, LEDGERS
from runtime.storage import Overlay

OFFENCES_MAX = 256
CHOSEN_MAX = 8
REPEAT_MS = 60_000
EVIDENCE_BYTES = 400

Standing: TypeAlias = Literal["open", "punished", "nothing left", "unknown key", "too old"]
REASONS: dict[Standing, str] = {
    "open": "it can",
    "punished": "it was slashed before",
    "nothing left": "its account has nothing bonded any more",
    "unknown key": "the chain does not know it",
    "too old": "the later vote is too old",
}
_EVIDENCE = codec_of(Evidence)


class OffenceRefused(Exception):
    """An offence that this node does not take in."""

    rule: ClassVar[str] = "VOT-16"


class Offence(msgspec.Struct, frozen=True, kw_only=True):
    """What a key did, and where that stands in the state after the head.

    Attributes:
        account: Whose key it is; None if the chain does not know it.
        is_stored: It is in the book, so that a restart does not lose it.
    """

    evidence: Evidence
    account: bytes | None
    standing: Standing
    is_stored: bool


def encode_evidence(evidence: Evidence) -> bytes:
    """Return the 400 bytes in which both votes of an offence travel."""
    return _EVIDENCE.encode(evidence)


def decode_evidence(data: bytes) -> Evidence:
    """Return the evidence of exactly these bytes; nothing of it is checked.

    Raises:
        BadEvidence: they are none.
    """
    try:
        return _EVIDENCE.decode(data)
    except CodecError as error:
        raise BadEvidence(f"{len(data)} bytes are no evidence: {error}") from error


class Offences:
    """One node's offences."""

    def __init__(self, importer: Importer, book: OffenceBook | None = None) -> None:
        """Begin with nothing; `on_tick` reads the book.

        Args:
            book: Must outlive the process, or a crash can let an offender go.
        """
        self._importer = importer
        self._book = book if book is not None else MemoryOffenceBook()
        self._open: dict[bytes, Evidence] = {}
        self._unsaved: set[bytes] = set()
        self._trouble: str | None = None
        self._is_loaded = False
        self._due_ms: dict[bytes, int] = {}
        self._final_seen = b""

    def __contains__(self, key: object) -> bool:
        return key in self._open

    def list_known(self) -> tuple[Offence, ...]:
        """Return what is known and not settled, the oldest first."""
        state = Overlay(self._importer.chain.state)
        rows = []
        for key, evidence in self._open.items():
            owner = KEY_OWNERS.find(state, key)
            rows.append(
                Offence(
                    evidence=evidence,
                    account=None if owner is None else owner.account,
                    standing=self._judge(evidence, owner, state),
                    is_stored=key not in self._unsaved,
                )
            )
        return tuple(rows)

    def find_standing(self, evidence: Evidence) -> Standing:
        """Return where evidence would stand in the block after the head; nothing of it is checked."""
        state = Overlay(self._importer.chain.state)
        return self._judge(evidence, KEY_OWNERS.find(state, evidence.one.key), state)

    def check(self, evidence: Evidence) -> None:
        """Refuse what is no offence on this chain, from cheap to dear.

        Raises:
            BadEvidence, BadVote: the two votes prove nothing, or nothing here.
            OffenceRefused: it is known, punished, too old, or of a key that the chain does not know.
        """
        # SPEC VOT-16: Evidence MUST be rejected that is malformed, of another chain, badly signed or proves nothing,
        # and ignored, without blame, that is known, too old, or of a key that is slashed, unknown, or of an account
        # with nothing bonded.
        one, key = evidence.one, evidence.one.key
        if one.vote.genesis != self._importer.chain.genesis_hash:
            raise BadEvidence(f"the votes are on another chain, with the genesis 0x{one.vote.genesis.hex()}")
        if key in self._open:
            raise OffenceRefused(f"an offence of the key 0x{key.hex()} is known already")
        standing = self.find_standing(evidence)
        if standing != "open":
            raise OffenceRefused(f"the key 0x{key.hex()} cannot be slashed for this: {REASONS[standing]}")
        check_evidence(evidence)

    def add(self, evidence: Evidence) -> list[Effect]:
        """Keep evidence that was checked, on disk first; `on_tick` tells everybody of it."""
        key = evidence.one.key
        if key in self._open or self._is_settled(evidence):
            return []
        effects = self._make_room(evidence)
        # SPEC VOT-12: An offence MUST be on disk before anybody is told of it, and stay there until the final state
        # shows its key slashed or its later target is evidence_blocks or more below the final block.
        effects += self._save(evidence)
        self._open[key] = evidence
        line = say_conflict(key, evidence.one.vote.target.height, evidence.two.vote.target.height)
        return [*effects, Log(level="warn", target="finality", message=line)]

    def choose(self) -> tuple[Evidence, ...]:
        """Return the oldest evidence that still costs somebody something, one piece an account.

        What the runtime would refuse must not take the room: whoever is slashed with one key and has violated with
        another one would keep the evidence against others out of blocks until it is too old.
        """
        chosen = dict[bytes, Evidence]()
        for offence in self.list_known():
            if offence.standing == "open" and offence.account is not None:
                chosen.setdefault(offence.account, offence.evidence)
        return tuple(chosen.values())[:CHOSEN_MAX]

    def on_tick(self, now_ms: int) -> list[Effect]:
        """Read the book once, forget what is settled, and tell of what is not punished, again and again."""
        effects = self._load() + self._forget_settled()
        for key, evidence in list(self._open.items()):
            due_ms = self._due_ms.get(key)
            if due_ms is not None and 0 < due_ms - now_ms <= REPEAT_MS:
                continue
            self._due_ms[key] = now_ms + REPEAT_MS
            if key in self._unsaved:
                effects += self._save(evidence)
            # SPEC VOT-13: A node MUST tell of an offence when it finds it, when it starts and once a minute, and bring
            # it into its blocks, while the state after its head shows stake to take for it.
            if self.find_standing(evidence) == "open":
                # SPEC VOT-08: Both votes of a conflict MUST be passed on, so that every author can bring the evidence.
                effects.append(Publish(topic="votes", data=encode_evidence(evidence)))
        return effects

    # The book

    def _load(self) -> list[Effect]:
        if self._is_loaded:
            return []
        self._is_loaded = True
        stored = self._book.load_all()
        effects: list[Effect] = [_complain(trouble) for trouble in stored.troubles]
        for evidence in stored.found[:OFFENCES_MAX]:
            key = evidence.one.key
            try:
                check_evidence(evidence)
            except (BadEvidence, BadVote) as error:
                effects.append(_complain(f"the stored offence of 0x{key.hex()} proves nothing: {error}"))
                continue
            if key in self._open or evidence.one.vote.genesis != self._importer.chain.genesis_hash:
                continue
            self._open[key] = evidence
            effects.append(Log(level="info", target="finality", message=say_offence_kept(key)))
        return effects

    def _save(self, evidence: Evidence) -> list[Effect]:
        """Write an offence down; without a usable book it is kept in memory."""
        key = evidence.one.key
        try:
            self._book.save(evidence)
        except OffenceBookUnusable as error:
            # SPEC VOT-14: A node whose offences cannot be read or written MUST say so and go on with those in memory.
            self._unsaved.add(key)
            return self._complain_once(str(error))
        self._unsaved.discard(key)
        return []

    def _remove(self, key: bytes) -> list[Effect]:
        del self._open[key]
        self._due_ms.pop(key, None)
        self._unsaved.discard(key)
        try:
            self._book.remove(key)
        except OffenceBookUnusable as error:
            return self._complain_once(str(error))
        return []

    def _complain_once(self, trouble: str) -> list[Effect]:
        if trouble == self._trouble:
            return []
        self._trouble = trouble
        return [_complain(trouble)]

    # What is settled

    def _forget_settled(self) -> list[Effect]:
        """Forget what the newest final state shows punished, or can no more be punished."""
        final = self._importer.final
        if not self._open or final.hash == self._final_seen:
            return []
        self._final_seen = final.hash
        effects: list[Effect] = []
        for key, evidence in list(self._open.items()):
            if self._is_settled(evidence):
                effects += self._remove(key)
        return effects

    def _is_settled(self, evidence: Evidence) -> bool:
        importer, final = self._importer, self._importer.final
        if _get_newest(evidence) + importer.params.staking.evidence_blocks <= final.number:
            return True
        owner = KEY_OWNERS.find(Overlay(importer.states.get_view(final.hash)), evidence.one.key)
        return owner is not None and owner.is_slashed

    def _judge(self, evidence: Evidence, owner: KeyOwner | None, state: Overlay) -> Standing:
        window = self._importer.params.staking.evidence_blocks
        if owner is not None and owner.is_slashed:
            return "punished"
        if _get_newest(evidence) + window <= self._importer.head.number:
            return "too old"
        if owner is None:
            return "unknown key"
        return "open" if LEDGERS.find(state, owner.account) is not None else "nothing left"

    def _make_room(self, evidence: Evidence) -> list[Effect]:
        """Forget an offence if there are too many: one that takes nothing from anybody, else the oldest."""
        if len(self._open) < OFFENCES_MAX:
            return []
        rows = self.list_known()
        least = min(rows, key=lambda row: (row.standing == "open", _get_newest(row.evidence)))
        return self._remove(least.evidence.one.key)


def _get_newest(evidence: Evidence) -> int:
    return max(evidence.one.vote.target.height, evidence.two.vote.target.height)


def _complain(trouble: str) -> Effect:
    return Log(level="error", target="finality", message=f"⛔ An offence may be forgotten: {trouble}")
