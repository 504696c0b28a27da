"""`matchstrike bench sync`: the same chain by full and by fast sync, and what must hold of the figures."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from matchstrike.commands.bench import bench


def measure(blocks: int) -> dict[str, float]:
    """Return the figures."""
    result = CliRunner().invoke(bench, ["sync", "--blocks", str(blocks), "-o", "json"])
    assert result.exit_code == 0, result.output
    figures: dict[str, float] = json.loads(result.output)
    return figures


def test_full_and_fast_sync_end_with_the_same_state() -> None:
    figures = measure(500)
    assert figures["has_equal_roots"] is True
    assert (figures["blocks"], figures["final"]) == (500, 490)
    assert figures["transfers"] == 3_000
    assert figures["fast_rest_blocks"] == 10, "strikes are run only above the final checkpoint"
    assert figures["full_ratio"] < 1.6, "1.15 when the machine is quiet; the promise is 1.3"
    assert figures["fast_times"] > 5, "11 at 500 blocks, more with every block"


@pytest.mark.slow
def test_five_thousand_blocks_keep_what_is_promised() -> None:
    figures = measure(5_000)
    assert figures["has_equal_roots"] is True
    assert figures["full_ratio"] <= 1.3
    assert figures["fast_times"] >= 10
