"""Votes: this node's own duty, and the way of all votes between gossip, blocks and templates.

Terms:
    duty: the vote that a validator owes on the best chain now (`runtime.queries.find_vote_duty`).

Invariants: a vote is in the book, on the medium, before it is signed, and none is signed that could be slashed together
with an earlier one, whatever happened in between.

Source: docs/spec/voting.md.
"""

from __future__ import annotations

import msgspec

from chain.block import Block
from consensus.digest import read_work
from consensus.finality import (
    BadEvidence,
    BadVote,
    Evidence,
    LastVote,
    SignedVote,
    Vote,
    compute_vote_message,
    encode_signed_vote,
    is_safe_vote,
    make_last_vote,
)
from network.port import GossipReceived, Publish
from node.core.effects import Effect, Log, ReportRefused
from node.core.importer import Importer
from node.core.offences import OffenceRefused
from node.core.vote_box import VoteBox
from node.core.vote_gossip import VoteGossip
from node.core.voting import (
    Enclosed,
    MemoryVoteBook,
    NoKeys,
    OffenceBook,
    VoteBook,
    VoteBookUnusable,
    VoteSigner,
    list_claimed_votes,
    list_included_votes,
)
from node.log_lines import say_foreign_vote, say_voted
from runtime.queries import find_vote_duty

REPEAT_MS = 5_000
HEAD_AGE_MS = 60_000
HEAD_AGE_TARGETS = 20
CHAIN_READ_MAX = 4_096


class _OwnVote(msgspec.Struct, frozen=True, kw_only=True):
    """A vote of ours that no block of the best chain has yet, and when to send it again."""

    signed: SignedVote
    due_ms: int


class VoteDesk:
    """One node's voting."""

    def __init__(
        self,
        importer: Importer,
        *,
        signer: VoteSigner | None = None,
        book: VoteBook | None = None,
        offences: OffenceBook | None = None,
    ) -> None:
        """Begin without a memory but the books.

        Args:
            signer: Vote keys; none if absent.
            book: Must outlive the process wherever `signer` has keys that others can see.
            offences: Must outlive the process, or a crash can let an offender go.
        """
        self.box = VoteBox(importer, offences)
        self.signer = signer if signer is not None else NoKeys()
        self._importer = importer
        self._keys = self.signer.keys()
        self._is_chain_read = False
        self._gossip = VoteGossip(importer, self.box, self._take)
        self.book = book if book is not None else MemoryVoteBook()
        self._own: dict[bytes, _OwnVote] = {}
        self._head_done: bytes | None = None
        self._troubles: dict[bytes, str] = {}

    def on_gossip(self, event: GossipReceived) -> list[Effect]:
        """Judge a vote that a peer brought."""
        return self._gossip.on_gossip(event)

    def on_block(self, block: Block) -> list[Effect]:
        """Take over the votes of an imported block, on whatever branch, and judge those that waited for it."""
        effects: list[Effect] = []
        for signed in list_included_votes(block.extrinsics):
            effects += self._take(signed)
        return effects + self._gossip.on_block(block.hash)

    def on_refused(self, extrinsics: tuple[bytes, ...]) -> list[Effect]:
        """Take over the votes of a block that was refused for its place, as far as they are signed by known keys."""
        effects: list[Effect] = []
        # SPEC VOT-17: The votes in a block that is refused MUST be compared with those known, once their signatures
        # were checked, within the gas that its bringer may cost.
        for signed in list_claimed_votes(extrinsics):
            effects += self._gossip.on_found(signed)
        return effects

    def on_report(self, evidence: Evidence) -> list[Effect]:
        """Take in an offence that somebody on this machine reports."""
        try:
            self.box.offences.check(evidence)
        except (BadEvidence, BadVote, OffenceRefused) as error:
            return [ReportRefused(error=error)]
        return self.box.add_offence(evidence)

    def on_tick(self, now_ms: int) -> list[Effect]:
        """Do the duty on the present head, if not done yet, and repeat what no block has."""
        self.box.trail.on_tick(now_ms)
        effects = self._read_chain() + self._do_duty(now_ms) + self._repeat(now_ms)
        return effects + self.box.offences.on_tick(now_ms)

    def choose(self) -> Enclosed:
        """Return what the block after the head may carry."""
        return self.box.choose()

    def _take(self, signed: SignedVote) -> list[Effect]:
        """Take over a vote whose signature was checked, here or by the runtime."""
        effects = self._raise_record(signed) if signed.key in self._keys else []
        return effects + self.box.add(signed)

    def _raise_record(self, signed: SignedVote) -> list[Effect]:
        """Never vote below what somebody else has signed with a key of ours."""
        key, seen = signed.key, make_last_vote(signed.vote)
        try:
            last = self.book.find_last(key)
            # SPEC VOT-10: A node that meets a well-signed vote of its own key above the record MUST raise the record to
            # it before it signs anything.
            if last is not None and seen.target_height <= last.target_height:
                return []
            source_height = seen.source_height if last is None else max(seen.source_height, last.source_height)
            self.book.save_last(key, LastVote(source_height=source_height, target_height=seen.target_height))
        except VoteBookUnusable as error:
            return self._complain(key, str(error))
        return [Log(level="warn", target="finality", message=say_foreign_vote(key, seen.target_height))]

    def _read_chain(self) -> list[Effect]:
        """Once: meet the last votes that the stored chain carries, own ones too, should their record have been lost."""
        if self._is_chain_read:
            return []
        self._is_chain_read = True
        importer, effects = self._importer, list[Effect]()
        head, step = importer.head.number, importer.params.finality.checkpoint_blocks
        first = max(1, importer.final.number - 2 * step, head - CHAIN_READ_MAX)
        for number in range(first, head + 1):
            body = importer.chain.get_body(importer.chain.get_hash(number) or b"")
            for signed in list_included_votes(body or ()):
                effects += self._take(signed)
        return effects

    def _do_duty(self, now_ms: int) -> list[Effect]:
        importer = self._importer
        head = importer.head
        if self._head_done == head.hash or not self._keys:
            return []
        self._head_done = head.hash
        # SPEC VOT-04: A node MUST NOT vote on a best chain whose head is older than 20 block targets and a minute.
        age_ms_max = HEAD_AGE_MS + HEAD_AGE_TARGETS * importer.params.work.block_target_ms
        if head.number == 0 or now_ms - read_work(head).timestamp_ms > age_ms_max:
            return []
        view = importer.chain.state
        vote = find_vote_duty(view, head, importer.params)
        if vote is None:
            return []
        effects: list[Effect] = []
        for key in self._keys:
            if key in self.box.get_opening().voters:
                effects += self._cast(key, vote, now_ms)
        return effects

    def _cast(self, key: bytes, vote: Vote, now_ms: int) -> list[Effect]:
        """Write a vote down, sign it and send it, if the book allows it."""
        try:
            # SPEC VOT-01: A node MUST NOT sign a vote whose target is not above the target of the last one signed with
            # the key, or whose source is below its source.
            if not is_safe_vote(self.book.find_last(key), vote):
                return []
            # SPEC VOT-02: A vote MUST be on disk, file and folder synced, before it is signed; a key whose record
            # cannot be read or written MUST NOT vote.
            self.book.save_last(key, make_last_vote(vote))
        except VoteBookUnusable as error:
            return self._complain(key, str(error))
        signed = SignedVote(vote=vote, key=key, signature=self.signer.sign(key, compute_vote_message(vote)))
        self._own[key] = _OwnVote(signed=signed, due_ms=now_ms + REPEAT_MS)
        line = say_voted(vote.target.height, vote.target.hash, key)
        effects: list[Effect] = [Log(level="info", target="finality", message=line)]
        return [*effects, Publish(topic="votes", data=encode_signed_vote(signed)), *self.box.add(signed)]

    def _repeat(self, now_ms: int) -> list[Effect]:
        """Send own votes again that the best chain still lacks, and forget those that it has or cannot have."""
        effects: list[Effect] = []
        for key, own in list(self._own.items()):
            if 0 < own.due_ms - now_ms <= REPEAT_MS:
                continue
            # SPEC VOT-03: A node MUST send its vote again every 5 seconds while a block could still take it.
            if self.box.is_includable(own.signed):
                effects.append(Publish(topic="votes", data=encode_signed_vote(own.signed)))
                self._own[key] = msgspec.structs.replace(own, due_ms=now_ms + REPEAT_MS)
            else:
                del self._own[key]
        return effects

    def _complain(self, key: bytes, reason: str) -> list[Effect]:
        """Say once why a key does not vote."""
        if self._troubles.get(key) == reason:
            return []
        self._troubles[key] = reason
        return [Log(level="error", target="finality", message=f"⛔ No vote with 0x{key.hex()}: {reason}")]
