"""The miner's search is the definition of a ticket, only faster, and its lottery is fair."""

from __future__ import annotations

import pickle
from time import process_time

import numpy as np
import pytest

from consensus.core_problem import get_core_law, make_core_circuit
from consensus.digest import WorkSeal
from consensus.pool_energy import find_best_shot
from consensus.ticket import (
    SearchResult,
    TicketJob,
    make_pool_circuit,
    make_ticket_job,
    run_core_strikes,
    run_ticket,
    search_tickets,
)
from consensus.work import compute_core_strike_seed, compute_pool_strike_seed, compute_seed, compute_ticket_gas
from tests.support.mining import PARAMS, TICKETS_PER_WIN, make_context, make_pool_problem, make_template, replace
from vm.problem import compute_energies, compute_energy, make_problem, unpack_shots
from vm.strike import get_gas_used, run_strike


def make_job(*, pool: bool) -> TicketJob:
    """Return the job of a valid template."""
    context = make_context(make_pool_problem() if pool else None)
    return make_ticket_job(make_template(context), context, PARAMS)


@pytest.mark.parametrize("pool", [True, False])
def test_a_search_finds_the_first_ticket_that_wins(pool: bool) -> None:
    job = make_job(pool=pool)
    first = next(index for index in range(5000) if run_ticket(job, index).wins(job))
    ticket = run_ticket(job, first)
    result = search_tickets(job, 0, 5000)
    assert result.win == WorkSeal(index=first, core_hash=ticket.core_hash, pool_shots=ticket.pool_shots)
    assert result.tickets == first + 1
    assert result.is_last
    if first:
        assert search_tickets(job, 0, first).win is None
    assert search_tickets(job, 0, 0) == SearchResult(win=None, tickets=0, best_energy=None, best_shot=None)


def test_a_search_reports_the_best_shot_of_its_pool_strikes() -> None:
    job = replace(make_job(pool=True), target=0)
    assert job.pool is not None
    result = search_tickets(job, 10, 20)
    shots = np.concatenate([unpack_shots(run_ticket(job, index).pool_shots, 9) for index in range(10, 30)])
    assert (result.win, result.tickets) == (None, 20)
    assert result.best_energy == compute_energies(job.pool.problem, shots).min()
    assert result.best_shot is not None
    assert compute_energy(job.pool.problem, unpack_shots(result.best_shot, 9)[0]) == result.best_energy


def test_without_a_pool_problem_there_is_no_best_shot() -> None:
    result = search_tickets(replace(make_job(pool=False), target=0), 0, 3)
    assert (result.best_energy, result.best_shot, result.tickets, result.is_last) == (None, None, 3, False)


@pytest.mark.parametrize("n", [5, 40, 300])
def test_the_best_shot_is_exact_for_dense_and_sparse_problems(n: int) -> None:
    """Largest strikeable coefficients, more shots than a block."""
    rng = np.random.default_rng(n)
    couplings = [(i, int(j), int(rng.integers(-4096, 4097))) for i in range(n) for j in rng.integers(0, n, 3) if i != j]
    problem = make_problem(n, couplings, fields=[int(h) for h in rng.integers(-4096, 4097, n)], offset=-(2**40))
    strikes = [rng.integers(0, 2, (700, n)).astype(np.uint8) for _ in range(3)]
    best = find_best_shot(problem, strikes)
    energies = compute_energies(problem, np.concatenate(strikes))
    assert best is not None
    assert best.energy == energies.min()
    row = np.concatenate(strikes)[int(energies.argmin())]
    assert (unpack_shots(best.shot, n)[0] == row).all()


@pytest.mark.parametrize("pool", [True, False])
def test_a_job_and_its_result_cross_to_another_process(pool: bool) -> None:
    job = make_job(pool=pool)
    again = pickle.loads(pickle.dumps(job))
    assert again == job
    result = search_tickets(again, 0, 300)
    assert pickle.loads(pickle.dumps(result)) == result


def test_the_chance_of_a_ticket_is_proportional_to_the_gas_that_it_used() -> None:
    """Chi-square over jobs of 1, 2 and 8 core strikes under one target; fixed headers, so the outcome is fixed too."""
    tickets = 3000
    target = 2**256 // (TICKETS_PER_WIN * run_ticket(make_job(pool=False), 0).gas)
    chi_square = 0.0
    for repeats in (1, 2, 8):
        job = replace(make_job(pool=False), target=target, repeats=repeats)
        run = [run_ticket(job, index) for index in range(tickets)]
        wins, expected = sum(ticket.wins(job) for ticket in run), sum(ticket.gas for ticket in run) * target / 2**256
        chi_square += (wins - expected) ** 2 / (expected * (1 - expected / tickets))
    assert chi_square < 11.34  # 99 % of three degrees of freedom


def test_wrk_23_a_pool_strike_counts_at_most_x_times_what_the_core_strikes_used() -> None:
    assert compute_ticket_gas(100, 60, (1, 1)) == 160
    assert compute_ticket_gas(100, 160, (1, 1)) == 200
    assert compute_ticket_gas(101, 160, (1, 2)) == 151
    assert compute_ticket_gas(100, 0, (3, 1)) == 100


def test_wrk_23_a_ticket_uses_what_its_strikes_used_and_at_most_its_weight() -> None:
    job = make_job(pool=True)
    assert job.pool is not None
    core, pool = make_core_circuit(job.core_seed, job.core_qubits), make_pool_circuit(job.pool)
    law = get_core_law(job.core_qubits)
    for index in range(20):
        seed = compute_seed(job.work_key, index)
        seeds = [compute_core_strike_seed(seed, j) for j in range(job.repeats)]
        used = [get_gas_used(core, run_strike(core, law, one, shots=job.shots)) for one in seeds]
        drawn = run_strike(pool, job.pool.law, compute_pool_strike_seed(seed), shots=job.shots)
        ticket = run_ticket(job, index)
        assert ticket.gas == compute_ticket_gas(sum(used), get_gas_used(pool, drawn), job.pool_ratio) <= job.weight


def test_wrk_23_a_small_x_caps_what_a_whole_ticket_counts() -> None:
    job = make_job(pool=True)
    small = replace(job, pool_ratio=(1, 10))
    for index in range(5):
        plain, capped = run_ticket(job, index), run_ticket(small, index)
        _, core = run_core_strikes(job, compute_seed(job.work_key, index))
        assert (plain.core_hash, plain.value) == (capped.core_hash, capped.value)
        assert capped.gas == core + core // 10 < plain.gas


def test_a_search_counts_the_gas_of_the_ticket_that_it_judges() -> None:
    """Targets at which each ticket just wins: the search finds the first that the definition does."""
    job = make_job(pool=True)
    tickets = [run_ticket(job, index) for index in range(40)]
    assert len({ticket.gas for ticket in tickets}) > 5
    for last, ticket in enumerate(tickets):
        for target in (ticket.value // ticket.gas, ticket.value // ticket.gas + 1):
            aimed = replace(job, target=target)
            first = next((index for index, one in enumerate(tickets[: last + 1]) if one.wins(aimed)), None)
            win = search_tickets(aimed, 0, last + 1).win
            assert (None if win is None else win.index) == first


def test_a_ticket_that_used_little_wins_less_often() -> None:
    """Between the target times what it used and the target times its weight, a ticket does not win."""
    job = make_job(pool=True)
    ticket = run_ticket(job, 0)
    assert ticket.gas < job.weight, "its shots shared registers"
    least, most = ticket.value // ticket.gas + 1, ticket.value // job.weight + 1
    for target, wins in ((least, True), (least - 1, False), (most, False)):
        assert ticket.wins(replace(job, target=target)) == wins
        assert (search_tickets(replace(job, target=target), 0, 1).win is not None) == wins


def test_tickets_are_uniform_numbers() -> None:
    """The values of 4000 tickets in 16 equal cells: chi-square below the 99.9 % point of 15 degrees of freedom."""
    job = make_job(pool=False)
    cells = np.bincount([run_ticket(job, index).value >> 252 for index in range(4000)], minlength=16)
    assert ((cells - 250) ** 2 / 250).sum() < 37.7


@pytest.mark.slow
def test_a_search_costs_little_beside_its_strikes() -> None:
    """CPU time of a core-only ticket of 14 spins, the cheapest there is; best of ten."""
    circuit, law = make_core_circuit(bytes(32), 14), get_core_law(14)
    job = TicketJob(
        work_key=bytes(32),
        core_seed=bytes(32),
        core_qubits=14,
        shots=32,
        repeats=1,
        target=0,
        weight=0,
        pool_ratio=(1, 1),
        pool=None,
    )
    searches, strikes = [], []
    for _ in range(10):
        begin = process_time()
        search_tickets(job, 0, 200)
        middle = process_time()
        for index in range(200):
            run_strike(circuit, law, index.to_bytes(32, "little"), shots=32)
        searches.append(middle - begin)
        strikes.append(process_time() - middle)
    assert min(searches) < 1.15 * min(strikes)
