"""The operations of docs/spec/vm.md one after the other, in plain numpy: nothing shared, fused, tiled or kept.

numpy's elementwise + and * on binary64 round once each, so the weights here are what the rules say to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vm.derivation import compute_angles, expand_seed, round_to_phase
from vm.law import AngleLaw
from vm.strike import Circuit
from vm.trig_table import get_trig_table

Array = NDArray[np.float64]


class PlainStrike:
    """One shot's walk through a circuit; `walk` yields the weights of each measurement before it is decided."""

    def __init__(self, circuit: Circuit, law: AngleLaw, seed: bytes) -> None:
        self.circuit = circuit
        words = expand_seed(seed, depth=circuit.depth, n=circuit.problem.n, shots=0)
        self.angles = compute_angles(law, words)
        self.frame = [0] * circuit.problem.n
        self.re, self.im = np.ones(1), np.zeros(1)
        self.mixed: tuple[int, int] | None = None  # the last mixed (layer, qubit)
        self.rescaled = 0

    def walk(self, bits: list[int]) -> Iterator[tuple[float, float]]:
        """Yield (weight of bit 0, weight of bit 1) of each qubit in measurement order, following `bits`."""
        schedule = self.circuit.schedule
        paired: tuple[float, float, float, float] | None = None
        rank = 0
        for number, step in enumerate(schedule.steps):
            for position in step.introduced:
                self._introduce(position)
            self._rotate(step)
            self._mix(step)
            if not step.measured:
                continue
            if number < schedule.suffix:
                w0, w1 = self._weigh(2)
                yield self._order(step.qubit, w0, w1)
                self._keep(bits[rank] ^ self.frame[step.qubit], 2)
                self._rescale((w0, w1)[bits[rank] ^ self.frame[step.qubit]])
            elif paired is None and len(self.re) > 2:
                # the first of a pair: mix the second too, and take four weights
                self._mix(schedule.steps[number + 1])
                paired = self._weigh(4)
                yield self._order(step.qubit, paired[0] + paired[1], paired[2] + paired[3])
                first = bits[rank] ^ self.frame[step.qubit]
            elif paired is None:
                yield self._order(step.qubit, *self._weigh(2))
            else:
                yield self._order(step.qubit, *paired[2 * first : 2 * first + 2])
                self._keep(2 * first + (bits[rank] ^ self.frame[step.qubit]), 4)
                paired = None
            rank += 1

    def _introduce(self, position: int) -> None:
        for name in ("re", "im"):
            rows = getattr(self, name).reshape(-1, 1, 1 << position)
            setattr(self, name, np.repeat(rows, 2, axis=1).reshape(-1))

    def _get_spins(self, position: int, qubit: int) -> NDArray[np.int64]:
        index = np.arange(len(self.re))
        return 1 - 2 * ((index >> position & 1) ^ self.frame[qubit])

    def _rotate(self, step) -> None:
        """Rotate by the step's terms: all at once, or by a sweep's three groups."""
        if not step.fields:
            return
        phases = [np.zeros(len(self.re), np.int64) for _ in range(3 if step.sweep else 1)]
        gamma, problem = self.angles.gammas[step.layer - 1], self.circuit.problem
        for position, q in step.fields:
            own = round_to_phase(gamma * problem.fields[q]) + round_to_phase(self.angles.fields[q])
            group = choose_group(step.live, position, position) if step.sweep else 0
            phases[group] += own * self._get_spins(position, q)
        for a, b, weight, x, y in step.couplings:
            group = choose_group(step.live, min(a, b), max(a, b)) if step.sweep else 0
            phases[group] += round_to_phase(gamma * weight) * self._get_spins(a, x) * self._get_spins(b, y)
        for phase in phases:
            c, s = get_trig_table()[phase % 2**16].T
            self.re, self.im = self.re * c + self.im * s, self.im * c - self.re * s

    def _mix(self, step) -> None:
        """Mix the step's qubit, unless it was mixed as the second of a pair."""
        if self.mixed == (step.layer, step.qubit):
            return
        self.mixed = (step.layer, step.qubit)
        turn = round_to_phase(self.angles.betas[step.layer - 1]) + round_to_phase(self.angles.mixers[step.qubit])
        c, s = (float(x) for x in get_trig_table()[turn % 2**16])
        t = s / c if abs(s) <= abs(c) else -c / s
        self.frame[step.qubit] ^= abs(s) > abs(c)
        ar, br = np.moveaxis(self.re.reshape(-1, 2, 1 << step.position), 1, 0)
        ai, bi = np.moveaxis(self.im.reshape(-1, 2, 1 << step.position), 1, 0)
        self.re = np.stack((ar - t * bi, br - t * ai), axis=1).reshape(-1)
        self.im = np.stack((ai + t * br, bi + t * ar), axis=1).reshape(-1)

    def _weigh(self, parts: int) -> tuple[float, ...]:
        squares = (self.re * self.re + self.im * self.im).reshape(parts, -1)
        return tuple(sum_in_lanes(row) for row in squares)

    def _order(self, qubit: int, w0: float, w1: float) -> tuple[float, float]:
        return (w1, w0) if self.frame[qubit] else (w0, w1)

    def _keep(self, part: int, parts: int) -> None:
        self.re, self.im = self.re.reshape(parts, -1)[part], self.im.reshape(parts, -1)[part]

    def _rescale(self, weight: float) -> None:
        if not 2.0**-128 <= weight <= 2.0**128:
            factor = 2.0**-64 if weight > 1 else 2.0**64
            self.re, self.im = self.re * factor, self.im * factor
            self.rescaled += 1


def choose_group(live: int, lower: int, upper: int) -> int:
    """Return the group of a sweep's term that touches two positions (or one twice): 0 low, 1 cross, 2 high."""
    if lower >= min(live, 8):
        return 2
    return 1 if upper >= min(live, 12, (live + 8) // 2) else 0


def sum_in_lanes(values: Array) -> float:
    """Return the sum as the rules order it: 256 lanes, ascending, then folded by halves."""
    width = min(len(values), 256)
    lanes = np.zeros(width)
    for row in values.reshape(-1, width):
        lanes = lanes + row
    while len(lanes) > 1:
        lanes = lanes[: len(lanes) // 2] + lanes[len(lanes) // 2 :]
    return float(lanes[0])
