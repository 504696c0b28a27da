"""Devnets of one node: kept and resumed, hurt by plan, and told when a node dies."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from matchstrike.devnet.fleet import run_fleet
from matchstrike.devnet.folder import begin_devnet, load_network, resume_devnet

EXAMPLES = Path(__file__).parents[2] / "examples"
SEALING = EXAMPLES / "sealing.toml"
SECONDS_MAX = 120.0


@contextmanager
def run_devnet(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `matchstrike devnet` until the context ends, then interrupt it."""
    command = [sys.executable, "-m", "matchstrike.commands.main", "devnet", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as devnet:
        try:
            yield devnet
        finally:
            if devnet.poll() is None:
                devnet.send_signal(signal.SIGINT)


def wait_for(pattern: str, path: Path, devnet: subprocess.Popen[str], *, count: int = 1) -> list[str]:
    """Return the matches in a file once there are so many."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline and devnet.poll() is None:
        found = re.findall(pattern, path.read_text(errors="replace")) if path.exists() else []
        if len(found) >= count:
            return found
        time.sleep(0.1)
    pytest.fail(f"{pattern!r} is not {count} times in {path}")


def test_a_devnet_goes_on_with_its_keys_and_chain(tmp_path: Path) -> None:
    """Begun, stopped, copied, and the copy resumed."""
    folder, copy = tmp_path / "net", tmp_path / "copy"
    with run_devnet("up", str(SEALING), "--base-path", str(folder)) as devnet:
        wait_for(r"Imported #3 ", folder / "alice.log", devnet)
    assert devnet.returncode == 0
    saved = [sys.executable, "-m", "matchstrike.commands.main", "devnet", "save", str(folder), str(copy)]
    assert subprocess.run(saved, check=False, capture_output=True).returncode == 0
    with run_devnet("up", str(copy)) as devnet:
        heights = wait_for(r"Highest known block at #(\d+)", copy / "alice.log", devnet, count=2)
        identities = wait_for(r"Local node identity is: (\S+)", copy / "alice.log", devnet, count=2)
        wait_for(rf"Imported #{int(heights[1]) + 1} ", copy / "alice.log", devnet)
    assert heights[0] == "0"
    assert int(heights[1]) >= 3
    assert identities[0] == identities[1]


def test_a_node_that_dies_is_told_with_its_log_and_ends_the_devnet(tmp_path: Path) -> None:
    with run_devnet("up", str(SEALING), "--base-path", str(tmp_path)) as devnet:
        wait_for(r"Imported #1 ", tmp_path / "alice.log", devnet)
        assert devnet.stdout is not None
        os.kill(find_child(devnet.pid), signal.SIGKILL)
        _, errors = devnet.communicate(timeout=60)
    assert devnet.returncode == 1
    assert "error: alice ended with signal SIGKILL:" in errors
    assert "Imported #1 " in errors


def test_a_node_whose_port_was_taken_meanwhile_starts_on_another(tmp_path: Path) -> None:
    """The port is free when it is chosen, and taken when the node starts."""

    async def run() -> None:
        plan = begin_devnet(load_network(SEALING), tmp_path, name="x", beside=EXAMPLES)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", plan.nodes[0].ports.p2p))
            taken.listen()
            async with run_fleet(plan, tmp_path, print) as fleet:
                assert fleet.plan.nodes[0].ports.p2p != plan.nodes[0].ports.p2p
                assert fleet.plan.nodes[0].ports.rpc == plan.nodes[0].ports.rpc
                assert await fleet.first.answers()
        assert resume_devnet(tmp_path).nodes[0].ports.p2p == fleet.plan.nodes[0].ports.p2p

    asyncio.run(run())


def test_a_node_that_cannot_start_is_told_with_its_log(tmp_path: Path) -> None:
    network = tmp_path / "net.toml"
    network.write_text("[[nodes]]\nname = 'alice'\nargs = ['--sealing', 'sometimes']\n")
    with run_devnet("up", str(network)) as devnet:
        _, errors = devnet.communicate(timeout=60)
    assert devnet.returncode == 1
    assert "error: alice ended with exit code 2:" in errors
    assert "--sealing is pow, instant or a number" in errors


@pytest.mark.slow
def test_faults_come_when_the_file_says(tmp_path: Path) -> None:
    network = tmp_path / "net.json"
    faults = [{"action": "pause", "after": 0.2, "for": 0.5}, {"action": "kill", "after": 1, "for": 0}]
    node = {"name": "alice", "args": ["--sealing 300"], "faults": faults}
    network.write_text(json.dumps({"chain": {"chain": "dev", "nodes": [node]}}))
    folder = tmp_path / "net"
    with run_devnet("up", str(network), "--base-path", str(folder)) as devnet:
        wait_for(r"Running JSON-RPC server", folder / "alice.log", devnet, count=2)
        devnet.send_signal(signal.SIGINT)
        told, errors = devnet.communicate(timeout=60)
    assert devnet.returncode == 0, errors
    assert told.index("fault      alice: pause for 0.5 s") < told.index("fault      alice: kill for 0 s")


def test_a_line_that_does_not_hold_fails_the_test_with_the_nodes_log(tmp_path: Path) -> None:
    script = tmp_path / "bad.zndsl"
    lines = ("alice: is up", "alice: reports block height is at least 900 within 1 second")
    script.write_text("\n".join((f"Network: {SEALING}", *lines)))
    with run_devnet("test", str(script)) as devnet:
        told, errors = devnet.communicate(timeout=SECONDS_MAX)
    assert devnet.returncode == 1
    assert re.search(r"^ok +\d+\.\d s  alice: is up$", told, re.M)
    assert re.search(r"^FAILED +\d+\.\d s  alice: reports block height is at least 900", told, re.M)
    assert re.search(r"the height is \d+, expected at least 900", told)
    assert "Running JSON-RPC server" in told
    assert errors == f"error: line 3 did not hold: {lines[1]}\n"


def find_child(pid: int) -> int:
    """Return the process id of a program's only child."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])
