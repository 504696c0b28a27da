"""Problems: posting, solving, paying, cancelling, expiring, and better measurement orders."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.block import Block
from chain.extrinsic import make_bare
from chain.params import UNIT_PLANCK, Params, ProblemParams
from chain.scale import codec_of
from consensus.core_problem import compute_core_gas
from consensus.work import compute_repeats
from runtime.belief_state import compute_learning_bytes
from runtime.dispatch import FundsUnavailable
from runtime.executive import AuthorSolution, InvalidExtrinsicInBlock
from runtime.pallets.balances import HOLDS, TransferOnHold
from runtime.pallets.problems import cancel, on_initialize, post, post_order
from runtime.pallets.work import solution
from runtime.problem_checks import (
    BountyTooSmall,
    InvalidDeadline,
    InvalidDepth,
    InvalidIsing,
    InvalidOrder,
    NotOpen,
    NotPoster,
    OrderNotBetter,
    ProblemTooLarge,
    TargetOutOfReach,
    TooManyOpen,
    UnknownProblem,
)
from runtime.problem_events import BountyPaid, Cancelled, Expired, OrderImproved, Posted, SolutionImproved, Solved
from runtime.problem_records import Instance, Ising, ProblemStatus, compute_order_figures
from runtime.problem_state import (
    AGENDA,
    CANCELLED_BLOCKS_KEPT,
    CLOSED_BLOCKS_KEPT,
    INSTANCES,
    OPEN_COUNT,
    RECORDS,
)
from runtime.queries import get_account, get_problem, list_problems
from runtime.runtime import encode_call
from tests.support.runtime_chain import ENDOWMENT, RuntimeChain, get_events, get_key, make_ring, post_arguments
from vm.order import compute_live_profile
from vm.problem import make_problem
from vm.schedule import compile_schedule

BEST = AuthorSolution(problem_id=0, energy=-6, bits=b"\x15")  # 010101 on a ring of six
WORSE = AuthorSolution(problem_id=0, energy=-2, bits=b"\x05")


def make_posted(**changes: int) -> RuntimeChain:
    """Return a chain on which alice posted a ring of six."""
    chain = RuntimeChain()
    outcome = chain.add_block(chain.sign("alice", post, *post_arguments(**changes)))
    assert outcome.extrinsic_results[1].is_success, outcome.extrinsic_results[1].failure
    return chain


def test_posting_holds_bounty_budget_and_deposit() -> None:
    """PRB-18: each hold has its reason; the deposit counts the bytes of instance, belief and curve."""
    chain = make_posted()
    row = get_problem(chain.view, 0)
    assert row is not None
    assert row.instance is not None
    size = len(codec_of(Instance).encode(row.instance)) + compute_learning_bytes(1)
    deposit = UNIT_PLANCK // 10 + size * UNIT_PLANCK // 1000
    assert [item.amount for item in HOLDS.get(chain.state, get_key("alice"))] == [
        5 * UNIT_PLANCK,
        2 * UNIT_PLANCK,
        deposit,
    ]
    assert chain.get_reserved("alice") == 7 * UNIT_PLANCK + deposit
    assert row.record.status is ProblemStatus.Open
    assert row.record.strike_gas > 0
    assert not row.is_bounty_only
    assert row.instance.order == (0, 1, 2, 3, 4, 5)
    assert get_account(chain.view, get_key("alice"), chain.params).holds


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (InvalidDepth, post_arguments(depth=0)),
        (InvalidDepth, post_arguments(depth=9)),
        (InvalidDeadline, post_arguments(deadline=1)),
        (InvalidDeadline, post_arguments(deadline=1_000_002)),
        (BountyTooSmall, post_arguments(bounty=UNIT_PLANCK // 1000 - 1)),
        (TargetOutOfReach, post_arguments(target_energy=-7)),
        (InvalidOrder, post_arguments(order=(0, 1, 2, 3, 4, 4))),
        (InvalidOrder, post_arguments(order=(0, 1, 2, 3, 4))),
        (FundsUnavailable, post_arguments(bounty=ENDOWMENT)),
        (FundsUnavailable, post_arguments(work_budget=ENDOWMENT - 5 * UNIT_PLANCK - UNIT_PLANCK // 10)),
    ],
)
def test_prb_04_to_08_bad_terms_are_refused(error: type[Exception], arguments: tuple[object, ...]) -> None:
    """PRB-04, PRB-05, PRB-06, PRB-07, PRB-08: each limit by one."""
    RuntimeChain().assert_noop(error, "alice", post, *arguments)


@pytest.mark.parametrize(
    ("error", "ising"),
    [
        (InvalidIsing, Ising(offset=0, fields=(0, 0, 0), couplings=((1, 0, 1),))),
        (InvalidIsing, Ising(offset=0, fields=(0, 0, 0), couplings=((0, 1, 1), (0, 1, 1)))),
        (InvalidIsing, Ising(offset=0, fields=(0, 0, 0), couplings=((0, 1, 0),))),
        (InvalidIsing, Ising(offset=0, fields=(0, 0, 0), couplings=((0, 3, 1),))),
        (InvalidIsing, Ising(offset=0, fields=(2**20 + 1, 0, 0), couplings=())),
        (ProblemTooLarge, Ising(offset=0, fields=(), couplings=())),
        (ProblemTooLarge, Ising(offset=0, fields=(1,) * 2049, couplings=())),
    ],
)
def test_prb_02_and_prb_03_records_that_are_not_canonical_are_refused(error: type[Exception], ising: Ising) -> None:
    """PRB-02, PRB-03: order, doubles, zeros, ranges and sizes."""
    _, depth, order, terms = post_arguments(target_energy=0)
    RuntimeChain().assert_noop(error, "alice", post, ising, depth, order, terms)


def test_prb_09_only_so_many_problems_are_open() -> None:
    """PRB-09: the second one is refused where one is allowed."""
    chain = RuntimeChain(replace(Params.tiny(), problem=ProblemParams(open_max=1)))
    chain.add_block(chain.sign("alice", post, *post_arguments()))
    chain.assert_noop(TooManyOpen, "bob", post, *post_arguments())


def test_prb_01_a_problem_whose_ticket_is_too_heavy_is_bounty_only() -> None:
    """PRB-01: the same problem is struck by a chain with room, and by no other; so are coefficients with a divisor."""
    chain = make_posted()
    gas = get_problem(chain.view, 0).record.strike_gas
    tight = replace(Params.tiny(), work=replace(Params.tiny().work, ticket_gas_max=gas))
    other = RuntimeChain(tight)
    outcome = other.add_block(other.sign("alice", post, *post_arguments()))
    (event,) = get_events(outcome, Posted)
    assert event.strike_gas == 0
    doubled = make_problem(6, [(i, (i + 1) % 6, 2) for i in range(6)])
    outcome = chain.add_block(chain.sign("bob", post, *post_arguments(doubled)))
    assert get_events(outcome, Posted)[0].strike_gas == 0
    assert chain.runtime.get_work_context(chain.view, chain.head, 1).pool is None
    pool = chain.runtime.get_work_context(chain.view, chain.head, 0).pool
    assert pool is not None
    assert (pool.gas, pool.problem) == (gas, make_ring())


def test_prb_23_a_problem_with_too_many_live_qubits_is_bounty_only() -> None:
    """PRB-23: thirty spins, all coupled, whatever gas a ticket may have."""
    dense = make_problem(30, [(i, j, 1) for i in range(30) for j in range(i)])
    rich = replace(Params.tiny(), work=replace(Params.tiny().work, ticket_gas_max=2**63))
    chain = RuntimeChain(rich)
    outcome = chain.add_block(chain.sign("alice", post, *post_arguments(dense)))
    assert get_events(outcome, Posted)[0].strike_gas == 0


def test_prb_15_and_prb_16_a_solved_problem_is_paid_when_the_block_is_final() -> None:
    """PRB-15, PRB-16: solved in block 2, paid in block 4 with a depth of two; everything else goes back."""
    chain = make_posted()
    outcome = chain.add_block(solution=BEST)
    assert get_events(outcome, Solved) == [Solved(problem=0, solver=get_key("miner"), energy=-6)]
    assert get_problem(chain.view, 0).record.status is ProblemStatus.Solved
    reserved = chain.get_reserved("alice")
    assert not get_events(chain.add_block(), BountyPaid)
    assert chain.get_reserved("alice") == reserved
    before = chain.get_free("alice")
    outcome = chain.add_block(author="charlie")
    assert get_events(outcome, BountyPaid) == [BountyPaid(problem=0, solver=get_key("miner"), amount=5 * UNIT_PLANCK)]
    assert get_events(outcome, TransferOnHold)[0].dest == get_key("miner")
    assert chain.get_reserved("alice") == 0
    assert chain.get_free("alice") == before + reserved - 5 * UNIT_PLANCK
    record = get_problem(chain.view, 0).record
    assert (record.status, record.closed_at, record.deposit) == (ProblemStatus.Paid, 4, 0)
    assert record.best.bits == BEST.bits
    assert INSTANCES.find(chain.state, 0) is None


def test_a_solution_above_the_target_is_kept_and_pays_nothing() -> None:
    """PRB-15: it is recorded, and the problem stays open."""
    chain = make_posted()
    outcome = chain.add_block(solution=WORSE)
    assert get_events(outcome, SolutionImproved)[0].energy == -2
    chain.add_blocks(4)
    assert get_problem(chain.view, 0).record.status is ProblemStatus.Open
    assert get_problem(chain.view, 0).record.best.energy == -2


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("MisstatedEnergy", replace(BEST, energy=-8)),
        ("MisstatedEnergy", replace(BEST, energy=-4)),
        ("InvalidBits", replace(BEST, bits=b"")),
        ("InvalidBits", replace(BEST, bits=b"\x15\x00")),
        ("InvalidBits", replace(BEST, bits=b"\x55")),
        ("UnknownProblem", replace(BEST, problem_id=1)),
    ],
)
def test_prb_19_and_prb_20_a_wrong_solution_makes_the_block_invalid(words: str, wrong: AuthorSolution) -> None:
    """PRB-19, PRB-20, PRB-10: energy, bits, padding and number; the right one is accepted."""
    chain = make_posted()
    before = dict(chain.view.values)
    with pytest.raises(InvalidExtrinsicInBlock, match=words):
        chain.make_block(solution=wrong)
    assert chain.view.values == before
    chain.make_block(solution=BEST)


def test_prb_21_a_solution_must_be_better_than_the_recorded_one() -> None:
    """PRB-21: an equal one is refused."""
    chain = make_posted()
    chain.add_block(solution=WORSE)
    with pytest.raises(InvalidExtrinsicInBlock, match="NotBetter"):
        chain.make_block(solution=replace(WORSE, bits=b"\x0a"))


def test_prb_22_a_block_brings_one_solution() -> None:
    """PRB-22: a better second one is refused as well."""
    chain = make_posted()
    block, _ = chain.make_block(solution=WORSE)
    second = make_bare(encode_call(solution, 0, -6, BEST.bits))
    with pytest.raises(InvalidExtrinsicInBlock, match="SecondSolution"):
        chain.runtime.execute_block(
            chain.view, chain.head, Block(header=block.header, extrinsics=(*block.extrinsics, second))
        )


def test_prb_12_a_solved_problem_takes_nothing_more() -> None:
    """PRB-12: no solution, order or cancellation."""
    chain = make_posted()
    chain.add_block(solution=BEST)
    with pytest.raises(InvalidExtrinsicInBlock, match="NotOpen"):
        chain.make_block(solution=BEST)
    chain.assert_noop(NotOpen, "alice", cancel, 0)
    chain.assert_noop(NotOpen, "alice", post_order, 0, (5, 4, 3, 2, 1, 0))


def test_prb_17_a_problem_expires_after_its_deadline() -> None:
    """PRB-17: a solution in the deadline's block counts; in the next block everything goes back."""
    chain = make_posted(deadline=3)
    reserved = chain.get_reserved("alice")
    chain.add_block()
    late = make_posted(deadline=3)
    late.add_block()
    late.add_block(solution=BEST)
    late.add_blocks(3)
    assert get_problem(late.view, 0).record.status is ProblemStatus.Paid
    chain.add_block()
    with pytest.raises(InvalidExtrinsicInBlock, match="NotOpen"):
        chain.make_block(solution=BEST)
    outcome = chain.add_block()
    assert get_events(outcome, Expired) == [Expired(problem=0, poster=get_key("alice"), refunded=reserved)]
    assert chain.get_reserved("alice") == 0
    assert get_problem(chain.view, 0).record.status is ProblemStatus.Expired


def test_cancelling_is_free_before_the_first_solution() -> None:
    """Everything goes back at once."""
    chain = make_posted()
    reserved = chain.get_reserved("alice")
    outcome = chain.add_block(chain.sign("alice", cancel, 0))
    assert get_events(outcome, Cancelled) == [Cancelled(problem=0, refunded=reserved, burnt=0)]
    assert OPEN_COUNT.get(chain.state) == 0
    chain.add_blocks(25)
    assert get_problem(chain.view, 0).record.status is ProblemStatus.Cancelled


def test_prb_14_cancelling_after_a_solution_costs_the_deposit() -> None:
    """PRB-14: the deposit is burnt, the rest goes back."""
    chain = make_posted()
    chain.add_block(solution=WORSE)
    deposit = get_problem(chain.view, 0).record.deposit
    outcome = chain.add_block(chain.sign("alice", cancel, 0))
    assert get_events(outcome, Cancelled) == [Cancelled(problem=0, refunded=7 * UNIT_PLANCK, burnt=deposit)]
    assert chain.get_reserved("alice") == 0


def test_prb_10_and_prb_11_cancelling_needs_a_problem_of_ones_own() -> None:
    """PRB-10, PRB-11."""
    chain = make_posted()
    chain.assert_noop(NotPoster, "bob", cancel, 0)
    chain.assert_noop(UnknownProblem, "alice", cancel, 1)


def test_prb_13_a_cheaper_order_replaces_the_present_one() -> None:
    """PRB-13: anybody may give one; an equal, dearer or wrong one is refused."""
    chain = RuntimeChain()
    orders = sorted(
        ((0, 1, 2, 3, 4, 5), (0, 2, 4, 1, 3, 5)),
        key=lambda order: compute_order_figures(make_ring(), order, 1, chain.params).strike_gas,
    )
    good, bad = orders
    chain.add_block(chain.sign("alice", post, *post_arguments(order=bad)))
    first = get_problem(chain.view, 0).record
    chain.assert_noop(OrderNotBetter, "bob", post_order, 0, bad)
    chain.assert_noop(InvalidOrder, "bob", post_order, 0, (0, 1, 2, 3, 4, 6))
    outcome = chain.add_block(chain.sign("bob", post_order, 0, good))
    assert outcome.extrinsic_results[1].is_success
    row = get_problem(chain.view, 0)
    assert row.instance.order == good
    assert row.record.strike_gas < first.strike_gas
    chain.assert_noop(OrderNotBetter, "bob", post_order, 0, bad)
    assert chain.runtime.get_work_context(chain.view, chain.head, 0).pool.order == good


def test_prb_13_an_order_that_forbids_strikes_is_refused() -> None:
    """PRB-13: a ticket would weigh too much with it, so its strike gas is 0, which is no improvement."""
    ring, plain = make_ring(), tuple(range(6))
    gases = {order: compute_order_figures(ring, order, 1, Params.tiny()).strike_gas for order in permutations(plain)}
    good, bad = min(gases, key=gases.__getitem__), max(gases, key=gases.__getitem__)
    core = compute_core_gas(bytes(32), 6, 8)
    weights = [compute_repeats(core, gases[order], (1, 1)) * core + gases[order] for order in (good, bad)]
    assert weights[0] < weights[1]
    tight = replace(Params.tiny(), work=replace(Params.tiny().work, ticket_gas_max=weights[0]))
    chain = RuntimeChain(tight)
    chain.add_block(chain.sign("alice", post, *post_arguments(ring, order=good)))
    assert get_problem(chain.view, 0).record.strike_gas == gases[good]
    chain.assert_noop(OrderNotBetter, "bob", post_order, 0, bad)


@given(seed=st.randoms(use_true_random=False), depth=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_prb_23_the_live_profile_bounds_what_the_schedule_needs(seed: Random, depth: int) -> None:
    """PRB-23: what the profile lets pass, the engine can hold."""
    pairs = {tuple(sorted(seed.sample(range(12), 2))) for _ in range(14)}
    problem = make_problem(12, [(i, j, 1) for i, j in pairs])
    order = tuple(seed.sample(range(12), 12))
    live = max(compute_live_profile(problem, order, depth))
    assert compile_schedule(problem, order, depth).live_qubits_max <= live


def test_prb_13_orders_of_bounty_only_problems_are_compared_by_their_cost() -> None:
    """PRB-13: where no strike is possible, fewer live qubits are better."""
    chain = RuntimeChain()
    doubled = make_problem(6, [(i, (i + 1) % 6, 2) for i in range(6)])
    chain.add_block(chain.sign("alice", post, *post_arguments(doubled, order=(0, 3, 1, 4, 2, 5))))
    outcome = chain.add_block(chain.sign("bob", post_order, 0, (0, 1, 2, 3, 4, 5)))
    assert get_events(outcome, OrderImproved)[0].strike_gas == 0
    chain.assert_noop(OrderNotBetter, "bob", post_order, 0, (0, 3, 1, 4, 2, 5))


def test_a_closed_problem_is_forgotten_after_a_while() -> None:
    """The agenda removes its record; a cancelled one's soon, since posting and cancelling costs only fees."""
    kept = RuntimeChain().params.batch.unbond_blocks
    assert CANCELLED_BLOCKS_KEPT < kept < CLOSED_BLOCKS_KEPT // 100
    chain = make_posted()
    chain.add_block(chain.sign("alice", cancel, 0))
    height = chain.head.number + kept
    assert len(AGENDA.get(chain.state, height)) == 1
    env = chain.start().env
    env.number = height
    on_initialize(env)
    assert RECORDS.find(env.state, 0) is None


def test_problems_are_listed_by_number() -> None:
    """Open ones only, when asked for."""
    chain = make_posted()
    chain.add_block(chain.sign("bob", post, *post_arguments(make_ring(8), target_energy=-8)))
    chain.add_block(chain.sign("alice", cancel, 0))
    assert [row.problem_id for row in list_problems(chain.view)] == [0, 1]
    assert [row.problem_id for row in list_problems(chain.view, only_open=True)] == [1]


def test_the_instance_that_a_pool_problem_is_made_from_is_the_stored_one() -> None:
    """Order and record survive their encoding."""
    chain = make_posted(order=(5, 4, 3, 2, 1, 0))
    pool = chain.runtime.get_work_context(chain.view, chain.head, 0).pool
    assert pool.order == (5, 4, 3, 2, 1, 0)
    assert pool.depth == 1
