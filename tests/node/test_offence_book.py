"""The offences on disk: whole, or told of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chain.ed25519 import public_of, sign
from consensus.finality import Checkpoint, Evidence, SignedVote, Vote, compute_vote_message
from node.core.voting import OffenceBookUnusable
from node.offence_book import FILES_MAX, FileOffenceBook

GENESIS = b"g" * 32


def make_evidence(number: int = 1) -> Evidence:
    """Return two votes for one height."""
    seed = number.to_bytes(32, "big")
    signed = []
    for branch in (b"a", b"b"):
        source, target = Checkpoint(height=0, hash=GENESIS), Checkpoint(height=5, hash=branch * 32)
        vote = Vote(genesis=GENESIS, source=source, target=target)
        signed.append(SignedVote(vote=vote, key=public_of(seed), signature=sign(seed, compute_vote_message(vote))))
    return Evidence(one=signed[0], two=signed[1])


def test_what_was_saved_is_found_by_the_next_process_until_it_is_removed(tmp_path: Path) -> None:
    folder, one, two = tmp_path / "offences", make_evidence(1), make_evidence(2)
    assert FileOffenceBook(folder, GENESIS).load_all().found == ()
    FileOffenceBook(folder, GENESIS).remove(one.one.key)
    for evidence in (one, two, one):
        FileOffenceBook(folder, GENESIS).save(evidence)
    stored = FileOffenceBook(folder, GENESIS).load_all()
    assert set(stored.found) == {one, two}
    assert stored.troubles == ()
    assert FileOffenceBook(folder, b"h" * 32).load_all().found == (), "another chain is another book"
    FileOffenceBook(folder, GENESIS).remove(one.one.key)
    assert FileOffenceBook(folder, GENESIS).load_all().found == (two,)
    assert [path.suffix for path in folder.iterdir()] == [".json"]


def test_vot_14_any_changed_byte_is_told_of_and_hides_no_other_record(tmp_path: Path) -> None:
    book, good, bad = FileOffenceBook(tmp_path, GENESIS), make_evidence(1), make_evidence(2)
    for evidence in (good, bad):
        book.save(evidence)
    path = book.get_path(bad.one.key)
    whole = path.read_bytes()
    damaged = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(0, len(whole) - 1, 7)]
    for data in (*damaged, b"", whole[:50], b"\xff" * 10_000, b"[]", b'{"a": 1}'):
        path.write_bytes(data)
        stored = book.load_all()
        assert stored.found == (good,), data
        assert len(stored.troubles) == 1
        assert str(path) in stored.troubles[0]
        assert path.read_bytes() == data, "left as it is"


@pytest.mark.parametrize("field", ["genesis", "key", "evidence", "checksum"])
def test_vot_14_a_field_written_by_hand_is_not_believed(tmp_path: Path, field: str) -> None:
    book, evidence = FileOffenceBook(tmp_path, GENESIS), make_evidence()
    book.save(evidence)
    path = book.get_path(evidence.one.key)
    record = json.loads(path.read_text())
    record[field] = "00" * (len(record[field]) // 2)
    path.write_text(json.dumps(record))
    stored = book.load_all()
    assert (stored.found, len(stored.troubles)) == ((), 1)


def test_vot_14_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "offences").write_text("a file in its place")
    book = FileOffenceBook(tmp_path / "offences", GENESIS)
    with pytest.raises(OffenceBookUnusable, match="cannot be written"):
        book.save(make_evidence())
    assert book.load_all().found == ()
    path = book.get_path(make_evidence().one.key)
    assert path.parent.is_file()


def test_a_file_under_another_name_or_of_no_file_kind_is_told_of(tmp_path: Path) -> None:
    book, evidence = FileOffenceBook(tmp_path, GENESIS), make_evidence()
    book.save(evidence)
    book.get_path(evidence.one.key).rename(book.get_path(b"k" * 32))
    book.get_path(b"d" * 32).mkdir()
    stored = book.load_all()
    assert stored.found == ()
    assert len(stored.troubles) == 2


def test_more_files_than_the_bound_are_not_read(tmp_path: Path) -> None:
    book = FileOffenceBook(tmp_path, GENESIS)
    for number in range(FILES_MAX + 1):
        book.get_path(number.to_bytes(32, "big")).write_bytes(b"")
    troubles = book.load_all().troubles
    assert len(troubles) == 18, "sixteen, how many more there are, and that there are too many"
    assert "no more than" in troubles[-1]
