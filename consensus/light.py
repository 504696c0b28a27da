"""Finality without blocks: from believed sets of validators to newer final checkpoints, by votes and state proofs.

Terms:
    step: a checkpoint: its header, what its state says of finality and of the voters, with proofs, and votes for it.
    believed: the newest justified checkpoint that the votes of believed sets lead to; what its state says counts next.
    anchor: where belief begins: block 0, which the chain spec fixes, or a checkpoint whose hash a person gave.

Invariants: voters are counted with the stakes that were believed before the step, so nothing that the step claims for
itself makes its votes weigh more. Steps that are refused change nothing. No block is executed and no ticket run here.

Source: Buterin, Griffith, arXiv:1710.09437, section 4.1; the argument and the rules are in docs/spec/light.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar

import msgspec

from chain.hashing import twox_128
from chain.header import Header, decode_header
from chain.params import FinalityParams
from chain.scale import CodecError, codec_of
from chain.state_proof import InvalidStateProof, check_state_proof, decode_proof
from consensus.ballot import Ballot, Voters, VoterSets, compute_stake, is_justifying, is_voter
from consensus.finality import (
    BadVote,
    Checkpoint,
    Evidence,
    FinalityStatus,
    SignedVote,
    Vote,
    check_signed_vote,
    is_checkpoint,
    is_slashable,
    is_supermajority,
)

STATUS_KEY = twox_128(b"Finality") + twox_128(b"Status")
SETS_KEY = twox_128(b"Staking") + twox_128(b"Sets")
STEP_BYTES_MAX = 98_304
VOTES_MAX = 256
VOTE_BYTES = 96

# ---- records


class FinalityStep(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One checkpoint, and why to believe it.

    Attributes:
        header: SCALE bytes of its header.
        status: SCALE bytes of the finality status in its state.
        sets: SCALE bytes of the validator sets in its state.
        status_proof: That the state under the header's root holds `status`.
        sets_proof: The same for `sets`.
        votes: Key and signature of each vote for it; what was signed follows from chain, status and header.
    """

    header: bytes
    status: bytes
    sets: bytes
    status_proof: bytes
    sets_proof: bytes
    votes: Annotated[
        tuple[Annotated[bytes, msgspec.Meta(min_length=VOTE_BYTES, max_length=VOTE_BYTES)], ...],
        msgspec.Meta(max_length=VOTES_MAX),
    ] = ()


class Belief(msgspec.Struct, frozen=True, kw_only=True):
    """A justified checkpoint and what its state says."""

    header: Header | None
    checkpoint: Checkpoint
    status: FinalityStatus
    sets: VoterSets


class Final(msgspec.Struct, frozen=True, kw_only=True):
    """A final checkpoint; the header is None for block 0."""

    checkpoint: Checkpoint
    header: Header | None


# ---- errors


class InvalidStep(Exception):
    """A step that proves nothing to this verifier."""

    rule: ClassVar[str] = "LGT-01"


class BadStep(InvalidStep):
    """Bytes that are no step."""

    rule: ClassVar[str] = "LGT-01"


class StepNotProven(InvalidStep):
    """A status or sets that are not in the state under the step's header."""

    rule: ClassVar[str] = "LGT-02"


class BrokenLink(InvalidStep):
    """A step that does not stand on the believed checkpoint."""

    rule: ClassVar[str] = "LGT-03"


class ForgedSets(InvalidStep):
    """Sets that do not follow from the believed ones."""

    rule: ClassVar[str] = "LGT-04"


class FalseVote(InvalidStep):
    """A vote in a step that nobody who may vote has signed, or a second one."""

    rule: ClassVar[str] = "LGT-13"


class TooFewVotes(InvalidStep):
    """Votes without two thirds of the stake that counts."""

    rule: ClassVar[str] = "LGT-05"


class WrongAnchor(InvalidStep):
    """A step that is not the checkpoint it should be trusted as."""

    rule: ClassVar[str] = "LGT-07"


# ---- bytes

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[FinalityStep] = msgspec.msgpack.Decoder(FinalityStep)
_STATUS = codec_of(FinalityStatus)
_SETS = codec_of(VoterSets)


def encode_step(step: FinalityStep) -> bytes:
    """Return the one encoding of a step."""
    return _encoder.encode(step)


def decode_step(data: bytes) -> FinalityStep:
    """Return the step of exactly these bytes; nothing of it is believed.

    Raises:
        BadStep: they are none, or too many.
    """
    # SPEC LGT-01: A step MUST be the canonical MessagePack of its record in at most 98304 bytes.
    if len(data) > STEP_BYTES_MAX:
        raise BadStep(f"a step of {len(data)} bytes; at most {STEP_BYTES_MAX} are allowed")
    try:
        step = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise BadStep(f"the bytes are no step: {error}") from error
    if _encoder.encode(step) != data:
        raise BadStep("the step is not in its one encoding")
    return step


def read_step(step: FinalityStep) -> Belief:
    """Return what a step says, after its state proofs were checked against its own header.

    Raises:
        BadStep: header, status or sets cannot be read.
        StepNotProven: the proofs do not lead to the header's state root.
    """
    try:
        header = decode_header(step.header)
        status, sets = _STATUS.decode(step.status), _SETS.decode(step.sets)
    except CodecError as error:
        raise BadStep(f"the step cannot be read: {error}") from error
    # SPEC LGT-02: The status and the sets of a step MUST be proven under the state root of its header.
    try:
        check_state_proof(header.state_root, STATUS_KEY, step.status, decode_proof(step.status_proof))
        check_state_proof(header.state_root, SETS_KEY, step.sets, decode_proof(step.sets_proof))
    except InvalidStateProof as error:
        raise StepNotProven(f"the state of checkpoint {header.number} is not proven: {error}") from error
    checkpoint = Checkpoint(height=header.number, hash=header.hash)
    return Belief(header=header, checkpoint=checkpoint, status=status, sets=sets)


def list_votes(step: FinalityStep, genesis: bytes) -> list[SignedVote]:
    """Return the votes of a step in full; their signatures are not checked."""
    belief = read_step(step)
    vote = Vote(genesis=genesis, source=_get_source(belief, genesis), target=belief.checkpoint)
    return [SignedVote(vote=vote, key=raw[:32], signature=raw[32:]) for raw in step.votes]


# ---- where belief begins


def make_genesis_belief(genesis: bytes, status: FinalityStatus, sets: VoterSets) -> Belief:
    """Return the belief in block 0, whose state the chain spec fixes."""
    return Belief(header=None, checkpoint=Checkpoint(height=0, hash=genesis), status=status, sets=sets)


def make_trusted_belief(step: FinalityStep, block_hash: bytes, params: FinalityParams) -> Belief:
    """Return the belief in a checkpoint whose hash a person gave.

    Raises:
        WrongAnchor: the step is of another block, or the block is no checkpoint; InvalidStep: it proves nothing.
    """
    belief = read_step(step)
    # SPEC LGT-07: Belief MUST begin with the state of block 0 or with the checkpoint whose hash the verifier was given.
    if belief.checkpoint.hash != block_hash or not is_checkpoint(belief.checkpoint.height, params):
        raise WrongAnchor(f"block {belief.checkpoint.height} is not the checkpoint 0x{block_hash.hex()}")
    return belief


class LightVerifier:
    """Follows finality from an anchor, step by step."""

    def __init__(self, genesis: bytes, params: FinalityParams, anchor: Belief) -> None:
        self._genesis = genesis
        self._params = params
        self.belief = anchor
        self.final = Final(checkpoint=anchor.checkpoint, header=anchor.header)

    def extend(self, steps: Iterable[FinalityStep]) -> int:
        """Take steps, each on the one before, and return how many; after a refusal those before it stay.

        Raises:
            InvalidStep: BadStep, StepNotProven, BrokenLink, ForgedSets, FalseVote, TooFewVotes.
        """
        count = 0
        for step in steps:
            self._take(step)
            count += 1
        return count

    def _take(self, step: FinalityStep) -> None:
        base, claim = self.belief, read_step(step)
        target = claim.checkpoint
        # SPEC LGT-03: A step MUST be a checkpoint above the believed one, and its status MUST name that one as
        # justified.
        if target.height <= base.checkpoint.height or not is_checkpoint(target.height, self._params):
            raise BrokenLink(f"block {target.height} is no checkpoint above {base.checkpoint.height}")
        if _get_source(claim, self._genesis) != base.checkpoint:
            raise BrokenLink(f"checkpoint {target.height} does not vote from checkpoint {base.checkpoint.height}")
        expected, is_moved = self._expect_sets(base)
        _check_sets(claim.sets, expected, is_moved=is_moved)
        self._check_votes(step, claim, expected)
        # SPEC LGT-06: The believed checkpoint MUST be final if the step's target is the next checkpoint after it.
        if base.checkpoint.height + self._params.checkpoint_blocks == target.height:
            self.final = Final(checkpoint=base.checkpoint, header=base.header)
        self.belief = claim

    def _expect_sets(self, base: Belief) -> tuple[VoterSets, bool]:
        """Return the sets that vote for a target from this source, and whether a dynasty ended between them."""
        source = _get_source(base, self._genesis)
        is_direct = source.height + self._params.checkpoint_blocks == base.checkpoint.height
        if not is_direct or source.height == 0:
            return base.sets, False
        return VoterSets(previous=base.sets.current, current=base.sets.next), True

    def _check_votes(self, step: FinalityStep, claim: Belief, expected: VoterSets) -> None:
        vote = Vote(genesis=self._genesis, source=self.belief.checkpoint, target=claim.checkpoint)
        keys: list[bytes] = []
        for raw in step.votes:
            signed = SignedVote(vote=vote, key=raw[:32], signature=raw[32:])
            # SPEC LGT-13: The votes of a step MUST be signed by different voters of the sets in its own state.
            if signed.key in keys or not is_voter(claim.sets, signed.key):
                raise FalseVote(f"0x{signed.key.hex()} votes twice, or is no voter of checkpoint {vote.target.height}")
            try:
                check_signed_vote(signed)
            except BadVote as error:
                raise FalseVote(f"a vote for checkpoint {vote.target.height} does not count: {error}") from error
            keys.append(signed.key)
        ballot = Ballot(source=vote.source, target=vote.target, voters=tuple(keys))
        # SPEC LGT-05: The votes of a step MUST have a supermajority, as FIN-13 has it, both of the sets with the stakes
        # that were believed before the step and of the sets in the step's own state.
        for sets, whose in ((expected, "believed before"), (claim.sets, "in its own state")):
            if not is_justifying(ballot, sets):
                raise TooFewVotes(self._explain(vote, keys, sets, whose))

    def _explain(self, vote: Vote, keys: Sequence[bytes], sets: VoterSets, whose: str) -> str:
        parts = [
            _show_share(name, members, keys)
            for name, members in (("current", sets.current), ("previous", sets.previous))
        ]
        return (
            f"the votes for checkpoint {vote.target.height} have {' and '.join(parts)}, as {whose}; after a time "
            "without finality, or without validators, only a trusted checkpoint leads on"
        )


def _get_source(belief: Belief, genesis: bytes) -> Checkpoint:
    """Return the checkpoint from which votes for this one go; block 0 does not know its own hash."""
    justified = belief.status.justified
    return justified if justified.height else Checkpoint(height=0, hash=genesis)


def _check_sets(claim: VoterSets, expected: VoterSets, *, is_moved: bool) -> None:
    """Refuse sets in which somebody is new or has gained."""
    # SPEC LGT-04: The sets of a step MUST be the believed ones, moved on by one dynasty if the believed checkpoint
    # finalised a source above block 0, in which stake may only have fallen; its next set is new after such a move.
    rows = [("previous", claim.previous, expected.previous), ("current", claim.current, expected.current)]
    if not is_moved:
        rows.append(("next", claim.next, expected.next))
    for name, found, allowed in rows:
        stakes = {(voter.account, voter.key): voter.stake for voter in allowed}
        for voter in found:
            if voter.stake > stakes.get((voter.account, voter.key), -1):
                raise ForgedSets(f"0x{voter.key.hex()} is new in the {name} set, or its stake has grown")
        if len({voter.key for voter in found}) < len(found):
            raise ForgedSets(f"the {name} set has a voter twice")


def _show_share(name: str, voters: Voters, keys: Sequence[bytes]) -> str:
    stake = compute_stake(voter for voter in voters if voter.key in keys)
    total = compute_stake(voters)
    verdict = "enough" if is_supermajority(stake, total) else "too little"
    return f"{stake} of {total} planck of the {name} set ({verdict})"


# ---- who is to blame for a contradiction


def find_culprits(one: Iterable[SignedVote], two: Iterable[SignedVote]) -> tuple[Evidence, ...]:
    """Return evidence against every key whose votes in two proofs contradict each other, one piece a key."""
    by_key: dict[bytes, list[SignedVote]] = {}
    for signed in two:
        by_key.setdefault(signed.key, []).append(signed)
    found: dict[bytes, Evidence] = {}
    for signed in one:
        for other in by_key.get(signed.key, ()):
            if signed.key not in found and is_slashable(signed.vote, other.vote):
                found[signed.key] = Evidence(one=signed, two=other)
    return tuple(found.values())
