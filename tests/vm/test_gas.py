"""Gas: what is counted of a strike, and that it follows the kernels."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vm.plain_gas import compute_plain_gas
from vm import mix_kernels
from vm.gas import PRICES, STRIKE_GAS, compute_gas
from vm.golden import make_golden_problem
from vm.problem import IsingProblem, make_problem
from vm.schedule import Schedule, compile_schedule
from vm.work import ROOTS, Work, count_passes, count_work, expect_registers


def count(problem: IsingProblem, depth: int = 1) -> Work:
    """Return the work of a strike of 32 shots in the order of the labels."""
    return count_work(compile_schedule(problem, tuple(range(problem.n)), depth), 32)


def test_vm_14_gas_is_the_priced_work_of_a_schedule() -> None:
    schedule = compile_schedule(make_golden_problem("dense", 10), tuple(range(10)), 1)
    work = count_work(schedule, 32)
    assert (work.rotated, work.weighed, work.mixed, work.uniforms, work.visits) == (1024, 0, 0, 320, 1)
    assert work.phases == 2**9 + 2**9 + 2**2  # low terms below position 9; cross terms with the other; a phase a row
    assert work.parted == 2**10 + 4 * 2**8  # then registers of 6 are finished side by side
    priced = 4 * 1024 + 11_500 + 1200 * 320 + 31 * 1028 + 7 * 2048
    assert (PRICES.rotated, PRICES.visits, PRICES.uniforms, PRICES.phases, PRICES.parted) == (4, 11_500, 1200, 31, 7)
    assert compute_gas(schedule, 32) == STRIKE_GAS + priced


def test_vm_14_registers_are_never_more_than_shots_or_branches_and_fewer_in_deep_circuits() -> None:
    for shots in (1, 7, 32, 1000):
        for measured in range(80):
            counts = [expect_registers(shots, measured, depth) for depth in (1, 2, 8, 20)]
            assert counts == sorted(counts, reverse=True)
            assert 1 <= counts[-1] <= counts[0] <= min(shots, 2**measured)
        counts = [expect_registers(shots, measured, 3) for measured in range(200)]
        assert counts == sorted(counts)
        assert counts[-1] == shots
    assert [expect_registers(32, measured, 1) for measured in (0, 1, 5, 10)] == [1, 2, 20, 32]
    assert expect_registers(32, 8, 8) == 16  # eight bits agree like four: 2 x 32 x 16 / (2 x 16 + 32)
    assert expect_registers(0, 10, 1) == 1


def test_vm_14_roots_are_rounded_powers() -> None:
    """In integers: root - 1/2 < 2^(16 + k / 16) < root + 1/2."""
    for k, root in enumerate(ROOTS):
        power = 2 ** (16 * (16 + 1) + k)
        assert (2 * root - 1) ** 16 < power < (2 * root + 1) ** 16


def test_vm_14_passes_take_up_to_three_positions_that_follow_each_other() -> None:
    """A dense circuit of 9 qubits and two layers: its first layer is one run from position 8 down."""
    work = count(make_golden_problem("dense", 9), 2)
    assert work.mixed == 4 * 512  # 8, then 7 6 5, 4 3 2, and 1 0
    assert (work.rotated, work.gathered, work.moved, work.copied) == (2 * 512, 0, 0, 0)


@settings(deadline=None)
@given(st.data())
def test_vm_14_passes_are_those_of_the_kernel(data: st.DataObject) -> None:
    """The kernel's own choice, run in Python with recorders in place of what mixes."""
    live = data.draw(st.integers(2, 16))
    positions = sorted(data.draw(st.sets(st.integers(0, live - 1), min_size=1)), reverse=True)
    passes: list[int] = []

    def record(re: np.ndarray, im: np.ndarray, *_: float) -> None:
        passes.append(len(re))

    with pytest.MonkeyPatch.context() as patch:
        for name in ("mix_eight_near_", "mix_three_positions_", "mix_two_positions_", "mix_position_", "mix_narrow_"):
            patch.setattr(mix_kernels, name, record)
        patch.setattr(mix_kernels, "mix_list_", mix_kernels.mix_list_.py_func)
        register = np.zeros(1 << live)
        ts = np.zeros(len(positions))
        mix_kernels.mix_run_.py_func(register, register, live, np.array(positions), ts)
    assert count_passes(positions, live)[0] == sum(passes) >> live


def test_vm_14_a_run_goes_through_memory_once_for_each_far_pass_and_once_for_all_others() -> None:
    assert count_passes(range(8, -1, -1), 9) == (4, 1)
    assert count_passes(range(17, -1, -1), 18) == (7, 3)  # 17 16 15, 14 13 12, then blocks of 2^12
    assert count_passes((15,), 18) == (1, 1)


def make_comet(path: int, tail: int) -> IsingProblem:
    """A path whose first spin is coupled to a tail of spins that come last in the order of the labels."""
    links = [(i, i + 1, 1) for i in range(path - 1)]
    return make_problem(path + tail, [*links, *((0, path + i, 1) for i in range(tail))])


def make_torus(rows: int, columns: int) -> IsingProblem:
    """A torus, numbered across."""
    right = [(r * columns + c, r * columns + (c + 1) % columns, 1) for r in range(rows) for c in range(columns)]
    down = [(r * columns + c, (r + 1) % rows * columns + c, 1) for r in range(rows) for c in range(columns)]
    return make_problem(rows * columns, [*right, *down])


def make_bipartite(few: int, many: int) -> IsingProblem:
    """A complete bipartite graph, the smaller side last."""
    return make_problem(few + many, [(i, many + j, 1) for i in range(many) for j in range(few)])


def test_vm_14_new_qubits_above_a_tile_are_moved_and_others_gathered() -> None:
    """A tail of 8 fills a tile, so each next spin of the path enters above it, until the last one begins the suffix."""
    schedule = compile_schedule(make_comet(6, 8), tuple(range(14)), 1)
    entered = [(step.introduced, step.live) for step in schedule.steps[: schedule.suffix]]
    assert entered == [(tuple(range(10)), 10), ((8,), 10), ((8,), 10), ((8,), 10)]
    work = count_work(schedule, 32)
    assert (work.gathered, work.moved) == (1 << 10, (2 + 4 + 8 + 14) << 10)  # the last one into the suffix
    assert work.weighed == (1 + 2 + 4 + 8) << 10
    inside = count(make_comet(6, 7))
    assert (inside.gathered, inside.moved) == (inside.weighed + (14 << 9), 0)


def test_vm_14_a_qubit_that_enters_at_the_top_and_is_measured_at_once_moves_a_register() -> None:
    """Its step handles the halves side by side, in which it has no place; the suffix mixes it like any other."""
    large, small = count(make_bipartite(10, 4)), count(make_bipartite(5, 4))
    assert (large.gathered, large.moved) == (1 << 11, (2 + 4 + 8) << 11)
    assert (small.gathered, small.moved) == ((1 + 8) << 6, (2 + 4) << 6)


def test_vm_14_large_tables_of_factors_are_made_at_each_visit() -> None:
    """Each spin of the larger side depends on all of the smaller one: 2^13 settings are kept, 2^15 are not."""
    kept, unkept = count(make_bipartite(13, 18)), count(make_bipartite(15, 18))
    assert (kept.terms, kept.factors) == (17 * 14, 17 << 13)
    registers = [expect_registers(32, measured, 1) for measured in range(17)]
    assert (unkept.terms, unkept.factors) == (sum(registers) * 16, sum(registers) << 15)


def test_vm_14_registers_beyond_the_caches_cost_more() -> None:
    def count_dense(n: int) -> tuple[int, int, int]:
        work = count(make_golden_problem("dense", n))
        return work.spilled, work.flooded, work.drowned

    assert count_dense(17) == (0, 0, 0)
    assert count_dense(18) == (2 << 18, 0, 0)
    assert count_dense(20) == ((2 << 20) + (4 << 18), 2 << 20, 0)
    assert count_dense(22) == ((2 << 22) + (4 << 20) + (14 << 18), (2 << 22) + (4 << 20), 2 << 22)
    mixed = count(make_golden_problem("dense", 20), 2)
    assert mixed.flooded == 3 << 20  # two sweeps and the suffix's first cut; mixing computes while it waits


@pytest.mark.parametrize(
    ("family", "n", "gas"),
    [
        ("dense", 9, (402_686, 456_488, 510_290)),
        ("dense", 12, (647_600, 899_724, 1_151_848)),
        ("dense", 16, (2_714_304, 6_322_092, 9_929_880)),
        ("dense", 18, (9_219_520, 26_379_180, 43_540_632)),
        ("dense", 20, (52_311_488, 128_923_308, 205_542_296)),
        ("grid", 28, (8_839_583, 26_055_571, 174_283_887)),
        ("cubic", 20, (9_395_324, 48_137_680, 145_845_332)),
        ("ring", 60, (22_562_199, 43_986_771, 71_231_147)),
    ],
)
def test_vm_14_gas_at_depths_1_to_3_is_frozen(family: str, n: int, gas: tuple[int, int, int]) -> None:
    problem = make_golden_problem(family, n)
    schedules = [compile_schedule(problem, tuple(range(n)), depth) for depth in (1, 2, 3)]
    assert tuple(compute_gas(schedule, 32) for schedule in schedules) == gas


def test_vm_14_the_gas_of_a_torus_8_across_is_frozen() -> None:
    """Where its new qubits enter is not where a grid's do."""
    schedule = compile_schedule(make_torus(16, 8), tuple(range(128)), 1)
    work = count_work(schedule, 32)
    assert work.moved > 0.9 * work.weighed
    assert compute_gas(schedule, 32) == 5_052_786_856


def test_vm_14_gas_grows_with_shots_depth_and_live_qubits() -> None:
    def gas(family: str, n: int, depth: int, shots: int) -> int:
        problem = make_golden_problem(family, n)
        return compute_gas(compile_schedule(problem, tuple(range(problem.n)), depth), shots)

    assert gas("dense", 12, 1, 1) < gas("dense", 12, 1, 32) < gas("dense", 12, 2, 32) < gas("dense", 14, 2, 32)
    assert gas("cubic", 16, 1, 32) < gas("cubic", 20, 1, 32) < gas("cubic", 20, 2, 32)
    assert gas("dense", 70, 1, 32) > 2**70  # no circuit is too large to be priced


def test_vm_14_the_specification_has_the_prices_and_roots() -> None:
    text = (Path(__file__).parents[2] / "docs" / "spec" / "vm.md").read_text(encoding="utf-8")
    rows = {kind: int(gas.replace(",", "")) for kind, gas in re.findall(r"^\| ([a-z]+) \| ([\d,]+) \|", text, re.M)}
    assert rows == msgspec.structs.asdict(PRICES)
    assert f"A strike costs {STRIKE_GAS:,}" in text
    assert f"ROOTS are {', '.join(map(str, ROOTS))}." in text


@st.composite
def draw_schedule(draw: st.DrawFn) -> tuple[Schedule, int]:
    """Return the schedule of a random graph, or of one whose registers leave the caches, and a number of shots."""
    n, depth = draw(st.integers(1, 24)), draw(st.integers(1, 9))
    chance = draw(st.randoms(use_true_random=False))
    share = draw(st.sampled_from((0.05, 0.15, 0.4, 1.0)))
    couplings = [(i, j, 1) for j in range(n) for i in range(j) if chance.random() < share]
    order = tuple(chance.sample(range(n), n))
    return compile_schedule(make_problem(n, couplings), order, depth), draw(st.sampled_from((0, 1, 32, 500)))


@settings(deadline=None, max_examples=200)
@given(draw_schedule())
def test_vm_14_gas_is_what_the_specification_says(case: tuple[Schedule, int]) -> None:
    schedule, shots = case
    assert compute_gas(schedule, shots) == compute_plain_gas(schedule, shots)


@pytest.mark.parametrize("problem", [make_torus(10, 9), make_comet(6, 14), make_bipartite(16, 20)])
def test_vm_14_gas_of_wide_circuits_is_what_the_specification_says(problem: IsingProblem) -> None:
    for depth in (1, 2):
        schedule = compile_schedule(problem, tuple(range(problem.n)), depth)
        assert compute_gas(schedule, 32) == compute_plain_gas(schedule, 32)
