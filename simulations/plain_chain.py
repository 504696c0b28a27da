"""Blocks of the real runtime on a dict, at any age of a chain; seals that nobody checks.

What a block does to money follows from its parent's state alone. So a stretch of blocks in year five needs no ten
million blocks before it: the state of block 0 with the balances of that year, and a head at that height.

Terms:
    opening: the height of the block on which a stretch of blocks begins; a checkpoint.

Invariant: the money adds up after every block (`simulations.money`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import blake2b

import msgspec

from chain.block import compute_extrinsics_root
from chain.ed25519 import public_of
from chain.ed25519 import sign as sign_message
from chain.era import IMMORTAL
from chain.extrinsic import SigningContext, encode_extra, make_signed
from chain.header import Digest, Header, make_sealed
from chain.params import Params
from consensus.asert import Anchor
from consensus.core_problem import compute_epoch
from consensus.digest import WorkDigest, WorkSeal, make_digest, make_seal
from consensus.finality import Checkpoint, FinalityStatus, SignedVote, Vote, compute_vote_message
from runtime.block_execution import BlockExecution
from runtime.dispatch import Call
from runtime.genesis_state import GenesisConfig, build_genesis_state
from runtime.outcomes import BlockOutcome
from runtime.pallets.balances import TOTAL_ISSUANCE
from runtime.pallets.finality import STATUS
from runtime.pallets.system import ACCOUNT, BLOCK_HASH, NUMBER
from runtime.pallets.timestamp import NOW
from runtime.pallets.transaction_payment import NEXT_FEE_MULTIPLIER
from runtime.pallets.work import ANCHOR, CLOCK, NEXT_TARGET
from runtime.queries import find_vote_duty
from runtime.runtime import encode_call
from runtime.staking_records import Dynasty
from runtime.staking_state import DYNASTY, SETS
from runtime.storage import Overlay
from runtime.validity import InvalidTransaction
from simulations.money import CheckedRuntime

START_MS = 1_700_000_000_000
NO_CORE_HASH = bytes(32)


@cache
def get_seed(name: str) -> bytes:
    """Return the secret of an account of a simulation."""
    return blake2b(name.encode(), digest_size=32, key=b"matchstrike simulation").digest()


@cache
def get_account(name: str) -> bytes:
    """Return the account of this name."""
    return public_of(get_seed(name))


def get_vote_key(name: str) -> bytes:
    """Return the vote key of the account of this name."""
    return get_account(f"{name} votes")


class DictState:
    """A state in a dict, with its keys in order."""

    def __init__(self, values: Mapping[bytes, bytes]) -> None:
        self._values = dict(values)
        self._keys = sorted(values)

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a storage key, None if there is none."""
        return self._values.get(key)

    def iterate(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in key order."""
        found = []
        for key in self._keys[bisect_left(self._keys, prefix if start is None else max(prefix, start)) :]:
            if not key.startswith(prefix):
                break
            found.append((key, self._values[key]))
        return iter(found)

    def apply_(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Take what a block changed."""
        for key, value in changes.items():
            if value is None:
                if self._values.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
            else:
                if key not in self._values:
                    insort(self._keys, key)
                self._values[key] = value


class Endowments(msgspec.Struct, frozen=True, kw_only=True):
    """Who has what at the opening; amounts in planck, by name.

    Attributes:
        validators: What of the balance is bonded.
    """

    balances: Mapping[str, int]
    validators: Mapping[str, int] = {}


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """One block: what it did, and which extrinsics its author left out because they may not be in it."""

    outcome: BlockOutcome
    refused: tuple[bytes, ...]


class PlainChain:
    """A chain from its opening on."""

    def __init__(
        self, params: Params, endowments: Endowments, *, opening: int = 0, target: int = 0, multiplier: int = 0
    ) -> None:
        """Begin on a block of height `opening`, a multiple of the checkpoints' distance; 0 is a true genesis.

        Args:
            target: The target at an opening above 0; without one, block 1's.
            multiplier: The multiplier of fees at an opening above 0; without one, 1.
        """
        assert opening % params.finality.checkpoint_blocks == 0, "a chain opens on a checkpoint"
        self.params = params
        self.view = DictState(build_genesis_state(params, _make_config(endowments)))
        genesis = Header(
            parent_hash=bytes(32),
            number=0,
            state_root=bytes(32),
            extrinsics_root=compute_extrinsics_root(()),
            digest=Digest(logs=()),
        )
        self.head, self.genesis_hash = genesis, genesis.hash
        self.runtime = CheckedRuntime(params, genesis.hash)
        self.now_ms = START_MS
        if opening:
            self._grow_old(opening, next(iter(endowments.balances)), target or self.get_target())
            if multiplier:
                state = self.state
                NEXT_FEE_MULTIPLIER.set(state, multiplier)
                self.view.apply_(state.changes())

    @property
    def state(self) -> Overlay:
        """The state after the head."""
        return Overlay(self.view)

    # ---- blocks

    def start(self, author: str, *, delay_ms: int, problem: int | None = None) -> BlockExecution:
        """Return the next block in execution, its time not set."""
        digest = self._make_digest(author, self.head.number + 1, self.now_ms + delay_ms, problem)
        return self.runtime.start_block(self.view, self.head, number=self.head.number + 1, digest=digest)

    def add_block(
        self, extrinsics: Sequence[bytes], *, author: str, delay_ms: int, votes: Sequence[SignedVote] = ()
    ) -> Added:
        """Execute the next block as its author does, and keep it."""
        execution = self.start(author, delay_ms=delay_ms)
        now_ms = self.now_ms + delay_ms
        body = list(self.runtime.make_inherents(self.view, self.head, timestamp_ms=now_ms, votes=votes))
        for raw in body:
            execution.apply_extrinsic(raw)
        refused: list[bytes] = []
        for raw in extrinsics:
            try:
                execution.apply_extrinsic(raw)
            except InvalidTransaction:
                refused.append(raw)
            else:
                body.append(raw)
        outcome = self.runtime.finish_block(self.view, execution)
        number = self.head.number + 1
        header = Header(
            parent_hash=self.head.hash,
            number=number,
            state_root=bytes(32),
            extrinsics_root=compute_extrinsics_root(tuple(body)),
            digest=self._make_digest(author, number, now_ms, None),
        )
        self._keep(header, outcome)
        self.now_ms = now_ms
        return Added(outcome=outcome, refused=tuple(refused))

    def _make_digest(self, author: str, number: int, now_ms: int, problem: int | None) -> Digest:
        work = WorkDigest(
            problem=problem,
            core_epoch=compute_epoch(number, self.params.work),
            weight=1,
            target=1,
            timestamp_ms=now_ms,
        )
        return make_digest(get_account(author), work)

    def _keep(self, header: Header, outcome: BlockOutcome) -> None:
        self.view.apply_(outcome.changes)
        self.head = _seal(header)

    def _grow_old(self, opening: int, author: str, target: int) -> None:
        """Stand on a block of this height: final but for the last checkpoint, which the next votes are for."""
        state, params = self.state, self.params
        self.now_ms += opening * params.work.block_target_ms
        header = Header(
            parent_hash=blake2b(opening.to_bytes(8, "little"), digest_size=32).digest(),
            number=opening,
            state_root=bytes(32),
            extrinsics_root=compute_extrinsics_root(()),
            digest=self._make_digest(author, opening, self.now_ms, None),
        )
        before = Checkpoint(height=opening - params.finality.checkpoint_blocks, hash=header.parent_hash)
        status = FinalityStatus(
            justified=before,
            finalized=before,
            final_height=before.height,
            is_attended=bool(SETS.get(state).current),
        )
        STATUS.set(state, status)
        BLOCK_HASH.set(state, 0, self.genesis_hash)
        DYNASTY.set(state, Dynasty(number=0, started_at=before.height, oldest=0))
        NUMBER.set(state, opening)
        NOW.set(state, self.now_ms)
        CLOCK.set(state, self.now_ms)
        NEXT_TARGET.set(state, target)
        parent_ms = self.now_ms - params.work.block_target_ms
        ANCHOR.set(state, Anchor(height=opening, parent_time_ms=parent_ms, target=target))
        self.view.apply_(state.changes())
        self.head = _seal(header)

    # ---- extrinsics

    def sign(self, name: str, call: Call, *arguments: object, ahead: int = 0) -> bytes:
        """Return a signed extrinsic for the next block.

        Args:
            ahead: So many earlier ones of the account wait for the same block.
        """
        nonce = ACCOUNT.get(self.state, get_account(name)).nonce + ahead
        context = SigningContext(
            spec_version=self.params.spec_version,
            transaction_version=self.params.transaction_version,
            genesis_hash=self.genesis_hash,
            birth_hash=self.genesis_hash,
        )
        extra = encode_extra(IMMORTAL, nonce, 0)
        return make_signed(encode_call(call, *arguments), get_seed(name), get_account(name), extra, context)

    def make_source(self, name: str, problem: int) -> Header:
        """Return the unsealed header of a miner on the head, whose strikes it may sell."""
        return Header(
            parent_hash=self.head.hash,
            number=self.head.number + 1,
            state_root=bytes(32),
            extrinsics_root=bytes(32),
            digest=self._make_digest(name, self.head.number + 1, self.now_ms + 1, problem),
        )

    def make_votes(self, names: Sequence[str]) -> list[SignedVote]:
        """Return the votes that these validators owe the next block."""
        duty = find_vote_duty(self.view, self.head, self.params)
        return [] if duty is None else [sign_vote(name, duty) for name in names]

    def quote(self, raw: bytes) -> int:
        """Return what an extrinsic would cost in the next block."""
        return self.runtime.query_fee(self.view, raw).details.total

    # ---- reading

    def get_issuance(self) -> int:
        """Return the total issuance."""
        return TOTAL_ISSUANCE.get(self.state)

    def get_total(self, name: str) -> int:
        """Return what an account has, free and on hold."""
        data = ACCOUNT.get(self.state, get_account(name)).data
        return data.free + data.reserved

    def get_target(self) -> int:
        """Return the target of the next block."""
        return NEXT_TARGET.get(self.state)


def sign_vote(name: str, vote: Vote) -> SignedVote:
    """Return a vote signed with the vote key of an account."""
    signature = sign_message(get_seed(f"{name} votes"), compute_vote_message(vote))
    return SignedVote(vote=vote, key=get_vote_key(name), signature=signature)


def _make_config(endowments: Endowments) -> GenesisConfig:
    return GenesisConfig(
        balances=tuple((get_account(name), amount) for name, amount in endowments.balances.items()),
        validators=tuple((get_account(name), get_vote_key(name), bond) for name, bond in endowments.validators.items()),
    )


def _seal(header: Header) -> Header:
    return make_sealed(header, make_seal(WorkSeal(index=header.number, core_hash=NO_CORE_HASH, pool_shots=b"")))
