"""System: accounts, block numbers and hashes, events, and remarks.

Terms:
    reaped: an account whose balance fell below the existential deposit; its balances are gone, its nonce stays.
    Events: the state holds the blake2b-256 hash of a block's encoded events; the bytes live in the block's record.

Invariants: an account that holds money has one provider and, while some of it is on hold, one consumer; a nonce never
falls.
"""

from __future__ import annotations

import msgspec

from chain.hashing import blake2b_256
from chain.header import Digest
from chain.metadata import ConstantMeta
from chain.params import Params
from chain.scale import codec_of, codec_of_alias
from chain.scale_shapes import H256, U16, U32, AccountId
from chain.substrate_types import AccountInfo, DispatchError, DispatchInfo, RuntimeVersion
from runtime.dispatch import InvariantBroken, Pallet, call
from runtime.environment import Environment
from runtime.limits import (
    BlockLength,
    BlockWeights,
    PerClassWeight,
    RuntimeDbWeight,
    make_block_length,
    make_block_weights,
)
from runtime.storage import Overlay, StorageMap, StorageValue
from runtime.version import make_version
from runtime.weights import REMARK, REMARK_PER_BYTE

# ---- parameters

NAME = "System"
NO_ACCOUNT = AccountInfo()

# ---- storage

ACCOUNT: StorageMap[bytes, AccountInfo] = StorageMap(
    NAME, "Account", (AccountId, AccountInfo), default=NO_ACCOUNT, docs="Nonce, references and balances of an account."
)
EXTRINSIC_COUNT: StorageValue[int] = StorageValue(
    NAME, "ExtrinsicCount", U32, docs="Extrinsics of the block that was executed last."
)
BLOCK_WEIGHT: StorageValue[PerClassWeight] = StorageValue(
    NAME, "BlockWeight", PerClassWeight, PerClassWeight(), docs="What that block weighed."
)
BLOCK_HASH: StorageMap[int, bytes] = StorageMap(
    NAME, "BlockHash", (U32, H256), hasher="Twox64Concat", default=bytes(32), docs="Hashes of recent blocks."
)
NUMBER: StorageValue[int] = StorageValue(NAME, "Number", U32, 0, docs="The height of the block.")
PARENT_HASH: StorageValue[bytes] = StorageValue(NAME, "ParentHash", H256, bytes(32), docs="The parent's hash.")
DIGEST: StorageValue[Digest] = StorageValue(
    NAME, "Digest", Digest, Digest(logs=()), docs="The block's digest without its seal."
)
EVENTS: StorageValue[bytes] = StorageValue(NAME, "Events", H256, bytes(32), docs="Events of the block.")
EVENT_COUNT: StorageValue[int] = StorageValue(NAME, "EventCount", U32, 0, docs="How many events the block has.")
PARAMS_HASH: StorageValue[bytes] = StorageValue(
    NAME, "ParamsHash", H256, docs="blake2b-256 of the chain spec's params, so that the genesis hash depends on them."
)

# ---- events


class ExtrinsicSuccess(msgspec.Struct, frozen=True, kw_only=True):
    """An extrinsic completed successfully."""

    dispatch_info: DispatchInfo


class ExtrinsicFailed(msgspec.Struct, frozen=True, kw_only=True):
    """An extrinsic failed; its fee is kept."""

    dispatch_error: DispatchError
    dispatch_info: DispatchInfo


class NewAccount(msgspec.Struct, frozen=True, kw_only=True):
    """A new account was created."""

    account: AccountId


class KilledAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account was reaped."""

    account: AccountId


class Remarked(msgspec.Struct, frozen=True, kw_only=True):
    """On on-chain remark happened."""

    sender: AccountId
    hash: H256


# ---- calls


def _remark_weight(remark: bytes) -> int:
    return REMARK + len(remark) * REMARK_PER_BYTE


@call(index=0, weight=_remark_weight)
def remark(env: Environment, origin: bytes, remark: bytes) -> None:
    """Make some on-chain remark.

    It has no effect on state.
    """


@call(index=7, weight=_remark_weight)
def remark_with_event(env: Environment, origin: bytes, remark: bytes) -> None:
    """Make some on-chain remark and emit an event with its hash."""
    env.deposit_event(Remarked(sender=origin, hash=blake2b_256(remark)))


# ---- hooks


def on_initialize(env: Environment) -> None:
    """Write the block's number, parent and digest, and keep the parent's hash for mortal eras."""
    state, parent = env.state, env.block.parent
    NUMBER.set(state, env.number)
    PARENT_HASH.set(state, parent.hash)
    DIGEST.set(state, env.block.digest)
    BLOCK_HASH.set(state, parent.number, parent.hash)
    # SPEC RUN-04: The state MUST keep the hashes of the last `block_hash_count` blocks and of genesis, and no others.
    expired = env.number - env.params.block.block_hash_count - 1
    if expired > 0:
        BLOCK_HASH.remove(state, expired)


# ---- invariants


def check_invariants(state: Overlay, params: Params) -> None:
    """Refuse accounts whose references do not fit their balances."""
    for who, info in ACCOUNT.iterate(state):
        has_money = info.data.free > 0 or info.data.reserved > 0
        if info.providers != int(has_money) or info.consumers != int(info.data.reserved > 0) or info.sufficients:
            raise InvariantBroken(f"account 0x{who.hex()} has wrong references: {info}")


def make_constants(params: Params) -> tuple[ConstantMeta, ...]:
    """Return what clients read from the metadata."""
    return (
        _constant("BlockWeights", BlockWeights, codec_of(BlockWeights).encode(make_block_weights(params))),
        _constant("BlockLength", BlockLength, codec_of(BlockLength).encode(make_block_length(params))),
        _constant("BlockHashCount", U32, codec_of_alias(U32).encode(params.block.block_hash_count)),
        _constant("DbWeight", RuntimeDbWeight, codec_of(RuntimeDbWeight).encode(RuntimeDbWeight(read=0, write=0))),
        _constant("Version", RuntimeVersion, codec_of(RuntimeVersion).encode(make_version(params))),
        _constant("SS58Prefix", U16, codec_of_alias(U16).encode(params.ss58_prefix)),
    )


def _constant(name: str, annotation: object, value: bytes) -> ConstantMeta:
    return ConstantMeta(name=name, annotation=annotation, value=value)


SYSTEM = Pallet(
    name=NAME,
    index=0,
    storage=(
        ACCOUNT,
        EXTRINSIC_COUNT,
        BLOCK_WEIGHT,
        BLOCK_HASH,
        NUMBER,
        PARENT_HASH,
        DIGEST,
        EVENTS,
        EVENT_COUNT,
        PARAMS_HASH,
    ),
    events=(ExtrinsicSuccess, ExtrinsicFailed, NewAccount, KilledAccount, Remarked),
    calls=(remark, remark_with_event),
    constants=make_constants,
    on_initialize=on_initialize,
    check_invariants=check_invariants,
)
