"""The chain on disk: append, revert, side blocks, index, and the start-up check against every kind of damage."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from chain.hashing import blake2b_256
from chain.state_tree import StateDamaged, StatePruned, UndoMissing, get_undo_key
from chain.store import BatchEntry, MemoryStore, StoreDamaged
from node.chain_layout import (
    BODY_PREFIX,
    EVENTS_PREFIX,
    EXTRINSIC_PREFIX,
    FORMAT_KEY,
    HEAD_KEY,
    HEADER_PREFIX,
    NUMBER_PREFIX,
    RECORD_PREFIX,
    SIDE_PREFIX,
    encode_record,
    get_canonical_key,
)
from node.chain_opening import (
    ChainBroken,
    ChainMismatch,
    HeadIncomplete,
    StateMisplaced,
    create_chain,
    has_chain,
    open_chain,
)
from node.chain_store import BlockNotNext
from tests.support.stored_chain import (
    GENESIS_STATE,
    make_block,
    make_block_on,
    make_expected_state,
    make_genesis,
    make_stored_chain,
)


class CountingStore(MemoryStore):
    """Counts batches, and can lose one as a crash or a full disk would."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[bool] = []
        self.is_failing = False

    def write(self, batch: Sequence[BatchEntry], *, sync: bool = True) -> None:
        if self.is_failing:
            raise OSError("no space left on device")
        self.batches.append(sync)
        super().write(batch, sync=sync)


def dump(store: MemoryStore) -> dict[bytes, bytes]:
    return dict(store.iterate(b""))


def test_a_block_is_one_synced_batch_and_so_is_taking_it_back() -> None:
    store = CountingStore()
    chain = make_stored_chain(store)
    assert store.batches == [True]
    chain.append_block(*make_block(chain), meta={"finalized": b"x"})
    assert store.batches == [True, True]
    chain.revert_head()
    assert store.batches == [True, True, True]


def test_everything_of_a_block_can_be_read_back() -> None:
    store = MemoryStore()
    chain = make_stored_chain(store, blocks=4)
    data, changes = make_block(chain)
    chain.append_block(data, chain.state.prepare(changes), meta={"finalized": b"x"})
    for opened in (chain, open_chain(store, genesis_hash=make_genesis().header.hash)):
        block_hash = data.header.hash
        assert (opened.head, opened.genesis_hash) == (data.header, make_genesis().header.hash)
        assert opened.get_hash(5) == block_hash
        assert opened.get_header(block_hash) == data.header
        assert opened.get_body(block_hash) == data.extrinsics
        execution, record = opened.get_execution(block_hash), opened.get_record(block_hash)
        assert execution is not None
        assert (execution.events, execution.receipts) == (data.events, data.receipts)
        assert record is not None
        assert (record.number, record.work_total) == (5, data.work_total)
        place = opened.find_extrinsic(blake2b_256(data.extrinsics[3]))
        assert place is not None
        assert (place.block_hash, place.index) == (block_hash, 3)
        assert opened.get_meta("finalized") == b"x"
        assert dict(opened.state.iterate(b"")) == make_expected_state(5)
    assert (chain.get_hash(6), chain.get_header(b"?"), chain.get_body(b"?"), chain.get_record(b"?")) == (None,) * 4
    assert (chain.get_hash(-1), chain.find_extrinsic(b"?"), chain.get_execution(b"?")) == (None,) * 3


def test_taking_blocks_back_restores_the_store_but_for_the_side_blocks() -> None:
    store = MemoryStore()
    chain = make_stored_chain(store, blocks=3)
    before = dump(store)
    hashes = []
    for _ in range(4):
        data, changes = make_block(chain)
        chain.append_block(data, changes)
        hashes.append(data.header.hash)
    for _ in range(4):
        chain.revert_head()
    after = dump(store)
    spare = {key for key in after if key not in before}
    assert {key[:1] for key in spare} == {HEADER_PREFIX, BODY_PREFIX, RECORD_PREFIX, NUMBER_PREFIX, SIDE_PREFIX}
    assert {key: after[key] for key in before} == before
    assert chain.get_body(hashes[0]) is not None
    chain.remove_blocks([*hashes, chain.head.hash])
    assert dump(store) == before
    assert open_chain(store).head.number == 3


def test_the_index_keeps_the_place_on_the_canonical_chain() -> None:
    """An extrinsic of a block taken back is found in the block that took its place."""
    chain = make_stored_chain(MemoryStore(), blocks=2)
    data, changes = make_block(chain)
    chain.append_block(data, changes)
    wanted = blake2b_256(data.extrinsics[0])
    chain.revert_head()
    assert chain.find_extrinsic(wanted) is None
    rival = make_block_on(chain.head, {b"x": b"y"}, root_of=chain.state.root_of)
    chain.append_block(rival, {b"x": b"y"})
    place = chain.find_extrinsic(wanted)
    assert place is not None
    assert place.block_hash == rival.header.hash


def test_taking_a_block_back_leaves_the_place_of_an_extrinsic_that_is_not_its_own() -> None:
    store = MemoryStore()
    chain = make_stored_chain(store, blocks=2)
    extrinsic_hash = blake2b_256((chain.get_body(chain.head.hash) or ())[0])
    elsewhere = (EXTRINSIC_PREFIX + extrinsic_hash, msgspec.msgpack.encode([chain.head.parent_hash, 3]))
    store.write([elsewhere])
    chain.revert_head()
    assert store.get(elsewhere[0]) == elsewhere[1]


def test_side_blocks_are_listed_for_the_block_tree() -> None:
    chain = make_stored_chain(MemoryStore(), blocks=3)
    side, _ = make_block(chain, seed=1)
    data, changes = make_block(chain)
    chain.append_block(data, changes)
    chain.add_side_block(side, {})
    listed = {block_hash: record.number for block_hash, record in chain.iterate_blocks(from_number=3)}
    assert listed == {chain.get_hash(3): 3, data.header.hash: 4, side.header.hash: 4}
    assert chain.get_execution(side.header.hash) is None


def test_a_write_that_fails_changes_nothing() -> None:
    store = CountingStore()
    chain = make_stored_chain(store, blocks=3)
    root, head, before = chain.state.root, chain.head, dump(store)
    store.is_failing = True
    for step in (lambda: chain.append_block(*make_block(chain)), chain.revert_head):
        with pytest.raises(OSError, match="no space"):
            step()
    assert (chain.state.root, chain.head, dump(store)) == (root, head, before)
    store.is_failing = False
    chain.append_block(*make_block(chain))
    assert dict(open_chain(store).state.iterate(b"")) == make_expected_state(4)


def test_a_block_that_does_not_fit_the_head_is_refused() -> None:
    store = MemoryStore()
    chain = make_stored_chain(store, blocks=3)
    data, changes = make_block(chain)
    header, before = data.header, dump(store)
    for field, value in (("parent_hash", bytes(32)), ("number", 5), ("state_root", bytes(32))):
        wrong = msgspec.structs.replace(data, header=msgspec.structs.replace(header, **{field: value}))
        with pytest.raises(BlockNotNext):
            chain.append_block(wrong, changes)
    with pytest.raises(BlockNotNext):
        chain.append_block(data, {**changes, b"x": b"y"})
    assert dump(store) == before


def test_final_blocks_cannot_be_taken_back() -> None:
    chain = make_stored_chain(MemoryStore(), blocks=3)
    data, changes = make_block(chain)
    chain.append_block(data, changes, undo_floor=3)
    chain.revert_head()
    with pytest.raises(StatePruned):
        chain.revert_head()


def test_genesis_must_have_the_root_of_its_state() -> None:
    with pytest.raises(BlockNotNext):
        create_chain(MemoryStore(), make_genesis(), {**GENESIS_STATE, b"more": b"1"})


def test_sto_01_another_chain_or_layout_is_refused() -> None:
    store = MemoryStore()
    assert not has_chain(store)
    chain = make_stored_chain(store, blocks=1)
    assert has_chain(store)
    with pytest.raises(ChainMismatch, match="--base-path"):
        open_chain(store, genesis_hash=bytes(32))
    with pytest.raises(ChainMismatch, match="already"):
        create_chain(store, make_genesis(), GENESIS_STATE)
    store.write([(FORMAT_KEY, msgspec.msgpack.encode([99, chain.genesis_hash]))])
    with pytest.raises(ChainMismatch, match="layout 99"):
        open_chain(store)


def test_a_store_with_data_but_no_chain_is_not_taken_for_a_new_one() -> None:
    store = MemoryStore()
    make_stored_chain(store, blocks=1)
    store.write([(FORMAT_KEY, None)])
    with pytest.raises(StoreDamaged, match="no chain"):
        create_chain(store, make_genesis(), GENESIS_STATE)
    with pytest.raises(StoreDamaged, match="purge-chain"):
        open_chain(store)


@pytest.mark.parametrize("part", ["header", "body", "record", "events", "head", "changed header", "changed body"])
def test_sto_02_a_head_with_a_part_missing_or_changed_is_refused(part: str) -> None:
    store = MemoryStore()
    chain = make_stored_chain(store, blocks=5)
    block_hash = chain.head.hash
    entries: dict[str, BatchEntry] = {
        "header": (HEADER_PREFIX + block_hash, None),
        "body": (BODY_PREFIX + block_hash, None),
        "record": (RECORD_PREFIX + block_hash, None),
        "events": (EVENTS_PREFIX + block_hash, None),
        "head": (HEAD_KEY, None),
        "changed header": (HEADER_PREFIX + block_hash, store.get(HEADER_PREFIX + chain.head.parent_hash)),
        "changed body": (BODY_PREFIX + block_hash, encode_record((b"other",))),
    }
    store.write([entries[part]])
    with pytest.raises(StoreDamaged, match="purge-chain") as caught:
        open_chain(store)
    assert type(caught.value) is (StoreDamaged if part == "head" else HeadIncomplete)


def test_sto_03_a_whole_state_of_another_block_is_refused() -> None:
    """The head's record was lost and an older one shows through."""
    store = MemoryStore()
    chain = make_stored_chain(store, blocks=5)
    older = msgspec.msgpack.encode([4, chain.get_hash(4)])
    store.write([(HEAD_KEY, older)])
    with pytest.raises(StateMisplaced, match="state is that of block 5, the head is block 4"):
        open_chain(store)


@pytest.mark.parametrize("damage", ["lost record", "lost number", "other genesis"])
def test_sto_04_a_gap_in_the_canonical_chain_is_refused(damage: str) -> None:
    store = MemoryStore()
    chain = make_stored_chain(store, blocks=5)
    entries: dict[str, BatchEntry] = {
        "lost record": (RECORD_PREFIX + (chain.get_hash(3) or b""), None),
        "lost number": (get_canonical_key(2), None),
        "other genesis": (get_canonical_key(0), bytes(32)),
    }
    store.write([entries[damage]])
    with pytest.raises(ChainBroken):
        open_chain(store)


def test_a_lost_batch_in_the_middle_is_found() -> None:
    """What a log with a flipped bit does when it is read leniently: block 4's batch is skipped, block 5's is there."""
    whole, holed = MemoryStore(), MemoryStore()
    chain = make_stored_chain(whole, blocks=3)
    holed.write(list(whole.iterate(b"")))
    for number in (4, 5):
        before = dump(whole)
        chain.append_block(*make_block(chain))
        after = dump(whole)
        if number == 5:
            changed = [(key, value) for key, value in after.items() if before.get(key) != value]
            holed.write([*changed, *((key, None) for key in before if key not in after)])
    with pytest.raises(StateDamaged, match="purge-chain"):
        open_chain(holed)


def test_a_lost_undo_record_is_found() -> None:
    store = MemoryStore()
    make_stored_chain(store, blocks=5)
    store.write([(get_undo_key(4), None)])
    with pytest.raises(UndoMissing, match="purge-chain"):
        open_chain(store)


def test_records_that_are_no_messagepack_are_refused_when_read() -> None:
    store = MemoryStore()
    chain = make_stored_chain(store, blocks=2)
    block_hash = chain.head.hash
    for prefix in (BODY_PREFIX, RECORD_PREFIX, EVENTS_PREFIX, EXTRINSIC_PREFIX):
        store.write([(prefix + block_hash, b"\xc1")])
    for read in (chain.get_body, chain.get_record, chain.get_execution, chain.find_extrinsic):
        with pytest.raises(StoreDamaged):
            read(block_hash)
    store.write([(RECORD_PREFIX + block_hash, None)])
    with pytest.raises(StoreDamaged):
        list(chain.iterate_blocks())
