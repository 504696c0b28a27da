"""Block import under hostile bytes: it raises nothing but its own errors, and changes nothing."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import Block, encode_block
from node.core.effects import BlockImported, BlockPostponed, BlockRefused
from tests.node.world import World, find, reseal, with_body
from tests.rules.scene import Scene


@cache
def get_scene() -> Scene:
    """Return one node and a block that it does not have, for all examples: none of them may change it."""
    return Scene("pool")


def get_victim() -> World:
    """Return the node."""
    return get_scene().world


def check_import(data: bytes) -> None:
    """Give bytes to the core: it answers with an effect, and stays as it was unless the block was good."""
    victim = get_victim()
    before = victim.head.hash, victim.importer.chain.state.root
    effects = victim.receive(data)
    answers = [*find(effects, BlockRefused), *find(effects, BlockPostponed), *find(effects, BlockImported)]
    assert len(answers) == 1
    assert not find(effects, BlockImported)
    assert (victim.head.hash, victim.importer.chain.state.root) == before


@given(st.binary(max_size=600))
@settings(max_examples=200, deadline=None)
def test_random_bytes(data: bytes) -> None:
    check_import(data)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_a_good_block_with_some_bytes_changed_cut_or_put_in(data: st.DataObject) -> None:
    good = encode_block(get_scene().block)
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.sampled_from(["change", "cut", "insert", "copy"])):
            case "change":
                changed[at] = data.draw(st.integers(0, 255))
            case "cut":
                del changed[at : at + data.draw(st.integers(1, 40))]
            case "insert":
                changed[at:at] = data.draw(st.binary(min_size=1, max_size=40))
            case _:
                changed[at:at] = changed[at : at + data.draw(st.integers(1, 40))]
        if not changed:
            break
    if bytes(changed) != good:
        check_import(bytes(changed))


@given(st.lists(st.binary(max_size=300), max_size=4), st.lists(st.sampled_from([0, 1, 2]), max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_well_sealed_block_with_any_body(extra: list[bytes], kept: list[int]) -> None:
    victim = get_victim()
    block = get_scene().block
    body = tuple(block.extrinsics[index] for index in kept)
    body += tuple(bytes((len(raw) << 2 & 0xFC,)) + raw[:63] if len(raw) < 64 else raw for raw in extra)
    forged: Block = with_body(block, body)
    if body != block.extrinsics:
        check_import(encode_block(reseal(victim, forged)))
