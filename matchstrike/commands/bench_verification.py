"""`matchstrike bench verification`: what a verifier spends on a block beside the strikes that were run for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import process_time

import click
import msgspec

from chain.params import Params
from consensus.batch import compute_leaf_count
from consensus.core_problem import compute_core_gas
from consensus.seal import check_seal
from consensus.ticket import TicketJob, make_ticket_job, search_tickets
from genesis.presets import load_chain_spec
from matchstrike.commands.bench_vm import make_cubic_problem
from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.peer_circuit import make_sk_problem
from matchstrike.commands.posting import load_problem
from matchstrike.commands.session import console, emit, output_option
from rpc.api import Json
from simulations.plain_chain import PlainChain
from simulations.verification_cost import (
    REFERENCE,
    Circuits,
    Crowd,
    Verification,
    compute_answers,
    compute_answers_max,
    compute_strike_seconds,
    compute_verification,
    compute_worst_share,
    scale_costs,
)
from simulations.verification_scene import SOLVER, Scene
from vm.problem import IsingProblem

DEVNET_PROBLEM = Path(__file__).parents[2] / "examples" / "cubic16.txt"
OWN = "devnet"
SHARE_MAX = 0.02
REPEATS = 7
TICKETS = 16
COUNT_MAX = 1_024
# Four nodes on the two cores of a laptop, then machines of their own.
CROWDS = (
    Crowd(miners=4, cores=2),
    Crowd(miners=1, cores=1),
    Crowd(miners=2, cores=2),
    Crowd(miners=4, cores=4),
    Crowd(miners=16, cores=16),
    Crowd(miners=64, cores=64),
)


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """CPU seconds of what was measured for one problem.

    Attributes:
        ticket: One ticket of a miner's search, core strikes and pool strike.
        seal: Verifying a winning ticket.
        answer: Executing the answer to one audit.
        leaves: How many leaves that answer shows.
        vote: One vote.
        slowness: Time of a ticket here by that on the model's machine.
    """

    problem: str
    spins: int
    core_gas: int
    pool_gas: int
    ticket: float
    seal: float
    answer: float
    leaves: int
    vote: float
    slowness: float


class ShareRow(msgspec.Struct, frozen=True, kw_only=True):
    """What verification costs for one problem and crowd, in CPU milliseconds a block and as shares.

    Attributes:
        model: The share that gas predicts for a machine with the speed of this one's core strikes.
        worst: The share if all room for audits is used in every block, measured answers.
    """

    problem: str
    miners: int
    cores: float
    strikes: int
    strikes_ms: float
    ticket_ms: float
    audits_ms: float
    votes_ms: float
    answers: float
    share: float
    model: float
    worst: float
    worst_model: float


@click.command("verification")
@click.option("--chain", default="local", show_default=True, help="A preset or chain spec, for its numbers.")
@click.option("--problem", "names", multiple=True, help="Only these of the rows, such as devnet or cubic60.")
@click.option(
    "--repeats", type=click.IntRange(1), default=REPEATS, show_default=True, help="Measurements of each kind."
)
@output_option
def bench_verification(chain: str, names: tuple[str, ...], repeats: int, output: str) -> None:
    """Measure winning tickets, answers to audits and votes, beside the strikes that miners run for a block.

    Blocks come at the chain's block target; every core of every miner runs strikes all the time; each miner sells the
    strikes of each of its headers in one batch, and all are audited; four validators vote once a checkpoint. Exit code
    1 if the devnet's own problem costs more than 2 %.
    """
    params = load_chain_spec(chain).params
    problems = {name: problem for name, problem in list_problems().items() if not names or name in names}
    if not problems:
        raise click.UsageError(f"no such problem; there are {', '.join(list_problems())}")
    measured, rows = [], []
    with console.status("measuring") as status:
        for name, problem in problems.items():
            status.update(f"measuring {name}")
            measured.append(measure(name, problem, params, repeats=repeats))
            rows += [make_row(measured[-1], crowd, params) for crowd in CROWDS]
    held = all(row.share <= SHARE_MAX for row in rows if row.problem == OWN)
    told: Json = {
        "chain": chain,
        "block_target_ms": params.work.block_target_ms,
        "share_max": SHARE_MAX,
        "held": held,
        "measured": [msgspec.to_builtins(item) for item in measured],
        "rows": [msgspec.to_builtins(row) for row in rows],
    }
    emit(told, "\n".join([*format_measured(measured), "", *format_rows(rows)]), output)
    if not held:
        raise CommandFailed(f"verifying costs more than {SHARE_MAX:.0%} of the strikes on the devnet's own problem")


def list_problems() -> dict[str, IsingProblem]:
    """Return what is measured: the problem of `scripts/devnet`, denser and larger ones."""
    return {
        OWN: load_problem(DEVNET_PROBLEM).problem,
        "sk16": make_sk_problem(16),
        "sk20": make_sk_problem(20),
        "cubic40": make_cubic_problem(40, random.Random(40)),
        "cubic60": make_cubic_problem(60, random.Random(60)),
    }


def measure(name: str, problem: IsingProblem, params: Params, *, repeats: int = REPEATS) -> Measured:
    """Return the CPU seconds of tickets, seals, answers and votes of one problem."""
    scene = Scene(problem, params)
    vote = _measure_vote(scene, repeats)
    header, context = scene.make_ticket()
    work = scene.params.work
    job = msgspec.structs.replace(make_ticket_job(header, context, work), target=0)
    search_tickets(job, 0, 2)
    ticket = _time(lambda: search_tickets(job, 0, TICKETS)) / TICKETS
    count = max(min(round(1 / ticket), COUNT_MAX), params.batch.count_min)
    raw = scene.make_answer(count)
    ticket, seal, answer = _measure_together(
        [
            lambda: _time(lambda: search_tickets(job, 0, TICKETS)) / TICKETS,
            lambda: _time(lambda: check_seal(header, context, work)),
            lambda: _measure_answer(scene.chain, raw),
        ],
        repeats,
    )
    return Measured(
        problem=name,
        spins=problem.n,
        core_gas=compute_core_gas(context.core_seed, work.core_qubits, work.shots),
        pool_gas=scene.pool.gas,
        ticket=ticket,
        seal=seal,
        answer=answer,
        leaves=compute_leaf_count(scene.pool.gas, count, params.batch),
        vote=vote,
        slowness=ticket / _compute_ticket_seconds(job),
    )


def _measure_together(measurements: Sequence[Callable[[], float]], repeats: int) -> list[float]:
    """Return the first one's median, and the others as that times the median of their ratios to it.

    A machine whose speed changes between rounds changes all of them, and no ratio.
    """
    rounds = [[measure_one() for measure_one in measurements] for _ in range(repeats)]
    first = median(times[0] for times in rounds)
    return [first * median(times[k] / times[0] for times in rounds) for k in range(len(measurements))]


def _time(run: Callable[[], object]) -> float:
    began = process_time()
    run()
    return process_time() - began


def _measure_answer(chain: PlainChain, raw: bytes) -> float:
    """Return the CPU time of executing an answer as a block's importer does, signature and fee included."""
    execution = chain.start(SOLVER, delay_ms=1_000)
    began = process_time()
    outcome = execution.apply_extrinsic(raw)
    spent = process_time() - began
    assert outcome.is_success, outcome.failure
    return spent


def _measure_vote(scene: Scene, repeats: int) -> float:
    """Return the CPU time of one vote in a block; each measurement is of another checkpoint, whose votes are new."""
    chain, samples = scene.chain, []
    for _ in range(repeats):
        while not (votes := chain.make_votes(scene.voters)):
            scene.add()
        raws = chain.runtime.make_inherents(chain.view, chain.head, timestamp_ms=chain.now_ms + 1_000, votes=votes)
        execution = chain.start(SOLVER, delay_ms=1_000)
        execution.apply_extrinsic(raws[0])
        began = process_time()
        for raw in raws[1:]:
            execution.apply_extrinsic(raw)
        samples.append((process_time() - began) / len(scene.voters))
        for _ in range(scene.params.finality.checkpoint_blocks):
            scene.add()
    return median(samples)


def _compute_ticket_seconds(job: TicketJob) -> float:
    assert job.pool is not None
    gas = job.repeats * compute_core_gas(job.core_seed, job.core_qubits, job.shots) + job.pool.gas
    return gas * REFERENCE.per_gas + REFERENCE.per_ticket


def make_row(item: Measured, crowd: Crowd, params: Params) -> ShareRow:
    """Return what verification costs with these miners, measured and in the model."""
    circuits = Circuits(core_gas=item.core_gas, pool_gas=item.pool_gas)
    costs = scale_costs(REFERENCE, item.slowness)
    answers = compute_answers(circuits, crowd, params, ticket_s=item.ticket)
    strikes = compute_strike_seconds(crowd, params)
    found = Verification(
        ticket=item.seal,
        audits=answers * item.answer,
        votes=crowd.validators * item.vote / params.finality.checkpoint_blocks,
        answers=answers,
        strikes=strikes,
    )
    worst = (found.ticket + found.votes + compute_answers_max(item.pool_gas, params) * item.answer) / strikes
    return ShareRow(
        problem=item.problem,
        miners=crowd.miners,
        cores=crowd.cores,
        strikes=int(strikes / item.ticket),
        strikes_ms=strikes * 1e3,
        ticket_ms=found.ticket * 1e3,
        audits_ms=found.audits * 1e3,
        votes_ms=found.votes * 1e3,
        answers=answers,
        share=found.share,
        model=compute_verification(circuits, crowd, params, costs).share,
        worst=worst,
        worst_model=compute_worst_share(circuits, crowd, params, costs),
    )


def format_measured(rows: Sequence[Measured]) -> list[str]:
    """Return what was measured, a line a problem."""
    lines = [
        f"{'problem':<9}{'n':>4}{'core gas':>11}{'pool gas':>12}{'ticket ms':>11}{'seal ms':>9}{'answer ms':>11}"
        f"{'leaves':>8}{'vote ms':>9}"
    ]
    return lines + [
        f"{row.problem:<9}{row.spins:>4}{row.core_gas:>11}{row.pool_gas:>12}{row.ticket * 1e3:>11.3f}"
        f"{row.seal * 1e3:>9.3f}{row.answer * 1e3:>11.2f}{row.leaves:>8}{row.vote * 1e3:>9.3f}"
        for row in rows
    ]


def format_rows(rows: Sequence[ShareRow]) -> list[str]:
    """Return the shares, a line for each problem and crowd."""
    lines = [
        f"{'problem':<9}{'miners':>7}{'cores':>6}{'tickets':>9}{'strikes ms':>12}{'ticket ms':>11}{'audits ms':>11}"
        f"{'answers':>9}{'share':>8}{'model':>8}{'audits full':>13}{'model':>8}"
    ]
    return lines + [
        f"{row.problem:<9}{row.miners:>7}{row.cores:>6g}{row.strikes:>9}{row.strikes_ms:>12.0f}{row.ticket_ms:>11.2f}"
        f"{row.audits_ms:>11.2f}{row.answers:>9g}{row.share:>8.2%}{row.model:>8.2%}{row.worst:>13.2%}"
        f"{row.worst_model:>8.2%}"
        for row in rows
    ]
