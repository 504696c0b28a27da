"""The digest's bytes are fixed, and whatever bytes come in, only our own errors come out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chain.block import Block
from chain.header import POW_ENGINE, WORK_ENGINE, Digest, Header, PreRuntime, Seal, decode_header, encode_header
from chain.scale import CodecError
from consensus.digest import WorkDigest, WorkSeal, make_digest, make_seal, read_author, read_seal, read_work
from consensus.errors import InvalidBlock, TooFarAhead
from consensus.seal import check_block
from tests.support.mining import NOW_MS, PARAMS, make_context, make_pool_problem, make_template, mine, replace

CONTEXT = make_context(make_pool_problem())
MINED = mine(make_template(CONTEXT), CONTEXT)
ENCODED = encode_header(MINED)


def is_refused(header: Header) -> bool:
    """Return whether a header is refused by one of consensus' own errors; any other error fails the test."""
    try:
        check_block(Block(header=header, extrinsics=()), CONTEXT, PARAMS, now_ms=NOW_MS)
    except (InvalidBlock, TooFarAhead):
        return True
    return False


def test_wrk_02_seal_02_the_bytes_of_a_digest_are_these() -> None:
    """WRK-02, SEAL-02: written out by hand."""
    work = WorkDigest(problem=7, core_epoch=2, weight=3, target=4, timestamp_ms=5)
    digest = make_digest(b"\xaa" * 32, work)
    assert digest.logs[0] == PreRuntime(engine=b"pow_", data=b"\xaa" * 32)
    assert digest.logs[1] == PreRuntime(
        engine=b"mswk",
        data=b"\x01\x07" + bytes(7) + b"\x02\0\0\0" + b"\x03" + bytes(7) + b"\x04" + bytes(31) + b"\x05" + bytes(7),
    )
    nothing = make_digest(b"\xaa" * 32, replace(work, problem=None))
    assert nothing.logs[1].data == b"\0" + digest.logs[1].data[9:]
    seal = make_seal(WorkSeal(index=1, core_hash=b"\xcc" * 32, pool_shots=b"\x0f\xf0"))
    assert seal == Seal(engine=b"pow_", data=b"\x01" + bytes(7) + b"\xcc" * 32 + b"\x08\x0f\xf0")


@given(
    work=st.builds(
        WorkDigest,
        problem=st.none() | st.integers(0, 2**64 - 1),
        core_epoch=st.integers(0, 2**32 - 1),
        weight=st.integers(0, 2**64 - 1),
        target=st.integers(0, 2**256 - 1),
        timestamp_ms=st.integers(0, 2**64 - 1),
    ),
    seal=st.builds(
        WorkSeal,
        index=st.integers(0, 2**64 - 1),
        core_hash=st.binary(min_size=32, max_size=32),
        pool_shots=st.binary(max_size=100),
    ),
    author=st.binary(min_size=32, max_size=32),
)
def test_what_is_written_is_read(work: WorkDigest, seal: WorkSeal, author: bytes) -> None:
    """And a header with any such digest is either ours or refused by our errors."""
    logs = (*make_digest(author, work).logs, make_seal(seal))
    header = decode_header(encode_header(replace(MINED, digest=Digest(logs=logs))))
    assert (read_work(header), read_seal(header), read_author(header)) == (work, seal, author)
    assert is_refused(header)


@given(author=st.binary(max_size=40), work=st.binary(max_size=90), seal=st.binary(max_size=120))
def test_arbitrary_bytes_in_the_digest_raise_only_our_errors(author: bytes, work: bytes, seal: bytes) -> None:
    logs = (
        PreRuntime(engine=POW_ENGINE, data=author),
        PreRuntime(engine=WORK_ENGINE, data=work),
        Seal(engine=POW_ENGINE, data=seal),
    )
    assert is_refused(replace(MINED, digest=Digest(logs=logs)))


@given(start=st.integers(0, len(ENCODED) - 1), length=st.integers(0, 40), filling=st.binary(max_size=40))
def test_a_spliced_header_raises_only_our_errors(start: int, length: int, filling: bytes) -> None:
    """Cut a piece out of a valid header's bytes and put another in."""
    data = ENCODED[:start] + filling + ENCODED[start + length :]
    try:
        header = decode_header(data)
    except CodecError:
        return
    assert is_refused(header) or data == ENCODED
