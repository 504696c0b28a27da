"""Which keys a node votes with, and what the log says of them at the start."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from chain.ed25519 import public_of
from chain.secret_uri import derive_seed
from consensus.finality import LastVote
from node.core.vote_desk import VoteDesk
from node.folders import Folders, get_folders
from node.run_config import make_run_config
from node.startup import make_vote_desk
from node.vote_book import FileVoteBook
from tests.node.world import World

ALICE = public_of(derive_seed("//Alice"))
EVE = public_of(derive_seed("//Eve"))


def start(folders: Folders, caplog: pytest.LogCaptureFixture, **flags: object) -> tuple[VoteDesk, str]:
    """Return what votes under these flags on a chain with a block, and what the log says."""
    world = World()
    world.mine()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        desk = make_vote_desk(world.importer, make_run_config({"chain": "local", **flags}), folders)
    return desk, caplog.text


def put_key(folders: Folders, uri: str) -> None:
    """Put a vote key into the keystore."""
    folders.keystore.mkdir(parents=True)
    name = b"vote".hex() + public_of(derive_seed(uri)).hex()
    (folders.keystore / name).write_text(f'"{uri}"')


def test_a_full_node_votes_with_nothing_even_if_it_has_keys(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folders = get_folders(tmp_path, "local")
    put_key(folders, "//Eve")
    assert start(folders, caplog)[0].signer.keys() == ()


def test_a_validator_votes_with_every_key_it_has(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folders = get_folders(tmp_path, "local")
    put_key(folders, "//Eve")
    assert start(folders, caplog, validator=True)[0].signer.keys() == (EVE,)
    desk, text = start(folders, caplog, alice=True)
    assert set(desk.signer.keys()) == {ALICE, EVE}
    assert text.count("no vote so far") == 2
    assert text.count("has voted on this chain before") == 2


def test_a_validator_without_keys_is_told_how_to_get_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    desk, text = start(get_folders(tmp_path, "local"), caplog, validator=True)
    assert desk.signer.keys() == ()
    assert "key insert --key-type vote" in text


def test_the_log_tells_the_last_vote_and_a_damaged_record(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folders = get_folders(tmp_path, "local")
    book = FileVoteBook(folders.votes, World().genesis.hash)
    book.save_last(ALICE, LastVote(source_height=5, target_height=10))
    assert "last vote for #10" in start(folders, caplog, alice=True)[1]
    book.get_path(ALICE).write_bytes(b"{}")
    desk, text = start(folders, caplog, alice=True)
    assert "No vote with" in text
    assert "damaged" in text
    assert desk.signer.keys() == (ALICE,), "the rest of the node runs on; the book refuses"
