"""The batch desk: sells the strikes that this node's miner ran, and answers the audits.

When the head moves, the strikes of the best run on the old head become a batch, if the problem pays for them, the
author's bond covers it, and it earns more than its fees. When leaves are selected, they are run again by the workers,
compared with what was committed, and shown.

Terms:
    note: what is kept of a batch across restarts (`node.core.batch_notes`).

Invariants: a note is on the medium before its commit is signed; an answer is signed only when every shown leaf, run
again, is the committed one. So a node that lost its notes, or half wrote them, is silent at worst, never wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from chain.extrinsic import decode_extrinsic
from chain.merkle import compute_root
from chain.ss58 import encode_address
from chain.state_tree import StatePruned
from consensus.batch import compute_snapshot
from consensus.context import PoolProblem
from consensus.work import compute_shots_bytes, make_leaf
from node.batch_lines import say_challenged, say_committed, say_paid, say_slashed, say_unanswerable, say_voided
from node.core.author import Template
from node.core.batch_calls import WITNESS, Site, choose_count, make_answer, make_commit, make_note, make_site, sign_call
from node.core.batch_conduct import make_fake_shots
from node.core.batch_notes import BatchNote, BatchSigner, Conduct
from node.core.batch_runs import BatchRuns, Run
from node.core.effects import Effect, Log, RunLeaves
from node.core.events import LeavesRun, StrikesRun
from node.core.importer import Importer
from node.core.mempool import Mempool
from node.core.notes import ForgetfulNotes, Notes
from node.core.pool_gate import get_nonce
from runtime.batch_checks import make_batch_pool
from runtime.batch_errors import ProblemGone
from runtime.batch_events import BatchChallenged, BatchCommitted, BatchPaid, BatchVoided, SolverSlashed
from runtime.batch_records import Batch, BatchStatus
from runtime.batch_state import COMMITTED, SOLVERS
from runtime.outcomes import EventRow
from runtime.snapshots import SNAPSHOTS
from runtime.storage import Overlay
from runtime.validity import InvalidTransaction
from runtime.work_context import find_pool_problem

PATIENCE_BLOCKS = 6


class DeskWork(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk wants done: effects, and extrinsics to submit to the own pool."""

    effects: tuple[Effect, ...] = ()
    extrinsics: tuple[bytes, ...] = ()


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is ready; `hash` and `nonce` of the extrinsic that carries it now."""

    call: bytes
    hash: bytes
    nonce: int
    sent_at: int


class BatchDesk:
    """Batches of this node's author."""

    def __init__(
        self,
        importer: Importer,
        pool: Mempool,
        *,
        signer: BatchSigner | None = None,
        book: Notes[BatchNote] | None = None,
        conduct: Conduct = "honest",
    ) -> None:
        """Begin with the notes of the last run.

        Args:
            signer: The author's key; without one nothing is sold.
        """
        self._importer = importer
        self._pool = pool
        self._signer = signer
        self._book: Notes[BatchNote] = book if book is not None else ForgetfulNotes()
        self._conduct: Conduct = conduct
        self._runs = BatchRuns()
        self._notes = {note.root: note for note in self._book.load_all()} if signer is not None else {}
        self._numbers: dict[int, bytes] = {}
        self._answers: dict[int, _Answer] = {}
        self._asked: dict[int, int] = {}
        self._commit_hash = b""

    # ---- what the miner does

    def on_template(self, generation: int, template: Template) -> None:
        """Expect strikes for a template of this node's author."""
        if self._signer is not None:
            self._runs.on_template(generation, template)

    def on_strikes(self, event: StrikesRun) -> None:
        """Take the leaves of strikes."""
        self._runs.add(event.generation, event.start, event.leaves)

    # ---- what the chain does

    def on_head(self, rows: Iterable[EventRow], *, is_catching_up: bool) -> DeskWork:
        """Tell what became of batches, answer what is asked, and sell what was run on the old head."""
        effects: list[Effect] = [*self._tell(event for _, event in rows)]
        signer, run = self._signer, self._runs.take_longest()
        if signer is None or is_catching_up:
            return DeskWork(effects=tuple(effects))
        site, extrinsics = make_site(self._importer), list[bytes]()
        opened = self._list_open(signer.account)
        for number, batch in opened.items():
            if batch.status is BatchStatus.Challenged and self._conduct != "silent":
                work = self._attend(site, signer, number, batch)
                effects += work.effects
                extrinsics += work.extrinsics
        self._forget(opened)
        if run is not None and not extrinsics:
            extrinsics += self._sell(site, signer, run)
        return DeskWork(effects=tuple(effects), extrinsics=tuple(extrinsics))

    def on_leaves(self, event: LeavesRun) -> DeskWork:
        """Answer with strikes that were run again, if they are the committed ones."""
        signer, batch = self._signer, COMMITTED.find(Overlay(self._importer.chain.state), event.batch)
        self._asked.pop(event.batch, None)
        if signer is None or batch is None or batch.status is not BatchStatus.Challenged:
            return DeskWork()
        note = self._notes.get(batch.root) or self._restore(batch, event)
        known = None if note is None else note.list_leaves()
        shots = dict(zip(event.indices, event.shots, strict=True))
        if note is None or known is None or any(make_leaf(i, shots[i]) != known[i] for i in batch.leaves):
            reason = "its strikes, run again, are not those that were committed"
            self._asked[event.batch] = self._importer.head.number + self._importer.params.batch.answer_blocks
            return DeskWork(effects=(_warn(say_unanswerable(event.batch, reason)),))
        site = make_site(self._importer)
        call = make_answer(site, event.batch, batch, note, tuple(shots[index] for index in batch.leaves))
        return DeskWork(extrinsics=(self._send(site, signer, event.batch, call),))

    # ---- selling

    def _sell(self, site: Site, signer: BatchSigner, run: Run) -> list[bytes]:
        """Return the commit of a run's strikes, if it would succeed now and no earlier one still waits."""
        if self._pool.get(self._commit_hash) is not None:
            return []
        count = choose_count(site, run, signer.account)
        if count == 0:
            return []
        if self._conduct == "fake-leaves":
            run = self._fake(run)
        note = make_note(site, run, count)
        nonce = self._get_nonce(signer.account)
        raw = make_commit(site, run, note, signer, nonce)
        if nonce == get_nonce(site.view, signer.account):
            try:
                outcome = self._importer.runtime.dry_run(site.view, raw, head=site.head)
            except InvalidTransaction:
                return []
            if not outcome.is_success:
                return []
        if not self._book.save(note):
            return []
        self._notes[note.root] = note
        self._commit_hash = _hash(raw)
        return [raw]

    def _fake(self, run: Run) -> Run:
        size = compute_shots_bytes(run.pool.problem.n, self._importer.params.work.shots)
        leaves = [make_leaf(index, make_fake_shots(run.key, index, size)) for index in range(run.count)]
        return msgspec.structs.replace(run, leaves=b"".join(leaves))

    # ---- answering

    def _attend(self, site: Site, signer: BatchSigner, number: int, batch: Batch) -> DeskWork:
        """Have the selected strikes run, or see to it that the answer gets into a block."""
        answer = self._answers.get(number)
        if answer is not None:
            patience = min(PATIENCE_BLOCKS, site.params.batch.answer_blocks // 3)
            is_late = site.head.number - answer.sent_at >= patience
            is_stuck = is_late and answer.nonce > get_nonce(site.view, signer.account)
            if self._pool.get(answer.hash) is not None and not is_stuck:
                return DeskWork()
            return DeskWork(extrinsics=(self._send(site, signer, number, answer.call, is_urgent=is_stuck),))
        if site.head.number < self._asked.get(number, 0):
            return DeskWork()
        self._asked[number] = site.head.number + PATIENCE_BLOCKS
        note = self._notes.get(batch.root)
        pool = self._find_pool(batch, note)
        if pool is None:
            return DeskWork(effects=(_warn(say_unanswerable(number, "its order and law are not known any more")),))
        indices = batch.leaves if note is not None else tuple(range(batch.count))
        command = RunLeaves(
            batch=number,
            pool=pool,
            key=batch.key,
            indices=indices,
            shots=self._importer.params.work.shots,
            is_fake=self._conduct == "fake-leaves",
        )
        return DeskWork(effects=(command,))

    def _find_pool(self, batch: Batch, note: BatchNote | None) -> PoolProblem | None:
        """Return what a batch's strikes run on: from its note, or from the state in which the snapshot was new."""
        state = Overlay(self._importer.chain.state)
        if note is None:
            return self._find_old_pool(state, batch)
        try:
            return make_batch_pool(state, batch.problem, WITNESS.decode(note.witness), batch.strike_gas)
        except ProblemGone:
            return None

    def _find_old_pool(self, state: Overlay, batch: Batch) -> PoolProblem | None:
        """Return a problem with the order and the law of a batch, as long as an old state is kept that has them."""
        entries = SNAPSHOTS.get(state, batch.problem)
        height = next((entry.height for entry in entries if entry.snapshot == batch.snapshot), None)
        if height is None:
            return None
        try:
            pool = find_pool_problem(Overlay(self._importer.chain.state.view_at(height)), batch.problem)
        except StatePruned:
            return None
        shots = self._importer.params.work.shots
        is_same = pool is not None and compute_snapshot(batch.problem, pool.order, pool.law, shots) == batch.snapshot
        return pool if is_same else None

    def _restore(self, batch: Batch, event: LeavesRun) -> BatchNote | None:
        """Return the note of a batch all of whose strikes were run again."""
        leaves = [make_leaf(index, packed) for index, packed in zip(event.indices, event.shots, strict=True)]
        pool = self._find_pool(batch, None)
        if pool is None or event.indices != tuple(range(batch.count)) or compute_root(leaves) != batch.root:
            return None
        run = Run(header=self._importer.head, key=batch.key, pool=pool, leaves=b"".join(leaves))
        note = make_note(make_site(self._importer), run, batch.count)
        self._book.save(note)
        self._notes[note.root] = note
        return note

    def _send(self, site: Site, signer: BatchSigner, number: int, call: bytes, *, is_urgent: bool = False) -> bytes:
        """Sign an answer; an urgent one takes the place of what the account sent before and is stuck."""
        nonce = get_nonce(site.view, signer.account) if is_urgent else self._get_nonce(signer.account)
        raw = sign_call(site, call, signer, nonce)
        self._answers[number] = _Answer(call=call, hash=_hash(raw), nonce=nonce, sent_at=site.head.number)
        return raw

    # ---- bookkeeping

    def _get_nonce(self, account: bytes) -> int:
        return self._pool.get_next_nonce(account, get_nonce(self._importer.chain.state, account))

    def _list_open(self, account: bytes) -> dict[int, Batch]:
        """Return the author's open batches; all batches are read only when the known ones are not all."""
        state = Overlay(self._importer.chain.state)
        solver = SOLVERS.find(state, account)
        if solver is None or solver.open_batches == 0:
            return {}
        found = {number: batch for number in self._numbers if (batch := COMMITTED.find(state, number)) is not None}
        opened = {number: batch for number, batch in found.items() if batch.is_open and batch.solver == account}
        if len(opened) != solver.open_batches:
            opened = {n: batch for n, batch in COMMITTED.iterate(state) if batch.is_open and batch.solver == account}
        self._numbers.update({number: batch.root for number, batch in opened.items()})
        return opened

    def _forget(self, opened: dict[int, Batch]) -> None:
        """Forget notes of batches that are settled for good, and of commits that came into no block."""
        final, head = self._importer.final.number, self._importer.head.number
        state, waiting = Overlay(self._importer.chain.state), {batch.root for batch in opened.values()}
        for number, root in list(self._numbers.items()):
            batch = COMMITTED.find(state, number)
            if batch is None or (not batch.is_open and batch.settled_at <= final):
                del self._numbers[number]
                self._answers.pop(number, None)
                self._drop(root)
        named = set(self._numbers.values()) | waiting
        window = self._importer.params.batch.window_blocks
        for note in [note for note in self._notes.values() if note.made_at + 2 * window < head]:
            if note.root not in named:
                self._drop(note.root)

    def _drop(self, root: bytes) -> None:
        if self._notes.pop(root, None) is not None:
            self._book.remove(root)

    def _tell(self, events: Iterable[msgspec.Struct]) -> Sequence[Effect]:
        """Return the lines of what became of own batches, and of whoever was slashed."""
        params = self._importer.params
        own = None if self._signer is None else self._signer.account
        lines: list[Effect] = []
        for event in events:
            match event:
                case BatchCommitted() if event.solver == own:
                    self._numbers.setdefault(event.batch, b"")
                    lines.append(_inform(say_committed(event)))
                case BatchChallenged() if event.solver == own:
                    lines.append(_inform(say_challenged(event)))
                case BatchPaid() if event.solver == own:
                    lines.append(_inform(say_paid(event, self._format(event.amount))))
                case BatchVoided() if event.solver == own:
                    lines.append(_warn(say_voided(event, self._format(event.burnt))))
                case SolverSlashed():
                    who = encode_address(event.solver, params.ss58_prefix)
                    lines.append(_warn(say_slashed(event, who, self._format(event.amount))))
                case _:
                    continue
        return lines

    def _format(self, amount: int) -> str:
        params = self._importer.params
        whole, rest = divmod(amount, 10**params.token_decimals)
        return f"{whole}.{rest:0{params.token_decimals}d}".rstrip("0").rstrip(".") + f" {params.token_symbol}"


def _hash(raw: bytes) -> bytes:
    return decode_extrinsic(raw).hash


def _inform(message: str) -> Log:
    return Log(level="info", target="batch", message=message)


def _warn(message: str) -> Log:
    return Log(level="warn", target="batch", message=message)
