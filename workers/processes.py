"""Long-lived worker processes for an asyncio program: one-off calls, and an endless search that can be replaced.

Terms:
    search: all workers run `function(job, start, count)` on chunk after chunk of one range of indices, from 0 without a
        gap (but for the chunk of a worker that dies), and report each chunk, until one reports a result whose `is_last`
        is true, the search is replaced, or it is stopped.
    generation: number of a search; what a worker reports for an older one is thrown away.
    chunk: as many indices as take about `chunk_seconds`; a new search takes effect after at most one chunk.

Functions must be importable by name and jobs must pickle. The processes are started afresh (never forked), import
nothing but what they are sent, and hold one end of a socket pair each; all share the counter of the range.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import IO, Generic, Protocol, Self, TypeVar, cast

import msgspec

from workers.frames import (
    LENGTH,
    Call,
    Called,
    ChunkDone,
    StartSearch,
    StopSearch,
    ToWorker,
    decode_payload,
    encode_frame,
)
from workers.process_setup import ONE_THREAD
from workers.shared_counter import make_counter

CHUNK_SECONDS = 0.05
NICENESS = 5
END_SECONDS_MAX = 2.0
RESTART_SECONDS_MIN = 0.1
RESTART_SECONDS_MAX = 30.0
WORKERS_MAX = 256

J = TypeVar("J")
R = TypeVar("R")


class Outcome(Protocol):
    """What a search function returns for a chunk."""

    @property
    def is_last(self) -> bool:
        """Whether the search has found what it looked for."""
        ...


O = TypeVar("O", bound=Outcome)  # noqa: E741


class WorkerDied(Exception):
    """A worker's process ended by itself; what it was running is lost."""

    def __init__(self, worker: int, exit_code: int) -> None:
        super().__init__(worker, exit_code)
        self.worker = worker
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"worker {self.worker} ended with exit code {self.exit_code}"


class Chunk(msgspec.Struct, Generic[O], frozen=True, kw_only=True):
    """One chunk of a search.

    Attributes:
        worker: Who ran it.
        generation: Of which search.
        result: What the function returned.
        count: How many indices it covered, fewer if `result` says so.
        seconds: How long it took.
    """

    worker: int
    generation: int
    result: O
    count: int
    seconds: float


class WorkerPool:
    """Worker processes for the time of an `async with`; one that dies is reported and replaced."""

    def __init__(
        self,
        count: int,
        *,
        niceness: int = NICENESS,
        chunk_seconds: float = CHUNK_SECONDS,
        on_death: Callable[[WorkerDied], object] = lambda _: None,
        on_search_error: Callable[[Exception], object] = lambda _: None,
    ) -> None:
        """Describe the pool; entering it starts the processes.

        Args:
            count: Number of processes, at least 1.
            on_death: Told of each process that ended by itself, before it is replaced.
            on_search_error: Told of an exception that a search function raised; that worker then waits.
        """
        if not 1 <= count <= WORKERS_MAX:
            raise ValueError(f"a pool has 1 to {WORKERS_MAX} workers, not {count}")
        self.count = count
        self._niceness = niceness
        self._chunk_seconds = chunk_seconds
        self._on_death = on_death
        self._on_search_error = on_search_error
        self._on_chunk: Callable[[Chunk[Outcome]], object] = lambda _: None
        self._search: StartSearch | None = None
        self._generation = 0
        self._next_call = 0
        self._links = [_Link(worker) for worker in range(count)]
        self._tasks = asyncio.TaskGroup()
        self._keepers: list[asyncio.Task[None]] = []
        self._closing = asyncio.Event()
        self._counter: IO[bytes] | None = None

    async def __aenter__(self) -> Self:
        self._counter = make_counter()
        await self._tasks.__aenter__()
        for link in self._links:
            await self._start(link)
            self._keepers.append(self._tasks.create_task(self._keep(link)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        for link in self._links:
            link.close()
        await asyncio.wait(self._keepers)
        for link in self._links:
            await link.end()  # a keeper that failed or was cancelled has left its process
        if self._counter is not None:
            self._counter.close()
        # Every keeper is done, so the group only has their errors to report; those of the body pass as they are.
        if isinstance(error, asyncio.CancelledError):
            await self._tasks.__aexit__(kind, error, trace)
        else:
            await self._tasks.__aexit__(None, None, None)

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The workers' processes, for reports and tests."""
        return tuple(link.process.pid for link in self._links if link.process is not None)

    async def run(self, function: Callable[..., R], *arguments: object) -> R:
        """Run a function once in the least busy worker; a search pauses for it.

        Raises:
            WorkerDied: its process ended meanwhile, or the pool is closing.
            Exception: what the function raised.
        """
        if self._closing.is_set():
            raise WorkerDied(0, 0)
        link = min(self._links, key=lambda each: len(each.calls))
        self._next_call += 1
        number = self._next_call
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        link.calls[number] = (Call(call=number, function=function, arguments=arguments), future)
        link.send(link.calls[number][0])
        try:
            return cast("R", await future)
        finally:
            link.calls.pop(number, None)

    def search(self, function: Callable[[J, int, int], O], job: J, on_chunk: Callable[[Chunk[O]], object]) -> int:
        """Replace the present search in all workers and return the new generation.

        Args:
            function: `function(job, start, count)` works on the indices start .. start + count - 1.
            on_chunk: Called in the event loop for each chunk of this search, never for an older one.
        """
        self._generation += 1
        self._on_chunk = cast("Callable[[Chunk[Outcome]], object]", on_chunk)
        self._search = StartSearch(
            generation=self._generation, function=function, job=job, chunk_seconds=self._chunk_seconds
        )
        for link in self._links:
            self._send_search(link)
        return self._generation

    def stop_search(self) -> None:
        """End the present search, if there is one; nothing more of it is reported."""
        if self._search is not None:
            self._search = None
            for link in self._links:
                link.send(StopSearch(generation=self._generation))

    def _send_search(self, link: _Link) -> None:
        if self._search is not None:
            link.send(self._search)

    async def _start(self, link: _Link) -> None:
        assert self._counter is not None, "the pool was entered"
        await link.start(self._niceness, self._counter.fileno())
        for call, _ in link.calls.values():  # those made while the process was being replaced
            link.send(call)
        self._send_search(link)

    async def _keep(self, link: _Link) -> None:
        """Read what a worker reports; when its process ends, replace it, more slowly each time it ends at once."""
        wait = RESTART_SECONDS_MIN
        while True:
            heard = False
            while (message := await link.receive()) is not None:
                heard = True
                self._on_message(link, message)
            death = WorkerDied(link.worker, await link.end())
            link.fail_calls(death)
            if self._closing.is_set():
                return
            self._on_death(death)
            wait = RESTART_SECONDS_MIN if heard else min(2 * wait, RESTART_SECONDS_MAX)
            if await self._is_closed_within(wait):
                return
            await self._start(link)

    async def _is_closed_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return False
        return True

    def _on_message(self, link: _Link, message: object) -> None:
        match message:
            case Called():
                _, future = link.calls.get(message.call, (None, None))
                if future is not None and not future.done():
                    if message.error is not None:
                        future.set_exception(message.error)
                    else:
                        future.set_result(message.result)
            case ChunkDone():
                self._on_chunk_done(link.worker, message)
            case _:
                raise TypeError(f"a worker sent a {type(message).__name__}")

    def _on_chunk_done(self, worker: int, message: ChunkDone) -> None:
        if self._search is None or message.generation != self._search.generation:
            return
        if message.error is not None:
            self._on_search_error(message.error)
            return
        result = cast("Outcome", message.result)
        if result.is_last:
            self.stop_search()
        self._on_chunk(
            Chunk(
                worker=worker,
                generation=message.generation,
                result=result,
                count=message.count,
                seconds=message.seconds,
            )
        )


class _Link:
    """One worker's process and the pool's end of its socket."""

    def __init__(self, worker: int) -> None:
        self.worker = worker
        self.calls: dict[int, tuple[Call, asyncio.Future[object]]] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def start(self, niceness: int, counter: int) -> None:
        """Start the process."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", "workers.worker_process"]
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(counter), str(os.getpid()), str(niceness)],
                pass_fds=[theirs.fileno(), counter],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={
                    **os.environ,
                    **ONE_THREAD,
                    "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
                },
            )
        self._reader, self._writer = await asyncio.open_connection(sock=ours)

    def send(self, message: ToWorker) -> None:
        """Send a message; one that a dying process cannot take is dropped, its replacement gets what is current."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode_frame(message))

    async def receive(self) -> object | None:
        """Return the next message, None when the process has closed its end."""
        if self._reader is None:
            return None
        try:
            head = await self._reader.readexactly(LENGTH.size)
            return decode_payload(await self._reader.readexactly(LENGTH.unpack(head)[0]))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def close(self) -> None:
        """Close the socket, which tells the process to end."""
        if self._writer is not None:
            self._writer.close()

    async def end(self) -> int:
        """Return the process's exit code; it is killed if it does not end soon."""
        self.close()
        process, self.process, self._writer = self.process, None, None
        if process is None:
            return 0
        try:
            return await asyncio.to_thread(process.wait, END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            return await asyncio.to_thread(process.wait)

    def fail_calls(self, error: WorkerDied) -> None:
        """Tell all who wait for this process that it died."""
        calls, self.calls = self.calls, {}
        for _, future in calls.values():
            if not future.done():
                future.set_exception(error)
