"""One amplitude of a circuit's final state, along its schedule: measured qubits keep the bit that is asked for."""

from __future__ import annotations

import numpy as np

from vm.derivation import round_to_phase
from vm.engines.angled_circuit import AngledCircuit
from vm.engines.register import Phases, Register, compute_phases, introduce, mix, rotate
from vm.schedule import Step


def compute_amplitude(circuit: AngledCircuit, bits: tuple[int, ...]) -> complex:
    """Return the amplitude of a bit string (by label), up to a phase that all strings share."""
    angles = circuit.angles
    register: Register = np.ones(1, np.complex128)
    for step in circuit.circuit.schedule.steps:
        for position in step.introduced:
            register = introduce(register, position)
        if step.fields:
            register = rotate(register, _compute_step_phases(circuit, step))
        turn = round_to_phase(angles.betas[step.layer - 1]) + round_to_phase(angles.mixers[step.qubit])
        register = mix(register, step.position, turn)
        if step.measured:
            register = register.reshape(2, -1)[bits[step.qubit]]
    return complex(register[0])


def _compute_step_phases(circuit: AngledCircuit, step: Step) -> Phases:
    problem, angles = circuit.circuit.problem, circuit.angles
    gamma = angles.gammas[step.layer - 1]
    linear = {
        position: round_to_phase(gamma * problem.fields[q]) + round_to_phase(angles.fields[q])
        for position, q in step.fields
    }
    quadratic = [(a, b, round_to_phase(gamma * weight)) for a, b, weight, _, _ in step.couplings]
    return compute_phases(step.live, linear, quadratic)
