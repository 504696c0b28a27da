"""The belief converges on nodes, and is the same on all: real strikes of a problem whose published angles are wrong."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.block import Block, encode_block
from chain.params import UNIT_PLANCK, Params
from chain.store import MemoryStore
from consensus.ticket import search_tickets
from node.core.effects import BlockImported
from node.core.events import BlockReceived, Tick, TicketFound
from runtime.belief_state import BELIEFS, CURVES
from runtime.pallets.problems import post
from runtime.runtime import encode_call
from runtime.storage import Overlay
from runtime.work_context import find_pool_problem
from tests.node.world import BOB, CHARLIE, World, find
from tests.support.learnt_again import learn_again
from tests.support.runtime_chain import post_arguments
from tests.support.struck_landscape import compare_skewed, compute_skewed_target, make_skewed_ring
from vm.law import AngleLaw
from vm.problem import IsingProblem

SPINS, BLOCKS = 16, 150
TINY = Params.tiny()
PARAMS = replace(TINY, work=replace(TINY.work, shots=32, ticket_gas_max=10**9))


def make_node(author: bytes | None = None) -> World:
    """Return a node of the same chain, which mines for an author or only follows."""
    return World(author=author, params=PARAMS, store=MemoryStore())


def mine(miner: World, now_ms: int) -> Block:
    """Have a node mine a block whose ticket is searched for real; its best shot is kept back."""
    miner.now_ms = now_ms
    miner.handle(Tick())
    template = miner.machine.desk.template
    assert template is not None
    win = search_tickets(template.job, 0, 4096).win
    assert win is not None
    imported = find(miner.handle(TicketFound(generation=miner.machine.desk.generation, seal=win)), BlockImported)
    body = miner.importer.chain.get_body(imported[0].hash)
    assert body is not None
    return Block(header=imported[0].header, extrinsics=body)


def give(node: World, block: Block, now_ms: int) -> None:
    """Give a node a block of another one."""
    node.now_ms = max(node.now_ms, now_ms)
    node.handle(BlockReceived(data=encode_block(block), origin="network"))
    assert node.head.hash == block.header.hash


def read_learnt(node: World) -> tuple[bytes | None, bytes | None]:
    """Return the bytes of belief and curve in a node's state."""
    state = Overlay(node.importer.chain.state)
    return state.get(BELIEFS.key_of(0)), state.get(CURVES.key_of(0))


def post_problem(node: World, problem: IsingProblem) -> None:
    """Have bob post a problem that nobody can solve."""
    arguments = post_arguments(
        problem, deadline=900, bounty=10 * UNIT_PLANCK, target_energy=compute_skewed_target(problem)
    )
    node.submit(node.sign(BOB, encode_call(post, *arguments), 0))


@pytest.mark.slow
def test_lrn_16_lrn_17_nodes_that_mine_by_turns_learn_the_angles_and_agree_to_the_byte() -> None:
    """Two miners, one that follows from the beginning and one that joins at the end."""
    problem = make_skewed_ring(SPINS)
    miners, follower = (make_node(BOB.public), make_node(CHARLIE.public)), make_node()
    now_ms = miners[0].now_ms
    chain: list[Block] = []
    laws: list[AngleLaw] = []
    post_problem(miners[0], problem)
    for number in range(BLOCKS):
        now_ms += PARAMS.work.block_target_ms
        miner, other = miners[number % 2], miners[1 - number % 2]
        chain.append(mine(miner, now_ms))
        give(other, chain[-1], now_ms)
        give(follower, chain[-1], now_ms)
        assert read_learnt(miner) == read_learnt(other) == read_learnt(follower)
        pool = find_pool_problem(Overlay(miner.importer.chain.state), 0)
        assert pool is not None
        laws.append(pool.law)
    late = make_node()
    for block in chain:
        give(late, block, now_ms)
    assert read_learnt(late) == read_learnt(miners[0])
    belief = BELIEFS.get(Overlay(late.importer.chain.state), 0)
    assert belief.strikes == BLOCKS - 2
    learnt = learn_again(problem, [block.header for block in chain])
    assert learnt.belief == belief
    assert learnt.laws == laws[:-2]
    begun, ended = compare_skewed(problem, laws[-64:])
    assert begun < 0.93
    assert ended > 0.97, f"{ended:.4f} of the optimum, means {belief.means} round {belief.anchors}"
