"""Devnets of four and five nodes, as people start them."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.dev_node import DevNode, run_program

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS_MAX = 280.0
LAG_SECONDS_MAX = 40.0
PROGRAMS = {"matchstrike-node": "node.main", "matchstrike": "matchstrike.commands.main"}


def make_words(command: str) -> list[str]:
    """Return a command's words, its program run by this interpreter."""
    program, *rest = shlex.split(command)
    return [sys.executable, "-m", PROGRAMS[program], *rest]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_fifth_node_joins_by_the_one_command_that_the_devnet_tells() -> None:
    """Four nodes connect, finalise and pay; a fifth has the same final block soon, and follows."""
    with subprocess.Popen(make_words("matchstrike devnet run"), stdout=subprocess.PIPE, text=True) as devnet:
        try:
            told = read_until(devnet, "The nodes keep running")
            lag = re.search(r"^lag .* median (\d+\.\d) s, largest (\d+\.\d) s, over (\d+) blocks$", told, re.M)
            assert lag is not None
            print(lag[0])
            assert float(lag[1]) <= LAG_SECONDS_MAX
            command = re.search(r"^  (matchstrike-node .+)$", told, re.M)
            first = re.search(r"^alice +ws://127\.0\.0\.1:(\d+)", told, re.M)
            assert command is not None
            assert first is not None
            words = make_words(command[1])
            with run_program(words, int(words[words.index("--rpc-port") + 1])) as fifth:
                follow(DevNode(fifth.process, int(first[1]), fifth.log), fifth)
        finally:
            devnet.send_signal(signal.SIGINT)
    assert devnet.returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_blocks_become_final_while_one_of_four_validators_is_away() -> None:
    """One is killed and started again, another pauses; nobody's log has a traceback."""
    words = make_words(f"matchstrike devnet test {EXAMPLES / 'four-validators.zndsl'}")
    done = subprocess.run(words, capture_output=True, text=True, timeout=850, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fault      charlie: kill" in done.stdout


def follow(first: DevNode, fifth: DevNode) -> None:
    """Wait until the fifth node has the first one's final block, and once more when that has moved on."""
    for _ in range(2):
        wanted = first.call("chain_getFinalizedHead")
        number = get_number(first, wanted)
        deadline = time.monotonic() + SECONDS_MAX
        while get_number(fifth, fifth.call("chain_getFinalizedHead")) < number:
            assert time.monotonic() < deadline, fifth.read_log()
            time.sleep(0.5)
        assert fifth.call("chain_getBlockHash", number) == wanted
        while get_number(first, first.call("chain_getFinalizedHead")) == number:
            assert time.monotonic() < deadline, fifth.read_log()
            time.sleep(0.5)


def get_number(node: DevNode, block_hash: object) -> int:
    """Return the height of a block."""
    header = node.call("chain_getHeader", block_hash)
    assert isinstance(header, dict)
    return int(header["number"], 16)


def read_until(devnet: subprocess.Popen[str], word: str) -> str:
    """Return what a devnet says up to a line with this word."""
    assert devnet.stdout is not None
    lines: list[str] = []
    for line in devnet.stdout:
        lines.append(line)
        if word in line:
            return "".join(lines)
    pytest.fail("the devnet ended:\n" + "".join(lines[-30:]))
