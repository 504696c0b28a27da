"""What the command line refuses without asking a node, and what it makes of nodes that do not behave.

Always: the exit code of the kind of failure, one sentence on stderr, nothing on stdout, no traceback.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from matchstrike.commands.failure import FAILED, KEY, NOT_FOUND, TIMED_OUT, UNREACHABLE, USAGE
from matchstrike.commands.regular_file import FILE_BYTES_MAX
from tests.support.command_line import SILENCE, Done, run_command, serve_replies

EXAMPLES = Path(__file__).parents[2] / "examples"
CUBIC = str(EXAMPLES / "cubic16.txt")
NOWHERE = ("--url", "ws://127.0.0.1:1")
SEED = "0x" + "2a" * 32

USAGE_ERRORS = [
    ("no such command", ("nonsense",), "No such command"),
    ("no such option", ("problem", "list", "--colour"), "No such option"),
    ("missing argument", ("wallet", "transfer", "bob", "--from", "alice"), "Missing argument 'AMOUNT'"),
    ("missing option", ("wallet", "transfer", "bob", "1"), "Missing option '--from'"),
    ("nobody posts", ("problem", "post", CUBIC, "--bounty", "1"), "Missing option '--from'"),
    ("words as amount", ("wallet", "transfer", "bob", "much", "--from", "alice"), "is no amount"),
    ("negative amount", ("wallet", "transfer", "--from", "alice", "--", "bob", "-1"), "is no amount"),
    ("too many decimals", ("wallet", "transfer", "bob", "1.0000000000001", "--from", "alice"), "is no amount"),
    ("exponent", ("wallet", "transfer", "bob", "1e3", "--from", "alice"), "is no amount"),
    ("comma", ("wallet", "transfer", "bob", "1,5", "--from", "alice"), "is no amount"),
    ("empty amount", ("wallet", "transfer", "bob", "", "--from", "alice"), "is no amount"),
    ("other digits", ("wallet", "transfer", "bob", "٣", "--from", "alice"), "is no amount"),
    ("fraction of a planck", ("wallet", "transfer", "bob", "0.5planck", "--from", "alice"), "is no amount"),
    ("bad tip", ("wallet", "transfer", "bob", "1", "--from", "alice", "--tip", "x"), "is no amount"),
    ("no time", ("wallet", "transfer", "bob", "1", "--from", "alice", "--timeout", "0"), "not in the range"),
    ("bad wait", ("wallet", "transfer", "bob", "1", "--from", "alice", "--wait", "long"), "is not one of"),
    ("bad output", ("problem", "list", "-o", "yaml"), "is not one of"),
    ("no address", ("problem", "list", "--url", "localhost"), "is no address"),
    ("address of a file", ("problem", "list", "--url", "ftp://x"), "is no address"),
    ("port beyond 65535", ("problem", "list", "--url", "ws://127.0.0.1:99999"), "is no address"),
    ("half a bracket", ("problem", "list", "--url", "ws://[::1"), "is no address"),
    ("thirteen decimals", ("wallet", "transfer", "bob", "0." + "1" * 13, "--from", "alice"), "at most 12 decimals"),
    ("negative problem", ("problem", "show", "--", "-1"), "not in the range"),
    ("problem beyond u64", ("problem", "show", str(2**64)), "not in the range"),
    ("depth 0", ("problem", "post", CUBIC, "--bounty", "1", "--from", "bob", "--depth", "0"), "not in the range"),
    ("negative effort", ("problem", "post", CUBIC, "--bounty", "1", "--from", "bob", "--effort", "-1"), "the range"),
    ("past deadline", ("problem", "post", CUBIC, "--bounty", "1", "--from", "bob", "--deadline", "0"), "the range"),
    ("huge target", ("problem", "post", CUBIC, "--bounty", "1", "--from", "bob", "--target", "1" * 30), "the range"),
    ("negative price", ("problem", "post", CUBIC, "--bounty", "1", "--from", "bob", "--price-per-gas", "-1"), "range"),
    ("short seed", ("strike", "replay", CUBIC, "--depth", "1", "--seed", "2a"), "64 hexadecimal digits"),
    ("depth 9", ("strike", "replay", CUBIC, "--depth", "9", "--seed", SEED), "not in the range"),
    ("no shots", ("strike", "replay", CUBIC, "--depth", "1", "--seed", SEED, "--shots", "0"), "not in the range"),
    ("no port", ("devnet", "run", "--rpc-port", "70000"), "not in the range"),
    ("no shell", ("completion", "tcsh"), "is not one of"),
]
OTHER_ERRORS = [
    ("no such file", ("problem", "post", "nofile", "--bounty", "1", "--from", "bob"), NOT_FOUND, "no file nofile"),
    ("a folder", ("problem", "post", str(EXAMPLES), "--bounty", "1", "--from", "bob"), FAILED, "cannot be read"),
    ("no such file to replay", ("strike", "replay", "nofile", "--depth", "1", "--seed", SEED), NOT_FOUND, "no file"),
    ("no such file for devnet", ("devnet", "run", "--problem", "nofile"), NOT_FOUND, "no file nofile"),
    ("nobody's balance", ("wallet", "balance", "nobody", *NOWHERE), KEY, "no account is called 'nobody'"),
    ("nobody pays", ("wallet", "transfer", "bob", "1", "--from", "nobody", *NOWHERE), KEY, "no account is called"),
    ("to nobody", ("wallet", "transfer", "nobody", "1", "--from", "alice", *NOWHERE), KEY, "no account is called"),
    ("nobody cancels", ("problem", "cancel", "0", "--from", "nobody", *NOWHERE), KEY, "no account is called"),
    ("balance", ("wallet", "balance", "alice", *NOWHERE), UNREACHABLE, "is it running?"),
    ("transfer", ("wallet", "transfer", "bob", "1", "--from", "alice", *NOWHERE), UNREACHABLE, "is it running?"),
    ("list", ("problem", "list", *NOWHERE), UNREACHABLE, "is it running?"),
    ("show", ("problem", "show", "0", *NOWHERE), UNREACHABLE, "is it running?"),
    ("watch", ("problem", "watch", "0", *NOWHERE), UNREACHABLE, "is it running?"),
    ("cancel", ("problem", "cancel", "0", "--from", "bob", *NOWHERE), UNREACHABLE, "is it running?"),
    ("order", ("problem", "order", "0", CUBIC, "--from", "bob", *NOWHERE), UNREACHABLE, "is it running?"),
    ("rpc", ("rpc", "system_name", *NOWHERE), UNREACHABLE, "(Connection refused); is it running?"),
    ("rpc by http", ("rpc", "system_name", "--url", "http://127.0.0.1:1"), UNREACHABLE, "is it running?"),
]
BAD_FILES = [
    (b"", "empty"),
    (b"hello world\n", "number of vertices"),
    (b"3 1\n1 9\n", "line 2"),
    (b"3 2\n1 2\n", "2 edges are announced"),
    (b"3 1\n1 2 0.5\n", "line 2"),
    (b'{"kind": "maxcut"}', "n"),
    (b'{"kind": "sat", "n": 3}', "sat"),
    (b"{", "JSON"),
]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATCHSTRIKE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def check_refusal(done: Done, code: int, sentence: str) -> None:
    """Compare a failed command with what it should have said."""
    assert done.code == code, done.err
    assert sentence in done.err
    assert done.out == ""
    assert "Traceback" not in done.err


@pytest.mark.parametrize(("arguments", "sentence"), [row[1:] for row in USAGE_ERRORS], ids=[r[0] for r in USAGE_ERRORS])
def test_what_is_not_meant_so_is_a_usage_error(arguments: tuple[str, ...], sentence: str) -> None:
    """Exit code 2, before any node is asked."""
    check_refusal(run_command(*arguments), USAGE, sentence)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"), [row[1:] for row in OTHER_ERRORS], ids=[row[0] for row in OTHER_ERRORS]
)
def test_each_kind_of_failure_has_its_exit_code(arguments: tuple[str, ...], code: int, sentence: str) -> None:
    """Not found 5, keys 6, unreachable 3."""
    check_refusal(run_command(*arguments), code, sentence)


@pytest.mark.parametrize(("data", "hint"), BAD_FILES)
def test_a_malformed_problem_file_is_refused_with_its_place(tmp_path: Path, data: bytes, hint: str) -> None:
    """The sentence names the file and what to look at."""
    (tmp_path / "bad").write_bytes(data)
    done = run_command("problem", "post", "bad", "--bounty", "1", "--from", "bob", *NOWHERE)
    check_refusal(done, FAILED, "bad")
    assert hint.lower() in done.err.lower(), done.err


REPLAY = ("strike", "replay", CUBIC, "--depth", "1", "--seed", SEED)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(("problem", "post", "pipe", "--bounty", "1", "--from", "bob", *NOWHERE), FAILED, id="problem"),
        pytest.param(("strike", "replay", "pipe", "--depth", "1", "--seed", SEED), FAILED, id="strike"),
        pytest.param((*REPLAY, "--law", "pipe"), FAILED, id="law"),
        pytest.param((*REPLAY, "--order", "pipe"), FAILED, id="order"),
        pytest.param(("wallet", "import", "mine", "pipe"), KEY, id="key"),
    ],
)
def test_a_pipe_without_a_writer_is_refused_and_not_waited_for(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    """A file that a person names is read whole, so it must have an end."""
    os.mkfifo(tmp_path / "pipe")
    check_refusal(run_command(*arguments), code, "pipe is no regular file")


def test_a_device_without_an_end_and_a_file_that_is_too_large_are_refused(tmp_path: Path) -> None:
    """The large one is a hole on the disk; one byte more than is ever read."""
    post = ("--bounty", "1", "--from", "bob", *NOWHERE)
    check_refusal(run_command("problem", "post", "/dev/zero", *post), FAILED, "/dev/zero is no regular file")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(FILE_BYTES_MAX + 1)
    check_refusal(run_command("problem", "post", "large", *post), FAILED, "large has more than 33554432 bytes")


@pytest.mark.parametrize(
    "arguments",
    [
        ("rpc", "system_name", "--timeout", "0.2"),
        ("rpc", "no_such_method", "--timeout", "0.2"),
    ],
)
def test_a_node_that_never_answers_is_a_timeout(arguments: tuple[str, ...]) -> None:
    """It accepts the connection and stays silent."""
    with serve_replies(lambda call: SILENCE) as url:
        check_refusal(run_command(*arguments, "--url", url), TIMED_OUT, "was not answered within 0.2 s")


@pytest.mark.parametrize("answer", [None, 7, "0x", "0xzz", [], {}, "x" * 10_000, "0x6d657461ff"])
def test_a_node_that_answers_nonsense_is_a_failure_and_not_a_traceback(answer: object) -> None:
    """Whatever stands in place of metadata, hashes and records."""
    with serve_replies(lambda call: answer) as url:
        done = run_command("wallet", "balance", "alice", "--url", url)
    check_refusal(done, FAILED, "")
    assert done.err.startswith("error: ")


@pytest.mark.parametrize("answer", [7, "text", {"a": 1}, [1], [{"id": 1}], [{}]])
def test_a_list_of_problems_that_is_none_is_a_failure_and_not_a_traceback(answer: object) -> None:
    """The same for what only `problem list` reads."""
    with serve_replies(lambda call: answer) as url:
        done = run_command("problem", "list", "--url", url)
    check_refusal(done, FAILED, "")
    assert done.err.startswith("error: ")
