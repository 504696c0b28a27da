"""GEN-05: numbers with which a chain would stop, or keep money for ever, are refused with the spec."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from chain.params import Params
from genesis.chain_spec import ChainSpec, InvalidChainSpec, format_chain_spec, read_chain_spec
from genesis.params_check import (
    _BATCH,
    _BLOCK,
    _FINALITY,
    _MONEY,
    _PARAMS,
    _PROBLEM,
    _SOLUTION,
    _STAKING,
    _WORK,
    find_bad_number,
)
from genesis.presets import PRESETS, make_development, make_sealing
from runtime.genesis_state import GenesisConfig, InvalidGenesis, build_genesis_state

GROUPS = {
    "": _PARAMS,
    "work": _WORK,
    "money": _MONEY,
    "block": _BLOCK,
    "problem": _PROBLEM,
    "finality": _FINALITY,
    "staking": _STAKING,
    "solution": _SOLUTION,
    "batch": _BATCH,
}
ROWS = [(group, name, value) for group, ranges in GROUPS.items() for name, bounds in ranges.items() for value in bounds]


def change(params: Params, group: str, name: str, value: object) -> Params:
    """Return the params with one number changed."""
    if not group:
        return replace(params, **{name: value})
    return replace(params, **{group: replace(getattr(params, group), **{name: value})})


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_presets_are_within_the_ranges(name: str) -> None:
    assert find_bad_number(PRESETS[name]().params) is None
    assert find_bad_number(make_sealing(PRESETS[name]()).params) is None
    assert find_bad_number(Params.tiny()) is None


def test_every_number_has_a_range() -> None:
    for group, ranges in GROUPS.items():
        record: msgspec.Struct = getattr(Params(), group) if group else Params()
        numbers = {name for name in record.__struct_fields__ if type(getattr(record, name)) is int}
        assert numbers == set(ranges)


@pytest.mark.parametrize(("group", "name", "value"), ROWS)
def test_gen_05_a_number_beyond_its_range_is_refused(group: str, name: str, value: int) -> None:
    low = (GROUPS[group])[name][0]
    beyond = value - 1 if value == low else value + 1
    words = find_bad_number(change(Params(), group, name, beyond))
    assert words is not None
    assert f"{name} is {beyond}" in words


@pytest.mark.parametrize(
    ("group", "name", "value", "words"),
    [
        ("block", "audit_share_ppb", 250_000_001, "more than a whole block"),
        ("batch", "leaves_min", 33, "leaves_min is at most leaves_max"),
        ("batch", "count_min", 3, "leaves_min is at most leaves_max"),
        ("batch", "count_max", 63, "count_min at most count_max"),
        ("batch", "window_blocks", 2401, "exceeds block_hash_count"),
        ("batch", "unbond_blocks", 287, "must exceed the 287 blocks"),
    ],
)
def test_gen_05_batches_could_always_be_judged_while_there_is_a_bond(
    group: str, name: str, value: int, words: str
) -> None:
    assert words in (find_bad_number(change(Params(), group, name, value)) or "")


def spec_with(params: Params) -> bytes:
    """Return the JSON of the development chain with these params."""
    spec: ChainSpec = replace(make_development(), params=params)
    return format_chain_spec(spec)


def test_gen_05_a_chain_spec_that_would_keep_bounties_for_ever_is_refused() -> None:
    params = make_development().params
    assert read_chain_spec(spec_with(params)).params == params
    with pytest.raises(InvalidChainSpec, match=r"finality\.unattended_depth is 0, but must be 1 to 100000"):
        read_chain_spec(spec_with(change(params, "finality", "unattended_depth", 0)))
    with pytest.raises(InvalidChainSpec, match="pool_ratio"):
        read_chain_spec(spec_with(change(params, "work", "pool_ratio", (1, 0))))
    with pytest.raises(InvalidChainSpec, match="a core strike alone takes"):
        read_chain_spec(spec_with(change(params, "work", "ticket_gas_max", 1000)))


def test_gen_05_a_block_has_room_for_all_votes_beside_a_full_body() -> None:
    """GEN-05: else whoever fills blocks would make an author refuse its own, and the chain stops."""
    params = Params()
    for changed, words in (
        (change(params, "block", "normal_share_ppb", 85 * 10**7), "leave 0 bytes"),
        (change(params, "block", "bytes_max", 1024), "header, votes and evidence may take 426"),
        (change(params, "block", "normal_share_ppb", 8 * 10**8), None),
    ):
        found = find_bad_number(changed)
        assert found is None if words is None else words in (found or "")


def test_gen_05_evidence_counts_until_the_votes_have_been_seen() -> None:
    params = change(Params(), "staking", "evidence_blocks", 4)
    assert "next checkpoint" in (find_bad_number(params) or "")
    assert find_bad_number(change(Params(), "staking", "evidence_blocks", 5)) is None


def test_run_25_endowments_leave_room_for_the_rewards() -> None:
    """With a full issuance the first reward would not fit 128 bits, and the chain would stop at block 2."""
    half = GenesisConfig(balances=((bytes(32), 2**126), (bytes([1]) * 32, 2**126 - 1)))
    assert build_genesis_state(Params(), half)
    full = GenesisConfig(balances=((bytes(32), 2**126), (bytes([1]) * 32, 2**126)))
    with pytest.raises(InvalidGenesis, match="no room for rewards"):
        build_genesis_state(Params(), full)
