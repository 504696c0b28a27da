"""Chain specs: presets, both forms, refusals; the genesis hash depends on everything."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from chain.params import UNIT_PLANCK, MoneyParams, Params
from chain.ss58 import encode_address
from genesis.block import make_genesis_block
from genesis.chain_spec import (
    BalancesPatch,
    ChainSpec,
    CustomType,
    Genesis,
    GenesisPatch,
    InvalidChainSpec,
    RuntimeGenesis,
    StakingPatch,
    build_state,
    format_chain_spec,
    make_raw,
    read_chain_spec,
)
from genesis.params_check import find_bad_number
from genesis.presets import PRESETS, get_development_accounts, load_chain_spec, make_development, make_sealing
from runtime.pallets.balances import TOTAL_ISSUANCE
from runtime.pallets.system import ACCOUNT
from runtime.queries import get_finality, get_validator_sets
from runtime.runtime import check_invariants
from runtime.storage import Overlay
from tests.support.dict_view import DictView


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_valid_and_survive_both_forms(name: str) -> None:
    """Plain and raw JSON give the same block 0; the invariants hold."""
    spec = load_chain_spec(name)
    plain, raw = read_chain_spec(format_chain_spec(spec)), read_chain_spec(format_chain_spec(make_raw(spec)))
    assert plain == spec
    assert raw.is_raw
    header, state = make_genesis_block(spec)
    assert make_genesis_block(plain)[0].hash == make_genesis_block(raw)[0].hash == header.hash
    check_invariants(Overlay(DictView(dict(state))), spec.params)


def test_development_endows_the_six_accounts_and_their_stashes() -> None:
    """10^6 units each, nothing else."""
    spec = make_development()
    state = Overlay(DictView(build_state(spec)))
    alice = bytes.fromhex("88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee")
    assert get_development_accounts()["//Alice"] == alice
    assert len(get_development_accounts()) == 12
    for public in get_development_accounts().values():
        assert ACCOUNT.get(state, public).data.free == 10**6 * UNIT_PLANCK
    assert TOTAL_ISSUANCE.get(state) == 12 * 10**6 * UNIT_PLANCK
    assert spec.params.work.block_target_ms == 3_000
    assert (spec.id, spec.chain_type) == ("dev", "Development")


def test_json_looks_like_substrates() -> None:
    """Field names and places that tools look for."""
    data = msgspec.json.decode(format_chain_spec(make_development()))
    assert {"name", "id", "chainType", "bootNodes", "properties", "genesis", "params"} <= set(data)
    assert data["properties"] == {"ss58Format": 42, "tokenDecimals": 12, "tokenSymbol": "MSK"}
    assert data["genesis"]["runtimeGenesis"]["patch"]["balances"]["balances"][0] == [
        "5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpu",
        10**18,
    ]
    raw = msgspec.json.decode(format_chain_spec(make_raw(make_development())))
    assert set(raw["genesis"]) == {"raw"}
    assert all(key.startswith("0x") for key in raw["genesis"]["raw"]["top"])


def test_run_26_other_params_make_another_chain() -> None:
    """RUN-26: the genesis hash depends on numbers that no other state entry holds."""
    spec = make_development()
    money = replace(spec.params.money, fee_per_byte_planck=5)
    other = replace(spec, params=replace(spec.params, money=money))
    assert make_genesis_block(other)[0].hash != make_genesis_block(spec)[0].hash
    assert make_genesis_block(make_sealing(spec))[0].hash != make_genesis_block(spec)[0].hash


def test_gen_04_a_raw_spec_with_edited_params_is_refused() -> None:
    """GEN-04: the state was built from other numbers."""
    raw = make_raw(make_development())
    edited = replace(raw, params=replace(raw.params, money=MoneyParams(fee_burn_ppb=0)))
    with pytest.raises(InvalidChainSpec, match="edit the plain spec"):
        read_chain_spec(format_chain_spec(edited))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'"bootNodes"', b'"bootNode"', "unknown field `bootNode`"),
        (b'"core_qubits"', b'"core_bits"', "unknown field `core_bits`"),
        (b'"name": "Development"', b'"nickname": "Development"', "nickname|name"),
        (b'"id": "dev"', b'"id": ""', "letters"),
        (b'"id": "dev"', b'"id": "../dev"', "letters"),
        (b'"chainType": "Development"', b'"chainType": "Other"', "chainType"),
        (b'"core_qubits": 14', b'"core_qubits": "x"', "core_qubits"),
        (b"5FA9nQDV", b"5FA9nQDW", "no address"),
        (b"1000000000000000000", b"-1", "no amount"),
        (b"1000000000000000000", b'"1e18"', "no amount"),
        (b"1000000000000000000", b"5", "below the existential deposit"),
        (b'"runtimeGenesis"', b'"raw"', "patch|top"),
        (b"{", b"", "not valid"),
    ],
)
def test_gen_01_to_03_bad_specs_are_refused_with_a_reason(old: bytes, new: bytes, words: str) -> None:
    """GEN-01, GEN-02, GEN-03: unknown fields at any depth, bad values, bad addresses."""
    data = format_chain_spec(make_development())
    assert old in data
    with pytest.raises(InvalidChainSpec, match=words):
        read_chain_spec(data.replace(old, new, 1))


def test_gen_03_a_spec_needs_exactly_one_genesis() -> None:
    """GEN-03: none, or both."""
    spec = make_development()
    both = Genesis(runtime_genesis=spec.genesis.runtime_genesis, raw=make_raw(spec).genesis.raw)
    for genesis in (Genesis(), both):
        with pytest.raises(InvalidChainSpec, match="exactly one"):
            read_chain_spec(format_chain_spec(replace(spec, genesis=genesis)))


def test_local_begins_with_four_validators_and_the_others_with_none() -> None:
    """//Alice//stash bonds and votes with the key of //Alice, and so on."""
    accounts = get_development_accounts()
    for name, expected in (("local", ("Alice", "Bob", "Charlie", "Dave")), ("dev", ()), ("testnet", ())):
        view = DictView(build_state(load_chain_spec(name)))
        voters = get_validator_sets(view).current
        assert {voter.account: voter.key for voter in voters} == {
            accounts[f"//{who}//stash"]: accounts[f"//{who}"] for who in expected
        }
        assert get_finality(view).is_attended is bool(expected)
    assert load_chain_spec("local").params.finality.unattended_depth == 100, "all validators gone is no lone node"


def test_run_27_validators_of_a_spec_are_addresses_keys_and_amounts() -> None:
    """RUN-27: amounts may be text; each bad part is refused with a reason."""
    spec = load_chain_spec("local")
    assert spec.genesis.runtime_genesis is not None
    patch = spec.genesis.runtime_genesis.patch
    address, key, amount = patch.staking.validators[0]
    for row, words in (
        ((address, key, str(amount)), None),
        (("5x", key, amount), "no address"),
        ((address, key[2:], amount), "does not begin with 0x"),
        ((address, "0x00", amount), "no vote key"),
        ((address, key, 1), "the least bond"),
        ((address, key, "ten"), "no amount"),
    ):
        staking = StakingPatch(validators=(row, *patch.staking.validators[1:]))
        genesis = Genesis(runtime_genesis=RuntimeGenesis(patch=replace(patch, staking=staking)))
        data = format_chain_spec(replace(spec, genesis=genesis))
        if words is None:
            assert make_genesis_block(read_chain_spec(data))[0].hash == make_genesis_block(spec)[0].hash
        else:
            with pytest.raises(InvalidChainSpec, match=words):
                read_chain_spec(data)


@pytest.mark.parametrize(
    ("group", "changes", "words"),
    [
        ("finality", {"vote_depth": 4}, "at most 3"),
        ("finality", {"checkpoint_blocks": 1}, "must be 2 to"),
        ("staking", {"unbonding_blocks": 300}, "must exceed evidence_blocks"),
        ("staking", {"candidates_max": 63}, "smaller than validators_max"),
    ],
)
def test_gen_05_numbers_of_finality_fit_each_other(group: str, changes: dict[str, int], words: str) -> None:
    """GEN-05: votes need a block, evidence needs stake to take."""
    params = Params()
    assert find_bad_number(params) is None
    bad = find_bad_number(replace(params, **{group: replace(getattr(params, group), **changes)}))
    assert bad is not None
    assert words in bad


@pytest.mark.parametrize("text", ["zz", "0x0", "0xzz"])
def test_gen_01_bad_hex_in_a_raw_spec_is_refused(text: str) -> None:
    """GEN-01: keys and values are 0x hex."""
    raw = make_raw(make_development())
    assert raw.genesis.raw is not None
    broken = replace(raw, genesis=Genesis(raw=replace(raw.genesis.raw, top=raw.genesis.raw.top | {text: "0x"})))
    with pytest.raises(InvalidChainSpec):
        read_chain_spec(format_chain_spec(broken))


def test_an_address_of_another_network_is_refused() -> None:
    """A wrong prefix is a likely mistake; the generic one is accepted."""
    public = get_development_accounts()["//Bob"]
    for prefix, accepted in ((42, True), (0, False)):
        balances = BalancesPatch(balances=((encode_address(public, prefix), str(10**15)),))
        genesis = Genesis(runtime_genesis=RuntimeGenesis(patch=GenesisPatch(balances=balances)))
        spec = ChainSpec(name="X", id="x", chain_type=CustomType(Custom="test"), genesis=genesis, params=Params())
        if accepted:
            assert read_chain_spec(format_chain_spec(spec)) == spec
        else:
            with pytest.raises(InvalidChainSpec, match="network 0"):
                read_chain_spec(format_chain_spec(spec))


def test_specs_are_loaded_by_name_or_path(tmp_path: Path) -> None:
    """A preset, a file, or a clear refusal that names the presets."""
    path = tmp_path / "spec.json"
    path.write_bytes(format_chain_spec(make_raw(make_development())))
    assert make_genesis_block(load_chain_spec(str(path)))[0].hash == make_genesis_block(make_development())[0].hash
    assert load_chain_spec("").id == "local"
    with pytest.raises(InvalidChainSpec, match="testnet"):
        load_chain_spec(str(tmp_path / "missing.json"))


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b"null", b"{}", b"{" * 100_000])
def test_gen_01_what_is_no_spec_is_refused(data: bytes) -> None:
    """GEN-01: nothing but our own error."""
    with pytest.raises(InvalidChainSpec):
        read_chain_spec(data)


def test_each_preset_has_its_own_block_0() -> None:
    """What is signed for one chain is not valid on another."""
    hashes = {make_genesis_block(load_chain_spec(name))[0].hash for name in ("dev", "local", "testnet")}
    assert len(hashes) == 3
