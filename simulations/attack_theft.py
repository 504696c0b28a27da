"""Proof theft: take the winning ticket out of another miner's header and put it under one's own.

The thief hears every header before the others do, and mines besides. A ticket follows from the work key, which names
the author, so the stolen one proves nothing; without that binding it would win the race against its finder.
"""

from __future__ import annotations

from hashlib import blake2b

from chain.header import decode_header
from chain.scale import CodecError
from consensus.digest import WorkSeal, read_seal
from consensus.errors import InvalidBlock
from consensus.ticket import TicketJob
from network.port import GossipReceived
from node.core.effects import Effect
from node.core.events import Event, TicketFound
from simulations.arena import Attack, Options, Trial
from simulations.attack_mining import BLOCK_MS, count_share, make_arena_plans, slow_down
from simulations.cast import make_spec
from simulations.honest import Site, make_honest_node
from simulations.tickets import Lottery, ModelLottery
from simulations.world import World


class UnboundLottery(ModelLottery):
    """Seals that fit every header: what tickets would be if the work key did not name the author."""

    def seal_shots(self, job: TicketJob, index: int, pool_shots: bytes) -> WorkSeal:
        """Return the seal of an index, whoever asks."""
        core_hash = blake2b(index.to_bytes(8, "little"), digest_size=32).digest()
        return WorkSeal(index=index, core_hash=core_hash, pool_shots=b"")


class ProofThief:
    """Mines like everybody, and claims each ticket that it hears of for its own template."""

    def __init__(self, site: Site) -> None:
        """Begin as an honest miner."""
        self._machine = make_honest_node(site)
        self.tried = 0

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Steal first, then do what an honest node does."""
        effects: list[Effect] = []
        template = self._machine.desk.template
        if isinstance(event, GossipReceived) and event.topic == "headers" and template is not None:
            try:
                header = decode_header(event.data)
                seal = read_seal(header)
            except (CodecError, InvalidBlock):
                return self._machine.handle(event, now_ms)
            if header.parent_hash == template.header.parent_hash:
                self.tried += 1
                effects = self._machine.handle(TicketFound(generation=self._machine.desk.generation, seal=seal), now_ms)
        return effects + self._machine.handle(event, now_ms)


def play_proof_theft(seed: int, options: Options) -> Trial:
    """Let a well-connected thief steal; without the defence a seal fits every header."""
    lottery: type[Lottery] = ModelLottery if options.is_defended else UnboundLottery
    shares, tried = [], 0
    for maker in (ProofThief, make_honest_node):
        plans = make_arena_plans(options["power"], maker)
        world = World(seed, make_spec(plans), plans, lottery=lottery)
        slow_down(world, [plan.name for plan in plans])
        world.run(round(options["blocks"]) * BLOCK_MS)
        shares.append(count_share(world, plans[-1].name))
        actor = world.computers[plans[-1].name].actor
        tried = actor.tried if isinstance(actor, ProofThief) else tried
    return Trial(attack=shares[0], honest=shares[1], facts={"tickets tried": float(tried)})


PROOF_THEFT = Attack(
    name="proof-theft",
    summary="A miner puts the tickets that others found under headers of its own.",
    unit="share of the chain's blocks",
    defence="a ticket follows from the work key, which names the author; off: a seal fits every header",
    play=play_proof_theft,
    defaults={"power": 0.2, "blocks": 60},
    parameter="power",
    steps=(0.05, 0.2, 0.4),
    holds_to=0.4,
    seeds=4,
)
