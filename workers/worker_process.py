"""The inside of a worker process: `python -m workers.worker_process SOCKET_FD COUNTER_FD PARENT_PID NICENESS`.

Runs what the pool sends, one thing at a time. Between two chunks of a search it looks for news, so a new search takes
effect after at most one chunk. It ends when the pool's end of the socket closes, and on Linux the kernel ends it when
the pool's process dies in any way.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import select
import signal
import socket
import sys
from collections.abc import Callable
from time import perf_counter

import msgspec

from workers.frames import Call, Called, ChunkDone, StartSearch, StopSearch, encode_frame, receive_message
from workers.shared_counter import claim

PR_SET_PDEATHSIG = 1
COUNT_GROWTH_MAX = 8


class Worker:
    """One worker's loop and its present search."""

    def __init__(self, connection: socket.socket, counter: int) -> None:
        self._connection = connection
        self._counter = counter
        self._search: StartSearch | None = None
        self._count = 1

    def run(self) -> None:
        """Work until the pool closes the socket."""
        while True:
            while self._search is None or self._has_news():
                message = receive_message(self._connection)
                if message is None:
                    return
                self._on_message(message)
            self._run_chunk(self._search)

    def _has_news(self) -> bool:
        return bool(select.select([self._connection], [], [], 0)[0])

    def _on_message(self, message: object) -> None:
        match message:
            case Call():
                result, error = _attempt(message.function, message.arguments)
                self._send(Called(call=message.call, result=result, error=error))
            case StartSearch():
                self._search, self._count = message, 1
            case StopSearch():
                if self._search is not None and self._search.generation == message.generation:
                    self._search = None
            case _:
                raise TypeError(f"the pool sent a {type(message).__name__}")

    def _run_chunk(self, search: StartSearch) -> None:
        count = self._count
        first = claim(self._counter, search.generation, count)
        if first is None:
            self._search = None  # the newer one is on its way
            return
        begin = perf_counter()
        result, error = _attempt(search.function, (search.job, first, count))
        seconds = perf_counter() - begin
        aimed = int(count * search.chunk_seconds / max(seconds, 1e-9))
        self._count = max(1, min(aimed, COUNT_GROWTH_MAX * count))
        if error is not None or getattr(result, "is_last", False):
            self._search = None
        self._send(ChunkDone(generation=search.generation, result=result, error=error, count=count, seconds=seconds))

    def _send(self, message: Called | ChunkDone) -> None:
        try:
            frame = encode_frame(message)
        except Exception as error:  # pickle raises what it likes
            reason = RuntimeError(f"a result of type {type(message.result).__name__} does not pickle: {error}")
            frame = encode_frame(msgspec.structs.replace(message, result=None, error=reason))
        self._connection.sendall(frame)


def main(arguments: list[str]) -> None:
    """Set the process up and work."""
    descriptor, counter, parent, niceness = (int(argument) for argument in arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the node ends its workers itself
    end_with_parent(parent)
    os.nice(niceness)
    with socket.socket(fileno=descriptor) as connection:
        try:
            Worker(connection, counter).run()
        except (BrokenPipeError, ConnectionResetError):
            return  # the pool is gone


def end_with_parent(parent: int) -> None:
    """Have the kernel end this process with its parent; end it now if that died before."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(0)


def _attempt(function: Callable[..., object], arguments: tuple[object, ...]) -> tuple[object, Exception | None]:
    """Return (result, None), or (None, error) with an error that surely pickles."""
    try:
        return function(*arguments), None
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            return None, RuntimeError(f"{type(error).__name__}: {error}")
        return None, error


if __name__ == "__main__":
    main(sys.argv[1:])
