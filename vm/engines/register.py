"""Plain numpy on a register of amplitudes: phases by doubling, mixers by position.

A register is complex128[2^live]; position k is bit k of the index, as in `vm.schedule`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from vm.trig_table import get_trig_table

Register = NDArray[np.complex128]
Phases = NDArray[np.int64]


def compute_phases(live: int, linear: Mapping[int, int], quadratic: Iterable[tuple[int, int, int]]) -> Phases:
    """Return the summed phases (2^-16 turn) of all basis states, int64[2^live].

    Args:
        linear: Phase of the spin at a position.
        quadratic: (position, position, phase) of the product of two spins.
    """
    below: list[list[tuple[int, int]]] = [[] for _ in range(live)]
    for a, b, phase in quadratic:
        below[max(a, b)].append((min(a, b), phase))
    phases = np.zeros(1, np.int64)
    for position in range(live):
        slant = np.full(1, linear.get(position, 0), np.int64)  # what spin +1 at this position adds, by the lower spins
        own = dict.fromkeys(range(position), 0)
        for other, phase in below[position]:
            own[other] += phase
        for other in range(position):
            slant = np.concatenate((slant + own[other], slant - own[other]))
        phases = np.concatenate((phases + slant, phases - slant))
    return phases


def rotate(register: Register, phases: Phases) -> Register:
    """Return the register with each amplitude multiplied by `cos - i sin` of its phase."""
    pairs = get_trig_table()[phases % 2**16]
    return register * (pairs[:, 0] - 1j * pairs[:, 1])


def mix(register: Register, position: int, phase: int) -> Register:
    """Return the register with `exp(i phase X)` applied at a position."""
    cosine, sine = get_trig_table()[phase % 2**16]
    pairs = register.reshape(-1, 2, 1 << position)
    mixed: Register = (cosine * pairs + 1j * sine * pairs[:, ::-1]).reshape(-1)
    return mixed


def introduce(register: Register, position: int) -> Register:
    """Return the register with a new qubit in the state |+> at a position."""
    rows = register.reshape(-1, 1, 1 << position) * 2**-0.5
    wider: Register = np.repeat(rows, 2, axis=1).reshape(-1)
    return wider
