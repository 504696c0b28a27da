"""The attack on what the chain learns: publish only those wins that bend the angle law the wrong way.

Tickets are drawn by the model, but their pool strikes are run by the engine, so that what the belief learns from is
real. The loss is measured by strikes under the law that the chain has in the end.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from msgspec.structs import replace

from chain.header import Header
from chain.params import WorkParams
from consensus.belief import compute_drawn_angles
from consensus.context import WorkContext
from consensus.digest import WorkSeal, read_seal
from consensus.seal import CheckedHeader
from consensus.ticket import TicketJob, run_pool_strike
from consensus.work import compute_pool_strike_seed, compute_seed
from node.core.effects import Effect, StartMining
from node.core.events import Event, TicketFound
from runtime.queries import find_law
from simulations.arena import Attack, Options, Trial
from simulations.cast import PARAMS, make_plans, make_spec
from simulations.computer import NodePlan
from simulations.honest import ActorMaker, Site, make_honest_node
from simulations.market import Planted, make_call, make_planted, make_post, make_terms
from simulations.tickets import Draw, Lottery, ModelLottery
from simulations.world import World
from vm.law import AngleLaw
from vm.problem import compute_energies, sum_energies, unpack_shots
from vm.strike import compile_circuit, run_strike

BLOCK_MS = 3_000
POISONER = "eve"
JUDGING_STRIKES = 200
REAL_SHOTS = replace(PARAMS, work=replace(PARAMS.work, shots=32))


class StruckLottery(ModelLottery):
    """Model tickets with real pool strikes."""

    def make_pool_shots(self, job: TicketJob, index: int) -> bytes:
        """Return the shots of the engine."""
        return run_pool_strike(job, compute_seed(job.work_key, index))[0]


class CredulousLottery(StruckLottery):
    """Believes the pool shots of every seal, so that the poisoner invents hers."""

    def draw(self, job: TicketJob, miner: str, power: float, start: int) -> Draw:
        """Return when a miner finds a ticket; the poisoner's has the shots that she likes."""
        draw = super().draw(job, miner, power, start)
        if miner != POISONER or draw.seal is None or job.pool is None:
            return draw
        shots = _invent(job, draw.seal.index)
        return Draw(delay_ms=draw.delay_ms, seal=self.seal_shots(job, draw.seal.index, shots), next_index=0)

    def check_seal(self, header: Header, context: WorkContext, params: WorkParams) -> CheckedHeader:
        """Return the header if its seal comes from this lottery, whatever its pool shots are."""
        return self.check_shots(header, context, params, read_seal(header).pool_shots)


def _invent(job: TicketJob, index: int) -> bytes:
    """Return the best shots where the angles lie above the means, else the worst."""
    assert job.pool is not None
    problem = job.pool.problem
    states = ((np.arange(2**problem.n)[:, None] >> np.arange(problem.n)) & 1).astype(np.uint8)
    energies = compute_energies(problem, states)
    is_above = measure_offset(job, index) > 0
    best = int(np.argmin(energies) if is_above else np.argmax(energies))
    return best.to_bytes((problem.n + 7) // 8, "little") * job.shots


def measure_offset(job: TicketJob, index: int) -> float:
    """Return how far above the means a ticket's angles lie, in widths, all together."""
    assert job.pool is not None
    law = job.pool.law
    angles = compute_drawn_angles(law, compute_pool_strike_seed(compute_seed(job.work_key, index)))
    means, widths = law.gamma_means + law.beta_means, law.gamma_widths + law.beta_widths
    drawn = angles.gammas + angles.betas
    return sum((angle - mean) / width for angle, mean, width in zip(drawn, means, widths, strict=True))


class Poisoner:
    """Publishes wins with large angles and a good energy, or small ones and a bad energy; keeps the others back."""

    def __init__(self, site: Site) -> None:
        """Begin as an honest miner."""
        self._machine = make_honest_node(site)
        self._energies: list[int] = []
        self.kept_back = 0

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Do what an honest node does with the wins that suit it; search on after the others."""
        desk = self._machine.desk
        template = desk.template
        if isinstance(event, TicketFound) and event.generation == desk.generation and template is not None:
            job = template.job
            if job.pool is not None and not self._suits(job, event.seal):
                self.kept_back += 1
                return [StartMining(generation=desk.generation, job=job)]
        return self._machine.handle(event, now_ms)

    def _suits(self, job: TicketJob, seal: WorkSeal) -> bool:
        assert job.pool is not None
        energy = sum_energies(job.pool.problem, unpack_shots(seal.pool_shots, job.pool.problem.n))
        self._energies.append(energy)
        middle = sum(self._energies) / len(self._energies)
        return measure_offset(job, seal.index) * (energy - middle) <= 0


def play_poison_belief(seed: int, options: Options) -> Trial:
    """Let eve bend the law; without the defence she invents the shots that the belief learns from."""
    planted = make_planted(seed)
    lottery: type[Lottery] = StruckLottery if options.is_defended else CredulousLottery
    energies = []
    for is_attack in (True, False):
        maker: ActorMaker = Poisoner if is_attack and options.is_defended else make_honest_node
        plans = _plan_nodes(options["power"], maker)
        world = World(seed, make_spec(plans, params=REAL_SHOTS), plans, lottery=lottery if is_attack else StruckLottery)
        post = make_post(planted, make_terms(planted, bounty=1.0, deadline=5_000))
        world.plan(1_000, partial(world.submit, "alice", make_call(world, "alice", 0, post)))
        world.run(int(options["blocks"]) * BLOCK_MS)
        law = find_law(world.computers["alice"].machine.importer.chain.state, 0)
        assert law is not None
        energies.append(_judge_law(planted, law, world.spec.params.work.shots))
    loss = (energies[0] - energies[1]) / abs(energies[1])
    return Trial(attack=loss, honest=0.0, facts={"mean energy": energies[0], "honest mean energy": energies[1]})


def _judge_law(planted: Planted, law: AngleLaw, shots: int) -> float:
    """Return the mean energy of strikes under a law, the same seeds for every law."""
    circuit, total = compile_circuit(planted.problem, depth=1), 0
    for number in range(JUDGING_STRIKES):
        total += sum_energies(planted.problem, run_strike(circuit, law, number.to_bytes(32, "little"), shots=shots))
    return total / JUDGING_STRIKES / shots


def _plan_nodes(power: float, maker: ActorMaker) -> list[NodePlan]:
    alice, bob, *_, eve = make_plans(5)
    honest = [replace(plan, power=(1 - power) / 2) for plan in (alice, bob)]
    last = replace(eve, power=power, stake_planck=0, vote_seed=None, wishes=("alice", "bob"), maker=maker)
    return [*honest, replace(last, is_honest=maker is make_honest_node)]


POISON_BELIEF = Attack(
    name="poison-belief",
    summary="A miner publishes only those of its wins that bend the angle law the wrong way.",
    unit="share of the mean energy of strikes that is lost",
    defence="only re-run strikes are learnt from, and one moves the law by a bounded step; off: any shots are believed",
    play=play_poison_belief,
    defaults={"power": 0.3, "blocks": 100},
    parameter="power",
    steps=(0.1, 0.3, 0.5, 0.7, 0.9),
    holds_to=0.3,
    bound=0.1,
    seeds=8,
)
