"""Commits, reveals, thieves and snipers as a state machine: money balances, one winner, and it is the right one.

The model keeps who showed what and when it was committed, and predicts each winner by sorting. A thief copies whatever
is shown or waits to be shown, as a commit and as the author of the next block; a sniper flips one bit of it. Neither is
ever paid.
"""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from chain.params import UNIT_PLANCK, Params, SolutionParams
from runtime.executive import AuthorSolution, InvalidExtrinsicInBlock
from runtime.pallets.balances import BurnedHeld, DustLost, Minted
from runtime.pallets.problems import cancel, post
from runtime.pallets.system import ACCOUNT
from runtime.pallets.transaction_payment import TransactionFeePaid
from runtime.problem_events import BountyPaid, Expired
from runtime.problem_records import ProblemStatus
from runtime.problem_state import RECORDS
from runtime.queries import list_problems
from runtime.solution_events import Revealed
from runtime.solution_state import COMMITS, NEXT_PLACE
from tests.support.runtime_chain import RuntimeChain, get_events, get_key, post_arguments
from tests.support.solving import compute_ring_energy, make_commitment, sign_commit, sign_reveal

HONEST = ("bob", "charlie", "miner")
CROOKS = ("thief", "sniper")
NAMES = ("alice", *HONEST, *CROOKS)
LIMITS = SolutionParams(reveal_blocks=6, commits_max=5, deposit_planck=UNIT_PLANCK, deposit_step=2)
LIVE = (ProblemStatus.Open, ProblemStatus.Solved, ProblemStatus.Revealing)
all_bits = st.sampled_from((5, 21, 42, 10)) | st.integers(0, 63)
honest_names = st.sampled_from(HONEST)


class Secret(msgspec.Struct, frozen=True):
    """What somebody committed to."""

    name: str
    problem: int
    bits: int


class SolutionMachine(RuleBasedStateMachine):
    """One chain; each step is a block, so that windows pass."""

    @initialize()
    def start(self) -> None:
        """Begin at genesis."""
        params = replace(Params.tiny(), solution=LIMITS)
        self.chain = RuntimeChain(params, dict.fromkeys(NAMES, 1_000 * UNIT_PLANCK))
        self.issuance = self.chain.get_issuance()
        self.secrets: list[Secret] = []
        self.shown: dict[int, list[tuple[int, int, bytes]]] = {}
        self.copied: set[tuple[int, int]] = set()
        self.paid: dict[int, int] = {}
        self.winners: dict[int, bytes] = {}
        self.post_problem(-2, 8, 400_000_000)

    # ---- what people do

    @rule(
        goal=st.sampled_from((-2, -6, 2)),
        life=st.sampled_from((4, 8, 1, 2)),
        ppb=st.sampled_from((400_000_000, 0, 10**6, 10**9)),
    )
    def post_problem(self, goal: int, life: int, ppb: int) -> None:
        """Post a ring; the easy targets are reached by many bits."""
        terms = {"target_energy": goal, "deadline": self.chain.head.number + 1 + life, "best_effort_ppb": ppb}
        self.mine("miner", self.chain.sign("alice", post, *post_arguments(**terms)))

    @rule(name=honest_names, pick=st.integers(0, 99), bits=all_bits)
    def commit_secret(self, name: str, pick: int, bits: int) -> None:
        """Commit to own bits."""
        problem = self.pick(pick)
        self.secrets.append(Secret(name, problem, bits))
        self.mine("miner", sign_commit(self.chain, name, bits, problem=problem))

    @rule(names=st.permutations(HONEST), pick=st.integers(0, 99), bits=all_bits)
    def commit_together(self, names: list[str], pick: int, bits: int) -> None:
        """Commit to the same bits in one block."""
        problem = self.pick(pick)
        self.secrets += [Secret(name, problem, bits) for name in names]
        self.mine("miner", *(sign_commit(self.chain, name, bits, problem=problem) for name in names))

    @rule(choice=st.integers(0, 10**6), author=st.sampled_from(("miner", "thief")), is_censored=st.booleans())
    def reveal_secret(self, choice: int, author: str, is_censored: bool) -> None:
        """Show bits; if the thief is the author it brings them first, and may leave the reveal for the next block."""
        waiting = [secret for secret in self.secrets if self.is_waiting(secret)]
        if not waiting:
            return
        secret = waiting[choice % len(waiting)]
        raw = sign_reveal(self.chain, secret.name, secret.bits, problem=secret.problem)
        if not self.is_showable(secret):
            assert not self.chain.start().apply_extrinsic(raw).is_success
            return
        self.copied.add((secret.problem, secret.bits))
        copy = None
        if author == "thief":
            energy = compute_ring_energy(secret.bits)
            copy = AuthorSolution(problem_id=secret.problem, energy=energy, bits=bytes((secret.bits,)))
            if self.is_worthless(secret):
                copy = None  # the thief would only show above the target what loses to it anyway
        if is_censored and author == "thief":
            self.mine(author, solution=copy)
            raw = sign_reveal(self.chain, secret.name, secret.bits, problem=secret.problem)
            self.mine("miner", raw)
        else:
            self.mine(author, raw, solution=copy)

    @rule(order=st.randoms(use_true_random=False), pick=st.integers(0, 99))
    def reveal_everything(self, order: Random, pick: int) -> None:
        """Show all that waits at a problem in one block, in any order."""
        problem = self.pick(pick)
        waiting = [secret for secret in self.secrets if secret.problem == problem and self.is_waiting(secret)]
        waiting = [secret for secret in waiting if self.is_showable(secret)]
        order.shuffle(waiting)
        chosen = {secret.name: secret for secret in waiting}.values()
        self.copied |= {(secret.problem, secret.bits) for secret in chosen}
        self.mine("miner", *(sign_reveal(self.chain, one.name, one.bits, problem=problem) for one in chosen))

    @rule(
        names=st.permutations(HONEST),
        pick=st.integers(0, 99),
        bits=st.lists(all_bits, min_size=3, max_size=3),
        gaps=st.lists(st.integers(0, 4), min_size=3, max_size=3),
    )
    def compete(self, names: list[str], pick: int, bits: list[int], gaps: list[int]) -> None:
        """Three commit in one block, and show in the opposite order, some blocks apart."""
        problem = self.pick(pick)
        secrets = [Secret(name, problem, them) for name, them in zip(names, bits, strict=True)]
        self.secrets += secrets
        self.mine("miner", *(sign_commit(self.chain, one.name, one.bits, problem=problem) for one in secrets))
        for secret, gap in zip(reversed(secrets), gaps, strict=True):
            self.wait(gap)
            if self.is_waiting(secret) and self.is_showable(secret):
                self.copied.add((problem, secret.bits))
                self.mine("miner", sign_reveal(self.chain, secret.name, secret.bits, problem=problem))

    @rule(choice=st.integers(0, 10**6), flip=st.integers(0, 5))
    def copy_shown(self, choice: int, flip: int) -> None:
        """The thief commits what somebody revealed, and the sniper the same with one bit flipped; both try to show."""
        if not self.copied:
            return
        reveals = sorted(self.copied)
        problem, bits = reveals[choice % len(reveals)]
        crooked = (("thief", bits), ("sniper", bits ^ 1 << flip))
        self.mine("miner", *(sign_commit(self.chain, name, them, problem=problem) for name, them in crooked))
        self.mine("miner", *(sign_reveal(self.chain, name, them, problem=problem) for name, them in crooked))

    @rule(author=honest_names, pick=st.integers(0, 99), bits=all_bits, offset=st.sampled_from((0, 0, 0, 2)))
    def show_as_author(self, author: str, pick: int, bits: int, offset: int) -> None:
        """Bring a solution with a block; it may be wrong."""
        energy = compute_ring_energy(bits) + offset
        self.mine(author, solution=AuthorSolution(problem_id=self.pick(pick), energy=energy, bits=bytes((bits,))))

    @rule(pick=st.integers(0, 99))
    def cancel_problem(self, pick: int) -> None:
        """Take a problem back, or try."""
        self.mine("miner", self.chain.sign("alice", cancel, self.pick(pick)))

    @rule(count=st.integers(1, 3))
    def wait(self, count: int) -> None:
        """Let windows pass."""
        for _ in range(count):
            self.mine("miner")

    # ---- the model

    def pick(self, choice: int) -> int:
        """Return mostly a live problem, sometimes any number."""
        live = [row.problem_id for row in list_problems(self.chain.view) if row.record.status in LIVE]
        return live[choice % len(live)] if live and choice < 95 else choice % 5

    def is_waiting(self, secret: Secret) -> bool:
        """Say whether the commit to this waits."""
        commitment = make_commitment(self.chain, secret.name, secret.bits, problem=secret.problem)
        return any(entry.commitment == commitment for entry in COMMITS.get(self.chain.state, secret.problem))

    def is_showable(self, secret: Secret) -> bool:
        """Say whether a wallet would show it: above the target, nobody may be able to commit any more."""
        record = RECORDS.get(self.chain.state, secret.problem)
        is_over = record.status is not ProblemStatus.Open or self.chain.head.number >= record.deadline
        return is_over or compute_ring_energy(secret.bits) <= record.target_energy

    def is_worthless(self, secret: Secret) -> bool:
        """Say whether showing it as the author, while the problem is open, would not reach the target."""
        row = next((row for row in list_problems(self.chain.view) if row.problem_id == secret.problem), None)
        return row is None or compute_ring_energy(secret.bits) > row.record.target_energy

    def mine(self, author: str, *raws: bytes, solution: AuthorSolution | None = None) -> None:
        """Make a block, follow the money, and hold the payments against the model."""
        chain = self.chain
        next_place = NEXT_PLACE.get(chain.state)  # inherents come before the commits of their block
        if solution is not None:
            try:
                chain.make_block(*raws, author=author, solution=solution)
            except InvalidExtrinsicInBlock:
                solution = None
        outcome = chain.add_block(*raws, author=author, solution=solution)
        if solution is not None:
            self.shown.setdefault(solution.problem_id, []).append((solution.energy, next_place, get_key(author)))
        for event in get_events(outcome, Revealed):
            self.shown.setdefault(event.problem, []).append((event.energy, event.place, event.account))
        self.check_payments(get_events(outcome, BountyPaid))
        self.check_issuance(outcome)
        for event in get_events(outcome, Expired):
            assert event.problem not in self.paid

    def check_payments(self, events: list[BountyPaid]) -> None:
        """One winner for each problem: the one that sorting what was shown gives, paid what the terms say."""
        for event in events:
            assert event.problem not in self.paid, "a bounty is paid once"
            record = next(row.record for row in list_problems(self.chain.view) if row.problem_id == event.problem)
            shown = self.shown[event.problem]
            energy, _, solver = min(shown, key=lambda row: (max(row[0], record.target_energy), row[1]))
            assert event.solver == solver
            self.winners[event.problem] = solver
            is_reached = energy <= record.target_energy
            assert event.amount == (record.bounty if is_reached else record.bounty * record.best_effort_ppb // 10**9)
            assert event.solver not in map(get_key, CROOKS)
            self.paid[event.problem] = event.amount

    def check_issuance(self, outcome: object) -> None:
        """The issuance changes by rewards, burnt fees and burnt deposits only."""
        burnt = sum(event.amount for kind in (BurnedHeld, DustLost) for event in get_events(outcome, kind))
        minted = sum(event.amount for event in get_events(outcome, Minted))
        fees = sum(event.actual_fee - event.actual_fee // 2 for event in get_events(outcome, TransactionFeePaid))
        change = self.chain.get_issuance() - self.issuance
        assert abs(change - (minted - burnt - fees)) <= len(outcome.extrinsic_results), "rounding of half fees"
        self.issuance += change

    @invariant()
    def what_is_over_holds_nothing(self) -> None:
        """Alice's holds are those of live problems; a solver's are those of waiting commits."""
        is_any_live = any(row.record.status in LIVE for row in list_problems(self.chain.view))
        assert (self.chain.get_reserved("alice") > 0) == is_any_live
        waiting = {entry.account for _, entries in COMMITS.iterate(self.chain.state) for entry in entries}
        for name in (*HONEST, *CROOKS):
            info = ACCOUNT.get(self.chain.state, get_key(name))
            assert (info.data.reserved > 0) == (get_key(name) in waiting)

    def teardown(self) -> None:
        """In the end every window closes and everything is given back."""
        if not hasattr(self, "chain"):
            return
        for _ in range(24):
            self.mine("miner")
        for problem, winner in self.winners.items():
            goal = next(row.record for row in list_problems(self.chain.view) if row.problem_id == problem).target_energy
            best = min(self.shown[problem], key=lambda row: (max(row[0], goal), row[1]))
            assert best[2] == winner, "nothing that was shown after the payment would have won"
        assert self.chain.get_reserved("alice") == 0
        assert not list(COMMITS.iterate(self.chain.state))


TestSolutionMachine = SolutionMachine.TestCase
TestSolutionMachine.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


class LongSolutionMachine(SolutionMachine):
    """The same, for longer."""


TestLongSolutionMachine = pytest.mark.timeout(1_800)(pytest.mark.slow(LongSolutionMachine.TestCase))
TestLongSolutionMachine.settings = settings(
    max_examples=300, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
