"""Proofs of finality for people: made from a node's chain, written to a file, checked with nothing but a chain spec.

A proof is a row of finality steps (`consensus.light`), from block 0 or from a checkpoint that whoever checks it trusts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import msgspec

from chain.header import Header
from chain.params import FinalityParams
from consensus.light import InvalidStep
from genesis.chain_spec import ChainSpec
from node.chain_store import ChainStore
from node.core.fast_proof import FastPlan, ProofChase
from node.core.step_book import StepBook
from node.fast_plan import make_fast_plan

PAGE_STEPS = 256
PAGE_BYTES = 1024 * 1024
PROOF_BYTES_MAX = 256 * 1024 * 1024


class InvalidProof(Exception):
    """A file or an answer that proves nothing."""

    rule: ClassVar[str] = "LGT-01"


class FinalityProof(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="matchstrike/finality-proof/1"):
    """A proof as it stands in a file, MessagePack.

    Attributes:
        start: The block whose state is believed from the beginning: block 0, or a trusted checkpoint.
    """

    genesis: bytes
    start: bytes
    steps: tuple[bytes, ...]


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """What a proof shows.

    Attributes:
        number: Height of the newest checkpoint that it proves final.
        state_root: Of the state after it; empty for block 0.
        validators: Accounts that vote in that state's set.
    """

    number: int
    hash: bytes
    state_root: bytes
    justified: int
    steps: int
    bytes: int
    validators: int


def list_page(chain: ChainStore, params: FinalityParams, start: bytes) -> list[bytes] | None:
    """Return the steps from a block of the best chain on, its own first, as many as a page holds; None if unknown."""
    record = chain.get_record(start)
    if record is None or chain.get_hash(record.number) != start:
        return None
    return StepBook(chain, params).list_steps(record.number, count=PAGE_STEPS, bytes_max=PAGE_BYTES)


def make_proof(chain: ChainStore, params: FinalityParams, start: bytes) -> FinalityProof | None:
    """Return everything that this chain can prove from a block on; None if it does not know the block."""
    record = chain.get_record(start)
    if record is None or chain.get_hash(record.number) != start:
        return None
    steps = StepBook(chain, params).list_steps(record.number, count=2**31, bytes_max=PROOF_BYTES_MAX // 2)
    return FinalityProof(genesis=chain.genesis_hash, start=start, steps=tuple(steps))


def encode_proof_file(proof: FinalityProof) -> bytes:
    """Return the bytes of a proof's file."""
    return msgspec.msgpack.encode(proof)


def decode_proof_file(data: bytes) -> FinalityProof:
    """Return the proof in a file; nothing of it is believed.

    Raises:
        InvalidProof: it is none, or too large.
    """
    if len(data) > PROOF_BYTES_MAX:
        raise InvalidProof(f"a proof of {len(data)} bytes; at most {PROOF_BYTES_MAX} are read")
    try:
        return msgspec.msgpack.decode(data, type=FinalityProof)
    except msgspec.DecodeError as error:
        raise InvalidProof(f"the file is no proof of finality: {error}") from error


class ProofCheck:
    """Checks steps against a chain spec, as they come."""

    def __init__(self, spec: ChainSpec, checkpoint: bytes | None = None) -> None:
        """Begin with the validators of the chain spec, or with a checkpoint whose hash the caller trusts.

        Raises:
            InvalidProof: there is nobody to begin with.
        """
        self.plan: FastPlan = make_fast_plan(spec, checkpoint)
        if checkpoint is None and not self.plan.anchor.sets.current:
            raise InvalidProof("block 0 of this chain has no validators whose votes could prove anything: --checkpoint")
        self._chase = ProofChase(_NoShelf(), self.plan)
        self._steps = self._bytes = 0

    @property
    def start(self) -> bytes:
        """The block after which the next page begins."""
        return self._chase.start

    def take(self, steps: Iterable[bytes]) -> None:
        """Check steps, each on the one before.

        Raises:
            InvalidProof: one proves nothing; what the steps before it showed stays.
        """
        for raw in steps:
            self._steps, self._bytes = self._steps + 1, self._bytes + len(raw)
            try:
                self._chase.take(raw)
            except InvalidStep as error:
                raise InvalidProof(f"step {self._steps}: {type(error).__name__}: {error}") from error
            self._chase.keep_final()

    def get_proven(self) -> Proven:
        """Return what was shown so far.

        Raises:
            InvalidProof: not even the trusted checkpoint.
        """
        verifier = self._chase.verifier
        if verifier is None:
            raise InvalidProof("the proof does not begin with the trusted checkpoint")
        final, target = verifier.final, self._chase.target
        return Proven(
            number=final.checkpoint.height,
            hash=final.checkpoint.hash,
            state_root=_get_root(final.header),
            justified=verifier.belief.checkpoint.height,
            steps=self._steps,
            bytes=self._bytes,
            validators=len((self.plan.anchor if target is None else target).sets.current),
        )


def iterate_steps(proof: FinalityProof, plan: FastPlan) -> Iterator[bytes]:
    """Yield a file's steps if it is about this chain and begins where belief does.

    Raises:
        InvalidProof: it is about another chain, or begins elsewhere.
    """
    if proof.genesis != plan.genesis:
        raise InvalidProof(
            f"the proof is about the chain 0x{proof.genesis.hex()}, the spec's is 0x{plan.genesis.hex()}"
        )
    if proof.start != (plan.checkpoint or plan.genesis):
        raise InvalidProof(f"the proof begins at 0x{proof.start.hex()}: to trust that block, name it with --checkpoint")
    return iter(proof.steps)


class _NoShelf:
    def add_steps(self, steps: dict[int, bytes]) -> None:
        """Keep nothing."""


def _get_root(header: Header | None) -> bytes:
    return b"" if header is None else header.state_root
