"""The author: from the pool and the head's state to a block that only lacks its seal.

Terms:
    template: an unsealed header with its body and the job for the miner.

A template stands on the head. The driver's workers search tickets for its job; the winning seal makes it a block, which
then takes the same way in as a foreign one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from chain.block import Block, compute_extrinsics_root
from chain.header import Header, make_sealed
from chain.params import Params
from chain.state_view import StateView
from consensus.context import WorkContext
from consensus.digest import WorkDigest, WorkSeal, make_digest, make_seal
from consensus.errors import WeightTooLarge
from consensus.ticket import TicketJob, compute_context_weight, make_ticket_job
from consensus.timestamps import compute_median
from node.core.mempool import Mempool
from node.core.problem_choice import SolutionBook, choose_problem
from node.core.voting import Enclosed
from runtime.block_execution import BlockExecution
from runtime.executive import Runtime
from runtime.pool import OPERATIONAL_PRIORITY
from runtime.problem_records import Problem
from runtime.queries import list_live_problems
from runtime.validity import ExhaustsResources, Future, InvalidTransaction

EXHAUSTED_MAX = 8


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A block without its seal.

    Attributes:
        signed_count: Signed extrinsics in the body.
        made_ms: When it was made.
    """

    header: Header
    extrinsics: tuple[bytes, ...]
    context: WorkContext
    job: TicketJob
    signed_count: int
    made_ms: int

    @property
    def problem_id(self) -> int | None:
        """The pool problem of its work."""
        return None if self.context.pool is None else self.context.pool.problem_id


class Preparation(msgspec.Struct, frozen=True, kw_only=True):
    """A new template, and the extrinsics that turned out invalid while it was made, with what was wrong."""

    template: Template
    invalid: tuple[tuple[bytes, InvalidTransaction], ...]


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What a template stands on: the head and its state, and the votes and evidence that it encloses.

    What turns out not to fit is left out.
    """

    parent: Header
    view: StateView
    compute_root: Callable[[Mapping[bytes, bytes | None]], bytes]
    enclosed: Enclosed = Enclosed()


class Author:
    """Makes templates for one runtime."""

    def __init__(self, runtime: Runtime, params: Params) -> None:
        self._runtime = runtime
        self._params = params
        self.solutions = SolutionBook()

    def prepare(self, ground: Ground, pool: Mempool, account: bytes, *, now_ms: int) -> Preparation:
        """Return a block on the head with the best-paying extrinsics, the best solution and work for the miner."""
        view, parent = ground.view, ground.parent
        height = parent.number + 1
        problems = list_live_problems(view)
        context = self._choose_context(view, parent, choose_problem(problems, height=height))
        work = self._make_work(context, now_ms)
        digest = make_digest(account, work)
        execution = self._runtime.start_block(
            view, parent, number=height, digest=digest, is_signature_checked=pool.is_signature_checked
        )
        inherents = self._bring_inherents(execution, ground, problems, work.timestamp_ms)
        signed, invalid = self._fill(pool, execution.apply_extrinsic)
        self._runtime.pause()
        extrinsics = (*inherents, *signed)
        header = Header(
            parent_hash=parent.hash,
            number=height,
            state_root=ground.compute_root(execution.finish().changes),
            extrinsics_root=compute_extrinsics_root(extrinsics),
            digest=digest,
        )
        template = Template(
            header=header,
            extrinsics=extrinsics,
            context=context,
            job=make_ticket_job(header, context, self._params.work),
            signed_count=len(signed),
            made_ms=now_ms,
        )
        return Preparation(template=template, invalid=tuple(invalid))

    def _choose_context(self, view: StateView, parent: Header, problem_id: int | None) -> WorkContext:
        """Return the context with this problem, or without one if its ticket would be too dear for the chain."""
        context = self._runtime.get_work_context(view, parent, problem_id)
        try:
            compute_context_weight(context, self._params.work)
        except WeightTooLarge:
            return self._runtime.get_work_context(view, parent, None)
        return context

    def _bring_inherents(
        self, execution: BlockExecution, ground: Ground, problems: list[tuple[int, Problem]], timestamp_ms: int
    ) -> tuple[bytes, ...]:
        """Apply the time, the best solution, votes and evidence, and return those that the block takes."""
        solution = self.solutions.choose(problems, height=ground.parent.number + 1)
        made = self._runtime.make_inherents(
            ground.view,
            ground.parent,
            timestamp_ms=timestamp_ms,
            solution=solution,
            votes=ground.enclosed.votes,
            evidence=ground.enclosed.evidence,
        )
        execution.apply_extrinsic(made[0])
        taken = [made[0]]
        for index, inherent in enumerate(made[1:]):
            try:
                execution.apply_extrinsic(inherent)
            except InvalidTransaction:
                if index == 0 and solution is not None:
                    self.solutions.forget(solution.problem_id)  # on another branch its number was another problem's
            else:
                taken.append(inherent)
        return tuple(taken)

    def _make_work(self, context: WorkContext, now_ms: int) -> WorkDigest:
        median = compute_median(context.recent_timestamps_ms)
        return WorkDigest(
            problem=None if context.pool is None else context.pool.problem_id,
            core_epoch=context.core_epoch,
            weight=compute_context_weight(context, self._params.work),
            target=context.target,
            timestamp_ms=now_ms if median is None else max(now_ms, median + 1),
        )

    def _fill(
        self, pool: Mempool, apply_extrinsic: Callable[[bytes], object]
    ) -> tuple[list[bytes], list[tuple[bytes, InvalidTransaction]]]:
        """Apply ready extrinsics until the block is full; return those taken, and the invalid ones."""
        taken: list[bytes] = []
        invalid: list[tuple[bytes, InvalidTransaction]] = []
        skipped: set[bytes] = set()
        exhausted = 0
        for entry in pool.iterate_ready():
            if entry.signer in skipped:
                continue
            self._runtime.pause()
            try:
                apply_extrinsic(entry.extrinsic.raw)
            except ExhaustsResources:
                skipped.add(entry.signer)
                exhausted += entry.priority < OPERATIONAL_PRIORITY  # the share for audits says nothing of the others'
                if exhausted >= EXHAUSTED_MAX:
                    break
            except Future:
                skipped.add(entry.signer)
            except InvalidTransaction as error:
                skipped.add(entry.signer)
                invalid.append((entry.hash, error))
            else:
                taken.append(entry.extrinsic.raw)
        return taken, invalid


def seal_template(template: Template, seal: WorkSeal) -> Block:
    """Return the block that a template and a winning ticket make."""
    return Block(header=make_sealed(template.header, make_seal(seal)), extrinsics=template.extrinsics)
