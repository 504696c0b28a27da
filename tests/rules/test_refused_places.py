"""Blocks in the wrong place or time, on a branch, or too heavy; and what a refusal leaves open.

The same scenes as in test_refused_blocks.py; here each case needs a story of its own.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.block import Block, InvalidBody, encode_block
from chain.params import BlockParams
from chain.scale import UnexpectedEnd
from consensus.digest import read_seal, read_work
from consensus.errors import TicketAboveTarget, TooFarAhead, UnknownProblem, WrongCoreShots
from consensus.work import compute_header_ticket
from node.core.effects import BlockImported, BlockPostponed
from node.core.import_errors import BelowFinal, BlockKnown, KnownInvalid
from runtime.executive import InvalidExtrinsicInBlock, WrongStateRoot
from runtime.pallets.problems import cancel
from runtime.pallets.system import remark
from runtime.runtime import encode_call
from runtime.validity import BadMandatory, ExhaustsResources
from tests.node.world import (
    ALICE,
    BOB,
    CHARLIE,
    World,
    find,
    get_context,
    get_refusal,
    make_keys,
    reseal,
    with_body,
    with_header,
    with_seal,
    with_work,
)
from tests.rules.scene import Scene, make_history, make_params


def test_time_02_a_block_too_far_ahead_waits_and_nobody_is_punished() -> None:
    scene = Scene("pool")
    due_ms = read_work(scene.block.header).timestamp_ms - scene.world.params.work.ahead_ms_max
    scene.refuse(scene.block, TooFarAhead, now_ms=due_ms - 1)
    scene.world.now_ms = due_ms - 1
    assert len(find(scene.world.receive(scene.block), BlockPostponed)) == 1
    assert scene.give(scene.block, now_ms=due_ms).path is not None


def test_a_forged_seal_on_a_block_from_the_future_is_found_out_when_its_time_comes() -> None:
    scene = Scene("core")
    world = scene.world
    forged = with_seal(scene.block, replace(read_seal(scene.block.header), core_hash=bytes(32)))
    world.now_ms = read_work(forged.header).timestamp_ms - world.params.work.ahead_ms_max - 1
    assert len(find(world.receive(forged), BlockPostponed)) == 1
    world.now_ms += 1
    scene.refuse(forged, TicketAboveTarget)


def test_imp_04_a_refused_block_is_not_judged_twice_nor_its_children_and_the_good_one_is_still_accepted() -> None:
    scene = Scene("pool")
    for bit in range(8):
        forged = scene.seal(with_header(scene.block, state_root=bytes((1 << bit,)) * 32))
        scene.refuse(forged, WrongStateRoot)
        scene.refuse(forged, KnownInvalid)
        child = with_header(scene.block, parent_hash=forged.hash, number=forged.header.number + 1)
        scene.refuse(child, KnownInvalid)
    assert scene.give(scene.block).path is not None
    scene.refuse(scene.block, BlockKnown)


def test_blk_01_a_body_that_the_header_does_not_commit_to_taints_no_header() -> None:
    """Somebody else may bring the right body; only a header can be known to be bad."""
    scene = Scene("pool")
    for body in (scene.block.extrinsics[:-1], scene.block.extrinsics[::-1], scene.parent.extrinsics):
        scene.refuse(Block(header=scene.block.header, extrinsics=body), InvalidBody)
    assert scene.give(scene.block).path is not None


def test_imp_03_a_branch_below_the_final_block_is_refused() -> None:
    """The first block of a branch that another miner made, too late by two blocks."""
    left, right = World(), World(author=BOB.public)
    late = right.mine()
    for _ in range(4):
        left.mine()
    before = left.snapshot()
    assert type(get_refusal(left.receive(late))) is BelowFinal
    assert left.snapshot() == before


def test_the_node_refuses_with_the_importers_own_error() -> None:
    """The core's effect carries it: for the log, the RPC, and whoever sent the block."""
    scene = Scene("core")
    forged = scene.seal(with_header(scene.block, state_root=b"\x01" * 32))
    assert type(get_refusal(scene.world.receive(forged))) is WrongStateRoot
    assert type(get_refusal(scene.world.receive(forged))) is KnownInvalid
    assert type(get_refusal(scene.world.receive(encode_block(scene.block)[:-1]))) is UnexpectedEnd
    assert find(scene.world.receive(scene.block), BlockImported)[0].is_best


def test_a_strike_re_used_on_another_parent() -> None:
    """A sibling of the parent, with the same height, target and time: only the parent hash differs."""
    for author in (BOB, CHARLIE, *(make_keys(f"//sibling{i}") for i in range(6))):
        scene = Scene("pool")
        other = World(author=author.public, params=make_params())
        for block in scene.before[:-1]:
            other.receive(block)
        other.now_ms = read_work(scene.parent.header).timestamp_ms
        sibling = other.mine(later_ms=0)
        assert scene.give(sibling).path is None
        moved = with_header(scene.block, parent_hash=sibling.hash)
        if compute_header_ticket(moved.header) >= scene.make_job(moved.header).limit:
            break  # where it does not win again by luck
    context = get_context(scene.world, moved.header)
    assert context.target == read_work(moved.header).target
    assert scene.make_job(moved.header).work_key != scene.make_job(scene.block.header).work_key
    scene.refuse(moved, TicketAboveTarget)
    scene.refuse(scene.grind(moved, core_hash=read_seal(moved.header).core_hash), WrongCoreShots)


def test_wrk_06_a_problem_cancelled_by_the_parent_may_not_be_struck() -> None:
    miner = World(params=make_params())
    _, before, _ = make_history("pool")
    for block in before:
        miner.now_ms = read_work(block.header).timestamp_ms
        miner.receive(block)
    miner.submit(miner.sign(ALICE, encode_call(cancel, 0), 1))
    struck = miner.mine()
    assert read_work(struck.header).problem == 0, "the block that cancels still strikes: its parent's state counts"
    following = miner.mine()
    assert read_work(following.header).problem is None
    scene = Scene("pool")
    scene.give(struck)
    scene.world.now_ms = miner.now_ms
    scene.refuse(with_work(following, problem=0), UnknownProblem)
    late = scene.seal(with_body(following, (following.extrinsics[0], make_history("pool")[2].extrinsics[1])))
    assert type(scene.refuse(late, InvalidExtrinsicInBlock).__cause__) is BadMandatory


@pytest.mark.parametrize("limit", ["weight", "bytes"])
def test_run_16_a_block_heavier_or_longer_than_its_normal_share(limit: str) -> None:
    """Three remarks fit, the fourth does not."""
    size = 130
    weight = 3 * (75_000_000 + 2_000_000 + 1000 * 10) + 1000
    block = BlockParams(
        weight_max=weight * 4 // 3 if limit == "weight" else 2 * 10**12,
        bytes_max=2000 if limit == "bytes" else 5 * 2**20,
        normal_share_ppb=750_000_000 if limit == "weight" else 3 * size * 10**9 // 2000,
    )
    world = World(params=make_params(block=block))
    raws = [world.sign(BOB, encode_call(remark, b"0123456789"), nonce) for nonce in range(4)]
    assert len(raws[0]) <= size < len(raws[0]) * 4 // 3
    for raw in raws:
        world.submit(raw)
    full = world.mine()
    assert len(full.extrinsics) == 1 + 3
    victim = World(author=None, params=make_params(block=block))
    victim.now_ms = world.now_ms
    before = victim.snapshot()
    forged = reseal(victim, with_body(full, (full.extrinsics[0], *raws)))
    with pytest.raises(InvalidExtrinsicInBlock) as caught:
        victim.importer.import_block(encode_block(forged), now_ms=victim.now_ms, is_signature_checked=lambda key: False)
    assert type(caught.value.__cause__) is ExhaustsResources
    assert victim.snapshot() == before
    assert find(victim.receive(full), BlockImported)
