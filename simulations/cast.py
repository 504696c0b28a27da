"""Who plays in the scenarios: a few nodes on a chain of its own, each with its share of power and peers.

The chain has the real rules and small numbers: a checkpoint every five blocks of 3 s, the target free to move. What is
small is the core problem, which the model lottery does not run.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain.ed25519 import public_of
from chain.params import Params, WorkParams
from chain.secret_uri import derive_seed
from genesis.chain_spec import ChainSpec
from genesis.presets import DEVELOPMENT_NAMES, make_development
from simulations.host import NodePlan

WORK = WorkParams(core_qubits=6, shots=8, epoch_blocks=50, final_depth=1_000)
NAMES = tuple(name.lower() for name in DEVELOPMENT_NAMES)


def make_spec(*, target_initial_divisor: int = 1_000) -> ChainSpec:
    """Return the chain of the scenarios.

    Args:
        target_initial_divisor: So many times harder than the easiest; real tickets need an easy start.
    """
    work = replace(WORK, target_initial_divisor=target_initial_divisor)
    return replace(make_development(), id="simulated", params=Params(work=work))


def make_plans(count: int) -> list[NodePlan]:
    """Return honest nodes with equal power; each dials those before it."""
    names = get_names(count)
    return [
        NodePlan(
            name=name,
            account=public_of(derive_seed(f"//{name.capitalize()}")),
            power=1.0 / count,
            wishes=tuple(names[:index]),
        )
        for index, name in enumerate(names)
    ]


def get_names(count: int) -> list[str]:
    """Return the nodes' names: those of the development accounts, then numbers."""
    return [NAMES[index] if index < len(NAMES) else f"node-{index}" for index in range(count)]
