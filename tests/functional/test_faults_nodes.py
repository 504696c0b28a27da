"""Real validators that die, fall silent, have wrong clocks or slow disks, while the others go on."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from chain.params import UNIT_PLANCK
from matchstrike.devnet.plan import get_account
from tests.support.faulty_net import FOUR, Trial, describe_network, run_trial
from tests.support.skewed_node import set_offset
from wallet.chain_client import open_chain

SUPPORT = Path(__file__).parents[1] / "support"
SLOW_DISK_MS = 800
SKEWS_MS = {"alice": 0, "bob": 6_000, "charlie": -6_000, "dave": 3_000}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_of_four_is_killed_and_comes_back(tmp_path: Path) -> None:
    """kill -9, the first node too, which the others were told of."""

    async def work(trial: Trial) -> None:
        await trial.reach(10)
        for name in FOUR:
            trial.begin(name)
            await trial.fleet.restart(name, after_s=3, by_force=True)
            await trial.reach(trial.get_final(name) + 10)
        trial.begin("after")
        await trial.reach(trial.get_final("alice") + 10)

    run_trial(describe_network(), tmp_path, work)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_leak_restores_finality_when_more_than_a_third_is_silent(tmp_path: Path) -> None:
    """Dave has 16 of 46 parts and is stopped (SIGSTOP): nothing is final, until his stake has leaked below a third."""
    nodes = dict.fromkeys(FOUR, 'stake = "10000"') | {"dave": 'stake = "16000"'}
    others = FOUR[:3]

    async def work(trial: Trial) -> None:
        await trial.reach(10)
        trial.fleet.get("dave").pause()
        trial.begin("silent")
        await trial.wait(5)  # votes that were on their way
        final = trial.get_final("alice")
        spent = await trial.reach(final + 5, names=others)
        print(f"silent: final again after {spent:.1f} s, {trial.best - final} blocks")
        assert trial.best - final >= 20, "it was final before anything leaked"
        trial.begin("leaked")
        await trial.reach(trial.get_final("alice") + 15, names=others)
        trial.fleet.get("dave").resume()
        trial.begin("after")
        await trial.reach(trial.get_final("alice") + 15)
        stakes = await read_stakes(trial)
        print(f"after: stakes in tokens {stakes}")
        assert 0 < stakes["dave"] < 15_000
        assert all(stakes[name] >= 9_900 for name in others), "who was there lost stake"

    text = describe_network(nodes, params="[relaychain.params.finality]\nleak_quotient = 128")
    run_trial(text, tmp_path, work)


async def read_stakes(trial: Trial) -> dict[str, float]:
    """Return the stake of each validator of the current set, in tokens."""
    async with open_chain(trial.fleet.first.url) as chain:
        sets = await chain.query("Staking", "Sets")
    assert isinstance(sets, dict)
    voters = sets["current"]
    assert isinstance(voters, list)
    stakes = {}
    for name in FOUR:
        for voter in voters:
            assert isinstance(voter, dict)
            if str(voter["key"]).removeprefix("0x") == get_account(name).hex():
                stakes[name] = int(str(voter["stake"])) / UNIT_PLANCK
    return stakes


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_finality_goes_on_with_clocks_twelve_seconds_apart_of_which_one_jumps(tmp_path: Path) -> None:
    """By work, and two mine: dave, whose clock jumps, and charlie, whose clock is slow; so blocks come from both."""
    nodes, files = {}, {name: tmp_path / f"{name}.clock" for name in ("dave", "alice", "charlie", "bob")}
    for name, path in files.items():
        set_offset(path, SKEWS_MS[name])
        nodes[name] = f'command = "{sys.executable} {SUPPORT / "skewed_node.py"} {path}"'

    async def work(trial: Trial) -> None:
        await trial.reach(15)
        for offset_ms in (11_000, -7_000):
            set_offset(files["dave"], offset_ms)
            trial.begin(f"{offset_ms}")
            await trial.reach(trial.get_final("alice") + 15)
        for path in files.values():
            set_offset(path, 0)
        trial.begin("after")
        await trial.reach(trial.get_final("alice") + 10)

    run_trial(describe_network(nodes, interval_ms=None), tmp_path / "net", work)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_finality_goes_on_with_a_disk_that_needs_most_of_a_second_for_each_write(tmp_path: Path) -> None:
    library = build_slow_disk(tmp_path)
    rows = {"LD_PRELOAD": str(library), "SLOW_DISK_MS": str(SLOW_DISK_MS)}
    table = ", ".join(f'{{name = "{name}", value = "{value}"}}' for name, value in rows.items())

    async def work(trial: Trial) -> None:
        trial.begin("during")
        await trial.reach(20)
        behind_s = {name: statistics.median(trial.behind_s[name]) for name in FOUR}
        print("a block is there after " + ", ".join(f"{name} {s:.2f} s" for name, s in behind_s.items()))
        assert behind_s["dave"] > behind_s["bob"] + 0.4, "the disk is not slow"

    text = describe_network(dict.fromkeys(FOUR, "") | {"dave": f"env = [{table}]"}, interval_ms=2_000)
    run_trial(text, tmp_path / "net", work)


def build_slow_disk(folder: Path) -> Path:
    """Return the library that makes syncs slow."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc), which makes the slow disk")
    library = folder / "slow_disk.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(library), str(SUPPORT / "slow_disk.c"), "-ldl"], check=True, timeout=60
    )
    return library
