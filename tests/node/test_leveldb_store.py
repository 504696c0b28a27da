"""The store on disk: it behaves as the one in memory, and says clearly what is wrong when it cannot serve."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chain.store import BatchEntry, MemoryStore, Store, StoreClosed, StoreDamaged
from node.leveldb_store import LevelDbStore, StoreFull, StoreLocked, StoreUnusable

KEYS = st.binary(min_size=1, max_size=3)
BATCHES = st.lists(st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=3)), max_size=6), max_size=4)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LevelDbStore]:
    store = LevelDbStore(tmp_path_factory.mktemp("store") / "db", sync=False)
    yield store
    store.close()


@example([[(b"a", b"")]], b"a", None, True).via("plyvel 1.5 yields nothing here")
@given(BATCHES, st.binary(max_size=2), st.none() | KEYS, st.booleans())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_store_on_disk_and_the_one_in_memory_agree(
    disk: LevelDbStore, batches: list[list[BatchEntry]], prefix: bytes, start: bytes | None, reverse: bool
) -> None:
    """Also with a dictionary, sorted: the plainest store there is."""
    disk.write([(key, None) for key, _ in disk.iterate(b"")])
    memory, model = MemoryStore(), dict[bytes, bytes]()
    for batch in batches:
        for store in (disk, memory):
            store.write(batch, sync=False)
            list(store.iterate(b""))
        for key, value in batch:
            model.pop(key, None)
            if value is not None:
                model[key] = value
    wanted = sorted(((k, v) for k, v in model.items() if k.startswith(prefix)), reverse=reverse)
    if start is not None:
        wanted = [(k, v) for k, v in wanted if (k <= start if reverse else k >= start)]
    assert list(disk.iterate(prefix, start=start, reverse=reverse)) == wanted
    assert list(memory.iterate(prefix, start=start, reverse=reverse)) == wanted
    assert [disk.get(key) for key, _ in wanted] == [memory.get(key) for key, _ in wanted]
    assert disk.get(b"absent") is None
    assert memory.get(b"absent") is None


@pytest.mark.parametrize(
    "make", [lambda _: MemoryStore(), lambda path: LevelDbStore(path / "db")], ids=["memory", "disk"]
)
def test_an_iteration_sees_the_store_as_it_was(make: Callable[[Path], Store], tmp_path: Path) -> None:
    store = make(tmp_path)
    store.write([(b"a", b"1"), (b"b", b"2")])
    pairs = store.iterate(b"")
    store.write([(b"b", None), (b"c", b"3")])
    assert list(pairs) == [(b"a", b"1"), (b"b", b"2")]
    store.close()
    store.close()
    with pytest.raises(StoreClosed):
        store.get(b"a")
    with pytest.raises(StoreClosed):
        store.write([(b"a", b"1")])


def test_values_survive_closing(tmp_path: Path) -> None:
    store = LevelDbStore(tmp_path / "new" / "db")
    store.write([(b"k", b"v")])
    store.close()
    assert LevelDbStore(tmp_path / "new" / "db").get(b"k") == b"v"


def test_a_second_opener_is_told_to_stop_the_first(tmp_path: Path) -> None:
    store = LevelDbStore(tmp_path / "db")
    with pytest.raises(StoreLocked, match="Stop the other node"):
        LevelDbStore(tmp_path / "db")
    program = (
        f"from pathlib import Path; from node.leveldb_store import *; LevelDbStore(Path({str(tmp_path / 'db')!r}))"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "StoreLocked" in other.stderr
    store.close()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("no folder")
    with pytest.raises(StoreUnusable, match="permissions"):
        LevelDbStore(tmp_path / "db")


FILL = """
import resource, signal, sys
from pathlib import Path
from node.leveldb_store import LevelDbStore, StoreFull
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = LevelDbStore(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
number = 0
try:
    while True:
        store.write([(b"%d %d" % (number, i), bytes(1_000)) for i in range(10)])
        number += 1
except StoreFull as error:
    print(number, error)
"""


def test_a_full_disk_is_named_and_loses_nothing_that_was_written(tmp_path: Path) -> None:
    """A limit on the file size stands in for the disk; the batch that did not fit is not there in part."""
    command = [sys.executable, "-c", FILL, str(tmp_path / "db")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Free some space" in run.stdout, run.stderr
    written = int(run.stdout.split()[0])
    store = LevelDbStore(tmp_path / "db")
    for number in range(written + 2):
        found = sum(store.get(b"%d %d" % (number, i)) is not None for i in range(10))
        assert found == 10 if number < written else found in (0, 10)
    assert written > 5
    store.close()


def test_a_database_without_its_entry_file_is_not_begun_anew(tmp_path: Path) -> None:
    """LevelDB would create an empty one over it."""
    store = LevelDbStore(tmp_path / "db")
    store.write([(b"k", b"v")])
    store.close()
    (tmp_path / "db" / "CURRENT").unlink()
    with pytest.raises(StoreDamaged, match=r"CURRENT.*purge-chain"):
        LevelDbStore(tmp_path / "db")


def test_a_flipped_bit_in_a_table_is_an_error_and_never_a_wrong_value(tmp_path: Path) -> None:
    """Or the value is the right one: the bit lay elsewhere."""
    random, values, refused = Random(4), {b"key %03d" % i: b"value %03d" % i * 20 for i in range(200)}, 0
    for opening in range(2):
        store = LevelDbStore(tmp_path / "db")
        store.write(list(values.items()) if opening == 0 else [])
        store.close()
    table = next((tmp_path / "db").glob("*.ldb"))
    whole = table.read_bytes()
    for _ in range(25):
        changed = bytearray(whole)
        changed[random.randrange(len(whole))] ^= 1 << random.randrange(8)
        table.write_bytes(changed)
        try:
            store = LevelDbStore(tmp_path / "db")
            try:
                assert {key: store.get(key) for key in values} == values
                assert dict(store.iterate(b"")) == values
            finally:
                store.close()
        except StoreDamaged:
            refused += 1
    assert refused > 15, "most of a table is values"


def test_its_errors_pickle() -> None:
    for kind in (StoreDamaged, StoreFull, StoreLocked, StoreUnusable):
        assert str(pickle.loads(pickle.dumps(kind("a sentence")))) == "a sentence"
