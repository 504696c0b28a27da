"""Batches: strikes sold in bulk, each of which anybody can run again.

A solver runs the pool strikes 0 .. count - 1 of one key and publishes the Merkle root of their leaves. A later block's
ticket selects a few leaves; whoever answers shows their shots with a multiproof, and every validator re-runs them.

Terms:
    key: what the strikes' seeds come from: the work key of a header, or a batch key.
    snapshot: hash of all that decides a strike beside its key and index: problem, order, law, shots.
    witness: the order and the law whose snapshot was committed.
    leaf: hash of an index and its packed pool shots.
    statement: what a solver commits to, on a chain or with a signature.

Invariants: a leaf follows from snapshot, key and index alone; the challenge from a ticket that was not known when the
root was committed. Integers only.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Annotated, ClassVar, TypeAlias

import msgspec

from chain.header import Header, decode_header
from chain.merkle import COUNT_MAX
from chain.params import BatchParams
from chain.scale import CodecError, codec_of
from chain.scale_shapes import H256, U16, U32, U64, AccountId, Enum, Limit
from consensus.context import PoolProblem
from consensus.digest import read_author, read_work
from consensus.errors import InvalidBlock
from consensus.ticket import make_pool_circuit, sum_gas
from consensus.work import compute_pool_strike_seed, compute_seed
from vm.law import DEPTH_MAX, AngleLaw
from vm.problem import pack_shots, unpack_shots
from vm.strike import run_strike

TAG_SNAPSHOT = b"matchstrike/snapshot/1\x00"
TAG_BATCH = b"matchstrike/batch/1\x00"
TAG_CHALLENGE = b"matchstrike/challenge/1\x00"
TAG_STATEMENT = b"matchstrike/statement/1\x00"
HEADER_BYTES_MAX = 1024
ORDER_LENGTH_MAX = 4096
WORD = 2**64

# ---- records


class LawRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An angle law on the wire; vm.law says what its numbers mean."""

    gamma_means: Annotated[tuple[U32, ...], Limit(DEPTH_MAX)]
    gamma_widths: Annotated[tuple[U32, ...], Limit(DEPTH_MAX)]
    beta_means: Annotated[tuple[U32, ...], Limit(DEPTH_MAX)]
    beta_widths: Annotated[tuple[U32, ...], Limit(DEPTH_MAX)]
    field_width: U32
    mixer_width: U32


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """The measurement order and the angle law of a batch's strikes; the state keeps only their snapshot."""

    order: Annotated[tuple[U16, ...], Limit(ORDER_LENGTH_MAX)]
    law: LawRecord


class HeaderSource(msgspec.Struct, frozen=True, kw_only=True):
    """The key is the work key of this header (SCALE, without a seal), won or lost."""

    scale_index: ClassVar[int] = 0
    header: Annotated[bytes, Limit(HEADER_BYTES_MAX)]


class CounterSource(msgspec.Struct, frozen=True, kw_only=True):
    """The key is the batch key of the solver's next counter."""

    scale_index: ClassVar[int] = 1
    counter: U64


BatchSource: TypeAlias = Annotated[HeaderSource | CounterSource, Enum(("matchstrike", "BatchSource"))]


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """That the leaves of `count` strikes have this root; wrong if any leaf is."""

    genesis: H256
    solver: AccountId
    key: H256
    problem: U64
    snapshot: H256
    root: H256
    count: U32


class _Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    problem: U64
    order: tuple[U16, ...]
    law: LawRecord
    shots: U32


_SNAPSHOT = codec_of(_Snapshot)
_STATEMENT = codec_of(Statement)

# ---- errors


class MalformedSource(Exception):
    """The bytes of a batch's header are no header of a mined block without its seal."""

    rule: ClassVar[str] = "BAT-10"


# ---- laws


def make_law_record(law: AngleLaw) -> LawRecord:
    """Return a law as it is sent."""
    return LawRecord(
        gamma_means=law.gamma_means,
        gamma_widths=law.gamma_widths,
        beta_means=law.beta_means,
        beta_widths=law.beta_widths,
        field_width=law.field_width,
        mixer_width=law.mixer_width,
    )


def read_law(record: LawRecord) -> AngleLaw:
    """Return the law that was sent; vm.law.check_law judges it."""
    return AngleLaw(
        gamma_means=record.gamma_means,
        gamma_widths=record.gamma_widths,
        beta_means=record.beta_means,
        beta_widths=record.beta_widths,
        field_width=record.field_width,
        mixer_width=record.mixer_width,
    )


def make_witness(pool: PoolProblem) -> Witness:
    """Return the order and the law that strikes of a problem run with."""
    return Witness(order=pool.order, law=make_law_record(pool.law))


# ---- what a strike follows from


def compute_snapshot(problem_id: int, order: tuple[int, ...], law: AngleLaw, shots: int) -> bytes:
    """Return the hash of all that decides a strike beside key and index."""
    # SPEC BAT-01: A snapshot MUST be H(tag "snapshot", SCALE of problem (u64), order (Vec<u16>), law and shots (u32)).
    record = _Snapshot(problem=problem_id, order=order, law=make_law_record(law), shots=shots)
    return _hash(TAG_SNAPSHOT, _SNAPSHOT.encode(record))


def compute_batch_key(genesis: bytes, solver: bytes, counter: int, problem_id: int, snapshot: bytes) -> bytes:
    """Return the key of a bonded solver's batch that belongs to no header."""
    # SPEC BAT-02: A batch key MUST be H(tag "batch", genesis hash, solver, counter as u64, problem as u64, snapshot).
    numbers = counter.to_bytes(8, "little") + problem_id.to_bytes(8, "little")
    return _hash(TAG_BATCH, genesis + solver + numbers + snapshot)


def compute_strike_seed(key: bytes, index: int) -> bytes:
    """Return the seed of strike `index` of a key, by the rule of a ticket's pool strike."""
    # SPEC BAT-03: Strike i of a key MUST run with the seed that ticket i of that work key has for its pool strike.
    return compute_pool_strike_seed(compute_seed(key, index))


def run_batch_strike(pool: PoolProblem, key: bytes, index: int, *, shots: int) -> bytes:
    """Return the packed shots of strike `index` of a key."""
    return pack_shots(run_strike(make_pool_circuit(pool), pool.law, compute_strike_seed(key, index), shots=shots))


def compute_gas_of_leaves(pool: PoolProblem, shots: Iterable[bytes]) -> int:
    """Return the gas that strikes used, together, from the packed shots of each."""
    return sum_gas(make_pool_circuit(pool), (unpack_shots(packed, pool.problem.n) for packed in shots))


# ---- which leaves are audited


def compute_leaf_count(gas: int, count: int, params: BatchParams) -> int:
    """Return how many leaves of a batch are audited."""
    # SPEC BAT-05: An audit MUST select `audit_gas_max` // strike gas leaves, at least `leaves_min`, at most
    # `leaves_max`, and never more than the batch has.
    return min(max(params.audit_gas_max // gas, params.leaves_min), params.leaves_max, count)


def select_leaves(ticket: int, batch_id: int, count: int, k: int) -> tuple[int, ...]:
    """Return the indices of the leaves to show: k different ones below count, in ascending order."""
    assert 0 < k <= count <= COUNT_MAX, "a batch has at least as many leaves as are selected"
    prefix = ticket.to_bytes(32, "little") + batch_id.to_bytes(8, "little")
    limit = WORD - WORD % count
    chosen: set[int] = set()
    draw = 0
    # SPEC BAT-06: Draw j of an audit MUST be the first 8 bytes of H(tag "challenge", ticket as u256, batch as u64, j as
    # u64), j from 0, read as u64; a draw at or above the largest multiple of the count is left out, any other selects
    # the leaf draw mod count, until k different leaves are selected.
    while len(chosen) < k:
        word = int.from_bytes(_hash(TAG_CHALLENGE, prefix + draw.to_bytes(8, "little"))[:8], "little")
        draw += 1
        if word < limit:
            chosen.add(word % count)
    return tuple(sorted(chosen))


# ---- statements and sources


def compute_statement_hash(statement: Statement) -> bytes:
    """Return what a solver signs, and what a statement is punished under."""
    # SPEC BAT-07: The hash of a statement, which its solver signs, MUST be H(tag "statement", SCALE of genesis hash,
    # solver, key, problem (u64), snapshot, root and count (u32)).
    return _hash(TAG_STATEMENT, _STATEMENT.encode(statement))


def read_source_header(source: HeaderSource) -> tuple[Header, bytes, int | None]:
    """Return the header of a source with its author and its problem.

    Raises:
        MalformedSource: not the canonical SCALE of a header with author and work and without a seal.
    """
    # SPEC BAT-10: A batch's header MUST be the canonical SCALE of a header with author and work items and without a
    # seal.
    try:
        header = decode_header(source.header)
        author, problem = read_author(header), read_work(header).problem
    except (CodecError, InvalidBlock) as error:
        raise MalformedSource(f"the batch names no header: {error}") from error
    if header.seal is not None:
        raise MalformedSource("the header of a batch is sent without its seal")
    return header, author, problem


def _hash(tag: bytes, data: bytes) -> bytes:
    return blake2b(tag + data, digest_size=32).digest()
