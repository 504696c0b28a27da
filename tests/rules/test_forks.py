"""Reorganisations leave nothing behind: whatever the order of arrival, the node ends as if it had seen one chain."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import encode_block
from chain.extrinsic import is_bare, make_bare
from chain.hashing import blake2b_256
from chain.store import BatchEntry, MemoryStore, StoreClosed
from consensus.errors import InvalidBlock
from node.chain_layout import BODY_PREFIX, HEADER_PREFIX, NUMBER_PREFIX, RECORD_PREFIX, SIDE_PREFIX
from node.core.effects import BestChanged, BlockImported, BlockRefused, ExtrinsicsMoved
from node.core.import_errors import BelowFinal
from node.core.mempool import Mempool
from node.offline_chain import revert_blocks
from runtime.pallets.system import ACCOUNT
from runtime.runtime import check_invariants
from runtime.storage import Overlay
from tests.node.world import ALICE, BOB, CHARLIE, World, find, with_header
from tests.rules.forks import Forest, make_fork_params

PARAMS = make_fork_params()
SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_after_any_forks_the_state_is_that_of_the_best_chain_alone(seed: int) -> None:
    random = Random(seed)
    forest = Forest(random, PARAMS)
    for _ in range(14):
        forest.grow()
    importer = forest.world.importer
    chain = importer.chain
    best = [block for block in forest.blocks if chain.get_hash(block.header.number) == block.hash]
    assert best[-1].hash == importer.head.hash
    plain = World(author=None, params=PARAMS)
    plain.now_ms = forest.world.now_ms
    for block in best:
        assert find(plain.receive(block), BlockImported)
    assert plain.head.hash == importer.head.hash
    assert get_canonical(plain) == get_canonical(forest.world)
    check_invariants(Overlay(chain.state), PARAMS)
    check_reopened(forest.world)


def get_canonical(world: World) -> dict[bytes, bytes]:
    """Return everything in the store but side blocks."""
    kept = {}
    chain = world.importer.chain
    for key, value in world.store.iterate(b""):
        block_hash = key[9:] if key[:1] == NUMBER_PREFIX else key[1:]
        if key[:1] == SIDE_PREFIX:
            continue
        if key[:1] in (HEADER_PREFIX, BODY_PREFIX, RECORD_PREFIX, NUMBER_PREFIX):
            record = chain.get_record(block_hash)
            assert record is not None
            if chain.get_hash(record.number) != block_hash:
                continue
        kept[key] = value
    return kept


def check_reopened(world: World) -> None:
    """Assert that the store opens with the same head, the same tree and no side block lost, whatever its clock says."""
    again = World(author=None, params=world.params, store=world.store)
    assert again.head.hash == world.head.hash
    assert again.importer.chain.state.root == world.importer.chain.state.root
    assert len(again.importer.blocks) == len(world.importer.blocks)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_in_any_order_of_arrival_nodes_agree_and_their_pools_stay_consistent(seed: int) -> None:
    random = Random(seed)
    forest = Forest(random, PARAMS)
    for _ in range(12):
        forest.grow()
    node = World(author=None, params=PARAMS)
    node.now_ms = forest.world.now_ms
    order = list(forest.blocks)
    for at in range(len(order) - 1):
        if random.random() < 0.4:
            order[at], order[at + 1] = order[at + 1], order[at]
    for block in order:
        for raw in block.extrinsics:
            if raw[2] == 0x84 and random.random() < 0.5:
                node.submit(raw)
        effects = node.receive(block)
        assert all(isinstance(effect.error, BelowFinal) for effect in find(effects, BlockRefused)), effects
        check_pool(node)
    work = node.importer.blocks.best.work_total
    assert work == forest.world.importer.blocks.best.work_total
    check_invariants(Overlay(node.importer.chain.state), PARAMS)


def test_undoing_a_block_keeps_the_place_of_an_inherent_that_an_earlier_block_holds_too() -> None:
    """Times need only exceed a median, so two blocks may carry the same timestamp inherent."""
    world = World()
    for _ in range(3):
        world.mine()
    first, second = world.mine(later_ms=5_000), world.mine(later_ms=0)
    assert first.extrinsics == second.extrinsics
    chain = world.importer.chain
    inherent = blake2b_256(first.extrinsics[0])
    chain.revert_head()
    place = chain.find_extrinsic(inherent)
    assert place is not None
    assert place.block_hash == first.hash
    chain.revert_head()
    assert chain.find_extrinsic(inherent) is None


def test_an_inherent_is_told_from_a_signed_extrinsic_by_its_first_bytes() -> None:
    assert is_bare(make_bare(b"x"))
    assert is_bare(make_bare(b"x" * 70))
    assert is_bare(make_bare(b"x" * 20_000))
    world = World(author=None)
    assert not is_bare(world.transfer(ALICE, BOB, 1, 0))
    for raw in (b"", b"\x00", b"\x04", b"\x03\x04"):
        assert not is_bare(raw)


def check_pool(world: World) -> None:
    """Assert that the pool's counts and queues follow from its entries and the head's state."""
    pool: Mempool = world.machine.pool
    entries = list(pool.iterate_entries())
    state = Overlay(world.importer.chain.state)
    ready = 0
    held = {(entry.signer, entry.nonce) for entry in entries}
    assert len(held) == len(entries)
    for entry in entries:
        next_nonce = ACCOUNT.get(state, entry.signer).nonce
        assert entry.nonce >= next_nonce
        is_ready = all((entry.signer, nonce) in held for nonce in range(next_nonce, entry.nonce))
        assert pool.is_ready(entry) == is_ready
        assert pool.is_signature_checked(entry.signature_key)
        ready += is_ready
    assert pool.ready_count == ready
    assert pool.future_count == len(entries) - ready
    assert pool.bytes_held == sum(entry.size for entry in entries)
    assert len(list(pool.iterate_ready())) == ready


@pytest.mark.parametrize("window", [0, 1, 5])
def test_the_smallest_window_of_undo_records_reaches_back_to_the_final_block(window: int) -> None:
    """A switch from the longest branch to a heavier one takes back every block above the final one."""
    forest = Forest(Random(7), PARAMS)
    node = World(author=None, params=PARAMS, state_window=window)
    switched = 0
    for _ in range(40):
        block = forest.grow()
        node.now_ms = forest.world.now_ms
        effects = node.receive(block)
        assert find(effects, BlockImported)
        switched += any(change.retracted for change in find(effects, BestChanged))
        assert node.head.hash == forest.world.head.hash
    assert switched > 0
    assert node.importer.chain.state.root == forest.world.importer.chain.state.root


@pytest.mark.parametrize("is_on_lost_branch", [False, True])
def test_extrinsics_of_several_blocks_that_join_at_once_are_each_told_their_own_block(is_on_lost_branch: bool) -> None:
    """One account's extrinsics in two blocks of the winning branch: neither is called invalid on the way."""
    left, right = World(), World(author=BOB.public)
    raws = [left.transfer(ALICE, BOB, 10**12, nonce) for nonce in range(2)]
    for raw in raws:
        left.submit(raw)
    lost = World(author=CHARLIE.public)
    if is_on_lost_branch:
        lost.submit(raws[0])
    left.receive(lost.mine())
    right.now_ms = left.now_ms = lost.now_ms
    branch = []
    for raw in raws:
        right.submit(raw)
        branch.append(right.mine())
    left.now_ms = right.now_ms
    assert find(left.receive(branch[0]), BestChanged) == []
    news = [item for effect in find(left.receive(branch[1]), ExtrinsicsMoved) for item in effect.news]
    assert [(item.status.kind, item.status.value) for item in news if item.status.kind == "inBlock"] == [
        ("inBlock", branch[0].hash),
        ("inBlock", branch[1].hash),
    ]
    assert not [item for item in news if item.status.kind in ("invalid", "dropped")]
    assert left.machine.pool.get_drop(blake2b_256(raws[1])) is None
    assert len(left.machine.pool) == 0


class DyingStore(MemoryStore):
    """A store that dies before its n-th batch from now on; what was written before stays."""

    batches_left: int | None = None

    def write(self, batch: Sequence[BatchEntry], *, sync: bool = True) -> None:
        if self.batches_left is not None:
            if self.batches_left == 0:
                raise StoreClosed("the process was killed")
            self.batches_left -= 1
        super().write(batch, sync=sync)


def test_a_node_that_dies_inside_a_reorganisation_finds_the_best_chain_again() -> None:
    """A switch takes back two blocks and applies three, a batch each; the process may end before any."""
    right = World(author=BOB.public)
    branch = [right.mine() for _ in range(3)]
    ends = set()
    for batches in range(8):
        store = DyingStore()
        left = World(store=store)
        old = [left.mine() for _ in range(2)]
        left.now_ms = right.now_ms
        for block in branch[:2]:
            left.receive(block)
        assert left.head.hash == old[1].hash
        store.batches_left = batches
        try:
            left.receive(branch[2])
        except StoreClosed:
            ends.add(batches)
        store.batches_left = None
        again = World(author=None, store=store)
        expected = old[1].hash if batches == 0 else branch[2].hash
        assert again.head.hash == expected, batches
        again.now_ms = right.now_ms
        again.receive(branch[2])
        assert again.head.hash == right.head.hash
        assert again.importer.chain.state.root == right.importer.chain.state.root
    assert ends == set(range(7)), "a side block stored, two undone, three applied, the lost ones removed"


@pytest.mark.parametrize(("count", "head", "final"), [(1, 7, 6), (2, 6, 6), (3, 5, 5)])
def test_after_taking_blocks_back_a_block_below_the_kept_states_is_refused(count: int, head: int, final: int) -> None:
    """`revert` lowers the head: at the next start it stays there; what was final above it is final no more."""
    world = World(state_window=0)
    blocks = [world.mine() for _ in range(8)]
    assert revert_blocks(world.importer.chain, count) == count
    again = World(author=BOB.public, store=world.store, state_window=0)
    again.now_ms = world.now_ms
    assert again.head.hash == blocks[head - 1].hash
    assert again.importer.final.number == final >= again.importer.chain.state.oldest_height == 5
    for block in blocks[final - 1 : head + 1]:
        sibling = with_header(block, state_root=bytes(32))
        with pytest.raises((BelowFinal, InvalidBlock)):
            again.importer.import_block(
                encode_block(sibling), now_ms=again.now_ms, is_signature_checked=lambda key: False
            )
    assert find(again.receive(blocks[head]), BlockImported)


def test_extrinsics_of_undone_blocks_are_ready_again_before_those_that_stand_on_them() -> None:
    left, right = World(), World(author=BOB.public)
    raws = [left.transfer(ALICE, BOB, 10**12, nonce) for nonce in range(4)]
    lost = World(author=CHARLIE.public)
    for raw in raws[:2]:
        lost.submit(raw)
    for raw in raws:
        left.submit(raw)
    left.receive(lost.mine())
    assert left.machine.pool.ready_count == 2
    branch = [right.mine(), right.mine()]
    left.now_ms = right.now_ms
    for block in branch:
        left.receive(block)
        check_pool(left)
    assert left.head.hash == right.head.hash
    assert [entry.nonce for entry in left.machine.pool.iterate_ready()] == [0, 1, 2, 3]
