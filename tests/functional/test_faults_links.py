"""Real processes whose network is cut, slow and lossy: nothing becomes final in conflict, and the chain goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.faulty_net import FOUR, Trial, describe_network, run_trial

CUT_S = 30.0


def test_two_nodes_that_were_apart_agree_again(tmp_path: Path) -> None:
    """Half of the stake each: alone neither makes anything final, and together they do."""

    async def work(trial: Trial) -> None:
        await trial.reach(5)
        trial.fleet.get_links().split([["alice"], ["bob"]])
        trial.begin("during")
        best, final = trial.best, max(trial.get_final("alice"), trial.get_final("bob"))
        while trial.best < best + 15:
            await trial.wait(0.2)
        # what was signed before the cut may still make one checkpoint final
        assert max(trial.get_final("alice"), trial.get_final("bob")) <= final + 5, "half of the stake made it final"
        trial.fleet.get_links().heal()
        trial.begin("after")
        await trial.reach(trial.best + 2)

    run_trial(describe_network(("alice", "bob"), interval_ms=250), tmp_path, work)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_halves_that_were_apart_agree_again(tmp_path: Path) -> None:
    """Neither half has two thirds of the stake, so nothing becomes final; when the halves meet, finality goes on."""

    async def work(trial: Trial) -> None:
        await trial.reach(10)
        links = trial.fleet.get_links()
        links.split([["alice", "bob"], ["charlie", "dave"]])
        trial.begin("during")
        await trial.wait(5)  # what was signed before the cut may still count
        before = max(trial.get_final(name) for name in FOUR)
        best = trial.best
        await trial.wait(CUT_S)
        assert max(trial.get_final(name) for name in FOUR) <= before + 5, "half of the stake made something final"
        assert trial.best > best, "the halves make no blocks"
        links.heal()
        trial.begin("after")
        print(f"healed: final again after {await trial.reach(before + 15):.1f} s")

    run_trial(describe_network(interval_ms=None), tmp_path, work)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_minority_that_was_apart_follows_again(tmp_path: Path) -> None:
    """Three of four go on making blocks final; the fourth makes a chain of its own, and gives it up when it is back."""

    async def work(trial: Trial) -> None:
        await trial.reach(10)
        links = trial.fleet.get_links()
        links.split([["dave"]])
        trial.begin("during")
        final = trial.get_final("dave")
        await trial.reach(final + 20, names=FOUR[:3])
        assert trial.get_final("dave") <= final + 5
        links.heal()
        trial.begin("after")
        goal = trial.get_final("alice") + 10
        print(f"healed: final on all after {await trial.reach(goal):.1f} s")

    run_trial(describe_network(), tmp_path, work)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_finality_goes_on_while_three_of_ten_segments_are_lost(tmp_path: Path) -> None:
    async def work(trial: Trial) -> None:
        await trial.reach(10)
        trial.fleet.get_links().set_loss(0.3)
        trial.begin("during")
        goal = trial.get_final("alice") + 25
        await trial.reach(goal)
        trial.fleet.get_links().heal()
        trial.begin("after")
        await trial.reach(goal + 15)

    run_trial(describe_network(), tmp_path, work)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_finality_goes_on_while_everything_takes_two_seconds(tmp_path: Path) -> None:
    """One way, so that an answer takes four; a node that starts meanwhile finds the others, and follows.

    A header comes after 2 s and its body after 6; so blocks are made each 11 s here.
    """

    async def work(trial: Trial) -> None:
        links = trial.fleet.get_links()
        while min([await line.read_peers() for line in trial.lines.values()]) < 3:
            await trial.wait(0.5)
        links.set_delay(2.0)
        trial.begin("during")
        print(f"slow: the first checkpoint is final after {await trial.reach(5, within_s=400):.1f} s")
        await trial.fleet.restart("dave", after_s=1, by_force=True)
        trial.begin("restart")
        print(f"slow: the next one after {await trial.reach(10, within_s=300):.1f} s, dave started anew")
        links.heal()
        trial.begin("after")
        await trial.reach(15)

    run_trial(describe_network(interval_ms=11_000), tmp_path, work, within_s=1_000)
