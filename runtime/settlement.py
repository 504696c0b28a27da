"""How a problem ends: who wins its bounty, when that is certain, and what is paid and refunded.

Terms:
    rank: what solutions are compared by. At or below the target all energies are equal, and the earliest place is best;
        above it the lowest energy is, then the earliest place.
    blocked: a commit waits that could still win. settled: the winner, or that there is none, is certain.
    Solved: the leader is at or below the target. Revealing: the deadline has passed, reveals are awaited, or the best
        solution above the target waits until its block is final.

Invariants: `SOLVED` names exactly the solved and revealing problems that are not blocked; a problem takes no commits
once it is solved or revealing.
"""

from __future__ import annotations

from msgspec.structs import replace

from runtime.environment import Environment
from runtime.limits import BILLION
from runtime.pallets.balances import HoldReason, burn_held, pay_from_hold
from runtime.pallets.finality import STATUS
from runtime.problem_events import BountyPaid, Expired, SolutionImproved, Solved
from runtime.problem_records import Deed, Payable, Problem, ProblemStatus, Solution
from runtime.problem_state import RECORDS, SOLVED, close_problem, drop_instance, schedule, unschedule
from runtime.solution_events import NotRevealed
from runtime.solution_state import COMMITS, Commit, set_waiting, take_place

ENDING = (ProblemStatus.Solved, ProblemStatus.Revealing)
UNDECIDED = (ProblemStatus.Open, *ENDING)

# ---- solutions come in


def record_solution(env: Environment, problem: int, record: Problem, *, energy: int, bits: bytes) -> None:
    """Weigh the author's solution of an open problem: committed and revealed in its block."""
    place = take_place(env.state)
    weigh(env, problem, record, Solution(solver=env.author, energy=energy, height=env.number, bits=bits, place=place))


def record_reveal(env: Environment, problem: int, commit: Commit, *, energy: int, bits: bytes) -> None:
    """Take a commit off the waiting ones, weigh its solution, and settle the problem if nothing else blocks it."""
    state = env.state
    record, waiting = RECORDS.get(state, problem), COMMITS.get(state, problem)
    was_blocked = is_blocked(record, waiting)
    left = tuple(other for other in waiting if other.place != commit.place)
    set_waiting(state, problem, left)
    if not left and record.reveals_until:
        unschedule(env, record.reveals_until + 1, Deed.Settle, problem)
    best = Solution(solver=commit.account, energy=energy, height=env.number, bits=bits, place=commit.place)
    if record.status in UNDECIDED:
        weigh(env, problem, record, best)
        record = RECORDS.get(state, problem)
        if was_blocked and not is_blocked(record, left):
            settle(env, problem, record)
    drop_instance(state, problem, record)


def weigh(env: Environment, problem: int, record: Problem, best: Solution) -> None:
    """Keep a solution if it is better than the one that leads; at the target the problem is solved."""
    # SPEC SOL-12: Of the solutions at or below the target the one with the earliest place MUST win; if there is none,
    # the one with the lowest energy, of equals the earliest place.
    if record.best is not None and compute_rank(record.best, record) <= compute_rank(best, record):
        return
    # SPEC PRB-15: A solution at or below the target energy MUST make the problem solved, and no other may.
    if best.energy > record.target_energy:
        RECORDS.set(env.state, problem, replace(record, best=best))
        env.deposit_event(SolutionImproved(problem=problem, solver=best.solver, energy=best.energy))
        return
    was_open = record.status is ProblemStatus.Open
    record = replace(record, best=best, status=ProblemStatus.Solved)
    if was_open:
        record = await_reveals(env, problem, record, closed_at=env.number)
    RECORDS.set(env.state, problem, record)
    env.deposit_event(Solved(problem=problem, solver=best.solver, energy=best.energy))
    if was_open and not is_blocked(record, COMMITS.get(env.state, problem)):
        settle(env, problem, record)


def compute_rank(solution: Solution, record: Problem) -> tuple[int, int]:
    """Return what solutions are compared by; the smallest wins."""
    return max(solution.energy, record.target_energy), solution.place


def is_blocked(record: Problem, waiting: tuple[Commit, ...]) -> bool:
    """Say whether a commit waits that could still win a problem that takes no more commits."""
    # SPEC SOL-13: A bounty MUST NOT be paid while a commit waits that could still win it.
    if record.status is ProblemStatus.Revealing:
        return bool(waiting)
    if record.status is not ProblemStatus.Solved or record.best is None:
        return False
    return any(commit.place < record.best.place for commit in waiting)


# ---- commits close


def end(env: Environment, problem: int, record: Problem) -> None:
    """Take no more commits: await the reveals, or settle at once."""
    record = replace(record, status=ProblemStatus.Revealing)
    record = await_reveals(env, problem, record, closed_at=record.deadline)
    RECORDS.set(env.state, problem, record)
    if not is_blocked(record, COMMITS.get(env.state, problem)):
        settle(env, problem, record)


def await_reveals(env: Environment, problem: int, record: Problem, *, closed_at: int) -> Problem:
    """Return the record with the end of its reveals, if there are commits that wait."""
    if not COMMITS.get(env.state, problem):
        return record
    # SPEC SOL-09: A problem that is solved or past its deadline MUST take reveals for reveal_blocks more blocks.
    until = closed_at + env.params.solution.reveal_blocks
    schedule(env, until + 1, Deed.Settle, problem)
    return replace(record, reveals_until=until)


def burn_waiting(env: Environment, problem: int, record: Problem) -> None:
    """End the reveals: burn the deposits of commits that nobody revealed, and settle what they blocked."""
    waiting = COMMITS.get(env.state, problem)
    was_blocked = is_blocked(record, waiting)
    for commit in waiting:
        # SPEC SOL-11: The deposit of a commit that is not revealed in time MUST be burnt.
        burn_held(env, commit.account, HoldReason.SolutionDeposit, commit.deposit)
        env.deposit_event(
            NotRevealed(problem=problem, account=commit.account, place=commit.place, burnt=commit.deposit)
        )
    set_waiting(env.state, problem, ())
    if was_blocked:
        settle(env, problem, record)
    drop_instance(env.state, problem, RECORDS.get(env.state, problem))


# ---- the end


def compute_prize(record: Problem) -> int:
    """Return what the leading solution earns if it wins."""
    if record.best is None:
        return 0
    if record.best.energy <= record.target_energy:
        return record.bounty
    # SPEC SOL-14: If no solution reaches the target, the best one MUST earn best_effort_ppb billionths of the bounty,
    # rounded down.
    return record.bounty * record.best_effort_ppb // BILLION


def settle(env: Environment, problem: int, record: Problem) -> None:
    """Let the winner wait until its block is final; without one, refund everything."""
    if record.best is not None and compute_prize(record):
        row = Payable(problem=problem, height=record.best.height)
        SOLVED.set(env.state, (*SOLVED.get(env.state), row))
        return
    # SPEC PRB-17: A problem without a solution to pay for MUST be closed after its deadline and reveals, and everything
    # refunded.
    refunded = close_problem(env, problem, record, ProblemStatus.Expired)
    env.deposit_event(Expired(problem=problem, poster=record.poster, refunded=refunded))


def pay_winners(env: Environment) -> None:
    """Pay for the settled solutions whose blocks are final now."""
    rows = SOLVED.get(env.state)
    if not rows:
        return
    final_height = STATUS.get(env.state).final_height
    # SPEC PRB-16: A bounty MUST be paid in the first block in whose state nothing blocks it and the block that brought
    # the winning solution is final.
    ripe = [row.problem for row in rows if row.height <= final_height]
    if not ripe:
        return
    for problem in ripe:
        _pay(env, problem, RECORDS.get(env.state, problem))
    left = tuple(row for row in rows if row.height > final_height)
    if left:
        SOLVED.set(env.state, left)
    else:
        SOLVED.remove(env.state)


def _pay(env: Environment, problem: int, record: Problem) -> None:
    assert record.best is not None, "only a problem with a winner waits for its payment"
    prize, solver = compute_prize(record), record.best.solver
    pay_from_hold(env, record.poster, HoldReason.ProblemBounty, dest=solver, amount=prize)
    close_problem(env, problem, record, ProblemStatus.Paid, paid=prize)
    env.deposit_event(BountyPaid(problem=problem, solver=solver, amount=prize))
