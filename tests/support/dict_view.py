"""A state in a dict, for tests of the runtime."""

from __future__ import annotations

from collections.abc import Iterator


class DictView:
    """A state in a dict."""

    def __init__(self, values: dict[bytes, bytes]) -> None:
        self.values = values

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a storage key, None if there is none."""
        return self.values.get(key)

    def iterate(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in key order."""
        lower = prefix if start is None else max(prefix, start)
        keys = sorted(key for key in self.values if key.startswith(prefix) and key >= lower)
        return iter([(key, self.values[key]) for key in keys])
