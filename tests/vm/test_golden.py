"""The frozen table, the golden strikes, and gas."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
import pytest

from vm import golden, trig_table
from vm.gas import PRICES, STRIKE_GAS, compute_gas, count_work, expect_registers
from vm.golden import GOLDEN_STRIKES, make_golden_problem, run_self_test
from vm.problem import IsingProblem, make_problem
from vm.schedule import compile_schedule
from vm.trig_table import VmDiffers, compute_trig_table, get_trig_table


def test_vm_05_the_table_is_correctly_rounded_and_symmetric():
    table = get_trig_table()
    k = np.arange(2**16)
    assert not table.flags.writeable
    assert (table[:, 0] == table[-k, 0]).all()
    assert (table[:, 1] == -table[-k, 1]).all()
    assert (table[:, 1] == table[k - 2**14, 0]).all()
    for index in (1, 77, 8191, 8192, 12345, 60000):
        assert table[index, 0] == pytest.approx(cos(2 * pi * index / 2**16), abs=4e-16)
        assert table[index, 1] == pytest.approx(sin(2 * pi * index / 2**16), abs=4e-16)
    assert tuple(table[0]) == (1.0, 0.0)
    assert tuple(table[8192]) == (0.5**0.5, 0.5**0.5)


def test_vm_05_a_table_with_one_changed_bit_is_refused(monkeypatch):
    changed = compute_trig_table()
    changed[12345, 0] = np.nextafter(changed[12345, 0], 2.0)
    monkeypatch.setattr(trig_table, "compute_trig_table", lambda: changed)
    with pytest.raises(VmDiffers, match="hashes to"):
        get_trig_table.__wrapped__()


def test_vm_13_the_golden_strikes_are_reproduced():
    run_self_test()


def test_vm_13_a_vm_that_differs_is_refused(monkeypatch):
    family, n, depth, seed_byte, _ = GOLDEN_STRIKES[0]
    monkeypatch.setattr(golden, "GOLDEN_STRIKES", ((family, n, depth, seed_byte, "00" * 16),))
    with pytest.raises(VmDiffers, match="golden strike dense n=12 p=1"):
        run_self_test()


def test_vm_14_gas_is_the_priced_work_of_a_schedule():
    problem = make_golden_problem("dense", 10)
    schedule = compile_schedule(problem, tuple(range(10)), 1)
    work = count_work(schedule, 32)
    assert (work.turned, work.weighed, work.wide, work.uniforms, work.visits) == (1024, 0, 0, 320, 1)
    expected = STRIKE_GAS + 39 * 1024 + 13290 + 1340 * 320
    assert (PRICES.turned, PRICES.visits, PRICES.uniforms) == (39, 13290, 1340)
    assert compute_gas(schedule, 32) == expected


def test_vm_14_registers_are_never_more_than_shots_or_branches_and_fewer_in_deep_circuits():
    for shots in (1, 7, 32, 1000):
        for measured in range(80):
            counts = [expect_registers(shots, measured, depth) for depth in (1, 2, 8, 20)]
            assert counts == sorted(counts, reverse=True)
            assert 1 <= counts[-1] <= counts[0] <= min(shots, 2**measured)
    assert [expect_registers(32, measured, 1) for measured in (0, 1, 5, 10)] == [1, 2, 16, 32]
    assert expect_registers(32, 10, 8) == 21  # of 32 x 1024 / 1056, thirteen twentieths
    assert expect_registers(0, 10, 1) == 1


def test_vm_14_passes_take_up_to_three_positions_that_follow_each_other():
    """A dense circuit of 9 qubits and two layers: its first layer is one run from position 8 down."""
    problem = make_golden_problem("dense", 9)
    work = count_work(compile_schedule(problem, tuple(range(9)), 2), 32)
    assert (work.wide, work.narrow) == (512, 2 * 512)  # 8 7 6, then 5 4 3 and 2 1 0
    assert (work.turned, work.rotated, work.expanded, work.copied) == (2 * 512, 0, 0, 0)


def make_comet(path: int, tail: int) -> IsingProblem:
    """A path whose first spin is coupled to a tail of spins that come last in the order of the labels."""
    links = [(i, i + 1, 1) for i in range(path - 1)]
    return make_problem(path + tail, [*links, *((0, path + i, 1) for i in range(tail))])


def make_torus(rows: int, columns: int) -> IsingProblem:
    """A torus, numbered across."""
    right = [(r * columns + c, r * columns + (c + 1) % columns, 1) for r in range(rows) for c in range(columns)]
    down = [(r * columns + c, (r + 1) % rows * columns + c, 1) for r in range(rows) for c in range(columns)]
    return make_problem(rows * columns, [*right, *down])


def test_vm_14_new_qubits_above_a_tile_are_counted():
    """A tail of 8 fills a tile, so each next spin of the path enters above it, until the last one begins the suffix."""
    schedule = compile_schedule(make_comet(6, 8), tuple(range(14)), 1)
    entered = [(step.introduced, step.live) for step in schedule.steps[: schedule.suffix]]
    assert entered == [(tuple(range(10)), 10), ((8,), 10), ((8,), 10), ((8,), 10)]
    work = count_work(schedule, 32)
    assert (work.gathered, work.raised) == (1 << 10, (2 + 4 + 7) << 10)
    assert work.weighed == work.gathered + work.raised
    inside = count_work(compile_schedule(make_comet(6, 7), tuple(range(13)), 1), 32)
    assert (inside.gathered, inside.raised) == (inside.weighed, 0)


def test_vm_14_a_qubit_that_enters_at_the_top_and_is_measured_at_once_is_counted():
    problem = make_problem(14, [(i, 4 + j, 1) for i in range(4) for j in range(10)])
    schedule = compile_schedule(problem, tuple(range(14)), 1)
    assert [step.introduced for step in schedule.steps[1 : schedule.suffix]] == [(10,), (10,)]
    assert count_work(schedule, 32).raised == (2 + 4) << 11


def test_vm_14_the_gas_of_a_torus_8_across_counts_where_its_new_qubits_enter():
    schedule = compile_schedule(make_torus(16, 8), tuple(range(128)), 1)
    work = count_work(schedule, 32)
    assert work.raised > 0.9 * work.weighed
    assert compute_gas(schedule, 32) == 6_046_403_502
    assert compute_gas(schedule, 32) - PRICES.raised * work.raised == 2_163_002_286
    assert count_work(compile_schedule(make_golden_problem("grid", 28), tuple(range(28)), 2), 32).raised == 0


def test_vm_14_new_qubits_above_a_tile_of_a_register_beyond_the_caches_move_it_three_times():
    work = count_work(compile_schedule(make_comet(4, 16), tuple(range(20)), 1), 32)
    assert work.raised == 2 << 18
    first, second, suffix = (1 << 18) + (1 << 17), 3 * (2 << 18) + (2 << 17), 2 * (4 << 18)
    assert (work.spilled, work.flooded) == (first + second + suffix, 0)


@pytest.mark.parametrize(
    ("family", "n", "gas"),
    [
        ("dense", 9, (486_852, 529_838, 572_824)),
        ("dense", 12, (755_268, 1_010_222, 1_265_176)),
        ("dense", 16, (3_322_948, 7_858_222, 12_393_496)),
        ("dense", 18, (12_124_996, 30_226_222, 48_327_448)),
        ("dense", 20, (54_415_940, 154_043_950, 253_671_960)),
        ("grid", 28, (10_145_808, 28_546_738, 178_920_754)),
        ("cubic", 20, (10_671_777, 53_235_705, 160_740_499)),
    ],
)
def test_vm_14_gas_at_depths_1_to_3_is_frozen_where_no_qubits_enter_above_a_tile(
    family: str, n: int, gas: tuple[int, int, int]
):
    problem = make_golden_problem(family, n)
    schedules = [compile_schedule(problem, tuple(range(n)), depth) for depth in (1, 2, 3)]
    assert tuple(compute_gas(schedule, 32) for schedule in schedules) == gas
    assert {count_work(schedule, 32).raised for schedule in schedules} == {0}


def test_vm_14_registers_beyond_the_caches_cost_more():
    def count(n: int) -> tuple[int, int]:
        problem = make_golden_problem("dense", n)
        work = count_work(compile_schedule(problem, tuple(range(n)), 1), 32)
        return work.spilled, work.flooded

    assert count(17) == (0, 0)
    assert count(18) == (2 * 2**18, 0)
    assert count(20) == (4 * 2**18, 2 * 2**20)


def test_vm_14_gas_grows_with_shots_depth_and_live_qubits():
    def gas(family: str, n: int, depth: int, shots: int) -> int:
        problem = make_golden_problem(family, n)
        return compute_gas(compile_schedule(problem, tuple(range(problem.n)), depth), shots)

    assert gas("dense", 12, 1, 1) < gas("dense", 12, 1, 32) < gas("dense", 12, 2, 32) < gas("dense", 14, 2, 32)
    assert gas("cubic", 16, 1, 32) < gas("cubic", 20, 1, 32) < gas("cubic", 20, 2, 32)
    assert gas("dense", 70, 1, 32) > 2**70  # no circuit is too large to be priced
