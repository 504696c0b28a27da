"""Mortal eras, against Substrate's vectors and scalecodec."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scalecodec.base import RuntimeConfigurationObject
from scalecodec.type_registry import load_type_registry_preset

from chain.era import IMMORTAL, Era, InvalidEra, compute_birth, compute_death, decode_era, encode_era, make_era
from chain.scale import CodecError, UnexpectedEnd


@cache
def _oracle() -> RuntimeConfigurationObject:
    config = RuntimeConfigurationObject()
    config.update_type_registry(load_type_registry_preset("core"))
    return config


@pytest.mark.parametrize(
    ("period", "current", "expected", "data"),
    [
        (64, 42, Era(period=64, phase=42), "a502"),
        (32768, 20000, Era(period=32768, phase=20000), "4e9c"),
        (64, 1000, Era(period=64, phase=40), "8502"),
        (1000000, 1000001, Era(period=65536, phase=16960), "4f42"),
        (4, 7, Era(period=4, phase=3), "3100"),
    ],
)
def test_eras_have_the_bytes_of_substrate(period: int, current: int, expected: Era, data: str) -> None:
    era = make_era(period, current)
    assert era == expected
    assert encode_era(era).hex() == data
    assert decode_era(bytes.fromhex(data), 0) == (era, 2)


def test_an_immortal_era_is_one_zero_byte_and_never_dies() -> None:
    assert encode_era(IMMORTAL) == b"\x00"
    assert decode_era(b"\x00\x01", 0) == (IMMORTAL, 1)
    assert compute_birth(IMMORTAL, 1000) == 0
    assert compute_death(IMMORTAL, 1000) is None


@given(st.integers(0, 2**20), st.integers(0, 2**32 - 1))
def test_a_mortal_era_begins_at_most_a_quantum_before_and_round_trips(period: int, current: int) -> None:
    era = make_era(period, current)
    quantum = max(era.period >> 12, 1)
    birth = compute_birth(era, current)
    assert current - quantum < birth <= current
    assert compute_death(era, current) == birth + era.period
    assert decode_era(encode_era(era), 0) == (era, 2)


@given(st.integers(0, 2**20), st.integers(0, 2**32 - 1), st.integers(0, 2**17))
def test_an_era_is_born_at_the_same_block_as_long_as_it_lives(period: int, current: int, later: int) -> None:
    era = make_era(period, current)
    birth, death = compute_birth(era, current), compute_death(era, current)
    assert death is not None
    assert (compute_birth(era, current + later) == birth) == (current + later < death)


def test_every_pair_of_bytes_is_one_era_or_refused() -> None:
    accepted = 0
    for code in range(2**16):
        data = code.to_bytes(2, "little")
        try:
            era, end = decode_era(data, 0)
        except InvalidEra:
            continue
        assert encode_era(era) == data[:end]
        accepted += end == 2
    assert accepted == sum(min(1 << power, 1 << 12) for power in range(2, 17))


@pytest.mark.parametrize("data", ["1000", "4100", "f2ff"])
def test_ext_05_a_period_of_2_and_a_phase_beyond_the_period_are_refused(data: str) -> None:
    with pytest.raises(InvalidEra):
        decode_era(bytes.fromhex(data), 0)


@pytest.mark.parametrize(
    "era",
    [
        Era(period=3, phase=0),
        Era(period=2, phase=0),
        Era(period=131072, phase=0),
        Era(period=64, phase=64),
        Era(period=64, phase=-1),
        Era(period=65536, phase=5),
        Era(period=0, phase=5),
    ],
)
def test_ext_05_an_era_without_bytes_is_refused(era: Era) -> None:
    with pytest.raises(InvalidEra):
        encode_era(era)


@pytest.mark.parametrize("data", ["", "a5"])
def test_scl_02_an_era_that_is_cut_off_is_refused(data: str) -> None:
    with pytest.raises(UnexpectedEnd):
        decode_era(bytes.fromhex(data), 0)


@given(st.integers(4, 65536), st.integers(0, 2**32 - 1))
def test_eras_are_as_in_scalecodec(period: int, current: int) -> None:
    theirs = _oracle().create_scale_object("Era").encode({"period": period, "current": current})
    assert theirs.to_hex() == "0x" + encode_era(make_era(period, current)).hex()


@given(st.binary(max_size=4))
def test_a_strangers_bytes_are_an_era_or_a_codec_error(data: bytes) -> None:
    try:
        era, end = decode_era(data, 0)
    except CodecError:
        return
    assert encode_era(era) == data[:end]
