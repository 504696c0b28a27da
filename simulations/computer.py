"""The machine that a node runs on: it takes events one after the other, needs time for them, and can die.

Terms:
    life: from a start to the next end of the process; what was planned in one life does not happen in the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from chain.store import StoreError
from node.core.effects import BlockImported, Effect
from node.core.events import Event
from node.core.machine import Machine
from simulations.agenda import Action, Agenda
from simulations.disk import Disk, PowerCut
from simulations.honest import Actor, ActorMaker, make_honest_node
from simulations.strikers import Striker


class NodePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is to be.

    Attributes:
        account: Who earns its rewards; None mines nothing.
        power: Share of the hash power that makes a block each block target.
        wishes: Peers that it dials.
        skew_ms: How far its clock is ahead.
        import_ms: How long it needs for a block.
        write_ms: How long its disk needs for a batch.
        stake_planck: What its account has bonded as a validator from the beginning; 0 for no validator.
        vote_seed: Seed of its vote key; None votes never, which is how a silent validator is made.
        is_honest: Whether the checks of the world hold it to the protocol.
        striker: Runs pool strikes for batches; None runs none, so that nothing is sold.
    """

    name: str
    account: bytes | None = None
    power: float = 0.0
    wishes: tuple[str, ...] = ()
    skew_ms: int = 0
    import_ms: float = 5.0
    write_ms: float = 1.0
    stake_planck: int = 0
    vote_seed: bytes | None = None
    is_honest: bool = True
    maker: ActorMaker = make_honest_node
    striker: Striker | None = None


class Computer:
    """One node's machine."""

    def __init__(self, plan: NodePlan, agenda: Agenda, perform: Callable[[str, Event, list[Effect]], None]) -> None:
        """Begin without a running node.

        Args:
            perform: Carries out the effects of an event.
        """
        self.plan = plan
        self.disk = Disk()
        self.actor: Actor | None = None
        self.life = 0
        self.skew_ms = plan.skew_ms
        self.write_ms = plan.write_ms
        self.events = 0
        self.failure: Exception | None = None
        self.on_death: Callable[[str], None] = lambda name: None
        self._agenda = agenda
        self._perform = perform
        self._inbox: deque[Event] = deque()
        self._busy_until_ms = 0.0
        self._kill_at: int | None = None

    @property
    def is_up(self) -> bool:
        """Whether the node runs."""
        return self.actor is not None

    @property
    def machine(self) -> Machine:
        """The honest core that runs here."""
        assert isinstance(self.actor, Machine), f"{self.plan.name} is down, or not honest"
        return self.actor

    @property
    def now_ms(self) -> int:
        """The time on its clock."""
        return self._agenda.now_ms + self.skew_ms

    def begin(self, actor: Actor) -> None:
        """Begin a life."""
        self.actor = actor
        self.life += 1
        self.failure = None
        self._busy_until_ms = 0.0

    def end(self) -> None:
        """End a life: what is not on the disk is gone."""
        self.actor = None
        self.life += 1
        self._inbox.clear()

    def plan_kill(self, events: int) -> None:
        """Let the process end right after it handled the n-th event from now, before its effects are carried out."""
        self._kill_at = self.events + events

    def receive(self, event: Event) -> None:
        """Put an event in the inbox, and handle it when all before are done."""
        if self.actor is not None:
            self._inbox.append(event)
            if len(self._inbox) == 1:
                self._work()

    def make_in_life(self, action: Action) -> Action:
        """Return the action that does nothing if the node ends before."""
        life = self.life
        return lambda: action() if self.life == life else None

    def _work(self) -> None:
        """Handle the waiting events, up to one that takes time."""
        life = self.life
        while self._inbox and self.life == life:
            cost_ms, finish = self._handle(self._inbox[0])
            if cost_ms > 0:
                self._busy_until_ms = self._agenda.now_ms + cost_ms
                self._agenda.plan(round(self._busy_until_ms), self._make_go_on(finish))
                return
            finish()
            if self.life == life:
                self._inbox.popleft()

    def _make_go_on(self, finish: Action) -> Action:
        life = self.life

        def go_on() -> None:
            finish()
            if self.life == life:
                self._inbox.popleft()
                self._work()

        return self.make_in_life(go_on)

    def _handle(self, event: Event) -> tuple[float, Action]:
        """Let the node handle an event; return how long that takes, and what to do then."""
        assert self.actor is not None
        writes = self.disk.writes
        self.events += 1
        try:
            effects = self.actor.handle(event, self.now_ms)
        except (PowerCut, StoreError) as failure:
            return 0.0, self._make_death(failure)
        if self.events == self._kill_at:
            return 0.0, self._make_death(PowerCut(f"killed at event {self.events}"))
        imports = sum(isinstance(effect, BlockImported) for effect in effects)
        cost_ms = imports * self.plan.import_ms + (self.disk.writes - writes) * self.write_ms
        return cost_ms, lambda: self._perform(self.plan.name, event, effects)

    def _make_death(self, failure: Exception) -> Action:
        def die() -> None:
            self.failure = failure
            self.on_death(self.plan.name)

        return die
