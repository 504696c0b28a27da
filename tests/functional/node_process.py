"""A real `matchstrike-node` process for the tests: started, read, asked and killed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS_MAX = 240.0  # a first start compiles the VM
IMPORTED = re.compile(r"Imported #(\d+) \(")


class NodeProcess:
    """One node, with every line of its log."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "node.main", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines: list[str] = []
        self._condition = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str, seconds: float = START_SECONDS_MAX) -> re.Match[str]:
        """Return the first line that matches, those before the call included."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            found.extend(match for line in self.lines if (match := re.search(pattern, line)))
            return bool(found) or self.process.poll() is not None

        with self._condition:
            self._condition.wait_for(look, seconds)
        assert found, f"no line matches {pattern!r}:\n" + "\n".join(self.lines[-40:])
        return found[0]

    def wait_for_block(self, number: int, seconds: float = START_SECONDS_MAX) -> None:
        """Wait until the node has told of a block of at least this height."""
        with self._condition:
            done = self._condition.wait_for(
                lambda: self.get_best() >= number or self.process.poll() is not None, seconds
            )
        assert done, f"no block #{number} within {seconds} s:\n" + "\n".join(self.lines[-40:])
        assert self.get_best() >= number, "\n".join(self.lines[-40:])

    def get_best(self) -> int:
        """Return the highest block the node has told of."""
        return max((int(match[1]) for line in self.lines if (match := IMPORTED.search(line))), default=0)

    @property
    def rpc_port(self) -> int:
        """The port that it serves RPC on."""
        return int(self.wait_for(r"JSON-RPC server: addr=127\.0\.0\.1:(\d+)")[1])

    def call(self, method: str, *params: object) -> object:
        """Return a method's result."""
        return self.call_batch([(method, params)])[0]

    def call_batch(self, calls: list[tuple[str, tuple[object, ...]]]) -> list[object]:
        """Return the results of a batch; an error answer is returned as it is."""
        requests = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls)
        ]
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.rpc_port}",
            data=json.dumps(requests).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            answers = json.load(response)
        return [answer.get("result", answer.get("error")) for answer in answers]

    def kill(self) -> None:
        """Kill it without warning, and read what it had said."""
        self.process.kill()
        self._finish()

    def stop(self) -> int:
        """Stop it as Ctrl-C does; return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self._finish()

    def _finish(self) -> int:
        code = self.process.wait(30)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._condition:
                self.lines.append(line.rstrip("\n"))
                self._condition.notify_all()
        with self._condition:
            self._condition.notify_all()


@contextmanager
def run_node(*arguments: str) -> Iterator[NodeProcess]:
    """Run a node on free ports until the block ends."""
    node = NodeProcess("--rpc-port", "0", "--prometheus-port", "0", *arguments)
    try:
        yield node
    finally:
        if node.process.poll() is None:
            node.kill()


def run_command(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a subcommand to its end."""
    command = [sys.executable, "-m", "node.main", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=START_SECONDS_MAX, check=False)


def get_database(base_path: Path) -> Path:
    """Return the database of a `--dev --sealing` node under this base path."""
    return base_path / "chains" / "dev-sealing" / "db" / "full"


def get_seconds() -> float:
    """Return a clock for measuring."""
    return time.monotonic()
