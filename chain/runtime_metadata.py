"""A runtime as its metadata describes it, for clients: encode calls, decode calls, events and storage, find errors.

The metadata may come from a node that nobody trusts: nothing but `MetadataError` and `CodecError` is raised.

Terms: names may be given as metadata has them, or with other capitals and underscores ("balances.transferKeepAlive").

Source: docs/spec/metadata.md; frame_metadata::v14; FRAME's storage keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import cast

import msgspec

from chain import metadata_v14 as v14
from chain.hashing import twox_128
from chain.metadata_check import (
    HASH_BYTES,
    MetadataError,
    UnknownName,
    decode_metadata,
    find_name,
    hash_key,
    map_parts,
    variant_at,
)
from chain.metadata_v14 import MetadataV14, Pallet, PortableType, StorageEntry, Variant
from chain.portable_decode import PLAIN, Style, decode_portable, decode_portable_prefix
from chain.portable_encode import encode_fields, encode_portable
from chain.scale import CodecError, TrailingBytes, UnexpectedEnd, decode_compact
from chain.ss58 import PREFIX_MAX, PREFIX_SUBSTRATE, PREFIXES_RESERVED


class DecodedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call by its names."""

    pallet: str
    call: str
    args: object


class DecodedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event by its names.

    Attributes:
        phase: ApplyExtrinsic, Finalization or Initialization.
        extrinsic: Index of the extrinsic that caused it, None outside of extrinsics.
        values: A dict by field name; a tuple or a single value where fields have no names; None without fields.
    """

    phase: str
    extrinsic: int | None
    pallet: str
    event: str
    values: object
    topics: tuple[bytes, ...]


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A pallet's error by its names."""

    pallet: str
    name: str
    docs: str


class RuntimeMetadata:
    """Decoded metadata; every method is a look-up in it."""

    def __init__(self, raw: MetadataV14) -> None:
        self.raw = raw

    @classmethod
    def decode(cls, data: bytes) -> RuntimeMetadata:
        """Return the metadata whose bytes are exactly `data`.

        Raises:
            MetadataError: another version, or too many bytes; DanglingType.
            CodecError: the bytes are not canonical.
        """
        return cls(decode_metadata(data))

    @property
    def types(self) -> tuple[PortableType, ...]:
        """The type registry."""
        return self.raw.types

    @property
    def pallets(self) -> tuple[Pallet, ...]:
        """The pallets as metadata has them."""
        return self.raw.pallets

    @cached_property
    def ss58_prefix(self) -> int:
        """The network's number in addresses (System.SS58Prefix), 42 if it is not said."""
        try:
            prefix = self.constant("System", "SS58Prefix")
        except (UnknownName, CodecError):
            return PREFIX_SUBSTRATE
        is_usable = isinstance(prefix, int) and 0 <= prefix <= PREFIX_MAX and prefix not in PREFIXES_RESERVED
        return cast("int", prefix) if is_usable else PREFIX_SUBSTRATE

    # ---- calls

    def encode_call(
        self, pallet: str, call: str, args: Mapping[str, object] | None = None, /, **named: object
    ) -> bytes:
        """Return the bytes of a call; arguments by name, in a mapping or as keywords.

        Raises:
            UnknownName: no such pallet or call.
            WrongArgument: an argument does not fit; says which, and what was expected.
        """
        found, variant = self.find_call(pallet, call)
        values = {**(args or {}), **named}
        where = f"{found.name}.{variant.name}"
        body = encode_fields(self.types, variant.fields, values, where, ss58_prefix=self.ss58_prefix)
        return bytes((found.index, variant.index)) + body

    def decode_call(self, data: bytes, *, style: Style = PLAIN) -> DecodedCall:
        """Return the call whose bytes are exactly `data`.

        Raises:
            UnknownName: no such pallet or call.
            CodecError: the arguments are not canonical.
        """
        if len(data) < 2:
            raise UnexpectedEnd("a call has at least two bytes")
        pallet = self._pallet_at(data[0])
        variant = variant_at(self._variants(pallet.calls), data[1], f"call of {pallet.name}")
        args, end = self._decode_fields(variant, data, 2, style)
        if end != len(data):
            raise TrailingBytes(f"{len(data) - end} bytes follow the call {pallet.name}.{variant.name}")
        return DecodedCall(pallet=pallet.name, call=variant.name, args={} if args is None else args)

    def find_call(self, pallet: str, call: str) -> tuple[Pallet, Variant]:
        """Return pallet and call by name, with the fields' names and types.

        Raises:
            UnknownName: no such pallet or call.
        """
        found = self.find_pallet(pallet)
        return found, find_name(self._variants(found.calls), call, f"call of {found.name}")

    def list_calls(self, pallet: str) -> tuple[Variant, ...]:
        """Return the calls of a pallet."""
        return self._variants(self.find_pallet(pallet).calls)

    # ---- events and errors

    def decode_events(self, data: bytes, *, style: Style = PLAIN) -> tuple[DecodedEvent, ...]:
        """Return the event records in the bytes of System.Events.

        Raises:
            UnknownName: the runtime declares no events.
            CodecError: the bytes are not canonical.
        """
        record = self._record_type()
        if not data:
            return ()
        count, position = decode_compact(data, 0, 4)
        events: list[DecodedEvent] = []
        while count > len(events):
            if position >= len(data):
                raise UnexpectedEnd(f"{count} events are announced, {len(events)} are there")
            fields, position = decode_portable_prefix(self.types, record, data, position, style)
            events.append(_make_event(fields))
        if position != len(data):
            raise TrailingBytes(f"{len(data) - position} bytes follow the events")
        return tuple(events)

    def find_error(self, pallet_index: int, error_index: int | bytes) -> ErrorInfo:
        """Return an error's pallet, name and explanation; of four bytes the first is the index.

        Raises:
            UnknownName: no such pallet or error.
        """
        pallet = self._pallet_at(pallet_index)
        index = error_index if isinstance(error_index, int) else error_index[:1].ljust(1, b"\xff")[0]
        variant = variant_at(self._variants(pallet.error), index, f"error of {pallet.name}")
        return ErrorInfo(pallet=pallet.name, name=variant.name, docs=" ".join(variant.docs).strip())

    def describe_dispatch_error(self, error: object) -> str:
        """Return a sentence for a decoded DispatchError: "Balances.InsufficientBalance: Balance too low ..."."""
        if not isinstance(error, Mapping) or len(error) != 1:
            return str(error)
        ((kind, detail),) = error.items()
        if kind != "Module" or not isinstance(detail, Mapping):
            return f"{kind}: {detail}"
        index, code = detail.get("index"), detail.get("error")
        code = bytes.fromhex(code[2:]) if isinstance(code, str) and len(code) == 10 else code
        if not isinstance(index, int) or not isinstance(code, int | bytes):
            return f"{kind}: {detail}"
        try:
            found = self.find_error(index, code)
        except UnknownName:
            return f"error {code!r} of pallet {index}"
        return f"{found.pallet}.{found.name}" + (f": {found.docs}" if found.docs else "")

    # ---- storage and constants

    def storage_prefix(self, pallet: str, item: str | None = None) -> bytes:
        """Return the first 16 bytes of a pallet's keys, or the first 32 of an item's.

        Raises:
            UnknownName: no such pallet or item.
        """
        if item is None:
            found = self.find_pallet(pallet)
            return twox_128((found.storage.prefix if found.storage else found.name).encode())
        storage, entry = self.find_storage(pallet, item)
        return twox_128(storage.prefix.encode()) + twox_128(entry.name.encode())

    def storage_key(self, pallet: str, item: str, *keys: object) -> bytes:
        """Return the storage key of an item; of a map, with one value for each of its keys (or the first ones).

        Raises:
            UnknownName: no such item; UnsupportedHasher.
            WrongArgument: a key does not fit, or there are too many.
        """
        storage, entry = self.find_storage(pallet, item)
        where = f"{pallet}.{item}"
        hashers, key_types = map_parts(self.types, entry)
        if len(keys) > len(hashers):
            raise UnknownName(f"{where} takes {len(hashers)} keys, {len(keys)} are given")
        parts = [twox_128(storage.prefix.encode()), twox_128(entry.name.encode())]
        for position, key in enumerate(keys):
            encoded = encode_portable(
                self.types, key_types[position], key, f"{where} key {position}", ss58_prefix=self.ss58_prefix
            )
            parts.append(hash_key(hashers[position], encoded))
        return b"".join(parts)

    def decode_storage_key(self, pallet: str, item: str, key: bytes, *, style: Style = PLAIN) -> tuple[object, ...]:
        """Return the map keys in a storage key.

        Raises:
            UnknownName: no such item; UnsupportedHasher.
            CodecError: the bytes are no key of this item.
        """
        prefix = self.storage_prefix(pallet, item)
        if not key.startswith(prefix):
            raise CodecError(f"0x{key.hex()} is no key of {pallet}.{item}")
        position = len(prefix)
        values: list[object] = []
        for hasher, key_type in zip(*map_parts(self.types, self.find_storage(pallet, item)[1]), strict=True):
            start = position + HASH_BYTES[hasher]
            value, end = decode_portable_prefix(self.types, key_type, key, start, style)
            if hash_key(hasher, key[start:end]) != key[position:end]:
                raise CodecError(f"0x{key.hex()} has a wrong hash in it")
            values.append(value)
            position = end
        if position != len(key):
            raise TrailingBytes(f"{len(key) - position} bytes follow the key")
        return tuple(values)

    def decode_storage(self, pallet: str, item: str, data: bytes | None, *, style: Style = PLAIN) -> object:
        """Return an item's value; for None (no entry) its default, which is None where the item is optional.

        Raises:
            UnknownName: no such item.
            CodecError: the bytes are not canonical.
        """
        _, entry = self.find_storage(pallet, item)
        if data is None:
            if entry.modifier is v14.StorageModifier.Optional:
                return None
            data = entry.default
        return decode_portable(self.types, entry.kind.value, data, style)

    def constant(self, pallet: str, name: str, *, style: Style = PLAIN) -> object:
        """Return a constant's value.

        Raises:
            UnknownName: no such constant.
            CodecError: the metadata's bytes for it are not canonical.
        """
        found = self.find_pallet(pallet)
        constant = find_name(found.constants, name, f"constant of {found.name}")
        return decode_portable(self.types, constant.type, constant.value, style)

    def decode_type(self, type_id: int, data: bytes, *, style: Style = PLAIN) -> object:
        """Return the value of any type by its id.

        Raises:
            CodecError: the bytes are no canonical value of the type.
        """
        return decode_portable(self.types, type_id, data, style)

    def encode_type(self, type_id: int, value: object) -> bytes:
        """Return the bytes of a value as any type by its id.

        Raises:
            WrongArgument: the value does not fit.
        """
        return encode_portable(self.types, type_id, value, "value", ss58_prefix=self.ss58_prefix)

    def find_pallet(self, name: str) -> Pallet:
        """Return a pallet by name.

        Raises:
            UnknownName: no such pallet.
        """
        return find_name(self.raw.pallets, name, "pallet")

    def find_storage(self, pallet: str, item: str) -> tuple[v14.PalletStorage, StorageEntry]:
        """Return a storage item, and the storage it is in.

        Raises:
            UnknownName: no such pallet or item.
        """
        found = self.find_pallet(pallet)
        storage = found.storage or v14.PalletStorage(prefix=found.name, entries=())
        return storage, find_name(storage.entries, item, f"storage item of {found.name}")

    # ---- private

    def _pallet_at(self, index: int) -> Pallet:
        pallet = next((pallet for pallet in self.raw.pallets if pallet.index == index), None)
        if pallet is None:
            raise UnknownName(f"the runtime has no pallet {index}")
        return pallet

    def _variants(self, type_id: int | None) -> tuple[Variant, ...]:
        if type_id is None:
            return ()
        definition = self.types[type_id].definition
        return definition.variants if isinstance(definition, v14.Variants) else ()

    def _decode_fields(self, variant: Variant, data: bytes, start: int, style: Style) -> tuple[object, int]:
        # A variant's fields are read as a struct of these fields, which needs no type of its own in the registry.
        struct = PortableType(id=len(self.types), definition=v14.Composite(fields=variant.fields))
        return decode_portable_prefix((*self.types, struct), len(self.types), data, start, style)

    def _record_type(self) -> int:
        _, entry = self.find_storage("System", "Events")
        definition = self.types[entry.kind.value].definition
        if not isinstance(definition, v14.Sequence):
            raise MetadataError("System.Events is no list of events")
        return definition.type


def _make_event(fields: object) -> DecodedEvent:
    try:
        record = cast("Mapping[str, object]", fields)
        phase, event, topics = record["phase"], cast("Mapping[str, object]", record["event"]), record["topics"]
        ((pallet, inner),) = event.items()
        ((name, values),) = inner.items() if isinstance(inner, Mapping) else ((inner, None),)
        ((phase_name, extrinsic),) = phase.items() if isinstance(phase, Mapping) else ((phase, None),)
        return DecodedEvent(
            phase=str(phase_name),
            extrinsic=extrinsic if isinstance(extrinsic, int) else None,
            pallet=pallet,
            event=str(name),
            values=values,
            topics=tuple(_to_bytes(topic) for topic in cast("Sequence[object]", topics)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MetadataError(f"event records of an unknown form: {error}") from error


def _to_bytes(topic: object) -> bytes:
    return bytes.fromhex(topic[2:]) if isinstance(topic, str) else cast("bytes", topic)
