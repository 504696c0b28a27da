"""Runs a node, or what starts one, as a process of its own: waits until it answers, and stops it by its process id."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S_MAX = 90.0
STOP_S_MAX = 20.0


class NodeDidNotStart(Exception):
    """The node ended or stayed silent; carries the end of its log."""


class DevNode:
    """A running node."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    @property
    def http_url(self) -> str:
        """Where JSON-RPC answers over HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where JSON-RPC answers over WebSocket."""
        return f"ws://127.0.0.1:{self.port}"

    def call(self, method: str, *params: object) -> object:
        """Return the result of one call.

        Raises:
            AssertionError: the node answered with an error.
        """
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
        request = urllib.request.Request(self.http_url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
        assert "error" not in answer, f"{method} answered {answer['error']}"
        return answer["result"]

    def read_log(self, lines: int = 40) -> str:
        """Return the last lines of what the node printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@contextmanager
def run_dev_node(*options: str) -> Iterator[DevNode]:
    """Run a development node on a free port until the block ends.

    Args:
        options: Added to `--dev --tmp`, by default a block every 500 ms.

    Raises:
        NodeDidNotStart: no answer within 90 seconds.
    """
    port = find_free_port()
    chosen = options or ("--sealing", "500")
    command = [sys.executable, "-m", "node.main", "--dev", "--tmp", "--no-prometheus", "--rpc-port", str(port), *chosen]
    with run_program(command, port) as node:
        yield node


@contextmanager
def run_program(command: list[str], port: int, *, cwd: Path | None = None) -> Iterator[DevNode]:
    """Run a program whose node answers at a port, until the block ends; then it is interrupted as by Ctrl-C.

    Raises:
        NodeDidNotStart: no answer within 90 seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "node.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=cwd
            )
        node = DevNode(process, port, log)
        try:
            _wait_until_it_answers(node)
            yield node
        finally:
            _stop(process)


def find_free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(node: DevNode) -> None:
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline:
        if node.process.poll() is not None:
            raise NodeDidNotStart(f"the node ended with {node.process.returncode}:\n{node.read_log()}")
        try:
            node.call("system_health")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
        else:
            return
    raise NodeDidNotStart(f"no answer within {START_S_MAX:.0f} s:\n{node.read_log()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_S_MAX)
