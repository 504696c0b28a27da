"""Graphs drawn from a seed, and lattices, by which gas is fitted and judged."""

from __future__ import annotations

import random
from collections.abc import Iterable

from vm.problem import IsingProblem, make_problem

Pair = tuple[int, int]


class Draw:
    """Graphs from one seed: the same each time, whatever else is drawn."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def make_problem(self, name: str, n: int, pairs: Iterable[Pair], *, weight_max: int = 1) -> IsingProblem:
        """Return a problem of these couplings with weights of 1..weight_max."""
        chance = self._chance(name, n, "weights")
        return make_problem(n, [(i, j, chance.randint(1, weight_max)) for i, j in pairs])

    def draw_regular(self, n: int, degree: int) -> list[Pair]:
        """Return a random regular graph: pairings, the bad pairs drawn again together with random good ones."""
        chance = self._chance("regular", n, degree)
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

    def draw_pairs(self, n: int, share: float) -> list[Pair]:
        """Return a graph with each edge there by chance."""
        chance = self._chance("pairs", n, share)
        return [(i, j) for j in range(n) for i in range(j) if chance.random() < share]

    def draw_small_world(self, n: int) -> list[Pair]:
        """Return a ring with every vertex joined to the next two, a tenth of the ends moved."""
        chance = self._chance("small world", n)
        pairs: set[Pair] = set()
        for vertex in range(n):
            for step in (1, 2):
                other = chance.randrange(n) if chance.random() < 0.1 else (vertex + step) % n
                if other != vertex:
                    pairs.add((min(vertex, other), max(vertex, other)))
        return sorted(pairs)

    def draw_attached(self, n: int, links: int) -> list[Pair]:
        """Return a graph that grows: every vertex joins earlier ones, those with more neighbours rather."""
        chance = self._chance("attached", n, links)
        pairs: set[Pair] = {(0, 1)}
        for vertex in range(2, n):
            ends = sorted(end for pair in pairs for end in pair)
            pairs.update((other, vertex) for other in {chance.choice(ends) for _ in range(links)})
        return sorted(pairs)

    def draw_tree(self, n: int) -> list[Pair]:
        """Return a tree: every vertex joins an earlier one."""
        chance = self._chance("tree", n)
        return [(chance.randrange(vertex), vertex) for vertex in range(1, n)]

    def _chance(self, *words: object) -> random.Random:
        return random.Random(" ".join(map(str, (self._seed, *words))))


def list_lattice(rows: int, columns: int, *, is_torus: bool = False, has_diagonals: bool = False) -> list[Pair]:
    """Return the edges of a lattice, numbered across."""
    steps = [(0, 1), (1, 0), *([(1, 1)] if has_diagonals else [])]
    pairs = set()
    for row in range(rows):
        for column in range(columns):
            for down, right in steps:
                if is_torus or (row + down < rows and column + right < columns):
                    other = (row + down) % rows * columns + (column + right) % columns
                    pairs.add((min(row * columns + column, other), max(row * columns + column, other)))
    return sorted(pairs)


def list_comet(rows: int, columns: int, tail: int) -> list[Pair]:
    """Return the edges of a grid whose first vertex is joined to a tail of vertices that come last."""
    grid, n = list_lattice(rows, columns), rows * columns
    return [*grid, *((0, n + k) for k in range(tail))]


def list_ladder(n: int) -> list[Pair]:
    """Return the edges of two paths of n / 2 vertices side by side."""
    half = n // 2
    rails = [(i, i + 1) for i in range(n - 1) if i + 1 != half]
    return sorted([*rails, *((i, i + half) for i in range(half))])


def list_bipartite(a: int, b: int) -> list[Pair]:
    """Return the edges of the complete bipartite graph, the `a` vertices first."""
    return [(i, a + j) for i in range(a) for j in range(b)]


def list_all(n: int) -> list[Pair]:
    """Return the edges of the complete graph."""
    return [(i, j) for j in range(n) for i in range(j)]
