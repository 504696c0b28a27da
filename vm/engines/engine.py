"""One interface for all engines: samples, probabilities and expectation values of a circuit with its angles.

Circuits are those of problems (`AngledCircuit`); engines that hold a state also run any Pauli rotations
(`RotationCircuit`).

Terms:
    engine: runs circuits; `frontier` and `reference` are exact, `mps` truncates where it must and bounds what it lost.
    bit-exact: its samples are the strike's, bit for bit, on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.derivation import Uniforms, compute_uniforms, expand_seed
from vm.engines.angled_circuit import AngledCircuit
from vm.pauli import PauliSum
from vm.problem import Shots
from vm.rotations import RotationCircuit

Runnable = AngledCircuit | RotationCircuit
Bits = Sequence[int] | NDArray[np.uint8]

SHOTS_MAX = 2**20


class EngineRefused(Exception):
    """A circuit or a request that an engine cannot run; the sentence says why and what can."""


class CircuitTooLarge(EngineRefused):
    """More than the engine holds."""


class InvalidRequest(EngineRefused):
    """Shots, bits or an observable that do not fit the circuit."""


class LibraryMissing(EngineRefused):
    """An engine whose optional library is not installed."""


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """An expectation value and how far it may be off.

    Attributes:
        value: The value.
        error: exact: rounding only; bounded: never more; sampled: one standard error; estimated: no bound is known.
        kind: What `error` means.
    """

    value: float
    error: float
    kind: Literal["exact", "bounded", "sampled", "estimated"]


class Engine(Protocol):
    """What every engine offers. Engines are cheap to make and keep nothing that changes an answer."""

    @property
    def name(self) -> str:
        """What `get_engine` calls it."""

    @property
    def is_bit_exact(self) -> bool:
        """Whether samples are the strike's, bit for bit."""

    def sample(self, circuit: Runnable, *, shots: int, seed: bytes) -> Shots:
        """Return shots, uint8[shot, qubit by label]; the same for the same seed (32 bytes).

        Raises:
            EngineRefused: too large a circuit, or an impossible number of shots.
        """

    def probability(self, circuit: Runnable, bits: Bits) -> float:
        """Return the probability of one bit string, n values 0 or 1 by label.

        Raises:
            EngineRefused: too large a circuit, or bits that do not fit it.
        """

    def expectation(self, circuit: Runnable, hamiltonian: PauliSum) -> Expectation:
        """Return the expectation value of an observable, and its error.

        Raises:
            EngineRefused: too large a circuit, or an observable on another number of qubits.
        """


def count_qubits(circuit: Runnable) -> int:
    """Return the circuit's number of qubits."""
    return circuit.n if isinstance(circuit, RotationCircuit) else circuit.circuit.problem.n


def draw_uniforms(circuit: Runnable, shots: int, seed: bytes) -> Uniforms:
    """Return the seed's uniforms, where a strike has them in its stream; float64[shot, qubit in measurement order]."""
    n = count_qubits(circuit)
    depth = 0 if isinstance(circuit, RotationCircuit) else circuit.circuit.depth
    words = expand_seed(seed, depth=depth, n=n, shots=shots)
    return compute_uniforms(words[2 * depth + n :], n)


def get_order(circuit: Runnable) -> tuple[int, ...]:
    """Return the qubits in the order of measurement."""
    return tuple(range(circuit.n)) if isinstance(circuit, RotationCircuit) else circuit.circuit.order


def check_shots(shots: int, seed: bytes) -> None:
    """Refuse an impossible number of shots, and a seed that is none.

    Raises:
        InvalidRequest: shots outside 0..SHOTS_MAX, or not 32 bytes.
    """
    if not 0 <= shots <= SHOTS_MAX:
        raise InvalidRequest(f"an engine draws 0..{SHOTS_MAX} shots at a time, not {shots}")
    if len(seed) != 32:
        raise InvalidRequest(f"a seed has 32 bytes, not {len(seed)}")


def check_bits(circuit: Runnable, bits: Bits) -> tuple[int, ...]:
    """Return the bits as integers.

    Raises:
        InvalidRequest: not n values of 0 and 1.
    """
    values = tuple(int(bit) for bit in bits)
    n = count_qubits(circuit)
    if len(values) != n or not set(values) <= {0, 1}:
        raise InvalidRequest(f"a bit string of this circuit has {n} values 0 or 1")
    return values


def check_hamiltonian(circuit: Runnable, hamiltonian: PauliSum) -> None:
    """Refuse an observable on another number of qubits.

    Raises:
        InvalidRequest: it does not fit.
    """
    n = count_qubits(circuit)
    if hamiltonian.n != n:
        raise InvalidRequest(f"an observable on {hamiltonian.n} qubits does not fit a circuit of {n}")
