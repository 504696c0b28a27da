"""The commands of the documents, and how each is seen to work.

What is run: each line of every ```sh block of README.md, CONTRIBUTING.md, docs/ and examples/, by bash, in a folder of
the document's own that has the repository's examples, against one development node for each document. Exceptions:

    matchstrike-node FLAGS, matchstrike devnet run|up
                            run for ever: started, seen to work, interrupted as by Ctrl-C
    ./scripts/...           run in the repository itself
    ./scripts/test          is what runs this test
    ./scripts/devnet        runs as it is, to its end, in test_docs_devnets.py
    . .venv/bin/activate    the test's own interpreter stands first on the PATH already
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.dev_node import DevNode, find_free_port, run_dev_node, run_program

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "examples/*.md") for path in ROOT.glob(pattern) if path.is_file()
)
LOOKS_LIKE_A_COMMAND = re.compile(r"^\s*(\$ )?(matchstrike(-node)?|\./scripts/\w+) ")
EXEMPT = ("./scripts/test", "./scripts/devnet", ". .venv/bin/activate")
NEEDS_A_NODE = re.compile(r"matchstrike (problem|rpc|stake|strike ticket|work|wallet (balance|transfer|tx))")
RUNS_FOR_EVER = re.compile(r"^(matchstrike-node|matchstrike devnet (run|up \S+))( --?\S+( [^-\s]\S*)?)*$")
ENDS = ("--help", "-h", "--version", "--once")
SUBCOMMANDS = re.compile(r"^matchstrike-node (build-spec|chain-info|\w+-blocks?|revert|purge-chain|key)\b")
SECONDS_MAX = 280
# somebody who validates with the node's own key: blocks become final, and the reader of the page may leave again
BEFORE = {
    "docs/validators.md": (
        "matchstrike stake bond 100000 --from dave",
        "matchstrike stake validate --from dave "
        "--vote-key $(matchstrike-node key inspect //Alice | sed -n 's/.*Public key (hex): *//p')",
    )
}


def list_commands(document: Path) -> list[str]:
    """Return the commands of a document, without comments and with continued lines joined."""
    found: list[str] = []
    kind = None
    for line in document.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            kind = None if kind is not None else line.removeprefix("```").strip()
        elif kind == "sh":
            if found and found[-1].endswith("\\"):
                found[-1] = found[-1][:-1] + line.strip()
            elif command := re.sub(r"(^|\s+)#( .*|$)", "", line).strip():
                found.append(command)
        elif kind is not None or line.startswith("    "):
            assert not LOOKS_LIKE_A_COMMAND.match(line), f"{document.name}: {line!r} belongs into a ```sh block"
    return found


COMMANDS = {document.relative_to(ROOT).as_posix(): list_commands(document) for document in DOCUMENTS}


STARTS_DEVNETS = re.compile(r"matchstrike devnet up")


def list_documents(*, starts_devnets: bool) -> list[str]:
    """Return the documents that have commands, and either start whole devnets or do not."""
    return [
        name
        for name, commands in COMMANDS.items()
        if commands and any(STARTS_DEVNETS.match(command) for command in commands) == starts_devnets
    ]


def make_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the repository's examples; the commands find this interpreter's programs first."""
    (folder / "examples").symlink_to(ROOT / "examples")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MATCHSTRIKE_HOME", str(folder / "home"))
    monkeypatch.setenv("MATCHSTRIKE_PASSWORD", "words")
    return folder


def check_document(document: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every command of a document: exit code 0, or a node that answers and can be stopped."""
    place = make_place(folder, monkeypatch)
    if not any(NEEDS_A_NODE.match(command) for command in COMMANDS[document]):
        check_commands(document, place, None)
        return
    with run_dev_node("--sealing", "300") as node:
        monkeypatch.setenv("MATCHSTRIKE_URL", node.ws_url)
        check_commands(document, place, node)


def check_commands(document: str, place: Path, node: DevNode | None) -> None:
    """Run every command of a document, beside a node if one of them needs any."""
    for command in (*BEFORE.get(document, ()), *COMMANDS[document]):
        if command.startswith(EXEMPT):
            continue
        if is_endless(command):
            check_it_runs(command, place)
        else:
            check_it_ends(command, place, node)


def is_endless(command: str) -> bool:
    """Return whether a command runs until somebody stops it."""
    words = shlex.split(command)
    if SUBCOMMANDS.match(command) or set(words) & set(ENDS):
        return False
    return RUNS_FOR_EVER.match(command) is not None


def check_it_ends(command: str, place: Path, node: DevNode | None) -> None:
    """Run a command to its end."""
    folder = ROOT if command.startswith("./scripts/") else place
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        log = "" if node is None else f"\nthe node's log:\n{node.read_log(10)}"
        pytest.fail(f"{command}: exit code {done.returncode}\n{done.stdout[-800:]}{done.stderr[-1200:]}{log}")


def check_it_runs(command: str, place: Path) -> None:
    """Start a command that does not end by itself, wait for what it promises, and stop it."""
    port = find_free_port()
    is_devnet = "devnet" in command
    words = [*shlex.split(command), "--rpc-port", str(port), *([] if is_devnet else ["--no-prometheus"])]
    with run_program(words, port, cwd=ROOT if command.startswith("./scripts/") else place) as node:
        deadline = time.monotonic() + SECONDS_MAX
        posts, seals = is_devnet and "up" not in words, "--sealing" in words
        while not has_begun(node, is_devnet=posts, is_sealing=seals):
            assert node.process.poll() is None, f"{command} ended:\n{node.read_log()}"
            assert time.monotonic() < deadline, f"{command} did not get going:\n{node.read_log()}"
            time.sleep(0.1)
    assert node.process.returncode in (0, 130, -2), f"{command}: exit code {node.process.returncode}"


def has_begun(node: DevNode, *, is_devnet: bool, is_sealing: bool) -> bool:
    """Return whether a devnet has posted its problem, or a node that seals has made a few blocks."""
    if is_devnet:
        return bool(node.call("problem_list"))
    header = node.call("chain_getHeader")
    assert isinstance(header, dict)
    return int(header["number"], 16) >= (3 if is_sealing else 0)
