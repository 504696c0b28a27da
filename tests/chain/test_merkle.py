"""Merkle roots and multiproofs against RFC 6962 by plain recursion; forgeries are refused with their rule."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from hashlib import blake2b, sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.merkle import (
    COUNT_MAX,
    InvalidMultiproof,
    LeafOutOfRange,
    MultiproofMismatch,
    MultiproofSizeWrong,
    NothingProven,
    check_multiproof,
    compute_multiproof_size,
    compute_root,
    make_multiproof,
)

# The leaves and roots of the reference implementation of Certificate Transparency.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
]
CT_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
FROZEN_EMPTY = "5c3bc5a6f473adcd7684e4b519130483291a896da460b466c41a2261515ed77f"
FROZEN_THREE = "72627eea5dad585299481c0f1dbfd25226238bef6d1bbb8f482a306717b66784"


def compute_rfc_top(leaves: list[bytes], digest: Callable[[bytes], bytes]) -> bytes:
    """RFC 6962 section 2.1, written as there: split at the largest power of two below the length."""
    if len(leaves) == 1:
        return digest(b"\x00" + leaves[0])
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return digest(b"\x01" + compute_rfc_top(leaves[:split], digest) + compute_rfc_top(leaves[split:], digest))


def digest_merkle(data: bytes) -> bytes:
    return blake2b(data, digest_size=32, person=b"merkle").digest()


def test_the_reference_recursion_gives_the_published_roots() -> None:
    for count, root in CT_ROOTS.items():
        assert compute_rfc_top(CT_LEAVES[:count], lambda data: sha256(data).digest()).hex() == root


def test_mrk_01_and_mrk_02_roots_equal_the_recursion_with_the_count_bound_in() -> None:
    leaves = [bytes([i]) * (i % 5) for i in range(200)]
    for count in [*range(1, 70), 127, 128, 129, 200]:
        top = compute_rfc_top(leaves[:count], digest_merkle)
        expected = digest_merkle(b"\x02" + count.to_bytes(8, "little") + top)
        assert compute_root(leaves[:count]) == expected


def test_mrk_02_the_empty_list_has_its_own_root() -> None:
    assert compute_root([]) == digest_merkle(b"\x02" + bytes(8) + bytes(32))
    assert compute_root([]) != compute_root([b""])


def test_mrk_01_a_doubled_last_leaf_changes_the_root() -> None:
    """The trees of Bitcoin have one root for [a, b, c] and [a, b, c, c] (CVE-2012-2459)."""
    assert compute_root([b"a", b"b", b"c"]) != compute_root([b"a", b"b", b"c", b"c"])


def test_mrk_01_roots_are_frozen() -> None:
    """Every block commits to its extrinsics by this; a change would fork the chain."""
    assert compute_root([]).hex() == FROZEN_EMPTY
    assert compute_root([b"one", b"two", b"three"]).hex() == FROZEN_THREE


@st.composite
def lists_with_indices(draw: st.DrawFn) -> tuple[list[bytes], list[int]]:
    leaves = draw(st.lists(st.binary(max_size=8), min_size=1, max_size=40))
    indices = draw(st.sets(st.integers(0, len(leaves) - 1), min_size=1))
    return leaves, sorted(indices)


@given(lists_with_indices())
def test_a_multiproof_of_any_leaves_leads_to_the_root(case: tuple[list[bytes], list[int]]) -> None:
    leaves, indices = case
    proof = make_multiproof(leaves, indices)
    assert len(proof) == compute_multiproof_size(indices, len(leaves))
    check_multiproof(compute_root(leaves), len(leaves), {i: leaves[i] for i in indices}, proof)


@given(lists_with_indices(), st.data())
def test_mrk_06_a_multiproof_with_anything_changed_is_refused(
    case: tuple[list[bytes], list[int]], data: st.DataObject
) -> None:
    leaves, indices = case
    root, proof = compute_root(leaves), list(make_multiproof(leaves, indices))
    shown = {i: leaves[i] for i in indices}
    match data.draw(st.sampled_from(["leaf", "root", "count", "hash", "moved"])):
        case "leaf":
            shown[data.draw(st.sampled_from(indices))] += b"!"
        case "root":
            root = bytes([root[0] ^ 1]) + root[1:]
        case "hash" if proof:
            at = data.draw(st.integers(0, len(proof) - 1))
            proof[at] = proof[at][:31] + bytes([proof[at][31] ^ 1])
        case "moved" if len(leaves) not in shown:
            shown[len(leaves)] = shown.pop(indices[-1])
        case _:
            with pytest.raises(InvalidMultiproof):
                check_multiproof(root, len(leaves) + 1, shown, proof)
            return
    with pytest.raises(InvalidMultiproof):
        check_multiproof(root, len(leaves), shown, proof)


def test_mrk_06_a_lie_about_the_count_is_refused() -> None:
    """With 5 and 6 leaves, the proof of leaf 0 has the same shape: only the bound count tells them apart."""
    leaves = [bytes([i]) for i in range(6)]
    proof = make_multiproof(leaves, [0])
    assert compute_multiproof_size([0], 5) == len(proof)
    with pytest.raises(MultiproofMismatch):
        check_multiproof(compute_root(leaves), 5, {0: leaves[0]}, proof)


def test_mrk_01_an_inner_node_cannot_pass_for_a_leaf() -> None:
    leaves = [b"a", b"b", b"c", b"d"]
    inside = digest_merkle(b"\x00a") + digest_merkle(b"\x00b")
    top = [inside, digest_merkle(b"\x00c") + digest_merkle(b"\x00d")]
    assert compute_root(top) != compute_root(leaves)


@pytest.mark.parametrize(("index", "count"), [(4, 4), (-1, 4), (0, 0), (0, COUNT_MAX)])
def test_mrk_03_an_index_outside_the_list_is_refused(index: int, count: int) -> None:
    with pytest.raises(LeafOutOfRange):
        check_multiproof(bytes(32), count, {index: b""}, ())


def test_mrk_03_no_proof_is_made_of_a_leaf_that_is_not_there() -> None:
    with pytest.raises(LeafOutOfRange):
        make_multiproof([b"a"], [1])


def test_mrk_04_a_multiproof_of_nothing_is_refused() -> None:
    with pytest.raises(NothingProven):
        check_multiproof(compute_root([b"a"]), 1, {}, ())
    with pytest.raises(NothingProven):
        make_multiproof([b"a"], [])


def test_mrk_05_missing_spare_or_short_hashes_are_refused() -> None:
    leaves = [bytes([i]) for i in range(9)]
    root, proof, shown = compute_root(leaves), make_multiproof(leaves, [2, 8]), {2: leaves[2], 8: leaves[8]}
    for wrong in (proof[:-1], (*proof, bytes(32)), (*proof[:-1], proof[-1][:31])):
        with pytest.raises(MultiproofSizeWrong):
            check_multiproof(root, 9, shown, wrong)


def test_its_errors_pickle() -> None:
    error = pickle.loads(pickle.dumps(MultiproofMismatch("no")))
    assert (error.rule, str(error)) == ("MRK-06", "no")
