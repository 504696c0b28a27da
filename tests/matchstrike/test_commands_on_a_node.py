"""The commands against a running node: what they print, and the exit codes of what a chain refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from matchstrike.commands.failure import FAILED, NOT_FOUND, TIMED_OUT
from tests.support.command_line import run_command
from tests.support.dev_node import DevNode, run_dev_node

EXAMPLES = Path(__file__).parents[2] / "examples"
ALICE = "5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpu"
HASH = re.compile(r"^0x[0-9a-f]{64}$")
UNREACHABLE_CUT = ("--target", "30", "--deadline", "5000", "--effort", "0")

pytestmark = pytest.mark.usefixtures("at_node")


@pytest.fixture(scope="module")
def node() -> Iterator[DevNode]:
    """Return a node that makes a block every 200 ms, with one problem that nobody can solve, number 0."""
    with run_dev_node("--sealing", "200") as running:
        example = str(EXAMPLES / "cubic20.txt")
        options = ("--bounty", "2", "--from", "bob", "--url", running.ws_url, *UNREACHABLE_CUT)
        done = run_command("problem", "post", example, *options)
        assert done.code == 0, done.err
        assert done.out.endswith("problem 0\n")
        yield running


def test_a_transfer_in_json_is_data_only_with_big_integers_as_strings() -> None:
    """Every field of the receipt, and the events with amounts that a double could not hold."""
    done = run_command("wallet", "transfer", "bob", "9007199254740993planck", "--from", "alice", "-o", "json")
    receipt = done.json()
    assert isinstance(receipt, dict)
    assert list(receipt) == ["hash", "status", "blockHash", "blockNumber", "index", "fee", "events"]
    assert HASH.match(receipt["hash"])
    assert HASH.match(receipt["blockHash"])
    assert receipt["status"] == "inBlock"
    assert receipt["index"] in (1, 2), "behind the timestamp, and perhaps a solution of the author's"
    [paid] = [event for event in receipt["events"] if event["name"] == "TransactionFeePaid"]
    assert receipt["fee"] == paid["fields"]["actual_fee"]
    [transfer] = [event for event in receipt["events"] if event["name"] == "Transfer"]
    assert transfer["pallet"] == "Balances"
    assert transfer["fields"]["from"] == ALICE
    assert transfer["fields"]["amount"] == "9007199254740993"
    assert done.err == ""


def test_a_balance_in_json_has_amounts_as_strings() -> None:
    """Names and types of the fields are a promise to scripts."""
    data = run_command("wallet", "balance", "ferdie", "-o", "json").json()
    assert isinstance(data, dict)
    assert list(data) == ["address", "publicKey", "nonce", "free", "reserved", "frozen", "holds"]
    assert (data["free"], data["reserved"], data["nonce"]) == ("1000000000000000000", "0", 0)
    text = run_command("wallet", "balance", "ferdie").out
    assert "1,000,000 MSK   1000000000000000000 planck" in text


def test_a_problem_in_json_has_amounts_as_strings(node: DevNode) -> None:
    """`show` and `list` print what the node answers."""
    record = run_command("problem", "show", "0", "-o", "json").json()
    assert isinstance(record, dict)
    assert (record["bounty"], record["workBudget"], record["pricePerGas"]) == ("2000000000000", "0", "0")
    assert (record["status"], record["spins"], record["targetEnergy"]) == ("open", 20, -30)
    rows = run_command("problem", "list", "-o", "json").json()
    assert isinstance(rows, list)
    assert rows[-1]["id"] == 0
    assert "ising" not in rows[-1]
    assert run_command("problem", "list", "--open").out.splitlines()[-1].split()[:3] == ["0", "open", "20"]


def test_each_wait_ends_where_it_says() -> None:
    """none: the node has it; included: a block has it; final: that block is final."""
    words = ("wallet", "transfer", "bob", "1", "--from", "charlie", "-o", "json", "--wait")
    found = []
    for wait in ("none", "included", "final"):
        receipt = run_command(*words, wait).json()
        assert isinstance(receipt, dict)
        found.append((receipt["status"], receipt["blockNumber"] is not None))
    assert found == [("submitted", False), ("inBlock", True), ("finalized", True)]


@pytest.mark.parametrize(
    "arguments",
    [
        ("problem", "show", "999"),
        ("problem", "watch", "999"),
        ("problem", "cancel", "999", "--from", "bob"),
        ("problem", "order", "999", str(EXAMPLES / "cubic20.txt"), "--from", "bob"),
    ],
)
def test_a_problem_that_does_not_exist_is_not_found(arguments: tuple[str, ...]) -> None:
    """Exit code 5, and nobody pays a fee to learn it."""
    before = run_command("wallet", "balance", "bob", "-o", "json").json()
    done = run_command(*arguments)
    assert (done.code, done.out, done.err) == (NOT_FOUND, "", "error: there is no problem 999\n")
    assert run_command("wallet", "balance", "bob", "-o", "json").json() == before


def test_what_takes_longer_than_the_time_limit_is_a_timeout() -> None:
    """A transfer, and a problem that is never solved."""
    done = run_command("wallet", "transfer", "bob", "1", "--from", "eve", "--wait", "final", "--timeout", "0.05")
    assert done.code == TIMED_OUT
    assert "was not final within 0.05 s" in done.err
    done = run_command("problem", "watch", "0", "--timeout", "0.3")
    assert done.code == TIMED_OUT
    assert "problem 0 is open" in done.err


def test_an_error_of_the_node_is_a_failure_with_its_words() -> None:
    """An unknown method, unfit parameters."""
    for arguments, sentence in (
        (("no_such_method",), "Method not found"),
        (("chain_getBlock", "0x12"), "parameter hash"),
        (("state_getStorage",), "parameter 0 (key) is missing"),
    ):
        done = run_command("rpc", *arguments)
        assert (done.code, done.out) == (FAILED, "")
        assert sentence in done.err


def test_a_dry_run_posts_nothing(node: DevNode) -> None:
    """It tells what it would do."""
    before = node.call("problem_list")
    done = run_command(
        "problem", "post", str(EXAMPLES / "weighted12.txt"), "--bounty", "1", "--from", "bob", "--dry-run"
    )
    assert done.code == 0
    assert done.out.endswith("a dry run: nothing was sent\n")
    assert "weighted12.txt: 12 spins" in done.err
    after = node.call("problem_list")
    assert isinstance(before, list)
    assert isinstance(after, list)
    assert len(after) == len(before)


def test_a_cheaper_order_is_taken_and_a_dearer_one_refused() -> None:
    """The same order a second time is no improvement."""
    arguments = ("problem", "order", "0", str(EXAMPLES / "cubic20.txt"), "--from", "ferdie")
    done = run_command(*arguments)
    assert done.code == 0, done.err
    done = run_command(*arguments)
    assert done.code == FAILED
    assert "Problems." in done.err


def test_the_real_program_keeps_data_and_messages_apart(node: DevNode) -> None:
    """As a script sees it: stdout parses as JSON while the progress goes to stderr."""
    program = "from matchstrike.commands.main import main; main()"
    options = ("--bounty", "1.25", "--from", "eve", "--deadline", "100", "-o", "json")
    done = subprocess.run(
        [sys.executable, "-c", program, "problem", "post", str(EXAMPLES / "independent10.qubo"), *options],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    posted = json.loads(done.stdout)
    assert isinstance(posted["problem"], int)
    assert "independent10.qubo: 10 spins" in done.stderr


def test_a_problem_is_shown_with_amounts_for_people() -> None:
    """No field is Python's way of writing it; the miners' best cut so far may be there or not yet."""
    lines = dict(line.split(maxsplit=1) for line in run_command("problem", "show", "0").out.splitlines())
    assert lines["bounty"] == "2   2000000000000 planck"
    assert lines["strikeable"] == "yes"
    assert lines.get("best", "energy ").startswith("energy ")


def test_a_problem_that_no_miner_can_strike_is_posted_with_a_warning(tmp_path: Path) -> None:
    """Weights with a common divisor; the bounty can still be earned."""
    even = tmp_path / "even.txt"
    even.write_text("3 2\n1 2 2\n2 3 4\n")
    done = run_command("problem", "post", str(even), "--bounty", "1", "--from", "bob", "--dry-run")
    assert done.code == 0
    assert "warning: no miner can strike this problem" in done.err
    fine = run_command("problem", "post", str(EXAMPLES / "cubic16.txt"), "--bounty", "1", "--from", "bob", "--dry-run")
    assert "warning" not in fine.err
