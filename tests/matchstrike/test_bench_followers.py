"""`matchstrike bench followers` on two followers: every figure is there and within the bounds that are promised."""

from __future__ import annotations

import msgspec
import pytest
from click.testing import CliRunner

from matchstrike.commands.bench import bench
from matchstrike.commands.bench_followers import FollowerFigures


@pytest.mark.slow
def test_two_followers_follow_within_their_memory() -> None:
    arguments = ["followers", "--nodes", "2", "--blocks", "3", "--target", "3", "-o", "json"]
    result = CliRunner().invoke(bench, arguments)
    assert result.exit_code == 0, result.output
    figures = msgspec.json.decode(result.output, type=FollowerFigures)
    assert (figures.nodes, figures.delivery) == (2, 1.0)
    assert figures.blocks >= 3
    assert 0 < figures.propagation_ms_p50 <= figures.propagation_ms_max
    assert figures.miner_alone_pss_mib < 350
    assert 20 < figures.follower_pss_mib_max < 160
    assert 0 < figures.follower_cpu_ms_per_block < 1_000
