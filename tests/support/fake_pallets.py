"""A small runtime's declarations: enough pallets for Substrate's clients to read balances and to send a transfer."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from chain.header import Digest
from chain.metadata import ConstantMeta, EventRecords, FieldMeta, PalletMeta, StorageMeta, VariantMeta, encode_metadata
from chain.scale import codec_of
from chain.scale_shapes import H256, U8, U16, U32, U64, U128, U256, AccountId, CompactU64, CompactU128
from chain.substrate_types import AccountInfo, DispatchError, DispatchInfo, MultiAddress, RuntimeVersion

VERSION = RuntimeVersion(
    spec_name="matchstrike",
    impl_name="matchstrike",
    authoring_version=1,
    spec_version=100,
    impl_version=1,
    transaction_version=1,
    state_version=1,
)


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A record of our own, with every kind of field that Substrate's pallets lack."""

    scale_path: ClassVar[tuple[str, ...]] = ("pallet_work", "Ticket")
    target: U256
    weight: U64
    label: str
    shots: tuple[bytes, ...]
    winner: AccountId | None = None
    couplings: tuple[tuple[U8, U32], ...] = ()


def _field(name: str | None, annotation: object) -> FieldMeta:
    return FieldMeta(name=name, annotation=annotation)


SYSTEM = PalletMeta(
    name="System",
    index=0,
    storage=(
        StorageMeta(
            name="Account",
            optional=False,
            hashers=("Blake2_128Concat",),
            keys=(AccountId,),
            value=AccountInfo,
            default=codec_of(AccountInfo).encode(AccountInfo()),
        ),
        StorageMeta(name="BlockHash", optional=False, hashers=("Twox64Concat",), keys=(U32,), value=H256),
        StorageMeta(name="Number", optional=False, value=U32),
        StorageMeta(name="Digest", optional=False, value=Digest),
        StorageMeta(name="Events", optional=False, value=EventRecords),
    ),
    calls=(
        VariantMeta(name="remark", index=0, fields=(_field("remark", bytes),), docs=("Make some on-chain remark.",)),
    ),
    events=(
        VariantMeta(name="ExtrinsicSuccess", index=0, fields=(_field("dispatch_info", DispatchInfo),)),
        VariantMeta(
            name="ExtrinsicFailed",
            index=1,
            fields=(_field("dispatch_error", DispatchError), _field("dispatch_info", DispatchInfo)),
        ),
    ),
    errors=(VariantMeta(name="CallFiltered", index=5, docs=("The origin filter prevent the call.",)),),
    constants=(
        ConstantMeta(name="BlockHashCount", annotation=U32, value=(2400).to_bytes(4, "little")),
        ConstantMeta(name="SS58Prefix", annotation=U16, value=b"\x2a\x00"),
        ConstantMeta(name="Version", annotation=RuntimeVersion, value=codec_of(RuntimeVersion).encode(VERSION)),
    ),
)
TIMESTAMP = PalletMeta(
    name="Timestamp",
    index=1,
    storage=(StorageMeta(name="Now", optional=False, value=U64),),
    calls=(VariantMeta(name="set", index=0, fields=(_field("now", CompactU64),)),),
)
_TRANSFER = (_field("dest", MultiAddress), _field("value", CompactU128))
BALANCES = PalletMeta(
    name="Balances",
    index=4,
    storage=(StorageMeta(name="TotalIssuance", optional=False, value=U128),),
    calls=(
        VariantMeta(name="transfer_allow_death", index=0, fields=_TRANSFER),
        VariantMeta(name="transfer_keep_alive", index=3, fields=_TRANSFER),
    ),
    events=(
        VariantMeta(
            name="Transfer",
            index=2,
            fields=(_field("from", AccountId), _field("to", AccountId), _field("amount", U128)),
        ),
    ),
    errors=(VariantMeta(name="InsufficientBalance", index=2, docs=("Balance too low to send value.",)),),
    constants=(ConstantMeta(name="ExistentialDeposit", annotation=U128, value=(10**9).to_bytes(16, "little")),),
)
TRANSACTION_PAYMENT = PalletMeta(
    name="TransactionPayment",
    index=5,
    events=(
        VariantMeta(
            name="TransactionFeePaid",
            index=0,
            fields=(_field("who", AccountId), _field("actual_fee", U128), _field("tip", U128)),
        ),
    ),
)
WORK = PalletMeta(
    name="Work",
    index=7,
    storage=(
        StorageMeta(name="Best", optional=True, value=Ticket),
        StorageMeta(
            name="Tickets",
            optional=True,
            hashers=("Identity", "Twox64Concat"),
            keys=(AccountId, U64),
            value=Ticket,
        ),
    ),
    calls=(VariantMeta(name="note", index=0, fields=(_field("ticket", Ticket),)),),
)
PALLETS = (SYSTEM, TIMESTAMP, BALANCES, TRANSACTION_PAYMENT, WORK)


def make_fake_metadata() -> bytes:
    """Return the metadata of the small runtime."""
    return encode_metadata(PALLETS)
