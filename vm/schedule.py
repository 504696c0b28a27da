"""Schedules: in what order a register of live qubits runs a circuit and forgets what it has measured.

A schedule is compiled once per problem, measurement order and depth. Step (l, q) applies what is still to be applied of
layer l's phases that involve q, then mixes q. It needs q and its neighbours to have passed layer l-1 (or, for l = 1, to
be introduced). To measure the next qubit of the order, its step of the last layer is emitted after exactly the steps
that it needs, so a qubit enters as late and leaves as early as possible. As soon as nothing of layer l-1 is outstanding
anywhere, one step applies all of layer l's remaining phases at once ("sweep").

Terms:
    rank: place of a qubit in the measurement order.
    live: introduced and not yet measured.
    position: bit of a live qubit in the amplitude index. Live qubits are sorted by rank, the one measured first is the
        most significant bit; a measured qubit is therefore always on top.

Source: qubit reuse, DeCross et al., Phys. Rev. X 13, 041057 (2023), arXiv:2210.08039.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import ClassVar

import msgspec

from vm.problem import IsingProblem


class InvalidOrder(Exception):
    """A measurement order that is not a permutation of the problem's qubits."""

    rule: ClassVar[str] = "VM-10"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a schedule; positions are those after the introductions.

    Attributes:
        layer: 1..depth.
        qubit: Label of the qubit that is mixed.
        position: Its position.
        live: Number of live qubits while the step runs.
        introduced: Positions of the qubits introduced by this step, ascending.
        fields: (position, qubit) of the field terms applied.
        couplings: (position, position, J, label, label) of the couplings applied, the step's qubit first.
        sweep: Whether all remaining phases of the layer are applied.
        measured: Whether the qubit is then measured (layer = depth).
    """

    layer: int
    qubit: int
    position: int
    live: int
    introduced: tuple[int, ...]
    fields: tuple[tuple[int, int], ...]
    couplings: tuple[tuple[int, int, int, int, int], ...]
    sweep: bool
    measured: bool


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """The steps of a circuit.

    Attributes:
        n: Number of qubits.
        depth: Number of layers.
        order: Labels in the order of measurement.
        steps: In the order of execution.
        suffix: The step that sweeps the last layer: from it on, qubits are only mixed and measured, in pairs.
        live_qubits_max: Largest number of live qubits.
    """

    n: int
    depth: int
    order: tuple[int, ...]
    steps: tuple[Step, ...]
    suffix: int
    live_qubits_max: int


def check_order(order: tuple[int, ...], n: int) -> None:
    """Refuse a measurement order that does not name every qubit once.

    Raises:
        InvalidOrder: not a permutation of 0..n-1.
    """
    # SPEC VM-10: A measurement order MUST name every qubit of the problem exactly once.
    if len(order) != n or sorted(order) != list(range(n)):
        raise InvalidOrder(f"an order for {n} qubits names each of 0..{n - 1} once")


def compile_schedule(problem: IsingProblem, order: tuple[int, ...], depth: int) -> Schedule:
    """Return the schedule of the problem's circuit.

    Args:
        order: Labels in the order of measurement.
        depth: Number of layers p, at least 1.

    Raises:
        InvalidOrder: not a permutation.
    """
    check_order(order, problem.n)
    compiler = _Compiler(problem, order, depth)
    for qubit in order:
        compiler.ensure(depth, qubit)
    return Schedule(
        n=problem.n,
        depth=depth,
        order=order,
        steps=tuple(compiler.steps),
        suffix=next(k for k, step in enumerate(compiler.steps) if step.sweep and step.measured),
        live_qubits_max=max(step.live for step in compiler.steps),
    )


class _Compiler:
    """Emits steps; `passed[q]` is the number of layers that q has passed, -1 before its introduction."""

    def __init__(self, problem: IsingProblem, order: tuple[int, ...], depth: int) -> None:
        self.order = order
        self.depth = depth
        self.rank = [0] * problem.n
        for place, qubit in enumerate(order):
            self.rank[qubit] = place
        self.couplings: list[dict[int, int]] = [{} for _ in range(problem.n)]
        for i, j, weight in problem.couplings:
            self.couplings[i][j] = self.couplings[j][i] = weight
        self.neighbours = [sorted(near, key=self.rank.__getitem__) for near in self.couplings]
        self.passed = [-1] * problem.n
        self.outstanding = [problem.n] * (depth + 1)  # qubits that have not passed layer l
        self.swept = [False] * (depth + 1)
        self.live: list[int] = []  # ranks, ascending
        self.fresh: list[int] = []  # qubits introduced since the last step
        self.steps: list[Step] = []

    def ensure(self, layer: int, qubit: int) -> None:
        """Emit what is missing until `qubit` has passed `layer`."""
        if self.passed[qubit] >= layer:
            return
        if layer == 0:
            insort(self.live, self.rank[qubit])
            self.fresh.append(qubit)
        else:
            for other in (qubit, *self.neighbours[qubit]):
                self.ensure(layer - 1, other)
            self._emit(layer, qubit)
        self.passed[qubit] = layer
        self.outstanding[layer] -= 1

    def _emit(self, layer: int, qubit: int) -> None:
        # SPEC VM-16: A step MUST apply the phases left to its qubit, and all of its layer once no qubit is behind.
        targets = [] if self.swept[layer] else [qubit]
        sweep = not self.swept[layer] and self.outstanding[layer - 1] == 0
        if sweep:
            targets = [self.order[r] for r in self.live if self.passed[self.order[r]] == layer - 1]
            self.swept[layer] = True
        self.steps.append(
            Step(
                layer=layer,
                qubit=qubit,
                position=self._get_position(qubit),
                live=len(self.live),
                introduced=tuple(sorted(self._get_position(q) for q in self.fresh)),
                fields=tuple((self._get_position(q), q) for q in targets),
                couplings=self._collect_couplings(layer, targets),
                sweep=sweep,
                measured=layer == self.depth,
            )
        )
        self.fresh = []
        if layer == self.depth:
            self.live.remove(self.rank[qubit])

    def _collect_couplings(self, layer: int, targets: list[int]) -> tuple[tuple[int, int, int, int, int], ...]:
        """Return the couplings of `targets` to qubits that have not passed `layer`, each once."""
        done: set[int] = set()
        terms = []
        for q in targets:
            for other in self.neighbours[q]:
                if self.passed[other] == layer - 1 and other not in done:
                    places = (self._get_position(q), self._get_position(other))
                    terms.append((*places, self.couplings[q][other], q, other))
            done.add(q)
        return tuple(terms)

    def _get_position(self, qubit: int) -> int:
        # SPEC VM-15: Live qubits MUST be sorted by the order; the first to be measured is the index's highest bit.
        return len(self.live) - 1 - bisect_left(self.live, self.rank[qubit])
