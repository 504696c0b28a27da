"""`matchstrike bench network` on three hosts: every figure is there and says what it should."""

from __future__ import annotations

import msgspec
from click.testing import CliRunner

from matchstrike.commands.bench import bench
from matchstrike.commands.bench_network import NetworkFigures


def test_three_hosts_connect_gossip_and_fetch() -> None:
    arguments = ["network", "--hosts", "3", "--messages", "9", "--bodies", "1", "--bulk", "1", "-o", "json"]
    result = CliRunner().invoke(bench, arguments)
    assert result.exit_code == 0, result.output
    figures = msgspec.json.decode(result.output, type=NetworkFigures)
    assert (figures.hosts, figures.gossip_messages, figures.bodies) == (3, 9, 3)
    assert figures.gossip_delivery == 1.0
    assert 0 < figures.connect_ms_p50 <= figures.connect_ms_p99
    assert 0 < figures.gossip_cpu_ms < 100
    assert figures.ping_bulk_ms_p99 > 0
    assert 5 < figures.host_pss_mib < 200
