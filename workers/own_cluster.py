"""A Dask cluster of own processes on this machine's loopback interface: for measurements and tests.

No dashboard, no nannies: a worker that is killed stays dead. On Linux the kernel ends the processes with the one that
started them, however that ends. Operators start theirs with Dask's own commands.

Run as a program (`python -m workers.own_cluster PARENT_PID DASK_ARGUMENT...`), it is one of these processes.
"""

from __future__ import annotations

import os
import runpy
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.process_setup import ONE_THREAD
from workers.processes import END_SECONDS_MAX
from workers.worker_process import end_with_parent


class OwnCluster:
    """A scheduler's address, and the processes: the scheduler first."""

    def __init__(self, address: str, processes: list[subprocess.Popen[bytes]]) -> None:
        self.address = address
        self.processes = processes

    @property
    def scheduler(self) -> subprocess.Popen[bytes]:
        """The scheduler's process."""
        return self.processes[0]


@contextmanager
def start_own_cluster(*, workers: int) -> Iterator[OwnCluster]:
    """Start a scheduler and so many workers of one thread, for the time of a `with`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            processes.append(_start("scheduler", folder, "--host", "127.0.0.1", "--port", port))
            for _ in range(workers):
                options = ("--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--local-directory", folder)
                processes.append(_start("worker", folder, address, *options))
            yield OwnCluster(address, processes)
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.wait(END_SECONDS_MAX)


def _start(kind: str, folder: str, *arguments: str) -> subprocess.Popen[bytes]:
    silent = subprocess.DEVNULL
    return subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "workers.own_cluster", str(os.getpid())),
            *(kind, *arguments, "--no-dashboard"),
        ],
        stdin=silent,
        stdout=silent,
        stderr=silent,
        env={
            **os.environ,
            **ONE_THREAD,
            "PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) if path else os.getcwd() for path in sys.path),
        },
        cwd=folder,
    )


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    sys.argv = ["dask", *sys.argv[2:]]
    runpy.run_module("dask", run_name="__main__")
