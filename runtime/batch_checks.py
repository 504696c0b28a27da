"""The checks of commits, answers and reports of batches; none of them runs a strike."""

from __future__ import annotations

from functools import lru_cache

from msgspec.structs import replace

from chain.ed25519 import is_valid_signature
from chain.merkle import InvalidMultiproof, check_multiproof
from chain.params import Params
from chain.scale import codec_of
from consensus.batch import (
    BatchSource,
    CounterSource,
    HeaderSource,
    MalformedSource,
    Statement,
    Witness,
    compute_batch_key,
    compute_snapshot,
    compute_statement_hash,
    read_law,
    read_source_header,
)
from consensus.context import PoolProblem
from consensus.work import compute_work_key, make_leaf
from runtime.batch_errors import (
    AlreadyPunished,
    BadStatement,
    BondTooSmall,
    InvalidSource,
    NotAuthor,
    NotChallenged,
    NotForSale,
    NothingToSlash,
    NotInBatch,
    NotSolver,
    OtherProblem,
    ParentNotRecent,
    ParentUsed,
    PaymentTooLarge,
    ProblemGone,
    UnknownBatch,
    WrongChain,
    WrongCount,
    WrongCounter,
    WrongGas,
    WrongLeaves,
    WrongSnapshot,
    WrongWitness,
)
from runtime.batch_records import Batch, BatchStatus, SnapshotEntry, Solver
from runtime.batch_state import COMMITTED, PUNISHED, SOLVERS
from runtime.environment import Environment
from runtime.issuance import compute_miner_reward
from runtime.pallets.system import BLOCK_HASH
from runtime.problem_records import Instance, Ising, compute_ising_hash, compute_order_figures, read_ising
from runtime.problem_state import INSTANCES, ISING_HASHES, RECORDS, get_open
from runtime.snapshots import find_snapshot, find_snapshot_at
from runtime.storage import Overlay
from vm.law import InvalidLaw, check_law
from vm.problem import IsingProblem
from vm.schedule import InvalidOrder

# ---- committing


def check_bond(params: Params, solver: Solver | None) -> Solver:
    """Return a solver whose bond covers one more open batch.

    Raises:
        NotSolver: or BondTooSmall.
    """
    # SPEC BAT-12: Each open batch of a solver MUST be covered by `bond_planck` of its own active bond.
    if solver is None:
        raise NotSolver("the account has no solver's bond; Batches.bond makes one")
    needed = (solver.open_batches + 1) * params.batch.bond_planck
    if solver.active < needed:
        raise BondTooSmall(f"{solver.active} planck are bonded, {solver.open_batches + 1} open batches need {needed}")
    return solver


def check_count(params: Params, count: int) -> None:
    """Refuse a batch of too few or too many strikes.

    Raises:
        WrongCount
    """
    # SPEC BAT-15: A batch MUST have `count_min` to `count_max` leaves.
    if not params.batch.count_min <= count <= params.batch.count_max:
        raise WrongCount(f"{count} leaves; {params.batch.count_min} to {params.batch.count_max} are possible")


def compute_payment(env: Environment, problem: int, gas: int, count: int) -> int:
    """Return the most that a batch earns.

    Raises:
        UnknownProblem: or NotOpen, NotForSale, PaymentTooLarge.
    """
    record = get_open(env.state, problem)
    # SPEC BAT-16: A batch MUST be of an open problem that may be struck and offers a price per gas.
    if record.strike_gas == 0 or record.price_per_gas == 0:
        raise NotForSale(f"problem {problem} takes no strikes" if record.price_per_gas else "the price per gas is zero")
    payment, most = count * gas * record.price_per_gas, compute_miner_reward(env.params.money, env.number)
    # SPEC BAT-22: What a batch reserves, count * strike gas * price per gas, MUST NOT exceed the author's reward.
    if payment > most:
        raise PaymentTooLarge(f"{count} strikes could earn {payment} planck, more than the {most} of a block's author")
    return payment


def check_source(
    env: Environment, origin: bytes, source: BatchSource, problem: int, snapshot: bytes
) -> tuple[bytes, SnapshotEntry, Solver]:
    """Return the key of a batch, what its strikes run with, and its solver with the source used up.

    Raises:
        NotSolver: or BondTooSmall, InvalidSource, NotAuthor, OtherProblem, ParentNotRecent, ParentUsed, WrongCounter,
            WrongSnapshot.
    """
    solver = check_bond(env.params, SOLVERS.find(env.state, origin))
    match source:
        case HeaderSource():
            key, parent = _check_header(env, origin, source, problem)
            # SPEC BAT-19: The parent of a batch's header MUST be above that of every earlier one of its solver.
            if parent <= solver.last_parent:
                raise ParentUsed(f"the solver sold a batch on block {solver.last_parent}, {parent} is not above that")
            entry = find_snapshot_at(env.state, problem, parent)
            changed = replace(solver, last_parent=parent)
        case CounterSource():
            key = compute_batch_key(env.block.genesis_hash, origin, source.counter, problem, snapshot)
            # SPEC BAT-20: A batch key's counter MUST be the number of its solver's earlier batches with batch keys.
            if source.counter != solver.counter:
                raise WrongCounter(f"the solver's next counter is {solver.counter}, not {source.counter}")
            entry = find_snapshot(env, problem, snapshot)
            changed = replace(solver, counter=solver.counter + 1)
    # SPEC BAT-21: A batch's snapshot MUST be the one in force after its header's parent, or for a batch key any that
    # was in force in the last `window_blocks` blocks.
    if entry is None or entry.snapshot != snapshot:
        raise WrongSnapshot("order, law or shots are not those that were in force")
    return key, entry, changed


def _check_header(env: Environment, origin: bytes, source: HeaderSource, problem: int) -> tuple[bytes, int]:
    """Return work key and parent's height of a batch's header."""
    try:
        header, author, named = read_source_header(source)
    except MalformedSource as error:
        raise InvalidSource(str(error)) from error
    # SPEC BAT-17: A batch's header MUST name its solver as the author, and its problem.
    if author != origin:
        raise NotAuthor("the header of the batch was mined by another account")
    if named != problem:
        raise OtherProblem(f"the header names problem {named}, the batch {problem}")
    parent = header.number - 1
    oldest = env.number - env.params.batch.window_blocks
    # SPEC BAT-18: The parent of a batch's header MUST be a block of this chain, at most `window_blocks` below.
    if not max(oldest, 0) <= parent < env.number or BLOCK_HASH.find(env.state, parent) != header.parent_hash:
        raise ParentNotRecent(f"the header stands on no block of this chain from {max(oldest, 0)} on")
    return compute_work_key(header), parent


# ---- answering and reporting


def check_answer(
    state: Overlay,
    number: int,
    batch: int,
    shown: tuple[int, Witness, tuple[bytes, ...], tuple[bytes, ...]],
    *,
    shots_drawn: int,
) -> Batch:
    """Return the batch that an answer shows the selected leaves of; whether they are right is left to be run.

    Args:
        number: The height of the block that takes the answer.
        shown: Stated gas, witness, multiproof and shots.
        shots_drawn: Shots of every strike.

    Raises:
        UnknownBatch: or NotChallenged, WrongGas, WrongWitness, WrongLeaves, NotInBatch.
    """
    gas, witness, proof, shots = shown
    record = get_batch(state, batch)
    # SPEC BAT-25: An answer MUST be for a batch that is challenged, `answer_blocks` blocks long.
    if record.status is not BatchStatus.Challenged:
        raise NotChallenged(f"batch {batch} is {record.status.name.lower()}")
    check_gas(record.strike_gas, gas)
    check_witness(record.problem, record.snapshot, witness, shots_drawn=shots_drawn)
    if len(shots) != len(record.leaves):
        raise WrongLeaves(f"{len(record.leaves)} leaves were selected, {len(shots)} are shown")
    check_proof(record.root, record.count, dict(zip(record.leaves, shots, strict=True)), proof)
    return record


def get_batch(state: Overlay, batch: int) -> Batch:
    """Return a batch.

    Raises:
        UnknownBatch
    """
    record = COMMITTED.find(state, batch)
    if record is None:
        raise UnknownBatch(f"no batch has the number {batch}, or it is forgotten")
    return record


def check_gas(actual: int, stated: int) -> None:
    """Refuse a wrong statement of the gas, from which a call's weight comes.

    Raises:
        WrongGas
    """
    # SPEC BAT-26: The stated gas MUST be the gas limit of one strike of the batch.
    if stated != actual:
        raise WrongGas(f"a strike of the batch has the gas limit {actual}, not {stated}")


def check_witness(problem: int, snapshot: bytes, witness: Witness, *, shots_drawn: int) -> None:
    """Refuse another order or law than was committed to.

    Raises:
        WrongWitness
    """
    # SPEC BAT-27: Order and law that are shown MUST have the committed snapshot.
    if compute_snapshot(problem, witness.order, read_law(witness.law), shots_drawn) != snapshot:
        raise WrongWitness("order and law are not those of the snapshot")


def check_proof(root: bytes, count: int, shots: dict[int, bytes], proof: tuple[bytes, ...]) -> None:
    """Refuse shots that are not in a batch.

    Args:
        shots: Packed shots by the index of their leaf.

    Raises:
        NotInBatch
    """
    leaves = {index: make_leaf(index, packed) for index, packed in shots.items()}
    try:
        check_multiproof(root, count, leaves, proof)
    # SPEC BAT-28: An answer MUST show all selected leaves and a report one leaf, with a multiproof to the root.
    except InvalidMultiproof as error:
        raise NotInBatch(str(error)) from error


def make_batch_pool(
    state: Overlay, problem: int, witness: Witness, gas: int, *, ising: Ising | None = None
) -> PoolProblem:
    """Return what the strikes of a batch run on, with the order and the law that were committed to.

    Args:
        ising: What is shown of a problem whose instance has left the state.

    Raises:
        ProblemGone
    """
    record, raw = RECORDS.find(state, problem), state.get(INSTANCES.key_of(problem))
    if raw is not None:
        energy = _read_problem(raw)
    # SPEC BAT-43: A report MUST be about a problem whose instance the state holds, or show an Ising record with the
    # hash that the state holds.
    elif ising is None or ISING_HASHES.find(state, problem) != compute_ising_hash(ising):
        raise ProblemGone(f"problem {problem} is closed; a report must show its Ising record while that is known")
    else:
        energy = read_ising(ising)
    if record is None:
        raise ProblemGone(f"problem {problem} is forgotten")
    return PoolProblem(
        problem_id=problem,
        problem=energy,
        depth=record.depth,
        order=witness.order,
        law=read_law(witness.law),
        gas=gas,
    )


def check_statement(env: Environment, statement: Statement) -> None:
    """Refuse to punish a statement twice, or where there is nothing to take.

    Raises:
        AlreadyPunished: or NothingToSlash.
    """
    # SPEC BAT-41: A report MUST be of a statement that was not punished before.
    if PUNISHED.find(env.state, compute_statement_hash(statement)) is not None:
        raise AlreadyPunished("the statement was punished before")
    solver = SOLVERS.find(env.state, statement.solver)
    # SPEC BAT-42: A report MUST be of a solver with a bond, unbonded stake included.
    if solver is None or solver.total == 0:
        raise NothingToSlash("the solver has nothing bonded")


def check_signed(env: Environment, statement: Statement, signature: bytes) -> None:
    """Refuse a statement that its solver did not sign for this chain.

    Raises:
        WrongChain: or BadStatement.
    """
    # SPEC BAT-40: A reported statement MUST name this chain's genesis and carry its solver's signature of its hash.
    if statement.genesis != env.block.genesis_hash:
        raise WrongChain("the statement is about another chain")
    if not is_valid_signature(statement.solver, compute_statement_hash(statement), signature):
        raise BadStatement("the solver's signature does not fit the statement")


def check_runnable(params: Params, pool: PoolProblem) -> None:
    """Refuse a witness that this chain would not strike, or whose gas was misstated: nobody else has judged it.

    Raises:
        WrongWitness: or WrongGas.
    """
    # SPEC BAT-45: The strikes of a reported statement MUST be such that the chain would run them, at the stated gas.
    try:
        check_law(pool.law)
        figures = compute_order_figures(pool.problem, pool.order, pool.depth, params)
    except (InvalidLaw, InvalidOrder) as error:
        raise WrongWitness(str(error)) from error
    if len(pool.law.gamma_means) != pool.depth or figures.strike_gas == 0:
        raise WrongWitness("no strike can run with this order and law")
    check_gas(figures.strike_gas, pool.gas)


@lru_cache(maxsize=16)
def _read_problem(instance: bytes) -> IsingProblem:
    return read_ising(codec_of(Instance).decode(instance).ising)
