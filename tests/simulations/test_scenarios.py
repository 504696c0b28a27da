"""Every scenario ends well with many seeds, and finds what is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chain.block import Block
from chain.store import BatchEntry
from consensus.errors import TimestampTooOld
from consensus.finality import LastVote
from network.port import NetworkEvent, RequestFailed
from node.core.import_errors import BelowFinal, BlockKnown
from node.core.importer import Importer
from node.core.peer_table import PeerState
from simulations.computer import Computer
from simulations.disk import Disk
from simulations.run import ScenarioFailed, play
from simulations.scenarios import SCENARIOS, Scenario
from simulations.voting import DiskVoteBook

SEEDS_IN_CI = 9
SEEDS_IN_SLOW = 300
SHORT = sorted(set(SCENARIOS) - {"long-run"})  # that one has a test of its own


def play_seeds(scenario: Scenario, seeds: range) -> Iterator[str]:
    """Yield the failures of some seeds, each with the command that repeats it."""
    for seed in seeds:
        try:
            play(scenario, seed)
        except ScenarioFailed as failure:
            yield str(failure)


@pytest.mark.parametrize("name", SHORT)
def test_a_scenario_ends_well_with_every_seed(name: str) -> None:
    """About a hundred seeds in all."""
    seeds = 4 if name in ("silent-more", "newcomer", "far-newcomer") else SEEDS_IN_CI
    assert not list(play_seeds(SCENARIOS[name], range(1, seeds + 1)))


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", SHORT)
def test_a_scenario_ends_well_with_hundreds_of_seeds(name: str) -> None:
    """Thousands in all."""
    assert not list(play_seeds(SCENARIOS[name], range(1_000, 1_000 + SEEDS_IN_SLOW)))


# ---- what is broken on purpose is found, each scenario by a fault of its own kind


def check_on_head(importer: Importer, block: Block) -> None:
    """Refuse what does not stand on the head: the node never changes its branch."""
    if block.hash in importer.blocks:
        raise BlockKnown("known")
    if block.header.parent_hash != importer.head.hash:
        raise BelowFinal("not on the head")


def third_is_enough(stake: int, total: int) -> bool:
    """Call a third a supermajority."""
    return 3 * stake >= total


def forget_vote(book: DiskVoteBook, key: bytes, last: LastVote) -> None:
    """Write nothing down."""


def allow_vote(last: LastVote | None, vote: object) -> bool:
    """Sign whatever is due."""
    return True


def find_failure(name: str, seeds: range) -> str:
    """Return the first failure among some seeds."""
    failure = next(play_seeds(SCENARIOS[name], seeds), None)
    assert failure is not None, f"{name} found nothing"
    return failure


@pytest.mark.parametrize("name", ["calm", "partitions", "loss", "latency", "everything", "slow-disk"])
def test_a_fork_choice_that_never_changes_its_mind_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nodes do not agree at the end, or finality stands still."""
    monkeypatch.setattr(Importer, "_check_place", check_on_head)
    assert "end" in find_failure(name, range(1, 6))


def test_a_quorum_of_a_third_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two halves of the network finalise different blocks."""
    monkeypatch.setattr("consensus.ballot.is_supermajority", third_is_enough)
    assert "finalised another block" in find_failure("long-split", range(1, 4))


def test_a_voter_without_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It signs two votes for one height when it changes its chain."""
    monkeypatch.setattr("node.core.vote_desk.is_safe_vote", allow_vote)
    assert "get it slashed" in find_failure("everything", range(1, 12))


def test_a_vote_book_that_does_not_survive_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart the node votes again."""
    monkeypatch.setattr(DiskVoteBook, "save_last", forget_vote)
    assert "get it slashed" in find_failure("everything", range(1, 12))


def test_a_disk_that_writes_half_a_batch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node refuses to start on it."""

    def write_half(disk: Disk, batch: list[BatchEntry], *, sync: bool = True) -> None:
        is_cut = disk._begin_write()
        disk._medium.write(batch[: len(batch) // 2] if is_cut else batch)
        disk._end_write(is_cut)

    monkeypatch.setattr(Disk, "write", write_half)
    assert "damaged" in find_failure("crashes", range(1, 12))


def test_a_full_disk_that_says_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node goes on with a state that its disk does not have."""
    write = Disk.write

    def drop_if_full(disk: Disk, batch: list[BatchEntry], *, sync: bool = True) -> None:
        if not disk.is_full:
            write(disk, batch, sync=sync)

    monkeypatch.setattr(Disk, "write", drop_if_full)
    assert find_failure("full-disk", range(1, 6))


def test_a_node_that_does_not_notice_how_far_its_peers_are_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves each row of headers before the bodies can come, and begins anew."""
    monkeypatch.setattr(PeerState, "note_answer", lambda *_: None)
    assert "dave is left behind" in find_failure("far-newcomer", range(1, 4))


def test_a_network_that_hides_time_outs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node waits for ever for what was lost."""
    receive: Callable[[Computer, NetworkEvent], None] = Computer.receive

    def hide(computer: Computer, event: NetworkEvent) -> None:
        if not isinstance(event, RequestFailed):
            receive(computer, event)

    monkeypatch.setattr(Computer, "receive", hide)
    assert "left behind" in find_failure("loss", range(1, 12))


def test_a_node_that_refuses_early_blocks_for_ever_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With clocks apart, a block from the future has to wait, not to be refused."""

    def refuse(timestamp_ms: int, *, now_ms: int, params: object) -> None:
        if timestamp_ms > now_ms + 3_000:
            raise TimestampTooOld("too early")

    monkeypatch.setattr("consensus.seal.check_not_ahead", refuse)
    assert "banned honest nodes" in find_failure("skew", range(1, 3))


@pytest.mark.parametrize("name", ["silent-third", "silent-more"])
def test_a_chain_without_leak_or_with_a_larger_quorum_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finality stands still when three quarters are asked for, or when absent stake does not leak."""
    if name == "silent-third":
        monkeypatch.setattr("consensus.ballot.is_supermajority", lambda stake, total: 4 * stake >= 3 * total)
    else:
        monkeypatch.setattr("runtime.pallets.finality.leak", lambda env, absent, *, checkpoints: None)
    assert "is final" in find_failure(name, range(1, 2))
