"""Match-strike: fire a strike, measure its shots, let the controller learn, until target, budget or deadline.

Everything that costs is counted. An *evaluation* is one energy of one configuration or one energy difference of one
flip that is looked at: each shot is one (also one seen before), each difference in a refinement is one. What a strike
itself costs is the gas that it used. The loop knows no clock: a deadline needs the caller's.

Terms:
    hit: the first configuration at or below the target, after so many evaluations.
    improvement: a configuration better than all before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.aim import Aim, lift_shots
from vm.annealed_circuit import make_annealed_circuit
from vm.engines.angled_circuit import set_angles
from vm.engines.engine import Engine
from vm.problem import IsingProblem, Shots, compute_energies
from vm.refinement import Refinement, refine_none
from vm.strike import SHOTS_DEFAULT, Circuit, get_gas_limit, get_gas_used

Ending = Literal["target", "budget", "deadline"]
Compiler = Callable[[IsingProblem, int], Circuit]  # of a problem and a depth


class Controller(Protocol):
    """What chooses angles. Controllers are values: learning returns the next one."""

    def aim(self, chance: np.random.Generator) -> Aim:
        """Return the next strike."""

    def learn(self, aim: Aim, shots: Shots, energies: NDArray[np.int64]) -> Controller:
        """Return the controller after a strike's shots and energies, int64[shot], both of the original problem."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may spend; at least one of the two.

    Attributes:
        evaluations: Energies and energy differences.
        gas: What strikes use; none begins whose gas limit exceeds what is left.
    """

    evaluations: int | None = None
    gas: int | None = None


class Improvement(msgspec.Struct, frozen=True, kw_only=True):
    """A best energy and what had been spent when it was found; `seconds` by the caller's clock."""

    energy: int
    evaluations: int
    gas: int
    seconds: float


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The run after a strike.

    Attributes:
        strikes, evaluations, gas, seconds: Spent so far.
        best_energy: Of all configurations so far.
        mean_energy: Of the last strike's shots, before refinement.
        point: The last strike's angles relative to the published ones.
        gammas, betas: The last strike's angles, in units of 2^-32 turn, one of each per layer.
    """

    strikes: int
    evaluations: int
    gas: int
    seconds: float
    best_energy: int
    mean_energy: float
    point: tuple[float, ...]
    gammas: tuple[int, ...]
    betas: tuple[int, ...]


class MatchStrikeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a run found.

    Attributes:
        best_bits: The best configuration, n bytes 0 or 1.
        ended_by: target, budget or deadline.
        improvements: Each better configuration, the last is the best.
        records: One for each strike.
        controller: As it has become; a start for the next run.
    """

    best_energy: int
    best_bits: bytes
    strikes: int
    evaluations: int
    gas: int
    ended_by: Ending
    improvements: tuple[Improvement, ...]
    records: tuple[Progress, ...]
    controller: Controller


class NothingToSpend(Exception):
    """A run without any limit, or with one that allows no strike."""


def match_strike(
    problem: IsingProblem,
    *,
    engine: Engine,
    controller: Controller,
    budget: Budget,
    chance: np.random.Generator,
    target: int | None = None,
    shots: int = SHOTS_DEFAULT,
    refinement: Refinement = refine_none,
    compiler: Compiler = make_annealed_circuit,
    clock: Callable[[], float] = lambda: 0.0,
    deadline: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> MatchStrikeResult:
    """Return the best configuration found within the budget; the same for the same chance, without a deadline.

    Args:
        engine: Runs the strikes.
        controller: Chooses the angles and learns.
        target: Energy at which to stop.
        shots: Of one strike; the last strike has fewer if the evaluations run out.
        refinement: Improves each shot and says what that took; its work is counted like the shots'.
        compiler: Gives the circuit of a problem that a controller aims at.
        clock: Seconds; only read, for the deadline and the records.
        deadline: By that clock. No strike begins after it; the one that runs is finished.

    Raises:
        NothingToSpend: neither a budget nor a deadline, or a budget below the first strike.
    """
    if budget.evaluations is None and budget.gas is None and deadline is None:
        raise NothingToSpend("a run needs a budget or a deadline")
    run = _Run(problem, clock=clock, target=target)
    records: list[Progress] = []
    ending: Ending | None = None
    while ending is None:
        aim = controller.aim(chance)
        count = shots if budget.evaluations is None else min(shots, budget.evaluations - run.evaluations)
        circuit = compiler(aim.problem, len(aim.gammas))
        limit = get_gas_limit(circuit, count) if count > 0 else 0
        if count <= 0 or (budget.gas is not None and run.gas + limit > budget.gas):
            ending = "budget"
        elif deadline is not None and clock() >= deadline:
            ending = "deadline"
        else:
            angled = set_angles(circuit, aim.gammas, aim.betas)
            sampled = engine.sample(angled, shots=count, seed=chance.bytes(32))
            drawn = lift_shots(aim, sampled)
            energies = run.measure(drawn, get_gas_used(circuit, sampled), refinement, budget.evaluations)
            controller = controller.learn(aim, drawn, energies)
            records.append(run.report(float(np.mean(energies)), aim))
            if on_progress is not None:
                on_progress(records[-1])
            ending = "target" if run.is_at_target() else None
    if not records:
        raise NothingToSpend("the budget or the deadline does not allow one strike")
    return run.conclude(ending, tuple(records), controller)


class _Run:
    """The books of one run."""

    def __init__(self, problem: IsingProblem, *, clock: Callable[[], float], target: int | None) -> None:
        self.problem, self.clock, self.target = problem, clock, target
        self.started = clock()
        self.evaluations = self.gas = self.strikes = 0
        self.best_bits = b""
        self.improvements: list[Improvement] = []

    def measure(self, shots: Shots, gas: int, refinement: Refinement, evaluations_max: int | None) -> NDArray[np.int64]:
        """Book the shots one by one, refined; return their energies before refinement."""
        self.strikes += 1
        self.gas += gas
        energies = compute_energies(self.problem, shots)
        for shot, energy in zip(shots, energies, strict=True):
            if self.is_at_target() or (evaluations_max is not None and self.evaluations >= evaluations_max):
                break
            self.evaluations += 1
            self._book(int(energy), shot.tobytes())
            left = None if evaluations_max is None else evaluations_max - self.evaluations
            refined = refinement(self.problem, shot, int(energy), left)
            self.evaluations += refined.evaluations
            self._book(refined.energy, refined.bits)
        return energies

    def is_at_target(self) -> bool:
        return self.target is not None and bool(self.improvements) and self.improvements[-1].energy <= self.target

    def report(self, mean_energy: float, aim: Aim) -> Progress:
        return Progress(
            strikes=self.strikes,
            evaluations=self.evaluations,
            gas=self.gas,
            seconds=self.clock() - self.started,
            best_energy=self.improvements[-1].energy,
            mean_energy=mean_energy,
            point=aim.point,
            gammas=aim.gammas,
            betas=aim.betas,
        )

    def conclude(self, ending: Ending, records: tuple[Progress, ...], controller: Controller) -> MatchStrikeResult:
        return MatchStrikeResult(
            best_energy=self.improvements[-1].energy,
            best_bits=self.best_bits,
            strikes=self.strikes,
            evaluations=self.evaluations,
            gas=self.gas,
            ended_by=ending,
            improvements=tuple(self.improvements),
            records=records,
            controller=controller,
        )

    def _book(self, energy: int, bits: bytes) -> None:
        if not self.improvements or energy < self.improvements[-1].energy:
            seconds = self.clock() - self.started
            self.improvements.append(
                Improvement(energy=energy, evaluations=self.evaluations, gas=self.gas, seconds=seconds)
            )
            self.best_bits = bits
