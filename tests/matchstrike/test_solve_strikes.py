"""`matchstrike solve FILE`: annealing and match-strike on every engine, without a chain."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from matchstrike.commands.failure import FAILED, NOT_FOUND, USAGE
from matchstrike.commands.solve_strikes import StrikePlan, search_by_strikes, settle_plan
from tests.support.command_line import Done, run_command
from vm.problem import compute_energy, make_problem, unpack_shots

EXAMPLES = Path(__file__).parents[2] / "examples"
CUBIC = str(EXAMPLES / "cubic16.txt")
WEIGHTED = str(EXAMPLES / "weighted12.txt")
MATCH = ("--method", "match-strike")
LONG = ("--seconds", "100")
DENSE = {"kind": "ising", "n": 30, "couplings": [[i, j, 1] for j in range(30) for i in range(j)]}
HEAVY = {"kind": "ising", "n": 2, "couplings": [[0, 1, 5000]]}
EMPTY = {"kind": "ising", "n": 3, "couplings": []}
GRAPH = {"kind": "maxcut", "n": 1030, "edges": [[i, i + 1, 1] for i in range(1029)]}
LARGE = {"kind": "maxcut", "n": 24, "edges": [[i, j, 1] for j in range(24) for i in range(j)]}

REFUSALS = [
    ("engine without strikes", (CUBIC, "--engine", "mps"), USAGE, "--engine is for strikes; add --method match-strike"),
    ("budget without strikes", (CUBIC, "--evaluations", "5"), USAGE, "--evaluations is for strikes"),
    ("bond of an exact engine", (CUBIC, *MATCH, "--bond-max", "8"), USAGE, "--bond-max is for --engine mps"),
    ("no such engine", (CUBIC, *MATCH, "--engine", "qiskit"), USAGE, "is not one of"),
    ("no such method", (CUBIC, "--method", "guess"), USAGE, "is not one of"),
    ("no such controller", (CUBIC, *MATCH, "--controller", "grid"), USAGE, "is not one of"),
    ("depth 9", (CUBIC, *MATCH, "--depth", "9"), USAGE, "not in the range"),
    ("no shots", (CUBIC, *MATCH, "--shots", "0"), USAGE, "not in the range"),
    ("no evaluations", (CUBIC, *MATCH, "--evaluations", "0"), USAGE, "not in the range"),
    ("no time", (CUBIC, *MATCH, "--seconds", "0"), USAGE, "not in the range"),
    ("endless target", (CUBIC, "--target", "9" * 30), USAGE, "not in the range"),
    ("target of a posted problem", ("3", "--target", "4"), USAGE, "a posted problem has its own target"),
    ("a file and --auto", (CUBIC, "--auto"), USAGE, "name a problem or a file, or give --auto"),
    ("no such file", ("nofile", *MATCH), NOT_FOUND, "there is no file nofile"),
    ("trace in no folder", (CUBIC, *MATCH, "--trace", "no/where"), FAILED, "no/where cannot be written"),
    ("too little gas", (CUBIC, *MATCH, "--gas", "1"), FAILED, "does not allow one strike"),
    ("too many live qubits", ("dense.json", *MATCH), FAILED, "30 live qubits exceed 26"),
    ("the state is too large", ("dense.json", *MATCH, "--engine", "reference"), FAILED, "holds 20 qubits, not 30"),
    ("too large a coefficient", ("heavy.json", *MATCH), FAILED, "5000 is too large for a strike's angles"),
    ("nothing to solve", ("empty.json", *MATCH), FAILED, "a problem without coefficients has no angles"),
    ("too many spins", ("graph.json", *MATCH), FAILED, "at most 1024 spins, not 1030; use --method anneal"),
    ("too slow", ("large.json", *MATCH, "--depth", "8", "--seconds", "0.01"), FAILED, "more than --seconds 0.01"),
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATCHSTRIKE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name, data in (("dense", DENSE), ("heavy", HEAVY), ("empty", EMPTY), ("graph", GRAPH), ("large", LARGE)):
        (tmp_path / f"{name}.json").write_text(json.dumps(data))


def solve(*arguments: str) -> dict[str, object]:
    """Return what the command prints as JSON."""
    done = run_command("solve", *arguments, "-o", "json")
    assert done.code == 0, done.err
    answer = done.json()
    assert isinstance(answer, dict)
    return answer


@pytest.mark.parametrize(("arguments", "code", "sentence"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_what_cannot_be_solved_so_is_refused_with_a_sentence(
    arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done: Done = run_command("solve", *arguments)
    assert (done.code, done.out) == (code, ""), done.err
    assert sentence in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("engine", ["frontier", "reference", "mps"])
def test_every_engine_fires_the_same_strikes_where_nothing_is_cut(engine: str) -> None:
    """The shots are those of the seed, so the whole run is; quimb draws its own."""
    answer = solve(WEIGHTED, *MATCH, *LONG, "--engine", engine, "--evaluations", "48", "--seed", "5")
    strikes = answer["strikes"]
    assert isinstance(strikes, dict)
    assert (strikes["engine"], strikes["controller"], strikes["depth"]) == (engine, "published", 2)
    assert (strikes["count"], strikes["evaluations"], answer["endedBy"]) == (2, 48, "budget")
    frontier = solve(WEIGHTED, *MATCH, *LONG, "--evaluations", "48", "--seed", "5")
    assert (answer["energy"], answer["bits"]) == (frontier["energy"], frontier["bits"])


def test_the_target_ends_a_search_by_either_method() -> None:
    for method in ("anneal", "match-strike"):
        answer = solve(CUBIC, *LONG, "--method", method, "--target", "20")
        assert answer["endedBy"] == "target"
        assert int(str(answer["value"])) >= 20
        assert (answer["method"], answer["target"]) == (method, 20)


def test_a_target_that_was_not_reached_is_said() -> None:
    done = run_command("solve", CUBIC, *MATCH, *LONG, "--target", "24", "--evaluations", "32")
    assert done.code == 0
    assert "the target, cut 24, was not reached" in done.out


def test_the_trace_has_a_line_for_each_strike(tmp_path: Path) -> None:
    answer = solve(CUBIC, *MATCH, *LONG, "--evaluations", "96", "--controller", "thompson", "--trace", "trace")
    rows = [json.loads(line) for line in (tmp_path / "trace").read_text().splitlines()]
    assert [row["strikes"]["strikes"] for row in rows] == [1, 2, 3]
    assert [row["strikes"]["evaluations"] for row in rows] == [32, 64, 96]
    assert rows[-1]["energy"] == answer["energy"]
    angles = {tuple(row["strikes"]["gammas"] + row["strikes"]["betas"]) for row in rows}
    assert len(angles) == 3, "the controller moves"
    assert all(0 < angle < 1 for row in angles for angle in row), "radians"


def test_the_same_seed_finds_the_same_and_another_one_something_else() -> None:
    def run(seed: int) -> tuple[object, object]:
        answer = solve(CUBIC, *MATCH, *LONG, "--depth", "1", "--evaluations", "32", "--seed", str(seed))
        strikes = answer["strikes"]
        assert isinstance(strikes, dict)
        return answer["bits"], strikes["meanEnergy"]

    assert run(1) == run(1) != run(2)


def test_small_problems_are_struck_at_depth_2_and_larger_ones_recursively() -> None:
    """What the benchmark says is best."""
    ring = [(i, (i + 1) % 20, 1) for i in range(20)]
    small, large = make_problem(20, ring), make_problem(21, ring)
    settled = settle_plan(StrikePlan(), small), settle_plan(StrikePlan(), large)
    assert [(plan.controller, plan.depth) for plan in settled] == [("published", 2), ("recursive", 1)]
    chosen = settle_plan(StrikePlan(controller="random", depth=3), large)
    assert (chosen.controller, chosen.depth) == ("random", 3)


@pytest.mark.parametrize("refine", ["none", "one-flip", "tabu"])
def test_the_bits_have_the_energy_and_the_time_ends_a_search(refine: str) -> None:
    problem = make_problem(
        5, [(0, 1, 1), (1, 2, 2), (2, 3, 1), (3, 4, 2), (0, 4, 3), (1, 3, 1)], fields=[1, 0, 0, 0, 2]
    )
    plan = settle_plan(StrikePlan(refine=refine, controller="recursive"), problem)
    found = asyncio.run(search_by_strikes(problem, plan, seconds=0.05, goal=None, tell=lambda news: None))
    assert compute_energy(problem, unpack_shots(found.bits, 5)[0]) == found.energy
    assert found.ended_by == "time"


def test_a_search_that_is_cancelled_ends_after_its_strike() -> None:
    """What Ctrl-C does: the thread of strikes does not live on."""
    problem = make_problem(6, [(i, (i + 1) % 6, 1) for i in range(6)])
    told: list[int] = []

    async def begin_and_cancel() -> int:
        loop = asyncio.get_running_loop()
        work = loop.create_task(
            search_by_strikes(
                problem,
                settle_plan(StrikePlan(), problem),
                seconds=1000,
                goal=None,
                tell=lambda news: (told.append(1), loop.call_soon_threadsafe(work.cancel)),
            )
        )
        with pytest.raises(asyncio.CancelledError):
            await work
        await loop.shutdown_default_executor()
        return len(told)

    assert asyncio.run(begin_and_cancel()) < 1000
