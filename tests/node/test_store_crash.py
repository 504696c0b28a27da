"""Crashes and damage: a killed writer loses no acknowledged block; a damaged database is whole, or refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from chain.block import compute_extrinsics_root
from chain.store import StoreError
from node.chain_opening import has_chain, open_chain
from node.chain_store import ChainStore
from node.leveldb_store import LevelDbStore
from tests.support.stored_chain import make_block, make_changes, make_expected_state, make_stored_chain

WRITER_KEYS = 100
BLOCKS = 30


class Survivor:
    """What the killed writer must have left: knows the state at every height without starting from genesis."""

    def __init__(self) -> None:
        self.height = 0
        self.values = make_expected_state(0)

    def check(self, path: Path, acknowledged: int) -> None:
        """Fail if an acknowledged block is lost or anything is torn."""
        store = LevelDbStore(path)
        try:
            chain = open_chain(store)
            head = chain.head.number
            assert acknowledged <= head <= acknowledged + 1, f"{acknowledged} acknowledged, head {head}"
            self.move_to(head)
            assert dict(chain.state.iterate(b"")) == self.values
            check_blocks(chain)
        finally:
            store.close()

    def move_to(self, height: int) -> None:
        for number in range(self.height + 1, height + 1):
            for key, value in make_changes(number, keys=WRITER_KEYS).items():
                self.values.pop(key, None)
                if value is not None:
                    self.values[key] = value
        self.height = height


def check_blocks(chain: ChainStore) -> None:
    """Fail if a canonical block is not whole."""
    for number in range(chain.head.number + 1):
        header = chain.get_header(chain.get_hash(number) or b"")
        assert header is not None
        body = chain.get_body(header.hash)
        assert body is not None
        assert (header.number, compute_extrinsics_root(body)) == (number, header.extrinsics_root)
        assert chain.get_execution(header.hash) is not None


def run_and_kill(path: Path, *, lines: int, mode: str = "sync") -> int:
    """Start the writer, kill it with SIGKILL once it has acknowledged some blocks; return the last acknowledged."""
    command = [sys.executable, "-m", "tests.support.store_writer", str(path), mode]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as writer:
        assert writer.stdout is not None
        printed = [writer.stdout.readline() for _ in range(lines)]
        assert printed[-1], "the writer ended by itself"
        writer.kill()
        # What it printed before it died was acknowledged too, though nobody had read it yet.
        printed += writer.stdout.read().splitlines(keepends=True)
        return int([line for line in printed if line.endswith(b"\n")][-1])


def kill_many_times(path: Path, kills: int) -> None:
    random, survivor = Random(20), Survivor()
    for _ in range(kills):
        survivor.check(path, run_and_kill(path, lines=random.randrange(1, 15)))


def test_ten_kills_lose_no_acknowledged_block_and_tear_nothing(tmp_path: Path) -> None:
    kill_many_times(tmp_path / "db", 10)


@pytest.mark.slow
def test_a_hundred_kills_lose_no_acknowledged_block_and_tear_nothing(tmp_path: Path) -> None:
    kill_many_times(tmp_path / "db", 100)


def test_the_kill_test_would_see_a_lost_tail(tmp_path: Path) -> None:
    """A power cut under sync=False loses the end of the log: the same check that passes above must fail here."""
    path = tmp_path / "db"
    acknowledged = run_and_kill(path, lines=12, mode="nosync")
    shutil.copytree(path, tmp_path / "copy")
    Survivor().check(tmp_path / "copy", acknowledged)
    log = max(path.glob("*.log"), key=lambda file: file.stat().st_size)
    with log.open("r+b") as file:
        file.truncate(log.stat().st_size // 2)
    with pytest.raises(AssertionError, match="acknowledged, head"):
        Survivor().check(path, acknowledged)


Damage = Callable[[Path, Random], None]


def truncate(file: Path, random: Random) -> None:
    with file.open("r+b") as handle:
        handle.truncate(random.randrange(file.stat().st_size))


def zero_tail(file: Path, random: Random) -> None:
    data = file.read_bytes()
    at = random.randrange(len(data))
    file.write_bytes(data[:at] + bytes(len(data) - at))


def flip_bit(file: Path, random: Random) -> None:
    data = bytearray(file.read_bytes())
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    file.write_bytes(data)


def delete(file: Path, random: Random) -> None:
    file.unlink()


def make_database(path: Path, *, is_in_tables: bool) -> None:
    """Write a chain; with `is_in_tables` most of it lies in sorted tables and the end in the log."""
    store = LevelDbStore(path, sync=False)
    chain = make_stored_chain(store)
    while chain.head.number < BLOCKS:
        if is_in_tables and chain.head.number == BLOCKS - 5:
            store.close()
            store = LevelDbStore(path, sync=False)
            chain = open_chain(store)
        chain.append_block(*make_block(chain, keys=WRITER_KEYS))
    store.close()


def open_damaged(path: Path, *, paranoid_checks: bool = True) -> int | None:
    """Return the height of the whole state that a damaged database opens with, or None if it is refused; else fail.

    A refusal may also come later, when what is damaged is first read; but nothing wrong may ever be read.
    """
    store = None
    try:
        store = LevelDbStore(path, paranoid_checks=paranoid_checks)
        if not has_chain(store):
            assert not list(store.iterate(b"")), "data without a chain"
            return 0
        chain = open_chain(store)
        height, expected = chain.head.number, make_expected_state(chain.head.number, keys=WRITER_KEYS)
        assert dict(chain.state.iterate(b"")) == expected
        for key in [*expected, *make_expected_state(BLOCKS, keys=WRITER_KEYS)]:
            assert chain.state.get(key) == expected.get(key)
        check_blocks(chain)
        chain.append_block(*make_block(chain, keys=WRITER_KEYS))
        return height
    except StoreError as error:
        if not str(error).endswith("."):
            pytest.fail(f"no sentence: {error}")
        return None
    finally:
        if store is not None:
            store.close()


def damage_many_times(tmp_path: Path, damage: Damage, *, places: int) -> list[int | None]:
    outcomes: list[int | None] = []
    random = Random(31)
    for is_in_tables in (False, True):
        whole = tmp_path / f"whole-{is_in_tables}"
        make_database(whole, is_in_tables=is_in_tables)
        for _ in range(places):
            copy = tmp_path / "copy"
            shutil.copytree(whole, copy)
            files = sorted(f for f in copy.iterdir() if not f.name.startswith(("LO", "CURRENT")) and f.stat().st_size)
            damage(random.choice(files), random)
            outcomes.append(open_damaged(copy))
            shutil.rmtree(copy)
    return outcomes


@pytest.mark.parametrize("damage", [truncate, zero_tail, flip_bit, delete])
def test_a_damaged_file_is_refused_or_leaves_a_whole_earlier_state(tmp_path: Path, damage: Damage) -> None:
    outcomes = damage_many_times(tmp_path, damage, places=8)
    assert any(outcome != BLOCKS for outcome in outcomes), "no damage was felt"


@pytest.mark.slow
@pytest.mark.parametrize("damage", [truncate, zero_tail, flip_bit, delete])
def test_hundreds_of_damaged_files_are_refused_or_leave_a_whole_earlier_state(tmp_path: Path, damage: Damage) -> None:
    damage_many_times(tmp_path, damage, places=150)


@pytest.mark.parametrize("damage", [truncate, zero_tail, flip_bit])
def test_a_damaged_log_read_leniently_never_gives_a_wrong_state(tmp_path: Path, damage: Damage) -> None:
    """Without LevelDB's own refusal, the start-up check alone must find the hole that a flipped bit leaves."""
    random, refused = Random(7), 0
    whole = tmp_path / "whole"
    make_database(whole, is_in_tables=False)
    for _ in range(10):
        copy = tmp_path / "copy"
        shutil.copytree(whole, copy)
        log = max(copy.glob("*.log"), key=lambda file: file.stat().st_size)
        damage(log, random)
        refused += open_damaged(copy, paranoid_checks=False) is None
        shutil.rmtree(copy)
    assert damage is not flip_bit or refused > 0, "the hole was never found"


@pytest.mark.parametrize("name", ["CURRENT", "LOCK", "LOG"])
def test_every_small_file_can_be_lost_or_changed_without_a_wrong_state(tmp_path: Path, name: str) -> None:
    make_database(tmp_path / "db", is_in_tables=True)
    file = tmp_path / "db" / name
    file.unlink()
    assert open_damaged(tmp_path / "db") == (None if name == "CURRENT" else BLOCKS)
    file.write_bytes(b"MANIFEST-999999\n")
    assert (open_damaged(tmp_path / "db") is None) == (name == "CURRENT")
