"""The runtime as a state machine: whatever happens, issuance, holds and every other invariant balance.

hypothesis drives blocks of good and bad calls by several accounts; `RuntimeChain.keep` checks every pallet's invariants
after each block, and a model follows the total of all money.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chain.params import UNIT_PLANCK
from runtime.executive import AuthorSolution, InvalidExtrinsicInBlock
from runtime.pallets.balances import (
    BurnedHeld,
    DustLost,
    Minted,
    transfer_all,
    transfer_allow_death,
    transfer_keep_alive,
)
from runtime.pallets.problems import cancel, post, post_order
from runtime.pallets.system import ACCOUNT, remark
from runtime.pallets.transaction_payment import TransactionFeePaid
from runtime.problem_records import ProblemStatus
from runtime.queries import list_problems
from runtime.validity import InvalidTransaction
from tests.support.runtime_chain import NAMES, RuntimeChain, get_events, make_ring, post_arguments, to

ACCOUNTS = (*NAMES, "newcomer")
names = st.sampled_from(ACCOUNTS)
amounts = st.one_of(
    st.integers(0, 3), st.integers(0, 2 * 10**9), st.integers(0, 1_100 * UNIT_PLANCK), st.just(1_000 * UNIT_PLANCK)
)
orders = st.permutations(range(6)).map(tuple) | st.just((0, 1, 2))


class RuntimeMachine(RuleBasedStateMachine):
    """One chain, and the extrinsics of the block to come."""

    @initialize()
    def start(self) -> None:
        """Begin at genesis."""
        self.chain = RuntimeChain()
        self.issuance = self.chain.get_issuance()
        self.waiting: list[Callable[[dict[str, int]], tuple[str, bytes]]] = []

    def submit(self, name: str, call: object, *arguments: object, tip: int = 0) -> None:
        """Put an extrinsic into the next block."""

        def make(nonces: dict[str, int]) -> tuple[str, bytes]:
            return name, self.chain.sign(name, call, *arguments, nonce=nonces[name], tip=tip)

        self.waiting.append(make)

    @rule(name=names, dest=names, amount=amounts, keep_alive=st.booleans(), tip=st.sampled_from((0, 5, 10**9)))
    def transfer(self, name: str, dest: str, amount: int, keep_alive: bool, tip: int) -> None:
        """Move an amount."""
        call = transfer_keep_alive if keep_alive else transfer_allow_death
        self.submit(name, call, to(dest), amount, tip=tip)

    @rule(name=names, dest=names, keep_alive=st.booleans())
    def move_all(self, name: str, dest: str, keep_alive: bool) -> None:
        """Move everything."""
        self.submit(name, transfer_all, to(dest), keep_alive)

    @rule(name=names)
    def say(self, name: str) -> None:
        """Only pay a fee."""
        self.submit(name, remark, b"hello")

    @rule(name=names, bounty=amounts, budget=amounts, goal=st.sampled_from((-6, -2, 6, -8)), life=st.integers(0, 6))
    def post_problem(self, name: str, bounty: int, budget: int, goal: int, life: int) -> None:
        """Post a ring with terms that may be bad."""
        deadline = self.chain.head.number + 1 + life
        terms = {"bounty": bounty, "work_budget": budget, "target_energy": goal, "deadline": deadline}
        self.submit(name, post, *post_arguments(make_ring(), **terms))

    @rule(name=names, problem=st.integers(0, 4))
    def cancel_problem(self, name: str, problem: int) -> None:
        """Cancel a problem that may be somebody else's."""
        self.submit(name, cancel, problem)

    @rule(name=names, problem=st.integers(0, 4), order=orders)
    def give_order(self, name: str, problem: int, order: tuple[int, ...]) -> None:
        """Give an order that may be bad."""
        self.submit(name, post_order, problem, order)

    @rule(author=names, bits=st.integers(0, 63), offset=st.sampled_from((0, 0, 0, 2)))
    def mine(self, author: str, bits: int, offset: int) -> None:
        """Make a block of what waits, with a solution that may be bad."""
        chain = self.chain
        solution = self.find_solution(bits, offset)
        try:
            chain.make_block(author=author, solution=solution)
        except InvalidExtrinsicInBlock:
            solution = None
        accepted = self.take_waiting(author)
        outcome = chain.add_block(*accepted, author=author, solution=solution)
        burnt = sum(event.amount for kind in (BurnedHeld, DustLost) for event in get_events(outcome, kind))
        minted = sum(event.amount for event in get_events(outcome, Minted))
        fees = [event.actual_fee - event.tip for event in get_events(outcome, TransactionFeePaid)]
        change = chain.get_issuance() - self.issuance
        # a fee is burnt by half, or wholly, tip included, where the author has no account
        tips = sum(event.tip for event in get_events(outcome, TransactionFeePaid))
        assert minted - burnt - sum(fees) - tips <= change <= minted - burnt - sum(fee // 2 for fee in fees)
        self.issuance += change

    def take_waiting(self, author: str) -> list[bytes]:
        """Return the waiting extrinsics that a block takes, in order; the others are dropped."""
        execution = self.chain.start(author)
        nonces = {name: self.chain.get_nonce(name) for name in ACCOUNTS}
        accepted = []
        for make in self.waiting:
            name, raw = make(nonces)
            try:
                execution.apply_extrinsic(raw)
            except InvalidTransaction:
                continue
            nonces[name] += 1
            accepted.append(raw)
        self.waiting = []
        return accepted

    def find_solution(self, bits: int, offset: int) -> AuthorSolution | None:
        """Return a solution of the first open problem, its energy right or off by `offset`."""
        rows = list_problems(self.chain.view, only_open=True)
        if not rows:
            return None
        same = sum(1 for i in range(6) if bits >> i & 1 == bits >> (i + 1) % 6 & 1)
        return AuthorSolution(problem_id=rows[0].problem_id, energy=2 * same - 6 + offset, bits=bytes((bits,)))

    @invariant()
    def closed_problems_hold_nothing(self) -> None:
        """What is closed has given everything back."""
        live = (ProblemStatus.Open, ProblemStatus.Solved)
        posters = {row.record.poster for row in list_problems(self.chain.view) if row.record.status in live}
        for who, info in ACCOUNT.iterate(self.chain.view):
            assert (info.data.reserved > 0) == (who in posters)


TestRuntimeMachine = RuntimeMachine.TestCase
TestRuntimeMachine.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
