"""Many competing chains of votes: once on the pure functions, once on the real pallets, or on both at a time.

A chain here stands at a checkpoint; `grow` returns the chain that goes on from it to the next one and carries votes for
it. Chains are never changed, so any of them can be grown again: that is a fork.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from chain.params import UNIT_PLANCK, FinalityParams, Params
from consensus.ballot import (
    QUORUM,
    Ballot,
    Quorum,
    Voter,
    VoterSets,
    add_vote,
    check_ballot_vote,
    count_ballot,
    is_dynasty_ending,
    is_voter,
    make_ballot,
    make_genesis_status,
    make_vote,
    move_sets,
    sort_voters,
)
from consensus.finality import Checkpoint, Evidence, FinalityStatus, SignedVote, Vote, check_evidence
from runtime.pallets.finality import find_next_ballot
from runtime.pallets.staking import bond, bond_extra, chill, unbond, validate
from runtime.queries import get_finality, get_validator_sets
from runtime.staking_state import CANDIDATES, LEDGERS
from tests.support.runtime_chain import ENDOWMENT, RuntimeChain, get_key, get_vote_key

FOUNDERS = ("f1", "f2", "f3", "f4")
RECRUITS = ("r1", "r2", "r3", "r4")
TRAITOR = "traitor"
STAKE = 100 * UNIT_PLANCK
STAKES = {**dict.fromkeys((*FOUNDERS, *RECRUITS), STAKE), TRAITOR: 199 * UNIT_PLANCK}
PARAMS = replace(
    Params.tiny(), finality=FinalityParams(checkpoint_blocks=2, leak_after_checkpoints=10_000, unattended_depth=2)
)
NAMES_BY_KEY = {get_vote_key(name): name for name in STAKES}


def make_voter(name: str) -> Voter:
    """Return an account as a voter."""
    return Voter(account=get_key(name), key=get_vote_key(name), stake=STAKES[name])


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What happens between two checkpoints.

    Attributes:
        salt: Makes blocks that say the same different ones.
    """

    salt: int
    votes: tuple[SignedVote, ...] = ()
    joins: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class PureChain(msgspec.Struct, frozen=True, kw_only=True):
    """A chain of nothing but checkpoints, on `consensus.ballot` alone."""

    genesis: bytes
    head: Checkpoint
    status: FinalityStatus
    sets: VoterSets
    candidates: tuple[Voter, ...]
    quorum: Quorum

    def get_duty(self) -> Vote | None:
        """Return the vote for the checkpoint at which the chain stands."""
        if self.head.height == 0:
            return None
        return make_vote(make_ballot(self.status, self.head), self.genesis)

    def is_voter(self, name: str) -> bool:
        """Say whether an account's votes count."""
        return is_voter(self.sets, get_vote_key(name))

    def list_candidates(self) -> set[str]:
        """Return who stands for the next set."""
        return {NAMES_BY_KEY[voter.key] for voter in self.candidates}

    def has_stake(self, name: str) -> bool:
        """Say whether there is something to slash."""
        everybody = (*self.candidates, *self.sets.previous, *self.sets.current, *self.sets.next)
        return any(voter.account == get_key(name) for voter in everybody)

    def grow(self, step: Step, new_hash: bytes = b"") -> PureChain:
        """Return the chain at the next checkpoint."""
        status, sets, candidates = self.status, self.sets, self.candidates
        ballot: Ballot | None = make_ballot(status, self.head) if self.head.height else None
        for signed in step.votes:
            check_ballot_vote(ballot, sets, signed, genesis=self.genesis)
            assert ballot is not None
            ballot = add_vote(ballot, signed.key)
            status = count_ballot(status, ballot, sets, PARAMS.finality, self.quorum)
        for evidence in step.evidence:
            check_evidence(evidence)
            sets, candidates = _expel(sets, evidence.one.key), _without(candidates, evidence.one.key)
            if ballot is not None:
                status = count_ballot(status, ballot, sets, PARAMS.finality, self.quorum)
        for name in step.leaves:
            candidates = _without(candidates, get_vote_key(name))
        candidates = sort_voters((*candidates, *(make_voter(name) for name in step.joins)))
        if ballot is not None and is_dynasty_ending(status, ballot):
            sets = move_sets(sets, candidates, stake_min=STAKE, validators_max=PARAMS.staking.validators_max)
        number = self.head.height + PARAMS.finality.checkpoint_blocks
        content = self.head.hash + step.salt.to_bytes(4, "little")
        head = Checkpoint(height=number, hash=new_hash or blake2b(content, digest_size=32).digest())
        return replace(self, head=head, status=status, sets=sets, candidates=candidates)


def make_pure_chain(quorum: Quorum = QUORUM, genesis: bytes = b"\x01" * 32) -> PureChain:
    """Return a chain at block 0, where the founders and the traitor validate."""
    voters = sort_voters(make_voter(name) for name in (*FOUNDERS, TRAITOR))
    return PureChain(
        genesis=genesis,
        head=Checkpoint(height=0, hash=genesis),
        status=make_genesis_status(genesis, is_attended=True),
        sets=VoterSets(previous=voters, current=voters, next=voters),
        candidates=voters,
        quorum=quorum,
    )


class RealChain:
    """Blocks with signed calls, votes and evidence, executed by the runtime; every invariant is checked."""

    def __init__(self, chain: RuntimeChain) -> None:
        self.chain = chain
        self.genesis = chain.genesis_hash
        self.head = Checkpoint(height=chain.head.number, hash=chain.head.hash)
        status = get_finality(chain.view)
        if chain.head.number == 0:
            status = make_genesis_status(self.genesis, is_attended=status.is_attended)
        self.status = status
        self.sets = get_validator_sets(chain.view)
        self.candidates = CANDIDATES.get(chain.state)

    def get_duty(self) -> Vote | None:
        """Return the vote for the checkpoint at which the chain stands."""
        ballot = find_next_ballot(self.chain.state, self.chain.head, PARAMS)
        return None if ballot is None else make_vote(ballot, self.genesis)

    def is_voter(self, name: str) -> bool:
        """Say whether an account's votes count."""
        return is_voter(self.sets, get_vote_key(name))

    def list_candidates(self) -> set[str]:
        """Return who stands for the next set."""
        return {NAMES_BY_KEY[voter.key] for voter in self.candidates}

    def has_stake(self, name: str) -> bool:
        """Say whether there is something to slash."""
        return LEDGERS.find(self.chain.state, get_key(name)) is not None

    def grow(self, step: Step) -> RealChain:
        """Return the chain at the next checkpoint."""
        chain, author = self.chain.fork(), f"author {step.salt}"
        calls: list[bytes] = []
        for name in step.joins:
            add = bond_extra if self.has_stake(name) else bond
            calls += self._sign(name, (add, (STAKES[name],)), (validate, (get_vote_key(name),)))
        for name in step.leaves:
            calls += self._sign(name, (chill, ()), (unbond, (STAKES[name],)))
        outcome = chain.add_block(*calls, author=author, votes=step.votes, evidence=step.evidence)
        failures = [result.failure for result in outcome.extrinsic_results if not result.is_success]
        assert not failures, failures
        chain.add_block(author=author)
        return RealChain(chain)

    def _sign(self, name: str, *calls: tuple[object, tuple[object, ...]]) -> list[bytes]:
        nonce = self.chain.get_nonce(name)
        return [self.chain.sign(name, call, *arguments, nonce=nonce + i) for i, (call, arguments) in enumerate(calls)]


def make_real_chain() -> RealChain:
    """Return a chain of the runtime at block 0."""
    validators = {name: STAKES[name] for name in (*FOUNDERS, TRAITOR)}
    return RealChain(RuntimeChain(PARAMS, dict.fromkeys(STAKES, ENDOWMENT), validators))


class BothChains:
    """The runtime's chain, and beside it the pure one, which must say the same after every step."""

    def __init__(self, real: RealChain, pure: PureChain) -> None:
        assert real.status == pure.status
        assert real.sets == pure.sets
        assert real.candidates == pure.candidates
        assert real.get_duty() == pure.get_duty()
        self.real, self.pure = real, pure
        self.genesis, self.head, self.status, self.sets = real.genesis, real.head, real.status, real.sets

    def get_duty(self) -> Vote | None:
        """Return the vote for the checkpoint at which the chain stands."""
        return self.real.get_duty()

    def is_voter(self, name: str) -> bool:
        """Say whether an account's votes count."""
        return self.real.is_voter(name)

    def list_candidates(self) -> set[str]:
        """Return who stands for the next set."""
        return self.real.list_candidates()

    def has_stake(self, name: str) -> bool:
        """Say whether there is something to slash."""
        return self.real.has_stake(name)

    def grow(self, step: Step) -> BothChains:
        """Return the chain at the next checkpoint."""
        real = self.real.grow(step)
        return BothChains(real, self.pure.grow(step, real.head.hash))


def make_both_chains() -> BothChains:
    """Return both at block 0."""
    real = make_real_chain()
    return BothChains(real, make_pure_chain(genesis=real.genesis))


VotingChain = PureChain | RealChain | BothChains


def _without(voters: Sequence[Voter], key: bytes) -> tuple[Voter, ...]:
    return tuple(voter for voter in voters if voter.key != key)


def _expel(sets: VoterSets, key: bytes) -> VoterSets:
    return VoterSets(
        previous=_without(sets.previous, key), current=_without(sets.current, key), next=_without(sets.next, key)
    )
