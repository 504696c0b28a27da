"""Attacks on bounties: copy a solution that is shown, improve a shown one by a flip.

The solver is the node's own solution desk: it commits, waits until the commit is final, and reveals. The thief is an
honest core with somebody beside it who reads what comes in and hands in what suits it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial

from msgspec.structs import replace

from chain.extrinsic import decode_extrinsic
from chain.params import SolutionParams
from node.core.effects import Effect, ExtrinsicAccepted
from node.core.events import BestShotFound, Event, ExtrinsicsRemoved
from node.core.machine import Machine
from runtime import settlement
from runtime.pallets import problems as pallet
from runtime.pallets.solutions import reveal
from runtime.problem_records import Problem, ProblemStatus, Solution
from runtime.problem_state import RECORDS
from runtime.runtime import encode_call
from runtime.solution_state import Commit
from runtime.storage import Overlay
from simulations.arena import Attack, Options, Trial
from simulations.cast import PARAMS, make_plans, make_spec
from simulations.computer import NodePlan
from simulations.honest import ActorMaker, Site, make_honest_node
from simulations.market import (
    Planted,
    list_problems,
    make_call,
    make_planted,
    make_post,
    make_seller,
    make_terms,
    switch,
)
from simulations.world import World
from vm.problem import compute_energy, unpack_shots

BLOCK_MS = 3_000
BOUNTY = 100.0  # tokens; far above a block's reward, so that an honest desk hides what it has
REVEAL = encode_call(reveal, 0, bytes(32), 0, b"")[:2]


class SolutionThief:
    """Hands in each solution that it reads in a reveal, in its own next block, and keeps the reveal out of that."""

    def __init__(self, site: Site) -> None:
        """Begin as an honest miner."""
        self._machine = make_honest_node(site)

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Do what an honest node does, and steal."""
        effects = self._machine.handle(event, now_ms)
        kept: list[Effect] = []
        for effect in effects:
            loot = _read_reveal(effect) if isinstance(effect, ExtrinsicAccepted) else None
            if loot is None:
                kept.append(effect)
                continue
            assert isinstance(effect, ExtrinsicAccepted)
            kept += self._machine.handle(ExtrinsicsRemoved(hashes=(effect.hash,)), now_ms)
            kept += self._machine.handle(loot, now_ms)
        return kept


def _read_reveal(effect: ExtrinsicAccepted) -> BestShotFound | None:
    call = decode_extrinsic(effect.raw).call
    if call[:2] != REVEAL:
        return None
    arguments: tuple[int, bytes, int, bytes] = reveal.codec.decode(call[2:])  # type: ignore[assignment]
    problem, _, energy, bits = arguments
    return BestShotFound(problem_id=problem, energy=energy, bits=bits)


class Sniper:
    """Improves by one flip whatever the chain shows of an open problem, and lets its own desk take the bounty."""

    def __init__(self, site: Site, planted: tuple[Planted, ...]) -> None:
        """Begin as a solver.

        Args:
            planted: The problems in the order of their numbers.
        """
        self._machine = make_seller(site)
        self._planted = planted
        self._seen: dict[int, bytes] = {}

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Do what an honest node does, and improve."""
        effects = self._machine.handle(event, now_ms)
        for number, record in _list_records(self._machine):
            best = record.best
            if best is not None and self._seen.get(number) != best.bits:
                self._seen[number] = best.bits
                energy, bits = flip_once(self._planted[number], best.bits)
                if energy < best.energy:
                    effects += self._machine.handle(BestShotFound(problem_id=number, energy=energy, bits=bits), now_ms)
        return effects


def _list_records(machine: Machine) -> list[tuple[int, Problem]]:
    state = Overlay(machine.importer.chain.state)
    return [(number, record) for number, record in RECORDS.iterate(state) if record.status is ProblemStatus.Open]


def flip_once(planted: Planted, bits: bytes) -> tuple[int, bytes]:
    """Return the lowest energy that one flip reaches, and its bits."""
    states = ((bits[0] ^ 1 << spin).to_bytes(1, "little") for spin in range(planted.problem.n))
    return min((_rate(planted, state), state) for state in states)


def _rate(planted: Planted, bits: bytes) -> int:
    return compute_energy(planted.problem, unpack_shots(bits, planted.problem.n)[0])


def rank_by_sight(solution: Solution, record: Problem) -> tuple[int, int]:
    """Rank by when a solution was shown, not by when it was committed to."""
    return max(solution.energy, record.target_energy), solution.height


def wait_for_nobody(record: Problem, waiting: tuple[Commit, ...]) -> bool:
    """Say that no commit holds up a bounty."""
    return False


def _plan_nodes(power: float, thief: ActorMaker, solver: ActorMaker) -> list[NodePlan]:
    """Return two honest validators, dave who finds solutions and mines a little, and eve with this power."""
    alice, bob, charlie, dave, eve = make_plans(5)
    wishes = ("alice", "bob")
    half = (1 - power) / 2
    plans = [replace(plan, power=half) for plan in (alice, bob)]
    poster = replace(charlie, power=0.0, stake_planck=0, vote_seed=None, wishes=wishes)
    solving = replace(dave, power=0.0, stake_planck=0, vote_seed=None, wishes=wishes, maker=solver)
    is_honest = thief is make_honest_node
    last = replace(eve, power=power, stake_planck=0, vote_seed=None, wishes=wishes, maker=thief, is_honest=is_honest)
    return [*plans, poster, solving, last]


def _count_won(world: World, name: str) -> tuple[int, int]:
    """Return the problems that a node won, and all that somebody won."""
    account = world.computers[name].plan.account
    paid = [record for record in list_problems(world, "alice") if record.status is ProblemStatus.Paid]
    return sum(record.best is not None and record.best.solver == account for record in paid), len(paid)


def play_steal_solution(seed: int, options: Options) -> Trial:
    """Let dave solve problems and eve copy his reveals; without the defence whoever shows first wins."""
    shares, paid = [], 0
    rules: AbstractContextManager[None] = nullcontext()
    for maker in (SolutionThief, make_honest_node):
        if not options.is_defended:
            rules = switch(settlement, compute_rank=rank_by_sight, is_blocked=wait_for_nobody)
        with rules, nullcontext() if options.is_defended else switch(pallet, is_blocked=wait_for_nobody):
            world = _play_bounties(seed, int(options["problems"]), _plan_nodes(options["power"], maker, make_seller))
        won, paid = _count_won(world, "eve")
        shares.append(won / max(1, paid))
    return Trial(attack=shares[0], honest=shares[1], facts={"bounties paid": float(paid)})


def _play_bounties(seed: int, count: int, plans: list[NodePlan]) -> World:
    """Post problems one after the other, and let dave have the optimum of each two blocks later."""
    params = replace(PARAMS, solution=SolutionParams(reveal_blocks=20))
    world = World(seed, make_spec(plans, params=params), plans)
    for number in range(count):
        planted = make_planted(seed, number)
        terms = make_terms(planted, bounty=BOUNTY, deadline=5_000)
        at_ms = 1_000 + number * 6 * BLOCK_MS
        world.plan(
            at_ms, partial(world.submit, "alice", make_call(world, "charlie", number, make_post(planted, terms)))
        )
        found = BestShotFound(problem_id=number, energy=planted.energy, bits=planted.bits)
        world.plan(at_ms + 3 * BLOCK_MS, partial(world.computers["dave"].receive, found))
    world.run((count * 6 + 30) * BLOCK_MS)
    return world


def play_snipe(seed: int, options: Options) -> Trial:
    """Let dave have good solutions and eve improve what she sees; undefended, dave shows them before the deadline."""
    count, shares, paid = int(options["problems"]), [], 0
    planted = tuple(make_planted(seed, number) for number in range(count))
    solver = make_seller if options.is_defended else make_honest_node
    for maker in (partial(Sniper, planted=planted), make_honest_node):
        plans = _plan_nodes(0.0, maker, solver)
        plans[:2] = [replace(plan, power=0.3) for plan in plans[:2]]
        plans[3] = replace(plans[3], power=0.4)
        world = _play_shares(seed, planted, plans, bounty=options["bounty"])
        won, paid = _count_won(world, "eve")
        shares.append(won / max(1, paid))
    return Trial(attack=shares[0], honest=shares[1], facts={"bounties paid": float(paid)})


def _play_shares(seed: int, planted: tuple[Planted, ...], plans: list[NodePlan], *, bounty: float) -> World:
    """Post problems that nobody can solve, and let dave have solutions that lack one flip."""
    params = replace(PARAMS, solution=SolutionParams(reveal_blocks=20))
    world = World(seed, make_spec(plans, params=params), plans)
    deadline = 16
    for number, item in enumerate(planted):
        terms = make_terms(item, bounty=bounty, deadline=deadline + 4 * number)
        hard = replace(terms, target_energy=item.energy - 1, best_effort_ppb=1_000_000_000)
        call = make_call(world, "charlie", number, make_post(item, hard))
        world.plan(1_000, partial(world.submit, "alice", call))
        bits = (item.bits[0] ^ 1 << (seed + number) % item.problem.n).to_bytes(1, "little")
        found = BestShotFound(problem_id=number, energy=_rate(item, bits), bits=bits)
        world.plan(3 * BLOCK_MS, partial(world.computers["dave"].receive, found))
    world.run((deadline + 4 * len(planted) + 30) * BLOCK_MS)
    return world


STEAL_SOLUTION = Attack(
    name="steal-solution",
    summary="A miner reads the solutions that others reveal, and puts them into its own block first.",
    unit="share of the bounties",
    defence="the earliest commit wins, and a bounty waits for those that are open; off: the first to show wins",
    play=play_steal_solution,
    defaults={"power": 0.5, "problems": 5},
    parameter="power",
    steps=(0.1, 0.3, 0.5, 0.7, 0.9),
    holds_to=0.7,
    seeds=4,
)
SNIPE = Attack(
    name="snipe",
    summary="Somebody improves a shown solution by one flip and takes the bounty.",
    unit="share of the bounties",
    defence="a solution above the target is committed to, and shown after the deadline; off: it is shown at once",
    play=play_snipe,
    defaults={"bounty": 100.0, "problems": 4},
    parameter="bounty",
    steps=(2.0, 7.0, 9.0, 20.0, 100.0),
    holds_to=9.0,
    is_rising=False,
    seeds=4,
)
