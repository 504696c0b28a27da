"""Gas: what is counted of a strike, before it is run and after, and that it follows the kernels."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vm.plain_gas import compute_plain_limit, compute_plain_use
from vm import mix_kernels
from vm.gas import PRICES, STRIKE_GAS, compute_gas_used, make_tariff
from vm.golden import make_golden_problem
from vm.law import compute_law
from vm.problem import IsingProblem, Shots, make_problem
from vm.schedule import Schedule, compile_schedule
from vm.strike import compile_circuit, get_gas_limit, get_gas_used, run_strike
from vm.work import Work, count_passes, count_registers, count_work, list_most_registers


def count(problem: IsingProblem, depth: int = 1) -> Work:
    """Return the most work of a strike of 32 shots in the order of the labels."""
    return count_most(compile_schedule(problem, tuple(range(problem.n)), depth))


def count_most(schedule: Schedule) -> Work:
    """Return the most work of a strike of 32 shots."""
    return count_work(schedule, 32).sum_up(list_most_registers(schedule.n, 32))


def test_vm_14_the_limit_is_the_priced_work_of_a_schedule() -> None:
    schedule = compile_schedule(make_golden_problem("dense", 10), tuple(range(10)), 1)
    work = count_work(schedule, 32).sum_up(list_most_registers(10, 32))
    assert (work.swept, work.weighed, work.mixed, work.uniforms, work.suffixes) == (1024, 0, 0, 320, 1)
    assert work.phases == 2**9 + 2**9 + 2**2  # low terms below position 9; cross terms with the other; a phase a row
    assert work.parted == 2**10 + 4 * 2**8  # then registers of 6 are finished side by side
    priced = 17 * 1024 + 26_000 + 980 * 320 + 32 * 1028 + 4 * 2048
    assert make_tariff(schedule, 32).limit == STRIKE_GAS + priced


def test_vm_22_gas_used_is_the_priced_work_with_the_registers_that_the_shots_had() -> None:
    """A dense circuit of 10: its suffix cuts the register into four, of which the shots had so many."""
    circuit = compile_circuit(make_golden_problem("dense", 10), depth=1)
    tariff = make_tariff(circuit.schedule, 32)
    for different in (1, 2, 3, 4):
        drawn = np.zeros((32, 10), np.uint8)
        drawn[:different, 0], drawn[:different, 1] = np.arange(different) >> 1, np.arange(different) & 1
        registers = count_registers(drawn, circuit.order)
        assert registers == [1, 1 + (different > 2), *([different] * 9)]
        used = compute_gas_used(tariff, registers)
        assert used == get_gas_used(circuit, drawn) == tariff.limit - 4 * 2**8 * (4 - different)


def test_vm_22_registers_are_the_different_beginnings_of_shots() -> None:
    """Counted with sets, in a measurement order that is not that of the labels."""
    rng = np.random.default_rng(5)
    for shots, n in ((1, 1), (2, 9), (32, 12), (500, 7), (40, 130)):
        drawn, order = rng.integers(0, 2, (shots, n)).astype(np.uint8), tuple(map(int, rng.permutation(n)))
        drawn[::3] = drawn[0]
        rows = [tuple(shot[list(order)]) for shot in drawn]
        expected = [len({row[:k] for row in rows}) for k in range(n + 1)]
        assert count_registers(drawn, order) == expected
        assert all(here <= most for here, most in zip(expected, list_most_registers(n, shots), strict=True))
    assert count_registers(np.empty((0, 3), np.uint8), (0, 1, 2)) == [1, 1, 1, 1]


def test_vm_22_a_strike_that_parts_late_uses_no_more_than_its_limit() -> None:
    """Copies of large registers can cost more than those of small ones, but then the limit is what counts."""
    path = [(i, i + 1, 1) for i in range(9)]
    circuit = compile_circuit(make_problem(27, [*path, *((5, 10 + i, 1) for i in range(17))]), depth=1)
    tariff = make_tariff(circuit.schedule, 32)
    late = [1, 1, 2, 4, 8, 16, *[32] * 22]
    assert tariff.once + sum(gas * count for gas, count in zip(tariff.each, late, strict=True)) > tariff.limit
    assert compute_gas_used(tariff, late) == tariff.limit
    assert compute_gas_used(tariff, list_most_registers(27, 32)) == tariff.limit
    assert compute_gas_used(tariff, [1] * 28) < tariff.limit


def test_vm_22_strong_fields_use_less_than_half_of_the_limit() -> None:
    """All shots agree for long, so that they share a register; gas knows it."""
    ring = [(i, (i + 1) % 16, 1) for i in range(16)]
    chords = [(i, (i + 5) % 16, 1) for i in range(16)]
    used = []
    for field in (0, 300):
        circuit = compile_circuit(make_problem(16, [*ring, *chords], fields=[field] * 16), depth=2)
        drawn = run_strike(circuit, compute_law(circuit.problem, 2), bytes(32))
        used.append(get_gas_used(circuit, drawn) / get_gas_limit(circuit))
    assert used[1] < 0.5 < 0.7 < used[0] <= 1


def test_vm_14_passes_take_up_to_three_positions_that_follow_each_other() -> None:
    """A dense circuit of 9 qubits and two layers: its first layer is one run from position 8 down."""
    work = count(make_golden_problem("dense", 9), 2)
    assert work.mixed == 4 * 512  # 8, then 7 6 5, 4 3 2, and 1 0
    assert (work.swept, work.rotated, work.gathered, work.moved, work.copied) == (2 * 512, 0, 0, 0, 0)


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
    work = count_most(schedule)
    assert (work.gathered, work.moved) == (1 << 10, (2 + 4 + 8 + 16) << 10)  # the last one into the suffix
    assert work.weighed == (1 + 2 + 4 + 8) << 10
    inside = count(make_comet(6, 7))
    assert (inside.gathered, inside.moved) == (inside.weighed + (16 << 9), 0)


def test_vm_14_a_qubit_that_enters_at_the_top_and_is_measured_at_once_moves_a_register() -> None:
    """Its step handles the halves side by side, in which it has no place; the suffix mixes it like any other."""
    large, small = count(make_bipartite(10, 4)), count(make_bipartite(5, 4))
    assert (large.gathered, large.moved) == (1 << 11, (2 + 4 + 8) << 11)
    assert (small.gathered, small.moved) == ((1 + 8) << 6, (2 + 4) << 6)


def test_vm_14_large_tables_of_factors_are_made_at_each_visit() -> None:
    """Each spin of the larger side depends on all of the smaller one: 2^13 settings are kept, 2^15 are not."""
    kept, unkept = count(make_bipartite(13, 18)), count(make_bipartite(15, 18))
    assert (kept.terms, kept.factors) == (17 * 14, 17 << 13)
    registers = list_most_registers(17, 32)[:17]
    assert (unkept.terms, unkept.factors) == (sum(registers) * 16, sum(registers) << 15)


def test_vm_14_registers_beyond_the_caches_cost_more() -> None:
    def count_dense(n: int, depth: int = 1) -> tuple[int, int, int, int]:
        work = count(make_golden_problem("dense", n), depth)
        return work.crowded, work.flooded, work.streamed, work.drowned

    assert count_dense(19) == count_dense(19, 2) == (0, 0, 0, 0)
    assert count_dense(20) == (0, 1 << 20, 0, 0)  # the first cut into four
    assert count_dense(22) == (0, (1 << 22) + (4 << 20), 0, 0)
    assert count_dense(20, 2) == (0, 1 << 20, 3 << 20, 0)  # 19 18 17, 16 15 14, then blocks
    assert count_dense(21, 2) == (0, 1 << 21, 4 << 21, 4 << 21)
    small, large, flooded = (count(make_comet(20, tail)) for tail in (15, 16, 18))
    assert (small.crowded, small.flooded) == (0, 0)
    assert (large.crowded, large.flooded) == (large.copied, 0)
    assert large.copied == (1 + 2 + 4 + 8 + 16) << 17
    assert (flooded.crowded, flooded.flooded) == (flooded.copied, flooded.weighed + (32 << 20))


@pytest.mark.parametrize(
    ("family", "n", "gas"),
    [
        ("dense", 9, (413_680, 473_812, 533_944)),
        ("dense", 12, (655_152, 928_212, 1_201_272)),
        ("dense", 16, (2_930_480, 6_688_724, 10_446_968)),
        ("dense", 18, (9_636_912, 25_806_036, 41_975_160)),
        ("dense", 20, (57_246_000, 134_068_692, 210_891_384)),
        ("grid", 28, (9_688_660, 30_999_148, 219_296_508)),
        ("cubic", 20, (11_853_064, 71_498_304, 240_840_528)),
        ("ring", 60, (23_572_028, 50_677_780, 84_769_072)),
    ],
)
def test_vm_14_the_limit_at_depths_1_to_3_is_frozen(family: str, n: int, gas: tuple[int, int, int]) -> None:
    problem = make_golden_problem(family, n)
    schedules = [compile_schedule(problem, tuple(range(n)), depth) for depth in (1, 2, 3)]
    assert tuple(make_tariff(schedule, 32).limit for schedule in schedules) == gas


def test_vm_14_the_limit_of_a_torus_8_across_is_frozen() -> None:
    """Where its new qubits enter is not where a grid's do."""
    schedule = compile_schedule(make_torus(16, 8), tuple(range(128)), 1)
    work = count_most(schedule)
    assert work.moved > 0.9 * work.weighed
    assert make_tariff(schedule, 32).limit == 5_982_042_320


def test_vm_14_the_limit_grows_with_shots_depth_and_live_qubits() -> None:
    def gas(family: str, n: int, depth: int, shots: int) -> int:
        problem = make_golden_problem(family, n)
        return make_tariff(compile_schedule(problem, tuple(range(problem.n)), depth), shots).limit

    assert gas("dense", 12, 1, 1) < gas("dense", 12, 1, 32) < gas("dense", 12, 2, 32) < gas("dense", 14, 2, 32)
    assert gas("cubic", 16, 1, 32) < gas("cubic", 20, 1, 32) < gas("cubic", 20, 2, 32)
    assert gas("dense", 70, 1, 32) > 2**70  # no circuit is too large to be priced


def test_vm_14_the_specification_has_the_prices() -> None:
    text = (Path(__file__).parents[2] / "docs" / "spec" / "vm.md").read_text(encoding="utf-8")
    rows = {kind: int(gas.replace(",", "")) for kind, gas in re.findall(r"^\| ([a-z]+) \| ([\d,]+) \|", text, re.M)}
    assert rows == msgspec.structs.asdict(PRICES)
    assert f"A strike costs {STRIKE_GAS:,}" in text


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
@given(draw_schedule(), st.randoms(use_true_random=False))
def test_vm_14_vm_22_gas_is_what_the_specification_says(case: tuple[Schedule, int], chance: Random) -> None:
    schedule, shots = case
    assert make_tariff(schedule, shots).limit == compute_plain_limit(schedule, shots)
    check_use(schedule, draw_shots(chance, shots, schedule.n))


@pytest.mark.parametrize("problem", [make_torus(10, 9), make_comet(6, 14), make_bipartite(16, 20), make_comet(20, 18)])
def test_vm_14_vm_22_gas_of_wide_circuits_is_what_the_specification_says(problem: IsingProblem) -> None:
    for depth in (1, 2):
        schedule = compile_schedule(problem, tuple(range(problem.n)), depth)
        assert make_tariff(schedule, 32).limit == compute_plain_limit(schedule, 32)
        check_use(schedule, draw_shots(Random(depth), 32, problem.n))


def draw_shots(chance: Random, shots: int, n: int) -> Shots:
    """Return shots that agree in many of their bits."""
    share = chance.choice((0.02, 0.2, 0.5))
    return np.array([[chance.random() < share for _ in range(n)] for _ in range(shots)], np.uint8).reshape(shots, n)


def check_use(schedule: Schedule, drawn: Shots) -> None:
    """Assert that shots use what the specification says."""
    used = compute_gas_used(make_tariff(schedule, len(drawn)), count_registers(drawn, schedule.order))
    assert used == compute_plain_use(schedule, drawn)
