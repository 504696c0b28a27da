"""The figures, flags, metrics and log lines of docs/validators.md are those of the code.

Its commands are run by tests/functional/test_docs_commands.py.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from chain.params import Params
from genesis.presets import make_local, make_testnet
from matchstrike.commands.stake_plan import format_ms
from node.log_lines import say_conflict, say_foreign_vote, say_voted
from node.main import main
from node.metrics import Metrics
from runtime.pallets.staking import KEY_RECORD_BYTES

PAGE = (Path(__file__).parents[2] / "docs" / "validators.md").read_text(encoding="utf-8")
UNIT = 10**12
PRESETS = (make_local().params, make_testnet().params)


def read_row(first: str) -> list[str]:
    """Return the cells of the row of figures that begins so."""
    [line] = [line for line in PAGE.splitlines() if line.startswith(f"| {first}")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def show_time(params: Params, blocks: int) -> str:
    """Return how long so many blocks take."""
    return format_ms(blocks * params.work.block_target_ms)


def compute_half_life(params: Params) -> int:
    """Return after how many checkpoints without a final one half of an absent validator's stake is gone (FIN-22)."""
    checkpoints, kept = 0, 1.0
    while kept > 0.5:
        checkpoints += 1
        if checkpoints > params.finality.leak_after_checkpoints:
            kept *= 1 - checkpoints / params.finality.leak_quotient
    return checkpoints


def test_the_table_of_what_costs_stake_has_the_figures_of_the_presets() -> None:
    """Both columns of every row."""
    every = [params.finality.checkpoint_blocks for params in PRESETS]
    both = list(zip(PRESETS, every, strict=True))
    assert read_row("least bond") == [f"{params.staking.bond_min_planck // UNIT:,} MSK" for params in PRESETS]
    assert read_row("a checkpoint") == [f"{blocks} blocks, {show_time(params, blocks)}" for params, blocks in both]
    assert read_row("leak begins") == [
        f"{params.finality.leak_after_checkpoints} checkpoints, "
        + show_time(params, blocks * params.finality.leak_after_checkpoints)
        for params, blocks in both
    ]
    assert read_row("absent for how long") == [
        show_time(params, blocks * compute_half_life(params)) for params, blocks in both
    ]
    for name, field in (("evidence counts for", "evidence_blocks"), ("unbonding, after", "unbonding_blocks")):
        blocks_of = [getattr(params.staking, field) for params in PRESETS]
        assert read_row(name) == [
            f"{count} blocks, {show_time(params, count)}" for params, count in zip(PRESETS, blocks_of, strict=True)
        ]


def test_the_figures_in_the_sentences_are_those_of_the_presets() -> None:
    """Price of a key, size of a set, shares of includer and finder."""
    for params in PRESETS:
        price = params.money.deposit_base_planck + KEY_RECORD_BYTES * params.money.deposit_per_byte_planck
        assert f"costs {price / UNIT:g} MSK, once" in PAGE
        assert f"the {params.staking.validators_max} with the most stake are the set" in PAGE
        assert f"gets {params.finality.finder_share_ppb // 10**7} % of it" in PAGE
        assert 8 * params.finality.includer_share_ppb == 10**9, "an eighth"


def test_the_flags_of_the_service_are_those_of_the_node() -> None:
    """The unit of systemd, parsed by the node's own command line."""
    [line] = re.findall(r"^ExecStart=\S*/matchstrike-node (.*)$", PAGE, re.M)
    context = main.make_context("matchstrike-node", shlex.split(line), resilient_parsing=False)
    assert context.params["validator"] is True
    assert context.params["listen_addr"] == ("/ip4/0.0.0.0/tcp/30400",)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"substrate_\w+", PAGE))))
def test_a_metric_to_watch_exists(name: str) -> None:
    """Among those that a node serves."""
    assert f"# TYPE {name} gauge\n" in Metrics("testnet").render().decode()


def test_the_log_lines_to_watch_are_the_nodes() -> None:
    """Word for word as far as they are quoted."""
    assert "Voted for checkpoint #" in say_voted(5, bytes(32), bytes(32))
    assert "signed conflicting votes" in say_conflict(bytes(32), 5, 5)
    assert "that this node has no record of" in say_foreign_vote(bytes(32), 5)
    sources = [(Path(__file__).parents[2] / path).read_text() for path in ("node/startup.py", "node/core/vote_desk.py")]
    said = ("no vote so far", "last vote for #", "No vote with 0x", "Voted for checkpoint #", "also key")
    for quoted in (*said, "signed conflicting votes", "that this node has no record of"):
        assert quoted in PAGE
    assert "no vote so far" in sources[0]
    assert "last vote for #" in sources[0]
    assert "No vote with 0x" in sources[1]
