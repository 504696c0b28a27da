"""Graphs that played no part when the prices of gas were fitted: other families, sizes in between, other seeds.

Names tell the size. Weights are drawn where a family has them; gas does not depend on weights, but time might.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from matchstrike.commands.drawn_graphs import (
    Draw,
    Pair,
    list_all,
    list_bipartite,
    list_ladder,
    list_lattice,
)
from vm.problem import IsingProblem, make_problem

HELD_OUT_SEED = 9241
STRONG, HEAVY = 300, 4095  # of a field on every spin; of one coupling
ANCHORS = (9, 11, 13, 15, 17, 19)  # dense problems, as the fit had them: whether this machine is the fit's


def list_held_out_problems(seed: int = HELD_OUT_SEED) -> Iterator[tuple[str, IsingProblem]]:
    """Yield name and problem of every graph."""
    draw = Draw(seed)

    def name(family: str, n: int, pairs: Iterable[Pair], weight_max: int = 1) -> tuple[str, IsingProblem]:
        return f"{family} {n}", draw.make_problem(family, n, pairs, weight_max=weight_max)

    for n in (14, 18, 22, 26, 34, 44, 54, 70, 90):
        yield name("cubic", n, draw.draw_regular(n, 3))
    for n, degree in ((12, 6), (16, 6), (14, 7), (24, 4), (21, 6)):
        yield name(f"degree {degree}", n, draw.draw_regular(n, degree))
    for rows, columns in ((3, 7), (4, 11), (5, 9), (6, 7), (7, 8), (8, 12)):
        yield name(f"grid {rows}x", rows * columns, list_lattice(rows, columns))
    for rows, columns in ((3, 8), (4, 5), (4, 9), (5, 5), (5, 8)):
        yield name(f"torus {rows}x", rows * columns, list_lattice(rows, columns, is_torus=True))
    for rows, columns in ((3, 9), (4, 7), (5, 6)):
        yield name(f"triangular {rows}x", rows * columns, list_lattice(rows, columns, has_diagonals=True))
    for n, share in ((11, 0.3), (13, 0.7), (15, 0.3), (17, 0.2), (17, 0.7), (19, 0.3)):
        yield name(f"gnp {share}", n, draw.draw_pairs(n, share), weight_max=5)
    for n in (16, 28, 48, 80):
        yield name("small world", n, draw.draw_small_world(n))
        yield name("attached", n, draw.draw_attached(n, 2 if n < 40 else 1), weight_max=9)
        yield name("ladder", n, list_ladder(n))
    for a, b in ((4, 9), (6, 8), (8, 10)):
        yield name(f"bipartite {a}x", a + b, list_bipartite(a, b))
    for n in (31, 63):
        yield name("binary tree", n, [((i - 1) // 2, i) for i in range(1, n)])
    yield name("hypercube", 16, [(i, i | 1 << bit) for i in range(16) for bit in range(4) if not i >> bit & 1])


def list_anchors() -> Iterator[tuple[str, IsingProblem]]:
    """Yield dense problems."""
    draw = Draw(HELD_OUT_SEED)
    for n in ANCHORS:
        yield f"dense {n}", draw.make_problem("dense", n, list_all(n), weight_max=3)


def list_skewed_problems() -> Iterator[tuple[str, IsingProblem]]:
    """Yield graphs whose coefficients, of which gas knows nothing, make shots agree, or part, more than it expects.

    Strong fields put all spins one way; beside one heavy coupling the others hardly turn anything.
    """
    draw = Draw(HELD_OUT_SEED)
    graphs = (
        ("cubic", 30, draw.draw_regular(30, 3)),
        ("degree 4", 26, draw.draw_regular(26, 4)),
        ("degree 7", 20, draw.draw_regular(20, 7)),
        ("grid 3x", 24, list_lattice(3, 8)),
        ("ring", 40, [(i, (i + 1) % 40) for i in range(40)]),
    )
    for family, n, pairs in graphs:
        couplings = [(i, j, 1) for i, j in pairs]
        heavy = [(i, j, HEAVY if k == 0 else 1) for k, (i, j) in enumerate(pairs)]
        yield f"{family} {n}, fields", make_problem(n, couplings, fields=[STRONG] * n)
        yield f"{family} {n}, one heavy", make_problem(n, heavy)


def list_wide_tori() -> Iterator[tuple[str, IsingProblem]]:
    """Yield tori of 6 to 8 across, numbered across: in the order of least width new qubits come far up from 8 on."""
    draw = Draw(HELD_OUT_SEED)
    for rows in (6, 7, 8):
        pairs = list_lattice(16, rows, is_torus=True)
        yield f"long torus {rows}x {16 * rows}", draw.make_problem("long torus", 16 * rows, pairs)
