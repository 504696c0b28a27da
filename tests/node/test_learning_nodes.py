"""All nodes believe the same: who mines, who follows, who restarts; and who does not learn makes no blocks."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.block import Block, encode_block
from chain.header import make_sealed
from chain.store import MemoryStore
from consensus.digest import WorkSeal, make_seal
from consensus.errors import WrongPoolShots
from consensus.ticket import TicketJob, run_ticket, search_tickets
from node.core.events import Tick
from node.core.importer import Importer
from runtime.belief_state import BELIEFS, CURVES
from runtime.problem_records import read_instance
from runtime.problem_state import INSTANCES
from runtime.queries import find_law
from runtime.storage import Overlay
from tests.node.selling import Seller
from tests.node.world import ALICE, World
from tests.support.batch_chain import PARAMS
from vm.law import AngleLaw, compute_law

BLOCKS = 16


def make_miner() -> Seller:
    """Return a node that has mined some blocks on a problem."""
    miner = Seller()
    miner.open_market(bonds=0)
    for _ in range(BLOCKS):
        miner.mine(strikes=0)
    return miner


def read_learnt(importer: Importer) -> tuple[object, object, object]:
    """Return what a node believes at its head."""
    state = Overlay(importer.chain.state)
    return BELIEFS.find(state, 0), CURVES.get(state, 0), find_law(importer.chain.state, 0)


def list_blocks(importer: Importer) -> list[Block]:
    """Return the blocks of a node's best chain, from the first."""
    chain, blocks = importer.chain, []
    for number in range(1, importer.head.number + 1):
        block_hash = chain.get_hash(number)
        assert block_hash is not None
        header, body = chain.get_header(block_hash), chain.get_body(block_hash)
        assert header is not None
        assert body is not None
        blocks.append(Block(header=header, extrinsics=body))
    return blocks


def find_win(job: TicketJob, law: AngleLaw) -> WorkSeal:
    """Return a winning seal with the pool strike of another law, where that gives other shots."""
    assert job.pool is not None
    other = replace(job, pool=replace(job.pool, law=law))
    for start in range(1000):
        win = search_tickets(other, start, 4096).win
        if win is not None and win.pool_shots != run_ticket(job, win.index).pool_shots:
            return win
    raise AssertionError("the laws do not differ enough")


def test_a_follower_and_a_restarted_node_believe_what_the_miner_believes() -> None:
    miner = make_miner()
    learnt = read_learnt(miner.world.importer)
    belief = BELIEFS.get(Overlay(miner.world.importer.chain.state), 0)
    assert belief.strikes == BLOCKS - 1, "the last seal is the next block's"
    follower = World(author=ALICE.public, params=PARAMS, store=MemoryStore())
    for block in list_blocks(miner.world.importer):
        follower.importer.import_block(encode_block(block), now_ms=miner.now_ms, is_signature_checked=lambda key: False)
    assert follower.importer.head.hash == miner.world.importer.head.hash
    assert read_learnt(follower.importer) == learnt
    miner.start()
    assert read_learnt(miner.world.importer) == learnt
    miner.mine(strikes=0)
    assert BELIEFS.get(Overlay(miner.world.importer.chain.state), 0).strikes == BLOCKS


def test_a_strike_under_the_published_law_is_refused_once_the_chain_has_learnt() -> None:
    miner = make_miner()
    world = miner.world
    world.handle(Tick(), later_ms=1000)
    template = world.machine.desk.template
    assert template is not None
    pool = template.job.pool
    assert pool is not None
    raw = world.importer.chain.state.get(INSTANCES.key_of(0))
    assert raw is not None
    published = compute_law(read_instance(raw)[0], 1)
    assert pool.law != published
    header = make_sealed(template.header, make_seal(find_win(template.job, published)))
    data = encode_block(Block(header=header, extrinsics=template.extrinsics))
    with pytest.raises(WrongPoolShots):
        world.importer.import_block(data, now_ms=world.now_ms, is_signature_checked=lambda key: False)
    right = search_tickets(template.job, 0, 4096).win
    assert right is not None
    header = make_sealed(template.header, make_seal(right))
    data = encode_block(Block(header=header, extrinsics=template.extrinsics))
    world.importer.import_block(data, now_ms=world.now_ms, is_signature_checked=lambda key: False)
