"""Where options come from: flag, environment, project's file, user's file, default; and completion."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from matchstrike.commands.main import GROUPS
from matchstrike.commands.settings import GENERAL, get_flags
from tests.support.command_line import run_command

ALICE = "5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpu"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of the project; the user's is `home/config.toml` beside it."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MATCHSTRIKE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MATCHSTRIKE_URL", raising=False)
    return tmp_path / "matchstrike.toml"


def get_url_used() -> str:
    """Return the address that a command goes to; nothing answers at these ports."""
    done = run_command("problem", "list")
    assert done.code == 3, done.err
    return done.err.partition("http")[0].partition("ws://")[2].partition(" ")[0]


def test_the_stronger_source_of_an_option_wins(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step adds a stronger source, and the command follows it."""
    (project.parent / "home" / "config.toml").write_text('url = "ws://127.0.0.1:1"')
    assert get_url_used() == "127.0.0.1:1"
    project.write_text('url = "ws://127.0.0.1:2"')
    assert get_url_used() == "127.0.0.1:2"
    project.write_text('url = "ws://127.0.0.1:2"\n[problem.list]\nurl = "ws://127.0.0.1:3"')
    assert get_url_used() == "127.0.0.1:3"
    monkeypatch.setenv("MATCHSTRIKE_URL", "ws://127.0.0.1:4")
    assert get_url_used() == "127.0.0.1:4"
    done = run_command("problem", "list", "--url", "ws://127.0.0.1:5")
    assert "127.0.0.1:5" in done.err


def test_both_files_are_merged(project: Path) -> None:
    """The project's file says one option, the user's another."""
    (project.parent / "home" / "config.toml").write_text('[wallet.list]\noutput = "json"')
    project.write_text("[wallet.list]\ndev = true")
    listed = run_command("wallet", "list").json()
    assert isinstance(listed, list)
    assert listed[0]["address"] == ALICE


def test_a_number_in_a_file_means_what_it_means_on_the_command_line(project: Path) -> None:
    """`bounty = 5` are five tokens, not five planck."""
    project.write_text('[problem.post]\nbounty = 5\nfrom = "bob"\neffort = 0\nurl = "ws://127.0.0.1:1"')
    example = Path(__file__).parents[2] / "examples" / "cubic16.txt"
    done = run_command("problem", "post", str(example), "--dry-run")
    assert done.code == 3, done.err
    assert "cubic16.txt: 16 spins" in done.err
    project.write_text('[problem.post]\nbounty = 1.0000000000001\nfrom = "nobody"\n')
    done = run_command("problem", "post", str(example), "--dry-run")
    assert done.code == 2
    assert "'1.0000000000001' is no amount" in done.err
    assert "This value comes from the environment or matchstrike.toml" in done.err


def test_every_option_has_a_variable_named_by_its_command_and_flag(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stronger than the files, and a flag is stronger than it; a switch is on or off."""
    project.write_text("[wallet.show]\nss58-format = 0")
    assert run_command("wallet", "show", "alice").out.splitlines()[1].split()[1].startswith("1")
    monkeypatch.setenv("MATCHSTRIKE_WALLET_SHOW_SS58_FORMAT", "42")
    assert run_command("wallet", "show", "alice").out.splitlines()[1].split()[1] == ALICE
    monkeypatch.setenv("MATCHSTRIKE_WALLET_SHOW_SS58_FORMAT", "much")
    done = run_command("wallet", "show", "alice")
    assert done.code == 2
    assert "'much' is not a valid integer" in done.err
    assert run_command("wallet", "show", "alice", "--ss58-format", "42").code == 0
    monkeypatch.setenv("MATCHSTRIKE_WALLET_LIST_DEV", "1")
    assert ALICE in run_command("wallet", "list").out
    monkeypatch.setenv("MATCHSTRIKE_WALLET_LIST_DEV", "0")
    assert ALICE not in run_command("wallet", "list").out


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"url = ", "no valid TOML"),
        (b"url = 'a\x00b'", "no valid TOML"),
        (b"\xff\xfe", "no valid TOML"),
        (b"[" * 3000, "no valid TOML"),
        (b"colour = 'red'", "'colour' is no general option"),
        (b"bounty = 5", "'bounty' is no general option"),
        (b"[probelm.post]", "no command 'probelm'"),
        (b"[problem.pots]", "[problem] has no command 'pots'"),
        (b"[problem]\npost = 1", "[problem.post] must be a table"),
        (b"[problem.post]\nbuonty = 5", "[problem.post] has no option 'buonty'"),
        (b"[problem.post.bounty]\nx = 1", "bounty must be a value"),
    ],
)
def test_a_file_that_says_nothing_sensible_is_refused(project: Path, text: bytes, complaint: str) -> None:
    """Exit code 2, the file's name, and what is wrong; no traceback, nothing on stdout."""
    project.write_bytes(text)
    done = run_command("problem", "list")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: matchstrike.toml")
    assert complaint in done.err


def test_a_folder_in_place_of_the_file_is_refused(project: Path) -> None:
    """Whatever stands there under the name, the sentence says that it cannot be read."""
    project.mkdir()
    done = run_command("wallet", "list")
    assert done.code == 2
    assert "cannot be read" in done.err


def test_a_broken_file_does_not_take_the_help_away(project: Path) -> None:
    """`--help` and `--version` of the whole need no configuration."""
    project.write_text("url =")
    assert run_command("--help").code == 0
    assert run_command("--version").code == 0


def test_general_options_are_those_of_many_commands() -> None:
    """Each is an option of two commands or more, under this name."""
    counts = dict.fromkeys(GENERAL, 0)
    waiting = [load(name) for name in GROUPS]
    while waiting:
        command = waiting.pop()
        if isinstance(command, click.Group):
            waiting.extend(command.commands.values())
        for flag in get_flags(command):
            if flag in counts:
                counts[flag] += 1
    assert min(counts.values()) >= 2, counts


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_one_that_the_shell_accepts(shell: str, tmp_path: Path) -> None:
    """Its syntax is checked by the shell itself where that is installed."""
    script = run_command("completion", shell)
    assert script.code == 0
    assert "_MATCHSTRIKE_COMPLETE" in script.out
    program = shutil.which(shell)
    if program is not None:
        file = tmp_path / "script"
        file.write_text(script.out)
        subprocess.run([program, "-n", str(file)], check=True)


def test_completion_knows_commands_and_options_even_beside_a_broken_file(tmp_path: Path) -> None:
    """Asked as a shell asks: through the environment, in a process of its own."""
    (tmp_path / "matchstrike.toml").write_text("url =")
    for line, wanted in (("matchstrike pro", "problem"), ("matchstrike problem post --bou", "--bounty")):
        words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_MATCHSTRIKE_COMPLETE": "bash_complete"}
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "from matchstrike.commands.main import matchstrike as m; m(prog_name='matchstrike')",
            ],
            env={**os.environ, **words},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.split() == [f"plain,{wanted}"], done.stderr


def load(name: str) -> click.Command:
    """Return a command of the first level."""
    module, _, attribute = GROUPS[name][0].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    return command
