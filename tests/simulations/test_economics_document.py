"""docs/economics.md says what the presets say, what the model shows, and nothing that its derivations do not."""

from __future__ import annotations

import re
from functools import cache

import pytest
from msgspec.structs import replace

from chain.params import UNIT_PLANCK, Params
from consensus.batch import compute_leaf_count
from genesis.presets import make_development, make_local, make_testnet
from matchstrike.commands.sim_economy import format_economy
from runtime.batch_weights import compute_leaves_weight
from runtime.issuance import compute_miner_reward
from runtime.limits import compute_audit_weight_max, compute_normal_weight_max
from runtime.pallets.transaction_payment import ONE, compute_fee
from runtime.weights import BASE_EXTRINSIC, TRANSFER
from simulations.economy import EconomyReport, make_economy_options, play_economy
from tests.architecture.sources import ROOT

TEXT = (ROOT / "docs" / "economics.md").read_text(encoding="utf-8")
CHAINS = {"development": make_development().params, "local": make_local().params, "testnet": make_testnet().params}
FROZEN = {"blocks": "40", "customer_blocks": "5"}
YEAR_MS = 31_557_600_000
TRANSFER_BYTES = 150


def read_parameters() -> list[tuple[str, ...]]:
    """Return parameter, value of development chains, of the testnet, and reason."""
    section = TEXT.split("## Parameters and their reasons")[1].split("\n## ")[0]
    rows = [row for row in section.splitlines() if re.match(r"\| \w+\.\w+ ", row)]
    return [tuple(cell.strip() for cell in row[1:-1].split(" | ")) for row in rows]


def find_value(params: Params, path: str) -> str:
    group, name = path.split(".")
    value = getattr(getattr(params, group), name)
    return ", ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def read_run(name: str) -> str:
    found = re.search(rf"<!-- {name} run begins -->\n```text\n(.*?)\n```\n<!-- {name} run ends -->", TEXT, re.DOTALL)
    assert found is not None
    return found.group(1)


@cache
def play(chain: str, **settings: str) -> EconomyReport:
    return play_economy(chain, CHAINS[chain], 1, make_economy_options(settings))


@pytest.mark.parametrize("row", read_parameters(), ids=lambda row: row[0])
def test_a_parameter_of_the_document_is_that_of_the_presets(row: tuple[str, ...]) -> None:
    path, development, testnet, reason = row
    assert find_value(CHAINS["development"], path) == development
    assert find_value(CHAINS["local"], path) == development
    assert find_value(CHAINS["testnet"], path) == testnet
    assert reason.startswith(("Derived: ", "Guess", "Protocol: ")), "a reason says what it is"


def test_every_number_about_money_and_audits_has_a_reason() -> None:
    named = {path for path, *_ in read_parameters()}
    ours = {f"money.{name}" for name in CHAINS["local"].money.__struct_fields__} - {"money.existential_deposit_planck"}
    ours |= {f"batch.{name}" for name in ("bond_planck", "deposit_planck", "count_min", "leaves_min", "leaves_max")}
    assert named >= ours | {"batch.audit_gas_max", "block.audit_share_ppb"}


def test_the_frozen_run_of_the_document_is_what_the_model_shows() -> None:
    assert "\n".join(format_economy(play("local", **FROZEN))) == read_run("frozen")


@pytest.mark.slow
def test_the_default_run_of_the_document_is_what_the_model_shows() -> None:
    assert "\n".join(format_economy(play("testnet"))) == read_run("default")


@pytest.mark.slow
def test_the_decay_is_what_is_left_between_a_dear_and_an_unsafe_tenth_year() -> None:
    """A sixth of the first year's security budget, at most 4 % of inflation: 100 billionths fail one, 60 the other."""
    testnet = CHAINS["testnet"]
    for decay, is_safe, is_modest in ((60, True, False), (80, True, True), (100, False, True)):
        params = replace(testnet, money=replace(testnet.money, reward_decay_ppb=decay))
        rows = play_economy("testnet", params, 1, make_economy_options({"blocks": "160"})).rows
        assert (rows[-1].security / rows[0].security >= 1 / 6) is is_safe
        assert (rows[-1].inflation <= 0.04) is is_modest


@pytest.mark.parametrize("name", sorted(CHAINS))
def test_the_reward_halves_in_four_years_whatever_the_block_target(name: str) -> None:
    params = CHAINS[name]
    height = 4 * YEAR_MS // params.work.block_target_ms
    halved = compute_miner_reward(params.money, height) / compute_miner_reward(params.money, 0)
    assert halved == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("name", sorted(CHAINS))
def test_a_bond_exceeds_what_a_batch_can_earn(name: str) -> None:
    params = CHAINS[name]
    assert params.batch.bond_planck > compute_miner_reward(params.money, 0)


def test_silence_costs_more_than_an_answer_on_the_devnets_own_problem() -> None:
    params, gas = CHAINS["local"], 1_599_904
    weight = compute_leaves_weight(gas, compute_leaf_count(gas, 64, params.batch))
    assert compute_fee(params, ONE, weight=weight, length=5_000, tip=0).total < params.batch.deposit_planck


def test_a_full_block_of_transfers_costs_and_burns_what_the_document_says() -> None:
    params = CHAINS["testnet"]
    count = compute_normal_weight_max(params) // (TRANSFER + BASE_EXTRINSIC)
    fees = count * compute_fee(params, ONE, weight=TRANSFER, length=TRANSFER_BYTES, tip=0).total / UNIT_PLANCK
    assert count == 12_000
    assert round(fees, 1) == 3.3
    assert round(fees * params.money.fee_burn_ppb / 10**9, 2) == 1.65


@pytest.mark.parametrize(("gas", "leaves", "found"), re.findall(r"\| ([\d,]+)[^|]* \| (\d+) \| ([\d.]+) % \|", TEXT))
def test_an_audit_finds_what_the_document_says(gas: str, leaves: str, found: str) -> None:
    k = compute_leaf_count(int(gas.replace(",", "")), 64, CHAINS["local"].batch)
    assert k == int(leaves)
    assert round(100 * (1 - 0.9**k), 1) == float(found)


def test_honesty_pays_best_with_the_least_number_of_leaves() -> None:
    """Who fakes a share f of a batch saves f of its cost, which its payment covers, and is found so often as that."""
    k = CHAINS["local"].batch.leaves_min
    for percent in range(1, 101):
        share = percent / 100
        assert 1 - (1 - share) ** k >= share - 1e-12


def test_strikes_are_sold_up_to_the_gas_that_the_document_says() -> None:
    params = CHAINS["local"]
    room = compute_audit_weight_max(params)
    assert compute_leaves_weight(289_000_000, 4) + BASE_EXTRINSIC <= room
    assert compute_leaves_weight(291_000_000, 4) + BASE_EXTRINSIC > room
