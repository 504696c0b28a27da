"""No bytes upset a parser: a few hundred of each here, and minutes of each in `test_fuzz_slow.py`."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network.libp2p import varint
from network.libp2p.protocol_error import RemoteProtocolError
from tests.network.fuzz_targets import TARGETS
from tests.network.fuzzing import FuzzFailure, Target, probe, run_fuzz

each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "-"))


@each_target
def test_a_fuzzer_begins_at_inputs_that_are_taken(target: Target) -> None:
    refused = 0
    for seed in target.seeds:
        try:
            target.check(seed)
        except target.errors:
            refused += 1
    assert refused <= len(target.seeds) // 2


@each_target
@given(st.binary(max_size=200))
def test_no_bytes_upset_a_parser(target: Target, data: bytes) -> None:
    probe(target, data)


@each_target
def test_no_change_of_an_input_upsets_a_parser(target: Target) -> None:
    figures = run_fuzz(target, seed=1, cpu_s=5.0, rounds_max=300)
    assert figures.ways >= 2


def test_the_fuzzer_finds_a_parser_that_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of lengths that takes the long form of a number, and forgets that it may be cut short."""
    frames = next(target for target in TARGETS if target.name == "frames")

    def decode_carelessly(data: bytes, start: int = 0) -> tuple[int, int] | None:
        value = shift = 0
        while data:
            byte = data[start]
            value, shift, start = value | (byte & 0x7F) << shift, shift + 7, start + 1
            if byte < 0x80:
                return value, start
        return None

    monkeypatch.setattr(varint, "decode_varint", decode_carelessly)
    with pytest.raises(FuzzFailure, match=r"frames: seed 1, round \d+, input [0-9a-f]+: \w+Error") as caught:
        run_fuzz(frames, seed=1, cpu_s=5.0)
    found = bytes.fromhex(re.findall(r"input ([0-9a-f]+)", str(caught.value))[0])
    with pytest.raises((AssertionError, IndexError)):
        probe(frames, found)
    monkeypatch.undo()
    probe(frames, found)


def test_an_error_of_another_kind_is_a_failure() -> None:
    def fail(data: bytes) -> None:
        if b"\x80" in data:
            raise KeyError("a bug")
        raise RemoteProtocolError("refused")

    target = Target(name="broken", seeds=(bytes(4),), check=fail, errors=(RemoteProtocolError,))
    with pytest.raises(FuzzFailure, match="broken: seed 3"):
        run_fuzz(target, seed=3, cpu_s=5.0)
