"""A node as a child process: started, waited for, and stopped by its own id."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from matchstrike.commands.failure import FAILED, TIMED_OUT, CommandFailed
from rpc.client import CallTimeout, Unreachable, connect
from rpc.errors import RpcError

LOG_LINES_SHOWN = 20
STOP_SECONDS = 20


class NodeProcess:
    """One running node."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, log_path: Path) -> None:
        self.process = process
        self.url = url
        self.log_path = log_path

    def check_alive(self) -> None:
        """Refuse to go on with a node that has ended.

        Raises:
            CommandFailed: with its exit code and last log lines.
        """
        if self.process.returncode is not None:
            raise CommandFailed(
                f"the node ended with code {self.process.returncode}:\n{self.read_last_lines()}", FAILED
            )

    def read_last_lines(self) -> str:
        """Return the end of the node's log."""
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join("  " + line for line in lines[-LOG_LINES_SHOWN:])

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until the node answers.

        Raises:
            CommandFailed: it ended, or did not answer in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not await self._answers():
                    self.check_alive()
                    await asyncio.sleep(0.2)
        except TimeoutError as error:
            what = f"the node did not answer within {timeout_s:g} s:\n{self.read_last_lines()}"
            raise CommandFailed(what, TIMED_OUT) from error

    async def _answers(self) -> bool:
        try:
            async with connect(self.url, timeout_s=5) as client:
                await client.call("system_health")
        except (Unreachable, CallTimeout, RpcError):
            return False
        return True


@asynccontextmanager
async def start_node(arguments: list[str], *, rpc_port: int, folder: Path) -> AsyncIterator[NodeProcess]:
    """Start `matchstrike-node` with the arguments; it is stopped when the context ends, by a signal too."""
    _cancel_on_termination()
    log_path = folder / "node.log"
    command = [sys.executable, "-m", "node.main", *arguments, "--rpc-port", str(rpc_port)]
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield NodeProcess(process, f"ws://127.0.0.1:{rpc_port}", log_path)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


def _cancel_on_termination() -> None:
    """Have SIGTERM and a closed terminal cancel this task, so that no node is left behind."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # not under nohup
            loop.add_signal_handler(number, task.cancel)


def choose_port(wanted: int) -> int:
    """Return the wanted port, or a free one if it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CommandFailed("no port is free on 127.0.0.1")
