"""Circuits with their angles: what every engine runs.

Where a strike draws its angles from a law, here the caller chooses them. The rounding is the strike's own (16-bit
phases), so the angles that a law and a seed give make the very circuit of that strike.

Terms:
    dressing: own field angle and own mixer angle of each qubit; zero when left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, pi

import msgspec

from vm.derivation import Angles, compute_angles, expand_seed
from vm.law import DEPTH_MAX, AngleLaw
from vm.strike import Circuit

TURN = 2**32


class InvalidAngles(Exception):
    """Angles that do not fit their circuit."""


class AngledCircuit(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled circuit and the angles it is run with.

    Attributes:
        circuit: Problem, measurement order, depth and schedule.
        angles: In units of 2^-32 turn, each in 0..2^32 - 1.
    """

    circuit: Circuit
    angles: Angles


def set_angles(
    circuit: Circuit,
    gammas: Sequence[int],
    betas: Sequence[int],
    *,
    fields: Sequence[int] | None = None,
    mixers: Sequence[int] | None = None,
) -> AngledCircuit:
    """Return the circuit with 2p angles, and optionally a dressing, in units of 2^-32 turn (taken modulo a turn).

    Raises:
        InvalidAngles: as many gammas and betas as layers, and as many own angles as qubits, are needed; integers only.
    """
    n, depth = circuit.problem.n, circuit.depth
    if not 1 <= depth <= DEPTH_MAX:
        raise InvalidAngles(f"a circuit has 1..{DEPTH_MAX} layers, not {depth}")
    for name, values, count in (
        ("gammas", gammas, depth),
        ("betas", betas, depth),
        ("own fields", fields, n),
        ("own mixers", mixers, n),
    ):
        if values is not None and len(values) != count:
            raise InvalidAngles(f"this circuit needs {count} {name}, not {len(values)}")
        if values is not None and not all(isinstance(value, int) for value in values):
            raise InvalidAngles(f"{name} are integers in units of 2^-32 turn; make_turns converts radians")
    rest = (0,) * n
    angles = Angles(
        gammas=tuple(value % TURN for value in gammas),
        betas=tuple(value % TURN for value in betas),
        fields=rest if fields is None else tuple(value % TURN for value in fields),
        mixers=rest if mixers is None else tuple(value % TURN for value in mixers),
    )
    return AngledCircuit(circuit=circuit, angles=angles)


def set_drawn_angles(circuit: Circuit, law: AngleLaw, seed: bytes) -> AngledCircuit:
    """Return the circuit with the angles and the dressing that a strike of this law and seed (32 bytes) has.

    Raises:
        InvalidAngles: a law of another depth.
    """
    if len(law.gamma_means) != circuit.depth:
        raise InvalidAngles(f"a law of depth {len(law.gamma_means)} does not fit a circuit of depth {circuit.depth}")
    angles = compute_angles(law, expand_seed(seed, depth=circuit.depth, n=circuit.problem.n, shots=0))
    return set_angles(circuit, angles.gammas, angles.betas, fields=angles.fields, mixers=angles.mixers)


def make_turns(radians: Sequence[float]) -> tuple[int, ...]:
    """Return angles in radians as the nearest units of 2^-32 turn.

    Raises:
        InvalidAngles: one is not finite.
    """
    if not all(isfinite(value) for value in radians):
        raise InvalidAngles(f"angles are finite numbers, not {list(radians)}")
    return tuple(round(value / (2 * pi) * TURN) % TURN for value in radians)
