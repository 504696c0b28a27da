"""The node's core: `handle(event, now_ms)` returns what to do. No clock, no socket, no thread.

Everything that changes chain, pool or template happens here, in the order of the events; the driver (asyncio) and the
simulations run the same machine. The disk is written inside `handle`, through the store; a StoreError comes through and
must stop the node.

Invariants: the template, if there is one, stands on the head; effects that tell of a block follow its write.
"""

from __future__ import annotations

from functools import partial
from itertools import takewhile
from typing import Literal

from chain.block import decode_block, encode_block
from chain.block_tree import TreePath
from chain.extrinsic import decode_extrinsic, is_bare
from chain.scale import CodecError
from consensus.errors import InvalidBlock, TooFarAhead
from network.port import GossipReceived, Peer
from node.core.author import Ground, Template
from node.core.batch_desk import BatchDesk, DeskWork
from node.core.effects import (
    BestChanged,
    BlockImported,
    BlockPostponed,
    BlockRefused,
    Effect,
    ExtrinsicAccepted,
    ExtrinsicRefused,
    ExtrinsicsMoved,
    Finalized,
    Log,
    StartMining,
    StopMining,
)
from node.core.events import (
    BestShotFound,
    BlockReceived,
    Event,
    ExtrinsicReceived,
    ExtrinsicsRemoved,
    LeavesRun,
    OffenceReported,
    Origin,
    StrikesRun,
    Tick,
    TicketFound,
)
from node.core.import_errors import BlockKnown, NotImported, ParentMissing
from node.core.importer import Import, Importer
from node.core.intake import Intake
from node.core.mempool import ExtrinsicNews, Mempool
from node.core.mining_desk import MiningDesk
from node.core.peer_desk import PeerDesk
from node.core.pool_errors import PoolRefusal
from node.core.pool_gate import PoolGate
from node.core.solution_desk import SolutionDesk
from node.core.vote_desk import VoteDesk
from node.core.waiting_blocks import WaitingBlock, WaitingBlocks
from node.log_lines import say_imported, say_mined, say_prepared, say_reorg
from rpc.api import ExtrinsicStatus
from runtime.executive import AuthorSolution
from runtime.validity import CallCrashed

REFUSED_VOTE_GAS = 6_000_000  # about what two signatures cost


class Machine:
    """One node's state of affairs."""

    def __init__(
        self,
        importer: Importer,
        pool: Mempool,
        desk: MiningDesk,
        *,
        now_ms: int,
        votes: VoteDesk | None = None,
        batches: BatchDesk | None = None,
        solutions: SolutionDesk | None = None,
    ) -> None:
        self.importer = importer
        self.pool = pool
        self.desk = desk
        self.gate = PoolGate(pool, importer.runtime)
        self.waiting = WaitingBlocks()
        self.votes = votes if votes is not None else VoteDesk(importer)
        self.batches = batches if batches is not None else BatchDesk(importer, pool)
        book = desk.author.solutions
        self.solutions = solutions if solutions is not None else SolutionDesk(importer, pool, book)
        intake = Intake(
            take_block=self._on_block, take_extrinsic=self._on_extrinsic, read_votes=self._read_refused_votes
        )
        self.peers = PeerDesk(importer, pool, intake, now_ms=now_ms, is_authority=desk.account is not None)
        self.head_since_ms = now_ms
        self._is_mining = False
        self._last_signed = 0

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Return what to do about an event, in order.

        Raises:
            StoreError: the disk failed; the node must stop.
        """
        return self.react(event, now_ms) + self.refresh(now_ms)

    def react(self, event: Event, now_ms: int) -> list[Effect]:
        """Return the first part of `handle`: all but the template, which `refresh` makes before the next event.

        Raises:
            StoreError: the disk failed; the node must stop.
        """
        match event:
            case BlockReceived():
                effects = self._on_block(event.data, event.origin, now_ms)
            case ExtrinsicReceived():
                effects = self._on_extrinsic(event.raw, now_ms)
            case ExtrinsicsRemoved():
                effects = self._on_removal(event.hashes, now_ms)
            case TicketFound():
                effects = self._on_ticket(event, now_ms)
            case BestShotFound():
                effects = self._on_best_shot(event)
            case StrikesRun():
                self.batches.on_strikes(event)
                effects = []
            case LeavesRun():
                effects = self._do(self.batches.on_leaves(event), now_ms)
            case OffenceReported():
                effects = self.votes.on_report(event.evidence)
            case Tick():
                effects = self._on_tick(now_ms)
            case GossipReceived() if event.topic == "votes":
                effects = self.votes.on_gossip(event)
            case _:
                effects = self.peers.handle(event, now_ms)
        effects += self.votes.on_tick(now_ms)
        return effects + self.peers.on_effects(effects, now_ms)

    def make_template(self, account: bytes, now_ms: int) -> Template:
        """Return a template for a miner outside the node."""
        return self.desk.prepare_for(account, self._get_ground(), self.pool, now_ms)

    # Extrinsics

    def _on_extrinsic(self, raw: bytes, now_ms: int) -> list[Effect]:
        head = self.importer.head
        try:
            extrinsic_hash, news = self.gate.submit(raw, self.importer.chain.state, head, now_ms)
        except PoolRefusal as refusal:
            return [ExtrinsicRefused(error=refusal)]
        return [ExtrinsicAccepted(hash=extrinsic_hash, raw=raw), *_tell(news)]

    def _do(self, work: DeskWork, now_ms: int) -> list[Effect]:
        """Carry out what the batch desk wants: its extrinsics go the way of everybody's."""
        effects = list(work.effects)
        for raw in work.extrinsics:
            for effect in self._on_extrinsic(raw, now_ms):
                if isinstance(effect, ExtrinsicRefused):
                    text = f"an extrinsic of this node's own was refused: {effect.error}"
                    effects.append(Log(level="debug", target="batch", message=text))
                else:
                    effects.append(effect)
        return effects

    def _on_removal(self, hashes: tuple[bytes, ...], now_ms: int) -> list[Effect]:
        news: list[ExtrinsicNews] = []
        for extrinsic_hash in hashes:
            news += self.pool.remove(extrinsic_hash, "dropped", "removed by the node's operator", now_ms)
        return _tell(news)

    # Blocks

    def _on_block(self, data: bytes, origin: Origin, now_ms: int) -> list[Effect]:
        effects: list[Effect] = []
        queue: list[tuple[bytes, Origin]] = [(data, origin)]
        while queue:
            found, parent_hash = self._import_one(*queue.pop(), now_ms)
            effects += found
            if parent_hash is not None:
                queue += [(child.data, child.origin) for child in self.waiting.take_children(parent_hash)]
        return effects

    def _import_one(self, data: bytes, origin: Origin, now_ms: int) -> tuple[list[Effect], bytes | None]:
        """Return the effects, and the block's hash if it was imported."""
        checked = self.pool.is_signature_checked
        try:
            done = self.importer.import_block(data, now_ms=now_ms, is_signature_checked=checked)
        except ParentMissing as missing:
            return [self._postpone(data, origin, missing)], None
        except TooFarAhead as ahead:
            return [self._postpone(data, origin, ahead)], None
        except (CodecError, InvalidBlock, NotImported) as error:
            line = f"💔 Error importing block: {type(error).__name__}: {error}"
            level: Literal["debug", "warn"] = "debug" if isinstance(error, BlockKnown) else "warn"
            return [Log(level=level, target="sync", message=line), BlockRefused(error=error, origin=origin)], None
        return self._tell_import(done, data, origin, now_ms), done.block.hash

    def _read_refused_votes(self, extrinsics: tuple[bytes, ...], peer: Peer, now_ms: int) -> list[Effect]:
        """Read the votes of a block that a peer brought in vain, if that peer may still cost so much gas."""
        state = self.peers.table.get(peer)
        gas = REFUSED_VOTE_GAS * len(list(takewhile(is_bare, extrinsics)))
        if state is None or not self.peers.budget.spend(state, gas, now_ms):
            return []
        return self.votes.on_refused(extrinsics)

    def _postpone(self, data: bytes, origin: Origin, reason: ParentMissing | TooFarAhead) -> Effect:
        params = self.importer.params
        header = decode_block(data, bytes_max=params.block.bytes_max).header
        ahead_ms = params.work.ahead_ms_max
        block = WaitingBlock(
            hash=header.hash,
            data=data,
            origin=origin,
            parent_hash=header.parent_hash if isinstance(reason, ParentMissing) else None,
            due_ms=reason.timestamp_ms - ahead_ms if isinstance(reason, TooFarAhead) else None,
        )
        self.waiting.add(block)
        return BlockPostponed(hash=header.hash, reason=str(reason))

    def _tell_import(self, done: Import, data: bytes, origin: Origin, now_ms: int) -> list[Effect]:
        block = done.block
        header, block_hash = block.header, block.hash
        is_best = done.path is not None
        effects: list[Effect] = []
        if origin == "own":
            effects.append(Log(level="info", target="pow", message=say_mined(header.parent_hash)))
        if done.path is not None and done.path.retract:
            effects.append(self._log_reorg(done.path))
        line = say_imported(header.number, header.parent_hash, block_hash, is_best=is_best)
        is_news = origin != "network" or not self.peers.is_catching_up(now_ms)
        effects.append(Log(level="info" if is_news else "debug", target="substrate", message=line))
        effects.append(
            BlockImported(
                hash=block_hash,
                header=header,
                data=data,
                changes=done.outcome.changes,
                events=done.outcome.events,
                extrinsic_count=len(block.extrinsics),
                is_best=is_best,
                origin=origin,
            )
        )
        effects += self.votes.on_block(block)
        if done.path is not None:
            effects += self._on_best_change(done, now_ms)
        return effects

    def _on_best_change(self, done: Import, now_ms: int) -> list[Effect]:
        assert done.path is not None
        chain = self.importer.chain
        self.head_since_ms = now_ms
        self.desk.on_head()
        retracted = [(block_hash, chain.get_body(block_hash) or ()) for block_hash in done.path.retract]
        enacted = [
            (header, done.block.extrinsics if block_hash == done.block.hash else chain.get_body(block_hash) or ())
            for block_hash in done.path.enact
            if (header := self.importer.get_header(block_hash)) is not None
        ]
        if any(decode_extrinsic(raw).signed is not None for raw in done.block.extrinsics[-1:]):
            self._last_signed = done.block.header.number  # inherents come first, so the last extrinsic tells
        effects: list[Effect] = [BestChanged(retracted=done.path.retract, enacted=done.path.enact)]
        effects += _tell(self.gate.on_best_change(retracted, enacted, chain.state, now_ms))
        rows, is_catching_up = done.outcome.event_rows, self.peers.is_catching_up(now_ms)
        effects += self._do(self.batches.on_head(rows, is_catching_up=is_catching_up), now_ms)
        effects += self._do(self.solutions.on_head(is_catching_up=is_catching_up), now_ms)
        if done.final:
            effects.append(Finalized(headers=done.final))
            effects += _tell(self._tell_final(done))
        return effects

    def _tell_final(self, done: Import) -> list[ExtrinsicNews]:
        news: list[ExtrinsicNews] = []
        for header in done.final:
            status = ExtrinsicStatus(kind="finalized", value=header.hash)
            for raw in self.importer.chain.get_body(header.hash) or ():
                extrinsic = decode_extrinsic(raw)
                if extrinsic.signed is not None:
                    news.append(ExtrinsicNews(hash=extrinsic.hash, status=status))
        return news

    def _log_reorg(self, path: TreePath) -> Effect:
        old, new, ancestor = (self._name(item) for item in (path.retract[0], path.enact[-1], path.ancestor))
        return Log(level="info", target="sync", message=say_reorg(old, new, ancestor))

    def _name(self, block_hash: bytes) -> tuple[int, bytes]:
        header = self.importer.get_header(block_hash)
        return (0 if header is None else header.number), block_hash

    # Mining

    def _on_ticket(self, event: TicketFound, now_ms: int) -> list[Effect]:
        block = self.desk.take(event.generation, event.seal)
        if block is None:
            return [Log(level="debug", target="pow", message="a ticket came too late: its template is out of date")]
        return self._on_block(encode_block(block), "own", now_ms)

    def _on_best_shot(self, event: BestShotFound) -> list[Effect]:
        solution = AuthorSolution(problem_id=event.problem_id, energy=event.energy, bits=event.bits)
        if not self.desk.author.solutions.note(solution):
            return []
        message = f"problem {event.problem_id}: best energy seen is now {event.energy}"
        return [Log(level="debug", target="pow", message=message)]

    def _on_tick(self, now_ms: int) -> list[Effect]:
        effects: list[Effect] = []
        for block in self.waiting.take_due(now_ms):
            effects += self._on_block(block.data, block.origin, now_ms)
        return effects + self.peers.handle(Tick(), now_ms)

    def is_refresh_long(self, now_ms: int) -> bool:
        """Return whether `refresh` would make a template."""
        if self.peers.is_catching_up(now_ms):
            return False
        desk = self.desk
        is_due = desk.is_due(
            head_since_ms=self.head_since_ms,
            has_ready=self.pool.ready_count > 0,
            has_unsettled=self._last_signed > self.importer.final.number,
            now_ms=now_ms,
        )
        if is_due or desk.template is None:
            return is_due
        return self.votes.box.is_refresh_due(desk.template.made_ms, now_ms)

    def refresh(self, now_ms: int) -> list[Effect]:
        """Return the second part of `handle`: the next template if it is due, or the end of mining."""
        desk = self.desk
        if not self.is_refresh_long(now_ms):
            is_idle = desk.template is None or self.peers.is_catching_up(now_ms)
            return self._stop_mining() if is_idle else []
        is_first = desk.template is None
        preparation = desk.prepare(self._get_ground(), self.pool, now_ms)
        self.votes.box.on_template()
        template = preparation.template
        effects: list[Effect] = []
        for extrinsic_hash, error in preparation.invalid:
            reason = f"{error.reason}: {error.diagnosis}"
            effects += _tell(self.pool.remove(extrinsic_hash, "invalid", reason, now_ms))
            if isinstance(error, CallCrashed):
                effects.append(Log(level="error", target="runtime", message=f"💔 0x{extrinsic_hash.hex()}: {reason}"))
        work = "core" if template.problem_id is None else f"problem {template.problem_id}"
        line = say_prepared(template.header.number, template.header.parent_hash, len(template.extrinsics), work=work)
        effects.append(Log(level="info" if is_first else "debug", target="basic-authorship", message=line))
        self._is_mining = True
        self.batches.on_template(desk.generation, template)
        return [*effects, StartMining(generation=desk.generation, job=template.job)]

    def _stop_mining(self) -> list[Effect]:
        if not self._is_mining:
            return []
        self._is_mining = False
        return [StopMining()]

    def _get_ground(self) -> Ground:
        state, enclosed = self.importer.chain.state, self.votes.choose()
        root = partial(state.root_of, pause=self.importer.runtime.pause)
        return Ground(parent=self.importer.head, view=state, compute_root=root, enclosed=enclosed)


def _tell(news: list[ExtrinsicNews]) -> list[Effect]:
    return [ExtrinsicsMoved(news=tuple(news))] if news else []
