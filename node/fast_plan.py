"""Where belief in a chain begins: what its spec says of the validators in block 0."""

from __future__ import annotations

from chain.state_overlay import StateOverlay
from consensus.light import make_genesis_belief
from genesis.block import make_genesis_block
from genesis.chain_spec import ChainSpec
from node.core.fast_proof import FastPlan
from runtime.genesis_state import EmptyView
from runtime.queries import get_finality, get_validator_sets


def make_fast_plan(spec: ChainSpec, checkpoint: bytes | None) -> FastPlan:
    """Return where belief begins on a chain."""
    header, state = make_genesis_block(spec)
    view = StateOverlay(EmptyView(), state)
    anchor = make_genesis_belief(header.hash, get_finality(view), get_validator_sets(view))
    return FastPlan(genesis=header.hash, params=spec.params, anchor=anchor, checkpoint=checkpoint)
