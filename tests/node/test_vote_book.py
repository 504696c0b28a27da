"""The vote book on disk, and the vote keys of a keystore."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from chain.ed25519 import public_of
from chain.secret_uri import derive_seed
from consensus.finality import LastVote
from genesis.presets import make_local
from node import synced_file
from node.core.voting import VoteBookUnusable
from node.failures import CommandFailure
from node.keys_command import key as key_command
from node.vote_book import FileVoteBook
from node.vote_keys import HeldKeys, derive_dev_seed, load_vote_seeds

GENESIS, KEY, OTHER = b"g" * 32, b"k" * 32, b"o" * 32


def test_a_vote_that_was_saved_is_found_by_the_next_process(tmp_path: Path) -> None:
    folder = tmp_path / "votes"
    assert FileVoteBook(folder, GENESIS).find_last(KEY) is None
    for height in (5, 10, 15):
        FileVoteBook(folder, GENESIS).save_last(KEY, LastVote(source_height=height - 5, target_height=height))
        assert FileVoteBook(folder, GENESIS).find_last(KEY) == LastVote(source_height=height - 5, target_height=height)
    assert FileVoteBook(folder, GENESIS).find_last(OTHER) is None
    assert FileVoteBook(folder, b"h" * 32).find_last(KEY) is None, "another chain is another book"
    assert [path.suffix for path in folder.iterdir()] == [".json"]


def test_vot_02_any_changed_byte_of_the_record_is_noticed(tmp_path: Path) -> None:
    book = FileVoteBook(tmp_path, GENESIS)
    book.save_last(KEY, LastVote(source_height=5, target_height=10))
    path = book.get_path(KEY)
    whole = path.read_bytes()
    for index in range(len(whole)):
        damaged = bytearray(whole)
        damaged[index] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(VoteBookUnusable, match=f"damaged.*{KEY.hex()}"):
            book.find_last(KEY)
    for cut in range(len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(VoteBookUnusable):
            book.find_last(KEY)


def test_vot_02_a_higher_target_written_by_hand_is_not_believed(tmp_path: Path) -> None:
    book = FileVoteBook(tmp_path, GENESIS)
    book.save_last(KEY, LastVote(source_height=5, target_height=10))
    record = json.loads(book.get_path(KEY).read_text())
    record["target_height"] = 5
    book.get_path(KEY).write_text(json.dumps(record))
    with pytest.raises(VoteBookUnusable, match="checksum"):
        book.find_last(KEY)


def test_the_record_of_another_key_or_chain_is_not_believed(tmp_path: Path) -> None:
    book, foreign = FileVoteBook(tmp_path, GENESIS), FileVoteBook(tmp_path, b"h" * 32)
    book.save_last(KEY, LastVote(source_height=5, target_height=10))
    for path, reader, key in ((book.get_path(OTHER), book, OTHER), (foreign.get_path(KEY), foreign, KEY)):
        path.write_bytes(book.get_path(KEY).read_bytes())
        with pytest.raises(VoteBookUnusable):
            reader.find_last(key)


@contextmanager
def failing_at(monkeypatch: pytest.MonkeyPatch, call: int) -> Iterator[list[str]]:
    """Let the n-th system call that touches the medium fail, as a full disk or a crash would."""
    seen: list[str] = []

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def step(*arguments: object, **options: object) -> object:
            seen.append(name)
            if len(seen) == call:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments, **options)

        monkeypatch.setattr(synced_file.os, name, step)

    with monkeypatch.context():
        for name in ("open", "fsync", "replace"):
            wrap(name)
        yield seen
    monkeypatch.undo()


def test_vot_02_wherever_the_disk_fails_the_old_record_or_the_new_one_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = LastVote(source_height=0, target_height=5), LastVote(source_height=5, target_height=10)
    outcomes = []
    for call in range(1, 12):
        book = FileVoteBook(tmp_path / str(call), GENESIS)
        book.save_last(KEY, old)
        with failing_at(monkeypatch, call) as seen:
            failed = not try_to_save(book, new)
        found = book.find_last(KEY)
        assert found == (old if failed else new) or (failed and found == new and "replace" in seen)
        outcomes.append(failed)
    assert outcomes == sorted(outcomes, reverse=True)
    assert outcomes[:4] == [True] * 4, "open, fsync, and the folder's open and fsync"
    assert outcomes[-1] is False


def try_to_save(book: FileVoteBook, last: LastVote) -> bool:
    """Return whether the book took a vote; a refusal names the reason."""
    try:
        book.save_last(KEY, last)
    except VoteBookUnusable as error:
        return "No space left" not in str(error)
    return True


def test_vot_02_the_file_and_its_folder_are_synced_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = FileVoteBook(tmp_path, GENESIS)
    with failing_at(monkeypatch, 0) as seen:
        book.save_last(KEY, LastVote(source_height=0, target_height=5))
    assert [name for name in seen if name != "replace"] == ["open", "fsync", "open", "fsync"]


def test_a_key_put_into_the_keystore_can_vote(tmp_path: Path) -> None:
    arguments = ["insert", "--key-type", "vote", "--suri", "//Alice", "--keystore-path", str(tmp_path), "--dev"]
    result = CliRunner().invoke(key_command, arguments)
    assert result.exit_code == 0, result.output
    seeds = load_vote_seeds(tmp_path)
    assert seeds == (derive_seed("//Alice"),)
    signer = HeldKeys(seeds)
    assert signer.keys() == (public_of(seeds[0]),)
    assert len(signer.sign(signer.keys()[0], b"message")) == 64


def test_other_keys_do_not_vote(tmp_path: Path) -> None:
    assert load_vote_seeds(tmp_path / "missing") == ()
    (tmp_path / (b"mine".hex() + KEY.hex())).write_text('"//Alice"')
    assert load_vote_seeds(tmp_path) == ()


@pytest.mark.parametrize(("content", "match"), [('"//Alice', "no secret URI"), ('"//Bob"', "another key")])
def test_a_vote_key_that_is_not_what_its_name_says_stops_the_start(tmp_path: Path, content: str, match: str) -> None:
    public = public_of(derive_seed("//Alice"))
    (tmp_path / (b"vote".hex() + public.hex())).write_text(content)
    with pytest.raises(CommandFailure, match=match):
        load_vote_seeds(tmp_path)


def test_a_development_account_votes_with_the_key_that_validates_on_the_local_chain() -> None:
    runtime_genesis = make_local().genesis.runtime_genesis
    assert runtime_genesis is not None
    keys = [key for _, key, _ in runtime_genesis.patch.staking.validators]
    assert keys == [f"0x{public_of(derive_dev_seed(name)).hex()}" for name in ("alice", "bob", "charlie", "dave")]
