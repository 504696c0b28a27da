"""Finality: votes in blocks, what they make justified and final, their rewards, and evidence against voters.

Votes and evidence are bare extrinsics that a block's author includes. A checkpoint's ballot opens in the first block
after it and ends with the next checkpoint; so what the votes for a checkpoint did is the same on every chain that goes
on from the next one.

Terms:
    ballot, dynasty, set: as in `consensus.ballot`. attended: the current set has stake, so votes decide what is final.
    pot: what the votes of one ballot may earn together.

Invariants: at most one ballot is stored; nothing final or justified falls along a chain; a block without votes that
does not begin or end a ballot reads one record.

Source: Buterin, Griffith, arXiv:1710.09437; EIP-1011 for votes as extrinsics.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
from msgspec.structs import replace

from chain.header import Header
from chain.metadata import ConstantMeta
from chain.params import Params
from chain.scale import codec_of_alias
from chain.scale_shapes import H256, U32, U128, AccountId
from consensus.ballot import (
    Ballot,
    VoterSets,
    add_vote,
    check_ballot_vote,
    compute_stake,
    compute_unattended_height,
    count_ballot,
    is_dynasty_ending,
    make_ballot,
    make_genesis_status,
)
from consensus.finality import (
    BadEvidence,
    BadVote,
    Checkpoint,
    Evidence,
    FinalityStatus,
    InvalidVote,
    SignedVote,
    check_evidence,
    is_checkpoint,
)
from runtime.dispatch import InvariantBroken, ModuleFailure, Pallet, call
from runtime.environment import Environment
from runtime.issuance import compute_validators_share
from runtime.limits import BILLION
from runtime.pallets.balances import mint
from runtime.staking_checks import NotBonded
from runtime.staking_state import DYNASTY, KEY_OWNERS, SETS, leak, slash, start_dynasty
from runtime.storage import Overlay, StorageValue
from runtime.weights import REPORT, VOTE

# ---- parameters

NAME = "Finality"
NO_STATUS = make_genesis_status(bytes(32), is_attended=False)

# ---- storage

STATUS: StorageValue[FinalityStatus] = StorageValue(
    NAME, "Status", FinalityStatus, NO_STATUS, docs="What is justified and final on this chain."
)
BALLOT: StorageValue[Ballot] = StorageValue(NAME, "Ballot", Ballot, docs="The votes for the newest checkpoint.")

# ---- events


class Voted(msgspec.Struct, frozen=True, kw_only=True):
    """A vote was included; the reward is the voter's, less the includer's share."""

    account: AccountId
    key: H256
    target: U32
    reward: U128


class Justified(msgspec.Struct, frozen=True, kw_only=True):
    """Votes justified a checkpoint."""

    checkpoint: Checkpoint


class Finalized(msgspec.Struct, frozen=True, kw_only=True):
    """Votes made a checkpoint final."""

    checkpoint: Checkpoint


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence against a vote key was included."""

    account: AccountId
    key: H256


# ---- errors; an author sees them, since a block with a refused vote or report is invalid


class VoteRefused(ModuleFailure):
    """A vote that may not be in this block."""

    rule: ClassVar[str] = "FIN-09"


class EvidenceRefused(ModuleFailure):
    """Evidence that proves nothing, is too old, or whose offender has nothing left."""

    rule: ClassVar[str] = "FIN-05"


# ---- calls


@call(index=0, weight=VOTE, is_inherent=True)
def vote(env: Environment, signed: SignedVote) -> None:
    """Include a validator's vote for the newest checkpoint."""
    state = env.state
    ballot, sets = BALLOT.find(state), SETS.get(state)
    try:
        check_ballot_vote(ballot, sets, signed, genesis=env.block.genesis_hash)
    except InvalidVote as error:
        raise VoteRefused(f"{type(error).__name__}: {error}") from error
    assert ballot is not None
    reward = _pay(env, ballot, sets, signed.key)
    ballot = add_vote(ballot, signed.key, reward=reward)
    BALLOT.set(state, ballot)
    _count(env, ballot, sets)


@call(index=1, weight=REPORT, is_inherent=True)
def report(env: Environment, evidence: Evidence) -> None:
    """Include two votes that no honest validator signs both, and slash whoever did."""
    state, key = env.state, evidence.one.key
    try:
        check_evidence(evidence)
    except (BadEvidence, BadVote) as error:
        raise EvidenceRefused(f"{type(error).__name__}: {error}") from error
    # SPEC FIN-18: Evidence MUST be for this chain, and its later target at most evidence_blocks below the block.
    if evidence.one.vote.genesis != env.block.genesis_hash:
        raise EvidenceRefused("the votes are on another chain")
    newest = max(evidence.one.vote.target.height, evidence.two.vote.target.height)
    if newest + env.params.staking.evidence_blocks < env.number:
        raise EvidenceRefused(f"the later target {newest} is too old at block {env.number}")
    owner = KEY_OWNERS.find(state, key)
    # SPEC FIN-19: Evidence MUST be against a key that the chain knows, was not slashed, and has stake left to take.
    if owner is None or owner.is_slashed:
        raise EvidenceRefused("the key is not known" if owner is None else "the key was slashed before")
    try:
        slash(env, owner.account, key)
    except NotBonded as error:
        raise EvidenceRefused("the offender has nothing left") from error
    env.deposit_event(Reported(account=owner.account, key=key))
    sets, ballot = SETS.get(state), BALLOT.find(state)
    if ballot is not None:
        _count(env, ballot, sets)
    _set_status(env, replace(STATUS.get(state), is_attended=compute_stake(sets.current) > 0))


def _count(env: Environment, ballot: Ballot, sets: VoterSets) -> None:
    """Let the votes so far take effect."""
    before = STATUS.get(env.state)
    status = count_ballot(before, ballot, sets, env.params.finality)
    _set_status(env, status)
    if status.justified != before.justified:
        env.deposit_event(Justified(checkpoint=status.justified))
    if status.finalized != before.finalized:
        env.deposit_event(Finalized(checkpoint=status.finalized))


def _pay(env: Environment, ballot: Ballot, sets: VoterSets, key: bytes) -> int:
    """Issue a vote's reward, and return how much it is."""
    pot = compute_pot(env.params, ballot.target.height)
    account, reward = b"", 0
    for voters in (sets.previous, sets.current):
        total = compute_stake(voters)
        for voter in voters:
            if voter.key == key:
                account, reward = voter.account, reward + pot * voter.stake // (2 * total)
    # SPEC FIN-20: A vote MUST earn, of half the pot for each set, its part of the set's stake, all votes of a ballot no
    # more than the pot; the author gets includer_share_ppb of it, and what no vote earns MUST NOT be issued.
    reward = min(reward, pot - ballot.rewarded)
    share = reward * env.params.finality.includer_share_ppb // BILLION
    mint(env, env.author, share)
    mint(env, account, reward - share)
    env.deposit_event(Voted(account=account, key=key, target=ballot.target.height, reward=reward))
    return reward


def compute_pot(params: Params, target_height: int) -> int:
    """Return what the votes for a checkpoint may earn together."""
    return params.finality.checkpoint_blocks * compute_validators_share(params.money, target_height)


# ---- hooks


def on_initialize(env: Environment) -> None:
    """Begin or end a ballot, and without validators let depth decide what is final."""
    status = STATUS.get(env.state)
    before, parent = status, env.block.parent
    if parent.number == 0:
        status = make_genesis_status(parent.hash, is_attended=status.is_attended)
    if is_checkpoint(env.number, env.params.finality):
        status = _end_ballot(env, status)
    elif status.is_attended and is_checkpoint(parent.number, env.params.finality) and parent.number > 0:
        BALLOT.set(env.state, make_ballot(status, Checkpoint(height=parent.number, hash=parent.hash)))
    if not status.is_attended:
        height = compute_unattended_height(status, env.number, env.params.finality)
        if height != status.final_height:
            status = replace(status, final_height=height)
    if status is not before:
        STATUS.set(env.state, status)


def _end_ballot(env: Environment, status: FinalityStatus) -> FinalityStatus:
    """End the ballot on the checkpoint before this one, and return the status with which this block begins."""
    ballot = BALLOT.find(env.state)
    if ballot is not None:
        BALLOT.remove(env.state)
        _leak(env, status, ballot)
        is_ending = is_dynasty_ending(status, ballot)
    else:
        is_ending = not status.is_attended and _is_dynasty_deep(env)
    sets = start_dynasty(env) if is_ending else SETS.get(env.state)
    return replace(status, is_attended=compute_stake(sets.current) > 0)


def _is_dynasty_deep(env: Environment) -> bool:
    """Say whether depth has made final what the present dynasty began with."""
    finality = env.params.finality
    # SPEC FIN-21: While the current set has no stake, a dynasty MUST end at the first checkpoint that is at least
    # unattended_depth blocks above the one that it began with, the first dynasty above the first checkpoint.
    began = max(DYNASTY.get(env.state).started_at, finality.checkpoint_blocks)
    return env.number - finality.unattended_depth >= began


def _leak(env: Environment, status: FinalityStatus, ballot: Ballot) -> None:
    """Take stake from who did not vote, the more the longer nothing became final."""
    finality = env.params.finality
    checkpoints = (ballot.target.height - status.final_height) // finality.checkpoint_blocks
    # SPEC FIN-22: When a ballot ends more than leak_after_checkpoints checkpoints above the final block, every account
    # of its sets with a key that did not vote MUST lose checkpoints / leak_quotient of its active stake and of each
    # chunk that counts in a set, rounded down and burnt, and of its stake in each set, rounded up.
    if checkpoints <= finality.leak_after_checkpoints:
        return
    sets, present = SETS.get(env.state), set(ballot.voters)
    absent = frozenset(voter.account for voter in (*sets.previous, *sets.current) if voter.key not in present)
    leak(env, absent, checkpoints=checkpoints)


def _set_status(env: Environment, status: FinalityStatus) -> None:
    if status != STATUS.get(env.state):
        STATUS.set(env.state, status)


# ---- what a pool of votes asks


def find_next_ballot(state: Overlay, head: Header, params: Params) -> Ballot | None:
    """Return the ballot that the block after `head` takes votes for, with those it has; None when it takes none."""
    status = STATUS.get(state)
    if not status.is_attended or head.number == 0 or is_checkpoint(head.number + 1, params.finality):
        return None
    if is_checkpoint(head.number, params.finality):
        return make_ballot(status, Checkpoint(height=head.number, hash=head.hash))
    return BALLOT.find(state)


# ---- invariants


def check_invariants(state: Overlay, params: Params) -> None:
    """Refuse a status that cannot be, or a ballot that does not fit it."""
    status, ballot, sets = STATUS.get(state), BALLOT.find(state), SETS.get(state)
    if status.finalized.height > min(status.justified.height, status.final_height):
        raise InvariantBroken("a checkpoint is final that is not justified, or above the final height")
    if not is_checkpoint(status.justified.height, params.finality):
        raise InvariantBroken("a block is justified that is no checkpoint")
    if status.is_attended != (compute_stake(sets.current) > 0):
        raise InvariantBroken("the state says wrongly whether somebody validates")
    if ballot is None:
        return
    if len(set(ballot.voters)) < len(ballot.voters) or len(ballot.voters) > 2 * params.staking.validators_max:
        raise InvariantBroken("a voter is counted twice, or there are too many")
    if ballot.rewarded > compute_pot(params, ballot.target.height):
        raise InvariantBroken("the votes of a ballot earned more than the pot")


def make_constants(params: Params) -> tuple[ConstantMeta, ...]:
    """Return what clients read from the metadata."""
    finality = params.finality
    rows = (
        ("CheckpointBlocks", finality.checkpoint_blocks),
        ("VoteDepth", finality.vote_depth),
        ("UnattendedDepth", finality.unattended_depth),
        ("LeakAfterCheckpoints", finality.leak_after_checkpoints),
        ("LeakQuotient", finality.leak_quotient),
        ("IncluderShare", finality.includer_share_ppb),
        ("FinderShare", finality.finder_share_ppb),
    )
    encode = codec_of_alias(U32).encode
    return tuple(ConstantMeta(name=name, annotation=U32, value=encode(value)) for name, value in rows)


FINALITY = Pallet(
    name=NAME,
    index=9,
    storage=(STATUS, BALLOT),
    events=(Voted, Justified, Finalized, Reported),
    errors=(VoteRefused, EvidenceRefused),
    calls=(vote, report),
    constants=make_constants,
    on_initialize=on_initialize,
    check_invariants=check_invariants,
)
