"""Known results: a small table with a frozen seed, and that it turns red when a rule is broken."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from consensus.fork_choice import ChainRank
from matchstrike.commands.sim import sim
from simulations import bare_node
from simulations.bare_node import BareChain, BareNode
from simulations.validate import MEASUREMENTS, measure_all
from simulations.validate_audits import compute_best_fakes
from simulations.validate_races import compute_nakamoto, compute_rosenfeld
from simulations.validate_selfish import compute_revenue
from simulations.validate_work import compute_planted_speed
from simulations.validation import Row, make_mean_row, make_share_row

SCALE = 0.05


def find_failures(names: tuple[str, ...]) -> list[Row]:
    """Return the rows of a small run that are off."""
    return [row for row in measure_all(1, scale=SCALE, names=names) if not row.is_passed]


def test_the_expected_numbers_are_the_published_ones() -> None:
    """Nakamoto's and Rosenfeld's tables, Eyal and Sirer's equation 8, the grinding table."""
    nakamoto = {
        (0.1, 1): 0.2045873,
        (0.1, 5): 0.0009137,
        (0.1, 10): 0.0000012,
        (0.3, 5): 0.1773523,
        (0.3, 10): 0.0416605,
    }
    for (q, n), value in nakamoto.items():
        assert compute_nakamoto(q, n) == pytest.approx(value, abs=5e-8)
    rosenfeld = {(0.1, 1): 0.2, (0.1, 2): 0.056, (0.2, 2): 0.208, (0.3, 6): 0.15645, (0.4, 1): 0.8}
    for (q, n), value in rosenfeld.items():
        assert compute_rosenfeld(q, n) == pytest.approx(value, abs=5e-6)
    revenues = {(0.4, 0.0): 0.48372, (0.35, 0.5): 0.41603, (0.4, 1.0): 0.56744, (1 / 3, 0.0): 1 / 3, (0.25, 0.5): 0.25}
    for (alpha, gamma), value in revenues.items():
        assert compute_revenue(alpha, gamma) == pytest.approx(value, abs=5e-6)
    skipped = {(50, 11.4): 0.14, (50, 1.0): 0.18, (20, 11.4): 0.33, (20, 1.0): 0.40, (100, 1.0): 0.09}
    for (k, draw_us), value in skipped.items():
        assert compute_best_fakes(k, draw_us=draw_us) == pytest.approx(value, abs=0.006)


def test_a_shortcut_on_the_pool_strike_is_worth_at_most_the_bound() -> None:
    """1 + x where the pool gas divides evenly, less where it does not."""
    for ratio in ((1, 2), (1, 1), (2, 1)):
        bound = 1 + ratio[0] / ratio[1]
        speeds = [compute_planted_speed(ratio, pool_gas=gas) for gas in range(100_000, 9_000_000, 370_000)]
        assert max(speeds) <= bound
        assert compute_planted_speed(ratio, pool_gas=8_000_000) == bound


def test_known_results_are_reproduced_with_a_frozen_seed() -> None:
    """Every measurement, a twentieth of the runs."""
    assert find_failures(tuple(MEASUREMENTS)) == []


def test_a_fork_choice_that_prefers_the_newest_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tie that the last seen wins gives the selfish miner another gamma."""

    def is_newer(candidate: ChainRank, best: ChainRank) -> bool:
        return candidate >= best

    monkeypatch.setattr(bare_node, "is_better", is_newer)
    assert find_failures(("selfish mining",))


@pytest.mark.slow
def test_a_target_that_never_moves_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The difficulty after a step of the power is not what it must be."""
    monkeypatch.setattr(bare_node, "compute_target", lambda anchor, **_: anchor.target)
    assert find_failures(("target",))


def test_a_bare_node_refuses_a_block_with_another_target_or_an_early_time() -> None:
    """The rules are those of consensus."""
    from msgspec.structs import replace

    from consensus.errors import TimestampTooOld, WrongTarget
    from simulations.validate_work import CLOCK

    chain = BareChain(CLOCK)
    node = BareNode(chain)
    first = chain.make_block(node.best, miner="one", timestamp_ms=1_000)
    with pytest.raises(WrongTarget):
        node.receive(replace(first, target=first.target + 1))
    node.receive(first)
    with pytest.raises(TimestampTooOld):
        node.receive(chain.make_block(node.best, miner="one", timestamp_ms=1_000))
    assert node.best.hash == first.hash


def test_a_row_is_judged_by_three_standard_errors() -> None:
    """On both sides, and exactly where there is no error."""
    samples = [0.0, 1.0, 0.0, 1.0]
    assert make_mean_row("a", "b", 0.5 + 2.9 * 0.288, samples).is_passed
    assert not make_mean_row("a", "b", 0.5 - 3.1 * 0.289, samples).is_passed
    assert make_mean_row("a", "b", 1.0, [1.0, 1.0]).is_passed
    assert not make_mean_row("a", "b", 0.9, [1.0, 1.0]).is_passed
    assert not make_share_row("a", "b", 0.5, 0, count=100).is_passed


def test_the_command_prints_the_table_and_the_same_bytes_for_the_same_seed() -> None:
    """JSON without timings."""
    arguments = ["validate", "--scale", "0.02", "--only", "audits"]
    outputs = [CliRunner().invoke(sim, [*arguments, "-o", "json"]).stdout for _ in range(2)]
    assert outputs[0] == outputs[1]
    told = json.loads(outputs[0])
    assert told["passed"] is True
    assert {row["table"] for row in told["rows"]} == {"audit detection"}
    text = CliRunner().invoke(sim, arguments).stdout
    assert "all within three standard errors" in text
    assert "blocks a second" in text
