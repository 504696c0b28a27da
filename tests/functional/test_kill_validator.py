"""kill -9 of a validator at random moments: it never votes twice for a height, and its chain goes on being final."""

from __future__ import annotations

import random
import re
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from genesis.block import make_genesis_block
from genesis.chain_spec import Genesis, RuntimeGenesis, StakingPatch, format_chain_spec, make_validator
from genesis.presets import BOND_PLANCK, make_development, make_sealing
from node.chain_opening import open_chain
from node.leveldb_store import LevelDbStore
from node.vote_book import FileVoteBook
from runtime.queries import get_finality, get_validator_sets
from tests.functional.node_process import run_node
from tests.node.world import ALICE

VOTED = re.compile(r"Voted for checkpoint #(\d+) ")


def save_spec(path: Path) -> bytes:
    """Write the spec of a fast chain on which Alice alone validates, and return its genesis hash."""
    spec = make_sealing(make_development())
    assert spec.genesis.runtime_genesis is not None
    row = make_validator(ALICE.public, ALICE.public, BOND_PLANCK, spec.params)
    patch = replace(spec.genesis.runtime_genesis.patch, staking=StakingPatch(validators=(row,)))
    spec = replace(spec, id="alone", genesis=Genesis(runtime_genesis=RuntimeGenesis(patch=patch)))
    path.write_bytes(format_chain_spec(spec))
    return make_genesis_block(spec)[0].hash


def test_vot_02_a_killed_validator_votes_for_no_height_twice(tmp_path: Path) -> None:
    kill_often(tmp_path, kills=2, seed=7)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_vot_02_a_validator_that_is_killed_thirty_times_votes_for_no_height_twice(tmp_path: Path) -> None:
    kill_often(tmp_path, kills=30, seed=random.SystemRandom().randrange(2**32))


def kill_often(folder: Path, *, kills: int, seed: int) -> None:
    """Kill a validator again and again, and compare its votes with the record each time."""
    print(f"seed {seed}")
    file, base = folder / "alone.json", folder / "base"
    genesis_hash, chance = save_spec(file), random.Random(seed)
    voted: list[int] = []
    for _ in range(kills):
        with run_node("--chain", str(file), "--alice", "--sealing", "20", "--base-path", str(base)) as node:
            node.wait_for(VOTED.pattern)
            threading.Event().wait(chance.uniform(0.1, 0.8))  # a random moment, not a wait for something
            node.kill()
        voted += [int(match[1]) for line in node.lines if (match := VOTED.search(line))]
        last = FileVoteBook(base / "chains" / "alone" / "votes", genesis_hash).find_last(ALICE.public)
        assert last is not None
        assert last.target_height >= voted[-1]
        assert voted == sorted(set(voted)), "a vote for each checkpoint at most once"
    chain = open_chain(LevelDbStore(base / "chains" / "alone" / "db" / "full"), genesis_hash=genesis_hash)
    try:
        status = get_finality(chain.state)
        assert status.is_attended
        assert status.final_height >= chain.head.number - 25
        assert get_validator_sets(chain.state).current[0].stake == BOND_PLANCK, "nobody was slashed"
    finally:
        chain.close()
