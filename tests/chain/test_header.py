"""Headers and digests: Substrate's bytes and hash, and the one place where a seal may stand."""

from __future__ import annotations

import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.header import (
    HEADER_BYTES_MAX,
    Consensus,
    Digest,
    DigestItem,
    Header,
    InvalidHeader,
    MisplacedSeal,
    Other,
    PreRuntime,
    RuntimeEnvironmentUpdated,
    Seal,
    decode_digest_item,
    decode_header,
    decode_header_prefix,
    encode_digest_item,
    encode_header,
    make_sealed,
    make_unsealed,
)
from chain.scale import CodecError, TrailingBytes, UnknownVariant, ValueOutOfRange

GENESIS = Header(parent_hash=bytes(32), number=0, state_root=bytes(32), extrinsics_root=bytes(32), digest=Digest())
AUTHOR = PreRuntime(engine=b"pow_", data=bytes(range(32)))
WORK = PreRuntime(engine=b"mswk", data=b"work")
SEAL = Seal(engine=b"pow_", data=b"proof")
FULL = msgspec.structs.replace(GENESIS, number=70000, digest=Digest(logs=(AUTHOR, WORK, SEAL)))


def _join(logs: list[DigestItem], seal: tuple[DigestItem, ...]) -> Digest:
    return Digest(logs=(*logs, *seal))


items = st.one_of(
    st.builds(Other, data=st.binary(max_size=40)),
    st.builds(Consensus, engine=st.binary(min_size=4, max_size=4), data=st.binary(max_size=40)),
    st.builds(PreRuntime, engine=st.binary(min_size=4, max_size=4), data=st.binary(max_size=40)),
    st.just(RuntimeEnvironmentUpdated()),
)
hashes = st.binary(min_size=32, max_size=32)
headers = st.builds(
    Header,
    parent_hash=hashes,
    number=st.integers(0, 2**32 - 1),
    state_root=hashes,
    extrinsics_root=hashes,
    digest=st.builds(
        lambda logs, seal: Digest(logs=(*logs, *seal)), st.lists(items, max_size=4), st.sampled_from([(), (SEAL,)])
    ),
)


def test_the_all_zero_header_has_substrates_bytes_and_hash() -> None:
    assert encode_header(GENESIS) == bytes(32) + b"\x00" + bytes(64) + b"\x00"
    assert GENESIS.hash.hex().startswith("dcdd8992")
    assert GENESIS.hash.hex().endswith("9b7690a")


@pytest.mark.parametrize(
    ("item", "data"),
    [
        (Other(data=b"\x01\x02\x03"), "000c010203"),
        (Seal(engine=b"test", data=b"\x01\x02\x03"), "05746573740c010203"),
        (PreRuntime(engine=b"pow_", data=b""), "06706f775f00"),
        (Consensus(engine=b"FRNK", data=b"\x01"), "0446524e4b0401"),
        (RuntimeEnvironmentUpdated(), "08"),
    ],
)
def test_log_items_have_substrates_bytes(item: DigestItem, data: str) -> None:
    assert encode_digest_item(item).hex() == data
    assert decode_digest_item(bytes.fromhex(data)) == item


@pytest.mark.parametrize("tag", [1, 2, 3, 7, 9, 255])
def test_scl_05_a_log_item_of_an_unknown_kind_is_refused(tag: int) -> None:
    with pytest.raises(UnknownVariant):
        decode_digest_item(bytes((tag,)) + bytes(8))


@given(headers)
def test_every_header_comes_back(header: Header) -> None:
    data = encode_header(header)
    assert decode_header(data) == header
    assert decode_header_prefix(b"x" + data + b"yz", 1) == (header, 1 + len(data))


@given(st.binary(max_size=200))
def test_a_strangers_bytes_are_a_header_or_a_codec_error(data: bytes) -> None:
    try:
        header = decode_header(data)
    except CodecError:
        return
    assert encode_header(header) == data


def test_scl_03_bytes_after_a_header_are_refused() -> None:
    with pytest.raises(TrailingBytes):
        decode_header(encode_header(FULL) + b"\x00")


def test_sealing_and_unsealing_undo_each_other() -> None:
    unsealed = make_unsealed(FULL)
    assert unsealed.digest.logs == (AUTHOR, WORK)
    assert unsealed.seal is None
    assert make_unsealed(unsealed) == unsealed
    assert make_sealed(unsealed, SEAL) == FULL
    assert make_sealed(FULL, Seal(engine=b"pow_", data=b"other")).digest.logs[:-1] == (AUTHOR, WORK)
    assert FULL.seal == SEAL


def test_the_hash_commits_to_the_seal_and_to_every_field() -> None:
    changed = [
        make_unsealed(FULL),
        msgspec.structs.replace(FULL, parent_hash=b"\x01" * 32),
        msgspec.structs.replace(FULL, number=1),
        msgspec.structs.replace(FULL, state_root=b"\x01" * 32),
        msgspec.structs.replace(FULL, extrinsics_root=b"\x01" * 32),
        msgspec.structs.replace(FULL, digest=Digest(logs=(WORK, AUTHOR, SEAL))),
    ]
    assert len({header.hash for header in changed} | {FULL.hash}) == len(changed) + 1


def test_hdr_01_a_header_of_more_than_16384_bytes_is_refused() -> None:
    fixed = len(encode_header(msgspec.structs.replace(GENESIS, digest=Digest(logs=(Other(data=bytes(2**14 - 200)),)))))
    room = HEADER_BYTES_MAX - fixed + 2**14 - 200
    largest = msgspec.structs.replace(GENESIS, digest=Digest(logs=(Other(data=bytes(room)),)))
    assert len(encode_header(largest)) == HEADER_BYTES_MAX
    assert decode_header(encode_header(largest)) == largest
    for excess in (1, 5000):
        larger = msgspec.structs.replace(GENESIS, digest=Digest(logs=(Other(data=bytes(room + excess)),)))
        with pytest.raises(InvalidHeader, match=r"too large|more than"):
            decode_header(encode_header(larger))


def test_hdr_02_a_seal_that_is_not_last_is_refused() -> None:
    for logs in ((SEAL, AUTHOR), (SEAL, SEAL), (AUTHOR, SEAL, WORK, SEAL)):
        with pytest.raises(MisplacedSeal):
            decode_header(encode_header(msgspec.structs.replace(GENESIS, digest=Digest(logs=logs))))


def test_scl_07_a_header_with_a_field_that_does_not_fit_is_refused() -> None:
    for field, value in (("number", 2**32), ("number", -1), ("parent_hash", bytes(31)), ("digest", None)):
        with pytest.raises(ValueOutOfRange):
            encode_header(msgspec.structs.replace(GENESIS, **{field: value}))


def test_headers_and_their_errors_survive_a_process_pool() -> None:
    assert pickle.loads(pickle.dumps(FULL)) == FULL
    assert isinstance(pickle.loads(pickle.dumps(MisplacedSeal("why"))), MisplacedSeal)
