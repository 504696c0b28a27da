"""Problems on a chain: customers post them, a miner sells strikes for them, a solver earns their bounties.

Everybody signs real calls and looks at the fees first: the solver leaves a bounty alone that is below its fees and its
effort, the miner a work budget that is below the fees of commit and answer.

Terms:
    deal: one problem of a customer and what became of it. value: what a solution is worth to the customer, in planck.
"""

from __future__ import annotations

from random import Random

import msgspec

from chain.header import encode_header
from chain.merkle import compute_root, make_multiproof
from chain.params import UNIT_PLANCK
from consensus.batch import HeaderSource, compute_leaf_count, compute_snapshot, make_witness, run_batch_strike
from consensus.commitment import Committer, compute_commitment
from consensus.context import PoolProblem
from consensus.work import compute_work_key, make_leaf
from runtime.batch_events import BatchCommitted, BatchPaid
from runtime.batch_state import COMMITTED
from runtime.batch_weights import compute_leaves_weight
from runtime.dispatch import Call
from runtime.outcomes import BlockOutcome
from runtime.pallets.batches import answer_audit, bond, commit_batch
from runtime.pallets.finality import STATUS
from runtime.pallets.problems import post
from runtime.pallets.solutions import commit, reveal
from runtime.pallets.transaction_payment import NEXT_FEE_MULTIPLIER, compute_fee
from runtime.problem_events import BountyPaid, Expired, Posted
from runtime.problem_records import Terms, compute_order_figures, make_ising
from runtime.work_context import find_pool_problem
from simulations.plain_chain import PlainChain, get_account
from vm.local_search import search_locally
from vm.problem import IsingProblem, compute_energy, make_problem, pack_shots

SOLVER = "solver"
SPINS, STARTS = 10, 64
BOUNTY_SHARE, BUDGET_SHARE = 0.5, 0.2  # of the value
LIFETIME_BLOCKS = 100
GOLDEN = 0.6180339887498949  # multiples of it, less whole numbers, fill an interval evenly
ANSWER_BYTES = 5_000  # for the fee that a seller expects
SELLER_BONDS = 40


class Deal:
    """A problem on its way; what is set later is None or False before."""

    def __init__(self, number: int, value: int, problem: IsingProblem) -> None:
        shot = search_locally(problem, seed=number, starts=STARTS)
        self.poster, self.value, self.problem = f"customer {number}", value, problem
        self.order = tuple(range(problem.n))
        self.bits = pack_shots(shot)
        self.energy = compute_energy(problem, shot[0])
        self.salt = number.to_bytes(32, "little")
        self.number: int | None = None
        self.price = 0
        self.committed_at: int | None = None
        self.is_declined = self.is_revealed = self.is_offered_strikes = False
        self.batch: int | None = None
        self.pool: PoolProblem | None = None
        self.packed: tuple[bytes, ...] = ()
        self.is_answered = self.is_batch_paid = self.is_solved = self.is_closed = False


class DealResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a closed deal was to its customer, in planck.

    Attributes:
        outlay: What the customer has less than before.
    """

    value: int
    outlay: int
    is_solved: bool
    is_sampled: bool

    @property
    def gain(self) -> int:
        """The value of a solution if there was one, less the outlay."""
        return (self.value if self.is_solved else 0) - self.outlay


class Market:
    """Customers, one seller of strikes, one solver."""

    def __init__(self, chain: PlainChain, seller: str, *, effort: float, chance: Random) -> None:
        """Begin without problems.

        Args:
            effort: What solving one problem costs the solver beside fees, in planck.
        """
        self._chain, self._seller, self._effort, self._chance = chain, seller, effort, chance
        self._purse: dict[str, int] = {}
        self._waiting: dict[str, int] = {}
        self._is_bonded = False
        self.deals: list[Deal] = []

    def step(self, value: int | None) -> list[bytes]:
        """Return what all want in the next block; `value` is that of a customer who comes now."""
        self._waiting.clear()
        extrinsics: list[bytes] = []
        if not self._is_bonded:
            self._is_bonded = True
            extrinsics.append(self._sign(self._seller, bond, SELLER_BONDS * self._chain.params.batch.bond_planck))
        if value is not None:
            extrinsics.append(self._post(value))
        final = STATUS.get(self._chain.state).final_height
        has_sold = False
        for deal in self.deals:
            if deal.number is None or (deal.is_closed and deal.batch is None):
                continue
            extrinsics += self._solve(deal, deal.number, final)
            if deal.batch is not None and not deal.is_answered:
                extrinsics += self._answer(deal, deal.batch)
            elif not (deal.is_offered_strikes or has_sold or deal.is_closed):
                sold = self._sell(deal, deal.number)
                extrinsics += sold
                has_sold = bool(sold)
        return extrinsics

    def note(self, outcome: BlockOutcome) -> None:
        """Learn from a block's events."""
        by_poster = {get_account(deal.poster): deal for deal in self.deals}
        by_number = {deal.number: deal for deal in self.deals if deal.number is not None}
        by_batch = {deal.batch: deal for deal in self.deals if deal.batch is not None}
        for _, event in outcome.event_rows:
            match event:
                case Posted():
                    by_poster[event.poster].number = event.problem
                case BatchCommitted():
                    by_number[event.problem].batch = event.batch
                case BatchPaid():
                    by_batch[event.batch].is_batch_paid = True
                case BountyPaid():
                    by_number[event.problem].is_solved = by_number[event.problem].is_closed = True
                case Expired():
                    by_number[event.problem].is_closed = True
                case _:
                    pass

    def get_strike_gas(self, batch: int) -> int:
        """Return the gas of a strike of a batch that was sold here."""
        (pool,) = (deal.pool for deal in self.deals if deal.batch == batch)
        assert pool is not None, "what was sold was run"
        return pool.gas

    def list_results(self) -> list[DealResult]:
        """Return what the closed deals were to their customers, the batches of which are settled."""
        return [
            DealResult(
                value=deal.value,
                outlay=self._purse[deal.poster] - self._chain.get_total(deal.poster),
                is_solved=deal.is_solved,
                is_sampled=deal.is_batch_paid,
            )
            for deal in self.deals
            if deal.is_closed and (deal.batch is None or deal.is_batch_paid)
        ]

    # ---- customers

    def _post(self, value: int) -> bytes:
        """Return the post of a new customer, who has an account for this problem alone."""
        deal = Deal(len(self.deals), value, make_cubic(SPINS, self._chance))
        self.deals.append(deal)
        chain = self._chain
        self._purse[deal.poster] = chain.get_total(deal.poster)
        figures = compute_order_figures(deal.problem, deal.order, 1, chain.params)
        budget = int(value * BUDGET_SHARE)
        deal.price = budget // (chain.params.batch.count_min * figures.strike_gas)
        terms = Terms(
            bounty=max(int(value * BOUNTY_SHARE), chain.params.money.existential_deposit_planck),
            target_energy=deal.energy,
            deadline=chain.head.number + LIFETIME_BLOCKS,
            work_budget=budget,
            price_per_gas=deal.price,
        )
        return self._sign(deal.poster, post, make_ising(deal.problem), 1, deal.order, terms)

    # ---- the solver

    def _solve(self, deal: Deal, number: int, final: int) -> list[bytes]:
        shown = (number, deal.salt, deal.energy, deal.bits)
        if deal.committed_at is None and not deal.is_declined and not deal.is_closed:
            committer = Committer(genesis_hash=self._chain.genesis_hash, problem_id=number, account=get_account(SOLVER))
            raw = self._sign(SOLVER, commit, number, compute_commitment(committer, deal.salt, deal.bits))
            fees = self._chain.quote(raw) + self._chain.quote(self._chain.sign(SOLVER, reveal, *shown))
            if int(deal.value * BOUNTY_SHARE) > fees + self._effort:
                deal.committed_at = self._chain.head.number + 1
                return [raw]
            deal.is_declined = True
            self._waiting[SOLVER] -= 1
        elif deal.committed_at is not None and deal.committed_at <= final and not deal.is_revealed:
            deal.is_revealed = True
            return [self._sign(SOLVER, reveal, *shown)]
        return []

    # ---- the seller

    def _sell(self, deal: Deal, number: int) -> list[bytes]:
        """Return the commit of a batch of real strikes on the head, if it is worth its fees."""
        deal.is_offered_strikes = True
        chain, count, shots = self._chain, self._chain.params.batch.count_min, self._chain.params.work.shots
        pool = find_pool_problem(chain.state, number)
        if pool is None or deal.price * count * pool.gas <= self._expect_fees(pool):
            return []
        header = chain.make_source(self._seller, number)
        key = compute_work_key(header)
        deal.pool = pool
        deal.packed = tuple(run_batch_strike(pool, key, index, shots=shots) for index in range(count))
        root = compute_root([make_leaf(index, packed) for index, packed in enumerate(deal.packed)])
        snapshot = compute_snapshot(number, pool.order, pool.law, shots)
        source = HeaderSource(header=encode_header(header))
        return [self._sign(self._seller, commit_batch, source, number, root, count, snapshot)]

    def _expect_fees(self, pool: PoolProblem) -> int:
        chain = self._chain
        leaves = compute_leaf_count(pool.gas, chain.params.batch.count_min, chain.params.batch)
        weight = compute_leaves_weight(pool.gas, leaves)
        multiplier = NEXT_FEE_MULTIPLIER.get(chain.state)
        return compute_fee(chain.params, multiplier, weight=weight, length=ANSWER_BYTES, tip=0).total

    def _answer(self, deal: Deal, batch: int) -> list[bytes]:
        record = COMMITTED.find(self._chain.state, batch)
        if record is None or not record.leaves:
            return []
        assert deal.pool is not None
        deal.is_answered = True
        leaves = [make_leaf(index, packed) for index, packed in enumerate(deal.packed)]
        shown = tuple(deal.packed[index] for index in record.leaves)
        proof = make_multiproof(leaves, record.leaves)
        return [self._sign(self._seller, answer_audit, batch, deal.pool.gas, make_witness(deal.pool), proof, shown)]

    def _sign(self, name: str, call: Call, *arguments: object) -> bytes:
        ahead = self._waiting.get(name, 0)
        self._waiting[name] = ahead + 1
        return self._chain.sign(name, call, *arguments, ahead=ahead)


def make_cubic(n: int, chance: Random) -> IsingProblem:
    """Return MaxCut on a random cubic graph."""
    while True:
        ends = [vertex for vertex in range(n) for _ in range(3)]
        chance.shuffle(ends)
        pairs = {(min(a, b), max(a, b)) for a, b in zip(ends[::2], ends[1::2], strict=True) if a != b}
        if len(pairs) == 3 * n // 2:
            return make_problem(n, [(a, b, 1) for a, b in sorted(pairs)])


def spread_value(index: int, low: float, high: float) -> int:
    """Return a customer's value in planck; many fill the orders of magnitude between two numbers of tokens."""
    return int(UNIT_PLANCK * low * (high / low) ** ((index * GOLDEN) % 1.0))
