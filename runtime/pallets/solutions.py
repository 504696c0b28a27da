"""Solutions from anyone: commit first, show later, so that nobody can take a solution that was shown.

An account publishes a hash of its solution with a deposit, and shows the solution in a later block. What counts is when
it committed. A solution at or below the target may be shown at any time and ends the problem; others are shown when
nobody can commit any more: after the deadline, or once the problem is solved.

Terms:
    commit, waiting, place: as in `runtime.solution_state`. blocked, settled, rank: as in `runtime.settlement`.

Invariants: an account's deposits on hold are those of its commits that wait; places grow, and each is given once;
commits wait only at problems that take reveals, and the state keeps what these need.
"""

from __future__ import annotations

from typing import Annotated

from msgspec.structs import replace

from chain.metadata import ConstantMeta
from chain.params import Params
from chain.scale import codec_of_alias
from chain.scale_shapes import H256, I64, U32, U64, U128, Limit
from consensus.commitment import Committer, compute_commitment
from runtime.dispatch import InvariantBroken, Pallet, call
from runtime.environment import Environment
from runtime.pallets.balances import HOLDS, HoldReason, hold, release
from runtime.pallets.system import NUMBER
from runtime.problem_checks import UnknownProblem
from runtime.problem_records import SOLUTION_BYTES_LIMIT, ProblemStatus
from runtime.problem_state import INSTANCES, RECORDS, get_open
from runtime.settlement import record_reveal
from runtime.solution_checks import (
    CommitRepeated,
    RevealTooEarly,
    TargetMissed,
    TooManyCommits,
    UnknownCommit,
    check_solution,
    compute_commit_deposit,
)
from runtime.solution_events import Committed, NotRevealed, Revealed
from runtime.solution_state import COMMITS, NAME, NEXT_PLACE, Commit, set_waiting, take_place
from runtime.storage import Overlay
from runtime.weights import COMMIT, REVEAL

# ---- storage: runtime.solution_state; events: runtime.solution_events; errors: runtime.solution_checks

# ---- calls


@call(index=0, weight=COMMIT)
def commit(env: Environment, origin: bytes, problem: U64, commitment: H256) -> None:
    """Commit to a solution of an open problem without showing it; a deposit goes on hold until the reveal."""
    state, limits = env.state, env.params.solution
    record = get_open(state, problem)
    waiting = COMMITS.get(state, problem)
    # SPEC SOL-02: At most commits_max commits of a problem MAY wait for their reveal at a time.
    if len(waiting) >= limits.commits_max:
        raise TooManyCommits(f"{len(waiting)} commits of problem {problem} wait for their reveal")
    # SPEC SOL-03: An account MUST NOT have two commits that wait with the same problem and commitment.
    if any(other.account == origin and other.commitment == commitment for other in waiting):
        raise CommitRepeated("the account has committed to this already")
    deposit = compute_commit_deposit(env.params, len(waiting))
    hold(env, origin, HoldReason.SolutionDeposit, deposit)
    place = take_place(state)
    entry = Commit(account=origin, commitment=commitment, place=place, height=env.number, deposit=deposit)
    set_waiting(state, problem, (*waiting, entry))
    RECORDS.set(state, problem, replace(record, commits=record.commits + 1))
    env.deposit_event(Committed(problem=problem, account=origin, commitment=commitment, place=place, deposit=deposit))


@call(index=1, weight=REVEAL)
def reveal(
    env: Environment,
    origin: bytes,
    problem: U64,
    salt: H256,
    energy: I64,
    bits: Annotated[bytes, Limit(SOLUTION_BYTES_LIMIT)],
) -> None:
    """Show the solution of a commit, which gives the deposit back and takes part in the bounty."""
    state = env.state
    record = RECORDS.find(state, problem)
    if record is None:
        raise UnknownProblem(f"no problem has the number {problem}")
    entry = find_commit(env, origin, problem, salt=salt, bits=bits)
    # SPEC SOL-07: A reveal MUST stand in a later block than its commit.
    if entry.height >= env.number:
        raise RevealTooEarly(f"the commit stands in block {entry.height} itself")
    check_solution(INSTANCES.get(state, problem).ising, energy, bits)
    # SPEC SOL-08: While a problem is open, a reveal MUST have an energy at or below the target.
    if record.status is ProblemStatus.Open and energy > record.target_energy:
        raise TargetMissed(
            f"the energy {energy} is above the target {record.target_energy}; it can be shown after block"
            f" {record.deadline}, or once the problem is solved"
        )
    # SPEC SOL-10: A reveal MUST give the deposit back, whatever it earns.
    release(env, origin, HoldReason.SolutionDeposit, entry.deposit)
    env.deposit_event(Revealed(problem=problem, account=origin, place=entry.place, energy=energy))
    record_reveal(env, problem, entry, energy=energy, bits=bits)


def find_commit(env: Environment, account: bytes, problem: int, *, salt: bytes, bits: bytes) -> Commit:
    """Return the account's waiting commit that salt and bits open.

    Raises:
        UnknownCommit: there is none (any more).
    """
    committer = Committer(genesis_hash=env.block.genesis_hash, problem_id=problem, account=account)
    commitment = compute_commitment(committer, salt, bits)
    for entry in COMMITS.get(env.state, problem):
        # SPEC SOL-06: A reveal MUST open a commit of its signer that waits.
        if entry.account == account and entry.commitment == commitment:
            return entry
    raise UnknownCommit(f"the account has no commit to problem {problem} that waits for this reveal")


# ---- invariants


def check_invariants(state: Overlay, params: Params) -> None:
    """Refuse a state whose commits fit neither the holds nor the problems."""
    held: dict[bytes, int] = {}
    next_place, height = NEXT_PLACE.get(state), NUMBER.get(state)
    for problem, waiting in COMMITS.iterate(state):
        record = RECORDS.find(state, problem)
        if record is None or INSTANCES.find(state, problem) is None:
            raise InvariantBroken(f"commits wait at problem {problem}, which the state does not hold")
        if (record.status is ProblemStatus.Open) != (record.reveals_until == 0):
            raise InvariantBroken(f"problem {problem} is {record.status.name} and its reveals do not fit that")
        if 0 < record.reveals_until < height:
            raise InvariantBroken(f"commits wait at problem {problem} after the end of its reveals")
        places = [entry.place for entry in waiting]
        if places != sorted(set(places)) or places[-1] >= next_place or len(places) > params.solution.commits_max:
            raise InvariantBroken(f"the commits of problem {problem} are out of order, or too many")
        for entry in waiting:
            held[entry.account] = held.get(entry.account, 0) + entry.deposit
    actual = {
        who: item.amount
        for who, items in HOLDS.iterate(state)
        for item in items
        if item.id is HoldReason.SolutionDeposit
    }
    if actual != held:
        raise InvariantBroken("the deposits on hold differ from those of the commits that wait")


def make_constants(params: Params) -> tuple[ConstantMeta, ...]:
    """Return what clients read from the metadata."""
    limits = params.solution
    rows = (
        ("RevealBlocks", U32, limits.reveal_blocks),
        ("CommitsMax", U32, limits.commits_max),
        ("Deposit", U128, limits.deposit_planck),
        ("DepositStep", U32, limits.deposit_step),
    )
    return tuple(
        ConstantMeta(name=name, annotation=kind, value=codec_of_alias(kind).encode(value)) for name, kind, value in rows
    )


SOLUTIONS = Pallet(
    name=NAME,
    index=11,
    storage=(COMMITS, NEXT_PLACE),
    events=(Committed, Revealed, NotRevealed),
    errors=(TooManyCommits, CommitRepeated, UnknownCommit, RevealTooEarly, TargetMissed),
    calls=(commit, reveal),
    constants=make_constants,
    check_invariants=check_invariants,
)
