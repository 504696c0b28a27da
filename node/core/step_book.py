"""The finality steps of the own chain: made while the states are at hand, kept for ever, told to those who ask.

Terms:
    step: as in `consensus.light`: a justified checkpoint with its votes and proofs from its state.

Invariants: a stored step is of a final checkpoint of the best chain; each stands on the one before it.
"""

from __future__ import annotations

from itertools import chain

from chain.hashing import blake2b_256
from chain.header import encode_header
from chain.params import FinalityParams
from chain.scale import codec_of
from chain.state_proof import encode_proof
from chain.state_tree import StatePruned
from consensus.ballot import VoterSets, is_voter
from consensus.finality import Checkpoint, FinalityStatus
from consensus.light import SETS_KEY, STATUS_KEY, VOTES_MAX, FinalityStep, decode_step, encode_step
from node.chain_store import ChainStore
from node.core.voting import list_included_votes

_STATUS = codec_of(FinalityStatus)
_SETS = codec_of(VoterSets)
STEP_OVERHEAD_BYTES = 8


class StepBook:
    """Makes, keeps and lists the steps of one chain."""

    def __init__(self, store: ChainStore, params: FinalityParams) -> None:
        self._chain = store
        self._params = params
        self._tip: tuple[bytes, dict[int, bytes]] = (b"", {})

    def record(self, final: int) -> None:
        """Keep the steps up to the final block that are not kept yet.

        A gap that is older than the states stays: then only a verifier that begins above it can be served.
        """
        last = self._chain.get_last_step()
        made = self._make_down_to(final, last)
        if made:
            self._chain.set_steps(made)

    def list_steps(self, start: int, *, count: int, bytes_max: int) -> list[bytes]:
        """Return the step of the checkpoint `start` (none for block 0), and those after it, as many as fit."""
        head_status = self._read_status(self._chain.head.number)
        if head_status is None or head_status.justified.height == 0:
            return []
        tip = self._get_tip(head_status.justified.height)
        steps: list[bytes] = []
        size = 0
        rows = chain(self._chain.iterate_steps(start), sorted(tip.items()))
        for height, raw in rows:
            if len(steps) >= count or size + len(raw) + STEP_OVERHEAD_BYTES > bytes_max:
                break
            if height < start:
                continue
            if not steps and not self._stands_on(raw, height, start):
                return []
            if blake2b_256(decode_step(raw).header) != self._chain.get_hash(height):
                break
            steps.append(raw)
            size += len(raw) + STEP_OVERHEAD_BYTES
        return steps

    def _get_tip(self, justified: int) -> dict[int, bytes]:
        """Return the steps that are not kept yet, made once a head."""
        head = self._chain.head.hash
        if self._tip[0] != head:
            self._tip = (head, self._make_down_to(justified, self._chain.get_last_step()))
        return self._tip[1]

    def _stands_on(self, raw: bytes, height: int, start: int) -> bool:
        """Say whether a step is that of `start`, or goes on from block 0; older ones may be missing here."""
        return height == start or (start == 0 and _STATUS.decode(decode_step(raw).status).justified.height == 0)

    def _make_down_to(self, newest: int, oldest: int) -> dict[int, bytes]:
        """Return the steps of the justified checkpoints above `oldest`, from the one at or below `newest` on."""
        made: dict[int, bytes] = {}
        height = self._find_justified(newest)
        while height > oldest:
            status = self._read_status(height)
            if status is None:
                break
            step = self._make(height)
            if step is None:
                break
            made[height] = encode_step(step)
            height = status.justified.height
        return made

    def _find_justified(self, number: int) -> int:
        """Return the height of the highest checkpoint up to `number` that the head's chain has justified."""
        height = self._chain.head.number
        while height > number:
            status = self._read_status(height)
            if status is None or status.justified.height >= height:
                return 0
            height = status.justified.height
        return height

    def _read_status(self, height: int) -> FinalityStatus | None:
        state = self._chain.state
        try:
            raw = state.get_at(height, STATUS_KEY)
        except StatePruned:
            return None
        return None if raw is None else _STATUS.decode(raw)

    def _make(self, height: int) -> FinalityStep | None:
        """Return the step of a canonical checkpoint whose state can still be read."""
        state, block_hash = self._chain.state, self._chain.get_hash(height)
        header = None if block_hash is None else self._chain.get_header(block_hash)
        status, sets = state.get_at(height, STATUS_KEY), state.get_at(height, SETS_KEY)
        if header is None or status is None or sets is None:
            return None
        proofs = state.prove_at(height, (STATUS_KEY, SETS_KEY))
        return FinalityStep(
            header=encode_header(header),
            status=status,
            sets=sets,
            status_proof=encode_proof(proofs[0]),
            sets_proof=encode_proof(proofs[1]),
            votes=self._list_votes(
                _STATUS.decode(status).justified, Checkpoint(height=height, hash=header.hash), _SETS.decode(sets)
            ),
        )

    def _list_votes(self, source: Checkpoint, target: Checkpoint, sets: VoterSets) -> tuple[bytes, ...]:
        """Return the votes from source to target that the blocks after the target carry, one of each voter."""
        stored, votes = self._chain, dict[bytes, bytes]()
        end = min(target.height + self._params.checkpoint_blocks, stored.head.number + 1)
        for number in range(target.height + 1, end):
            for signed in list_included_votes(stored.get_body(stored.get_hash(number) or b"") or ()):
                is_meant = signed.vote.source == source and signed.vote.target == target
                if is_meant and is_voter(sets, signed.key):  # evidence holds others too
                    votes.setdefault(signed.key, signed.key + signed.signature)
        return tuple(votes.values())[:VOTES_MAX]
