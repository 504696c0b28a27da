"""A node as a child process: started, paused, resumed, restarted and stopped by its own id, with its log in a file."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from chain.ed25519 import public_of
from chain.peer_id import encode_peer_id
from matchstrike.devnet.failure import DevnetFailed, DevnetTimeout
from matchstrike.devnet.ports import RPC_FIRST, PortChooser
from rpc.client import CallTimeout, Unreachable, connect
from rpc.errors import RpcError

LOG_LINES_SHOWN = 20
STOP_SECONDS = 20.0
READY_PAUSE_SECONDS = 0.2
State: TypeAlias = Literal["stopped", "running", "paused", "dead"]


class NodeProcess:
    """One node, over all its starts."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        url: str,
        peer_id: str,
        log_path: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Describe a node that runs nowhere yet.

        Args:
            peer_id: What it answers to `system_localPeerId`. Whoever answers something else at its URL is somebody
                else's node, which took the port since it was chosen.
        """
        self.name = name
        self.url = url
        self.peer_id = peer_id
        self.log_path = log_path
        self._command = command
        self._env = dict(env) if env is not None else None
        self._process: asyncio.subprocess.Process | None = None
        self._is_paused = False
        self._is_ended = True  # because somebody wanted it

    @property
    def state(self) -> State:
        """What it does; dead is a node that ended by itself."""
        if self._is_ended:
            return "stopped"
        if self.exit_code is not None:
            return "dead"
        return "paused" if self._is_paused else "running"

    @property
    def exit_code(self) -> int | None:
        """How the last run ended, None while it runs."""
        return None if self._process is None else self._process.returncode

    @property
    def pid(self) -> int:
        """The process id of the last run, 0 before the first."""
        return 0 if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start it; what it says is added to its log.

        Raises:
            DevnetFailed: there is no such program.
        """
        with self.log_path.open("ab") as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._env,
                    start_new_session=True,
                )
            except OSError as error:
                raise DevnetFailed(f"{self.name}: {self._command[0]} cannot be run: {error.strerror}") from error
        self._is_ended = self._is_paused = False

    async def stop(self) -> None:
        """Stop it as Ctrl-C does, and by force after a while."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._is_ended = True
        self.resume()
        process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it and its workers at once, as kill -9 does."""
        self.end_now()
        if self._process is not None:
            await self._process.wait()

    def end_now(self) -> None:
        """Send that signal without waiting for the end."""
        self._is_ended = True
        self._signal_all(signal.SIGKILL)

    def pause(self) -> None:
        """Stop it and its workers where they are."""
        self._signal_all(signal.SIGSTOP)
        self._is_paused = True

    def resume(self) -> None:
        """Let it and its workers go on."""
        if self._is_paused:
            self._signal_all(signal.SIGCONT)
            self._is_paused = False

    def check_alive(self) -> None:
        """Refuse to go on with a node that has ended by itself.

        Raises:
            DevnetFailed: with its exit code and last log lines.
        """
        if self.state == "dead":
            raise DevnetFailed(f"{self.name} ended with {describe_exit(self.exit_code)}:\n{self.read_last_lines()}")

    def read_last_lines(self, count: int = LOG_LINES_SHOWN) -> str:
        """Return the end of the node's log, indented."""
        try:
            lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        return "\n".join("  " + line for line in lines[-count:]) or "  (its log is empty)"

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until the node answers.

        Raises:
            DevnetFailed: it ended. DevnetTimeout: it did not answer in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not await self.answers():
                    self.check_alive()
                    await asyncio.sleep(READY_PAUSE_SECONDS)
        except TimeoutError as error:
            what = f"{self.name} did not answer within {timeout_s:g} s:\n{self.read_last_lines()}"
            raise DevnetTimeout(what) from error

    async def answers(self) -> bool:
        """Return whether the node answers a call; another node at its port does not count."""
        if self.state != "running":
            return False
        try:
            async with connect(self.url, timeout_s=5) as client:
                return await client.call("system_localPeerId") == self.peer_id
        except (Unreachable, CallTimeout, RpcError):
            return False

    def _signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the node and its workers; each node's session is a process group of its own."""
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, number)


@asynccontextmanager
async def run_lone_node(
    arguments: Sequence[str], folder: Path, *, name: str = "the node", port_first: int = RPC_FIRST
) -> AsyncIterator[NodeProcess]:
    """Run the project's own node on a free port, its log in a folder, until the context ends, by a signal too.

    Raises:
        DevnetFailed: it cannot be started.
    """
    cancel_on_termination()
    port = PortChooser().choose(port_first)
    seed = secrets.token_bytes(32)
    command = [sys.executable, "-m", "node.main", *arguments, "--rpc-port", str(port), "--node-key", seed.hex()]
    node = NodeProcess(
        name,
        command,
        url=f"ws://127.0.0.1:{port}",
        peer_id=encode_peer_id(public_of(seed)),
        log_path=folder / "node.log",
    )
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


def cancel_on_termination() -> None:
    """Have SIGTERM and a closed terminal cancel this task, so that no node is left behind."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # not under nohup
            loop.add_signal_handler(number, task.cancel)


def describe_exit(code: int | None) -> str:
    """Return an exit code in words."""
    if code is not None and code < 0:
        try:
            return f"signal {signal.Signals(-code).name}"
        except ValueError:
            return f"signal {-code}"
    return f"exit code {code}"
