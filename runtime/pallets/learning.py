"""Learning: each block adds its parent's winning pool strike to the belief of the problem that it ran on.

A seal is not part of its own block's state, so the next block learns from it; by then the law of the problem may have
moved on, so each block keeps the law that its own strikes ran under. Audited leaves are added by `runtime.learning`,
when their answer is executed.

Terms: those of `runtime.belief_state`.
Invariants: only problems with an instance have a belief, and exactly those with a belief have a curve; `Struck` is
about the newest block.
"""

from __future__ import annotations

from chain.header import Header
from chain.params import Params
from consensus.batch import make_law_record, read_law
from consensus.digest import read_seal, read_work
from consensus.work import compute_pool_strike_seed, compute_seed, compute_work_key
from runtime.belief_state import BELIEFS, CURVES, NAME, STRUCK, Struck
from runtime.dispatch import InvariantBroken, Pallet
from runtime.environment import Environment
from runtime.learning import record_strikes
from runtime.problem_state import INSTANCES
from runtime.storage import Overlay
from runtime.work_context import find_pool_problem
from vm.law import AngleLaw

# ---- storage: runtime.belief_state; no calls, events or errors

# ---- hooks


def on_initialize(env: Environment) -> None:
    """Learn from the parent's pool strike, and keep the law that this block's own one ran under."""
    struck, parent = STRUCK.find(env.state), env.block.parent
    _keep_struck(env, struck)
    # SPEC LRN-17: A block MUST add the pool strike of its parent's seal to the belief of the problem that the parent
    # names, before any extrinsic, if that problem is still open and may be struck; otherwise it changes nothing.
    if struck is not None and parent.number > 0 and read_work(parent).problem == struck.problem:
        # SPEC LRN-18: The angles of the parent's pool strike MUST be drawn from the law in force before the parent,
        # which the parent's execution keeps.
        _learn_from_seal(env, parent, struck.problem, read_law(struck.law))


def _keep_struck(env: Environment, before: Struck | None) -> None:
    """Note the law in force at the end of the parent, before this block learns anything."""
    problem = env.block.work.problem
    pool = None if problem is None else find_pool_problem(env.state, problem)
    if pool is not None:
        STRUCK.set(env.state, Struck(problem=pool.problem_id, law=make_law_record(pool.law)))
    elif before is not None:
        STRUCK.remove(env.state)


def _learn_from_seal(env: Environment, parent: Header, problem: int, law: AngleLaw) -> None:
    seal = read_seal(parent)
    seed = compute_pool_strike_seed(compute_seed(compute_work_key(parent), seal.index))
    record_strikes(env, problem, law, ((seed, seal.pool_shots),))


# ---- invariants


def check_invariants(state: Overlay, params: Params) -> None:
    """Refuse beliefs of problems that are gone, and beliefs without a curve."""
    beliefs = set(BELIEFS.iterate_keys(state))
    if not beliefs <= set(INSTANCES.iterate_keys(state)):
        raise InvariantBroken("there is a belief of a problem whose instance is gone")
    if beliefs != set(CURVES.iterate_keys(state)):
        raise InvariantBroken("beliefs and curves are not of the same problems")


LEARNING = Pallet(
    name=NAME,
    index=12,
    storage=(BELIEFS, CURVES, STRUCK),
    on_initialize=on_initialize,
    check_invariants=check_invariants,
)
