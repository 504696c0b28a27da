"""What the state after a block says about the work of the next one: one record for consensus.

Terms:
    poolable: an open problem that a strike may run on. A header that names another problem gets a context without pool,
        which consensus refuses.
"""

from __future__ import annotations

from chain.header import Header
from chain.params import Params
from consensus.context import PoolProblem, WorkContext
from consensus.core_problem import EMPTY_ACCUMULATOR, compute_core_seed, compute_epoch
from runtime.belief_state import find_law
from runtime.pallets.timestamp import NOW
from runtime.pallets.work import EPOCH_TICKETS, NEXT_TARGET, RECENT_TIMESTAMPS
from runtime.problem_records import Problem, ProblemStatus, make_pool_problem
from runtime.problem_state import INSTANCES, RECORDS
from runtime.storage import Overlay


def make_work_context(
    state: Overlay, parent: Header, problem_id: int | None, params: Params, genesis_hash: bytes
) -> WorkContext:
    """Return the context of the block after `parent`, from the state after `parent`."""
    height = parent.number + 1
    epoch = compute_epoch(height, params.work)
    return WorkContext(
        height=height,
        parent_hash=parent.hash,
        parent_timestamp_ms=NOW.get(state),
        recent_timestamps_ms=RECENT_TIMESTAMPS.get(state),
        target=NEXT_TARGET.get(state),
        core_epoch=epoch,
        core_seed=get_core_seed(state, epoch, genesis_hash),
        pool=None if problem_id is None else find_pool_problem(state, problem_id),
    )


def get_core_seed(state: Overlay, epoch: int, genesis_hash: bytes) -> bytes:
    """Return the seed of an epoch's core problem: from the tickets of the epoch before last, or from genesis."""
    tickets = EPOCH_TICKETS.get(state, epoch - 2) if epoch >= 2 else EMPTY_ACCUMULATOR
    return compute_core_seed(genesis_hash, epoch, tickets)


def find_pool_problem(state: Overlay, problem_id: int) -> PoolProblem | None:
    """Return an open problem that may be struck, else None."""
    record = RECORDS.find(state, problem_id)
    if record is None or not is_poolable_record(record):
        return None
    raw = state.get(INSTANCES.key_of(problem_id))
    return None if raw is None else make_pool_problem(problem_id, raw, record, find_law(state, problem_id))


def is_poolable_record(record: Problem) -> bool:
    """Say whether strikes may run on a stored problem."""
    return record.status is ProblemStatus.Open and record.strike_gas > 0
