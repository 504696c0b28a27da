"""Block import under damaged bytes: it raises nothing but its own errors and changes nothing.

tests/node/test_import_fuzz.py throws bytes at the whole core; here every single bit is flipped, and forged blocks get
past the proof of work before they are damaged further.
"""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.block import encode_block
from chain.extrinsic import make_bare
from chain.header import Digest, PreRuntime, Seal
from chain.scale import CodecError, encode_compact
from chain.substrate_types import AddressId, AddressRaw
from consensus.errors import InvalidBlock, TooFarAhead
from node.core.import_errors import NotImported
from runtime.executive import InvalidExtrinsicInBlock
from runtime.pallets.balances import transfer_all, transfer_allow_death
from runtime.pallets.problems import cancel, post, post_order
from runtime.pallets.work import solution
from runtime.problem_records import Ising, Terms
from runtime.problem_state import NEXT_ID
from runtime.runtime import encode_call, get_calls
from runtime.storage import Overlay
from runtime.validity import InvalidTransaction
from tests.node.world import ALICE, BOB, CHARLIE, World, with_body, with_header, with_work
from tests.rules.scene import Kind, Scene
from tests.rules.test_refused_bodies import EXTRA, sign_raw

OWN_ERRORS = (CodecError, InvalidBlock, TooFarAhead, NotImported)


@cache
def get_scene(kind: Kind) -> Scene:
    """Return one node for all examples: none of them may change it."""
    return Scene(kind)


@pytest.mark.parametrize("kind", ["core", "pool"])
def test_every_single_bit_of_a_block_matters(kind: Kind) -> None:
    scene = get_scene(kind)
    data = encode_block(scene.block)
    before = scene.world.snapshot()
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises(OWN_ERRORS):
            scene.give(bytes(changed))
    assert scene.world.snapshot() == before


WORK = st.fixed_dictionaries(
    {},
    optional={
        "problem": st.none() | st.integers(0, 2) | st.integers(0, 2**64 - 1),
        "core_epoch": st.integers(0, 2**32 - 1),
        "weight": st.integers(0, 2**64 - 1),
        "target": st.integers(0, 2**256 - 1),
        "timestamp_ms": st.integers(0, 2**64 - 1),
    },
)
HEADER = st.fixed_dictionaries(
    {},
    optional={
        "number": st.integers(0, 2**32 - 1),
        "state_root": st.binary(min_size=32, max_size=32),
        "parent_hash": st.binary(min_size=32, max_size=32),
    },
)


@given(st.sampled_from(["core", "pool"]), WORK, HEADER)
@settings(max_examples=150, deadline=None)
def test_any_header_fields(kind: Kind, work: dict[str, object], header: dict[str, object]) -> None:
    scene = get_scene(kind)
    forged = with_header(with_work(scene.block, **work), **header)
    if forged == scene.block:
        return
    check(scene, encode_block(forged))
    if "parent_hash" not in header and work.get("problem", 0) in (None, 0) and not {"target", "weight"} & set(work):
        check(scene, encode_block(scene.seal(forged)))


ITEMS = st.lists(
    st.builds(
        lambda engine, data: PreRuntime(engine=engine, data=data),
        st.sampled_from([b"pow_", b"mswk"]),
        st.binary(max_size=100),
    )
    | st.builds(lambda data: Seal(engine=b"pow_", data=data), st.binary(max_size=100)),
    max_size=4,
)


@given(ITEMS)
@settings(max_examples=100, deadline=None)
def test_any_log_items(items: list[PreRuntime | Seal]) -> None:
    scene = get_scene("core")
    check(scene, encode_block(with_header(scene.block, digest=Digest(logs=tuple(items)))))


U64, U128 = st.sampled_from([0, 1, 2**63, 2**64 - 1]), st.sampled_from([0, 1, 10**9, 10**13, 2**127, 2**128 - 1])
I64 = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), 2**63 - 1, 0, -3])
I32 = st.sampled_from([0, 1, -1, 2**20, -(2**20), 2**20 + 1, 2**31 - 1, -(2**31)])
SPIN = st.sampled_from([0, 1, 2, 3, 65535])
ISING = st.builds(
    lambda offset, fields, couplings: Ising(offset=offset, fields=tuple(fields), couplings=tuple(couplings)),
    I64,
    st.lists(I32, max_size=4),
    st.lists(st.tuples(SPIN, SPIN, I32), max_size=4) | st.just([(0, 1, 1), (0, 2, -1)]),
)
TERMS = st.builds(
    lambda bounty, energy, deadline, budget, price: Terms(
        bounty=bounty, target_energy=energy, deadline=deadline, work_budget=budget, price_per_gas=price
    ),
    U128,
    I64,
    st.sampled_from([0, 6, 7, 8, 1_000_006, 2**32 - 1]),
    U128,
    U128,
)
ORDERS = st.lists(SPIN, max_size=4).map(tuple)
ADDRESS = st.builds(lambda keys: AddressId(account=keys.public), st.sampled_from([ALICE, BOB, CHARLIE])) | st.just(
    AddressRaw(data=b"x")
)
TYPED_CALLS = (
    st.builds(lambda *values: encode_call(post, *values), ISING, st.sampled_from([0, 1, 2, 8, 9, 255]), ORDERS, TERMS)
    | st.builds(lambda *values: encode_call(post_order, *values), U64, ORDERS)
    | st.builds(lambda value: encode_call(cancel, value), U64)
    | st.builds(lambda *values: encode_call(transfer_allow_death, *values), ADDRESS, U128)
    | st.builds(lambda *values: encode_call(transfer_all, *values), ADDRESS, st.booleans())
    | st.builds(lambda *values: encode_call(solution, *values), U64, I64, st.binary(max_size=3))
)
CALLS = TYPED_CALLS | st.builds(
    lambda prefix, data: prefix + data, st.sampled_from(sorted(get_calls())), st.binary(max_size=120)
)
SIGNERS = st.sampled_from([ALICE, BOB, CHARLIE])
EXTRAS = st.just(EXTRA) | st.binary(max_size=8)


@given(st.lists(st.tuples(CALLS, SIGNERS, EXTRAS, st.booleans()), max_size=3))
@settings(max_examples=300, deadline=None)
def test_any_well_signed_calls_behind_a_proof_of_work(rows: list) -> None:  # type: ignore[type-arg]
    """Bytes of any call, well signed, in a well sealed block: refused for a reason, or only the state root is wrong."""
    scene = get_scene("pool")
    raws = [make_bare(call) if is_bare else sign_raw(scene, call, extra, keys) for call, keys, extra, is_bare in rows]
    forged = scene.seal(with_body(scene.block, (scene.block.extrinsics[0], *raws)))
    error = check(scene, encode_block(forged))
    if type(error) is InvalidExtrinsicInBlock:
        assert isinstance(error.__cause__, InvalidTransaction)


@given(st.integers(0, 2**64), st.binary(max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_count_of_extrinsics(count: int, rest: bytes) -> None:
    scene = get_scene("core")
    head = encode_block(replace(scene.block, extrinsics=()))[:-1]
    check(scene, head + encode_compact(count) + rest)


def check(scene: Scene, data: bytes) -> Exception:
    """Assert that bytes are refused in the importer's own words and change nothing; return why."""
    before = scene.world.head.hash, scene.world.importer.chain.state.root, len(scene.world.importer.blocks)
    with pytest.raises(OWN_ERRORS) as caught:
        scene.give(data)
    assert (scene.world.head.hash, scene.world.importer.chain.state.root, len(scene.world.importer.blocks)) == before
    assert str(caught.value)
    return caught.value


SMALL = st.integers(1, 5).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-4096, 4096), min_size=n, max_size=n),
        st.dictionaries(
            st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda pair: pair[0] < pair[1]),
            st.sampled_from([1, -1, 4096, -4096, 3]),
        ),
        st.permutations(range(n)),
    )
)


@given(st.lists(st.tuples(SMALL, st.integers(1, 8), st.sampled_from([0, 2**50, -(2**50)])), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None)
def test_whatever_is_posted_the_author_mines_on(rows: list) -> None:  # type: ignore[type-arg]
    world = World()
    for nonce, ((fields, couplings, order), depth, offset) in enumerate(rows):
        ising = Ising(
            offset=offset,
            fields=tuple(fields),
            couplings=tuple((i, j, couplings[i, j]) for i, j in sorted(couplings)),
        )
        goal = offset - sum(map(abs, fields)) - sum(map(abs, couplings.values()))
        terms = Terms(bounty=10**12, target_energy=goal, deadline=900, work_budget=0, price_per_gas=0)
        world.submit(world.sign(ALICE, encode_call(post, ising, depth, tuple(order), terms), nonce))
    for _ in range(4):
        world.mine()
    assert world.head.number == 4
    assert NEXT_ID.get(Overlay(world.importer.chain.state)) == len(rows)
