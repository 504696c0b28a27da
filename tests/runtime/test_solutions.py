"""Solutions from anyone: commits, reveals, windows, who is paid and when, and what each refusal leaves unchanged."""

from __future__ import annotations

from hashlib import blake2b

import pytest
from msgspec.structs import replace

from chain.params import UNIT_PLANCK, Params, SolutionParams
from runtime.dispatch import FundsUnavailable
from runtime.executive import AuthorSolution, InvalidExtrinsicInBlock
from runtime.pallets.problems import cancel, post
from runtime.pallets.solutions import commit, reveal
from runtime.pallets.system import remark
from runtime.problem_checks import InvalidShare, NotOpen, UnknownProblem
from runtime.problem_events import BountyPaid, Cancelled, Expired, Solved
from runtime.problem_state import AGENDA, INSTANCES, RECORDS
from runtime.solution_checks import (
    CommitRepeated,
    InvalidBits,
    MisstatedEnergy,
    RevealTooEarly,
    TargetMissed,
    TooManyCommits,
    UnknownCommit,
)
from runtime.solution_events import Committed, NotRevealed, Revealed
from runtime.solution_state import NEXT_PLACE
from tests.support.runtime_chain import ENDOWMENT, RuntimeChain, get_key, post_arguments
from tests.support.solving import (
    BEST_BITS,
    GOOD_BITS,
    POOR_BITS,
    add,
    get_status_name,
    get_waiting,
    make_commitment,
    make_salt,
    sign_commit,
    sign_reveal,
)

BEST = AuthorSolution(problem_id=0, energy=-6, bits=bytes((BEST_BITS,)))
GOOD = AuthorSolution(problem_id=0, energy=-2, bits=bytes((GOOD_BITS,)))
WINDOW = 6
DEPOSIT = UNIT_PLANCK
BOUNTY = 5 * UNIT_PLANCK


def make_posted(**changes: int) -> RuntimeChain:
    """Return a chain with short windows on which alice posted a ring of six; its deadline is 10."""
    limits = SolutionParams(reveal_blocks=WINDOW, commits_max=3, deposit_planck=DEPOSIT, deposit_step=2)
    chain = RuntimeChain(replace(Params.tiny(), solution=limits))
    terms = {"deadline": 10, "best_effort_ppb": 400_000_000, **changes}
    add(chain, chain.sign("alice", post, *post_arguments(**terms)))
    return chain


def get_one(events: list[object], kind: type) -> object:
    """Return the only event of a class."""
    (event,) = [event for event in events if type(event) is kind]
    return event


def add_until(chain: RuntimeChain, height: int) -> list[object]:
    """Add empty blocks up to a height; return all their events."""
    events: list[object] = []
    while chain.head.number < height:
        events += add(chain)
    return events


def find_paid(events: list[object]) -> list[tuple[bytes, int]]:
    """Return who was paid how much."""
    return [(event.solver, event.amount) for event in events if isinstance(event, BountyPaid)]


def test_sol_01_the_commitment_is_the_hash_that_the_spec_says() -> None:
    """SOL-01: recomputed without our code; each part counts."""
    chain = make_posted()
    parts = (chain.genesis_hash, (0).to_bytes(8, "little"), get_key("bob"), make_salt("bob"), bytes((BEST_BITS,)))
    expected = blake2b(b"matchstrike/solution/1\x00" + b"".join(parts), digest_size=32).digest()
    assert make_commitment(chain, "bob", BEST_BITS) == expected
    others = [
        make_commitment(chain, "bob", GOOD_BITS),
        make_commitment(chain, "charlie", BEST_BITS),
        make_commitment(chain, "bob", BEST_BITS, problem=1),
    ]
    assert len({expected, *others}) == 4


def test_a_commit_and_its_reveal_earn_the_bounty() -> None:
    """SOL-10: the deposit comes back with the reveal; the bounty when its block is final."""
    chain = make_posted()
    committed = get_one(add(chain, sign_commit(chain, "bob", BEST_BITS)), Committed)
    assert (committed.place, committed.deposit) == (0, DEPOSIT)
    assert chain.get_reserved("bob") == DEPOSIT
    events = add(chain, sign_reveal(chain, "bob", BEST_BITS))
    assert get_one(events, Revealed).energy == -6
    assert get_one(events, Solved).solver == get_key("bob")
    assert chain.get_reserved("bob") == 0
    paid = [find_paid(add(chain)) for _ in range(2)]
    assert paid == [[], [(get_key("bob"), BOUNTY)]]
    assert get_status_name(chain) == "Paid"
    assert chain.get_reserved("alice") == 0


def test_sol_02_and_sol_04_commits_are_bounded_and_their_deposit_doubles() -> None:
    """SOL-02, SOL-04: with two at a time to a step the third costs twice as much; there is no fourth."""
    chain = make_posted()
    for name, deposit in (("bob", 1), ("charlie", 1), ("miner", 2)):
        event = get_one(add(chain, sign_commit(chain, name, GOOD_BITS)), Committed)
        assert event.deposit == deposit * DEPOSIT
    chain.assert_noop(TooManyCommits, "alice", commit, 0, bytes(32))


def test_sol_03_only_an_accounts_own_repetition_is_refused() -> None:
    """SOL-03: who copies a commitment does not keep its owner from committing."""
    chain = make_posted()
    commitment = make_commitment(chain, "bob", BEST_BITS)
    add(chain, chain.sign("charlie", commit, 0, commitment))
    add(chain, sign_commit(chain, "bob", BEST_BITS))
    chain.assert_noop(CommitRepeated, "bob", commit, 0, commitment)
    chain.assert_noop(UnknownCommit, "charlie", reveal, 0, make_salt("bob"), -6, bytes((BEST_BITS,)))
    add(chain, sign_reveal(chain, "bob", BEST_BITS))
    assert find_paid(add_until(chain, 20)) == [(get_key("bob"), BOUNTY)]


def test_sol_05_places_follow_the_order_of_the_calls() -> None:
    """SOL-05: in a block the author's inherent comes first, then the extrinsics as they stand."""
    chain = make_posted()
    add(chain, sign_commit(chain, "charlie", BEST_BITS), sign_commit(chain, "bob", BEST_BITS), solution=GOOD)
    assert [(entry.account, entry.place) for entry in get_waiting(chain)] == [
        (get_key("charlie"), 1),
        (get_key("bob"), 2),
    ]
    assert RECORDS.get(chain.state, 0).best.place == 0
    assert NEXT_PLACE.get(chain.state) == 3


def test_sol_12_of_two_commits_in_one_block_the_first_wins_whoever_reveals_first() -> None:
    """SOL-12, SOL-13: the later one solves the problem and waits for the earlier one."""
    chain = make_posted()
    add(chain, sign_commit(chain, "charlie", BEST_BITS), sign_commit(chain, "bob", BEST_BITS))
    add(chain, sign_reveal(chain, "bob", BEST_BITS))
    assert find_paid(add_until(chain, 8)) == [], "charlie could still win"
    add(chain, sign_reveal(chain, "charlie", BEST_BITS))
    assert find_paid(add_until(chain, 20)) == [(get_key("charlie"), BOUNTY)]
    assert chain.get_reserved("bob") == chain.get_reserved("charlie") == 0


def test_sol_06_a_reveal_opens_its_own_commit_only() -> None:
    """SOL-06: not with other bits, salt, problem or account, and not twice."""
    chain = make_posted()
    add(chain, sign_commit(chain, "bob", BEST_BITS))
    bits = bytes((BEST_BITS,))
    chain.assert_noop(UnknownCommit, "bob", reveal, 0, make_salt("bob"), -6, bytes((0b101010,)))
    chain.assert_noop(UnknownCommit, "bob", reveal, 0, make_salt("charlie"), -6, bits)
    chain.assert_noop(UnknownCommit, "charlie", reveal, 0, make_salt("bob"), -6, bits)
    chain.assert_noop(UnknownProblem, "bob", reveal, 1, make_salt("bob"), -6, bits)
    add(chain, sign_reveal(chain, "bob", BEST_BITS))
    chain.assert_noop(UnknownCommit, "bob", reveal, 0, make_salt("bob"), -6, bits)


def test_sol_07_a_reveal_needs_a_later_block() -> None:
    """SOL-07: in the commit's block it fails, and the commit stays."""
    chain = make_posted()
    raws = (sign_commit(chain, "bob", BEST_BITS, nonce=0), sign_reveal(chain, "bob", BEST_BITS, nonce=1))
    outcome = chain.add_block(*raws)
    assert outcome.extrinsic_results[-1].failure.split(": ")[1] == RevealTooEarly.__name__
    assert len(get_waiting(chain)) == 1
    add(chain, sign_reveal(chain, "bob", BEST_BITS))


def test_sol_08_above_the_target_nothing_is_shown_before_the_deadline() -> None:
    """SOL-08: the deadline's own block still takes commits; the next one takes reveals."""
    chain = make_posted()
    add(chain, sign_commit(chain, "bob", GOOD_BITS))
    add_until(chain, 8)
    shown = (0, make_salt("bob"), -2, bytes((GOOD_BITS,)))
    chain.assert_noop(TargetMissed, "bob", reveal, *shown)
    add_until(chain, 9)
    chain.assert_noop(TargetMissed, "bob", reveal, *shown)
    add(chain, sign_commit(chain, "charlie", POOR_BITS))
    assert get_status_name(chain) == "Open"
    chain.assert_noop(NotOpen, "alice", commit, 0, bytes(32))
    add(chain, sign_reveal(chain, "bob", GOOD_BITS))
    assert get_status_name(chain) == "Revealing"


@pytest.mark.parametrize(("late", "status"), [(0, "Revealing"), (1, "Expired")])
def test_sol_09_and_sol_11_reveals_end_with_their_last_block(late: int, status: str) -> None:
    """SOL-09, SOL-11: a reveal in the last block counts; one block later the deposit is burnt."""
    chain = make_posted()
    add(chain, sign_commit(chain, "bob", GOOD_BITS))
    add_until(chain, 10 + WINDOW - 1 + late)
    issuance = chain.get_issuance()
    if not late:
        add(chain, sign_reveal(chain, "bob", GOOD_BITS))
        assert get_status_name(chain) == status
        assert find_paid(add_until(chain, 20)) == [(get_key("bob"), 2 * UNIT_PLANCK)]
        return
    execution = chain.start()
    outcome = execution.apply_extrinsic(sign_reveal(chain, "bob", GOOD_BITS))
    assert outcome.failure.split(": ")[1] == UnknownCommit.__name__
    events = add(chain)
    assert get_one(events, NotRevealed).burnt == DEPOSIT
    assert get_status_name(chain) == status
    assert chain.get_reserved("bob") == 0
    reward = 8 * UNIT_PLANCK
    assert issuance - DEPOSIT <= chain.get_issuance() <= issuance - DEPOSIT + reward


def test_sol_12_above_the_target_the_lowest_energy_wins_then_the_earliest() -> None:
    """SOL-12, SOL-14: equal energies go by place, whoever reveals first; the share is paid, the rest goes back."""
    chain = make_posted()
    add(chain, sign_commit(chain, "charlie", POOR_BITS))
    add(chain, sign_commit(chain, "miner", 0b101000))
    add(chain, sign_commit(chain, "bob", GOOD_BITS))
    add_until(chain, 10)
    add(chain, sign_reveal(chain, "bob", GOOD_BITS))
    add(chain, sign_reveal(chain, "charlie", POOR_BITS))
    assert find_paid(add_until(chain, 14)) == [], "the miner's commit waits"
    add(chain, sign_reveal(chain, "miner", 0b101000))
    free = chain.get_free("alice")
    assert find_paid(add_until(chain, 20)) == [(get_key("miner"), 2 * UNIT_PLANCK)]
    assert chain.get_reserved("alice") == 0
    record = RECORDS.get(chain.state, 0)
    assert chain.get_free("alice") > free + 3 * UNIT_PLANCK + record.work_budget


def test_sol_13_a_commit_that_is_never_revealed_blocks_until_its_window_closes() -> None:
    """SOL-13: and costs its deposit; the payment comes in the block after the last one for reveals."""
    chain = make_posted()
    add(chain, sign_commit(chain, "charlie", POOR_BITS))
    add(chain, sign_commit(chain, "bob", BEST_BITS))
    add(chain, sign_reveal(chain, "bob", BEST_BITS))
    solved_at = chain.head.number
    assert find_paid(add_until(chain, solved_at + WINDOW)) == []
    events = add(chain)
    assert get_one(events, NotRevealed).account == get_key("charlie")
    assert find_paid(events) == [(get_key("bob"), BOUNTY)]


def test_sol_13_a_later_commit_blocks_nothing_and_still_gets_its_deposit_back() -> None:
    """SOL-13, SOL-16: paid while the later one waits; the instance stays for its reveal, whatever its energy."""
    chain = make_posted()
    add(chain, sign_commit(chain, "bob", BEST_BITS))
    add(chain, sign_commit(chain, "charlie", POOR_BITS))
    add(chain, sign_reveal(chain, "bob", BEST_BITS))
    assert find_paid(add_until(chain, 6)) == [(get_key("bob"), BOUNTY)]
    assert get_status_name(chain) == "Paid"
    assert INSTANCES.find(chain.state, 0) is not None
    add(chain, sign_reveal(chain, "charlie", POOR_BITS))
    assert INSTANCES.find(chain.state, 0) is None
    assert chain.get_reserved("charlie") == 0
    assert RECORDS.get(chain.state, 0).best.solver == get_key("bob")


def test_sol_16_an_instance_goes_with_the_last_burnt_deposit() -> None:
    """SOL-16: as well as with the last reveal."""
    chain = make_posted()
    add(chain, sign_commit(chain, "bob", BEST_BITS), sign_commit(chain, "charlie", POOR_BITS))
    add(chain, sign_reveal(chain, "bob", BEST_BITS))
    until = RECORDS.get(chain.state, 0).reveals_until
    assert until == chain.head.number + WINDOW
    add_until(chain, until)
    assert INSTANCES.find(chain.state, 0) is not None
    add(chain)
    assert INSTANCES.find(chain.state, 0) is None
    assert AGENDA.get(chain.state, until + 1) == ()


def test_a_thief_who_shows_a_copied_solution_as_the_author_loses_to_the_commit() -> None:
    """SOL-12: the inherent counts where it stands; the commit before it wins if it is revealed in time."""
    chain = make_posted()
    add(chain, sign_commit(chain, "bob", BEST_BITS))
    add(chain, solution=BEST, author="charlie")
    assert RECORDS.get(chain.state, 0).best.solver == get_key("charlie")
    chain.assert_noop(NotOpen, "alice", commit, 0, bytes(32))
    events = add(chain, sign_reveal(chain, "bob", BEST_BITS))
    assert get_one(events, Solved).solver == get_key("bob")
    assert find_paid(add_until(chain, 20)) == [(get_key("bob"), BOUNTY)]


def test_an_authors_solution_wins_when_the_earlier_commit_stays_silent() -> None:
    """SOL-11: then the commit's deposit is gone."""
    chain = make_posted()
    add(chain, sign_commit(chain, "bob", BEST_BITS))
    add(chain, solution=BEST, author="charlie")
    events = add_until(chain, 20)
    assert find_paid(events) == [(get_key("charlie"), BOUNTY)]
    assert get_one(events, NotRevealed).burnt == DEPOSIT


def test_the_same_solution_from_two_accounts_pays_the_earlier_one() -> None:
    chain = make_posted()
    add(chain, sign_commit(chain, "charlie", BEST_BITS))
    add(chain, sign_commit(chain, "bob", BEST_BITS))
    add(chain, sign_reveal(chain, "bob", BEST_BITS), sign_reveal(chain, "charlie", BEST_BITS))
    assert find_paid(add_until(chain, 20)) == [(get_key("charlie"), BOUNTY)]


def test_sol_12_below_the_target_all_energies_are_equal() -> None:
    """SOL-12: the earlier one wins though the later one goes deeper."""
    chain = make_posted(target_energy=-2)
    add(chain, sign_commit(chain, "charlie", GOOD_BITS))
    add(chain, sign_commit(chain, "bob", BEST_BITS))
    add(chain, sign_reveal(chain, "bob", BEST_BITS))
    add(chain, sign_reveal(chain, "charlie", GOOD_BITS))
    assert find_paid(add_until(chain, 20)) == [(get_key("charlie"), BOUNTY)]


def test_a_commit_that_reaches_the_target_may_be_revealed_after_the_deadline() -> None:
    """SOL-09: it then earns the bounty, and no earlier one above the target beats it."""
    chain = make_posted()
    add(chain, sign_commit(chain, "charlie", GOOD_BITS))
    add_until(chain, 9)
    add(chain, sign_commit(chain, "bob", BEST_BITS))
    add(chain, sign_reveal(chain, "charlie", GOOD_BITS))
    add(chain, sign_reveal(chain, "bob", BEST_BITS))
    assert get_status_name(chain) == "Solved"
    assert find_paid(add_until(chain, 20)) == [(get_key("bob"), BOUNTY)]


@pytest.mark.parametrize("ppb", [0, 400_000_000, 1_000_000_000])
def test_sol_14_an_authors_best_solution_earns_the_share_after_the_deadline(ppb: int) -> None:
    """SOL-14: without a share everything is refunded at once, as if nobody had solved anything."""
    chain = make_posted(best_effort_ppb=ppb)
    add(chain, solution=GOOD, author="bob")
    events = add_until(chain, 11)
    share = BOUNTY * ppb // 10**9
    assert find_paid(events) == ([(get_key("bob"), share)] if ppb else [])
    assert len([event for event in events if isinstance(event, Expired)]) == (0 if ppb else 1)
    assert chain.get_reserved("alice") == 0


@pytest.mark.parametrize(
    "changes", [{"best_effort_ppb": 10**9 + 1}, {"best_effort_ppb": 1}, {"best_effort_ppb": 10**5}]
)
def test_sol_15_a_share_is_payable_or_nothing(changes: dict[str, int]) -> None:
    """SOL-15: more than the bounty, or less than the existential deposit, is refused."""
    RuntimeChain().assert_noop(InvalidShare, "alice", post, *post_arguments(**changes))


def test_sol_15_a_share_of_the_existential_deposit_is_good() -> None:
    """SOL-15: the smallest one."""
    chain = RuntimeChain()
    add(chain, chain.sign("alice", post, *post_arguments(best_effort_ppb=200_000)))


def test_sol_17_cancelling_while_commits_wait_brings_the_deadline_forward() -> None:
    """SOL-17, PRB-14: it costs the deposit, and a reveal that the poster saw in the pool still earns the bounty."""
    chain = make_posted()
    add(chain, sign_commit(chain, "bob", BEST_BITS))
    events = add(chain, chain.sign("alice", cancel, 0), sign_reveal(chain, "bob", BEST_BITS))
    assert get_one(events, Cancelled).burnt > 0
    assert get_status_name(chain) == "Solved"
    chain.assert_noop(NotOpen, "alice", commit, 0, bytes(32))
    assert find_paid(add_until(chain, 20)) == [(get_key("bob"), BOUNTY)]
    assert chain.get_reserved("alice") == 0


def test_sol_17_a_promised_share_is_paid_though_the_problem_is_cancelled() -> None:
    """SOL-17: the author's shown solution keeps its share; nothing is left on the agenda of the old deadline."""
    chain = make_posted()
    add(chain, solution=GOOD, author="bob")
    add(chain, chain.sign("alice", cancel, 0))
    assert get_status_name(chain) == "Revealing"
    assert AGENDA.get(chain.state, 11) == ()
    assert find_paid(add_until(chain, 20)) == [(get_key("bob"), 2 * UNIT_PLANCK)]


def test_prb_14_cancelling_after_a_commit_costs_the_deposit_even_when_it_is_over() -> None:
    """PRB-14: without commits, solutions and batches it is free."""
    chain = make_posted()
    free = chain.fork()
    assert get_one(add(free, free.sign("alice", cancel, 0)), Cancelled).burnt == 0
    add(chain, sign_commit(chain, "bob", GOOD_BITS))
    assert get_one(add(chain, chain.sign("alice", cancel, 0)), Cancelled).burnt > 0
    events = add_until(chain, 20)
    assert len([event for event in events if isinstance(event, Expired)]) == 1
    assert chain.get_reserved("alice") == chain.get_reserved("bob") == 0


def test_an_author_cannot_show_a_solution_after_the_deadline() -> None:
    """The inherent is for open problems; a revealing one takes only reveals."""
    chain = make_posted()
    add(chain, sign_commit(chain, "bob", GOOD_BITS))
    add_until(chain, 11)
    assert get_status_name(chain) == "Revealing"
    with pytest.raises(InvalidExtrinsicInBlock, match="NotOpen"):
        chain.make_block(solution=BEST)


def test_wrong_energies_and_bits_do_not_open_a_commit() -> None:
    """PRB-19, PRB-20 hold for reveals too: somebody may have committed to nonsense."""
    chain = make_posted()
    add(chain, sign_commit(chain, "bob", BEST_BITS, nonce=0), sign_commit(chain, "charlie", 0b11000000))
    chain.assert_noop(MisstatedEnergy, "bob", reveal, 0, make_salt("bob"), -5, bytes((BEST_BITS,)))
    chain.assert_noop(InvalidBits, "charlie", reveal, 0, make_salt("charlie"), -6, bytes((0b11000000,)))


@pytest.mark.parametrize(
    ("error", "arguments"),
    [(UnknownProblem, (1, bytes(32))), (UnknownProblem, (2**64 - 1, bytes(32)))],
)
def test_a_commit_to_nothing_is_refused(error: type[Exception], arguments: tuple[object, ...]) -> None:
    make_posted().assert_noop(error, "bob", commit, *arguments)


def test_a_deposit_that_cannot_be_paid_is_refused() -> None:
    limits = SolutionParams(deposit_planck=ENDOWMENT)
    chain = RuntimeChain(replace(Params.tiny(), solution=limits))
    add(chain, chain.sign("alice", post, *post_arguments()))
    chain.assert_noop(FundsUnavailable, "bob", commit, 0, bytes(32))


def test_a_reorganisation_gives_back_what_its_commits_had_taken() -> None:
    """On a branch without the commit a copy of the reveal comes first: why wallets wait until the commit is final."""
    chain = make_posted()
    other = chain.fork()
    add(chain, sign_commit(chain, "bob", BEST_BITS))
    add(chain, sign_reveal(chain, "bob", BEST_BITS))
    add(other, sign_commit(other, "charlie", BEST_BITS))
    add(other, sign_commit(other, "bob", BEST_BITS))
    add(other, sign_reveal(other, "charlie", BEST_BITS))
    assert find_paid(add_until(chain, 20)) == [(get_key("bob"), BOUNTY)]
    assert find_paid(add_until(other, 20)) == [(get_key("charlie"), BOUNTY)]


def test_a_paid_problem_with_waiting_commits_is_forgotten_only_after_them() -> None:
    """The record outlives the last reveal: params keep reveal_blocks below the time that records are kept."""
    chain = make_posted()
    add(chain, sign_commit(chain, "bob", BEST_BITS), sign_commit(chain, "charlie", POOR_BITS))
    add(chain, sign_reveal(chain, "bob", BEST_BITS), chain.sign("alice", remark, b"x"))
    add_until(chain, 30)
    assert get_waiting(chain) == ()
    assert RECORDS.find(chain.state, 0) is not None
