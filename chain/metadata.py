"""Metadata V14 made from what pallets declare: the bytes by which clients learn calls, events, storage and errors.

A pallet declares records of this file; annotations are those of chain.scale_shapes. `EventRecords` stands for the type
of System.Events, which exists only once all pallets are known.

Source: frame_metadata::v14; the paths are those that polkadot.js and substrate-interface look for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from chain import metadata_v14 as v14
from chain.extrinsic import EXTRINSIC_VERSION
from chain.metadata_v14 import MetadataV14, TypeParameter
from chain.scale import CodecError, codec_of, codec_of_alias
from chain.scale_shapes import H256, U32, AccountId, CompactU32, CompactU128, shape_of
from chain.scale_source import size_min
from chain.substrate_types import DispatchError, DispatchInfo, MultiAddress, MultiSignature, Phase
from chain.type_registry import TypeRegistry

RUNTIME = "matchstrike_runtime"
_EXTENSIONS = ("frame_system", "extensions")
_PARAMS_BY_PATH: Mapping[tuple[str, ...], tuple[tuple[str, object | None], ...]] = {
    ("sp_runtime", "multiaddress", "MultiAddress"): (("AccountId", AccountId), ("AccountIndex", U32)),
}


class EventRecords:
    """Annotation of System.Events: a Vec of the runtime's event records."""


class FieldMeta(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a call, event or error; without a name where Substrate has a tuple variant."""

    name: str | None
    annotation: object
    type_name: str = ""


class StorageMeta(msgspec.Struct, frozen=True, kw_only=True):
    """One storage item.

    Attributes:
        optional: A missing entry means None; otherwise it means `default`.
        hashers: One for each key: Blake2_128Concat, Twox64Concat or Identity.
        keys: Annotations of the keys.
        value: Annotation of the value.
        default: SCALE bytes of the default; empty stands for all zeros.
    """

    name: str
    optional: bool
    hashers: tuple[str, ...] = ()
    keys: tuple[object, ...] = ()
    value: object
    default: bytes = b""
    docs: tuple[str, ...] = ()


class VariantMeta(msgspec.Struct, frozen=True, kw_only=True):
    """One call, event or error."""

    name: str
    index: int
    fields: tuple[FieldMeta, ...] = ()
    docs: tuple[str, ...] = ()


class ConstantMeta(msgspec.Struct, frozen=True, kw_only=True):
    """One constant; `value` is its SCALE bytes."""

    name: str
    annotation: object
    value: bytes
    docs: tuple[str, ...] = ()


class PalletMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What one pallet declares."""

    name: str
    index: int
    storage: tuple[StorageMeta, ...] = ()
    calls: tuple[VariantMeta, ...] = ()
    events: tuple[VariantMeta, ...] = ()
    errors: tuple[VariantMeta, ...] = ()
    constants: tuple[ConstantMeta, ...] = ()


class InvalidDeclaration(ValueError):
    """A pallet declares something that metadata cannot say (our bug)."""


def encode_metadata(pallets: Sequence[PalletMeta]) -> bytes:
    """Return metadata V14, magic and version first.

    Raises:
        InvalidDeclaration: two pallets, or two variants of one enum, share a name or index; a default that does not
            decode; hashers and keys of different number.
    """
    return codec_of(MetadataV14).encode(make_metadata(pallets))


def make_metadata(pallets: Sequence[PalletMeta]) -> MetadataV14:
    """Return metadata V14 as records; see `encode_metadata`."""
    _check_unique([(pallet.name, pallet.index) for pallet in pallets], "pallet")
    builder = _Builder(pallets)
    described = tuple(builder.make_pallet(pallet) for pallet in pallets)
    extrinsic = builder.make_extrinsic()
    runtime = builder.types.add_definition(v14.Composite(fields=()), path=(RUNTIME, "Runtime"))
    return MetadataV14(types=builder.types.types, pallets=described, extrinsic=extrinsic, runtime=runtime)


def pallet_path(name: str) -> str:
    """Return the crate's name of a pallet, as Substrate would call it."""
    if name == "System":
        return "frame_system"
    return "pallet_" + "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")


class _Builder:
    """The registry and the ids of the types that need all pallets."""

    def __init__(self, pallets: Sequence[PalletMeta]) -> None:
        self.types = TypeRegistry(_PARAMS_BY_PATH)
        self.events = {p.name: self._add_variants(p, "Event", p.events) for p in pallets if p.events}
        self.errors = {p.name: self._add_variants(p, "Error", p.errors) for p in pallets if p.errors}
        event = self._add_union("RuntimeEvent", pallets, self.events)
        topic = self.types.add(H256)
        record = self.types.add_definition(
            v14.Composite(
                fields=(
                    self.types.make_field("phase", Phase),
                    v14.Field(name="event", type=event, type_name="E"),
                    v14.Field(
                        name="topics", type=self.types.add_definition(v14.Sequence(type=topic)), type_name="Vec<T>"
                    ),
                )
            ),
            path=("frame_system", "EventRecord"),
            params=(TypeParameter(name="E", type=event), TypeParameter(name="T", type=topic)),
        )
        self.event_records = self.types.add_definition(v14.Sequence(type=record))
        self.types.add(DispatchInfo)
        self.types.add(DispatchError)
        self.calls = {p.name: self._add_variants(p, "Call", p.calls) for p in pallets if p.calls}
        self.call = self._add_union("RuntimeCall", pallets, self.calls)

    def make_pallet(self, pallet: PalletMeta) -> v14.Pallet:
        """Return the pallet with type ids in place of annotations."""
        entries = tuple(self._make_entry(pallet, item) for item in pallet.storage)
        constants = tuple(
            v14.Constant(name=item.name, type=self._add(item.annotation), value=item.value, docs=item.docs)
            for item in pallet.constants
        )
        return v14.Pallet(
            name=pallet.name,
            storage=v14.PalletStorage(prefix=pallet.name, entries=entries) if entries else None,
            calls=self.calls.get(pallet.name),
            event=self.events.get(pallet.name),
            constants=constants,
            error=self.errors.get(pallet.name),
            index=pallet.index,
        )

    def make_extrinsic(self) -> v14.ExtrinsicFormat:
        """Return version 4 with the seven signed extensions."""
        extensions = self._make_extensions()
        extra = self.types.add_definition(v14.Tuple(types=tuple(item.type for item in extensions)))
        raw = self.types.add(bytes)
        unchecked = self.types.add_definition(
            v14.Composite(fields=(v14.Field(name=None, type=raw),)),
            path=("sp_runtime", "generic", "unchecked_extrinsic", "UncheckedExtrinsic"),
            params=(
                TypeParameter(name="Address", type=self.types.add(MultiAddress)),
                TypeParameter(name="Call", type=self.call),
                TypeParameter(name="Signature", type=self.types.add(MultiSignature)),
                TypeParameter(name="Extra", type=extra),
            ),
        )
        return v14.ExtrinsicFormat(type=unchecked, version=EXTRINSIC_VERSION, signed_extensions=extensions)

    def _make_extensions(self) -> tuple[v14.SignedExtension, ...]:
        u32, h256, unit = self.types.add(U32), self.types.add(H256), self.types.add_definition(v14.Tuple(types=()))
        nonce, tip = self.types.add(CompactU32), self.types.add(CompactU128)
        rows: tuple[tuple[str, tuple[str, ...], int | None, int], ...] = (
            ("CheckSpecVersion", (*_EXTENSIONS, "check_spec_version", "CheckSpecVersion"), None, u32),
            ("CheckTxVersion", (*_EXTENSIONS, "check_tx_version", "CheckTxVersion"), None, u32),
            ("CheckGenesis", (*_EXTENSIONS, "check_genesis", "CheckGenesis"), None, h256),
            ("CheckMortality", (*_EXTENSIONS, "check_mortality", "CheckMortality"), self._add_era(), h256),
            ("CheckNonce", (*_EXTENSIONS, "check_nonce", "CheckNonce"), nonce, unit),
            ("CheckWeight", (*_EXTENSIONS, "check_weight", "CheckWeight"), None, unit),
            ("ChargeTransactionPayment", ("pallet_transaction_payment", "ChargeTransactionPayment"), tip, unit),
        )
        return tuple(
            v14.SignedExtension(identifier=name, type=self._add_newtype(path, inner), additional_signed=additional)
            for name, path, inner, additional in rows
        )

    def _add_newtype(self, path: tuple[str, ...], inner: int | None) -> int:
        fields = () if inner is None else (v14.Field(name=None, type=inner),)
        return self.types.add_definition(v14.Composite(fields=fields), path=path)

    def _add_era(self) -> int:
        u8 = self.types.add_definition(v14.Primitive(kind=v14.PrimitiveKind.u8))
        second = (v14.Field(name=None, type=u8),)
        variants = tuple(
            v14.Variant(name=f"Mortal{code}" if code else "Immortal", fields=second if code else (), index=code)
            for code in range(256)
        )
        return self.types.add_definition(v14.Variants(variants=variants), path=("sp_runtime", "generic", "era", "Era"))

    def _add(self, annotation: object) -> int:
        if annotation is EventRecords:
            return self.event_records
        return self.types.add(annotation)

    def _make_entry(self, pallet: PalletMeta, item: StorageMeta) -> v14.StorageEntry:
        if len(item.hashers) != len(item.keys):
            counts = f"{len(item.keys)} keys and {len(item.hashers)} hashers"
            raise InvalidDeclaration(f"{pallet.name}.{item.name} has {counts}")
        value = self._add(item.value)
        kind: v14.EntryKind = v14.PlainEntry(value=value)
        if item.keys:
            key_types = tuple(self._add(key) for key in item.keys)
            key = key_types[0] if len(key_types) == 1 else self.types.add_definition(v14.Tuple(types=key_types))
            kind = v14.MapEntry(hashers=tuple(v14.StorageHasher[name] for name in item.hashers), key=key, value=value)
        return v14.StorageEntry(
            name=item.name,
            modifier=v14.StorageModifier.Optional if item.optional else v14.StorageModifier.Default,
            kind=kind,
            default=_get_default(pallet, item),
            docs=item.docs,
        )

    def _add_variants(self, pallet: PalletMeta, kind: str, items: Iterable[VariantMeta]) -> int:
        items = sorted(items, key=lambda item: item.index)
        _check_unique([(item.name, item.index) for item in items], f"{pallet.name} {kind.lower()}")
        variants = tuple(
            v14.Variant(
                name=item.name,
                fields=tuple(self._make_field(field) for field in item.fields),
                index=item.index,
                docs=item.docs,
            )
            for item in items
        )
        return self.types.add_definition(
            v14.Variants(variants=variants), path=(pallet_path(pallet.name), "pallet", kind)
        )

    def _make_field(self, field: FieldMeta) -> v14.Field:
        return self.types.make_field(field.name, field.annotation, field.type_name)

    def _add_union(self, name: str, pallets: Sequence[PalletMeta], types: Mapping[str, int]) -> int:
        variants = tuple(
            v14.Variant(name=pallet.name, fields=(v14.Field(name=None, type=types[pallet.name]),), index=pallet.index)
            for pallet in sorted(pallets, key=lambda pallet: pallet.index)
            if pallet.name in types
        )
        return self.types.add_definition(v14.Variants(variants=variants), path=(RUNTIME, name))


def _get_default(pallet: PalletMeta, item: StorageMeta) -> bytes:
    if item.optional:
        return item.default or b"\x00"
    if item.default or item.value is EventRecords:
        return item.default or b"\x00"
    zeros = bytes(size_min(shape_of(item.value)))
    try:
        codec_of_alias(item.value).decode(zeros)
    except CodecError as error:
        raise InvalidDeclaration(f"{pallet.name}.{item.name} needs a default: {error}") from error
    return zeros


def _check_unique(items: Sequence[tuple[str, int]], what: str) -> None:
    for column in (0, 1):
        values = [item[column] for item in items]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise InvalidDeclaration(f"two {what}s are called {twice}")
