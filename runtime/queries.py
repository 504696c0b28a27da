"""What RPC and the explorer read from a state: records, nothing else.

Every function takes the view of one block; nothing is cached.
"""

from __future__ import annotations

import msgspec

from chain.header import Header
from chain.params import Params
from chain.state_view import StateView
from chain.substrate_types import AccountInfo
from consensus.asert import compute_largest_target
from consensus.ballot import VoterSets, make_vote
from consensus.ballot import is_voter as is_in_sets
from consensus.belief import make_law
from consensus.core_problem import compute_core_gas, compute_epoch
from consensus.finality import FinalityStatus, Vote
from consensus.work import compute_block_work
from runtime.belief_state import BELIEFS, CURVES, Curve
from runtime.issuance import compute_miner_reward
from runtime.pallets.balances import HOLDS, TOTAL_ISSUANCE, IdAmount
from runtime.pallets.finality import STATUS, find_next_ballot
from runtime.pallets.system import ACCOUNT, BLOCK_HASH, NUMBER
from runtime.pallets.timestamp import NOW
from runtime.pallets.transaction_payment import NEXT_FEE_MULTIPLIER
from runtime.pallets.work import NEXT_TARGET
from runtime.problem_records import Instance, Problem, ProblemStatus, make_pool_problem
from runtime.problem_state import INSTANCES, OPEN_COUNT, RECORDS
from runtime.staking_state import SETS
from runtime.storage import Overlay
from runtime.work_context import find_pool_problem, get_core_seed
from vm.law import AngleLaw


class ProblemRow(msgspec.Struct, frozen=True, kw_only=True):
    """A problem with its number; `instance` is None once it is closed, or where it was not asked for."""

    problem_id: int
    record: Problem
    instance: Instance | None = None

    @property
    def is_bounty_only(self) -> bool:
        """True if no strike may run on it."""
        return self.record.strike_gas == 0


class LearningRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the chain has learnt of a problem.

    Attributes:
        law: In force for the next block's strikes.
        published: What it began with.
        strikes: How many it has learnt from.
        curve: Their mean energies, oldest first.
    """

    law: AngleLaw
    published: AngleLaw
    strikes: int
    curve: Curve


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """An account with its holds; `spendable` leaves the existential deposit."""

    info: AccountInfo
    holds: tuple[IdAmount, ...]
    spendable: int


class WorkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the work of the next block is.

    Attributes:
        difficulty: Gas that a block takes on average.
        expected_tickets: How many tickets without a pool problem that is.
        reward_planck: What the author of the next block earns beside fees.
    """

    height: int
    timestamp_ms: int
    target: int
    target_max: int
    difficulty: int
    core_epoch: int
    core_seed: bytes
    core_gas: int
    expected_tickets: int
    reward_planck: int
    open_problems: int
    total_issuance: int
    fee_multiplier: int


def list_problems(view: StateView, *, only_open: bool = False) -> tuple[ProblemRow, ...]:
    """Return the problems by number, without their instances."""
    pairs = list_live_problems(view) if only_open else RECORDS.iterate(view)
    rows = [
        ProblemRow(problem_id=number, record=record)
        for number, record in pairs
        if not only_open or record.status is ProblemStatus.Open
    ]
    return tuple(sorted(rows, key=lambda row: row.problem_id))


def list_live_problems(view: StateView) -> list[tuple[int, Problem]]:
    """Return the problems that are not closed, at most `open_max`; closed ones, which may be many, are not read."""
    state = Overlay(view)
    return [(number, RECORDS.get(state, number)) for number in INSTANCES.iterate_keys(view)]


def get_problem(view: StateView, problem_id: int) -> ProblemRow | None:
    """Return a problem with its instance, or None."""
    state = Overlay(view)
    record = RECORDS.find(state, problem_id)
    if record is None:
        return None
    return ProblemRow(problem_id=problem_id, record=record, instance=INSTANCES.find(state, problem_id))


def find_law(view: StateView, problem_id: int) -> AngleLaw | None:
    """Return the law in force for the next block's strikes on a problem; None if it takes none."""
    pool = find_pool_problem(Overlay(view), problem_id)
    return None if pool is None else pool.law


def get_learning(view: StateView, problem_id: int) -> LearningRow | None:
    """Return what was learnt of a problem that takes strikes, or did while its energies are in the state; else None."""
    state = Overlay(view)
    record, raw = RECORDS.find(state, problem_id), state.get(INSTANCES.key_of(problem_id))
    if record is None or raw is None or record.strike_gas == 0:
        return None
    published = make_pool_problem(problem_id, raw, record, None).law
    belief = BELIEFS.find(state, problem_id)
    return LearningRow(
        law=published if belief is None else make_law(belief),
        published=published,
        strikes=0 if belief is None else belief.strikes,
        curve=CURVES.get(state, problem_id),
    )


def get_account(view: StateView, account: bytes, params: Params) -> AccountRow:
    """Return an account; one that does not exist has zeros."""
    state = Overlay(view)
    info = ACCOUNT.get(state, account)
    spendable = max(info.data.free - params.money.existential_deposit_planck, 0)
    return AccountRow(info=info, holds=HOLDS.get(state, account), spendable=spendable)


def get_nonce(view: StateView, account: bytes) -> int:
    """Return an account's next nonce, not counting what waits in a pool."""
    return ACCOUNT.get(Overlay(view), account).nonce


def get_finality(view: StateView) -> FinalityStatus:
    """Return what is justified and final on this block's chain."""
    return STATUS.get(Overlay(view))


def get_validator_sets(view: StateView) -> VoterSets:
    """Return who votes on this block's chain: in the dynasty before, in this one and in the next."""
    return SETS.get(Overlay(view))


def is_voter(view: StateView, key: bytes) -> bool:
    """Say whether votes of a key count on this block's chain."""
    return is_in_sets(SETS.get(Overlay(view)), key)


def find_vote_duty(view: StateView, head: Header, params: Params) -> Vote | None:
    """Return the vote that a validator should sign when `head`, whose state is `view`, is the best block.

    None when no vote could be in the next block: nobody validates, or the next block is a checkpoint; and while the
    newest checkpoint has fewer than `vote_depth` blocks on it.
    """
    state = Overlay(view)
    ballot = find_next_ballot(state, head, params)
    if ballot is None or head.number - ballot.target.height < params.finality.vote_depth:
        return None
    return make_vote(ballot, BLOCK_HASH.get(state, 0))


def get_work_status(view: StateView, params: Params, genesis_hash: bytes) -> WorkStatus:
    """Return what the work of the block after this state is."""
    state = Overlay(view)
    height = NUMBER.get(state) + 1
    epoch = compute_epoch(height, params.work)
    target = NEXT_TARGET.get(state)
    seed = get_core_seed(state, epoch, genesis_hash)
    core_gas = compute_core_gas(seed, params.work.core_qubits, params.work.shots)
    difficulty = compute_block_work(target)
    return WorkStatus(
        height=height,
        timestamp_ms=NOW.get(state),
        target=target,
        target_max=compute_largest_target(params.work),
        difficulty=difficulty,
        core_epoch=epoch,
        core_seed=seed,
        core_gas=core_gas,
        expected_tickets=max(difficulty // core_gas, 1),
        reward_planck=compute_miner_reward(params.money, height),
        open_problems=OPEN_COUNT.get(state),
        total_issuance=TOTAL_ISSUANCE.get(state),
        fee_multiplier=NEXT_FEE_MULTIPLIER.get(state),
    )
