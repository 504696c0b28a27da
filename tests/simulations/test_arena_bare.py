"""The world with an empty runtime decides as whole nodes do: the blocks of a real history, told to both."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from consensus.digest import read_author, read_work
from node.core.effects import BlockImported, Effect
from simulations.bare_node import GENESIS_HASH, BareBlock, BareChain, BareNode
from simulations.cast import make_plans, make_spec
from simulations.world import World


class Ear:
    """Notes what one node imports, in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[BlockImported] = []

    def on_effects(self, world: World, name: str, effects: Sequence[Effect]) -> None:
        """Note a block."""
        if name == self.name:
            self.heard += [effect for effect in effects if isinstance(effect, BlockImported)]


def test_a_bare_node_takes_a_whole_nodes_decisions() -> None:
    """Each block of a torn network has the target that the bare rules give, and is the best for both or for neither."""
    ear = Ear("alice")
    plans = [replace(plan, stake_planck=0, vote_seed=None) for plan in make_plans(4)]
    spec = make_spec(plans)
    spec = replace(spec, params=replace(spec.params, finality=replace(spec.params.finality, unattended_depth=1_000)))
    world = World(5, spec, plans, observers=(ear,))
    for begin_ms in (10_000, 60_000):
        world.plan(begin_ms, lambda: world.peering.wires.split([["alice"]]))
        world.plan(begin_ms + 35_000, world.peering.wires.heal)
    world.run(130_000)
    node = BareNode(BareChain(spec.params.work))
    genesis = world.computers["alice"].machine.importer.chain.get_hash(0)
    for effect in ear.heard:
        header, work = effect.header, read_work(effect.header)
        block = BareBlock(
            hash=effect.hash,
            parent=GENESIS_HASH if header.parent_hash == genesis else header.parent_hash,
            number=header.number,
            target=work.target,
            timestamp_ms=work.timestamp_ms,
            miner=read_author(header).hex(),
        )
        assert node.receive(block) == effect.is_best
    assert len(ear.heard) > 30
    assert any(not effect.is_best for effect in ear.heard)
    assert any(reorg.name == "alice" for reorg in world.history.reorgs)
    assert node.best.hash == world.computers["alice"].machine.importer.head.hash
