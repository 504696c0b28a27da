"""Functions that the workers' tests send to real processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from time import process_time

import msgspec


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk's result."""

    start: int
    count: int
    process: int
    is_last: bool = False


def search_number(job: int, start: int, count: int) -> Found:
    """Burn a little time; the last chunk is the one with the index `job`."""
    _burn(count * 1e-5)
    return Found(start=start, count=count, process=os.getpid(), is_last=start <= job < start + count)


def search_slowly(job: int, start: int, count: int) -> Found:
    """Burn 1 ms an index and never finish."""
    _burn(count * 1e-3)
    return Found(start=start, count=count, process=os.getpid())


def search_and_fail(job: int, start: int, count: int) -> Found:
    """Raise."""
    raise ZeroDivisionError(f"job {job}")


def die_at_once(code: int) -> None:
    """End the process as a crash would."""
    if code < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(code)


def raise_error(text: str) -> None:
    """Raise an error of ours."""
    raise KeyError(text)


class Stubborn(Exception):
    """An error that does not survive pickling."""

    def __init__(self, *, text: str) -> None:
        super().__init__()
        self.text = text

    def __reduce__(self) -> tuple[object, ...]:
        return (Stubborn, ("positional",))


def raise_stubborn() -> None:
    """Raise an error that does not survive pickling."""
    raise Stubborn(text="x")


def return_unpicklable() -> object:
    """Return what cannot cross."""
    return lambda: None


def describe_process() -> dict[str, object]:
    """Return what kind of process this is."""
    return {
        "pid": os.getpid(),
        "niceness": os.nice(0),
        "threads": os.environ.get("OPENBLAS_NUM_THREADS"),
        "sigint_ignored": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        "rss_kb": _read_peak_kb(),
    }


def _read_peak_kb() -> int:
    """Return the process's own peak; ru_maxrss would count what its parent had when it was forked."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _burn(seconds: float) -> None:
    end = process_time() + seconds
    while process_time() < end:
        pass
