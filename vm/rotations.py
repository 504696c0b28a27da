"""Circuits of Pauli rotations: any small circuit, such as the trial states of variational eigensolvers.

A circuit starts with every bit 0 and applies `exp(-i angle/2 P)` for one Pauli string P after the other: `RX(t)` is
the string X, `RZZ(t)` is ZZ, and with angles pi and pi/2 rotations make every gate there is, but for a phase.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

import msgspec

from vm.pauli import InvalidPauli, make_pauli_sum

ROTATIONS_MAX = 2**20


class RotationCircuit(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit of rotations on `n` qubits.

    Attributes:
        n: Number of qubits.
        rotations: (angle in radians, string of n letters), in the order of application.
    """

    n: int
    rotations: tuple[tuple[float, str], ...]


def make_rotation_circuit(n: int, rotations: Iterable[tuple[float, str]]) -> RotationCircuit:
    """Return the checked circuit.

    Raises:
        InvalidPauli: no qubit, a string that does not fit, an angle that is not finite, or too many rotations.
    """
    steps = tuple((float(angle), string) for angle, string in rotations)
    if len(steps) > ROTATIONS_MAX:
        raise InvalidPauli(f"a circuit has at most {ROTATIONS_MAX} rotations, not {len(steps)}")
    for angle, string in steps:
        if not isfinite(angle):
            raise InvalidPauli(f"the angle of '{string[:40]}' is {angle}")
    make_pauli_sum(n, ((1.0, string) for string in {string for _, string in steps}))
    return RotationCircuit(n=n, rotations=steps)
