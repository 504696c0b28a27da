"""A miner with two cores: one faces the network, the other mines where nobody sees it.

The public core is an honest node without an account. The secret one imports all that the public one does, and mines;
its blocks stay in hand until the attacker publishes them, as the public core's own. Both are the node's own core, so
which branch the secret one works on is fork choice's decision too, votes and finality included.
"""

from __future__ import annotations

from msgspec.structs import replace

from network.port import GossipReceived, JudgeGossip
from node.core.effects import BlockImported, Effect, StartMining, StopMining
from node.core.events import BlockReceived, Event, ExtrinsicReceived, Tick, TicketFound
from simulations.disk import Disk
from simulations.honest import Site, make_honest_node
from simulations.selfish import SelfishPlan


class SecretMiner:
    """Two cores; subclasses decide when to publish."""

    def __init__(self, site: Site) -> None:
        """Begin with nothing in hand."""
        self.public = make_honest_node(replace(site, account=None))
        self.secret = make_honest_node(replace(site, disk=Disk()))
        self.hidden: list[bytes] = []
        self._missed: list[bytes] = []

    @property
    def lead(self) -> int:
        """By how much the secret chain is longer."""
        return self.secret.importer.head.number - self.public.importer.head.number

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Do in public what an honest node does, and mine in secret."""
        match event:
            case TicketFound():
                return self._mine(event, now_ms)
            case Tick():
                effects = self._pass_on(self.public.handle(event, now_ms), now_ms)
                return effects + self._tell_miner(self.secret.handle(event, now_ms))
            case GossipReceived() if event.topic == "votes":
                self.secret.handle(event, now_ms)
            case ExtrinsicReceived():
                return self._tell_miner(self.secret.handle(event, now_ms))  # its own: for its own blocks only
            case _:
                pass
        return self._pass_on(self.public.handle(event, now_ms), now_ms)

    def on_mined(self, lead: int) -> int:
        """Return how many hidden blocks to publish after finding one, with the lead before it."""
        raise NotImplementedError

    def on_heard(self, lead: int) -> int:
        """Return how many hidden blocks to publish after others found one, with the lead before it."""
        raise NotImplementedError

    def is_following(self) -> bool:
        """Return whether the secret core may see public blocks now."""
        return True

    def publish(self, count: int, now_ms: int) -> list[Effect]:
        """Publish the oldest hidden blocks."""
        shown, self.hidden = self.hidden[:count], self.hidden[count:]
        effects: list[Effect] = []
        for data in shown:
            effects += self._keep_public(self.public.handle(BlockReceived(data=data, origin="own"), now_ms))
        return effects

    def _mine(self, event: TicketFound, now_ms: int) -> list[Effect]:
        lead = self.lead
        effects = self.secret.handle(event, now_ms)
        found = [effect for effect in effects if isinstance(effect, BlockImported) and effect.origin == "own"]
        told = self._tell_miner(effects)
        for block in found:
            self.hidden.append(block.data)
            told += self.publish(self.on_mined(lead), now_ms)
            told += self._catch_up(now_ms)
        return told

    def _pass_on(self, effects: list[Effect], now_ms: int) -> list[Effect]:
        """Let the secret core import what the public one did, and react."""
        told = self._keep_public(effects)
        for effect in effects:
            if isinstance(effect, BlockImported) and effect.origin != "own":
                lead = self.secret.importer.head.number - (effect.header.number - 1)
                self._missed.append(effect.data)
                told += self._catch_up(now_ms)
                if effect.is_best:
                    told += self.publish(self.on_heard(lead), now_ms)
                    told += self._catch_up(now_ms)
        return told

    def _catch_up(self, now_ms: int) -> list[Effect]:
        """Give the secret core the public blocks that it may see."""
        effects: list[Effect] = []
        if self.is_following():
            missed, self._missed = self._missed, []
            for data in missed:
                effects += self._tell_miner(self.secret.handle(BlockReceived(data=data, origin="network"), now_ms))
        return effects

    def _keep_public(self, effects: list[Effect]) -> list[Effect]:
        """Return what the network may see: nothing that others sent is passed on."""
        kept = [effect for effect in effects if not isinstance(effect, StartMining | StopMining)]
        return [replace(item, verdict="ignore") if isinstance(item, JudgeGossip) else item for item in kept]

    def _tell_miner(self, effects: list[Effect]) -> list[Effect]:
        return [effect for effect in effects if isinstance(effect, StartMining | StopMining)]


class SelfishMiner(SecretMiner):
    """Publishes by the plan of Eyal and Sirer; what finality takes from it, it gives up."""

    def __init__(self, site: Site) -> None:
        """Begin with nothing in hand."""
        super().__init__(site)
        self._plan = SelfishPlan()

    def on_mined(self, lead: int) -> int:
        """Follow the plan."""
        return self._plan.on_mined(lead)

    def on_heard(self, lead: int) -> int:
        """Follow the plan, unless the secret core has left its branch."""
        if self.hidden and self.secret.importer.head.hash == self.public.importer.head.hash:
            self.hidden.clear()
            self._plan.forget()
            return 0
        return self._plan.on_heard(lead)
