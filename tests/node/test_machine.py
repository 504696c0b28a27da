"""The core: mining, fork choice, reorganisation, finality and what it tells about extrinsics."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.hashing import blake2b_256
from chain.params import Params
from chain.substrate_types import AddressId
from consensus.ticket import search_tickets
from node.core.effects import (
    BestChanged,
    BlockImported,
    BlockPostponed,
    ExtrinsicAccepted,
    ExtrinsicRefused,
    ExtrinsicsMoved,
    Finalized,
    Log,
    StartMining,
    StopMining,
)
from node.core.events import ExtrinsicsRemoved, Tick, TicketFound
from node.core.import_errors import BlockKnown
from node.core.pool_errors import AlreadyImported, BadFormat, Unfit
from node.core.sealing import Sealing
from runtime.environment import Environment
from runtime.pallets.balances import transfer_all
from runtime.pallets.system import remark
from runtime.runtime import encode_call
from tests.node.world import ALICE, BOB, CHARLIE, World, find, get_job, get_refusal


def moves(effects: list) -> list[tuple[bytes, str]]:  # type: ignore[type-arg]
    """Return hash and kind of every step of an extrinsic."""
    return [(item.hash, item.status.kind) for effect in find(effects, ExtrinsicsMoved) for item in effect.news]


def test_a_node_with_an_author_mines_block_after_block() -> None:
    world = World()
    blocks = [world.mine() for _ in range(3)]
    assert [block.header.number for block in blocks] == [1, 2, 3]
    assert world.head.hash == blocks[-1].hash
    assert world.importer.chain.get_hash(2) == blocks[1].hash
    assert world.importer.final.number == 1


def test_a_node_without_an_author_does_not_mine() -> None:
    world = World(author=None)
    assert find(world.handle(Tick(), later_ms=60_000), StartMining) == []


def test_another_node_imports_what_the_first_one_mined() -> None:
    miner, other = World(), World(author=None)
    for _ in range(4):
        effects = other.receive(miner.mine())
        assert len(find(effects, BlockImported)) == 1
    assert other.head.hash == miner.head.hash
    assert other.importer.chain.state.root == miner.importer.chain.state.root


def test_imp_01_a_known_block_is_ignored() -> None:
    miner, other = World(), World(author=None)
    block = miner.mine()
    other.receive(block)
    before = other.snapshot()
    assert isinstance(get_refusal(other.receive(block)), BlockKnown)
    assert other.snapshot() == before


def test_imp_02_blocks_wait_for_their_parents_and_then_follow_them_in() -> None:
    miner, other = World(), World(author=None)
    one, two, three = (miner.mine() for _ in range(3))
    other.now_ms = miner.now_ms
    assert len(find(other.receive(three), BlockPostponed)) == 1
    assert len(find(other.receive(two), BlockPostponed)) == 1
    effects = other.receive(one)
    assert [effect.hash for effect in find(effects, BlockImported)] == [one.hash, two.hash, three.hash]
    assert len(other.machine.waiting) == 0


def test_a_block_from_the_future_waits_until_its_time() -> None:
    miner, other = World(), World(author=None)
    block = miner.mine(later_ms=20_000)
    assert len(find(other.receive(block), BlockPostponed)) == 1
    assert find(other.handle(Tick(), later_ms=4_999), BlockImported) == []
    assert [effect.hash for effect in find(other.handle(Tick(), later_ms=1), BlockImported)] == [block.hash]


def test_the_branch_with_more_work_wins_and_its_extrinsics_follow() -> None:
    left, right = World(), World(author=BOB.public)
    transfer = left.transfer(ALICE, CHARLIE, 10**12, 0)
    left.submit(transfer)
    lost = left.mine()
    extrinsic_hash = left.machine.importer.chain.find_extrinsic
    assert len(lost.extrinsics) == 2
    new = [right.mine(), right.mine()]
    left.now_ms = right.now_ms
    first = left.receive(new[0])
    assert find(first, BlockImported)[0].is_best is False
    assert left.head.hash == lost.hash
    effects = left.receive(new[1])
    change = find(effects, BestChanged)[0]
    assert change.retracted == (lost.hash,)
    assert change.enacted == (new[0].hash, new[1].hash)
    assert left.importer.chain.state.root == right.importer.chain.state.root
    kinds = [kind for _, kind in moves(effects)]
    assert kinds == ["retracted", "ready"]
    assert extrinsic_hash(moves(effects)[0][0]) is None
    third = left.mine()
    assert transfer in third.extrinsics


def test_a_tie_keeps_the_block_seen_first() -> None:
    left, right = World(), World(author=BOB.public)
    mine, theirs = left.mine(), right.mine()
    effects = left.receive(theirs)
    assert find(effects, BestChanged) == []
    assert left.head.hash == mine.hash


def test_a_side_branch_below_the_final_block_is_forgotten() -> None:
    left, right = World(), World(author=BOB.public)
    side = right.mine()
    left.mine()
    left.receive(side)
    assert side.hash in left.importer.blocks
    for _ in range(3):
        left.mine()
    assert side.hash not in left.importer.blocks
    assert left.importer.chain.get_header(side.hash) is None


def test_an_extrinsic_goes_from_ready_to_block_to_final() -> None:
    world = World()
    accepted = world.submit(world.transfer(ALICE, BOB, 10**12, 0))
    extrinsic_hash = find(accepted, ExtrinsicAccepted)[0].hash
    assert moves(accepted) == [(extrinsic_hash, "ready")]
    seen: list[str] = []
    for _ in range(3):
        world.handle(Tick(), later_ms=1000)
        desk = world.machine.desk
        assert desk.template is not None
        win = search_tickets(desk.template.job, 0, 64).win
        assert win is not None
        effects = world.handle(TicketFound(generation=desk.generation, seal=win))
        seen += [kind for item, kind in moves(effects) if item == extrinsic_hash]
    assert seen == ["inBlock", "finalized"]


def test_what_the_pool_refuses_leaves_everything_as_it_was() -> None:
    world = World()
    transfer = world.transfer(ALICE, BOB, 10**12, 0)
    world.submit(transfer)
    before = world.snapshot()
    wrong = bytearray(transfer)
    wrong[60] ^= 1
    for raw, kind in ((transfer, AlreadyImported), (b"", BadFormat), (b"\x00", BadFormat), (bytes(wrong), Unfit)):
        refused = find(world.submit(raw), ExtrinsicRefused)
        assert isinstance(refused[0].error, kind), raw
        assert world.snapshot() == before


def test_a_removed_extrinsic_is_dropped_with_its_reason() -> None:
    world = World()
    extrinsic_hash = find(world.submit(world.transfer(ALICE, BOB, 10**12, 0)), ExtrinsicAccepted)[0].hash
    assert moves(world.handle(ExtrinsicsRemoved(hashes=(extrinsic_hash,)))) == [(extrinsic_hash, "dropped")]
    drop = world.machine.pool.get_drop(extrinsic_hash)
    assert drop is not None
    assert "operator" in drop.reason


def test_a_new_template_comes_with_a_new_head_and_else_once_per_block_target() -> None:
    world = World()
    first = get_job(world.handle(Tick()))
    assert first is not None
    target_ms = world.params.work.block_target_ms
    world.submit(world.transfer(ALICE, BOB, 10**12, 0))
    assert get_job(world.handle(Tick(), later_ms=target_ms - 1)) is None
    second = get_job(world.handle(Tick(), later_ms=1))
    assert second is not None
    assert second.generation == first.generation + 1
    assert world.machine.desk.template is not None
    assert world.machine.desk.template.signed_count == 1


def test_a_ticket_for_an_older_template_on_the_same_head_still_makes_a_block() -> None:
    world = World()
    old = get_job(world.handle(Tick()))
    assert old is not None
    world.handle(Tick(), later_ms=world.params.work.block_target_ms)
    win = search_tickets(old.job, 0, 64).win
    assert win is not None
    found = TicketFound(generation=old.generation, seal=win)
    assert len(find(world.handle(found), BlockImported)) == 1
    assert find(world.handle(found), BlockImported) == [], "one win is one block"


def test_instant_sealing_makes_a_block_for_an_extrinsic_and_goes_on_until_it_is_final() -> None:
    world = World(sealing=Sealing(mode="instant"))
    assert get_job(world.handle(Tick(), later_ms=60_000)) is None
    effects = world.submit(world.transfer(ALICE, BOB, 10**12, 0))
    assert get_job(effects) is not None
    block = world.mine(later_ms=0)
    assert len(block.extrinsics) == 2
    world.mine(later_ms=0)
    world.mine(later_ms=0)
    assert world.importer.final.number == block.header.number
    assert get_job(world.handle(Tick(), later_ms=60_000)) is None


def test_interval_sealing_makes_one_block_each_interval() -> None:
    world = World(sealing=Sealing(mode="interval", interval_ms=200))
    assert get_job(world.handle(Tick(), later_ms=199)) is None
    assert get_job(world.handle(Tick(), later_ms=1)) is not None
    world.mine(later_ms=0)
    assert get_job(world.handle(Tick(), later_ms=199)) is None
    assert get_job(world.handle(Tick(), later_ms=1)) is not None


def test_mining_stops_when_the_head_moves_and_nothing_is_to_be_sealed() -> None:
    world = World(sealing=Sealing(mode="interval", interval_ms=200))
    order = get_job(world.handle(Tick(), later_ms=200))
    assert order is not None
    win = search_tickets(order.job, 0, 64).win
    assert win is not None
    effects = world.handle(TicketFound(generation=order.generation, seal=win))
    assert len(find(effects, StopMining)) == 1


def test_imp_05_after_a_restart_the_node_goes_on_where_it_was_and_knows_its_side_blocks() -> None:
    left, right = World(), World(author=BOB.public)
    left.mine()
    theirs = [right.mine(), right.mine()]
    left.receive(theirs[0])
    again = World(store=left.store)
    assert again.head.hash == left.head.hash
    assert theirs[0].hash in again.importer.blocks
    again.now_ms = right.now_ms
    change = find(again.receive(theirs[1]), BestChanged)[0]
    assert change.enacted == (theirs[0].hash, theirs[1].hash)
    again.mine()


def test_finality_is_told_once_and_in_order() -> None:
    world = World()
    numbers: list[int] = []
    miner = World(author=BOB.public)
    for _ in range(5):
        world.now_ms = miner.now_ms + 1000
        for effect in find(world.receive(miner.mine()), Finalized):
            numbers += [header.number for header in effect.headers]
    assert numbers == [1, 2, 3]


def test_the_chain_can_change_its_mind_and_change_it_back() -> None:
    left, right = World(), World(author=BOB.public)
    ours = [left.mine()]
    theirs = [right.mine(), right.mine()]
    keeper = World()
    keeper.receive(ours[0])
    for block in theirs:
        keeper.now_ms = right.now_ms
        keeper.receive(block)
    assert keeper.head.hash == theirs[1].hash
    left.now_ms = right.now_ms
    ours += [left.mine(), left.mine()]
    keeper.now_ms = left.now_ms
    for block in ours[1:]:
        effects = keeper.receive(block)
    change = find(effects, BestChanged)[0]
    assert change.retracted == (theirs[1].hash, theirs[0].hash)
    assert change.enacted == tuple(block.hash for block in ours)
    assert keeper.importer.chain.state.root == left.importer.chain.state.root


def test_an_extrinsic_that_both_branches_hold_only_changes_its_block() -> None:
    left, right = World(), World(author=BOB.public)
    raw = left.transfer(ALICE, CHARLIE, 10**12, 0)
    left.submit(raw)
    right.submit(raw)
    lost = left.mine()
    new = [right.mine(), right.mine()]
    left.now_ms = right.now_ms
    left.receive(new[0])
    effects = left.receive(new[1])
    assert [kind for _, kind in moves(effects)] == ["retracted", "inBlock"]
    assert lost.hash != new[0].hash
    assert len(left.machine.pool) == 0


def test_a_ticket_for_a_head_that_is_no_longer_the_best_makes_no_block() -> None:
    world, other = World(), World(author=BOB.public)
    order = get_job(world.handle(Tick()))
    assert order is not None
    win = search_tickets(order.job, 0, 64).win
    assert win is not None
    world.receive(other.mine())
    blocks = len(world.importer.blocks)
    assert find(world.handle(TicketFound(generation=order.generation, seal=win)), BlockImported) == []
    assert len(world.importer.blocks) == blocks


def test_what_turns_out_unpayable_leaves_the_pool_with_its_reason_and_its_followers_wait() -> None:
    world = World()
    everything = encode_call(transfer_all, AddressId(account=CHARLIE.public), False)
    drain = world.sign(BOB, everything, 0)
    second, third = (world.transfer(BOB, CHARLIE, 10**12, nonce) for nonce in (1, 2))
    for raw in (drain, second, third):
        assert find(world.submit(raw), ExtrinsicAccepted)
    block = world.mine()
    assert block.extrinsics[1:] == (drain,)
    drop = world.machine.pool.get_drop(blake2b_256(second))
    assert drop is not None
    assert drop.kind == "invalid"
    assert "Inability to pay" in drop.reason
    entry = world.machine.pool.get(blake2b_256(third))
    assert entry is None or not world.machine.pool.is_ready(entry)


def test_run_30_a_call_that_crashes_stops_no_miner(monkeypatch: pytest.MonkeyPatch) -> None:
    """RUN-30: it leaves the pool with the mistake as its reason, and the block has the others."""

    def crash(env: Environment, origin: bytes, data: bytes) -> None:
        raise ValueError("zip() argument 2 is longer than argument 1")

    monkeypatch.setattr(remark, "function", crash)
    world = World()
    bad, good = world.sign(BOB, encode_call(remark, b""), 0), world.transfer(CHARLIE, BOB, 10**12, 0)
    effects = [*world.submit(bad), *world.submit(good), *world.handle(Tick(), later_ms=1000)]
    assert len(find(effects, ExtrinsicAccepted)) == 2
    [line] = [log for log in find(effects, Log) if log.level == "error"]
    assert "this is a bug, please report it" in line.message
    assert world.mine().extrinsics[1:] == (good,)
    drop = world.machine.pool.get_drop(blake2b_256(bad))
    assert drop is not None
    assert "please report it" in drop.reason


def test_imp_07_what_was_told_final_stays_final_over_a_restart_with_an_older_head() -> None:
    world = World()
    blocks = [world.mine() for _ in range(5)]
    chain = world.importer.chain
    assert world.importer.final.hash == blocks[2].hash
    lost = [chain.head.hash, chain.head.parent_hash]
    for _ in lost:
        chain.revert_head()
    chain.remove_blocks(lost)
    again = World(store=world.store)
    assert again.head.hash == blocks[2].hash
    assert again.importer.final.hash == blocks[2].hash, "the state after block 3 alone would say block 1"


def test_imp_08_while_nothing_becomes_final_a_branch_of_any_length_can_win() -> None:
    params = make_restless_params()
    left, right = World(params=params, state_window=2), World(author=BOB.public, params=params, state_window=2)
    for _ in range(20):
        left.mine()
    theirs = [right.mine() for _ in range(21)]
    left.now_ms = right.now_ms
    for block in theirs:
        effects = left.receive(block)
    assert len(find(effects, BestChanged)[0].retracted) == 20
    assert left.head.hash == right.head.hash
    assert left.importer.chain.state.root == right.importer.chain.state.root
    assert left.importer.chain.state.oldest_height == 0
    again = World(params=params, store=left.store)
    assert again.head.hash == right.head.hash
    assert len(again.importer.blocks) == 42


def make_restless_params() -> Params:
    """Return a chain on which no block becomes final for a long time."""
    tiny = Params.tiny()
    return replace(tiny, finality=replace(tiny.finality, unattended_depth=10_000))
