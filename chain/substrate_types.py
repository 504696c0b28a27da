"""Substrate's own types, under its paths, variant names and indices, so that its clients know them.

Terms:
    `scale_path`: where the type stands in metadata, its own name last; without it module and class name are taken.
    `scale_name`: the variant's name in metadata where the class is called otherwise.
    `scale_unnamed`: the fields have no names in metadata (a tuple struct or tuple variant).

Source: sp_runtime, frame_system, frame_support, pallet_balances (polkadot-sdk, stable2409).
"""

from __future__ import annotations

from enum import IntEnum, nonmember
from typing import Annotated, ClassVar, TypeAlias

import msgspec

from chain.scale_shapes import (
    U8,
    U32,
    U128,
    AccountId,
    Bytes4,
    CompactU32,
    CompactU64,
    Enum,
    Fixed,
    IntWidth,
    TypePath,
)

ExtraFlags: TypeAlias = Annotated[int, IntWidth(16), TypePath(("pallet_balances", "types", "ExtraFlags"))]
Ed25519Signature: TypeAlias = Annotated[bytes, Fixed(64), TypePath(("sp_core", "ed25519", "Signature"))]
Sr25519Signature: TypeAlias = Annotated[bytes, Fixed(64), TypePath(("sp_core", "sr25519", "Signature"))]
EcdsaSignature: TypeAlias = Annotated[bytes, Fixed(65), TypePath(("sp_core", "ecdsa", "Signature"))]

NEW_LOGIC_FLAG = 1 << 127  # ExtraFlags of every account that pallet_balances has touched since 2023


class AccountData(msgspec.Struct, frozen=True, kw_only=True):
    """An account's balances in planck; `free` includes what is frozen, not what is reserved."""

    scale_path: ClassVar[tuple[str, ...]] = ("pallet_balances", "types", "AccountData")
    free: U128 = 0
    reserved: U128 = 0
    frozen: U128 = 0
    flags: ExtraFlags = NEW_LOGIC_FLAG


class AccountInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What System.Account holds."""

    scale_path: ClassVar[tuple[str, ...]] = ("frame_system", "AccountInfo")
    nonce: U32 = 0
    consumers: U32 = 0
    providers: U32 = 0
    sufficients: U32 = 0
    data: AccountData = AccountData()


# ---- addresses and signatures


class AddressId(msgspec.Struct, frozen=True, kw_only=True):
    """An account id; the only kind of address this chain accepts."""

    scale_index: ClassVar[int] = 0
    scale_name: ClassVar[str] = "Id"
    scale_unnamed: ClassVar[bool] = True
    account: AccountId


class AddressIndex(msgspec.Struct, frozen=True, kw_only=True):
    """An account index."""

    scale_index: ClassVar[int] = 1
    scale_name: ClassVar[str] = "Index"
    scale_unnamed: ClassVar[bool] = True
    index: CompactU32


class AddressRaw(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of any length."""

    scale_index: ClassVar[int] = 2
    scale_name: ClassVar[str] = "Raw"
    scale_unnamed: ClassVar[bool] = True
    data: bytes


class Address32(msgspec.Struct, frozen=True, kw_only=True):
    """32 bytes that are no account id."""

    scale_index: ClassVar[int] = 3
    scale_unnamed: ClassVar[bool] = True
    data: Annotated[bytes, Fixed(32)]


class Address20(msgspec.Struct, frozen=True, kw_only=True):
    """20 bytes, as Ethereum has them."""

    scale_index: ClassVar[int] = 4
    scale_unnamed: ClassVar[bool] = True
    data: Annotated[bytes, Fixed(20)]


MultiAddress: TypeAlias = Annotated[
    AddressId | AddressIndex | AddressRaw | Address32 | Address20,
    Enum(("sp_runtime", "multiaddress", "MultiAddress")),
]


class SignatureEd25519(msgspec.Struct, frozen=True, kw_only=True):
    """The only scheme this chain accepts."""

    scale_index: ClassVar[int] = 0
    scale_name: ClassVar[str] = "Ed25519"
    scale_unnamed: ClassVar[bool] = True
    signature: Ed25519Signature


class SignatureSr25519(msgspec.Struct, frozen=True, kw_only=True):
    """Named for clients; refused."""

    scale_index: ClassVar[int] = 1
    scale_name: ClassVar[str] = "Sr25519"
    scale_unnamed: ClassVar[bool] = True
    signature: Sr25519Signature


class SignatureEcdsa(msgspec.Struct, frozen=True, kw_only=True):
    """Named for clients; refused."""

    scale_index: ClassVar[int] = 2
    scale_name: ClassVar[str] = "Ecdsa"
    scale_unnamed: ClassVar[bool] = True
    signature: EcdsaSignature


MultiSignature: TypeAlias = Annotated[
    SignatureEd25519 | SignatureSr25519 | SignatureEcdsa,
    Enum(("sp_runtime", "MultiSignature")),
]


# ---- dispatch


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """Reference time in picoseconds and bytes of proof."""

    scale_path: ClassVar[tuple[str, ...]] = ("sp_weights", "weight_v2", "Weight")
    ref_time: CompactU64
    proof_size: CompactU64 = 0


class DispatchClass(IntEnum):
    """Which share of a block a call may use."""

    scale_path = nonmember(("frame_support", "dispatch", "DispatchClass"))
    Normal = 0
    Operational = 1
    Mandatory = 2


class Pays(IntEnum):
    """Whether a call pays its fee."""

    scale_path = nonmember(("frame_support", "dispatch", "Pays"))
    Yes = 0
    No = 1


class DispatchInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What an extrinsic weighed."""

    scale_path: ClassVar[tuple[str, ...]] = ("frame_support", "dispatch", "DispatchInfo")
    weight: Weight
    dispatch_class: DispatchClass = DispatchClass.Normal
    pays_fee: Pays = Pays.Yes
    scale_field_names: ClassVar[dict[str, str]] = {"dispatch_class": "class"}


class TokenError(IntEnum):
    """What is wrong with an amount."""

    scale_path = nonmember(("sp_runtime", "TokenError"))
    FundsUnavailable = 0
    OnlyProvider = 1
    BelowMinimum = 2
    CannotCreate = 3
    UnknownAsset = 4
    Frozen = 5
    Unsupported = 6
    CannotCreateHold = 7
    NotExpendable = 8
    Blocked = 9


class ArithmeticError(IntEnum):
    """What went wrong in a sum."""

    scale_path = nonmember(("sp_arithmetic", "ArithmeticError"))
    Underflow = 0
    Overflow = 1
    DivisionByZero = 2


class TransactionalError(IntEnum):
    """What is wrong with nested storage layers."""

    scale_path = nonmember(("sp_runtime", "TransactionalError"))
    LimitReached = 0
    NoLayer = 1


class ModuleError(msgspec.Struct, frozen=True, kw_only=True):
    """A pallet's own error: the pallet's index, and the error's index in the first byte."""

    scale_path: ClassVar[tuple[str, ...]] = ("sp_runtime", "ModuleError")
    index: U8
    error: Bytes4


class DispatchOther(msgspec.Struct, frozen=True, kw_only=True):
    """An error without a name."""

    scale_index: ClassVar[int] = 0
    scale_name: ClassVar[str] = "Other"


class DispatchCannotLookup(msgspec.Struct, frozen=True, kw_only=True):
    """An address that names no account."""

    scale_index: ClassVar[int] = 1
    scale_name: ClassVar[str] = "CannotLookup"


class DispatchBadOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """A caller who may not call this."""

    scale_index: ClassVar[int] = 2
    scale_name: ClassVar[str] = "BadOrigin"


class DispatchModule(msgspec.Struct, frozen=True, kw_only=True):
    """A pallet's own error."""

    scale_index: ClassVar[int] = 3
    scale_name: ClassVar[str] = "Module"
    scale_unnamed: ClassVar[bool] = True
    error: ModuleError


class DispatchConsumerRemaining(msgspec.Struct, frozen=True, kw_only=True):
    """An account that is still needed."""

    scale_index: ClassVar[int] = 4
    scale_name: ClassVar[str] = "ConsumerRemaining"


class DispatchNoProviders(msgspec.Struct, frozen=True, kw_only=True):
    """An account that nothing keeps alive."""

    scale_index: ClassVar[int] = 5
    scale_name: ClassVar[str] = "NoProviders"


class DispatchTooManyConsumers(msgspec.Struct, frozen=True, kw_only=True):
    """An account with too many references."""

    scale_index: ClassVar[int] = 6
    scale_name: ClassVar[str] = "TooManyConsumers"


class DispatchToken(msgspec.Struct, frozen=True, kw_only=True):
    """An amount that cannot be moved."""

    scale_index: ClassVar[int] = 7
    scale_name: ClassVar[str] = "Token"
    scale_unnamed: ClassVar[bool] = True
    error: TokenError


class DispatchArithmetic(msgspec.Struct, frozen=True, kw_only=True):
    """A sum that does not fit."""

    scale_index: ClassVar[int] = 8
    scale_name: ClassVar[str] = "Arithmetic"
    scale_unnamed: ClassVar[bool] = True
    error: ArithmeticError


class DispatchTransactional(msgspec.Struct, frozen=True, kw_only=True):
    """Storage layers nested wrongly."""

    scale_index: ClassVar[int] = 9
    scale_name: ClassVar[str] = "Transactional"
    scale_unnamed: ClassVar[bool] = True
    error: TransactionalError


class DispatchExhausted(msgspec.Struct, frozen=True, kw_only=True):
    """Resources are used up."""

    scale_index: ClassVar[int] = 10
    scale_name: ClassVar[str] = "Exhausted"


class DispatchCorruption(msgspec.Struct, frozen=True, kw_only=True):
    """State that cannot be."""

    scale_index: ClassVar[int] = 11
    scale_name: ClassVar[str] = "Corruption"


class DispatchUnavailable(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not there at the moment."""

    scale_index: ClassVar[int] = 12
    scale_name: ClassVar[str] = "Unavailable"


class DispatchRootNotAllowed(msgspec.Struct, frozen=True, kw_only=True):
    """A call that root may not make."""

    scale_index: ClassVar[int] = 13
    scale_name: ClassVar[str] = "RootNotAllowed"


DispatchError: TypeAlias = Annotated[
    DispatchOther
    | DispatchCannotLookup
    | DispatchBadOrigin
    | DispatchModule
    | DispatchConsumerRemaining
    | DispatchNoProviders
    | DispatchTooManyConsumers
    | DispatchToken
    | DispatchArithmetic
    | DispatchTransactional
    | DispatchExhausted
    | DispatchCorruption
    | DispatchUnavailable
    | DispatchRootNotAllowed,
    Enum(("sp_runtime", "DispatchError")),
]


# ---- events, versions


class PhaseApplyExtrinsic(msgspec.Struct, frozen=True, kw_only=True):
    """While the extrinsic of this index was applied."""

    scale_index: ClassVar[int] = 0
    scale_name: ClassVar[str] = "ApplyExtrinsic"
    scale_unnamed: ClassVar[bool] = True
    index: U32


class PhaseFinalization(msgspec.Struct, frozen=True, kw_only=True):
    """After the last extrinsic."""

    scale_index: ClassVar[int] = 1
    scale_name: ClassVar[str] = "Finalization"


class PhaseInitialization(msgspec.Struct, frozen=True, kw_only=True):
    """Before the first extrinsic."""

    scale_index: ClassVar[int] = 2
    scale_name: ClassVar[str] = "Initialization"


Phase: TypeAlias = Annotated[
    PhaseApplyExtrinsic | PhaseFinalization | PhaseInitialization, Enum(("frame_system", "Phase"))
]


class BalanceStatus(IntEnum):
    """Where moved money lands."""

    scale_path = nonmember(("frame_support", "traits", "tokens", "misc", "BalanceStatus"))
    Free = 0
    Reserved = 1


class RuntimeVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Names and versions; a signature covers spec and transaction version."""

    scale_path: ClassVar[tuple[str, ...]] = ("sp_version", "RuntimeVersion")
    spec_name: str
    impl_name: str
    authoring_version: U32
    spec_version: U32
    impl_version: U32
    apis: tuple[tuple[Annotated[bytes, Fixed(8)], U32], ...] = ()
    transaction_version: U32
    state_version: U8
