"""`purge-chain` removes what can be had again, and nothing else."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from consensus.finality import LastVote
from node.chain_commands import purge_chain
from node.folders import get_folders
from node.leveldb_store import LevelDbStore
from node.offence_book import FileOffenceBook
from node.vote_book import FileVoteBook
from tests.node.test_offence_book import GENESIS, make_evidence


def test_vot_02_the_memory_of_what_was_signed_outlives_the_chain(tmp_path: Path) -> None:
    folders = get_folders(tmp_path, "dev")
    folders.database.mkdir(parents=True)
    LevelDbStore(folders.database).close()
    key, genesis, last = b"k" * 32, GENESIS, LastVote(source_height=5, target_height=10)
    FileOffenceBook(folders.offences, genesis).save(make_evidence())
    FileVoteBook(folders.votes, genesis).save_last(key, last)
    result = CliRunner().invoke(purge_chain, ["--chain", "dev", "--base-path", str(tmp_path), "-y"])
    assert result.exit_code == 0, result.output
    assert not folders.database.exists()
    assert FileVoteBook(folders.votes, genesis).find_last(key) == last
    assert FileOffenceBook(folders.offences, genesis).load_all().found == (make_evidence(),)
