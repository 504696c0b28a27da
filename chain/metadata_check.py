"""Metadata from a stranger: decoded, checked for what the clients rely on, and looked up by name.

Source: docs/spec/metadata.md; frame_metadata::v14.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import ClassVar, Protocol, TypeVar

from chain import metadata_v14 as v14
from chain.hashing import blake2_128_concat, twox_64_concat
from chain.metadata_v14 import MetadataV14, PortableType, StorageEntry, StorageHasher, Variant
from chain.scale import codec_of

METADATA_BYTES_MAX = 16 * 1024 * 1024
HASH_BYTES = {StorageHasher.Blake2_128Concat: 16, StorageHasher.Twox64Concat: 8, StorageHasher.Identity: 0}


class MetadataError(ValueError):
    """Metadata that cannot be used, or that lacks what is asked for."""

    rule: ClassVar[str] = "MET-01"


class DanglingType(MetadataError):
    """A type id that the registry does not have."""

    rule: ClassVar[str] = "MET-02"


class UnknownName(MetadataError):
    """A pallet, call, storage item, constant or error that the runtime does not have."""

    rule: ClassVar[str] = "MET-03"


class UnsupportedHasher(MetadataError):
    """A map whose keys this client cannot hash."""

    rule: ClassVar[str] = "MET-03"


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def decode_metadata(data: bytes) -> MetadataV14:
    """Return the metadata whose bytes are exactly `data`.

    Raises:
        MetadataError: another version, or too many bytes; DanglingType.
        CodecError: the bytes are not canonical.
    """
    # SPEC MET-01: Metadata MUST begin with "meta" and the version 14, and MUST NOT exceed 16 MiB.
    if data[:5] != v14.MAGIC + bytes((v14.VERSION,)):
        raise MetadataError(f"this is no metadata of version {v14.VERSION}: it begins with 0x{data[:5].hex()}")
    if len(data) > METADATA_BYTES_MAX:
        raise MetadataError(f"metadata of {len(data)} bytes is too large")
    raw = codec_of(MetadataV14).decode(data)
    _check_types(raw)
    return raw


def variant_at(variants: tuple[Variant, ...], index: int, what: str) -> Variant:
    variant = next((variant for variant in variants if variant.index == index), None)
    if variant is None:
        raise UnknownName(f"there is no {what} with the index {index}")
    return variant


def find_name(items: Sequence[N], name: str, what: str) -> N:
    exact = next((item for item in items if item.name == name), None)
    if exact is not None:
        return exact
    loose = [item for item in items if _simplify(item.name) == _simplify(name)]
    if len(loose) == 1:
        return loose[0]
    names = [item.name for item in items]
    close = get_close_matches(name, names, 1, 0.6)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names) or 'none'}"
    # SPEC MET-03: A name that the metadata lacks MUST be refused with the nearest one that it has.
    raise UnknownName(f"there is no {what} called {name}; {hint}")


def map_parts(
    types: tuple[PortableType, ...], entry: StorageEntry
) -> tuple[tuple[StorageHasher, ...], tuple[int, ...]]:
    """Return a map's hashers and the type ids of its keys; nothing for a plain item.

    Raises:
        MetadataError: hashers and keys of different number; UnsupportedHasher.
    """
    if isinstance(entry.kind, v14.PlainEntry):
        return (), ()
    hashers = entry.kind.hashers
    key = types[entry.kind.key].definition
    key_types = key.types if len(hashers) > 1 and isinstance(key, v14.Tuple) else (entry.kind.key,)
    if len(key_types) != len(hashers):
        raise MetadataError(f"{entry.name} has {len(hashers)} hashers for {len(key_types)} keys")
    for hasher in hashers:
        if hasher not in HASH_BYTES:
            raise UnsupportedHasher(f"{entry.name} hashes a key with {hasher.name}, which this client does not do")
    return hashers, key_types


def hash_key(hasher: StorageHasher, encoded: bytes) -> bytes:
    """Return what a key adds to a storage key."""
    if hasher is StorageHasher.Blake2_128Concat:
        return blake2_128_concat(encoded)
    return twox_64_concat(encoded) if hasher is StorageHasher.Twox64Concat else encoded


def _check_types(raw: MetadataV14) -> None:
    count = len(raw.types)
    used = [raw.runtime, raw.extrinsic.type]
    for position, portable in enumerate(raw.types):
        if portable.id != position:
            raise DanglingType(f"type {portable.id} stands at {position}")
        used += _types_in(portable)
    for extension in raw.extrinsic.signed_extensions:
        used += [extension.type, extension.additional_signed]
    for pallet in raw.pallets:
        used += [item for item in (pallet.calls, pallet.event, pallet.error) if item is not None]
        used += [constant.type for constant in pallet.constants]
        for entry in pallet.storage.entries if pallet.storage else ():
            used += [entry.kind.value] if isinstance(entry.kind, v14.PlainEntry) else [entry.kind.key, entry.kind.value]
    # SPEC MET-02: Every type id in metadata MUST be in its registry, and each type MUST stand at its id.
    if max(used) >= count:
        raise DanglingType(f"type {max(used)} is used, but there are only {count}")


def _types_in(portable: PortableType) -> list[int]:
    params = [param.type for param in portable.params if param.type is not None]
    match portable.definition:
        case v14.Composite(fields=fields):
            return params + [field.type for field in fields]
        case v14.Variants(variants=variants):
            return params + [field.type for variant in variants for field in variant.fields]
        case v14.Sequence(type=inner) | v14.Array(type=inner) | v14.Compact(type=inner):
            return [*params, inner]
        case v14.Tuple(types=types):
            return [*params, *types]
        case v14.BitSequence(store=store, order=order):
            return [*params, store, order]
        case _:
            return params


def _simplify(name: str) -> str:
    return name.replace("_", "").lower()
