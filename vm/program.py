"""Programs: a schedule as the integer arrays that the kernels read."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.factor_kernels import STEP_COLUMNS
from vm.problem import IsingProblem
from vm.schedule import Schedule, Step
from vm.tiles import FACTORS_KEPT_BITS, TILE, count_factor_bits, list_highs

Integers = NDArray[np.int64]


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as arrays.

    Attributes:
        arrays: steps int64[step, STEP_COLUMNS]; news int64[k] (positions); fields int64[k, 3] (position, label, h);
            couplings int64[k, 5] (position, position, J, label, label); highs int64[k] (positions of a step's phases
            beyond a tile); order int64[n]; places int64[k] (where a tile of a step that introduces low positions comes
            from).
        sizes: live_qubits_max, suffix step, factors kept, largest table of factors that is not kept.
        planes: Real and imaginary arrays needed: 2, or 4 if registers are copied.
        depth: Number of layers.
    """

    arrays: tuple[Integers, Integers, Integers, Integers, Integers, Integers, Integers]
    sizes: Integers
    planes: int
    depth: int


def make_program(problem: IsingProblem, schedule: Schedule) -> Program:
    """Return the program of a schedule."""
    rows, kept, unkept = [], 0, 0
    news: list[int] = []
    fields: list[tuple[int, int, int]] = []
    couplings: list[tuple[int, int, int, int, int]] = []
    highs: list[int] = []
    places: list[int] = []
    for step in schedule.steps:
        begins = (len(news), len(fields), len(couplings), len(highs), len(places))
        news.extend(step.introduced)
        fields.extend((position, qubit, problem.fields[qubit]) for position, qubit in step.fields)
        couplings.extend(step.couplings)
        places.extend(_list_places(step))
        factor, size = -1, 0
        if step.fields and not step.sweep:
            highs.extend(list_highs(step))
            size = 1 << count_factor_bits(step)
            if size <= 1 << FACTORS_KEPT_BITS:
                factor, kept = kept, kept + size
            else:
                unkept = max(unkept, size)
        ends = (len(news), len(fields), len(couplings), len(highs), len(places))
        spans = [bound for span in zip(begins, ends, strict=True) for bound in span]
        rows.append(
            (step.layer - 1, step.qubit, step.position, step.live, step.measured, step.sweep, *spans, factor, size)
        )
    arrays = (
        np.array(rows, dtype=np.int64).reshape(-1, STEP_COLUMNS),
        np.array(news, dtype=np.int64),
        np.array(fields, dtype=np.int64).reshape(-1, 3),
        np.array(couplings, dtype=np.int64).reshape(-1, 5),
        np.array(highs, dtype=np.int64),
        np.array(schedule.order, dtype=np.int64),
        np.array(places, dtype=np.int64),
    )
    sizes = np.array([schedule.live_qubits_max, schedule.suffix, kept, unkept], dtype=np.int64)
    copied = any(step.introduced for step in schedule.steps[1:]) or any(
        step.measured for step in schedule.steps[: schedule.suffix]
    )
    return Program(arrays=arrays, sizes=sizes, planes=4 if copied else 2, depth=schedule.depth)


def _list_places(step: Step) -> list[int]:
    """Return where the amplitudes of a tile come from when new qubits enter; empty if the tile is copied as it is."""
    halved = step.measured and not step.sweep  # such a step handles the halves of its top qubit side by side
    width = min(1 << (step.live - halved), TILE)
    lows = [position for position in step.introduced if 1 << position < width]
    if not lows:
        return []
    places = []
    for index in range(width):
        for position in reversed(lows):
            index = index >> (position + 1) << position | index & (1 << position) - 1
        places.append(index)
    return places
