"""Every call with any arguments, signed, on a chain where much is going on: it succeeds, or fails with our own errors.

A call that raises anything else is refused (RUN-30), and its signer is shut out by a mistake of ours.
"""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chain.extrinsic import make_bare
from chain.header import encode_header
from chain.params import UNIT_PLANCK
from consensus.batch import CounterSource, HeaderSource
from consensus.finality import Checkpoint, Evidence, Vote
from runtime.batch_state import COMMITTED
from runtime.dispatch import Call
from runtime.pallets import solutions, staking
from runtime.pallets.balances import transfer_keep_alive
from runtime.pallets.batches import answer_audit, bond, commit_batch, report_fraud
from runtime.pallets.problems import cancel, post, post_order
from runtime.runtime import CallEntry, check_invariants, encode_call, get_calls
from runtime.validity import CallCrashed, InvalidTransaction
from tests.properties.call_strategies import Known, draw_arguments
from tests.support.batch_chain import BOND, INVENTED, TestBatch, claim_of, commit, make_batch, make_header, make_market
from tests.support.runtime_chain import RuntimeChain, get_key, get_vote_key, make_ring, post_arguments, sign_vote, to
from tests.support.solving import BEST_BITS, add, make_commitment, make_salt, sign_commit

NAMES = ("alice", "bob", "charlie")


@cache
def make_busy_chain() -> tuple[RuntimeChain, TestBatch]:
    """Return a chain with open, cancelled and committed problems, a challenged batch, bonds; and the batch."""
    chain = make_market()
    add(chain, chain.sign("charlie", post, *post_arguments()), chain.sign("alice", staking.bond, 100 * UNIT_PLANCK))
    add(chain, chain.sign("charlie", cancel, 1), chain.sign("alice", staking.validate, get_vote_key("alice")))
    add(chain, sign_commit(chain, "bob", BEST_BITS))
    batch = make_batch(chain, fake=lambda index: index == 3)
    commit(chain, batch)
    while not COMMITTED.get(chain.state, 0).leaves:
        chain.add_block()
    return chain, batch


@cache
def make_known() -> Known:
    """Return what means something on that chain."""
    chain, batch = make_busy_chain()
    keys = [key for name in NAMES for key in (get_key(name), get_vote_key(name))]
    headers = [encode_header(make_header(chain, problem=problem)) for problem in (0, 1, 9, None)]
    hashes = [chain.genesis_hash, chain.head.hash, batch.root, batch.snapshot, batch.key, make_salt("bob")]
    return Known(
        integers=(chain.head.number, chain.head.number + 1, batch.pool.gas, BOND, UNIT_PLANCK, 100, 500, -6),
        strings=(*keys, *headers, *hashes, batch.shots[0], INVENTED, bytes((BEST_BITS,)), make_commitment_of("alice")),
    )


def make_checkpoint(height: int, fill: int) -> Checkpoint:
    """Return a checkpoint that no chain has."""
    return Checkpoint(height=height, hash=bytes((fill,)) * 32)


def name_of(call: Call) -> str:
    """Return the name under which arguments are kept."""
    return next(f"{entry.pallet}.{call.name}" for entry in get_calls().values() if entry.call is call)


def make_commitment_of(name: str) -> bytes:
    """Return what an account commits to."""
    return make_commitment(make_busy_chain()[0], name, BEST_BITS)


@cache
def make_good() -> dict[str, list[tuple[object, ...]]]:
    """Return arguments with which a call gets far."""
    chain, batch = make_busy_chain()
    leaves = COMMITTED.get(chain.state, 0).leaves
    counted = make_batch(chain, counter=0)
    votes = [
        sign_vote("alice", Vote(genesis=chain.genesis_hash, source=make_checkpoint(0, 0), target=make_checkpoint(5, k)))
        for k in (1, 2)
    ]
    return {
        name_of(transfer_keep_alive): [(to("bob"), UNIT_PLANCK)],
        name_of(post): [post_arguments(), post_arguments(make_ring(4), deadline=200, target_energy=-4)],
        name_of(post_order): [(0, (0, 2, 4, 1, 3, 5))],
        name_of(bond): [(BOND,)],
        name_of(commit_batch): [
            make_batch(chain).commit_arguments(),
            counted.commit_arguments(),
            (CounterSource(counter=0), 1, counted.root, 16, counted.snapshot),
            (HeaderSource(header=encode_header(make_header(chain, problem=1))), 1, batch.root, 16, batch.snapshot),
        ],
        name_of(answer_audit): [batch.answer_arguments(0, leaves)],
        name_of(report_fraud): [
            batch.report_arguments(claim_of(0), 3),
            batch.report_arguments(batch.sign(chain, "bob"), 3),
            batch.report_arguments(claim_of(0), 2),
        ],
        name_of(solutions.commit): [(0, make_commitment_of("alice"))],
        name_of(solutions.reveal): [(0, make_salt("bob"), -6, bytes((BEST_BITS,)))],
        "Finality.vote": [(votes[0],)],
        "Finality.report": [(Evidence(one=votes[0], two=votes[1]),)],
    }


def apply(entry: CallEntry, name: str, arguments: tuple[object, ...]) -> bool:
    """Apply a call in the next block of the busy chain, which stays as it is; return whether it succeeded.

    Raises:
        CallCrashed: the call made a mistake, which is a bug of ours.
    """
    chain, _ = make_busy_chain()
    execution = chain.start()
    raw = encode_call(entry.call, *arguments)
    signed = make_bare(raw) if entry.call.is_inherent else chain.sign(name, entry.call, *arguments)
    try:
        outcome = execution.apply_extrinsic(signed)
    except CallCrashed:
        raise
    except InvalidTransaction:
        return False
    check_invariants(execution.env.state, chain.params)
    return outcome.is_success


def test_good_arguments_are_good() -> None:
    """But for a vote on no checkpoint, batches of a closed problem and a leaf that is right, which fail late."""
    refused = []
    for entry in get_calls().values():
        for place, arguments in enumerate(make_good().get(f"{entry.pallet}.{entry.call.name}", [])):
            if not any(apply(entry, name, arguments) for name in NAMES):
                refused.append((entry.call.name, place))
    assert refused == [("vote", 0), ("commit_batch", 2), ("commit_batch", 3), ("report_fraud", 2)]


def check_any_call(data: st.DataObject) -> None:
    """Apply one call that hypothesis chooses."""
    entry = data.draw(st.sampled_from(list(get_calls().values())), label="call")
    good = make_good().get(f"{entry.pallet}.{entry.call.name}", [])
    arguments = data.draw(draw_arguments(entry.call, make_known(), good), label=entry.call.name)
    apply(entry, data.draw(st.sampled_from(NAMES)), arguments)


ANY = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(ANY, max_examples=300)
@given(data=st.data())
def test_run_23_no_arguments_of_any_call_raise_anything_but_our_errors(data: st.DataObject) -> None:
    """RUN-23, RUN-30: a little of it."""
    check_any_call(data)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@settings(ANY, max_examples=30_000, phases=(Phase.generate, Phase.shrink))
@given(data=st.data())
def test_run_23_no_arguments_of_any_call_do_in_tens_of_thousands(data: st.DataObject) -> None:
    """RUN-23, RUN-30: much more of it."""
    check_any_call(data)
