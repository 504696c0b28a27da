"""The chain learns: which strikes, when, under which law, and what leaves the state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.block import Block, compute_extrinsics_root
from chain.header import Header, make_sealed
from consensus.batch import compute_snapshot, compute_strike_seed
from consensus.belief import Belief, compute_drawn_angles, make_first_belief, make_law, update_belief, update_by_many
from consensus.context import PoolProblem
from consensus.digest import WorkSeal, make_seal, read_seal
from consensus.work import compute_pool_strike_seed, compute_seed, compute_work_key
from runtime.belief_state import (
    BELIEFS,
    CURVES,
    POINTS_MAX,
    STRUCK,
    Curve,
    CurvePoint,
    add_point,
    compute_learning_bytes,
    find_law,
)
from runtime.pallets.problems import cancel, post
from runtime.queries import get_learning
from runtime.snapshots import SNAPSHOTS
from runtime.work_context import find_pool_problem
from tests.support.batch_chain import PARAMS, answer, commit, get_batch, make_batch, make_market
from tests.support.runtime_chain import RuntimeChain, post_arguments
from vm.law import AngleLaw, compute_law
from vm.problem import compute_energies, pack_shots, unpack_shots
from vm.strike import compile_circuit, run_strike

SHOTS = PARAMS.work.shots


def get_pool(chain: RuntimeChain) -> PoolProblem:
    """Return what strikes on problem 0 run with now."""
    pool = find_pool_problem(chain.state, 0)
    assert pool is not None
    return pool


@pytest.mark.parametrize("depth", [1, 3])
def test_prb_18_the_deposit_is_for_the_bytes_that_belief_and_curve_really_take(depth: int) -> None:
    chain = RuntimeChain(PARAMS)
    assert (
        chain.add_block(chain.sign("alice", post, *post_arguments(depth=depth, deadline=200)))
        .extrinsic_results[-1]
        .is_success
    )
    for _ in range(POINTS_MAX):
        add_struck(chain)
    chain.add_block()
    kept = [chain.state.get(item.key_of(0)) for item in (BELIEFS, CURVES)]
    assert sum(len(raw) for raw in kept if raw is not None) == compute_learning_bytes(depth)


def add_struck(chain: RuntimeChain, *extrinsics: bytes, is_empty: bool = False) -> None:
    """Add a block on problem 0, sealed with the pool strike that its header really has, or with no shots."""
    pool, number = get_pool(chain), chain.head.number + 1
    body = (*chain.runtime.make_inherents(chain.view, chain.head, timestamp_ms=chain.next_time_ms), *extrinsics)
    header = Header(
        parent_hash=chain.head.hash,
        number=number,
        state_root=bytes(32),
        extrinsics_root=compute_extrinsics_root(body),
        digest=chain.make_work_digest("miner", 0),
    )
    chain.keep(header, chain.runtime.execute_block(chain.view, chain.head, Block(header=header, extrinsics=body)))
    circuit = compile_circuit(pool.problem, order=pool.order, depth=pool.depth)
    shots = pack_shots(run_strike(circuit, pool.law, get_seed_of(header, 7), shots=chain.params.work.shots))
    seal = WorkSeal(index=7, core_hash=bytes(32), pool_shots=b"" if is_empty else shots)
    chain.head = make_sealed(header, make_seal(seal))
    chain.hashes[number] = chain.head.hash


def get_seed_of(header: Header, index: int) -> bytes:
    """Return the seed of a header's pool strike."""
    return compute_pool_strike_seed(compute_seed(compute_work_key(header), index))


def expect(belief: Belief, chain: RuntimeChain, law: AngleLaw) -> Belief:
    """Return a belief after the strike of the chain's head, by the definition."""
    problem, seal = get_pool(chain).problem, read_seal(chain.head)
    energy = int(compute_energies(problem, unpack_shots(seal.pool_shots, problem.n)).sum())
    angles = compute_drawn_angles(law, get_seed_of(chain.head, seal.index))
    return update_belief(belief, angles, energy, SHOTS)


def test_lrn_16_a_problem_nobody_struck_has_the_published_law() -> None:
    chain = make_market()
    chain.add_block()
    pool = get_pool(chain)
    assert pool.law == compute_law(pool.problem, 1)
    assert find_law(chain.state, 0) is None
    assert BELIEFS.find(chain.state, 0) is None
    assert STRUCK.find(chain.state) is None


def test_lrn_17_the_next_block_learns_from_the_winning_strike() -> None:
    chain = make_market()
    pool = get_pool(chain)
    first = make_first_belief(pool.problem, 1)
    add_struck(chain)
    assert BELIEFS.find(chain.state, 0) is None, "a seal is not part of its own block"
    expected = expect(first, chain, pool.law)
    chain.add_block()
    assert BELIEFS.get(chain.state, 0) == expected
    assert expected.strikes == 1
    assert get_pool(chain).law == make_law(expected)
    chain.add_block()
    assert BELIEFS.get(chain.state, 0) == expected, "learnt once"


def test_lrn_18_a_strike_is_read_with_the_law_that_it_ran_under() -> None:
    """Strikes in a row: each ran before the one in front of it was learnt."""
    chain = make_market()
    pool = get_pool(chain)
    belief = make_first_belief(pool.problem, 1)
    laws = []
    for _ in range(6):
        before = get_pool(chain)
        laws.append(before.law)
        add_struck(chain)
        struck = STRUCK.get(chain.state)
        assert struck.law.gamma_means == before.law.gamma_means
        belief = expect(belief, chain, before.law)
    chain.add_block()
    assert len(set(laws)) > 3
    assert BELIEFS.get(chain.state, 0) == belief
    assert STRUCK.find(chain.state) is None


def test_lrn_17_a_problem_closed_meanwhile_is_skipped() -> None:
    chain = make_market()
    add_struck(chain)
    outcome = chain.add_block(chain.sign("alice", cancel, 0))
    assert outcome.extrinsic_results[-1].is_success
    assert BELIEFS.find(chain.state, 0) is None, "LRN-20: it went with the instance"
    chain.add_block()
    assert BELIEFS.find(chain.state, 0) is None
    chain = make_market()
    add_struck(chain)
    add_struck(chain)
    add_struck(chain, chain.sign("alice", cancel, 0))
    chain.add_block()
    assert BELIEFS.find(chain.state, 0) is None
    assert CURVES.find(chain.state, 0) is None


def test_lrn_17_a_seal_without_pool_shots_teaches_nothing() -> None:
    """Only where seals are not checked, as in these tests and in simulations with drawn tickets."""
    chain = make_market()
    add_struck(chain, is_empty=True)
    chain.add_block()
    assert BELIEFS.find(chain.state, 0) is None


def test_lrn_19_audited_leaves_of_a_batch_key_are_learnt_together() -> None:
    chain = make_market()
    batch = make_batch(chain, counter=0)
    commit(chain, batch)
    while not get_batch(chain).leaves:
        chain.add_block()
    leaves = get_batch(chain).leaves
    outcome = answer(chain, batch)
    assert outcome.extrinsic_results[-1].is_success
    strikes = [
        (
            compute_drawn_angles(batch.pool.law, compute_strike_seed(batch.key, index)),
            int(compute_energies(batch.pool.problem, unpack_shots(batch.shots[index], 6)).sum()),
        )
        for index in leaves
    ]
    expected = update_by_many(make_first_belief(batch.pool.problem, 1), strikes, SHOTS)
    assert BELIEFS.get(chain.state, 0) == expected
    assert expected.strikes == len(leaves)
    for old, new in zip(batch.pool.law.beta_means, expected.means[1:], strict=True):
        assert abs(new - old) <= old >> 4, "LRN-15: they move the means once"


def test_lrn_19_audited_leaves_of_a_header_are_not_learnt() -> None:
    chain = make_market()
    batch = make_batch(chain)
    commit(chain, batch)
    while not get_batch(chain).leaves:
        chain.add_block()
    assert answer(chain, batch).extrinsic_results[-1].is_success
    assert BELIEFS.find(chain.state, 0) is None


def test_bat_21_a_batch_names_the_law_that_was_learnt() -> None:
    chain = make_market()
    for _ in range(3):
        add_struck(chain)
    chain.add_block()
    pool = get_pool(chain)
    entries = SNAPSHOTS.get(chain.state, 0)
    assert [entry.height for entry in entries] == [1, chain.head.number - 1, chain.head.number]
    assert entries[-1].snapshot == compute_snapshot(0, pool.order, pool.law, SHOTS)
    commit(chain, make_batch(chain, counter=0))


def test_lrn_20_what_was_learnt_goes_with_the_instance() -> None:
    chain = make_market()
    add_struck(chain)
    chain.add_block()
    view = get_learning(chain.view, 0)
    assert view is not None
    assert view.law == find_law(chain.state, 0)
    assert [point.strikes for point in view.curve.points] == [1]
    outcome = chain.add_block(chain.sign("alice", cancel, 0))
    assert outcome.extrinsic_results[-1].is_success
    assert BELIEFS.find(chain.state, 0) is None
    assert CURVES.find(chain.state, 0) is None
    assert get_learning(chain.view, 0) is None


@given(st.integers(0, 400))
def test_lrn_21_a_curve_keeps_every_strike_in_32_points(strikes: int) -> None:
    curve = Curve()
    for height in range(1, strikes + 1):
        curve = add_point(curve, CurvePoint(until=height, strikes=1, shots=8, energy=-height))
        assert len(curve.points) <= POINTS_MAX
    assert sum(point.strikes for point in curve.points) == strikes
    assert sum(point.energy for point in curve.points) == -strikes * (strikes + 1) // 2
    assert sum(point.shots for point in curve.points) == 8 * strikes
    assert all(point.strikes == curve.span for point in curve.points[:-1])
    heights = [point.until for point in curve.points]
    assert heights == sorted(set(heights))
    if strikes:
        assert heights[-1] == strikes
