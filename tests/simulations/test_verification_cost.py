"""The model of what verification costs, from gas alone, at the numbers of the presets."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.params import BatchParams, BlockParams
from genesis.presets import make_local, make_testnet
from runtime.batch_weights import compute_leaves_weight
from simulations.verification_cost import (
    REFERENCE,
    Circuits,
    Crowd,
    compute_answers_max,
    compute_verification,
    compute_worst_share,
    scale_costs,
)

LOCAL = make_local().params
OWN = Circuits(core_gas=1_131_792, pool_gas=1_599_904)  # examples/cubic16.txt at depth 1
LARGER = {
    "sk16": Circuits(core_gas=1_131_792, pool_gas=2_925_176),
    "sk20": Circuits(core_gas=1_131_792, pool_gas=36_009_336),
    "cubic40": Circuits(core_gas=1_131_792, pool_gas=12_529_064),
    "cubic60": Circuits(core_gas=1_131_792, pool_gas=26_124_776),
}
SLOW = scale_costs(REFERENCE, 1.5)  # a core that others use as well
CROWDS = (Crowd(miners=4, cores=2), *(Crowd(miners=count, cores=count) for count in (1, 2, 4, 16, 64)))


@pytest.mark.parametrize("crowd", CROWDS)
def test_verifying_the_devnets_own_problem_costs_at_most_2_percent(crowd: Crowd) -> None:
    assert compute_verification(OWN, crowd, LOCAL, SLOW).share < 0.006


@pytest.mark.parametrize("crowd", CROWDS)
@pytest.mark.parametrize("name", sorted(LARGER))
def test_verifying_larger_problems_costs_at_most_2_percent(name: str, crowd: Crowd) -> None:
    assert compute_verification(LARGER[name], crowd, LOCAL, SLOW).share <= 0.02


@pytest.mark.parametrize("circuits", [OWN, *LARGER.values()])
def test_audits_that_fill_their_room_cost_at_most_2_percent_of_the_strikes_of_two_cores(circuits: Circuits) -> None:
    """On a testnet, with five times as long blocks, of those of one slow core."""
    assert compute_worst_share(circuits, Crowd(miners=2, cores=2), LOCAL, SLOW) <= 0.02
    core = replace(circuits, core_gas=9_645_688)
    assert compute_worst_share(core, Crowd(miners=1, cores=1), make_testnet().params, SLOW) <= 0.02


def test_the_numbers_before_did_not_hold() -> None:
    """Why the presets have a smaller room for audits and less gas for each than the defaults."""
    before = replace(LOCAL, block=BlockParams(), batch=BatchParams())
    assert compute_verification(LARGER["sk20"], Crowd(miners=1, cores=1), before, SLOW).share > 0.02
    assert compute_worst_share(OWN, Crowd(miners=2, cores=2), before, SLOW) > 0.02


def test_only_so_many_answers_are_counted_as_a_block_has_room_for() -> None:
    room = LOCAL.block.weight_max * LOCAL.block.audit_share_ppb // 10**9
    most = compute_answers_max(OWN.pool_gas, LOCAL)
    weight = compute_leaves_weight(OWN.pool_gas, 32)
    assert most * weight <= room < (most + 1) * (weight + 75_000_000)
    assert compute_verification(OWN, Crowd(miners=1000, cores=1000), LOCAL).answers == most


def test_miners_whose_strikes_are_too_few_for_a_batch_sell_none() -> None:
    slow = replace(OWN, pool_gas=2_000_000_000)
    assert compute_verification(slow, Crowd(miners=1, cores=1), LOCAL).answers == 0
