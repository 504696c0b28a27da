"""Circuits to which the prices of gas are fitted (`matchstrike bench gas --fit`).

Dense and sparse ones, small ones and those that leave the caches, in annealed orders and in those of the labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from matchstrike.commands.drawn_graphs import (
    Draw,
    Pair,
    list_all,
    list_bipartite,
    list_comet,
    list_lattice,
)
from vm.problem import IsingProblem

FIT_SEED = 77

Fitted = tuple[str, IsingProblem, tuple[int, ...]]


def list_fitted_problems() -> Iterator[Fitted]:
    """Yield name, problem and depths of every graph that is struck in an annealed order."""
    draw = Draw(FIT_SEED)

    def name(family: str, n: int, pairs: Iterable[Pair], depths: tuple[int, ...], weight_max: int = 1) -> Fitted:
        return f"{family} {n}", draw.make_problem(family, n, pairs, weight_max=weight_max), depths

    for n in range(8, 23):
        yield name("dense", n, list_all(n), (1, 2, 3, 5, 8), 3)
    for n in (12, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 50, 60, 80, 100):
        yield name("cubic", n, draw.draw_regular(n, 3), (1, 2, 3, 4, 5, 8))
    for n, degree in (
        (12, 4),
        (16, 4),
        (19, 4),
        (20, 4),
        (26, 4),
        (30, 4),
        (40, 4),
        (16, 5),
        (18, 5),
        (20, 5),
        (22, 5),
    ):
        yield name(f"degree {degree}", n, draw.draw_regular(n, degree), (1, 2, 3, 5))
    for n, degree in ((26, 5), (14, 6), (20, 6), (22, 6), (24, 6), (20, 7), (22, 7), (18, 8)):
        yield name(f"degree {degree}", n, draw.draw_regular(n, degree), (1, 2, 3, 5))
    for rows, columns in ((3, 5), (4, 4), (4, 5), (4, 6), (5, 5), (6, 6), (3, 8), (4, 8), (4, 20), (8, 8), (9, 9)):
        yield name(f"grid {rows}x", rows * columns, list_lattice(rows, columns), (1, 2, 3, 4, 5, 8))
    for rows, columns in ((10, 10), (3, 30), (12, 12)):
        yield name(f"grid {rows}x", rows * columns, list_lattice(rows, columns), (1, 2, 3, 5))
    for rows, columns in ((3, 4), (3, 6), (3, 7), (4, 6), (4, 8), (5, 6), (6, 6), (6, 7), (7, 7)):
        yield name(f"torus {rows}x", rows * columns, list_lattice(rows, columns, is_torus=True), (1, 2, 3, 4, 5))
    for rows, columns in ((3, 6), (3, 7), (4, 5), (4, 6), (4, 9), (5, 5), (5, 7)):
        pairs = list_lattice(rows, columns, has_diagonals=True)
        yield name(f"triangular {rows}x", rows * columns, pairs, (1, 2, 3, 4, 5))
    for n, share in ((9, 0.5), (10, 0.3), (12, 0.5), (14, 0.4), (14, 0.5), (16, 0.25), (16, 0.5), (18, 0.25)):
        yield name(f"gnp {share}", n, draw.draw_pairs(n, share), (1, 2, 3, 5), 7)
    for n, share in ((18, 0.5), (18, 0.6), (19, 0.4), (19, 0.5), (20, 0.2), (20, 0.5), (21, 0.3), (21, 0.6), (22, 0.4)):
        yield name(f"gnp {share}", n, draw.draw_pairs(n, share), (1, 2, 3, 5), 7)
    for n in (15, 18, 24, 30, 40, 60, 120):
        yield name("tree", n, draw.draw_tree(n), (1, 2, 3, 4, 5))
    for n in (8, 12, 20, 40, 100, 200):
        yield name("ring", n, [(i, (i + 1) % n) for i in range(n)], (1, 2, 3, 5))
    for n in (10, 30, 100):
        yield name("star", n, [(0, i) for i in range(1, n)], (1, 2))
    for a, b in ((3, 12), (5, 5), (5, 16), (6, 12), (7, 9), (7, 14), (8, 12), (9, 9), (9, 10), (10, 10), (10, 11)):
        yield name(f"bipartite {a}+", a + b, list_bipartite(a, b), (1, 2, 3, 5))


def list_fitted_by_label() -> Iterator[Fitted]:
    """Yield name, problem and depths of every graph that is struck in the order of its labels."""
    draw = Draw(FIT_SEED)

    def name(family: str, n: int, pairs: Iterable[Pair], depths: tuple[int, ...] = (1,)) -> Fitted:
        return f"{family} {n} by label", draw.make_problem(family, n, pairs), depths

    for n in (24, 40):
        yield name("cubic", n, draw.draw_regular(n, 3), (1, 2))
    for rows, columns in ((5, 6), (7, 9)):
        yield name(f"grid {rows}x", rows * columns, list_lattice(rows, columns), (1, 2))
    for columns in (5, 6, 7, 8, 9):
        yield name(f"long torus {columns}x", 16 * columns, list_lattice(16, columns, is_torus=True))
    for a, b in ((24, 8), (24, 10), (24, 12), (24, 13), (24, 14), (24, 15), (40, 16), (12, 17), (24, 18), (24, 20)):
        yield name(f"bipartite {a}+", a + b, list_bipartite(a, b))
    for rows, columns, tail in (
        (6, 6, 4),
        (6, 8, 6),
        (7, 8, 7),
        (8, 8, 6),
        (8, 8, 8),
        (8, 8, 10),
        (7, 7, 12),
        (9, 9, 10),
    ):
        yield name(f"comet {rows}x{columns}+", rows * columns + tail, list_comet(rows, columns, tail))
