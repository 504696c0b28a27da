"""A whole network in one thread: many node cores, one clock, one seed.

`World(seed, ...)` starts every node; `run` lets the time pass; `plan` makes something happen at a time; `kill`,
`start`, the wires' `split` and `heal` and the computers' own fields are the faults. The cores are those that the real
node drives.

Invariants: the same seed and the same plans give the same history, byte for byte, in every process; an observer that
finds a rule broken ends the run with a Violation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from chain.store import StoreError
from genesis.chain_spec import ChainSpec
from network.port import (
    Disconnect,
    JudgeGossip,
    NetworkEvent,
    Publish,
    Punish,
    SendAnswer,
    SendNotice,
    SendRequest,
)
from node.core.effects import ContinueSync, Effect, RunLeaves, StartMining, StopMining
from node.core.events import Event, ExtrinsicReceived, LeavesRun, StrikesRun, SyncStep, Tick, TicketFound
from simulations.agenda import Action, Agenda
from simulations.chance import Chance
from simulations.computer import Computer, NodePlan
from simulations.disk import PowerCut
from simulations.history import History
from simulations.honest import Site
from simulations.lazy_machine import LazyMachine
from simulations.peering import Peering
from simulations.shared_runtime import SharedWork
from simulations.tickets import Draw, Lottery, ModelLottery, compute_total_power
from simulations.wires import Link

BEGIN_MS = 1_800_000_000_000
TICK_MS = 200
STRIKES_MS = 300
LEAVES_MS = 100
COMMANDS = (SendNotice, SendRequest, SendAnswer, Publish, JudgeGossip, Punish, Disconnect)


class Violation(Exception):
    """Something happened that must not; the message says what."""


class Observer(Protocol):
    """Watches a world for what must not happen."""

    def on_effects(self, world: World, name: str, effects: Sequence[Effect]) -> None:
        """Look at what a node does.

        Raises:
            Violation: it must not do that.
        """


class World:
    """Nodes, their network and their time."""

    def __init__(
        self,
        seed: int,
        spec: ChainSpec,
        plans: Iterable[NodePlan],
        *,
        link: Link | None = None,
        lottery: Callable[[Chance], Lottery] = ModelLottery,
        observers: Sequence[Observer] = (),
        tick_ms: int = TICK_MS,
    ) -> None:
        """Start all nodes.

        Args:
            tick_ms: Between two ticks of a node.
            link: What the links are like.
            lottery: Makes what decides who finds tickets.
        """
        self.seed = seed
        self.spec = spec
        self.chance = Chance(seed)
        self.agenda = Agenda(BEGIN_MS)
        self.history = History()
        self.shared = SharedWork()
        self.lottery = lottery(self.chance)
        self.peering = Peering(self.agenda, self.chance, link or Link(), self._deliver)
        self.total_power = compute_total_power(spec.params.work)
        self.observers = tuple(observers)
        self.tick_ms = tick_ms
        self.computers = {plan.name: Computer(plan, self.agenda, self._perform) for plan in plans}
        self._searches: dict[str, int] = {}
        self._hopes: dict[str, bytes] = {}
        for name, computer in self.computers.items():
            computer.on_death = self._on_death
            self.start(name)

    @property
    def now_ms(self) -> int:
        """The world's time since its beginning."""
        return self.agenda.now_ms - BEGIN_MS

    @property
    def honest(self) -> dict[str, Computer]:
        """The computers of honest nodes that run now."""
        return {
            name: computer for name, computer in self.computers.items() if computer.plan.is_honest and computer.is_up
        }

    def run(self, until_ms: int) -> None:
        """Let the time pass until so long after the beginning."""
        while self.agenda.step(BEGIN_MS + until_ms):
            pass

    def plan(self, at_ms: int, action: Action) -> None:
        """Let something happen so long after the beginning."""
        self.agenda.plan(BEGIN_MS + at_ms, action)

    def submit(self, name: str, raw: bytes) -> None:
        """Give a node an extrinsic, as its RPC would."""
        self.computers[name].receive(ExtrinsicReceived(raw=raw))

    # Lives

    def start(self, name: str) -> None:
        """Start a node on what its disk holds; a node whose disk refuses stays down."""
        computer = self.computers[name]
        if computer.is_up:
            return
        site = Site(
            name=name,
            spec=self.spec,
            disk=computer.disk,
            check_seal=self.lottery.check_seal,
            account=computer.plan.account,
            vote_seed=computer.plan.vote_seed,
            now_ms=computer.now_ms,
            shared=self.shared,
        )
        try:
            actor = computer.plan.maker(site)
        except (StoreError, PowerCut) as failure:
            computer.failure = failure
            self._note(name, failure)
            return
        computer.begin(actor)
        self._note(name, "starts")
        self.peering.join(name, computer.plan.wishes)
        self._tick(computer)

    def kill(self, name: str, *, is_tail_lost: bool = True) -> None:
        """End a node's process at once."""
        computer = self.computers[name]
        if not computer.is_up:
            return
        self._note(name, computer.failure or "is killed")
        computer.end()
        self._searches.pop(name, None)
        self._hopes.pop(name, None)
        if is_tail_lost:
            computer.disk.lose_tail()
        self.peering.leave(name)

    def _on_death(self, name: str) -> None:
        self.kill(name)

    def _tick(self, computer: Computer) -> None:
        computer.receive(Tick())
        self.agenda.plan(self.agenda.now_ms + self.tick_ms, computer.make_in_life(lambda: self._tick(computer)))

    # Effects

    def _deliver(self, name: str, event: NetworkEvent) -> None:
        self.computers[name].receive(event)

    def _perform(self, name: str, event: Event, effects: list[Effect]) -> None:
        self._hope(self.computers[name])
        if not effects and isinstance(event, Tick):
            return
        self._note(name, event)
        for effect in effects:
            self.history.note_effect(self.now_ms, name, effect)
            match effect:
                case StartMining():
                    self._search(self.computers[name], effect)
                case StopMining():
                    self._searches.pop(name, None)
                case RunLeaves():
                    self._run_leaves(self.computers[name], effect)
                case ContinueSync():
                    self.computers[name].receive(SyncStep())
                case command if isinstance(command, COMMANDS):
                    self.peering.perform(name, command)
                case _:
                    pass
        if effects and self.computers[name].plan.is_honest:
            for observer in self.observers:
                observer.on_effects(self, name, effects)

    def _hope(self, computer: Computer) -> None:
        """Let a lazy node find a ticket on the head that it now wants to mine on."""
        actor, name = computer.actor, computer.plan.name
        if not isinstance(actor, LazyMachine) or actor.wanted is None or actor.wanted == self._hopes.get(name):
            return
        head, power = actor.wanted, computer.plan.power * self.total_power
        self._hopes[name] = head
        if power <= 0:
            return
        importer = actor.importer
        target = importer.runtime.get_work_context(importer.chain.state, importer.head, None).target
        delay_ms = self.lottery.draw_delay_ms(name, power, 2.0**256 / target)

        def win() -> None:
            if self._hopes.get(name) == head == actor.wanted:
                self._take_luck(computer, actor)

        self.agenda.plan(self.agenda.now_ms + max(1, round(delay_ms)), computer.make_in_life(win))

    def _take_luck(self, computer: Computer, actor: LazyMachine) -> None:
        for effect in actor.make_template_now(computer.now_ms):
            self.history.note_effect(self.now_ms, computer.plan.name, effect)
            if isinstance(effect, StartMining):
                seal = self.lottery.draw(effect.job, computer.plan.name, 1.0, 0).seal
                assert seal is not None, "lazy nodes need a lottery that always finds"
                computer.receive(TicketFound(generation=effect.generation, seal=seal))

    def _search(self, computer: Computer, order: StartMining) -> None:
        self._searches[computer.plan.name] = order.generation
        self._draw(computer, order, 0)
        self._strike(computer, order)

    def _strike(self, computer: Computer, order: StartMining) -> None:
        """Let a node that sells strikes run those of a job, unless it has another one by then."""
        striker, pool = computer.plan.striker, order.job.pool
        if striker is None or pool is None:
            return

        def end() -> None:
            if self._searches.get(computer.plan.name) == order.generation:
                leaves = striker.strike(pool, order.job.work_key, order.job.shots)
                computer.receive(StrikesRun(generation=order.generation, start=0, leaves=leaves))

        self.agenda.plan(self.agenda.now_ms + STRIKES_MS, computer.make_in_life(end))

    def _run_leaves(self, computer: Computer, order: RunLeaves) -> None:
        """Let a node run strikes again for its audit."""
        striker = computer.plan.striker
        if striker is None:
            return

        def end() -> None:
            computer.receive(LeavesRun(batch=order.batch, indices=order.indices, shots=striker.run_again(order)))

        self.agenda.plan(self.agenda.now_ms + LEAVES_MS, computer.make_in_life(end))

    def _draw(self, computer: Computer, order: StartMining, start: int) -> None:
        power = computer.plan.power * self.total_power
        if power <= 0:
            return
        draw = self.lottery.draw(order.job, computer.plan.name, power, start)

        def end() -> None:
            if self._searches.get(computer.plan.name) == order.generation:
                self._on_draw(computer, order, draw)

        self.agenda.plan(self.agenda.now_ms + max(1, round(draw.delay_ms)), computer.make_in_life(end))

    def _on_draw(self, computer: Computer, order: StartMining, draw: Draw) -> None:
        if draw.seal is None:
            self._draw(computer, order, draw.next_index)
        else:
            self._searches.pop(computer.plan.name)
            computer.receive(TicketFound(generation=order.generation, seal=draw.seal))

    def _note(self, name: str, what: object) -> None:
        self.history.note(self.now_ms, name, what)
