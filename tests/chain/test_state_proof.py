"""Proofs of inclusion and exclusion: honest ones pass, forged and non-canonical ones are refused with their rule."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.hash_tree import HashTree
from chain.state_proof import (
    InvalidStateProof,
    OtherLeafMisplaced,
    StateProof,
    StateProofMalformed,
    StateProofMismatch,
    check_state_proof,
    decode_proof,
    encode_proof,
)
from chain.state_tree import StateTree
from chain.store import MemoryStore
from tests.support.state_reference import digest


def make_tree(values: dict[bytes, bytes], *, depth: int | None = None) -> StateTree:
    """Return the tree of these values."""
    store = MemoryStore()
    tree = StateTree.open(store, depth=depth)
    prepared = tree.prepare(values)
    store.write(prepared.entries)
    tree.commit(prepared)
    return tree


def make_values(count: int) -> dict[bytes, bytes]:
    return {b"key %d" % i: b"value %d" % i for i in range(count)}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 40, 700])
def test_every_key_and_every_absence_has_its_proof(count: int) -> None:
    values = make_values(count)
    tree = make_tree(values)
    for key in [*values, *(b"absent %d" % i for i in range(50))]:
        proof = tree.prove(key)
        check_state_proof(tree.root, key, values.get(key), proof)
        assert decode_proof(encode_proof(proof)) == proof


def test_both_kinds_of_absence_occur() -> None:
    """Else the tests of exclusion would test one of them only."""
    tree = make_tree(make_values(700))
    ends = {tree.prove(b"absent %d" % i).other is None for i in range(50)}
    assert ends == {True, False}


@given(st.integers(0, 60), st.integers(4, 8), st.integers(0, 10_000))
def test_sta_03_a_lie_about_a_value_is_refused(count: int, depth: int, number: int) -> None:
    """Absence of a present key, presence of an absent one, another value: with any honest proof of the tree."""
    values = make_values(count)
    tree = make_tree(values, depth=depth)
    key = b"key %d" % (number % (count + 2))
    truth = values.get(key)
    lies = [value for value in (None, b"value 0", b"lie") if value != truth]
    for shown in (key, b"key 0", b"absent 1"):
        for lie in lies:
            with pytest.raises(InvalidStateProof):
                check_state_proof(tree.root, key, lie, tree.prove(shown))


def test_sta_03_a_changed_sibling_root_or_length_is_refused() -> None:
    tree = make_tree(make_values(100))
    key = b"key 5"
    proof = tree.prove(key)
    check_state_proof(tree.root, key, b"value 5", proof)
    for level in range(len(proof.siblings)):
        changed = list(proof.siblings)
        changed[level] = bytes([changed[level][0] ^ 1]) + changed[level][1:]
        with pytest.raises(StateProofMismatch):
            check_state_proof(tree.root, key, b"value 5", StateProof(siblings=tuple(changed)))
    for siblings in (proof.siblings[1:], proof.siblings[:-1], (*proof.siblings, bytes(32))):
        with pytest.raises(StateProofMismatch):
            check_state_proof(tree.root, key, b"value 5", StateProof(siblings=siblings))
    with pytest.raises(StateProofMismatch):
        check_state_proof(bytes(32), key, b"value 5", proof)


def test_sta_03_every_truncated_path_fails_as_a_proof_of_absence() -> None:
    """Stopping early would need a preimage of 32 zero bytes."""
    tree = make_tree(make_values(64))
    proof = tree.prove(b"key 9")
    for length in range(len(proof.siblings) + 1):
        with pytest.raises(StateProofMismatch):
            check_state_proof(tree.root, b"key 9", None, StateProof(siblings=proof.siblings[:length]))


def test_sta_04_a_foreign_leaf_off_the_path_is_refused() -> None:
    """A real leaf with its real path does not prove the absence of a key that lives elsewhere."""
    values = make_values(64)
    tree = make_tree(values)
    foreign = next(key for key in values if digest(key)[0] >> 7 != digest(b"key 0")[0] >> 7)
    other = digest(foreign) + digest(values[foreign])
    with pytest.raises(OtherLeafMisplaced):
        check_state_proof(tree.root, b"key 0", None, StateProof(siblings=tree.prove(foreign).siblings, other=other))


def test_sta_04_a_key_s_own_leaf_does_not_prove_its_absence() -> None:
    tree = make_tree(make_values(64))
    own = digest(b"key 0") + digest(b"value 0")
    with pytest.raises(OtherLeafMisplaced):
        check_state_proof(tree.root, b"key 0", None, StateProof(siblings=tree.prove(b"key 0").siblings, other=own))


@pytest.mark.parametrize("other", [bytes(64), bytes(63)])
def test_sta_04_a_foreign_leaf_in_a_proof_of_inclusion_or_of_a_wrong_length_is_refused(other: bytes) -> None:
    tree = make_tree(make_values(64))
    proof = msgspec.structs.replace(tree.prove(b"key 0"), other=other)
    with pytest.raises(OtherLeafMisplaced):
        check_state_proof(tree.root, b"key 0", b"value 0" if len(other) == 64 else None, proof)


def test_sta_05_siblings_of_a_wrong_length_are_refused() -> None:
    """Else bytes could be moved from one side of a node to the other."""
    tree = make_tree(make_values(64))
    siblings = tree.prove(b"key 0").siblings
    for wrong in ((siblings[0][:31], *siblings[1:]), (bytes(32),) * 256):
        with pytest.raises(StateProofMalformed):
            check_state_proof(tree.root, b"key 0", b"value 0", StateProof(siblings=wrong))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x00\x02",
        b"\x00\x00\x00",
        b"\x01\x00",
        b"\x01\x00\x80",
        b"\x01\x00\x80" + bytes(32),
        b"\x01\x00\x40",
        b"\x01\x00\xc0" + b"\x01" * 64,
        b"\x00\x01" + bytes(63),
        b"\x09\x00\x80" + b"\x01" * 32,
    ],
    ids=["empty", "no flag", "flag", "trailing", "no bitmap", "no sibling", "zero", "pad", "pad+", "leaf", "bitmap"],
)
def test_sta_05_bytes_that_are_not_the_one_encoding_are_refused(data: bytes) -> None:
    with pytest.raises(StateProofMalformed):
        decode_proof(data)


@given(st.binary(max_size=150))
def test_sta_05_whatever_decodes_encodes_to_the_same_bytes(data: bytes) -> None:
    try:
        proof = decode_proof(data)
    except StateProofMalformed:
        return
    assert encode_proof(proof) == data


@given(st.lists(st.sampled_from([bytes(32), b"\x01" * 32, b"\x02" * 32]), max_size=20), st.booleans())
def test_sta_05_proofs_of_every_depth_round_trip(siblings: list[bytes], has_other: bool) -> None:
    proof = StateProof(siblings=tuple(siblings), other=bytes(range(64)) if has_other else None)
    assert decode_proof(encode_proof(proof)) == proof


def test_a_proof_among_20_000_keys_stays_below_600_bytes_on_average() -> None:
    random = Random(5)
    tree = HashTree(random.randbytes(64) for _ in range(20_000))
    sizes = [len(encode_proof(tree.make_proof(random.randbytes(32)))) for _ in range(300)]
    assert sum(sizes) / len(sizes) < 600
