"""Work: what a block's seal did, the reward, the target of the next block, and the author's solution.

A seal is not part of its own block's state (the state root is inside the work key), so each block applies its parent's
seal first: the ticket joins its epoch's tickets, and the parent's author is rewarded. At its end the block fixes the
target of the next one.

Terms:
    epoch: `epoch_blocks` heights; block h is in epoch h // epoch_blocks.
    tickets of an epoch: one hash over all its winning tickets, in order; it draws the core problem two epochs later.
    anchor: the block that ASERT measures from. clock: the largest timestamp so far, which ASERT measures with.

Invariants: the tickets kept are those of this epoch and the two before it; there are at most 11 recent timestamps, the
last of them this block's.
"""

from __future__ import annotations

from typing import ClassVar

from chain.header import Header
from chain.metadata import ConstantMeta
from chain.params import Params
from chain.scale import codec_of_alias
from chain.scale_shapes import H256, I64, U32, U64, U128, U256
from consensus.asert import Anchor, compute_target, make_first_anchor, move_anchor, move_clock
from consensus.core_problem import EMPTY_ACCUMULATOR, compute_epoch, extend_accumulator
from consensus.digest import read_author
from consensus.work import compute_header_ticket
from runtime.dispatch import InvariantBroken, ModuleFailure, Pallet, call
from runtime.environment import Environment
from runtime.issuance import compute_miner_reward
from runtime.pallets.balances import mint
from runtime.problem_state import INSTANCES, get_open
from runtime.settlement import record_solution
from runtime.solution_checks import InvalidBits, MisstatedEnergy, check_solution
from runtime.storage import Overlay, StorageMap, StorageValue
from runtime.weights import SOLUTION

# ---- parameters

NAME = "Work"
RECENT_TIMESTAMPS_MAX = 11

# ---- storage

NEXT_TARGET: StorageValue[int] = StorageValue(NAME, "NextTarget", U256, docs="The target of the next block.")
ANCHOR: StorageValue[Anchor] = StorageValue(NAME, "Anchor", Anchor, docs="The block that the target is computed from.")
CLOCK: StorageValue[int] = StorageValue(NAME, "Clock", U64, 0, docs="The largest timestamp of all blocks in ms.")
RECENT_TIMESTAMPS: StorageValue[tuple[int, ...]] = StorageValue(
    NAME, "RecentTimestamps", tuple[U64, ...], (), docs="Times of the last 11 blocks in ms, oldest first."
)
EPOCH_TICKETS: StorageMap[int, bytes] = StorageMap(
    NAME,
    "EpochTickets",
    (U32, H256),
    hasher="Twox64Concat",
    default=EMPTY_ACCUMULATOR,
    docs="Hashes over the winning tickets of recent epochs.",
)
HAS_SOLUTION: StorageValue[bool] = StorageValue(
    NAME, "HasSolution", bool, False, docs="Whether this block brought a solution; false again at its end."
)

# ---- events: rewards are Balances.Minted, solutions Problems.SolutionImproved and Problems.Solved

# ---- errors


class NotBetter(ModuleFailure):
    """The solution is no better than the recorded one."""

    rule: ClassVar[str] = "PRB-21"


class SecondSolution(ModuleFailure):
    """The block has brought a solution before."""

    rule: ClassVar[str] = "PRB-22"


# ---- calls


@call(index=0, weight=SOLUTION, is_inherent=True)
def solution(env: Environment, problem: U64, energy: I64, bits: bytes) -> None:
    """Bring the author's best solution of an open problem, found by any method."""
    # SPEC PRB-22: A block MUST NOT bring more than one solution.
    if HAS_SOLUTION.get(env.state):
        raise SecondSolution("the block has brought a solution before")
    record = get_open(env.state, problem)
    check_solution(INSTANCES.get(env.state, problem).ising, energy, bits)
    # SPEC PRB-21: A solution MUST be better than the recorded one.
    if record.best is not None and energy >= record.best.energy:
        raise NotBetter(f"the energy {energy} is not below {record.best.energy}")
    HAS_SOLUTION.set(env.state, True)
    record_solution(env, problem, record, energy=energy, bits=bits)


# ---- hooks


def on_initialize(env: Environment) -> None:
    """Apply the parent's seal."""
    parent = env.block.parent
    # SPEC RUN-20: A seal's effects MUST be applied by the next block, from its parent's header, before any extrinsic.
    if parent.number > 0:
        _apply_seal(env, parent)
    expired = compute_epoch(env.number, env.params.work) - 3
    if expired >= 0 and env.number % env.params.work.epoch_blocks == 0:
        EPOCH_TICKETS.remove(env.state, expired)


def _apply_seal(env: Environment, parent: Header) -> None:
    epoch = compute_epoch(parent.number, env.params.work)
    tickets = extend_accumulator(EPOCH_TICKETS.get(env.state, epoch), compute_header_ticket(parent))
    EPOCH_TICKETS.set(env.state, epoch, tickets)
    mint(env, read_author(parent), compute_miner_reward(env.params.money, parent.number))


def on_finalize(env: Environment) -> None:
    """Keep this block's time, and fix the target of the next block."""
    state, work = env.state, env.params.work
    now = env.block.work.timestamp_ms
    recent = (*RECENT_TIMESTAMPS.get(state), now)[-RECENT_TIMESTAMPS_MAX:]
    RECENT_TIMESTAMPS.set(state, recent)
    HAS_SOLUTION.remove(state)
    before = CLOCK.get(state)
    clock = move_clock(before, timestamp_ms=now)
    anchor = ANCHOR.find(state)
    if anchor is None:
        anchor = make_first_anchor(timestamp_ms=now, params=work)
    else:
        anchor = move_anchor(anchor, clock_before_ms=before, clock_ms=clock, params=work)
    ANCHOR.set(state, anchor)
    CLOCK.set(state, clock)
    NEXT_TARGET.set(state, compute_target(anchor, height=env.number, clock_ms=clock, params=work))


# ---- invariants


def check_invariants(state: Overlay, params: Params) -> None:
    """Refuse too many timestamps or epochs."""
    if len(RECENT_TIMESTAMPS.get(state)) > RECENT_TIMESTAMPS_MAX:
        raise InvariantBroken("too many recent timestamps")
    if sum(1 for _ in EPOCH_TICKETS.iterate(state)) > 3:
        raise InvariantBroken("tickets of more than three epochs are kept")


def make_constants(params: Params) -> tuple[ConstantMeta, ...]:
    """Return what clients read from the metadata."""
    work, money = params.work, params.money
    rows = (
        ("CoreQubits", U32, work.core_qubits),
        ("Shots", U32, work.shots),
        ("EpochBlocks", U32, work.epoch_blocks),
        ("BlockTargetMs", U64, work.block_target_ms),
        ("TicketGasMax", U64, work.ticket_gas_max),
        ("RewardInitial", U128, money.reward_initial_planck),
    )
    return tuple(
        ConstantMeta(name=name, annotation=kind, value=codec_of_alias(kind).encode(value)) for name, kind, value in rows
    )


WORK = Pallet(
    name=NAME,
    index=7,
    storage=(NEXT_TARGET, ANCHOR, CLOCK, RECENT_TIMESTAMPS, EPOCH_TICKETS, HAS_SOLUTION),
    errors=(MisstatedEnergy, InvalidBits, NotBetter, SecondSolution),
    calls=(solution,),
    constants=make_constants,
    on_initialize=on_initialize,
    on_finalize=on_finalize,
    check_invariants=check_invariants,
)
