"""Every body that breaks a rule makes its block invalid, by exactly one class and without a trace.

Each row takes an accepted block, changes its body, commits to that in the header, and seals it again.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from chain.ed25519 import sign as sign_ed25519
from chain.era import IMMORTAL, make_era
from chain.extrinsic import SigningContext, assemble_signed, compute_signing_payload, encode_extra, make_bare
from chain.substrate_types import AddressId
from consensus.digest import read_work
from runtime.executive import InvalidExtrinsicInBlock, TimestampMissing
from runtime.pallets.balances import transfer_all, transfer_keep_alive
from runtime.pallets.system import remark
from runtime.pallets.timestamp import set as set_timestamp
from runtime.pallets.work import solution
from runtime.runtime import encode_call
from runtime.validity import (
    AncientBirthBlock,
    BadMandatory,
    BadProof,
    CallNotAllowed,
    Future,
    InherentAfterSigned,
    Malformed,
    MandatoryValidation,
    Payment,
    Stale,
)
from tests.node.world import (
    ALICE,
    BOB,
    CHARLIE,
    Keys,
    make_keys,
    make_transfer,
    with_body,
)
from tests.rules.scene import Scene

POOR = make_keys("//Nobody")


@pytest.fixture(scope="module")
def pool() -> Scene:
    """The block with a pool strike, a solution and a transfer; no test may change what this node knows."""
    return Scene("pool")


def flip(data: bytes) -> bytes:
    """Return the bytes with one bit changed."""
    return bytes((data[0] ^ 1, *data[1:]))


def bare(call: bytes) -> bytes:
    """Return an inherent."""
    return make_bare(call)


def solve(scene: Scene, *, problem: int = 0, energy: int | None = None, bits: bytes | None = None) -> bytes:
    """Return the block's solution inherent, changed."""
    arguments, _ = solution.codec.decode_prefix(scene.block.extrinsics[1][4:], 0)
    assert isinstance(arguments, tuple)
    return bare(
        encode_call(
            solution, problem, arguments[1] if energy is None else energy, arguments[2] if bits is None else bits
        )
    )


def transfer(scene: Scene, nonce: int = 0, **options: int) -> bytes:
    """Return Bob's transfer."""
    return scene.world.transfer(BOB, CHARLIE, 10**12, nonce, **options)


def sign_raw(scene: Scene, call: bytes, extra: bytes, keys: Keys = BOB, **changes: object) -> bytes:
    """Return an extrinsic well signed over any bytes of call and extensions."""
    params = scene.world.params
    context = SigningContext(
        spec_version=params.spec_version,
        transaction_version=params.transaction_version,
        genesis_hash=scene.world.genesis.hash,
        birth_hash=scene.world.genesis.hash,
    )
    payload = compute_signing_payload(call, extra, replace(context, **changes))
    return assemble_signed(call, keys.public, extra, sign_ed25519(keys.seed, payload))


EXTRA = encode_extra(IMMORTAL, 0, 0)
CALL = make_transfer(CHARLIE, 10**12)


def with_signature(scene: Scene, change: Callable[[bytes], bytes]) -> bytes:
    """Return Bob's transfer with a changed signature."""
    raw = transfer(scene)
    start = 2 + 2 + 32 + 1
    return raw[:start] + change(raw[start : start + 64]) + raw[start + 64 :]


def add_order(signature: bytes) -> bytes:
    """Return the signature with the group order added to S: the same point, other bytes."""
    order = 2**252 + 27742317777372353535851937790883648493
    return signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")


Body = Callable[[Scene], tuple[bytes, ...]]


def keep(scene: Scene, *extrinsics: bytes) -> tuple[bytes, ...]:
    """Return the block's inherents and these extrinsics."""
    return (*scene.block.extrinsics[:2], *extrinsics)


def time_of(scene: Scene, later: int = 0) -> bytes:
    """Return the timestamp inherent, changed."""
    return bare(encode_call(set_timestamp, read_work(scene.block.header).timestamp_ms + later))


def expired(scene: Scene) -> bytes:
    """Return a transfer whose era ended."""
    return scene.world.sign(BOB, CALL, 0, era=make_era(4, 1), birth=scene.before[0].hash)


BODIES: list[tuple[str, Body, type[Exception] | None]] = [
    ("the digest disagrees with the inherent", lambda s: (time_of(s, 1), *s.block.extrinsics[1:]), BadMandatory),
    ("a time before the digest's", lambda s: (time_of(s, -1), *s.block.extrinsics[1:]), BadMandatory),
    ("no timestamp inherent", lambda s: s.block.extrinsics[1:], None),
    ("an empty body", lambda s: (), None),
    ("two timestamp inherents", lambda s: (time_of(s), *s.block.extrinsics), BadMandatory),
    ("the same solution twice", lambda s: (*s.block.extrinsics[:2], *s.block.extrinsics[1:]), BadMandatory),
    ("a second, better solution", lambda s: (time_of(s), solve(s, energy=3, bits=b"\x00"), solve(s)), BadMandatory),
    ("timestamp after a transfer", lambda s: (*s.block.extrinsics[:0:-1], time_of(s)), InherentAfterSigned),
    (
        "solution after a transfer",
        lambda s: (time_of(s), s.block.extrinsics[2], s.block.extrinsics[1]),
        InherentAfterSigned,
    ),
    ("misstated energy, lower", lambda s: (time_of(s), solve(s, energy=-3)), BadMandatory),
    ("misstated energy, higher", lambda s: (time_of(s), solve(s, energy=3)), BadMandatory),
    ("misstated energy, lowest", lambda s: (time_of(s), solve(s, energy=-(2**63))), BadMandatory),
    ("bits of another solution", lambda s: (time_of(s), solve(s, bits=b"\x00")), BadMandatory),
    ("padding bits in a solution", lambda s: (time_of(s), solve(s, bits=b"\x81")), BadMandatory),
    ("too many bits", lambda s: (time_of(s), solve(s, bits=b"\x01\x00")), BadMandatory),
    ("no bits", lambda s: (time_of(s), solve(s, bits=b"")), BadMandatory),
    ("solution of an unknown problem", lambda s: (time_of(s), solve(s, problem=1)), BadMandatory),
    ("a bare transfer", lambda s: keep(s, bare(CALL)), CallNotAllowed),
    ("a bare remark", lambda s: keep(s, bare(encode_call(remark, b""))), CallNotAllowed),
    ("a signed timestamp", lambda s: keep(s, sign_raw(s, encode_call(set_timestamp, 1), EXTRA)), MandatoryValidation),
    (
        "a signed solution",
        lambda s: keep(s, sign_raw(s, encode_call(solution, 0, -1, b"\x01"), EXTRA)),
        MandatoryValidation,
    ),
    ("unknown pallet", lambda s: keep(s, sign_raw(s, b"\x63\x00", EXTRA)), Malformed),
    ("unknown call", lambda s: keep(s, sign_raw(s, b"\x04\x63", EXTRA)), Malformed),
    ("no call", lambda s: keep(s, sign_raw(s, b"", EXTRA)), Malformed),
    ("arguments cut short", lambda s: keep(s, sign_raw(s, CALL[:-1], EXTRA)), Malformed),
    ("a byte after the arguments", lambda s: keep(s, sign_raw(s, CALL + b"\x00", EXTRA)), Malformed),
    (
        "a long compact amount",
        lambda s: keep(
            s,
            sign_raw(
                s, encode_call(transfer_keep_alive, AddressId(account=CHARLIE.public), 1)[:-1] + b"\x05\x00", EXTRA
            ),
        ),
        Malformed,
    ),
    (
        "an amount of 17 bytes",
        lambda s: keep(s, sign_raw(s, CALL[:35] + b"\x37" + bytes(16) + b"\x01", EXTRA)),
        Malformed,
    ),
    (
        "a bool of 2",
        lambda s: keep(
            s, sign_raw(s, encode_call(transfer_all, AddressId(account=CHARLIE.public), True)[:-1] + b"\x02", EXTRA)
        ),
        Malformed,
    ),
    ("an address of an unknown kind", lambda s: keep(s, sign_raw(s, b"\x04\x03\x09" + CALL[3:], EXTRA)), Malformed),
    ("a long compact nonce", lambda s: keep(s, sign_raw(s, CALL, b"\x00\x01\x00\x00")), Malformed),
    ("a long compact tip", lambda s: keep(s, sign_raw(s, CALL, b"\x00\x00\x01\x00")), Malformed),
    ("a tip of 17 bytes", lambda s: keep(s, sign_raw(s, CALL, b"\x00\x00\x37" + bytes(16) + b"\x01")), Malformed),
    ("an era whose phase is beyond its period", lambda s: keep(s, sign_raw(s, CALL, b"\x41\x00\x00\x00")), Malformed),
    ("an extrinsic of version 5", lambda s: keep(s, transfer(s)[:2] + b"\x85" + transfer(s)[3:]), Malformed),
    ("a signer that is an index", lambda s: keep(s, transfer(s)[:3] + b"\x01" + transfer(s)[4:]), Malformed),
    ("an sr25519 signature", lambda s: keep(s, transfer(s)[:36] + b"\x01" + transfer(s)[37:]), Malformed),
    ("an extrinsic without bytes", lambda s: keep(s, b"\x00"), Malformed),
    ("replayed from an earlier block", lambda s: keep(s, s.before[3].extrinsics[-1]), Stale),
    ("the same twice in a block", lambda s: keep(s, transfer(s), transfer(s)), Stale),
    ("a nonce to come", lambda s: keep(s, transfer(s, 1)), Future),
    ("the largest nonce", lambda s: keep(s, transfer(s, 2**32 - 1)), Future),
    ("mis-signed in R", lambda s: keep(s, with_signature(s, flip)), BadProof),
    ("mis-signed in S", lambda s: keep(s, with_signature(s, lambda x: x[:32] + flip(x[32:]))), BadProof),
    ("S beyond the group order", lambda s: keep(s, with_signature(s, add_order)), BadProof),
    ("a signature of zeros", lambda s: keep(s, with_signature(s, lambda x: bytes(64))), BadProof),
    (
        "the identity as signer and R",
        lambda s: keep(s, transfer(s)[:4] + b"\x01" + bytes(31) + b"\x00\x01" + bytes(63) + transfer(s)[101:]),
        BadProof,
    ),
    ("another amount than signed", lambda s: keep(s, transfer(s)[:-1] + bytes((transfer(s)[-1] ^ 1,))), BadProof),
    ("another signer than signed", lambda s: keep(s, transfer(s)[:4] + ALICE.public + transfer(s)[36:]), BadProof),
    ("another tip than signed", lambda s: keep(s, transfer(s)[:103] + b"\x04" + transfer(s)[104:]), BadProof),
    (
        "signed for another genesis",
        lambda s: keep(s, sign_raw(s, CALL, EXTRA, genesis_hash=bytes(32), birth_hash=bytes(32))),
        BadProof,
    ),
    ("signed for another birth block", lambda s: keep(s, sign_raw(s, CALL, EXTRA, birth_hash=s.parent.hash)), BadProof),
    ("signed for another runtime", lambda s: keep(s, sign_raw(s, CALL, EXTRA, spec_version=99)), BadProof),
    (
        "signed for another transaction version",
        lambda s: keep(s, sign_raw(s, CALL, EXTRA, transaction_version=2)),
        BadProof,
    ),
    ("an era that ended", lambda s: keep(s, expired(s)), AncientBirthBlock),
    (
        "an era that begins later",
        lambda s: keep(s, s.world.sign(BOB, CALL, 0, era=make_era(64, 60), birth=bytes(32))),
        AncientBirthBlock,
    ),
    ("by an account without money", lambda s: keep(s, sign_raw(s, CALL, EXTRA, POOR)), Payment),
    ("a tip beyond the balance", lambda s: keep(s, transfer(s, tip=2**128 - 1)), Payment),
    (
        "a second one after all is spent",
        lambda s: keep(
            s, s.world.sign(BOB, encode_call(transfer_all, AddressId(account=CHARLIE.public), True), 0), transfer(s, 1)
        ),
        Payment,
    ),
]


@pytest.mark.parametrize(("body", "cause"), [pytest.param(*row[1:], id=row[0]) for row in BODIES])
def test_run_23_a_body_that_breaks_a_rule_is_refused(pool: Scene, body: Body, cause: type[Exception] | None) -> None:
    assert len(pool.block.extrinsics) == 3, "timestamp, solution, transfer"
    forged = pool.seal(with_body(pool.block, body(pool)))
    if cause is None:
        pool.refuse(forged, TimestampMissing)
        return
    error = pool.refuse(forged, InvalidExtrinsicInBlock)
    assert type(error.__cause__) is cause, error


def test_a_good_body_made_in_the_same_way_is_accepted() -> None:
    """The table's machinery would let a good block through: the same way of building gives an accepted block."""
    scene = Scene("pool")
    world = scene.world
    body = keep(
        scene, transfer(scene, tip=5), sign_raw(scene, encode_call(remark, b"hello"), encode_extra(IMMORTAL, 1, 0))
    )
    assert scene.give(scene.rebuild(scene.block, body)).path is not None
    assert world.head.number == scene.block.header.number
