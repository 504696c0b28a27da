"""Matrix product states that know how much they have lost.

A state of n sites is a chain of tensors with legs (left bond, bit, right bond). One site is the *centre*: tensors left
of it are left-orthonormal, those right of it right-orthonormal, so a singular value cut off there changes the state's
norm by exactly that value. What the cuts of one sweep from right to left take is mutually orthogonal (each later piece
lies in the space that the earlier cut has kept), so a sweep moves the state by the root of the summed squares. Nothing
is renormalised while a circuit runs, and every gate is unitary, so the distance between the exact state and this one is
at most the sum over the sweeps (triangle inequality): `lost`.

Every gate is a *string operator* `sum_m O_a[m] O_a+1[m] ... O_b[m]` with m = 0, 1: a Pauli rotation is
`cos 1 - i sin P`, and all couplings of one qubit to later ones together are one such operator, m being its bit. So a
gate at most doubles the bonds in its stretch, however far it reaches, and no swaps are needed.

Source: Schollwock, Annals Phys. 326, 96 (2011), sec. 4 and 5, arXiv:1008.3477.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[np.complex128]  # axes: left bond, bit, right bond
Operator = NDArray[np.complex128]  # axes: m, bit out, bit in
Edge = NDArray[np.complex128]  # axes: bond of the bra, bond of the ket

ROUNDING_CUTOFF = 1e-14  # what is below this part of the largest singular value is rounding; it counts as lost too
BOND_LIMIT = 2**14
PLUS = (2**-0.5, 2**-0.5)
ZERO = (1.0, 0.0)


class MatrixProduct:
    """A state as a chain of tensors; methods that end in `_` change it.

    Attributes:
        tensors: One for each site, legs (left bond, bit, right bond).
        centre: The site that carries the norm.
        bond_max: Largest bond dimension that a cut leaves.
        cutoff: Singular values below this part of the largest are cut too.
        lost: Bound on the distance (2-norm) between this state and the one without cuts.
        weight_lost: What the cuts took from the squared norm, 1 at the beginning.
    """

    def __init__(self, tensors: Sequence[Tensor], *, bond_max: int, cutoff: float = ROUNDING_CUTOFF) -> None:
        self.tensors = list(tensors)
        self.centre = 0
        self.bond_max = bond_max
        self.cutoff = cutoff
        self.lost = 0.0
        self.weight_lost = 0.0

    @property
    def bond_dimension(self) -> int:
        """The largest bond dimension."""
        return max(int(tensor.shape[2]) for tensor in self.tensors)

    @property
    def size_bytes(self) -> int:
        """The memory of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors)

    @property
    def trace_distance_max(self) -> float:
        """Bound on the trace distance to the exact state: no event's probability is farther off.

        From `|x - y|^2 <= lost^2` with norms 1 and f follows an overlap `o >= (1 + f^2 - lost^2) / 2f` of x with y / f,
        and the distance of the pure states is `sqrt(1 - o^2)`.
        """
        norm = sqrt(max(0.0, 1 - self.weight_lost))
        if norm == 0:
            return 1.0
        short = (self.lost**2 - (self.weight_lost / (1 + norm)) ** 2) / (2 * norm)  # 1 - o without cancellation
        return 1.0 if short >= 1 else sqrt(max(0.0, short * (2 - short)))

    def apply_site_(self, site: int, operator: NDArray[np.complex128]) -> None:
        """Apply a unitary, complex128[bit out, bit in], to one site."""
        self.tensors[site] = np.einsum("st,ltr->lsr", operator, self.tensors[site])

    def apply_string_(self, operators: Mapping[int, Operator]) -> None:
        """Apply a unitary string operator; sites between its ends without an operator are left alone.

        Args:
            operators: Site to complex128[m, bit out, bit in]; at least two sites.
        """
        first, last = min(operators), max(operators)
        self.move_centre_(first)
        idle = np.stack([np.eye(2)] * 2).astype(np.complex128)
        for site in range(first, last + 1):
            parts = np.einsum("mst,ltr->mlsr", operators.get(site, idle), self.tensors[site])
            if site == first:
                self.tensors[site] = np.concatenate(list(parts), axis=2)
            elif site == last:
                self.tensors[site] = np.concatenate(list(parts), axis=0)
            else:
                self.tensors[site] = _stack_diagonally(parts)
        for site in range(first, last):
            self._orthonormalise_left_(site)
        weight = sum(self._cut_(site) for site in range(last, first, -1))
        self.lost += sqrt(weight)
        self.weight_lost += weight
        self.centre = first

    def move_centre_(self, site: int) -> None:
        """Make `site` the centre, without any loss."""
        while self.centre < site:
            self._orthonormalise_left_(self.centre)
            self.centre += 1
        while self.centre > site:
            left, bit, right = self.tensors[self.centre].shape
            q, r = np.linalg.qr(self.tensors[self.centre].reshape(left, bit * right).T)
            self.tensors[self.centre] = np.ascontiguousarray(q.T).reshape(-1, bit, right)
            self.tensors[self.centre - 1] = self.tensors[self.centre - 1] @ r.T
            self.centre -= 1

    def _orthonormalise_left_(self, site: int) -> None:
        left, bit, right = self.tensors[site].shape
        q, r = np.linalg.qr(self.tensors[site].reshape(left * bit, right))
        self.tensors[site] = q.reshape(left, bit, -1)
        self.tensors[site + 1] = np.tensordot(r, self.tensors[site + 1], axes=1)

    def _cut_(self, site: int) -> float:
        """Split the centre tensor `site` off to the right, keep what `bond_max` and rounding allow, return the rest."""
        left, bit, right = self.tensors[site].shape
        u, values, v = np.linalg.svd(self.tensors[site].reshape(left, bit * right), full_matrices=False)
        kept = min(self.bond_max, max(1, int((values > self.cutoff * values[0]).sum())))
        self.tensors[site] = v[:kept].reshape(kept, bit, right)
        self.tensors[site - 1] = self.tensors[site - 1] @ (u[:, :kept] * values[:kept])
        return float((values[kept:] ** 2).sum())


def make_product(n: int, row: Sequence[float], *, bond_max: int, cutoff: float = ROUNDING_CUTOFF) -> MatrixProduct:
    """Return the state in which every qubit has the amplitudes `row` of bit 0 and bit 1."""
    tensor = np.array(row, np.complex128).reshape(1, 2, 1)
    return MatrixProduct([tensor] * n, bond_max=bond_max, cutoff=cutoff)


def compute_norm(state: MatrixProduct) -> float:
    """Return the 2-norm, all of which the centre carries."""
    return float(np.linalg.norm(state.tensors[state.centre]))


def compute_product_amplitude(state: MatrixProduct, bits: Sequence[int]) -> complex:
    """Return the amplitude of a bit string (by site) in the normalised state."""
    row = np.ones(1, np.complex128)
    for tensor, bit in zip(state.tensors, bits, strict=True):
        row = row @ tensor[:, bit, :]
    return complex(row[0]) / compute_norm(state)


def compute_product_expectations(state: MatrixProduct, strings: Sequence[Mapping[int, str]]) -> list[float]:
    """Return the expectation value of each Pauli string, given by its letters at sites, in the normalised state.

    Left of a string's first site its value is that of the identity, and right of its last site the tensors are
    orthonormal, so only the sites between are passed; strings share what they pass alike.
    """
    state.move_centre_(0)
    norms = [np.ones((1, 1), np.complex128)]
    for tensor in state.tensors:
        norms.append(_pass_site(norms[-1], tensor, None))
    values = [1.0] * len(strings)
    passed: dict[tuple[tuple[int, str], ...], dict[int, Edge]] = {}
    places = sorted((k for k, letters in enumerate(strings) if letters), key=lambda k: sorted(strings[k].items()))
    first = -1
    for k in places:
        letters = sorted(strings[k].items())
        if letters[0][0] != first:
            first = letters[0][0]
            passed = {(): {first: norms[first]}}
        edge = norms[first]
        for count, (site, letter) in enumerate(letters):
            known = passed.setdefault(tuple(letters[:count]), {})
            start = max(s for s in known if s <= site)
            for idle in range(start, site):
                known[idle + 1] = _pass_site(known[idle], state.tensors[idle], None)
            edge = _pass_site(known[site], state.tensors[site], letter)
            passed.setdefault(tuple(letters[: count + 1]), {})[site + 1] = edge
        values[k] = float(np.trace(edge).real / norms[-1][0, 0].real)
    return values


def draw_from_product(state: MatrixProduct, uniforms: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return one shot for each row of uniforms, uint8[shot, site], measured from the first site to the last."""
    state.move_centre_(0)
    rows = np.ones((len(uniforms), 1), np.complex128)
    shots = np.empty(uniforms.shape, np.uint8)
    for site, tensor in enumerate(state.tensors):
        branches = np.tensordot(rows, tensor, axes=1)
        weights = (branches.real**2 + branches.imag**2).sum(axis=2)
        bits = (uniforms[:, site] * (weights[:, 0] + weights[:, 1]) >= weights[:, 0]).astype(np.uint8)
        shots[:, site] = bits
        chosen = np.arange(len(bits)), bits
        rows = branches[chosen] / np.sqrt(weights[chosen])[:, None]
    return shots


PAULI: Mapping[str, NDArray[np.complex128]] = {
    "I": np.eye(2, dtype=np.complex128),
    "X": np.array([[0, 1], [1, 0]], np.complex128),
    "Y": np.array([[0, -1j], [1j, 0]], np.complex128),
    "Z": np.array([[1, 0], [0, -1]], np.complex128),
}


def _pass_site(edge: Edge, tensor: Tensor, letter: str | None) -> Edge:
    """Return the edge one site further to the right, with a Pauli letter on that site or none."""
    turned = tensor if letter is None else np.einsum("st,ltr->lsr", PAULI[letter], tensor)
    half = np.tensordot(edge, turned, axes=1)
    passed: Edge = np.tensordot(tensor.conj(), half, axes=((0, 1), (0, 1)))
    return passed


def _stack_diagonally(parts: NDArray[np.complex128]) -> Tensor:
    """Return one tensor with the parts [m, left, bit, right] as blocks on the diagonal of its bonds."""
    _, left, bit, right = parts.shape
    tensor = np.zeros((2 * left, bit, 2 * right), np.complex128)
    tensor[:left, :, :right], tensor[left:, :, right:] = parts[0], parts[1]
    return tensor
