"""A full disk: the node stops with a sentence and exit code 1, and goes on when there is room; nothing is lost."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from genesis.block import make_genesis_block
from genesis.presets import make_development, make_sealing
from tests.functional.node_process import NodeProcess, get_database, run_node
from tests.functional.test_kill import check_nothing_lost
from tests.support.faulty_net import Trial, describe_network, run_trial

ROOM_BYTES = 40_000
SENTENCE = "Free some space, then start again."
STOP_SECONDS_MAX = 60


def test_a_full_disk_stops_the_node_with_a_sentence_and_nothing_is_lost(tmp_path: Path) -> None:
    """No file may grow past a limit (EFBIG), which needs no privilege; the next test has a disk that is really full."""
    with run_node("--dev", "--sealing", "20", "--base-path", str(tmp_path)) as node:
        node.wait_for_block(5)
        limit_files(node.process.pid, get_database(tmp_path))
        check_stop(node)
    check_goes_on(tmp_path, node)


@pytest.mark.slow
def test_a_disk_without_a_free_byte_stops_the_node_and_nothing_is_lost(tmp_path: Path) -> None:
    """A small disk in memory, which another file fills (ENOSPC)."""
    with mount_disk(tmp_path, megabytes=64), run_node(*make_flags(tmp_path)) as node:
        node.wait_for_block(5)
        filler = tmp_path / "filler"
        fill(filler, leave=ROOM_BYTES)
        check_stop(node)
        with run_node(*make_flags(tmp_path)) as again:
            check_stop(again)
        filler.unlink()
        check_goes_on(tmp_path, node)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_three_validators_go_on_while_the_disk_of_the_fourth_is_full(tmp_path: Path) -> None:
    async def work(trial: Trial) -> None:
        trial.may_end.add("dave")
        await trial.reach(10)
        dave = trial.fleet.get("dave")
        trial.begin("full")
        limit_files(dave.pid, next((tmp_path / "nodes" / "dave").glob("chains/*/db/full")))
        while dave.exit_code is None:
            await asyncio.sleep(0.1)
        assert dave.exit_code == 1
        assert SENTENCE in dave.read_last_lines(1)
        await trial.reach(trial.get_final("alice") + 15, names=("alice", "bob", "charlie"))
        trial.begin("after")
        await trial.fleet.restart("dave", after_s=0)
        print(f"started again: final on all after {await trial.reach(trial.get_final('alice') + 15):.1f} s")

    run_trial(describe_network(), tmp_path, work)


def make_flags(folder: Path) -> tuple[str, ...]:
    """Return the arguments of a node that makes blocks quickly."""
    return ("--dev", "--sealing", "20", "--base-path", str(folder))


def limit_files(pid: int, database: Path) -> None:
    """Let no file of a process grow much beyond the database's largest one."""
    largest = max(path.stat().st_size for path in database.iterdir())
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest + ROOM_BYTES, resource.RLIM_INFINITY))


def check_stop(node: NodeProcess) -> None:
    """Wait until a node has stopped for want of room, and look at what it said last."""
    assert node.process.wait(STOP_SECONDS_MAX) == 1
    assert node.stop() == 1  # it has ended; this reads the rest of what it said
    assert SENTENCE in node.lines[-1], "\n".join(node.lines[-20:])
    assert "no room to write to" in node.lines[-1]
    assert not [line for line in node.lines if "Traceback" in line], "\n".join(node.lines[-40:])


def check_goes_on(folder: Path, node: NodeProcess) -> None:
    """Compare the database with what the node had told, and see it make more blocks."""
    genesis, _ = make_genesis_block(make_sealing(make_development()))
    best, _ = check_nothing_lost(get_database(folder), genesis.hash, node.lines)
    assert best >= node.get_best()
    with run_node(*make_flags(folder)) as again:
        again.wait_for_block(best + 5)
        assert again.stop() == 0


@contextmanager
def mount_disk(folder: Path, *, megabytes: int) -> Iterator[None]:
    """Put a small disk at a folder, or skip the test where that is not allowed."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"a disk cannot be mounted here: {done.stderr.decode(errors='replace').strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(filler: Path, *, leave: int) -> None:
    """Write a file until only so many bytes are free."""
    free = os.statvfs(filler.parent)
    with filler.open("wb") as file:
        file.write(bytes(free.f_bavail * free.f_frsize - leave))
