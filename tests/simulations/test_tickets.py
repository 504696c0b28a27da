"""The model lottery has the statistics of the real one, and its seals convince nobody else."""

from __future__ import annotations

import math
from statistics import mean

import pytest
from msgspec.structs import replace

from consensus.errors import TicketAboveTarget, WrongCoreShots
from consensus.ticket import TicketJob
from consensus.work import compute_seed
from node.core.effects import StartMining
from node.core.events import Tick
from node.core.machine import Machine
from simulations.cast import make_plans, make_spec
from simulations.chance import Chance
from simulations.disk import Disk
from simulations.honest import Site, make_honest_node
from simulations.tickets import Lottery, ModelLottery, RealLottery, compute_mean_gas
from simulations.world import BEGIN_MS
from tests.node.world import with_seal

DRAWS = 300


def make_machine(lottery: Lottery) -> Machine:
    """Return a mining node."""
    plans = make_plans(1)
    site = Site(
        name="alice",
        spec=make_spec(plans),
        disk=Disk(),
        check_seal=lottery.check_seal,
        account=plans[0].account,
        vote_seed=None,
        now_ms=BEGIN_MS,
    )
    return make_honest_node(site)


def make_job() -> TicketJob:
    """Return a job that one ticket in thirty wins."""
    effects = make_machine(ModelLottery(Chance(1))).handle(Tick(), BEGIN_MS)
    job = next(effect.job for effect in effects if isinstance(effect, StartMining))
    return replace(job, target=2**256 // 30 // job.weight)


def draw_times(lottery: Lottery) -> list[float]:
    """Return the times to a winning ticket of many jobs, in units of the mean."""
    job, times = make_job(), []
    power = compute_mean_gas(job)
    for number in range(DRAWS):
        job = replace(job, work_key=compute_seed(b"job".ljust(32), number))
        delay_ms, start = 0.0, 0
        while True:
            draw = lottery.draw(job, "alice", power, start)
            delay_ms += draw.delay_ms
            if draw.seal is not None:
                break
            start = draw.next_index
        times.append(delay_ms)
    return times


def compute_distance(one: list[float], two: list[float]) -> float:
    """Return the largest distance between two empirical distributions (Kolmogorov-Smirnov)."""
    points = sorted([*one, *two])
    return max(
        abs(sum(value <= point for value in one) / len(one) - sum(value <= point for value in two) / len(two))
        for point in points
    )


@pytest.mark.parametrize("lottery", [ModelLottery(Chance(2)), RealLottery(Chance(2))])
def test_the_time_to_a_ticket_has_the_mean_that_target_and_power_say(lottery: Lottery) -> None:
    """Within four standard errors."""
    assert abs(mean(draw_times(lottery)) - 1.0) < 4 / math.sqrt(DRAWS)


def test_the_model_has_the_distribution_of_the_real_lottery() -> None:
    """Kolmogorov-Smirnov at 0.1 %; a lottery without luck is found out."""
    real, model = draw_times(RealLottery(Chance(3))), draw_times(ModelLottery(Chance(3)))
    bound = 1.95 * math.sqrt(2 / DRAWS)
    assert compute_distance(real, model) < bound
    assert compute_distance(real, [1.0] * DRAWS) > bound


def test_a_model_seal_is_good_in_its_own_world_only() -> None:
    """Another seed's lottery and the real check refuse it."""
    lottery = ModelLottery(Chance(4))
    machine = make_machine(lottery)
    machine.handle(Tick(), BEGIN_MS)
    template = machine.desk.template
    assert template is not None
    seal = lottery.make_seal(template.job, 5)
    block = machine.desk.take(machine.desk.generation, seal)
    assert block is not None
    params = make_spec(make_plans(1)).params.work
    checked = lottery.check_seal(block.header, template.context, params)
    assert checked.ticket < template.job.limit
    assert template.job.weight == checked.work.weight
    for other in (ModelLottery(Chance(5)), RealLottery(Chance(4))):
        with pytest.raises((WrongCoreShots, TicketAboveTarget)):
            other.check_seal(block.header, template.context, params)
    forged = with_seal(block, replace(seal, index=6))
    with pytest.raises(WrongCoreShots):
        lottery.check_seal(forged.header, template.context, params)
