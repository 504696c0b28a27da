"""What `matchstrike bench rpc` reckons from waits and from the node's histogram; the run itself is slow."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from matchstrike.commands.bench_reads import find_bound, measure_reads, summarise


def test_percentiles_are_waits_that_were_measured() -> None:
    waits = summarise([number / 1000 for number in range(100, 0, -1)])
    assert (waits.reads, waits.p50_ms, waits.p99_ms, waits.max_ms) == (100, 51.0, 100.0, 100.0)


def test_a_share_of_a_histogram_is_bounded_by_its_class() -> None:
    delays = [(0.001, 50.0), (0.01, 98.0), (0.05, 99.0), (float("inf"), 100.0)]
    assert [find_bound(delays, share) for share in (0.5, 0.99, 1.0)] == [1.0, 50.0, float("inf")]


@pytest.mark.slow
def test_a_loaded_validator_is_measured(tmp_path: Path) -> None:
    """Every transfer arrives and every read is answered; how fast depends on the machine."""
    figures = asyncio.run(measure_reads(tmp_path, seconds=5, rate=50, reads=20))
    assert figures.storage.reads + figures.next_index.reads == 100
    assert figures.idle.p50_ms <= figures.idle.p99_ms <= figures.idle.max_ms
