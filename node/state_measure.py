"""How long the state takes to commit: the figures `bench chain` prints.

Times are CPU milliseconds of the calling thread, medians over the rounds; `state_commit_all_threads_ms` is the mean
with LevelDB's compaction thread, whose work comes in bursts.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from statistics import median
from time import process_time, thread_time
from typing import TypeVar

import msgspec

from chain.hashing import blake2_128_concat
from chain.state_proof import check_state_proof, encode_proof
from chain.state_tree import StateTree
from node.leveldb_store import LevelDbStore

ACCOUNT_PREFIX = bytes.fromhex("26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9")


T = TypeVar("T")


class StateFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What `measure_state_commit` found."""

    accounts: int
    keys: int
    state_commit_ms: float
    state_commit_cold_ms: float
    state_commit_all_threads_ms: float
    state_prepare_ms: float
    state_write_ms: float
    state_undo_ms: float
    state_open_ms: float
    state_proof_bytes: float
    state_proof_check_us: float


def measure_state_commit(folder: Path, *, accounts: int = 100_000, keys: int = 2_000, rounds: int = 7) -> StateFigures:
    """Measure commits of `keys` changed accounts in a state of `accounts`, in a new database in `folder`.

    `state_commit_ms` is preparing, writing synced and committing values that execution has read before; the cold figure
    includes reading the old values from disk.
    """
    path = folder / "state-bench"
    _fill(path, accounts)
    store = LevelDbStore(path)
    try:
        opened, tree = _time(lambda: StateTree.open(store))
        steps = [_make_changes(accounts, keys, salt) for salt in range(2 * rounds)]
        started = process_time()
        cold = [_measure_round(store, tree, changes) for changes in steps[:rounds]]
        warm = [_measure_round(store, tree, _read(tree, changes)) for changes in steps[rounds:]]
        all_threads = (process_time() - started) * 1e3 / (2 * rounds)
        undo = median(_measure_undo(store, tree) for _ in range(rounds))
        proof_bytes, proof_check = _measure_proofs(tree, accounts)
    finally:
        store.close()
    return StateFigures(
        accounts=accounts,
        keys=keys,
        state_commit_ms=median(sum(times) for times in warm),
        state_commit_cold_ms=median(sum(times) for times in cold),
        state_commit_all_threads_ms=all_threads,
        state_prepare_ms=median(times[0] for times in warm),
        state_write_ms=median(times[1] for times in warm),
        state_undo_ms=undo,
        state_open_ms=opened,
        state_proof_bytes=proof_bytes,
        state_proof_check_us=proof_check,
    )


def _fill(path: Path, accounts: int) -> None:
    """Write the accounts and close, so that LevelDB sorts them into a table before the measuring begins."""
    store = LevelDbStore(path)
    try:
        prepared = StateTree.open(store).prepare({_make_key(i): _make_value(i, 0) for i in range(accounts)})
        store.write(prepared.entries)
    finally:
        store.close()


def _make_key(number: int) -> bytes:
    return ACCOUNT_PREFIX + blake2_128_concat(blake2b(number.to_bytes(8, "little"), digest_size=32).digest())


def _make_value(number: int, salt: int) -> bytes:
    return blake2b(number.to_bytes(8, "little") + salt.to_bytes(8, "little"), digest_size=64).digest() + bytes(16)


def _make_changes(accounts: int, keys: int, salt: int) -> dict[bytes, bytes | None]:
    """Return new values of pseudorandom accounts, the same for the same salt."""
    chosen: set[int] = set()
    counter = 0
    while len(chosen) < min(keys, accounts):
        seed = salt.to_bytes(8, "little") + counter.to_bytes(8, "little")
        chosen.add(int.from_bytes(blake2b(seed, digest_size=8).digest(), "little") % accounts)
        counter += 1
    return {_make_key(number): _make_value(number, salt + 1) for number in chosen}


def _read(tree: StateTree, changes: dict[bytes, bytes | None]) -> dict[bytes, bytes | None]:
    """Return the changes, after reading their keys as an execution does."""
    for key in changes:
        tree.get(key)
    return changes


def _measure_round(
    store: LevelDbStore, tree: StateTree, changes: dict[bytes, bytes | None]
) -> tuple[float, float, float]:
    prepare, prepared = _time(lambda: tree.prepare(changes))
    write, _ = _time(lambda: store.write(prepared.entries))
    commit, _ = _time(lambda: tree.commit(prepared))
    return prepare, write, commit


def _measure_undo(store: LevelDbStore, tree: StateTree) -> float:
    started = thread_time()
    prepared = tree.prepare_undo()
    store.write(prepared.entries)
    tree.commit(prepared)
    return (thread_time() - started) * 1e3


def _measure_proofs(tree: StateTree, accounts: int, *, samples: int = 500) -> tuple[float, float]:
    """Return the mean bytes of a proof of inclusion and the mean microseconds to check one."""
    cases = []
    for number in range(0, accounts, max(1, accounts // samples)):
        key = _make_key(number)
        cases.append((key, tree.get(key), tree.prove(key)))
    size = sum(len(encode_proof(proof)) for _, _, proof in cases) / len(cases)
    started = thread_time()
    for key, value, proof in cases:
        check_state_proof(tree.root, key, value, proof)
    return size, (thread_time() - started) * 1e6 / len(cases)


def _time(action: Callable[[], T]) -> tuple[float, T]:
    started = thread_time()
    result = action()
    return (thread_time() - started) * 1e3, result
