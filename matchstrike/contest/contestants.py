"""Who competes: chance, classical methods with tuned settings, and match-strike with each controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from matchstrike.contest.instances import Instance
from matchstrike.contest.ocean import is_installed, make_ocean_tabu
from matchstrike.contest.relaxation import make_rounding
from matchstrike.contest.rivals import make_uniform
from matchstrike.contest.strikes import (
    learn_angles,
    make_fixed,
    make_learning,
    make_random,
    make_recursion,
    make_refined,
    make_transferred,
)
from matchstrike.contest.trace import Kind, Method
from matchstrike.contest.tuning import Goal, list_grids, tune
from vm.engines.engine import Engine
from vm.refinement import refine_one_flip, refine_tabu

TRANSFER_EVALUATIONS = 1024  # of each tuning problem


class Contestant(msgspec.Struct, frozen=True, kw_only=True):
    """A method with one setting for each goal, or the same for all.

    Attributes:
        evaluations_max: Where its runs end without a hit.
        tuned: Its setting for each goal; goals that are missing get `method`.
    """

    name: str
    kind: Kind
    method: Method
    evaluations_max: int
    tuned: Mapping[Goal, Method] = {}


class Lengths(msgspec.Struct, frozen=True, kw_only=True):
    """Evaluations after which a run without a hit ends."""

    strikes: int
    classical: int


def list_methods(contestant: Contestant) -> list[Method]:
    """Return its settings, each once."""
    if not contestant.tuned:
        return [contestant.method]
    return list({method.setting: method for method in contestant.tuned.values()}.values())


def make_rivals(
    training: Sequence[Instance], goals: Sequence[Goal], *, lengths: Lengths, seed: int
) -> list[Contestant]:
    """Return uniform samples and the classical methods, tuned on the training instances."""
    uniform = _make_plain(make_uniform(), lengths.classical)
    rivals = [uniform]
    for name, grid in list_grids().items():
        tuned = tune(grid, training, goals, evaluations_max=lengths.classical, seed=seed)
        rivals.append(
            Contestant(name=name, kind="classical", method=grid[0], evaluations_max=lengths.classical, tuned=tuned)
        )
    others = [make_rounding()] + ([make_ocean_tabu()] if is_installed() else [])
    rivals += [_make_plain(method, lengths.classical) for method in others]
    return rivals


def make_strikers(
    engine: Engine, training: Sequence[Instance], depths: Sequence[int], *, lengths: Lengths, seed: int
) -> list[Contestant]:
    """Return match-strike with each controller at each depth; transfer learns on the training instances."""
    problems = [instance.problem for instance in training]
    methods = []
    for depth in depths:
        learnt = learn_angles(engine, problems, depth, evaluations=TRANSFER_EVALUATIONS, seed=seed)
        methods += [
            make_random(engine, depth),
            make_fixed(engine, depth),
            make_learning(engine, depth),
            make_learning(engine, depth, acquisition="improvement"),
            make_transferred(engine, learnt),
            make_recursion(engine, depth),
        ]
        if depth == 2:
            methods += [
                make_refined(engine, depth, refine_one_flip, "one-flip"),
                make_refined(engine, depth, refine_tabu, "tabu"),
            ]
    return [_make_plain(method, lengths.strikes) for method in methods]


def _make_plain(method: Method, evaluations_max: int) -> Contestant:
    return Contestant(name=method.name, kind=method.kind, method=method, evaluations_max=evaluations_max)
