"""`matchstrike wallet`: the commands for keys, through the real entry point."""

from __future__ import annotations

import io
import json
import os
import pty
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from chain.secret_uri import derive_seed
from matchstrike.commands.main import main
from wallet.accounts import AccountFolder, UnknownAccount

VECTORS = Path(__file__).parents[1] / "vectors" / "keys"
JS_FILE = VECTORS / "alice_ed25519_password.json"
JS_PASSWORD = "correct horse battery staple"
ALICE_ADDRESS = "5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpu"
SEED = "0x" + "11" * 32


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a command left behind."""

    exit_code: int
    out: str
    err: str


Run = Callable[..., Answer]
ON_A_TERMINAL = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from matchstrike.commands.main import main
main()
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs one command in a home of its own."""
    monkeypatch.setenv("MATCHSTRIKE_HOME", str(tmp_path))
    monkeypatch.delenv("MATCHSTRIKE_PASSWORD", raising=False)

    def run_command(*arguments: str, stdin: str = "", exit_code: int = 0) -> Answer:
        monkeypatch.setattr(sys, "argv", ["matchstrike", "wallet", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        assert code == exit_code, out + err
        return Answer(exit_code=code, out=out, err=err)

    return run_command


def test_new_shows_the_phrase_once_and_list_shows_the_account(run: Run, tmp_path: Path) -> None:
    made = run("new", "mine", "--password-file", "-", "-o", "json", stdin="secret\n")
    account = json.loads(made.out)
    assert account["kind"] == "sealed"
    assert account["file"] == str(tmp_path / "keys" / "mine.json")
    assert "it is shown this once" in made.err
    listed = json.loads(run("list", "-o", "json").out)
    assert listed == [{name: account[name] for name in account if name != "phrase"}]
    exported = run("export", "mine", "--unsafe-seed", "--password-file", "-", stdin="secret\n").out.strip()
    assert exported == "0x" + derive_seed(account["phrase"]).hex()


def test_new_prints_text_for_people(run: Run) -> None:
    made = run("new", "mine", "--no-password", "-w", "24")
    lines = dict(line.split(maxsplit=1) for line in made.out.splitlines())
    assert set(lines) == {"Account", "Address", "Public", "Kind", "File", "Phrase"}
    assert len(lines["Phrase"].split()) == 24
    assert "test networks only" in made.err
    assert run("list").out == f"mine  {lines['Address']}  open\n"


def test_an_empty_folder_says_what_to_do(run: Run) -> None:
    answer = run("list")
    assert answer.out == ""
    assert "matchstrike wallet new NAME" in answer.err
    assert json.loads(run("list", "-o", "json").out) == []
    assert ALICE_ADDRESS in run("list", "--dev").out


def test_a_keystore_of_polkadot_js_comes_in_and_goes_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATCHSTRIKE_PASSWORD", JS_PASSWORD)
    assert ALICE_ADDRESS in run("import", "from-js", str(JS_FILE)).out
    assert json.loads(run("export", "from-js").out) == json.loads(JS_FILE.read_text())


def test_a_phrase_comes_in_from_file_stdin_and_option(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "phrase"
    path.write_text(f"{SEED}\n")
    answers = []
    for number, (arguments, stdin) in enumerate((((str(path),), ""), (("-",), SEED), (("--uri", SEED), ""))):
        answers.append(
            json.loads(run("import", f"a{number}", *arguments, "--no-password", "-o", "json", stdin=stdin).out)
        )
        run("remove", f"a{number}", "-y")
    assert len({answer["address"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("arguments", "stdin", "text"),
    [
        (("import", "x", "-"), "hello", "12, 15, 18, 21 or 24 words"),
        (("import", "x", "-"), SEED + "//0xabcd", "programs derive different keys"),
        (("import", "x", "-"), "{}", "not a keystore"),
        (("import", "x", "-"), SEED, "a password is needed"),
        (("import", "x"), "", "a phrase is needed"),
        (("import", "x", "/does/not/exist"), "", "there is no file /does/not/exist"),
        (("import", "x", "/dev/zero"), "", "/dev/zero is no regular file"),
        (("import", "x", str(JS_FILE)), "", "a password is needed"),
        (("import", "x", str(JS_FILE), "--password-file", "-"), "wrong\n", "does not open"),
        (("import", "alice", "--uri", SEED), "", "public development account"),
        (("new", "a/b", "--no-password"), "", "is no name"),
        (("new", "x", "--password-file", "-"), "\n", "the password is empty"),
        (("show", "nobody"), "", "no account is called 'nobody'"),
        (("export", "bob"), "", "public development account"),
        (("remove", "nobody", "-y"), "", "no account is called"),
    ],
)
def test_trouble_with_keys_is_a_sentence_and_exit_code_6(
    run: Run, arguments: tuple[str, ...], stdin: str, text: str
) -> None:
    answer = run(*arguments, stdin=stdin, exit_code=6)
    assert answer.err.startswith("error: ")
    assert text in answer.err
    assert answer.out == ""


def test_wrong_usage_is_exit_code_2(run: Run, tmp_path: Path) -> None:
    run("new", exit_code=2)
    run("new", "x", "-w", "13", exit_code=2)
    run("import", "x", "-", "--uri", SEED, exit_code=2)
    run("import", "x", "-", "--password-file", "-", exit_code=2)
    assert "46 is no network" in run("show", "alice", "--ss58-format", "46", exit_code=2).err


def test_show_knows_development_accounts_and_networks(run: Run) -> None:
    shown = json.loads(run("show", "//Alice", "-o", "json").out)
    assert shown["address"] == ALICE_ADDRESS
    assert shown["kind"] == "public"
    assert "146SvjUZXoMaemdeiecyxgALeYMm8ZWh1yrGo8RtpoPfe7WL" in run("show", "alice", "--ss58-format", "0").out


def test_export_writes_a_private_file_and_never_over_another(run: Run, tmp_path: Path) -> None:
    run("import", "mine", "--uri", SEED, "--no-password")
    path = tmp_path / "mine.json"
    assert run("export", "mine", "--out", str(path)).out == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == run("export", "mine").out
    assert "cannot write" in run("export", "mine", "--out", str(path), exit_code=1).err


def test_remove_asks_first(run: Run) -> None:
    run("import", "mine", "--uri", SEED, "--no-password")
    assert "nothing was deleted" in run("remove", "mine", stdin="n\n", exit_code=1).err
    assert "mine" in run("list").out
    run("remove", "mine", stdin="y\n")
    assert run("list").out == ""


def test_damaged_files_are_warned_about(run: Run, tmp_path: Path) -> None:
    run("import", "mine", "--uri", SEED, "--no-password")
    (tmp_path / "keys" / "broken.json").write_text("{")
    answer = run("list")
    assert answer.out.startswith("mine")
    assert "warning: " in answer.err
    assert "broken.json" in answer.err


def test_the_folder_can_be_named(run: Run, tmp_path: Path) -> None:
    run("import", "mine", "--uri", SEED, "--no-password", "--keys-dir", str(tmp_path / "other"))
    assert (tmp_path / "other" / "mine.json").exists()


def test_a_person_types_the_password_twice_and_sees_none_of_it(tmp_path: Path) -> None:
    """On a real terminal, since a prompt without one is another program."""
    terminal, other_end = pty.openpty()
    environment = {**os.environ, "MATCHSTRIKE_HOME": str(tmp_path)}
    environment.pop("MATCHSTRIKE_PASSWORD", None)
    command = [sys.executable, "-c", ON_A_TERMINAL, "wallet", "new", "mine", "-o", "json"]
    with subprocess.Popen(
        command,
        stdin=other_end,
        stdout=subprocess.PIPE,
        stderr=other_end,
        env=environment,
        start_new_session=True,
    ) as process:
        os.close(other_end)
        shown = read_until(terminal, "New password for mine: ")
        os.write(terminal, b"hidden words\n")
        shown += read_until(terminal, "confirmation: ")
        os.write(terminal, b"hidden words\n")
        shown += read_until(terminal, "shown this once")
        out, _ = process.communicate(timeout=60)
    os.close(terminal)
    assert process.returncode == 0
    assert json.loads(out)["kind"] == "sealed"
    assert "hidden words" not in shown


def read_until(terminal: int, text: str) -> str:
    """Return what the terminal shows, up to this text."""
    shown = ""
    while text not in shown:
        shown += os.read(terminal, 1024).decode()
    return shown


def test_a_mistyped_address_is_called_that(tmp_path: Path) -> None:
    mistyped = "5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpv"
    with pytest.raises(UnknownAccount, match="checksum"):
        AccountFolder(tmp_path).resolve(mistyped)
