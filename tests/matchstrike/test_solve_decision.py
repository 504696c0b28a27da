"""`matchstrike solve`, without a node: what is done next, what is kept on disk, and searches."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.solve_record import SolutionFolder, SolutionRecord
from matchstrike.commands.solve_search import News, search_by_annealing
from node.core.solution_decision import Side, View, decide
from vm.problem import make_problem

OPEN = Side(height=20, status="open", is_waiting=False)
OPEN_WAITING = Side(height=20, status="open", is_waiting=True)
BASE = View(
    best=OPEN,
    final=replace(OPEN, height=18),
    deadline=100,
    reveals_until=None,
    reaches_target=True,
    has_pending=False,
    patience_blocks=10,
)
REVEALING = Side(height=110, status="revealing", is_waiting=True)
CLOSED = Side(height=120, status="paid", is_waiting=False)


@pytest.mark.parametrize(
    ("changes", "act", "words"),
    [
        ({}, "commit", "nothing is committed"),
        ({"has_pending": True}, "wait", "on its way"),
        ({"best": replace(OPEN, height=99)}, "commit", "nothing"),
        ({"best": replace(OPEN, height=100)}, "wait", "not final yet"),
        ({"best": OPEN_WAITING}, "wait", "commit is not final"),
        ({"best": OPEN_WAITING, "final": OPEN_WAITING}, "reveal", "commit is final"),
        ({"best": OPEN_WAITING, "final": OPEN_WAITING, "reaches_target": False}, "wait", "stays hidden"),
        (
            {"best": REVEALING, "final": OPEN_WAITING, "reaches_target": False, "reveals_until": 150},
            "wait",
            "end of the commits is not final",
        ),
        (
            {"best": REVEALING, "final": REVEALING, "reaches_target": False, "reveals_until": 150},
            "reveal",
            "commit is final",
        ),
        (
            {"best": replace(REVEALING, height=140), "final": OPEN, "reaches_target": False, "reveals_until": 150},
            "reveal",
            "ends soon",
        ),
        (
            {"best": replace(REVEALING, height=139), "final": OPEN, "reaches_target": False, "reveals_until": 150},
            "wait",
            "commit is not final",
        ),
        ({"best": CLOSED, "final": OPEN_WAITING}, "wait", "not final yet"),
        ({"best": CLOSED, "final": CLOSED}, "over", "paid"),
        ({"best": replace(CLOSED, status="solved"), "final": replace(CLOSED, status="solved")}, "over", "solved"),
    ],
)
def test_what_is_done_next(changes: dict[str, object], act: str, words: str) -> None:
    """A solution is shown only when its commit is final, or as the last resort; above the target never while open."""
    decision = decide(replace(BASE, **changes))
    assert decision.act == act
    assert words in decision.reason


def make_record(problem: int = 3) -> SolutionRecord:
    """Return a record of some solution."""
    return SolutionRecord(
        genesis=b"\x01" * 32, problem=problem, account=b"\x02" * 32, salt=b"\x03" * 32, bits=b"\x15", energy=-6
    )


def test_records_are_kept_for_each_problem_account_and_chain(tmp_path: Path) -> None:
    folder = SolutionFolder(b"\x01" * 32, b"\x02" * 32, folder=tmp_path / "solutions")
    assert folder.load_all() == []
    records = [make_record(), make_record(12)]
    for record in records:
        folder.save(record)
    assert folder.load_all() == records
    assert folder.find(3) == records[0]
    assert folder.find(4) is None
    assert folder.get_path(3).stat().st_mode & 0o077 == 0, "a salt is secret until the reveal"
    for other in (SolutionFolder(b"\x01" * 32, b"\x09" * 32, folder=tmp_path / "solutions"),):
        assert other.find(3) is None
    folder.forget(3)
    assert folder.load_all() == records[1:]


@pytest.mark.parametrize("text", ["", "{}", '{"genesis": 1}', "no JSON"])
def test_a_damaged_record_is_named_and_left_alone(tmp_path: Path, text: str) -> None:
    folder = SolutionFolder(b"\x01" * 32, b"\x02" * 32, folder=tmp_path)
    path = folder.get_path(3)
    path.write_text(text)
    with pytest.raises(CommandFailed, match="no record of a solution"):
        folder.find(3)
    assert path.read_text() == text


def test_a_disk_that_refuses_ends_before_anything_is_committed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandFailed, match="nothing was committed"):
        SolutionFolder(b"\x01" * 32, b"\x02" * 32, folder=tmp_path / "file" / "solutions").save(make_record())


def test_a_search_ends_at_its_goal_and_tells_each_improvement() -> None:
    ring = make_problem(6, [(i, (i + 1) % 6, 1) for i in range(6)])
    told: list[News] = []
    found = asyncio.run(search_by_annealing(ring, seconds=60, goal=-6, tell=told.append))
    assert found.energy == told[-1].energy == -6
    assert found.ended_by == "target"
    energies = [news.energy for news in told]
    assert energies == sorted(energies, reverse=True)
