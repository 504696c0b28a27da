"""Typed storage over bytes: what a pallet declares, and the overlay that a block's changes live in.

A storage item names its pallet, its own name and its types; its keys are Substrate's (`twox128(pallet) ||
twox128(item)`, then the hashed map key), so that every Substrate client can compute them. The overlay keeps decoded
values and encodes each changed one once, when the block is done.

Terms:
    view: the state below, read only (`chain.state_view.StateView`).
    mark: a position in the journal; `roll_back(mark)` undoes every write since.

Invariants: `Overlay.changes()` holds exactly the keys that were written and not rolled back; values are frozen records,
so a journal entry is only a reference.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache
from typing import ClassVar, Generic, TypeVar, cast

from chain.hashing import blake2_128_concat, twox_64_concat, twox_128
from chain.scale import Codec, codec_of_alias
from chain.state_view import StateView

K = TypeVar("K")
V = TypeVar("V")

_ABSENT = object()
_KEYS_CACHED = 65_536
_HASHERS: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "Blake2_128Concat": (blake2_128_concat, 16),
    "Twox64Concat": (twox_64_concat, 8),
    "Identity": (bytes, 0),
}


class ValueMissing(LookupError):
    """A storage value without a default that the genesis state should have set."""

    rule: ClassVar[str] = "RUN-01"


class Overlay:
    """Changes over a view, with nested transactions by journal; itself a `StateView`."""

    __slots__ = ("_dirty", "_journal", "_values", "view")

    def __init__(self, view: StateView) -> None:
        self.view = view
        self._values: dict[bytes, object] = {}
        self._dirty: dict[bytes, Codec[object]] = {}
        self._journal: list[tuple[bytes, object, bool]] = []

    def read(self, key: bytes, codec: Codec[object]) -> object:
        """Return the decoded value under `key`, or None."""
        value = self._values.get(key, _ABSENT)
        if value is _ABSENT:
            raw = self.view.get(key)
            value = None if raw is None else codec.decode(raw)
            self._values[key] = value
        return value

    def write(self, key: bytes, codec: Codec[object], value: object) -> None:
        """Set the value under `key`; None removes it."""
        values, dirty = self._values, self._dirty
        self._journal.append((key, values.get(key, _ABSENT), key in dirty))
        values[key] = value
        dirty[key] = codec

    def make_mark(self) -> int:
        """Return where the journal stands, for `roll_back`."""
        return len(self._journal)

    def roll_back(self, mark: int) -> None:
        """Undo every write since `mark`."""
        journal, values, dirty = self._journal, self._values, self._dirty
        while len(journal) > mark:
            key, value, was_dirty = journal.pop()
            if value is _ABSENT:
                del values[key]
            else:
                values[key] = value
            if not was_dirty:
                del dirty[key]

    def changes(self) -> dict[bytes, bytes | None]:
        """Return every key that was written, with its bytes; None for one that was there and is removed."""
        values, changes = self._values, dict[bytes, bytes | None]()
        for key, codec in self._dirty.items():
            value = values[key]
            if value is not None:
                changes[key] = codec.encode(value)
            elif self.view.get(key) is not None:
                changes[key] = None
        return changes

    def get(self, key: bytes) -> bytes | None:
        """Return the bytes under `key`, or None."""
        codec = self._dirty.get(key)
        if codec is None:
            return self.view.get(key)
        value = self._values[key]
        return None if value is None else codec.encode(value)

    def iterate(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix` (from `start` on), in key order."""
        lower = prefix if start is None else max(prefix, start)
        changed = sorted(key for key in self._dirty if key.startswith(prefix) and key >= lower)
        position = 0
        for key, value in self.view.iterate(prefix, start=start):
            while position < len(changed) and changed[position] < key:
                yield from self._pair(changed[position])
                position += 1
            if key not in self._dirty:
                yield key, value
        for key in changed[position:]:
            yield from self._pair(key)

    def _pair(self, key: bytes) -> Iterator[tuple[bytes, bytes]]:
        value = self.get(key)
        if value is not None:
            yield key, value


class StorageValue(Generic[V]):
    """One value of a pallet.

    Attributes:
        default: What an absent value reads as; None makes the item optional in metadata.
    """

    __slots__ = ("annotation", "codec", "default", "docs", "key", "name", "pallet")

    def __init__(self, pallet: str, name: str, annotation: Hashable, default: V | None = None, docs: str = "") -> None:
        self.pallet, self.name, self.annotation, self.default, self.docs = pallet, name, annotation, default, docs
        self.codec = codec_of_alias(annotation)
        self.key = make_prefix(pallet, name)

    def get(self, state: Overlay) -> V:
        """Return the value, or the default.

        Raises:
            ValueMissing: absent and without a default.
        """
        value = state.read(self.key, self.codec)
        if value is None:
            value = self.default
            # SPEC RUN-01: A storage value without a default MUST be set by the genesis state or by block 1.
            if value is None:
                raise ValueMissing(f"{self.pallet}.{self.name} is not set in this state")
        return cast("V", value)

    def find(self, state: Overlay) -> V | None:
        """Return the value, or None when it is absent."""
        return cast("V | None", state.read(self.key, self.codec))

    def set(self, state: Overlay, value: V) -> None:
        """Write the value."""
        state.write(self.key, self.codec, value)

    def remove(self, state: Overlay) -> None:
        """Remove the value."""
        state.write(self.key, self.codec, None)


class StorageMap(Generic[K, V]):
    """A map of a pallet, from one typed key to one typed value."""

    __slots__ = (
        "annotation",
        "codec",
        "default",
        "docs",
        "hasher",
        "key_annotation",
        "key_of",
        "name",
        "pallet",
        "prefix",
    )

    def __init__(
        self,
        pallet: str,
        name: str,
        types: tuple[Hashable, Hashable],
        *,
        hasher: str = "Blake2_128Concat",
        default: V | None = None,
        docs: str = "",
    ) -> None:
        self.pallet, self.name, self.default, self.docs, self.hasher = pallet, name, default, docs, hasher
        self.key_annotation, self.annotation = types
        self.codec = codec_of_alias(self.annotation)
        self.prefix = make_prefix(pallet, name)
        self.key_of: Callable[[K], bytes] = _make_key_function(self.prefix, self.key_annotation, hasher)

    def get(self, state: Overlay, key: K) -> V:
        """Return the value under `key`, or the default.

        Raises:
            ValueMissing: absent and without a default.
        """
        value = state.read(self.key_of(key), self.codec)
        if value is None:
            value = self.default
            if value is None:
                raise ValueMissing(f"{self.pallet}.{self.name} has no entry {key!r}")
        return cast("V", value)

    def find(self, state: Overlay, key: K) -> V | None:
        """Return the value under `key`, or None."""
        return cast("V | None", state.read(self.key_of(key), self.codec))

    def set(self, state: Overlay, key: K, value: V) -> None:
        """Write the value under `key`."""
        state.write(self.key_of(key), self.codec, value)

    def remove(self, state: Overlay, key: K) -> None:
        """Remove the value under `key`."""
        state.write(self.key_of(key), self.codec, None)

    def iterate(self, view: StateView, start: bytes | None = None) -> Iterator[tuple[K, V]]:
        """Yield the entries in the order of their storage keys."""
        key_codec = codec_of_alias(self.key_annotation)
        skip = len(self.prefix) + _HASHERS[self.hasher][1]
        for raw_key, raw_value in view.iterate(self.prefix, start=start):
            yield cast("K", key_codec.decode(raw_key[skip:])), cast("V", self.codec.decode(raw_value))

    def iterate_keys(self, view: StateView) -> Iterator[K]:
        """Yield the keys in the order of their storage keys; values are not decoded."""
        key_codec = codec_of_alias(self.key_annotation)
        skip = len(self.prefix) + _HASHERS[self.hasher][1]
        for raw_key, _ in view.iterate(self.prefix):
            yield cast("K", key_codec.decode(raw_key[skip:]))


def make_prefix(pallet: str, name: str) -> bytes:
    """Return the 32-byte prefix of a storage item."""
    return twox_128(pallet.encode()) + twox_128(name.encode())


def _make_key_function(prefix: bytes, annotation: Hashable, hasher: str) -> Callable[[K], bytes]:
    encode = codec_of_alias(annotation).encode
    hash_key = _HASHERS[hasher][0]

    @lru_cache(maxsize=_KEYS_CACHED)
    def make_key(key: K) -> bytes:
        return prefix + hash_key(encode(key))

    return make_key
