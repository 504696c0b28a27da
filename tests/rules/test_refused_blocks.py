"""Every forgery of an accepted block is refused by exactly one class and leaves no trace.

Each row takes the accepted block, changes one thing, and seals it again where an earlier check would hide the change.
What each row must say is in docs/spec (work, header, import). test_refused_bodies.py does the same for bodies.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from chain.block import Block, BlockTooLarge, InvalidBody, encode_block
from chain.header import (
    POW_ENGINE,
    WORK_ENGINE,
    Consensus,
    Digest,
    DigestItem,
    InvalidHeader,
    MisplacedSeal,
    Other,
    PreRuntime,
    RuntimeEnvironmentUpdated,
    Seal,
    encode_digest_item,
)
from chain.scale import LimitExceeded, NotCanonical, TrailingBytes, UnexpectedEnd, UnknownVariant, encode_compact
from consensus.digest import WorkSeal, read_seal, read_work
from consensus.errors import (
    DigestMalformed,
    SealMalformed,
    SealMissing,
    TargetOutOfBounds,
    TicketAboveTarget,
    TimestampTooOld,
    TooFarAhead,
    UnknownProblem,
    WeightTooLarge,
    WorkDigestMalformed,
    WrongCoreEpoch,
    WrongCoreShots,
    WrongHeight,
    WrongPoolShots,
    WrongPoolSize,
    WrongTarget,
    WrongWeight,
)
from consensus.ticket import TicketJob
from consensus.timestamps import compute_median
from consensus.work import compute_core_hash, compute_seed, compute_ticket
from node.core.import_errors import BelowFinal, BlockKnown, ParentMissing
from runtime.executive import WrongStateRoot
from tests.node.world import (
    ALICE,
    BOB,
    get_context,
    with_digest,
    with_header,
    with_seal,
    with_work,
)
from tests.rules.scene import Kind, Scene

Forge = Callable[[Scene], Block | bytes]


@pytest.fixture(scope="module")
def pool() -> Scene:
    """The block with a pool strike, a solution and a transfer; no test may change what this node knows."""
    return Scene("pool")


@pytest.fixture(scope="module")
def core() -> Scene:
    """The block without a problem."""
    return Scene("core")


@pytest.mark.parametrize("kind", ["pool", "core"])
def test_the_block_itself_is_accepted(kind: Kind) -> None:
    scene = Scene(kind)
    assert (read_work(scene.block.header).problem is None) == (kind == "core")
    done = scene.give(scene.block)
    assert done.path is not None
    assert scene.world.head.hash == scene.block.hash
    scene.refuse(scene.block, BlockKnown)


# ---- seals


@pytest.mark.parametrize("kind", ["pool", "core"])
def test_seal_04_seal_05_seal_06_one_bit_of_the_seal_changed_anywhere(
    kind: Kind, request: pytest.FixtureRequest
) -> None:
    """Each bit has one right answer, worked out here from the ticket's definition."""
    scene: Scene = request.getfixturevalue(kind)
    seal = scene.block.header.seal
    assert seal is not None
    job = scene.make_job(scene.block.header)
    before = scene.world.snapshot()
    seen = set()
    for bit in range(8 * len(seal.data)):
        data = bytearray(seal.data)
        data[bit >> 3] ^= 1 << (bit & 7)
        forged = _with_seal_data(scene.block, bytes(data))
        expected = _judge_seal(job, bytes(data), region=bit >> 3)
        with pytest.raises(expected) as caught:
            scene.give(forged)
        assert type(caught.value) is expected, bit
        seen.add(expected)
    assert scene.world.snapshot() == before
    assert {TicketAboveTarget, WrongCoreShots, SealMalformed} <= seen, "about one changed bit in thirty wins by chance"


def _with_seal_data(block: Block, data: bytes) -> Block:
    logs = block.header.digest.logs[:-1]
    return with_header(block, digest=Digest(logs=(*logs, Seal(engine=POW_ENGINE, data=data))))


def _judge_seal(job: TicketJob, data: bytes, *, region: int) -> type[Exception]:
    length = data[40]
    if length & 3 or length >> 2 != len(data) - 41:
        return SealMalformed
    seal = WorkSeal(index=int.from_bytes(data[:8], "little"), core_hash=data[8:40], pool_shots=data[41:])
    if compute_ticket(compute_seed(job.work_key, seal.index), seal.core_hash, seal.pool_shots) >= job.limit:
        return TicketAboveTarget
    return WrongCoreShots if region < 40 else WrongPoolShots


def flip(data: bytes, bit: int = 0) -> bytes:
    """Return the bytes with one bit changed."""
    return bytes((data[0] ^ (1 << bit), *data[1:]))


def guess_core(scene: Scene) -> Block:
    """Guess the core shots, and look for an index whose ticket wins: a few hashes each."""
    return scene.grind(scene.block, core_hash=b"\x07" * 32)


def guess_pool(scene: Scene) -> Block:
    """Run the core strikes and guess the pool shots."""
    return scene.grind(scene.block, pool_shots=bytes(shot ^ 1 for shot in read_seal(scene.block.header).pool_shots))


def pad_pool(scene: Scene) -> Block:
    """Set a padding bit of the pool shots: five of each byte say nothing."""
    return scene.grind(scene.block, pool_shots=flip(read_seal(scene.block.header).pool_shots, 7))


def steal(scene: Scene) -> Block:
    """Put the seal under another author, with an index that wins again."""
    digest = replace(scene.block.header.digest, logs=(_author(BOB.public), scene.block.header.digest.logs[1]))
    return scene.grind(with_digest(scene.block, digest), core_hash=read_seal(scene.block.header).core_hash)


def steal_as_it_is(scene: Scene) -> Block:
    """Put the seal under another author and leave its index."""
    digest = replace(scene.block.header.digest, logs=(_author(BOB.public), scene.block.header.digest.logs[1]))
    return with_seal(with_digest(scene.block, digest), read_seal(scene.block.header))


def turn_law(job: TicketJob) -> TicketJob:
    """Turn the mixer angles by an eighth."""
    assert job.pool is not None
    means = tuple((mean + 2**29) % 2**32 for mean in job.pool.law.beta_means)
    return replace(job, pool=replace(job.pool, law=replace(job.pool.law, beta_means=means)))


def turn_core(job: TicketJob) -> TicketJob:
    """Strike the core problem of another epoch."""
    return replace(job, core_seed=b"\x11" * 32)


# ---- digest and header


def _author(account: bytes) -> PreRuntime:
    return PreRuntime(engine=POW_ENGINE, data=account)


def _logs(scene: Scene) -> tuple[DigestItem, DigestItem, DigestItem]:
    author, work, seal = scene.block.header.digest.logs
    return author, work, seal


def with_logs(scene: Scene, *logs: DigestItem) -> Block:
    """Return the block with these log items."""
    return with_header(scene.block, digest=Digest(logs=logs))


def with_work_data(scene: Scene, data: bytes) -> Block:
    """Return the block with other bytes in the work item."""
    author, _, seal = _logs(scene)
    return with_logs(scene, author, PreRuntime(engine=WORK_ENGINE, data=data), seal)


def get_work_data(scene: Scene) -> bytes:
    """Return the bytes of the work item."""
    item = scene.block.header.digest.logs[1]
    assert isinstance(item, PreRuntime)
    return item.data


def get_seal_data(scene: Scene) -> bytes:
    """Return the bytes of the seal."""
    seal = scene.block.header.seal
    assert seal is not None
    return seal.data


def encode_header_with(
    scene: Scene, *, number: bytes | None = None, count: bytes | None = None, items: bytes | None = None
) -> bytes:
    """Return the block's bytes with parts of its header written by hand."""
    header = scene.block.header
    parts = (
        header.parent_hash,
        number if number is not None else encode_compact(header.number),
        header.state_root,
        header.extrinsics_root,
        count if count is not None else encode_compact(3),
        items if items is not None else b"".join(encode_digest_item(item) for item in header.digest.logs),
    )
    return b"".join((*parts, encode_compact(len(scene.block.extrinsics)), *scene.block.extrinsics))


def encode_body_with(scene: Scene, count: bytes, body: bytes) -> bytes:
    """Return the block's bytes with a body written by hand."""
    return encode_block(Block(header=scene.block.header, extrinsics=()))[:-1] + count + body


def two_bytes(value: int) -> bytes:
    """Return the compact form of a small integer in two bytes, which is one too many."""
    return ((value << 2) | 1).to_bytes(2, "little")


def get_median(scene: Scene) -> int:
    """Return the median of the ancestors' times."""
    median = compute_median(get_context(scene.world, scene.block.header).recent_timestamps_ms)
    assert median is not None
    return median


def change_work(scene: Scene, **changes: object) -> Block:
    """Return the block with a changed work item, sealed again."""
    return scene.seal(with_work(scene.block, **changes))


ROWS: list[tuple[str, Kind, Forge, type[Exception]]] = [
    ("stolen seal, other author, new index", "core", steal, WrongCoreShots),
    ("stolen seal, other author, new index", "pool", steal, WrongCoreShots),
    ("stolen seal, other author, same index", "core", steal_as_it_is, TicketAboveTarget),
    ("stolen seal, other author, same index", "pool", steal_as_it_is, TicketAboveTarget),
    ("guessed core shots", "core", guess_core, WrongCoreShots),
    ("guessed core shots", "pool", guess_core, WrongCoreShots),
    ("guessed pool shots", "pool", guess_pool, WrongPoolShots),
    ("padding bit in the pool shots", "pool", pad_pool, WrongPoolShots),
    ("pool shots too short", "pool", lambda s: s.grind(s.block, pool_shots=bytes(7)), WrongPoolSize),
    ("pool shots without a problem", "core", lambda s: s.grind(s.block, pool_shots=bytes(8)), WrongPoolSize),
    ("no pool shots for a problem", "pool", lambda s: s.grind(s.block, pool_shots=b""), WrongPoolSize),
    ("other angles", "pool", lambda s: s.seal(s.block, job=turn_law), WrongPoolShots),
    ("another core problem", "core", lambda s: s.seal(s.block, job=turn_core), WrongCoreShots),
    ("no core strikes", "pool", lambda s: s.grind(s.block, core_hash=compute_core_hash(b"")), WrongCoreShots),
    (
        "a strike of the parent again",
        "core",
        lambda s: with_seal(s.block, read_seal(s.parent.header)),
        TicketAboveTarget,
    ),
    ("core epoch too high", "core", lambda s: change_work(s, core_epoch=2), WrongCoreEpoch),
    ("core epoch too low", "core", lambda s: change_work(s, core_epoch=0), WrongCoreEpoch),
    ("core epoch too high", "pool", lambda s: change_work(s, core_epoch=2), WrongCoreEpoch),
    ("weight one higher", "core", lambda s: change_work(s, weight=read_work(s.block.header).weight + 1), WrongWeight),
    ("weight one higher", "pool", lambda s: change_work(s, weight=read_work(s.block.header).weight + 1), WrongWeight),
    ("weight one lower", "pool", lambda s: change_work(s, weight=read_work(s.block.header).weight - 1), WrongWeight),
    ("weight of a pool block without one", "pool", lambda s: with_work(s.block, problem=None), WrongWeight),
    ("weight beyond the largest", "core", lambda s: with_work(s.block, weight=2**64 - 1), WeightTooLarge),
    ("target one lower", "pool", lambda s: change_work(s, target=read_work(s.block.header).target - 1), WrongTarget),
    ("target one lower", "core", lambda s: change_work(s, target=read_work(s.block.header).target - 1), WrongTarget),
    ("target zero", "core", lambda s: with_work(s.block, target=0), TargetOutOfBounds),
    ("target beyond the largest", "core", lambda s: with_work(s.block, target=2**256 - 1), TargetOutOfBounds),
    ("time at the median", "core", lambda s: change_work(s, timestamp_ms=get_median(s)), TimestampTooOld),
    ("time at the median", "pool", lambda s: change_work(s, timestamp_ms=get_median(s)), TimestampTooOld),
    ("time zero", "core", lambda s: change_work(s, timestamp_ms=0), TimestampTooOld),
    (
        "time one ms too far ahead",
        "core",
        lambda s: with_work(s.block, timestamp_ms=s.world.now_ms + 15_001),
        TooFarAhead,
    ),
    ("time in the far future", "pool", lambda s: with_work(s.block, timestamp_ms=2**64 - 1), TooFarAhead),
    ("a problem nobody posted", "core", lambda s: with_work(s.block, problem=0), UnknownProblem),
    ("a problem with the largest number", "pool", lambda s: with_work(s.block, problem=2**64 - 1), UnknownProblem),
    ("height one higher", "core", lambda s: s.seal(with_header(s.block, number=5)), WrongHeight),
    ("height zero", "pool", lambda s: with_header(s.block, number=0), WrongHeight),
    ("height 2^32 - 1", "pool", lambda s: with_header(s.block, number=2**32 - 1), WrongHeight),
    ("unknown parent", "pool", lambda s: with_header(s.block, parent_hash=bytes(32)), ParentMissing),
    (
        "unknown parent below the final block",
        "pool",
        lambda s: with_header(s.block, parent_hash=bytes(32), number=1),
        BelowFinal,
    ),
    (
        "parent is a final block's parent",
        "pool",
        lambda s: with_header(s.block, parent_hash=s.before[0].hash, number=2),
        BelowFinal,
    ),
    (
        "state root with one bit changed",
        "core",
        lambda s: s.seal(with_header(s.block, state_root=flip(s.block.header.state_root))),
        WrongStateRoot,
    ),
    (
        "state root with one bit changed",
        "pool",
        lambda s: s.seal(with_header(s.block, state_root=flip(s.block.header.state_root))),
        WrongStateRoot,
    ),
    (
        "state root of the parent",
        "core",
        lambda s: s.seal(with_header(s.block, state_root=s.parent.header.state_root)),
        WrongStateRoot,
    ),
    (
        "extrinsics root with one bit changed",
        "pool",
        lambda s: with_header(s.block, extrinsics_root=flip(s.block.header.extrinsics_root)),
        InvalidBody,
    ),
    ("body of the parent", "pool", lambda s: Block(header=s.block.header, extrinsics=s.parent.extrinsics), InvalidBody),
    (
        "body in another order",
        "pool",
        lambda s: Block(header=s.block.header, extrinsics=s.block.extrinsics[::-1]),
        InvalidBody,
    ),
    (
        "last extrinsic twice, root kept",
        "pool",
        lambda s: Block(header=s.block.header, extrinsics=(*s.block.extrinsics, s.block.extrinsics[-1])),
        InvalidBody,
    ),
    ("no log items", "core", with_logs, DigestMalformed),
    ("no seal", "core", lambda s: with_logs(s, *_logs(s)[:2]), SealMissing),
    ("seal only", "core", lambda s: with_logs(s, _logs(s)[2]), DigestMalformed),
    ("no author", "core", lambda s: with_logs(s, *_logs(s)[1:]), DigestMalformed),
    ("no work item", "core", lambda s: with_logs(s, _logs(s)[0], _logs(s)[2]), DigestMalformed),
    ("two seals", "core", lambda s: with_logs(s, *_logs(s), _logs(s)[2]), MisplacedSeal),
    ("seal not last", "core", lambda s: with_logs(s, _logs(s)[2], *_logs(s)[:2]), MisplacedSeal),
    (
        "seal of another engine",
        "core",
        lambda s: with_logs(s, *_logs(s)[:2], Seal(engine=b"BABE", data=get_seal_data(s))),
        SealMissing,
    ),
    ("two authors", "core", lambda s: with_logs(s, _logs(s)[0], *_logs(s)), DigestMalformed),
    ("two work items", "core", lambda s: with_logs(s, *_logs(s)[:2], *_logs(s)[1:]), DigestMalformed),
    ("author and work swapped", "core", lambda s: with_logs(s, _logs(s)[1], _logs(s)[0], _logs(s)[2]), DigestMalformed),
    ("author of 31 bytes", "core", lambda s: with_logs(s, _author(bytes(31)), *_logs(s)[1:]), DigestMalformed),
    (
        "author as a consensus item",
        "core",
        lambda s: with_logs(s, Consensus(engine=POW_ENGINE, data=ALICE.public), *_logs(s)[1:]),
        DigestMalformed,
    ),
    (
        "an `Other` log item more",
        "core",
        lambda s: with_logs(s, *_logs(s)[:2], Other(data=b""), _logs(s)[2]),
        DigestMalformed,
    ),
    (
        "a consensus log item more",
        "core",
        lambda s: with_logs(s, *_logs(s)[:2], Consensus(engine=b"FRNK", data=b"x"), _logs(s)[2]),
        DigestMalformed,
    ),
    (
        "a runtime mark more",
        "core",
        lambda s: with_logs(s, *_logs(s)[:2], RuntimeEnvironmentUpdated(), _logs(s)[2]),
        DigestMalformed,
    ),
    (
        "a byte after the work item",
        "core",
        lambda s: with_work_data(s, get_work_data(s) + b"\x00"),
        WorkDigestMalformed,
    ),
    ("a byte less in the work item", "core", lambda s: with_work_data(s, get_work_data(s)[:-1]), WorkDigestMalformed),
    (
        "option tag 2 in the work item",
        "core",
        lambda s: with_work_data(s, b"\x02" + get_work_data(s)[1:]),
        WorkDigestMalformed,
    ),
    ("a byte after the seal", "core", lambda s: _with_seal_data(s.block, get_seal_data(s) + b"\x00"), SealMalformed),
    (
        "a long compact length in the seal",
        "pool",
        lambda s: _with_seal_data(s.block, get_seal_data(s)[:40] + two_bytes(8) + get_seal_data(s)[41:]),
        SealMalformed,
    ),
    (
        "8193 bytes of pool shots",
        "pool",
        lambda s: _with_seal_data(s.block, get_seal_data(s)[:40] + encode_compact(8193) + bytes(8193)),
        SealMalformed,
    ),
    ("long compact height", "core", lambda s: encode_header_with(s, number=two_bytes(4)), NotCanonical),
    (
        "height of five bytes",
        "core",
        lambda s: encode_header_with(s, number=b"\x07" + (2**32).to_bytes(5, "little")),
        NotCanonical,
    ),
    ("long compact count of log items", "core", lambda s: encode_header_with(s, count=two_bytes(3)), NotCanonical),
    (
        "unknown log item",
        "core",
        lambda s: encode_header_with(s, items=b"\x07" + b"".join(map(encode_digest_item, _logs(s)))[1:]),
        UnknownVariant,
    ),
    ("more log items than bytes", "core", lambda s: encode_header_with(s, count=encode_compact(2**30)), LimitExceeded),
    ("header of 17 kB", "core", lambda s: with_logs(s, Other(data=bytes(17_000)), *_logs(s)), InvalidHeader),
    (
        "long compact count of extrinsics",
        "core",
        lambda s: encode_body_with(s, two_bytes(2), b"".join(s.block.extrinsics)),
        NotCanonical,
    ),
    (
        "long compact length of an extrinsic",
        "core",
        lambda s: encode_body_with(
            s,
            encode_compact(2),
            two_bytes(s.block.extrinsics[0][0] >> 2) + s.block.extrinsics[0][1:] + s.block.extrinsics[1],
        ),
        NotCanonical,
    ),
    (
        "one extrinsic too few",
        "core",
        lambda s: encode_body_with(s, encode_compact(3), b"".join(s.block.extrinsics)),
        UnexpectedEnd,
    ),
    (
        "one extrinsic too many",
        "core",
        lambda s: encode_body_with(s, encode_compact(1), b"".join(s.block.extrinsics)),
        TrailingBytes,
    ),
    ("a byte after the block", "core", lambda s: encode_block(s.block) + b"\x00", TrailingBytes),
    ("a byte less", "core", lambda s: encode_block(s.block)[:-1], UnexpectedEnd),
    ("no bytes", "core", lambda s: b"", UnexpectedEnd),
    ("oversized", "core", lambda s: encode_block(s.block) + bytes(s.world.params.block.bytes_max), BlockTooLarge),
]


@pytest.mark.parametrize(("kind", "forge", "error"), [pytest.param(*row[1:], id=f"{row[1]}: {row[0]}") for row in ROWS])
def test_a_forged_block_is_refused(
    kind: Kind, forge: Forge, error: type[Exception], request: pytest.FixtureRequest
) -> None:
    scene: Scene = request.getfixturevalue(kind)
    scene.refuse(forge(scene), error)
