"""From two conflicting votes to the slash, by commands, against a node that validates.

The chain has a checkpoint every three blocks, and blocks come only for extrinsics (`--sealing instant`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from chain.ed25519 import public_of, sign
from chain.params import UNIT_PLANCK, FinalityParams, Params, StakingParams
from chain.secret_uri import derive_seed
from chain.ss58 import encode_address
from consensus.finality import Checkpoint, SignedVote, Vote, compute_vote_message, encode_signed_vote
from genesis.chain_spec import Genesis, RuntimeGenesis, StakingPatch, format_chain_spec, make_validator
from genesis.presets import make_development
from matchstrike.commands.failure import FAILED
from node.vote_keys import derive_dev_seed
from rpc.api import Json
from tests.support.command_line import run_command
from tests.support.dev_node import DevNode, find_free_port, run_program

BOB = public_of(derive_seed("//Bob"))
BOB_VOTE, EVE_VOTE = derive_seed("//Bob//vote"), derive_seed("//Eve//vote")
NUDGE = ("wallet", "transfer", "ferdie", "0", "--from", "ferdie", "--wait", "included")
WINDOW = 12

pytestmark = pytest.mark.usefixtures("at_node")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevNode]:
    """Return a node that votes as Alice; Bob is a validator too."""
    folder = tmp_path_factory.mktemp("offence")
    spec = make_development()
    params = replace(
        Params.tiny(),
        finality=FinalityParams(checkpoint_blocks=3),
        staking=StakingParams(unbonding_blocks=WINDOW + 2, evidence_blocks=WINDOW),
    )
    rows = (
        (public_of(derive_seed("//Alice")), public_of(derive_dev_seed("alice")), 1_000),
        (BOB, public_of(BOB_VOTE), 100),
    )
    bonds = tuple(make_validator(account, key, stake * UNIT_PLANCK, params) for account, key, stake in rows)
    assert spec.genesis.runtime_genesis is not None
    patch = replace(spec.genesis.runtime_genesis.patch, staking=StakingPatch(validators=bonds))
    genesis = Genesis(runtime_genesis=RuntimeGenesis(patch=patch))
    path = folder / "spec.json"
    path.write_bytes(format_chain_spec(replace(spec, id="offence", params=params, genesis=genesis)))
    port = find_free_port()
    options = ["--chain", str(path), "--base-path", str(folder / "base"), "--alice", "--sealing", "instant"]
    program = [sys.executable, "-m", "node.main", *options, "--no-prometheus", "--rpc-port", str(port)]
    with run_program(program, port) as running:
        yield running


def make_votes(node: DevNode, seed: bytes, *, genesis: bytes | None = None) -> tuple[str, str]:
    """Return two votes of a key for block 3, in hex."""
    genesis = genesis or bytes.fromhex(str(node.call("chain_getBlockHash", 0))[2:])
    found = []
    for branch in (b"a", b"b"):
        source, target = Checkpoint(height=0, hash=genesis), Checkpoint(height=3, hash=branch * 32)
        vote = Vote(genesis=genesis, source=source, target=target)
        signature = sign(seed, compute_vote_message(vote))
        found.append("0x" + encode_signed_vote(SignedVote(vote=vote, key=public_of(seed), signature=signature)).hex())
    return found[0], found[1]


def list_offences() -> list[dict[str, Json]]:
    """Return what `stake offences` tells programs."""
    return cast("list[dict[str, Json]]", run_command("stake", "offences", "-o", "json").json())


def check_refused(*votes: str, words: str) -> None:
    """Exit code 1 and a sentence; the node keeps nothing new."""
    before = list_offences()
    done = run_command("stake", "report-offence", *votes)
    assert (done.code, done.out) == (FAILED, "")
    assert words in done.err
    assert "nothing was published" in done.err
    assert list_offences() == before


def test_two_conflicting_votes_cost_the_stake(node: DevNode, tmp_path: Path) -> None:
    """Reported, listed, kept on disk, punished, and not twice; too old ones are refused."""
    bob, votes = encode_address(BOB), make_votes(node, BOB_VOTE)
    assert "keeps no offence" in run_command("stake", "offences").out
    check_refused(*make_votes(node, EVE_VOTE), words="is no vote key that the chain knows")
    check_refused(*make_votes(node, BOB_VOTE, genesis=b"g" * 32), words="the votes are on the chain 0x6767")
    done = run_command("stake", "report-offence", *votes, "--dry-run")
    assert done.code == 0, done.err
    assert f"of {bob} signed #0 to #3 and #0 to #3" in done.out
    assert "The 100 MSK of that account are at stake" in done.out
    assert list_offences() == []
    (tmp_path / "votes").write_text("\n".join(votes))
    done = run_command("stake", "report-offence", "votes", "-o", "json")
    assert done.code == 0, done.err
    seen = cast("dict[str, Json]", done.json())
    assert (seen["account"], seen["stake"], seen["published"]) == (bob, str(100 * UNIT_PLANCK), True)
    assert f"of {bob}: open" in run_command("stake", "offences").out
    assert [(row["account"], row["stored"]) for row in list_offences()] == [(bob, True)]
    assert "known already" in run_command("stake", "report-offence", *votes).err
    assert run_command(*NUDGE).code == 0
    assert f"of {bob}: punished" in run_command("stake", "offences").out
    assert "SLASHED" in run_command("stake", "status", "bob").out
    check_refused(*votes, words="was punished already")
    for _ in range(3 + WINDOW):
        assert run_command(*NUDGE).code == 0
    assert list_offences() == [], "the punishment is final"
    check_refused(*make_votes(node, derive_dev_seed("alice")), words="the offence is too old: its later vote is for #3")
