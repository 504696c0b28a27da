"""Problems: what customers post with a bounty, and how it is paid, refunded or cancelled.

A poster's bounty, work budget and deposit go on hold. An author's solution at or below the target energy makes the
problem solved; when the solving block is final the bounty is paid. A problem without such a solution expires after its
deadline and everything goes back. Batches of strikes are paid from the work budget (runtime.problem_work): what an open
batch waits for stays reserved, and its problem readable, also when the problem is closed meanwhile.

Terms:
    open: takes solutions. solved: the target is reached, not yet paid. closed: paid, expired or cancelled.
    bounty only: a problem that no strike may run on; solutions are welcome all the same.
    agenda: what happens to which problem at which height.

Invariants: for each poster, the holds are the sums over the problems that are not closed, and what is reserved of those
that are; a problem has an instance while it is open or solved or has open batches; `OpenCount` counts the problems that
are not closed.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain.metadata import ConstantMeta
from chain.params import Params
from chain.scale import codec_of_alias
from chain.scale_shapes import U8, U16, U32, U64, U128
from runtime.belief_state import find_law
from runtime.dispatch import InvariantBroken, Pallet, call
from runtime.environment import Environment
from runtime.pallets.balances import HOLDS, HoldReason, IdAmount, burn_held, hold
from runtime.problem_checks import (
    BountyTooSmall,
    InvalidDeadline,
    InvalidDepth,
    InvalidIsing,
    InvalidOrder,
    InvalidShare,
    NotOpen,
    NotPoster,
    OrderNotBetter,
    ProblemTooLarge,
    TargetOutOfReach,
    TooManyOpen,
    UnknownProblem,
    check_ising,
    check_order,
    check_order_length,
    check_terms,
    compute_deposit,
    compute_post_order_weight,
    compute_post_weight,
)
from runtime.problem_events import (
    BountyPaid,
    Cancelled,
    Expired,
    OrderImproved,
    Posted,
    SolutionImproved,
    Solved,
)
from runtime.problem_records import (
    Deed,
    Instance,
    Ising,
    OrderFigures,
    Problem,
    ProblemSizes,
    ProblemStatus,
    Terms,
    make_pool_problem,
    make_record,
    read_ising,
)
from runtime.problem_state import (
    AGENDA,
    CANCELLED_BLOCKS_KEPT,
    INSTANCES,
    ISING_HASHES,
    NAME,
    NEXT_ID,
    OPEN_COUNT,
    RECORDS,
    SOLVED,
    close_problem,
    forget_record,
    get_open,
    is_live,
    schedule,
    unschedule,
)
from runtime.settlement import ENDING, burn_waiting, compute_prize, end, is_blocked, pay_winners
from runtime.snapshots import note_snapshot
from runtime.solution_state import COMMITS
from runtime.storage import Overlay
from runtime.weights import CANCEL

# ---- parameters

_HOLD_REASONS = (HoldReason.ProblemBounty, HoldReason.ProblemWorkBudget, HoldReason.ProblemDeposit)

# ---- storage: runtime.problem_state; events: runtime.problem_events; errors: runtime.problem_checks

# ---- calls


@call(index=0, weight=compute_post_weight)
def post(env: Environment, origin: bytes, ising: Ising, depth: U8, order: tuple[U16, ...], terms: Terms) -> None:
    """Post a problem with a bounty.

    Bounty, work budget and a deposit for the state's bytes go on hold. Without an order, spins are measured in order.
    """
    problem = check_ising(env.params, ising, depth)
    check_terms(env.params, problem, terms, number=env.number)
    # SPEC PRB-09: At most `open_max` problems MAY be open or solved at a time.
    if OPEN_COUNT.get(env.state) >= env.params.problem.open_max:
        raise TooManyOpen(f"{env.params.problem.open_max} problems are open")
    chosen = order or tuple(range(problem.n))
    figures = check_order(env.params, problem, chosen, depth)
    number = NEXT_ID.get(env.state)
    instance = Instance(ising=ising, order=chosen)
    deposit = compute_deposit(env.params, instance, problem, depth)
    hold(env, origin, HoldReason.ProblemBounty, terms.bounty)
    hold(env, origin, HoldReason.ProblemWorkBudget, terms.work_budget)
    hold(env, origin, HoldReason.ProblemDeposit, deposit)
    NEXT_ID.set(env.state, number + 1)
    OPEN_COUNT.set(env.state, OPEN_COUNT.get(env.state) + 1)
    INSTANCES.set(env.state, number, instance)
    sizes = ProblemSizes(spins=problem.n, couplings=len(problem.couplings), depth=depth, deposit=deposit)
    record = make_record(origin, terms, sizes, figures, posted_at=env.number)
    RECORDS.set(env.state, number, record)
    _note_snapshot(env, number, record)
    schedule(env, terms.deadline + 1, Deed.Expire, number)
    env.deposit_event(
        Posted(
            problem=number,
            poster=origin,
            bounty=terms.bounty,
            target_energy=terms.target_energy,
            deadline=terms.deadline,
            strike_gas=figures.strike_gas,
        )
    )


@call(index=1, weight=CANCEL)
def cancel(env: Environment, origin: bytes, problem: U64) -> None:
    """Take an open problem back.

    Free until the first solution, commit or batch; then the deposit is burnt, and what was promised for solutions that
    were committed or shown is still paid, as after the deadline.
    """
    record = get_open(env.state, problem)
    # SPEC PRB-11: Only the poster MAY cancel a problem.
    if record.poster != origin:
        raise NotPoster(f"problem {problem} was posted by another account")
    # SPEC PRB-14: Cancelling after the first recorded solution, commit or batch MUST cost the deposit, which is burnt.
    burnt = record.deposit if record.best is not None or record.commits or record.batches else 0
    burn_held(env, origin, HoldReason.ProblemDeposit, burnt)
    record = replace(record, deposit=record.deposit - burnt)
    # SPEC SOL-17: Cancelling while commits wait, or with a best-effort share earned, MUST end the problem as its
    # deadline would, in this block.
    if COMMITS.get(env.state, problem) or compute_prize(record):
        unschedule(env, record.deadline + 1, Deed.Expire, problem)
        env.deposit_event(Cancelled(problem=problem, refunded=0, burnt=burnt))
        end(env, problem, replace(record, deadline=env.number))
        return
    refunded = close_problem(env, problem, record, ProblemStatus.Cancelled)
    env.deposit_event(Cancelled(problem=problem, refunded=refunded, burnt=burnt))


@call(index=2, weight=compute_post_order_weight)
def post_order(env: Environment, origin: bytes, problem: U64, order: tuple[U16, ...]) -> None:
    """Give a problem a cheaper measurement order; anybody may."""
    record = get_open(env.state, problem)
    check_order_length(record.spins, order)
    instance = INSTANCES.get(env.state, problem)
    figures = check_order(env.params, read_ising(instance.ising), order, record.depth)
    # SPEC PRB-13: A new measurement order MUST lower the gas limit of a strike, or where there is none the order cost.
    if not _is_better(figures, record):
        raise OrderNotBetter(
            f"a strike could use {figures.strike_gas} gas at an order cost of {figures.order_cost},"
            f" now it takes {record.strike_gas} at {record.order_cost} (0 gas: no strikes)"
        )
    INSTANCES.set(env.state, problem, Instance(ising=instance.ising, order=order))
    record = replace(record, order_cost=figures.order_cost, strike_gas=figures.strike_gas)
    RECORDS.set(env.state, problem, record)
    _note_snapshot(env, problem, record)
    env.deposit_event(
        OrderImproved(problem=problem, who=origin, order_cost=figures.order_cost, strike_gas=figures.strike_gas)
    )


def _note_snapshot(env: Environment, number: int, record: Problem) -> None:
    """Keep what strikes run with, for batches of them."""
    raw = env.state.get(INSTANCES.key_of(number))
    if raw is not None and record.strike_gas:
        note_snapshot(env, make_pool_problem(number, raw, record, find_law(env.state, number)))


def _is_better(figures: OrderFigures, record: Problem) -> bool:
    if record.strike_gas == 0:
        return figures.order_cost < record.order_cost
    return 0 < figures.strike_gas < record.strike_gas


# ---- hooks


def on_initialize(env: Environment) -> None:
    """Do what the agenda has for this height."""
    items = AGENDA.get(env.state, env.number)
    if not items:
        return
    AGENDA.remove(env.state, env.number)
    for item in items:
        record = RECORDS.find(env.state, item.problem)
        if record is None:
            continue
        match item.deed:
            case Deed.Expire:
                if record.status is ProblemStatus.Open:
                    end(env, item.problem, record)
            case Deed.Settle:
                burn_waiting(env, item.problem, record)
            case Deed.Forget if record.open_batches:
                schedule(env, env.number + CANCELLED_BLOCKS_KEPT, Deed.Forget, item.problem)
            case Deed.Forget:
                forget_record(env.state, item.problem)


def on_finalize(env: Environment) -> None:
    """Pay what is ripe."""
    pay_winners(env)


# ---- invariants


def check_invariants(state: Overlay, params: Params) -> None:
    """Refuse a state whose holds, instances or counts do not fit the problems."""
    if not set(ISING_HASHES.iterate_keys(state)) <= set(RECORDS.iterate_keys(state)) - set(
        INSTANCES.iterate_keys(state)
    ):
        raise InvariantBroken("there is a hash of a problem that is in the state, or forgotten")
    held: dict[bytes, list[int]] = {}
    count, solved = 0, set[int]()
    for number, record in RECORDS.iterate(state):
        waiting = COMMITS.get(state, number)
        if (is_live(record) or record.open_batches > 0 or bool(waiting)) != (INSTANCES.find(state, number) is not None):
            raise InvariantBroken(f"problem {number} is {record.status.name} and its instance does not fit that")
        if record.status in ENDING and not is_blocked(record, waiting):
            solved.add(number)
        if is_live(record):
            count += 1
        needs = (record.bounty, record.work_budget, record.deposit) if is_live(record) else (0, record.reserved, 0)
        if any(needs):
            sums = held.setdefault(record.poster, [0, 0, 0])
            for reason, amount in enumerate(needs):
                sums[reason] += amount
    if sorted(solved) != sorted(row.problem for row in SOLVED.get(state)):
        raise InvariantBroken("the problems that wait for their bounty are not those whose winner is certain")
    if count != OPEN_COUNT.get(state):
        raise InvariantBroken(f"{count} problems are not closed, the state counts {OPEN_COUNT.get(state)}")
    actual = {who: sums for who, items in HOLDS.iterate(state) if any(sums := _sums(items))}
    if actual != held:
        raise InvariantBroken("the holds differ from what the problems need")


def _sums(items: tuple[IdAmount, ...]) -> list[int]:
    amounts = {item.id: item.amount for item in items}
    return [amounts.get(reason, 0) for reason in _HOLD_REASONS]


def make_constants(params: Params) -> tuple[ConstantMeta, ...]:
    """Return what clients read from the metadata."""
    money, limits = params.money, params.problem
    rows = (
        ("DepositBase", U128, money.deposit_base_planck),
        ("DepositPerByte", U128, money.deposit_per_byte_planck),
        ("SpinsMax", U32, limits.spins_max),
        ("CouplingsMax", U32, limits.couplings_max),
        ("DepthMax", U32, limits.depth_max),
        ("LifetimeBlocksMax", U32, limits.lifetime_blocks_max),
    )
    return tuple(
        ConstantMeta(name=name, annotation=kind, value=codec_of_alias(kind).encode(value)) for name, kind, value in rows
    )


PROBLEMS = Pallet(
    name=NAME,
    index=6,
    storage=(NEXT_ID, OPEN_COUNT, RECORDS, INSTANCES, AGENDA, SOLVED, ISING_HASHES),
    events=(Posted, OrderImproved, SolutionImproved, Solved, BountyPaid, Expired, Cancelled),
    errors=(
        InvalidIsing,
        ProblemTooLarge,
        InvalidDepth,
        InvalidOrder,
        InvalidDeadline,
        BountyTooSmall,
        TargetOutOfReach,
        TooManyOpen,
        UnknownProblem,
        NotPoster,
        NotOpen,
        OrderNotBetter,
        InvalidShare,
    ),
    calls=(post, cancel, post_order),
    constants=make_constants,
    on_initialize=on_initialize,
    on_finalize=on_finalize,
    check_invariants=check_invariants,
)
