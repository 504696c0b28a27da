"""A node that sells its strikes: by itself, across restarts, and what becomes of one that cheats."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from chain.block import Block
from chain.era import compute_birth, make_era
from chain.ss58 import encode_address
from node.batch_answers import get_solver, list_batches, list_solvers
from node.core.batch_calls import make_site, sign_call
from node.core.batch_notes import BatchNote
from node.core.effects import ExtrinsicAccepted, Log
from node.core.events import LeavesRun
from node.core.pool_gate import get_nonce
from node.leaf_strikes import run_leaves
from node.note_folder import open_batch_notes
from node.vote_keys import AccountKey
from runtime.batch_records import BatchStatus
from runtime.pool import OPERATIONAL_PRIORITY
from runtime.problem_state import RECORDS
from runtime.storage import Overlay
from tests.node.selling import Seller
from tests.node.world import ALICE, BOB, World, find, make_transfer
from tests.support.batch_chain import BOND, PARAMS

GENESIS = bytes(range(32))


def has_line(seller: Seller, text: str) -> bool:
    """Return whether a log line has this text."""
    return any(text in line for line in seller.lines)


def test_a_mining_node_commits_answers_and_is_paid_by_itself(tmp_path: Path) -> None:
    book = open_batch_notes(tmp_path, GENESIS)
    seller = Seller(book)
    seller.open_market()
    seller.mine()
    assert len(book.load_all()) == 1, "the note is on disk before the commit is in a block"
    batch = seller.mine_until_settled()
    assert (batch.status, batch.count, batch.is_of_header) == (BatchStatus.Paid, 16, True)
    solver = seller.get_solver()
    assert (solver.reputation, solver.paid, solver.active) == (1, 1, 5 * BOND)
    for text in ("16 strikes of problem 0 committed", "strikes to show before", "was paid"):
        assert has_line(seller, text), seller.lines
    for _ in range(4):
        seller.mine(strikes=0)
    assert book.load_all() == [], "a note is forgotten when its batch is settled for good"


def test_it_goes_on_selling_block_after_block() -> None:
    seller = Seller()
    seller.open_market()
    for _ in range(12):
        seller.mine()
        seller.work()
    solver = seller.get_solver()
    assert solver.paid >= 4
    assert (solver.voided, solver.slashed) == (0, 0)
    assert solver.open_batches <= 5


@pytest.mark.parametrize(
    ("price", "bonds", "strikes"),
    [(0, 5, 16), (1, 5, 16), (3_000, 5, 16), (100_000, 0, 16), (100_000, 5, 7)],
    ids=["no price", "less than the fees", "less if strikes use little", "no bond", "too few strikes"],
)
def test_nothing_is_sold_that_would_not_pay(price: int, bonds: int, strikes: int) -> None:
    seller = Seller()
    seller.open_market(price=price, bonds=bonds)
    for _ in range(4):
        seller.mine(strikes=strikes)
    assert seller.find_batch() is None
    assert not has_line(seller, "refused")


def test_a_batch_is_as_large_as_the_subsidy_allows() -> None:
    """BAT-22: more strikes than that are not offered."""
    seller = Seller()
    seller.open_market(price=2_000_000)
    seller.mine(strikes=40)
    seller.mine(strikes=0)
    batch = seller.find_batch()
    assert batch is not None
    assert 8 <= batch.count < 40
    assert batch.payment <= 8 * 10**12 < batch.payment * (batch.count + 1) // batch.count


@pytest.mark.parametrize("killed_after", range(9))
@pytest.mark.parametrize("loses", ["memory", "notes"])
def test_a_node_killed_at_any_step_is_never_slashed_and_loses_no_stake(
    tmp_path: Path, killed_after: int, loses: str
) -> None:
    """Between template, commit, challenge, re-run, answer and payment; with its notes, and without them."""
    seller = Seller(open_batch_notes(tmp_path, GENESIS))
    seller.open_market()
    for step in range(30):
        batch = seller.find_batch()
        if batch is not None and not batch.is_open:
            break
        if step % 2:
            seller.mine(strikes=16 if step == 1 else 0)
        else:
            seller.work()
        if step == killed_after:
            if loses == "notes":
                for path in tmp_path.iterdir():
                    path.unlink()
            seller.start()
    solver = seller.get_solver()
    assert (solver.slashed, solver.voided, solver.active) == (0, 0, 5 * BOND)
    assert batch is None or batch.status is BatchStatus.Paid
    assert batch is not None or killed_after <= 2, "only a commit that was in no block is lost"


def test_a_damaged_note_is_run_again_and_answered_rightly(tmp_path: Path) -> None:
    book = open_batch_notes(tmp_path, GENESIS)
    seller = Seller(book)
    seller.open_market()
    seller.mine()
    seller.mine(strikes=0)
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-7] + b"garbage")
    seller.start()
    assert book.load_all() == []
    assert seller.mine_until_settled().status is BatchStatus.Paid


def test_a_leaf_that_comes_out_otherwise_is_never_shown() -> None:
    """A broken machine is silent: the batch is void, the bond stays."""
    seller = Seller()
    seller.open_market()
    seller.mine()
    while not seller.asked:
        seller.mine(strikes=0)
    command = seller.asked.pop()
    shots = list(run_leaves(command))
    shots[-1] = bytes(len(shots[-1]))
    seller._note(seller.world.handle(LeavesRun(batch=0, indices=command.indices, shots=tuple(shots))))
    assert has_line(seller, "cannot be answered for")
    assert seller.mine_until_settled().status is BatchStatus.Void
    assert seller.get_solver().active == 5 * BOND


def test_a_node_with_fake_leaves_is_slashed_and_every_node_names_it() -> None:
    """Detected by re-running, on a node that only follows, too."""
    seller = Seller(conduct="fake-leaves")
    follower = World(author=None, params=PARAMS)
    seller.open_market()
    seller.mine()
    assert seller.mine_until_settled().status is BatchStatus.Slashed
    solver = seller.get_solver()
    assert (solver.slashed, solver.active) == (1, 4 * BOND)
    follower.now_ms = seller.now_ms
    lines = [line for height in range(1, seller.world.head.number + 1) for line in follow(follower, seller, height)]
    expected = f"Solver {encode_address(ALICE.public)} was slashed 10 MSK"
    assert any(expected in line for line in lines), lines


def follow(follower: World, seller: Seller, height: int) -> list[str]:
    """Let a node import a block of another, and return its log lines."""
    chain = seller.world.importer.chain
    block_hash = chain.get_hash(height)
    assert block_hash is not None
    header, body = chain.get_header(block_hash), chain.get_body(block_hash)
    assert header is not None
    effects = follower.receive(Block(header=header, extrinsics=body or ()))
    return [effect.message for effect in find(effects, Log)]


def test_a_silent_node_loses_its_deposit_and_its_pay_but_not_its_bond() -> None:
    seller = Seller(conduct="silent")
    seller.open_market()
    seller.mine()
    assert seller.mine_until_settled().status is BatchStatus.Void
    solver = seller.get_solver()
    assert (solver.voided, solver.slashed, solver.active, solver.reputation) == (1, 0, 5 * BOND, 0)
    assert has_line(seller, "is void")
    record = RECORDS.get(Overlay(seller.world.importer.chain.state), 0)
    assert record.reserved == 0


def test_an_answer_is_not_kept_back_by_what_the_account_sent_before() -> None:
    """Another miner takes none of alice's extrinsics; when time presses, the answer takes the first one's place."""
    seller, other = Seller(), World(author=BOB.public, params=PARAMS)
    seller.open_market()
    seller.mine()
    while not seller.asked:
        seller.mine(strikes=0)
    for height in range(1, seller.world.head.number + 1):
        other.now_ms = seller.now_ms
        follow(other, seller, height)
    nonce = get_nonce(seller.world.importer.chain.state, ALICE.public)
    seller.world.submit(seller.world.transfer(ALICE, BOB, 10**12, nonce))
    seller.work()
    waiting = [entry.nonce for entry in seller.world.machine.pool.iterate_ready()]
    assert waiting == [nonce, nonce + 1]
    seller._note(seller.world.receive(other.mine()))
    first = next(iter(seller.world.machine.pool.iterate_ready()))
    assert (first.nonce, first.priority >= OPERATIONAL_PRIORITY) == (nonce, True)
    seller.mine(strikes=0)
    batch = seller.find_batch()
    assert batch is not None
    assert batch.status is BatchStatus.Paid


def test_the_rpc_answers_say_what_is_asked_and_who_was_slashed() -> None:
    """Batches of a problem with their audits, and the solvers by reputation."""
    seller = Seller(conduct="fake-leaves")
    seller.open_market()
    seller.mine()
    while not seller.asked:
        seller.mine(strikes=0)
    view, params = seller.world.importer.chain.state, seller.world.params
    (row,) = list_batches(view, params, problem_id=0, solver=ALICE.public, only_open=True)
    assert (row["status"], row["count"], row["source"]) == ("challenged", 16, "header")
    assert isinstance(row["leaves"], list)
    assert len(row["leaves"]) == 6
    assert list_batches(view, params, problem_id=1, solver=None, only_open=False) == []
    assert list_batches(view, params, problem_id=None, solver=bytes(32), only_open=False) == []
    seller.mine_until_settled()
    view = seller.world.importer.chain.state
    (named,) = list_solvers(view, params)
    assert (named["slashed"], named["reputation"], named["bond"]) == (1, 0, str(4 * BOND))
    assert get_solver(view, ALICE.public, params) == named
    assert get_solver(view, bytes(32), params) is None
    assert list_batches(view, params, problem_id=None, solver=None, only_open=True) == []


def test_a_book_keeps_each_note_until_it_is_told_to_forget_it(tmp_path: Path) -> None:
    book, other = open_batch_notes(tmp_path, GENESIS), open_batch_notes(tmp_path, bytes(32))
    notes = [
        BatchNote(root=bytes((i,)) * 32, key=bytes(32), problem=i, witness=b"w", gas=7, leaves=b"x" * 64, made_at=i)
        for i in range(3)
    ]
    assert all(book.save(note) for note in notes)
    assert book.load_all() == notes
    assert other.load_all() == [], "notes of another chain are not read"
    book.remove(notes[1].root)
    book.remove(notes[1].root)
    assert book.load_all() == [notes[0], notes[2]]


def test_a_disk_that_refuses_sells_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    seller = Seller(open_batch_notes(blocked, GENESIS))
    seller.open_market()
    for _ in range(3):
        seller.mine()
    assert seller.find_batch() is None


@pytest.mark.parametrize("lag", [8, 32, 33])
def test_what_a_node_signs_is_born_at_its_newest_final_block_unless_that_is_far_away(lag: int) -> None:
    world, signer = World(params=PARAMS), AccountKey(ALICE.seed)
    head = replace(world.head, number=1_000)
    site = replace(make_site(world.importer), head=head, final_number=1_000 - lag, final_hash=b"f" * 32)
    birth, birth_hash = (1_000, head.hash) if lag > 32 else (1_000 - lag, b"f" * 32)
    era = make_era(64, birth)
    assert compute_birth(era, 1_000) == birth
    call = make_transfer(BOB, 1)
    assert sign_call(site, call, signer, 0) == world.sign(ALICE, call, 0, era=era, birth=birth_hash)


def test_a_commit_is_good_on_a_branch_without_the_head_it_was_made_on() -> None:
    seller, other = Seller(), World(author=BOB.public, params=PARAMS)
    seller.open_market()
    follow(other, seller, 1)
    seller.mine()
    other.mine()
    [commit] = seller.world.machine.pool.iterate_ready()
    assert other.head.parent_hash == seller.world.head.parent_hash
    assert other.head.hash != seller.world.head.hash
    assert find(other.submit(commit.extrinsic.raw), ExtrinsicAccepted)
