"""A node that begins with fast sync, as `node.fast_start` runs it, and the attacker that wants to keep it there."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from genesis.block import make_genesis_block
from network.messages import FinalitySteps, GetAncestors, GetFinality, GetStatePart, Headers, Status
from network.port import NoticeReceived, Peer, PeerConnected, PeerGone, RequestReceived, SendAnswer, SendNotice
from node.chain_opening import has_chain
from node.core.effects import Effect
from node.core.events import Event, Tick
from node.core.fast_sync import TIMEOUT_MS, FastSync
from node.core.machine import Machine
from node.fast_plan import make_fast_plan
from node.fast_store import FastStore, wipe
from simulations.honest import Site, make_honest_node

LATE_MS = TIMEOUT_MS - 500


class FastNewcomer:
    """Syncs fast, and is then the node that opens what it brought; its connections stay."""

    def __init__(self, site: Site) -> None:
        """Begin on an empty disk, or go on with what is on it."""
        self._site = site
        self._met: dict[Peer, list[Event]] = {}
        self.machine: Machine | None = None
        self.outcome: str | None = None
        if has_chain(site.disk):
            self.machine = make_honest_node(site)
            return
        header, _ = make_genesis_block(site.spec)
        self._shelf = FastStore(site.disk, header)
        self._sync = FastSync(self._shelf, make_fast_plan(site.spec, None), now_ms=site.now_ms)

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Sync, or be a node."""
        if self.machine is not None:
            return self.machine.handle(event, now_ms)
        self._remember(event)
        effects: list[Effect] = [*self._sync.handle(event, now_ms)]  # type: ignore[arg-type]
        self.outcome = self._sync.outcome
        if self.outcome is not None:
            self.machine = self._become_node(now_ms)
            for seen in self._met.values():
                for event_seen in seen:
                    effects += self.machine.handle(event_seen, now_ms)
        return effects

    def _remember(self, event: Event) -> None:
        """Keep who is connected and what it said last: the node is told when it begins."""
        match event:
            case PeerConnected():
                self._met[event.peer] = [event]
            case PeerGone():
                self._met.pop(event.peer, None)
            case NoticeReceived(notice=Status()) if event.peer in self._met:
                self._met[event.peer][1:] = [event]
            case _:
                pass

    def _become_node(self, now_ms: int) -> Machine:
        target = self._sync.target
        if self.outcome == "done" and target is not None and target.body is not None:
            self._shelf.finish(target.body, target.status)
        else:
            wipe(self._site.disk)
        return make_honest_node(replace(self._site, now_ms=now_ms))


class FinalityBoaster:
    """Claims a later final block at every tick; whoever asks it for proofs or states waits, and gets nothing."""

    def __init__(self, site: Site) -> None:
        """Begin as an honest node."""
        self._machine = make_honest_node(site)
        self._boast = 1_000 + len(site.name)
        self._waiting: list[tuple[int, SendAnswer]] = []
        self.asked = 0

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Do what an honest node does, but for what fast sync asks."""
        ready = [answer for at_ms, answer in self._waiting if at_ms <= now_ms]
        self._waiting = [row for row in self._waiting if row[0] > now_ms]
        if isinstance(event, RequestReceived) and isinstance(event.request, GetFinality | GetAncestors | GetStatePart):
            self.asked += 1
            empty = FinalitySteps(steps=()) if isinstance(event.request, GetFinality) else Headers(headers=())
            answer = None if isinstance(event.request, GetStatePart) else empty
            late = SendAnswer(peer=event.peer, request_id=event.request_id, answer=answer)
            self._waiting.append((now_ms + LATE_MS, late))
            return [*ready]
        return [*ready, *self._exaggerate(self._machine.handle(event, now_ms), is_later=isinstance(event, Tick))]

    def _exaggerate(self, effects: Sequence[Effect], *, is_later: bool) -> list[Effect]:
        self._boast += 2 * is_later
        boasts: list[Effect] = []
        for effect in effects:
            if isinstance(effect, SendNotice) and isinstance(effect.notice, Status):
                effect = replace(effect, notice=replace(effect.notice, final_number=self._boast))
            boasts.append(effect)
        return boasts
