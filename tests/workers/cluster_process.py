"""A Dask cluster of own processes on the loopback interface, for the time of a `with`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
END_SECONDS_MAX = 20


class OwnCluster:
    """A scheduler's address, and the processes."""

    def __init__(self, address: str, processes: list[subprocess.Popen[bytes]]) -> None:
        self.address = address
        self.processes = processes

    @property
    def scheduler(self) -> subprocess.Popen[bytes]:
        """The scheduler's process."""
        return self.processes[0]


@contextmanager
def start_cluster(*, workers: int) -> Iterator[OwnCluster]:
    """Start a scheduler and so many workers (no nannies: a worker that is killed stays dead), and end them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    processes = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            processes.append(_start("scheduler", "--host", "127.0.0.1", "--port", str(port)))
            for _ in range(workers):
                processes.append(
                    _start("worker", address, "--nthreads", "1", "--no-nanny", "--local-directory", folder)
                )
            yield OwnCluster(address, processes)
        finally:
            for process in processes:
                process.send_signal(signal.SIGKILL)
                process.wait(END_SECONDS_MAX)


def _start(kind: str, *arguments: str) -> subprocess.Popen[bytes]:
    silent = subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-m", "dask", kind, *arguments, "--no-dashboard"],
        stdin=silent,
        stdout=silent,
        stderr=silent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
    )
