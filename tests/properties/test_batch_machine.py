"""Solvers, cheats and reporters as a state machine: money balances, and who never lied loses no stake.

Bob is honest and answers when he likes; charlie invents some of his strikes. Whatever they, the poster and the
reporters do, in whatever order: issuance changes only by rewards and burns, the holds equal the records (checked after
every block), and bob's bond is what he put in.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from chain.params import UNIT_PLANCK
from runtime.batch_events import BatchPaid
from runtime.batch_records import BatchStatus, Solver
from runtime.batch_state import COMMITTED, SOLVERS
from runtime.pallets.balances import BurnedHeld, DustLost, Minted
from runtime.pallets.batches import answer_audit, bond, commit_batch, report_fraud, unbond, withdraw
from runtime.pallets.problems import cancel
from runtime.pallets.transaction_payment import TransactionFeePaid
from runtime.problem_records import ProblemStatus
from runtime.problem_state import RECORDS
from tests.support.batch_chain import BOND, PARAMS, TestBatch, claim_of, make_batch, make_market
from tests.support.runtime_chain import RuntimeChain, get_events, get_key

LIMITS = replace(PARAMS.batch, answer_blocks=3, fraud_blocks=4, unbond_blocks=12, window_blocks=4)
NAMES = ("bob", "charlie")
names = st.sampled_from(NAMES)
picks = st.integers(0, 99)


def get_solver(chain: RuntimeChain, name: str) -> Solver:
    """Return a solver's record, an empty one where it left none."""
    return SOLVERS.find(chain.state, get_key(name)) or Solver(active=0)


class BatchMachine(RuleBasedStateMachine):
    """One chain; each step is a block, so that windows pass."""

    @initialize()
    def start(self) -> None:
        """Begin with a market."""
        self.chain = make_market(replace(PARAMS, batch=LIMITS), deadline=60)
        self.issuance = self.chain.get_issuance()
        self.made: dict[int, TestBatch] = {}
        self.paid: dict[str, int] = dict.fromkeys(NAMES, 0)
        self.bonded = dict.fromkeys(NAMES, 5 * BOND)
        self.offered = 50 * UNIT_PLANCK

    def mine(self, *extrinsics: bytes) -> None:
        """Add a block, and account for what it minted, burnt and paid."""
        outcome = self.chain.add_block(*extrinsics)
        self.issuance += sum(event.amount for event in get_events(outcome, Minted))  # type: ignore[attr-defined]
        for kind in (BurnedHeld, DustLost):
            self.issuance -= sum(event.amount for event in get_events(outcome, kind))  # type: ignore[attr-defined]
        half = self.chain.params.money.fee_burn_ppb
        for event in get_events(outcome, TransactionFeePaid):
            self.issuance -= event.actual_fee * half // 10**9  # type: ignore[attr-defined]
        for event in get_events(outcome, BatchPaid):
            self.offered -= event.amount  # type: ignore[attr-defined]

    # ---- what people do

    @rule(name=names, by_counter=st.booleans(), lies=st.integers(1, 2**16 - 1), count=st.integers(8, 16))
    def commit_strikes(self, name: str, by_counter: bool, lies: int, count: int) -> None:
        """Commit a batch; charlie's has wrong leaves."""
        if RECORDS.get(self.chain.state, 0).status is not ProblemStatus.Open:
            self.mine()
            return
        counter = get_solver(self.chain, name).counter if by_counter else None
        batch = make_batch(
            self.chain, name, count=count, counter=counter, fake=lambda i: name == "charlie" and bool(lies >> i & 1)
        )
        before = {number for number, _ in COMMITTED.iterate(self.chain.state)}
        self.mine(self.chain.sign(name, commit_batch, *batch.commit_arguments()))
        new = {number for number, _ in COMMITTED.iterate(self.chain.state)} - before
        self.made |= dict.fromkeys(new, batch)

    @rule(pick=picks, sender=st.sampled_from(("alice", *NAMES)), is_junk=st.booleans())
    def answer(self, pick: int, sender: str, is_junk: bool) -> None:
        """Answer for a challenged batch; a wrong proof is not even taken into a block."""
        asked = [(n, b) for n, b in COMMITTED.iterate(self.chain.state) if b.status is BatchStatus.Challenged]
        asked = [(n, b) for n, b in asked if b.audit_at + LIMITS.answer_blocks > self.chain.head.number]
        if not asked:
            self.mine()
            return
        number, batch = asked[pick % len(asked)]
        arguments = self.made[number].answer_arguments(number, batch.leaves)
        if not is_junk:
            self.mine(self.chain.sign(sender, answer_audit, *arguments))

    @rule(pick=picks, index=st.integers(0, 15), signed=st.booleans())
    def report(self, pick: int, index: int, signed: bool) -> None:
        """Report a leaf, wrong or not, of a batch on the chain or of its signed statement."""
        known = [(n, b) for n, b in COMMITTED.iterate(self.chain.state) if n in self.made]
        if not known:
            self.mine()
            return
        number, record = known[pick % len(known)]
        batch = self.made[number]
        name = next(each for each in NAMES if get_key(each) == record.solver)
        claim = batch.sign(self.chain, name) if signed else claim_of(number)
        self.mine(self.chain.sign("alice", report_fraud, *batch.report_arguments(claim, index % batch.count)))

    @rule(name=names, amount=st.sampled_from((1, BOND, 2 * BOND, 5 * BOND)), what=st.sampled_from("buw"))
    def move_bond(self, name: str, amount: int, what: str) -> None:
        """Bond, unbond or withdraw."""
        match what:
            case "b":
                before = get_solver(self.chain, name).total
                self.mine(self.chain.sign(name, bond, amount))
                self.bonded[name] += get_solver(self.chain, name).total - before
            case "u":
                self.mine(self.chain.sign(name, unbond, amount))
            case _:
                before = get_solver(self.chain, name).total
                self.mine(self.chain.sign(name, withdraw))
                self.bonded[name] -= before - get_solver(self.chain, name).total if name == "bob" else 0

    @rule(luck=st.integers(0, 19))
    def close(self, luck: int) -> None:
        """Cancel the problem, now and then."""
        if luck == 0:
            self.mine(self.chain.sign("alice", cancel, 0))
        else:
            self.answer_all()

    @rule()
    def answer_all(self) -> None:
        """Answer for every batch that is asked for."""
        last = self.chain.head.number - LIMITS.answer_blocks
        rows = [(n, b) for n, b in COMMITTED.iterate(self.chain.state) if b.audit_at > last]
        asked = [(n, b) for n, b in rows if b.status is BatchStatus.Challenged]
        nonce = self.chain.get_nonce("bob")
        calls = [self.made[n].answer_arguments(n, batch.leaves) for n, batch in asked]
        self.mine(*(self.chain.sign("bob", answer_audit, *call, nonce=nonce + i) for i, call in enumerate(calls)))

    @rule(count=st.integers(1, 4))
    def wait(self, count: int) -> None:
        """Let time pass."""
        for _ in range(count):
            self.mine()

    # ---- what holds

    @invariant()
    def issuance_changes_only_by_rewards_and_burns(self) -> None:
        """No unit is made or lost."""
        if hasattr(self, "chain"):
            assert abs(self.chain.get_issuance() - self.issuance) <= self.chain.head.number * 8, "fees round down"

    @invariant()
    def the_honest_solver_keeps_its_bond(self) -> None:
        """Nobody can take it, whatever is reported or left unanswered."""
        if hasattr(self, "chain"):
            solver = get_solver(self.chain, "bob")
            assert (solver.total, solver.slashed) == (self.bonded["bob"], 0)

    @invariant()
    def the_customer_pays_exactly_what_batches_earned(self) -> None:
        """And never more than was offered."""
        if hasattr(self, "chain"):
            assert RECORDS.get(self.chain.state, 0).work_budget == self.offered >= 0


def run(examples: int, steps: int) -> None:
    """Play so many chains of so many steps."""
    BatchMachine.TestCase.settings = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    case = BatchMachine.TestCase()
    case.runTest()


def test_no_sequence_of_calls_makes_or_loses_money_or_harms_the_honest() -> None:
    run(12, 25)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_no_long_sequence_of_calls_does() -> None:
    run(200, 60)
