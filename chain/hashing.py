"""Hashes: blake2b for commitments, xxhash ("twox") for storage prefixes.

Terms:
    concat hash: the short hash of a key followed by the key itself, so that the key can be read back from the trie.

Source: Substrate, `sp_crypto_hashing`; twox results are little endian, as there.
"""

from __future__ import annotations

from hashlib import blake2b

import xxhash


def blake2b_256(data: bytes) -> bytes:
    """Return the 32-byte blake2b hash."""
    return blake2b(data, digest_size=32).digest()


def blake2b_128(data: bytes) -> bytes:
    """Return the 16-byte blake2b hash."""
    return blake2b(data, digest_size=16).digest()


def blake2b_512(data: bytes) -> bytes:
    """Return the 64-byte blake2b hash."""
    return blake2b(data).digest()


def twox_64(data: bytes) -> bytes:
    """Return XXH64 with seed 0, 8 bytes little endian."""
    return xxhash.xxh64_intdigest(data).to_bytes(8, "little")


def twox_128(data: bytes) -> bytes:
    """Return XXH64 with seed 0 and then with seed 1, 16 bytes."""
    low = xxhash.xxh64_intdigest(data)
    high = xxhash.xxh64_intdigest(data, 1)
    return (low | high << 64).to_bytes(16, "little")


def blake2_128_concat(data: bytes) -> bytes:
    """Return the 16-byte blake2b hash followed by the data (FRAME's `Blake2_128Concat`)."""
    return blake2b(data, digest_size=16).digest() + data


def twox_64_concat(data: bytes) -> bytes:
    """Return the 8-byte twox hash followed by the data (FRAME's `Twox64Concat`)."""
    return xxhash.xxh64_intdigest(data).to_bytes(8, "little") + data
