"""Who plays in the scenarios: a few nodes on a chain of its own, each with its share of power and stake, and peers.

The chain has the real rules and small numbers: a checkpoint every five blocks of 3 s, the target free to move. What is
small is the core problem, which the model lottery does not run.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from chain.ed25519 import public_of
from chain.params import UNIT_PLANCK, FinalityParams, Params, WorkParams
from chain.secret_uri import derive_seed
from genesis.chain_spec import (
    BalancesPatch,
    ChainSpec,
    Genesis,
    GenesisPatch,
    RuntimeGenesis,
    StakingPatch,
    make_endowment,
    make_validator,
)
from genesis.presets import DEVELOPMENT_NAMES, make_development
from simulations.computer import NodePlan

WORK = WorkParams(core_qubits=6, shots=8, epoch_blocks=50)
FINALITY = FinalityParams(vote_depth=1, unattended_depth=1_000)  # as on the `local` chain
PARAMS = Params(work=WORK, finality=FINALITY)
NAMES = tuple(name.lower() for name in DEVELOPMENT_NAMES)
ENDOWMENT_PLANCK = 1_000_000 * UNIT_PLANCK
STAKE_PLANCK = 10_000 * UNIT_PLANCK


def make_spec(
    plans: Sequence[NodePlan], *, target_initial_divisor: int = 1_000, params: Params | None = None
) -> ChainSpec:
    """Return the chain on which these nodes play.

    Args:
        target_initial_divisor: So many times harder than the easiest; real tickets need an easy start.
    """
    params = params or PARAMS
    params = replace(params, work=replace(params.work, target_initial_divisor=target_initial_divisor))
    accounts = [plan.account for plan in plans if plan.account is not None]
    balances = BalancesPatch(balances=tuple(make_endowment(key, ENDOWMENT_PLANCK, params) for key in accounts))
    bonds = tuple(
        make_validator(plan.account, public_of(make_vote_seed(plan.name)), plan.stake_planck, params)
        for plan in plans
        if plan.account is not None and plan.stake_planck
    )
    patch = GenesisPatch(balances=balances, staking=StakingPatch(validators=bonds))
    genesis = Genesis(runtime_genesis=RuntimeGenesis(patch=patch))
    return replace(make_development(), id="simulated", params=params, genesis=genesis)


def make_plans(count: int) -> list[NodePlan]:
    """Return honest nodes with equal power and stake; each dials up to three of those before it, near and far."""
    names = get_names(count)
    return [
        NodePlan(
            name=name,
            account=public_of(derive_seed(f"//{name.capitalize()}")),
            power=1.0 / count,
            stake_planck=STAKE_PLANCK,
            vote_seed=make_vote_seed(name),
            wishes=tuple(names[other] for other in sorted({index - 1, index // 2, index // 3} - {index, -1})),
        )
        for index, name in enumerate(names)
    ]


def silence(plans: Sequence[NodePlan], count: int) -> list[NodePlan]:
    """Return the same nodes, of which the last `count` never vote."""
    return [*plans[: len(plans) - count], *(replace(plan, vote_seed=None) for plan in plans[len(plans) - count :])]


def make_vote_seed(name: str) -> bytes:
    """Return the seed of a node's vote key."""
    return derive_seed(f"//{name.capitalize()}//vote")


def get_names(count: int) -> list[str]:
    """Return the nodes' names: those of the development accounts, then numbers."""
    return [NAMES[index] if index < len(NAMES) else f"node-{index}" for index in range(count)]
