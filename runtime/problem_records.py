"""What the chain stores about a problem, and how a posted Ising record becomes one that can be struck.

Terms:
    instance: the Ising record with its measurement order, the large part; removed when the problem is closed.
    strike gas: gas limit of one pool strike; 0 for a problem that is "bounty only".
    order cost: the integer by which two measurement orders are compared, cut off at 2^64 - 1.

Everything here is a pure function of its arguments.
"""

from __future__ import annotations

from enum import IntEnum, nonmember
from functools import lru_cache
from typing import Annotated, ClassVar

import msgspec

from chain.hashing import blake2b_256
from chain.params import Params
from chain.scale import codec_of
from chain.scale_shapes import I32, I64, U8, U16, U32, U64, U128, AccountId, Limit
from consensus.context import PoolProblem
from consensus.core_problem import compute_core_gas
from consensus.work import is_poolable
from vm.gas import make_tariff
from vm.law import AngleLaw, InvalidLaw, compute_law
from vm.order import compute_live_profile, compute_order_cost
from vm.problem import IsingProblem, NotStrikeable, check_problem, check_strikeable
from vm.schedule import compile_schedule
from vm.strike import LIVE_QUBITS_MAX

SPINS_LIMIT = 4096
COUPLINGS_LIMIT = 1 << 20
SOLUTION_BYTES_LIMIT = SPINS_LIMIT // 8
ORDER_COST_MAX = 2**64 - 1
_TAG_ISING = b"matchstrike/ising/1\x00"


class Ising(msgspec.Struct, frozen=True, kw_only=True):
    """An Ising energy as it is posted: couplings (i, j, J) sorted by (i, j), i < j, J not zero."""

    offset: I64
    fields: Annotated[tuple[I32, ...], Limit(SPINS_LIMIT)]
    couplings: Annotated[tuple[tuple[U16, U16, I32], ...], Limit(COUPLINGS_LIMIT)]


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """The large part of a problem."""

    ising: Ising
    order: Annotated[tuple[U16, ...], Limit(SPINS_LIMIT)]


class ProblemStatus(IntEnum):
    """How far a problem got."""

    scale_path = nonmember(("matchstrike_runtime", "ProblemStatus"))
    Open = 0
    Solved = 1
    Paid = 2
    Expired = 3
    Cancelled = 4
    Revealing = 5


class Solution(msgspec.Struct, frozen=True, kw_only=True):
    """The best solution so far.

    Attributes:
        bits: One bit a spin, spin i at bit i % 8 of byte i // 8; bit 0 is spin +1.
        height: The block that brought it.
        place: When it was committed: the number of the commit, or of the author's call, among all of the chain.
    """

    solver: AccountId
    energy: I64
    height: U32
    place: U64
    bits: Annotated[bytes, Limit(SOLUTION_BYTES_LIMIT)]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The small part of a problem, kept for a while after it is closed.

    Attributes:
        deposit: What the poster has on hold for the state's bytes; 0 once closed.
        deadline: The last block that takes commits and authors' solutions.
        best_effort_ppb: Share of the bounty, in billionths, for the best solution if none reaches the target.
        commits: All commits ever made.
        reveals_until: The last block that takes reveals; 0 while commits are taken, or if there were none to wait for.
        closed_at: The block that paid, refunded or cancelled it; 0 until then.
        strike_gas: Gas limit of one pool strike, 0 when bounty only.
        work_budget: What was offered for strikes and is not paid out.
        reserved: The part of it that open batches wait for; all that stays on hold of it once the problem is closed.
        open_batches: Batches committed and not settled; while there are any, the instance stays.
        batches: All batches ever committed.
    """

    poster: AccountId
    status: ProblemStatus
    spins: U32
    couplings: U32
    depth: U8
    bounty: U128
    target_energy: I64
    deadline: U32
    work_budget: U128
    price_per_gas: U128
    deposit: U128
    posted_at: U32
    closed_at: U32
    strike_gas: U64
    order_cost: U64
    reserved: U128
    open_batches: U32
    batches: U32
    best_effort_ppb: U32
    commits: U32
    reveals_until: U32
    best: Solution | None


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the poster offers.

    Attributes:
        best_effort_ppb: Share of the bounty, in billionths, for the best solution if none reaches the target.
    """

    scale_path: ClassVar[tuple[str, ...]] = ("matchstrike_runtime", "Terms")
    bounty: U128
    target_energy: I64
    deadline: U32
    work_budget: U128
    price_per_gas: U128
    best_effort_ppb: U32 = 0


class Deed(IntEnum):
    """What the agenda asks for."""

    scale_path = nonmember(("matchstrike_runtime", "Deed"))
    Expire = 0
    Forget = 1
    Settle = 2


class AgendaItem(msgspec.Struct, frozen=True, kw_only=True):
    """One deed at one height."""

    deed: Deed
    problem: U64


class Payable(msgspec.Struct, frozen=True, kw_only=True):
    """A problem whose winner is certain, and the height of the block that brought the winning solution."""

    problem: U64
    height: U32


class OrderFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a measurement order is worth."""

    strike_gas: int
    order_cost: int


class ProblemSizes(msgspec.Struct, frozen=True, kw_only=True):
    """How large a posted problem is, and what is held for that."""

    spins: int
    couplings: int
    depth: int
    deposit: int


def make_record(poster: bytes, terms: Terms, sizes: ProblemSizes, figures: OrderFigures, *, posted_at: int) -> Problem:
    """Return the record of a problem that was just posted."""
    return Problem(
        poster=poster,
        status=ProblemStatus.Open,
        spins=sizes.spins,
        couplings=sizes.couplings,
        depth=sizes.depth,
        bounty=terms.bounty,
        target_energy=terms.target_energy,
        deadline=terms.deadline,
        work_budget=terms.work_budget,
        price_per_gas=terms.price_per_gas,
        deposit=sizes.deposit,
        posted_at=posted_at,
        closed_at=0,
        strike_gas=figures.strike_gas,
        order_cost=figures.order_cost,
        reserved=0,
        open_batches=0,
        batches=0,
        best_effort_ppb=terms.best_effort_ppb,
        commits=0,
        reveals_until=0,
        best=None,
    )


def make_ising(problem: IsingProblem) -> Ising:
    """Return the record that posts a problem."""
    return Ising(offset=problem.offset, fields=problem.fields, couplings=problem.couplings)


def read_ising(ising: Ising) -> IsingProblem:
    """Return the checked problem of a posted record.

    Raises:
        InvalidProblem: the record is not canonical or out of bounds.
    """
    problem = IsingProblem(n=len(ising.fields), offset=ising.offset, fields=ising.fields, couplings=ising.couplings)
    check_problem(problem)
    return problem


def compute_energy_bound(problem: IsingProblem) -> int:
    """Return an energy that no solution falls below."""
    return problem.offset - sum(map(abs, problem.fields)) - sum(abs(weight) for _, _, weight in problem.couplings)


def compute_order_figures(problem: IsingProblem, order: tuple[int, ...], depth: int, params: Params) -> OrderFigures:
    """Return the strike gas and the order cost of a measurement order.

    Raises:
        InvalidOrder: not a permutation of the problem's qubits.
    """
    cost = min(compute_order_cost(problem, order, depth), ORDER_COST_MAX)
    return OrderFigures(strike_gas=_compute_strike_gas(problem, order, depth, params), order_cost=cost)


def compute_ising_hash(ising: Ising) -> bytes:
    """Return the hash by which the energy of a closed problem is known."""
    # SPEC BAT-46: When the instance of a problem that could be struck leaves the state, H(tag "ising", SCALE of its
    # Ising record) MUST stay in it as long as the problem's record.
    return blake2b_256(_TAG_ISING + codec_of(Ising).encode(ising))


def make_pool_problem(problem_id: int, instance: bytes, record: Problem, law: AngleLaw | None) -> PoolProblem:
    """Return what strikes need of a stored problem.

    Args:
        instance: Its bytes.
        law: What the chain learnt; None for the published law.
    """
    problem, order = read_instance(instance)
    # SPEC LRN-16: The law of the next block's strikes on a problem MUST be that of its belief in the state, or the
    # published one where it has none.
    chosen = _compute_published_law(instance, record.depth) if law is None else law
    return PoolProblem(
        problem_id=problem_id, problem=problem, depth=record.depth, order=order, law=chosen, gas=record.strike_gas
    )


@lru_cache(maxsize=16)
def read_instance(instance: bytes) -> tuple[IsingProblem, tuple[int, ...]]:
    """Return problem and order of a stored instance."""
    record = codec_of(Instance).decode(instance)
    return read_ising(record.ising), record.order


@lru_cache(maxsize=16)
def _compute_published_law(instance: bytes, depth: int) -> AngleLaw:
    return compute_law(read_instance(instance)[0], depth)


def _compute_strike_gas(problem: IsingProblem, order: tuple[int, ...], depth: int, params: Params) -> int:
    try:
        check_strikeable(problem)
        compute_law(problem, depth)
    except (NotStrikeable, InvalidLaw):
        return 0
    # SPEC PRB-23: A problem whose order needs more live qubits than the engine holds MUST be bounty only.
    if max(compute_live_profile(problem, order, depth)) > LIVE_QUBITS_MAX:  # cheap: the hopeless is not compiled
        return 0
    work = params.work
    gas = make_tariff(compile_schedule(problem, order, depth), work.shots).limit
    core = compute_core_gas(bytes(32), work.core_qubits, work.shots)  # the same for every core problem of n spins
    # SPEC PRB-01: A problem whose ticket would weigh more than `ticket_gas_max` MUST be bounty only.
    return gas if is_poolable(core, gas, problem.n, work) else 0
