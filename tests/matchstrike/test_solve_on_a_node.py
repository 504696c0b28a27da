"""`matchstrike solve` against a running node: commit, wait until final, reveal, be paid; killed and started again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from matchstrike.commands.failure import FAILED, NOT_FOUND, USAGE
from rpc.api import Json
from tests.support.command_line import run_command
from tests.support.dev_node import DevNode, run_dev_node

HEAVY = {"kind": "ising", "n": 6, "couplings": [[i, i + 1, 5000 + i] for i in range(5)]}  # too heavy to be struck
FRUSTRATED = {"kind": "ising", "n": 3, "couplings": [[0, 1, 6000], [0, 2, 6000], [1, 2, 6000]]}
UNHOLDABLE = {"kind": "ising", "n": 30, "couplings": [[i, j, -1] for j in range(30) for i in range(j)]}
OPTIMUM = -sum(5000 + i for i in range(5))


@pytest.fixture(scope="module")
def node() -> Iterator[DevNode]:
    """Return a node that makes a block every 200 ms and does not anneal the problems itself."""
    with run_dev_node("--sealing", "200", "--anneal", "0") as running:
        yield running


@pytest.fixture(autouse=True)
def _heavy_file(at_node: None, tmp_path: Path) -> None:
    (tmp_path / "heavy.json").write_text(json.dumps(HEAVY))


def post(*options: str) -> int:
    """Post the heavy problem and return its number."""
    done = run_command("problem", "post", "heavy.json", "--bounty", "3", "--from", "bob", "-o", "json", *options)
    assert done.code == 0, done.err
    answer = done.json()
    assert isinstance(answer, dict)
    return int(answer["problem"])


def show(number: int) -> dict[str, Json]:
    """Return what the node says of a problem."""
    answer = run_command("problem", "show", str(number), "-o", "json").json()
    assert isinstance(answer, dict)
    return answer


def get_reserved(who: str) -> int:
    """Return what an account has on hold."""
    answer = run_command("wallet", "balance", who, "-o", "json").json()
    assert isinstance(answer, dict)
    return int(str(answer["reserved"]))


def watch(number: int) -> str:
    """Wait until a problem is over; return the last line that `problem watch` prints."""
    done = run_command("problem", "watch", str(number), "--timeout", "60")
    assert done.code == 0, done.err
    return done.out.splitlines()[-1]


def test_a_solution_is_committed_revealed_and_paid() -> None:
    number = post()
    done = run_command("solve", str(number), "--from", "charlie", "--seconds", "20", "-o", "json")
    assert done.code == 0, done.err
    outcome = done.json()
    assert isinstance(outcome, dict)
    assert (outcome["energy"], outcome["revealed"], outcome["leads"]) == (OPTIMUM, True, True)
    for words in ("committed in block", "deposit 10 MSK", "revealed in block"):
        assert words in done.err, done.err
    assert watch(number).startswith("paid")
    assert get_reserved("charlie") == 0
    again = run_command("solve", str(number), "--from", "charlie")
    assert "going on with" in again.err, "the record stays until the reveal is final"
    assert again.code == 0
    last = run_command("solve", str(number), "--from", "charlie")
    assert (last.code, "nobody can solve it any more" in last.err) == (NOT_FOUND, True)


def test_a_killed_solver_goes_on_with_the_same_salt(node: DevNode, tmp_path: Path) -> None:
    """Killed as soon as the commit is in a block: the record was on disk before it was sent."""
    number = post()
    command = [sys.executable, "-m", "matchstrike.commands.main", "solve", str(number), "--from", "dave"]
    environment = {**os.environ, "MATCHSTRIKE_HOME": str(tmp_path), "MATCHSTRIKE_URL": node.ws_url}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if "committed in block" in line:
                break
        process.kill()
    assert "committed in block" in said, said
    [record] = (tmp_path / "solutions").glob("*.json")
    salt = json.loads(record.read_text())["salt"]
    assert get_reserved("dave") > 0
    done = run_command("solve", str(number), "--from", "dave", "--wait", "final", "-o", "json")
    assert done.code == 0, done.err
    assert "going on with" in done.err
    assert "committed in block" not in done.err, "there is one commit"
    assert not record.exists(), f"over and final, the record with {salt} is not needed"
    assert watch(number).startswith("paid")
    assert get_reserved("dave") == 0


def test_match_strike_refuses_what_cannot_be_struck_and_commits_nothing() -> None:
    number = post()
    done = run_command("solve", str(number), "--from", "charlie", "--method", "match-strike")
    assert (done.code, "too large for a strike's angles" in done.err) == (FAILED, True), done.err
    assert get_reserved("charlie") == 0
    run_command("problem", "cancel", str(number), "--from", "bob")


@pytest.mark.slow
def test_strikes_of_a_matrix_product_state_earn_a_bounty_that_no_register_holds(tmp_path: Path) -> None:
    """30 live qubits: the chain cannot strike it, a solver's own engine can."""
    (tmp_path / "heavy.json").write_text(json.dumps(UNHOLDABLE))
    number = post("--depth", "1", "--effort", "0")
    strikes = ("--method", "match-strike", "--engine", "mps", "--bond-max", "8", "--refine", "one-flip")
    options = ("--depth", "1", "--shots", "8", "--seconds", "60")
    done = run_command("solve", str(number), "--from", "charlie", *strikes, *options, "-o", "json")
    assert done.code == 0, done.err
    outcome = done.json()
    assert isinstance(outcome, dict)
    assert (outcome["energy"], outcome["revealed"], outcome["leads"]) == (-30 * 29 // 2, True, True)
    assert "evaluations, gamma" in done.err
    assert watch(number).startswith("paid")


@pytest.mark.slow
def test_the_pool_is_watched_and_what_can_be_earned_is_solved() -> None:
    numbers = [post(), post()]
    done = run_command("solve", "--auto", "--limit", "2", "--from", "eve", "--seconds", "20", "-o", "json")
    assert done.code == 0, done.err
    rows = done.json()
    assert isinstance(rows, list)
    assert {row["problem"] for row in rows} == set(numbers)
    assert all(row["revealed"] for row in rows)


def test_what_earns_nothing_is_not_committed(tmp_path: Path) -> None:
    """A frustrated triangle: the bound of energies is below what any bits have."""
    (tmp_path / "heavy.json").write_text(json.dumps(FRUSTRATED))
    number = post("--target", "-18000")
    done = run_command("solve", str(number), "--from", "ferdie", "--seconds", "0.2")
    assert done.code == FAILED
    assert "the best energy found is -6000, the target -18000" in done.err
    assert "nothing was committed" in done.err
    assert get_reserved("ferdie") == 0
    assert not (tmp_path / "solutions").exists()


@pytest.mark.slow
def test_a_best_effort_is_hidden_until_the_deadline_and_paid(tmp_path: Path) -> None:
    """Forty percent for the optimum of a triangle whose target nobody can reach."""
    (tmp_path / "heavy.json").write_text(json.dumps(FRUSTRATED))
    late = post("--target", "-18000", "--deadline", "20", "--best-effort", "40")
    done = run_command("solve", str(late), "--from", "ferdie", "--seconds", "0.2", "--wait", "final")
    assert done.code == 0, done.err
    assert "stays hidden until block" in done.err
    assert watch(late).startswith("paid")
    assert show(late)["best"]["energy"] == -6000


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("99", "--from", "bob"), NOT_FOUND, "there is no problem 99"),
        ((), USAGE, "name a problem or a file"),
        (("0", "--auto", "--from", "bob"), USAGE, "name a problem or a file"),
        (("0",), USAGE, "--from"),
        (("nowhere.txt",), NOT_FOUND, "nowhere.txt"),
        (("0", "--from", "bob", "--method", "guess"), USAGE, "guess"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], code: int, words: str) -> None:
    done = run_command("solve", *arguments)
    assert (done.code, done.out) == (code, "")
    assert words in done.err


def test_a_file_is_solved_without_a_chain() -> None:
    done = run_command("solve", "heavy.json", "--seconds", "0.2", "-o", "json")
    assert done.code == 0, done.err
    found = done.json()
    assert {name: found[name] for name in ("quantity", "value", "energy", "method", "endedBy")} == {
        "quantity": "energy",
        "value": OPTIMUM,
        "energy": OPTIMUM,
        "method": "anneal",
        "endedBy": "time",
    }
