"""Proofs of finality from a node's chain, by RPC and as files, checked with the chain spec alone."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from genesis.chain_spec import ChainSpec, format_chain_spec
from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.stake_verify import verify
from node.finality_proof import (
    FinalityProof,
    InvalidProof,
    ProofCheck,
    decode_proof_file,
    encode_proof_file,
    iterate_steps,
    make_proof,
)
from rpc.errors import RpcError
from tests.node.test_fast_sync import BLOCKS, FINAL, make_source
from tests.node.test_finality_service import make_service
from tests.node.voters import VALIDATORS
from tests.node.world import make_tiny_spec

SPEC: ChainSpec = make_tiny_spec(validators=VALIDATORS)


def make(start: bytes | None = None) -> FinalityProof:
    """Return everything that the chain can prove."""
    world = make_source()
    proof = make_proof(world.importer.chain, world.params.finality, start or world.genesis.hash)
    assert proof is not None
    return proof


def check(proof: FinalityProof, spec: ChainSpec = SPEC, checkpoint: bytes | None = None) -> ProofCheck:
    """Check a proof from a file."""
    found = ProofCheck(spec, checkpoint)
    found.take(iterate_steps(decode_proof_file(encode_proof_file(proof)), found.plan))
    return found


def test_a_proof_shows_the_final_block_and_its_state_root() -> None:
    chain = make_source().importer.chain
    proven = check(make()).get_proven()
    header = chain.get_header(chain.get_hash(FINAL) or b"")
    assert header is not None
    assert (proven.number, proven.hash, proven.state_root) == (FINAL, header.hash, header.state_root)
    assert (proven.justified, proven.steps, proven.validators) == (FINAL + 5, 6, 4)


def test_a_proof_that_is_cut_shows_less_and_nothing_false() -> None:
    proof = make()
    for count in range(len(proof.steps)):
        proven = check(replace(proof, steps=proof.steps[:count])).get_proven()
        assert proven.number == max(0, 5 * (count - 1))


def test_lgt_03_steps_that_are_missing_or_changed_are_refused() -> None:
    proof = make()
    for steps in (proof.steps[1:], (*proof.steps[:2], *proof.steps[3:]), (proof.steps[0][:-1], *proof.steps[1:])):
        with pytest.raises(InvalidProof):
            check(replace(proof, steps=steps))


def test_a_proof_about_another_chain_or_from_elsewhere_is_refused() -> None:
    world = make_source()
    start = world.importer.chain.get_hash(10) or b""
    later = make(start)
    with pytest.raises(InvalidProof, match="about the chain"):
        check(replace(later, genesis=bytes(32)))
    with pytest.raises(InvalidProof, match="--checkpoint"):
        check(later)
    assert check(later, checkpoint=start).get_proven().number == FINAL
    with pytest.raises(InvalidProof, match="about the chain"):
        check(make(), spec=make_tiny_spec(validators=VALIDATORS[:3]))


def test_rpc_gives_a_proof_page_by_page(tmp_path: Path) -> None:
    world = make_source()
    api = make_service(world, tmp_path)
    page = json.loads(msgspec.json.encode(api.prove_finality(None)))
    found = ProofCheck(SPEC)
    found.take(bytes.fromhex(step[2:]) for step in page["steps"])
    assert found.get_proven().number == FINAL
    again = api.prove_finality(world.importer.chain.get_hash(FINAL + 5))
    assert again["steps"] == page["steps"][-1:]
    with pytest.raises(RpcError):
        api.prove_finality(bytes(32))


def test_the_command_verifies_a_file_with_the_chain_spec_alone(tmp_path: Path) -> None:
    spec, file = tmp_path / "spec.json", tmp_path / "proof"
    spec.write_bytes(format_chain_spec(SPEC))
    file.write_bytes(encode_proof_file(make()))
    arguments = [str(file), "--chain", str(spec)]
    result = CliRunner().invoke(verify, arguments)
    assert f"Block #{FINAL} is final" in result.output, result.output
    figures = json.loads(CliRunner().invoke(verify, [*arguments, "-o", "json"]).output)
    assert (figures["number"], figures["justified"]) == (FINAL, FINAL + 5)
    file.write_bytes(encode_proof_file(make())[:-1])
    result = CliRunner().invoke(verify, arguments)
    assert isinstance(result.exception, CommandFailed)
    assert "refused" in str(result.exception)


def test_a_chain_that_begins_without_validators_needs_a_checkpoint() -> None:
    with pytest.raises(InvalidProof, match="--checkpoint"):
        ProofCheck(make_tiny_spec())


def test_a_chain_without_votes_proves_nothing() -> None:
    proven = check(replace(make(), steps=())).get_proven()
    assert (proven.number, proven.state_root) == (0, b"")
    assert make_source().head.number == BLOCKS
