"""What a strike does, counted along its schedule; priced in `vm.gas`.

Most of the work is done once for each register, so it is counted for one register at a time: a sheet says what one more
register costs that holds the shots which agree in their first k bits. How many there are is in the shots themselves
(`count_registers`); no strike can have more than `list_most_registers`.

Terms:
    registers: those of a strike after k measured bits, k = 0 to n; as many as its shots have different first k bits.
    run: an unmeasured step and the steps after it that only mix; they are mixed together.
    pass: one way through a register; a run takes one for up to three positions that follow each other downwards.
    tile: the amplitudes that differ in their lowest TILE_BITS positions only; a measuring step handles two at a time,
        one for each bit of its qubit, and tiles without new qubits inside need no gathering.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from vm.problem import Shots
from vm.register_kernels import count_registers_
from vm.schedule import Schedule, Step
from vm.tiles import (
    FACTORS_KEPT_BITS,
    LOW_BITS,
    TAIL_BITS,
    TILE_BITS,
    compute_block_bits,
    compute_middle,
    count_chain,
    count_factor_bits,
)

CROWDED_BITS, FLOODED_BITS, DROWNED_BITS = 18, 20, 21  # registers of so many qubits leave the caches


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a strike does, counted.

    Attributes:
        uniforms: Numbers drawn.
        measurements: Measuring steps, once for each register.
        runs: Runs, likewise.
        suffixes: The suffix, likewise.
        terms: Terms of tables of factors; of those too large to be kept, once for each register (a table that no other
            one has displaced meanwhile is not made again, which is left out).
        factors: Entries of these tables, likewise.
        phases: Entries of a sweep's tables, once for each register; of the suffix once, though those displace it too.
        copied: Amplitudes of branches that wait.
        gathered: Amplitudes into which new qubits come at positions inside a tile.
        moved: Amplitudes into which new qubits come, none of them inside a tile.
        rotated: Amplitudes that other phases of unmeasured steps than sweeps rotate.
        swept: Amplitudes that sweeps set or rotate.
        weighed: Amplitudes rotated, mixed and weighed by measuring steps before the suffix.
        parted: Amplitudes mixed and weighed in the suffix, as far as it cuts registers into four.
        mixed: Amplitudes of the passes of runs.
        crowded: Those copied of registers of CROWDED_BITS or more.
        flooded: Those weighed and parted in registers of FLOODED_BITS or more.
        streamed: Amplitudes of such registers read and written by runs.
        drowned: The same from DROWNED_BITS on.
    """

    uniforms: int = 0
    measurements: int = 0
    runs: int = 0
    suffixes: int = 0
    terms: int = 0
    factors: int = 0
    phases: int = 0
    copied: int = 0
    gathered: int = 0
    moved: int = 0
    rotated: int = 0
    swept: int = 0
    weighed: int = 0
    parted: int = 0
    mixed: int = 0
    crowded: int = 0
    flooded: int = 0
    streamed: int = 0
    drowned: int = 0


KINDS = Work.__struct_fields__


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a strike before it is known how its shots part.

    Attributes:
        once: What is done whatever they do, by kind of work.
        each: Entry k: what one more register after k measured bits adds, k = 0 to n; copies that its siblings begin
            with, and which belong to k + 1, are taken off.
    """

    once: dict[str, int]
    each: tuple[dict[str, int], ...]

    def sum_up(self, registers: Sequence[int]) -> Work:
        """Return the work of a strike with so many registers after k bits, k = 0 to n."""
        counts = dict.fromkeys(KINDS, 0)
        for work, times in zip((self.once, *self.each), (1, *registers), strict=True):
            for kind, count in work.items():
                counts[kind] += times * count
        return Work(**counts)


def list_most_registers(n: int, shots: int) -> list[int]:
    """Return the registers of shots that part as early as they can."""
    return [max(1, min(shots, 1 << k)) for k in range(n + 1)]


def count_registers(drawn: Shots, order: Sequence[int]) -> list[int]:
    """Return the registers that a strike's shots had, uint8[shot, qubit by label], measured in this order."""
    registers = np.empty(drawn.shape[1] + 1, np.int64)
    count_registers_(np.ascontiguousarray(drawn), np.array(order, dtype=np.int64), registers)
    return list(registers.tolist())


def count_work(schedule: Schedule, shots: int) -> Sheet:
    """Return the sheet of the strikes of a schedule."""
    steps = schedule.steps
    tally = _Tally(schedule.n)
    tally.add_once("uniforms", shots * schedule.n)
    at = 0
    while at < schedule.suffix:
        step = steps[at]
        _count_phases(step, tally)
        if step.measured:
            _count_measurement(step, tally)
            end = at + 1
        else:
            end = _find_run_end(schedule, at)
            _count_run(steps[at:end], tally, is_first=at == 0)
        at = end
    step = steps[schedule.suffix]
    if schedule.suffix > 0 and step.introduced:
        tally.add(_get_entry(step, step.live), 1 << step.live)
    tally.add_once("phases", count_sweep_phases(step.live))
    for later, kind, count in list_suffix_work(step.live):
        tally.add(kind, count, later=later)
    return tally.make_sheet()


def list_suffix_work(live: int) -> list[tuple[int, str, int]]:
    """Return (k, kind, count) of a suffix that begins with `live` qubits: each register k bits later does so much.

    New qubits and the tables of its sweep (`count_sweep_phases`, once) are left out.
    """
    work = [(0, "suffixes", 1), (0, "swept", 1 << live)]
    later = 0
    while live > TAIL_BITS:
        kinds = ("parted", "flooded") if live >= FLOODED_BITS else ("parted",)
        work += [(later, kind, 1 << live) for kind in kinds]
        later, live = later + 2, live - 2
    return work


def count_sweep_phases(live: int) -> int:
    """Return the entries of a sweep's tables."""
    low, middle = min(live, LOW_BITS), compute_middle(live)
    return (1 << middle) + (1 << (low + live - middle)) + (1 << (live - low))


def count_passes(positions: Sequence[int], live: int) -> tuple[int, int]:
    """Return the passes of a run (see `vm.mix_kernels`), and how often memory is gone through.

    The first passes go through the whole register one by one; all others go through it together, block by block.
    """
    bits = compute_block_bits(live)
    far = len(positions)
    while far > 0 and positions[far - 1] < bits:
        far -= 1
    ways = _count_chains(positions[:far])
    return ways + _count_chains(positions[far:]), ways + (far < len(positions))


class _Tally:
    """Counts on the way through a schedule."""

    def __init__(self, n: int) -> None:
        self.once: dict[str, int] = {}
        self.each: list[dict[str, int]] = [{} for _ in range(n + 1)]
        self.measured = 0

    def add(self, kind: str, count: int, *, later: int = 0) -> None:
        """Count something for each register that there is now, or `later` bits from now."""
        counts = self.each[self.measured + later]
        counts[kind] = counts.get(kind, 0) + count

    def add_once(self, kind: str, count: int) -> None:
        self.once[kind] = self.once.get(kind, 0) + count

    def make_sheet(self) -> Sheet:
        return Sheet(once=self.once, each=tuple(self.each))


def _find_run_end(schedule: Schedule, at: int) -> int:
    """Return the step after the run that begins at a step."""
    end = at + 1
    while end < schedule.suffix:
        step = schedule.steps[end]
        if step.measured or step.fields or step.introduced:
            break
        end += 1
    return end


def _count_phases(step: Step, tally: _Tally) -> None:
    if not step.fields:
        return
    if step.sweep:
        tally.add("phases", count_sweep_phases(step.live))
    else:
        bits = count_factor_bits(step)
        add = tally.add_once if bits <= FACTORS_KEPT_BITS else tally.add
        add("terms", len(step.couplings) + 1)
        add("factors", 1 << bits)
    if not step.measured:
        tally.add("swept" if step.sweep else "rotated", 1 << step.live)


def _count_measurement(step: Step, tally: _Tally) -> None:
    size, half = 1 << step.live, 1 << (step.live - 1)
    tally.add("measurements", 1)
    tally.add("weighed", size)
    if step.introduced:
        tally.add(_get_entry(step, step.live - 1), size)
    if step.live >= FLOODED_BITS:
        tally.add("flooded", size)
    for kind in ("copied", "crowded") if step.live >= CROWDED_BITS else ("copied",):
        tally.add(kind, half, later=1)  # for each register that there will be, but for those that there are
        tally.add(kind, -half)
    tally.measured += 1


def _count_run(steps: Sequence[Step], tally: _Tally, *, is_first: bool) -> None:
    step, size = steps[0], 1 << steps[0].live
    tally.add("runs", 1)
    if step.introduced and not (is_first and step.sweep):
        tally.add(_get_entry(step, step.live), size)
    passes, ways = count_passes([mixed.position for mixed in steps], step.live)
    tally.add("mixed", passes * size)
    if step.live >= FLOODED_BITS:
        tally.add("streamed", ways * size)
    if step.live >= DROWNED_BITS:
        tally.add("drowned", ways * size)


def _get_entry(step: Step, live: int) -> str:
    """Return the kind of work that a step's new qubits make of a register, or half, of `live` qubits."""
    is_inside = any(position < min(live, TILE_BITS) for position in step.introduced)
    return "gathered" if is_inside else "moved"


def _count_chains(positions: Sequence[int]) -> int:
    """Return in how many passes these positions are mixed."""
    passes = k = 0
    while k < len(positions):
        k += count_chain(positions, k)
        passes += 1
    return passes
