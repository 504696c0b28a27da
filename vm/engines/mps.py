"""The engine `mps`: matrix product states, for circuits that no register holds.

Exact where no bond is cut; otherwise it says how far off it may be. Not bit-exact: a linear algebra library rounds as
it likes, so its samples may differ from the strike's even where nothing is cut (about once in 10^10 bits).

Sites follow the measurement order, so that where nothing is cut the shots are the strike's but for rounding.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec
import numpy as np

from vm.engines.engine import (
    Bits,
    Expectation,
    InvalidRequest,
    Runnable,
    check_bits,
    check_hamiltonian,
    check_shots,
    draw_uniforms,
    get_order,
)
from vm.engines.matrix_product import (
    BOND_LIMIT,
    ROUNDING_CUTOFF,
    MatrixProduct,
    compute_product_amplitude,
    compute_product_expectations,
    draw_from_product,
)
from vm.engines.product_circuits import run_product_circuit
from vm.pauli import PauliSum, list_support
from vm.problem import Shots

BOND_MAX_DEFAULT = 256
ROUNDING = 1e-10


class Truncation(msgspec.Struct, frozen=True, kw_only=True):
    """How well an MPS holds a circuit's state.

    Attributes:
        bond_dimension: The largest that was needed or allowed.
        lost: Bound on the 2-norm of the difference to the exact state, before normalising.
        trace_distance_max: Bound on the error of every probability, and on the total variation of the samples.
        fidelity_min: Bound on the squared overlap with the exact state.
        size_bytes: Memory of the tensors.
    """

    bond_dimension: int
    lost: float
    trace_distance_max: float
    fidelity_min: float
    size_bytes: int

    @property
    def is_exact(self) -> bool:
        """Whether nothing but rounding was cut."""
        return self.trace_distance_max <= ROUNDING


class MpsEngine:
    """A matrix product state of bounded bond dimension."""

    name = "mps"
    is_bit_exact = False

    def __init__(self, *, bond_max: int = BOND_MAX_DEFAULT, cutoff: float = ROUNDING_CUTOFF) -> None:
        """Keep at most `bond_max` singular values at a bond, and none below `cutoff` times the largest."""
        if not 1 <= bond_max <= BOND_LIMIT:
            raise InvalidRequest(f"a bond dimension is 1..{BOND_LIMIT}, not {bond_max}")
        if not ROUNDING_CUTOFF <= cutoff < 1:
            raise InvalidRequest(f"a cutoff is at least {ROUNDING_CUTOFF} and below 1, not {cutoff}")
        self.bond_max = bond_max
        self.cutoff = cutoff

    def sample(self, circuit: Runnable, *, shots: int, seed: bytes) -> Shots:
        """See `Engine.sample`."""
        check_shots(shots, seed)
        by_site = draw_from_product(self._get_state(circuit), draw_uniforms(circuit, shots, seed))
        result = np.empty_like(by_site)
        result[:, list(get_order(circuit))] = by_site
        return result

    def probability(self, circuit: Runnable, bits: Bits) -> float:
        """See `Engine.probability`; off by at most the trace distance that `truncation` says."""
        values = check_bits(circuit, bits)
        amplitude = compute_product_amplitude(self._get_state(circuit), [values[q] for q in get_order(circuit)])
        return abs(amplitude) ** 2

    def expectation(self, circuit: Runnable, hamiltonian: PauliSum) -> Expectation:
        """See `Engine.expectation`; the error is a bound."""
        check_hamiltonian(circuit, hamiltonian)
        state = self._get_state(circuit)
        rank = {q: site for site, q in enumerate(get_order(circuit))}
        strings = [{rank[q]: string[q] for q in list_support(string)} for _, string in hamiltonian.terms]
        values = compute_product_expectations(state, strings)
        value = sum(coefficient * each for (coefficient, _), each in zip(hamiltonian.terms, values, strict=True))
        distance = state.trace_distance_max
        error = (2 * distance + ROUNDING) * hamiltonian.weight
        return Expectation(value=value, error=error, kind="exact" if distance <= ROUNDING else "bounded")

    def truncation(self, circuit: Runnable) -> Truncation:
        """Return how well this engine holds the circuit's state."""
        state = self._get_state(circuit)
        distance = state.trace_distance_max
        return Truncation(
            bond_dimension=state.bond_dimension,
            lost=state.lost,
            trace_distance_max=distance,
            fidelity_min=1 - distance**2,
            size_bytes=state.size_bytes,
        )

    def _get_state(self, circuit: Runnable) -> MatrixProduct:
        return _run_kept_circuit(circuit, self.bond_max, self.cutoff)


@lru_cache(maxsize=1)
def _run_kept_circuit(circuit: Runnable, bond_max: int, cutoff: float) -> MatrixProduct:
    state = run_product_circuit(circuit, bond_max=bond_max, cutoff=cutoff)
    state.move_centre_(0)
    return state
