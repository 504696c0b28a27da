"""Graphs that played no part when gas was fitted to time: other families, sizes in between, other seeds.

Names tell the size. Weights are drawn where a family has them; gas does not depend on weights, but time might.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from vm.problem import IsingProblem, make_problem

Pair = tuple[int, int]

SEED = 9241  # of all that is drawn
ANCHORS = (9, 11, 13, 15, 17, 19)  # dense problems, which the fit had: whether this machine is the fit's


def list_held_out_problems() -> Iterator[tuple[str, IsingProblem]]:
    """Yield name and problem of every graph."""
    for n in (14, 18, 22, 26, 34, 44, 54, 70, 90):
        yield _name("cubic", n, _draw_regular(n, 3))
    for n, degree in ((12, 6), (16, 6), (14, 7), (24, 4), (21, 6)):
        yield _name(f"degree {degree}", n, _draw_regular(n, degree))
    for rows, columns in ((3, 7), (4, 11), (5, 9), (6, 7), (7, 8), (8, 12)):
        yield _name(f"grid {rows}x", rows * columns, _list_lattice(rows, columns))
    for rows, columns in ((3, 8), (4, 5), (4, 9), (5, 5), (5, 8)):
        yield _name(f"torus {rows}x", rows * columns, _list_lattice(rows, columns, is_torus=True))
    for rows, columns in ((3, 9), (4, 7), (5, 6)):
        yield _name(f"triangular {rows}x", rows * columns, _list_lattice(rows, columns, has_diagonals=True))
    for n, share in ((11, 0.3), (13, 0.7), (15, 0.3), (17, 0.2), (17, 0.7), (19, 0.3)):
        yield _name(f"gnp {share}", n, _draw_pairs(n, share), weight_max=5)
    for n in (16, 28, 48, 80):
        yield _name("small world", n, _draw_small_world(n))
        yield _name("attached", n, _draw_attached(n, 2 if n < 40 else 1), weight_max=9)
        yield _name("ladder", n, _list_ladder(n))
    for a, b in ((4, 9), (6, 8), (8, 10)):
        yield _name(f"bipartite {a}x", a + b, [(i, a + j) for i in range(a) for j in range(b)])
    for n in (31, 63):
        yield _name("binary tree", n, [((i - 1) // 2, i) for i in range(1, n)])
    yield _name("hypercube", 16, [(i, i | 1 << bit) for i in range(16) for bit in range(4) if not i >> bit & 1])


def list_anchors() -> Iterator[tuple[str, IsingProblem]]:
    """Yield dense problems."""
    for n in ANCHORS:
        yield _name("dense", n, [(i, j) for j in range(n) for i in range(j)], weight_max=3)


def list_wide_tori() -> Iterator[tuple[str, IsingProblem]]:
    """Yield tori of 6 to 8 across, numbered across: in the order of least width new qubits come far up from 8 on."""
    for rows in (6, 7, 8):
        yield _name(f"long torus {rows}x", 16 * rows, _list_lattice(16, rows, is_torus=True))


def _name(family: str, n: int, pairs: list[Pair], *, weight_max: int = 1) -> tuple[str, IsingProblem]:
    chance = random.Random(f"{SEED} {family} {n} weights")
    return f"{family} {n}", make_problem(n, [(i, j, chance.randint(1, weight_max)) for i, j in pairs])


def _chance(*words: object) -> random.Random:
    return random.Random(" ".join(map(str, (SEED, *words))))


def _draw_regular(n: int, degree: int) -> list[Pair]:
    """Return a random regular graph: pairings, the bad pairs drawn again together with random good ones."""
    chance = _chance("regular", n, degree)
    while True:
        ends = [vertex for vertex in range(n) for _ in range(degree)]
        pairs: set[Pair] = set()
        for _ in range(1000):
            chance.shuffle(ends)
            left = []
            for a, b in zip(ends[::2], ends[1::2], strict=True):
                pair = (min(a, b), max(a, b))
                if a == b or pair in pairs:
                    left += [a, b]
                else:
                    pairs.add(pair)
            if not left:
                return sorted(pairs)
            back = chance.sample(sorted(pairs), min(len(pairs), 3))
            pairs.difference_update(back)
            ends = left + [end for pair in back for end in pair]


def _list_lattice(rows: int, columns: int, *, is_torus: bool = False, has_diagonals: bool = False) -> list[Pair]:
    steps = [(0, 1), (1, 0), *([(1, 1)] if has_diagonals else [])]
    pairs = set()
    for row in range(rows):
        for column in range(columns):
            for down, right in steps:
                if is_torus or (row + down < rows and column + right < columns):
                    other = (row + down) % rows * columns + (column + right) % columns
                    pairs.add((min(row * columns + column, other), max(row * columns + column, other)))
    return sorted(pairs)


def _draw_pairs(n: int, share: float) -> list[Pair]:
    chance = _chance("pairs", n, share)
    return [(i, j) for j in range(n) for i in range(j) if chance.random() < share]


def _draw_small_world(n: int) -> list[Pair]:
    """Return a ring with every vertex joined to the next two, a tenth of the ends moved."""
    chance = _chance("small world", n)
    pairs: set[Pair] = set()
    for vertex in range(n):
        for step in (1, 2):
            other = chance.randrange(n) if chance.random() < 0.1 else (vertex + step) % n
            if other != vertex:
                pairs.add((min(vertex, other), max(vertex, other)))
    return sorted(pairs)


def _draw_attached(n: int, links: int) -> list[Pair]:
    """Return a graph that grows: every vertex joins earlier ones, those with more neighbours rather."""
    chance = _chance("attached", n, links)
    pairs: set[Pair] = {(0, 1)}
    for vertex in range(2, n):
        ends = sorted(end for pair in pairs for end in pair)
        pairs.update((other, vertex) for other in {chance.choice(ends) for _ in range(links)})
    return sorted(pairs)


def _list_ladder(n: int) -> list[Pair]:
    half = n // 2
    rails = [(i, i + 1) for i in range(n - 1) if i + 1 != half]
    return sorted([*rails, *((i, i + half) for i in range(half))])
