"""What a devnet reads of its nodes: metrics, logs, and the times that finality took."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from matchstrike.devnet.display import describe, make_table, open_display
from matchstrike.devnet.finality_lag import FinalityLag
from matchstrike.devnet.log_reader import LogReader
from matchstrike.devnet.metrics_text import NoSuchMetric, count_in_buckets, find_value, read_samples
from matchstrike.devnet.node_line import NodeStatus
from node.metrics import Metrics

ALICE = NodeStatus(name="alice", state="running", peers=3, best=1234, final=1200, strikes_per_second=0)
BOB = NodeStatus(name="bob", state="paused")


def make_page() -> str:
    """Return what a node would serve."""
    metrics = Metrics("local")
    metrics.set(metrics.block_height, 12, status="best")
    metrics.set(metrics.block_height, 7, status="finalized")
    metrics.set(metrics.node_roles, 4)
    for seconds in (0.004, 0.004, 0.2, 99.0):
        metrics.observe(metrics.block_constructed, seconds)
    return metrics.render().decode()


def test_a_metric_is_found_by_its_name_with_or_without_prefix_and_by_labels() -> None:
    samples = read_samples(make_page())
    assert find_value(samples, "substrate_node_roles", {}) == 4
    assert find_value(samples, "node_roles", {}) == 4
    assert find_value(samples, "node_roles", {"chain": "local"}) == 4
    assert find_value(samples, "block_height", {"status": "finalized"}) == 7


def test_a_metric_that_is_not_there_or_not_one_is_named_as_such() -> None:
    samples = read_samples(make_page())
    with pytest.raises(NoSuchMetric, match="the node has no metric nothing"):
        find_value(samples, "nothing", {})
    with pytest.raises(NoSuchMetric, match=r'block_height has 2 series; say which by labels: .*status="best"'):
        find_value(samples, "block_height", {})
    with pytest.raises(NoSuchMetric, match="no series with these labels; there are"):
        find_value(samples, "block_height", {"status": "lost"})


def test_samples_are_counted_in_each_bucket_alone() -> None:
    samples, name = read_samples(make_page()), "proposer_block_constructed"
    assert count_in_buckets(samples, name, ("0.005",)) == 2
    assert count_in_buckets(samples, name, ("0.01",)) == 0
    assert count_in_buckets(samples, name, ("0.25", "+Inf")) == 2
    with pytest.raises(NoSuchMetric, match=r"has no bucket 0\.3; there are 0\.001, "):
        count_in_buckets(samples, name, ("0.3",))
    with pytest.raises(NoSuchMetric, match="no histogram node_roles"):
        count_in_buckets(samples, "node_roles", ("1",))


def test_labels_may_hold_quotes_and_braces_and_bad_lines_are_passed_over() -> None:
    [sample] = read_samples('# HELP x\nx{a="\\"}, ",b="2"} 1.5e3\nrubbish here\ny NaNN\n')
    assert (sample.name, sample.labels, sample.value) == ("x", {"a": '"}, ', "b": "2"}, 1500)


def test_a_log_is_read_in_whole_lines_and_each_once(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    reader = LogReader(path)
    assert reader.read() == []
    path.write_bytes("eins\nzwei 🏆\ndr".encode())
    assert reader.read() == ["eins", "zwei 🏆"]
    with path.open("ab") as log:
        log.write(b"ei\n\xff\n")
    assert reader.read() == ["eins", "zwei 🏆", "drei", "�"]


def test_the_lag_is_told_as_median_and_largest() -> None:
    lag = FinalityLag()
    assert lag.compute_figures() is None
    for milliseconds in (10_000, 1_000, 3_000):
        lag.add(timestamp_ms=5, now_ms=milliseconds + 5)
    figures = lag.compute_figures()
    assert figures is not None
    assert (figures.blocks, figures.median_s, figures.largest_s) == (3, 3.0, 10.0)


def test_without_a_terminal_the_nodes_are_told_in_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with open_display(Console(force_terminal=False)) as display:
        display.show([ALICE, BOB], "all well")
        display.show([BOB], "too soon")
        display.say("fault [bob]")
    assert capsys.readouterr().out.splitlines() == [
        "alice #1,234 (final #1,200, 3 peers, 0 strikes/s); bob (paused) #- (final #-, - peers, - strikes/s); all well",
        "fault [bob]",
    ]


def test_in_a_terminal_the_nodes_are_a_table() -> None:
    table = make_table([ALICE, BOB], "caption")
    assert [list(column.cells) for column in table.columns][:3] == [
        ["alice", "bob (paused)"],
        ["3", "-"],
        ["1,234", "-"],
    ]
    assert describe([BOB], "").startswith("bob (paused)")
