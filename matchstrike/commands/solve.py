"""`matchstrike solve`: find a solution, commit to it, and reveal it when nobody can take it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import click
import msgspec

from matchstrike.commands.failure import FAILED, USAGE, CommandFailed
from matchstrike.commands.keyring import unlock_account
from matchstrike.commands.session import emit, run
from matchstrike.commands.solve_attempt import begin_trace, make_attempt
from matchstrike.commands.solve_desk import ProblemState, SolveDesk
from matchstrike.commands.solve_file import format_bits, solve_file
from matchstrike.commands.solve_options import Search, read_search, search_options
from matchstrike.commands.solve_record import SolutionRecord
from matchstrike.commands.solve_search import Found
from matchstrike.commands.submitting import Submission, add_submission_options, read_submission
from wallet.chain_client import ChainClient, open_chain

POLL_SECONDS = 0.5
NOBODY = "nobody"


class Outcome(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What came of one solution."""

    problem: int
    energy: int
    bits: str
    revealed: bool
    status: str
    leads: bool


@click.command()
@click.argument("problem", required=False)
@click.option("--auto", "is_auto", is_flag=True, help="Watch the pool of open problems and solve what can be earned.")
@search_options
@click.option("--limit", type=click.IntRange(1), help="With --auto: end after so many reveals.")
@partial(add_submission_options, needs_signer=False)
def solve(problem: str | None, is_auto: bool, limit: int | None, **options: object) -> None:
    """Solve PROBLEM, the number of a posted one, or a FILE without any chain (then --from is not used).

    A solution at or below the target is committed to, and revealed when the commit is final. One above it is worth
    committing only if a best-effort share is promised; it is revealed after the deadline. Started again after a
    crash, the command goes on where it was.

    Annealing is the default because it is the fastest way to a good solution. --method match-strike fires strikes
    instead, on any engine, with a controller that chooses their angles.
    """
    how = read_submission(options)
    if is_auto == (problem is not None):
        raise CommandFailed("name a problem or a file, or give --auto", USAGE)
    is_file = problem is not None and not problem.isdecimal()
    plan = read_search(options, has_target=not is_file)
    begin_trace(plan)
    if problem is not None and is_file:
        run(solve_file(Path(problem), plan, how.output))
        return
    if not how.who:
        raise CommandFailed("say with --from which account commits and earns", USAGE)
    seed = unlock_account(how.who, how.keys_dir, how.password_file)
    if problem is None:
        rows = run(_solve_all(plan, seed, how, limit))
        emit([msgspec.to_builtins(row) for row in rows], "\n".join(map(_say_outcome, rows)), how.output)
        return
    outcome = run(_solve_one(int(problem), plan, seed, how))
    emit(msgspec.to_builtins(outcome), _say_outcome(outcome), how.output)
    if not outcome.revealed:
        raise CommandFailed("the solution was not revealed in time; its deposit is lost", FAILED)


async def _solve_one(number: int, plan: Search, seed: bytes, how: Submission) -> Outcome:
    async with open_chain(how.url) as chain:
        desk = SolveDesk(chain, seed, how, _say)
        record = desk.folder.find(number)
        if record is None:
            state, problem = await desk.load_problem(number)
            _check_open(state)
            _say(f"problem {number}: {problem.n} spins, target energy {state.target_energy}")
            found = await make_attempt(problem, plan, goal=state.target_energy, describe=_make_describe(number))
            state = await desk.get_state(number)  # somebody may have been faster
            _check_open(state)
            if not state.compute_prize(found.energy):
                raise CommandFailed(_explain_worthless(state, found), FAILED)
            record = desk.make_record(number, found)
        else:
            _say(f"problem {number}: going on with {desk.folder.get_path(number)}")
        return await _bring(desk, record, how)


async def _bring(desk: SolveDesk, record: SolutionRecord, how: Submission) -> Outcome:
    """Step until the reveal is in a block, or final where that was asked for."""
    told = ""
    while True:
        record, decision = await desk.step(record)
        if decision.act == "wait" and decision.reason != told:
            told = decision.reason
            _say(f"problem {record.problem}: {told}")
        if decision.act == "over" or (decision.act == "reveal" and how.wait != "final"):
            return await _conclude(desk, record)
        await asyncio.sleep(POLL_SECONDS)


async def _conclude(desk: SolveDesk, record: SolutionRecord) -> Outcome:
    state = await desk.get_state(record.problem)
    leads = state.best is not None and desk.is_own_address(state.best.solver) and state.best.energy == record.energy
    return Outcome(
        problem=record.problem,
        energy=record.energy,
        bits=format_bits(record.bits, state.spins),
        revealed=record.stage == "revealed",
        status=state.status,
        leads=leads,
    )


async def _solve_all(plan: Search, seed: bytes, how: Submission, limit: int | None) -> list[Outcome]:
    """Search problem after problem, and step every record in between, until `limit` reveals or Ctrl-C."""
    outcomes: list[Outcome] = []
    tries: dict[int, int] = {}
    async with open_chain(how.url) as chain:
        desk = SolveDesk(chain, seed, how, _say)
        while True:
            for record in desk.folder.load_all():
                was_revealed = record.stage == "revealed"
                record, decision = await desk.step(record)
                if decision.act == "reveal" and not was_revealed:
                    outcomes.append(await _conclude(desk, record))
                    _say(_say_outcome(outcomes[-1]))
                    if limit is not None and len(outcomes) >= limit:
                        return outcomes
            number = await _choose(chain, desk, tries)
            if number is None:
                await asyncio.sleep(POLL_SECONDS)
                continue
            await _try(desk, number, plan, tries)


async def _choose(chain: ChainClient, desk: SolveDesk, tries: Mapping[int, int]) -> int | None:
    """Return the open problem with the fewest tries that has no record of ours; of these the largest bounty."""
    rows = msgspec.convert(await chain.rpc.call("problem_list", True), list[ProblemState])
    free = [row for row in rows if desk.folder.find(row.id) is None]
    if not free:
        return None
    return min(free, key=lambda row: (tries.get(row.id, 0), -int(row.bounty), row.id)).id


async def _try(desk: SolveDesk, number: int, plan: Search, tries: dict[int, int]) -> None:
    state, problem = await desk.load_problem(number)
    attempt = tries[number] = tries.get(number, 0) + 1
    _say(f"problem {number}: {problem.n} spins, target energy {state.target_energy}, try {attempt}")
    try:
        found = await make_attempt(
            problem, plan, goal=state.target_energy, describe=_make_describe(number), number=attempt
        )
    except CommandFailed as error:  # nothing that the method can do; other problems wait
        _say(f"problem {number}: {error}")
        await asyncio.sleep(POLL_SECONDS)
        return
    state = await desk.get_state(number)
    if state.status == "open" and state.compute_prize(found.energy):
        desk.make_record(number, found)
    else:
        _say(f"problem {number}: {_explain_worthless(state, found)}")


def _check_open(state: ProblemState) -> None:
    if state.status != "open":
        raise CommandFailed(f"problem {state.id} is {state.status}; it takes no solutions any more", FAILED)


def _explain_worthless(state: ProblemState, found: Found) -> str:
    sentence = f"the best energy found is {found.energy}, the target {state.target_energy}"
    if not state.best_effort_ppb:
        return f"{sentence}, and nothing is paid for less; nothing was committed (try more --seconds)"
    leader = NOBODY if state.best is None else f"energy {state.best.energy}"
    return f"{sentence}, and {leader} leads; nothing was committed (try more --seconds)"


def _make_describe(number: int) -> Callable[[int], str]:
    return lambda energy: f"problem {number}: energy {energy}"


def _say_outcome(outcome: Outcome) -> str:
    if not outcome.revealed:
        return f"problem {outcome.problem}: not revealed; the problem is {outcome.status}"
    place = "leads" if outcome.leads else "does not lead"
    return f"problem {outcome.problem}: energy {outcome.energy} revealed; it {place}; the problem is {outcome.status}"


def _say(text: str) -> None:
    click.echo(text, err=True)
