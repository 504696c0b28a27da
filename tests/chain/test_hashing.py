"""Hashes against values that are published by others."""

from __future__ import annotations

from chain.hashing import (
    blake2_128_concat,
    blake2b_128,
    blake2b_256,
    blake2b_512,
    twox_64,
    twox_64_concat,
    twox_128,
)


def test_blake2b_matches_the_published_values() -> None:
    """RFC 7693 appendix A for 512 bits; the other widths from the reference program b2sum."""
    assert blake2b_512(b"abc").hex().startswith("ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1")
    assert blake2b_256(b"").hex() == "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"
    assert blake2b_128(b"").hex() == "cae66941d9efbd404e4d88758ea67670"


def test_twox_128_gives_substrates_storage_prefixes() -> None:
    """`System` and `Account`, the prefix of every account on every Substrate chain."""
    assert twox_128(b"System").hex() == "26aa394eea5630e07c48ae0c9558cef7"
    assert twox_128(b"Account").hex() == "b99d880ec681799c0cf30e8886371da9"


def test_twox_64_is_the_first_half_of_twox_128_in_little_endian() -> None:
    assert twox_64(b"") == (0xEF46DB3751D8E999).to_bytes(8, "little")
    assert twox_64(b"System") == twox_128(b"System")[:8]


def test_concat_hashes_end_with_the_data() -> None:
    data = bytes(range(32))
    assert blake2_128_concat(data) == blake2b_128(data) + data
    assert twox_64_concat(data) == twox_64(data) + data
