"""Polishing a shot: a local minimum, never worse than the start."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from node.shot_polish import polish_shot
from vm.problem import compute_energy, make_problem, pack_shots, unpack_shots


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_single_flip_improves_what_comes_back(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 9))
    weights = st.integers(-3, 3)
    fields = tuple(data.draw(weights) for _ in range(n))
    couplings = tuple((i, j, w) for i in range(n) for j in range(i + 1, n) if (w := data.draw(weights)))
    problem = make_problem(n, couplings=couplings, fields=fields, offset=2)
    start = np.array([[data.draw(st.integers(0, 1)) for _ in range(n)]], dtype=np.uint8)
    polished = polish_shot(problem, pack_shots(start))
    shot = unpack_shots(polished.bits, n)[0]
    assert polished.energy == compute_energy(problem, shot) <= compute_energy(problem, start[0])
    for spin in range(n):
        flipped = shot.copy()
        flipped[spin] ^= 1
        assert compute_energy(problem, flipped) >= polished.energy
