"""Staking and finality as a state machine: whatever is called, every ledger, set and hold fits, and no money is lost.

hypothesis drives blocks of good and bad calls, votes, absence and evidence; `RuntimeChain.keep` checks every pallet's
invariants after each block.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from chain.params import UNIT_PLANCK, FinalityParams, Params, StakingParams
from consensus.finality import Checkpoint, Evidence, InvalidVote, SignedVote, Vote
from runtime.pallets.balances import BurnedHeld, Minted
from runtime.pallets.staking import bond, bond_extra, chill, unbond, validate, withdraw_unbonded
from runtime.pallets.transaction_payment import TransactionFeePaid
from runtime.queries import find_vote_duty, get_finality, get_validator_sets
from runtime.staking_state import DYNASTY, KEY_OWNERS, LEDGERS
from runtime.validity import InvalidTransaction
from tests.support.runtime_chain import NAMES, RuntimeChain, get_events, get_vote_key, sign_vote

ACCOUNTS = (*NAMES, "dave", "eve")
PARAMS = replace(
    Params.tiny(),
    finality=FinalityParams(checkpoint_blocks=2, leak_after_checkpoints=1, leak_quotient=7),
    staking=StakingParams(validators_max=2, candidates_max=3, unbonding_blocks=5, evidence_blocks=4),
)
names = st.sampled_from(ACCOUNTS)
amounts = st.sampled_from((0, 1, 100, 100, 200, 200, 900)).map(lambda units: units * UNIT_PLANCK) | st.integers(
    0, 300 * UNIT_PLANCK
)


class StakingMachine(RuleBasedStateMachine):
    """One chain with validators_max 2 and quick leaks, and the calls of the block to come."""

    @initialize(attended=st.booleans())
    def start(self, attended: bool) -> None:
        """Begin with two validators or with none."""
        bonds = dict.fromkeys(("alice", "bob"), 200 * UNIT_PLANCK) if attended else {}
        self.chain = RuntimeChain(PARAMS, dict.fromkeys(ACCOUNTS, 1_000 * UNIT_PLANCK), bonds)
        self.waiting: list[tuple[str, object, tuple[object, ...]]] = [
            (name, bond, (200 * UNIT_PLANCK,)) for name in ACCOUNTS
        ]
        self.final_height = self.dynasty = 0

    @rule(name=names, amount=amounts, first=st.booleans())
    def add_stake(self, name: str, amount: int, first: bool) -> None:
        """Bond, or bond more."""
        self.waiting.append((name, bond if first else bond_extra, (amount,)))

    @rule(name=names, amount=amounts)
    def take_stake(self, name: str, amount: int) -> None:
        """Unbond."""
        self.waiting.append((name, unbond, (amount,)))

    @rule()
    def withdraw(self) -> None:
        """Withdraw whatever is ripe."""
        self.waiting += [(name, withdraw_unbonded, ()) for name in ACCOUNTS]

    @rule(name=names, owner=st.none() | names)
    def stand(self, name: str, owner: str | None) -> None:
        """Stand for the next set, perhaps with the key of somebody else."""
        self.waiting.append((name, validate, (get_vote_key(owner or name),)))

    @rule(name=names)
    def leave(self, name: str) -> None:
        """Stand no more."""
        self.waiting.append((name, chill, ()))

    @rule(
        voters=st.sets(names) | st.just(set(ACCOUNTS)),
        offender=st.none() | names,
        count=st.integers(1, 5),
        author=names,
    )
    def mine(self, voters: set[str], offender: str | None, count: int, author: str) -> None:
        """Make blocks of what waits, with the votes that the first of them takes and perhaps evidence."""
        chain = self.chain
        evidence = self.make_evidence(offender)
        calls = self.take_waiting(author)
        before = chain.get_issuance()
        outcome = chain.add_block(*calls, author=author, votes=self.make_votes(sorted(voters)), evidence=evidence)
        burnt = sum(event.amount for event in get_events(outcome, BurnedHeld))
        minted = sum(event.amount for event in get_events(outcome, Minted))
        fees = sum(event.actual_fee // 2 for event in get_events(outcome, TransactionFeePaid))
        assert abs(chain.get_issuance() - (before + minted - burnt - fees)) <= len(calls)
        chain.add_blocks(count - 1)

    def make_votes(self, voters: list[str]) -> list[SignedVote]:
        """Return those votes that the next block takes."""
        chain = self.chain
        duty = find_vote_duty(chain.view, chain.head, chain.params)
        votes = [sign_vote(name, duty) for name in voters] if duty is not None else []
        return [signed for signed in votes if self.is_taken(signed)]

    def is_taken(self, signed: SignedVote) -> bool:
        """Say whether the next block takes a vote."""
        try:
            self.chain.runtime.check_vote(self.chain.view, self.chain.head, signed)
        except InvalidVote:
            return False
        return True

    def make_evidence(self, name: str | None) -> list[Evidence]:
        """Return two votes of a key for one height, if the chain can punish its owner."""
        owner = None if name is None else KEY_OWNERS.find(self.chain.state, get_vote_key(name))
        if name is None or owner is None or owner.is_slashed or LEDGERS.find(self.chain.state, owner.account) is None:
            return []
        start = Checkpoint(height=0, hash=self.chain.genesis_hash)
        height = self.chain.head.number + 1
        votes = [
            Vote(genesis=self.chain.genesis_hash, source=start, target=Checkpoint(height=height, hash=bytes((n,)) * 32))
            for n in (1, 2)
        ]
        evidence = Evidence(one=sign_vote(name, votes[0]), two=sign_vote(name, votes[1]))
        execution = self.chain.start()  # a leak may take the last stake before the evidence comes
        return [evidence] if LEDGERS.find(execution.env.state, owner.account) is not None else []

    def take_waiting(self, author: str) -> list[bytes]:
        """Return the waiting calls as extrinsics that the next block takes; some of them fail."""
        execution = self.chain.start(author)
        nonces = {name: self.chain.get_nonce(name) for name in ACCOUNTS}
        taken = []
        for name, call, arguments in self.waiting:
            raw = self.chain.sign(name, call, *arguments, nonce=nonces[name])
            try:
                execution.apply_extrinsic(raw)
            except InvalidTransaction:
                continue
            nonces[name] += 1
            taken.append(raw)
        self.waiting = []
        return taken

    @invariant()
    def what_is_final_and_dynasties_do_not_fall(self) -> None:
        """Along one chain."""
        if not hasattr(self, "chain"):
            return
        status, dynasty = get_finality(self.chain.view), DYNASTY.get(self.chain.state).number
        assert status.final_height >= self.final_height
        assert dynasty >= self.dynasty
        assert bool(get_validator_sets(self.chain.view).current) == status.is_attended
        self.final_height, self.dynasty = status.final_height, dynasty


TestStakingMachine = StakingMachine.TestCase
TestStakingMachine.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
