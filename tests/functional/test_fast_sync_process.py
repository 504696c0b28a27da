"""Fast sync between real processes over TCP: a newcomer, and what it then knows and says."""

from __future__ import annotations

import re
from pathlib import Path

from genesis.chain_spec import ChainSpec
from genesis.presets import load_chain_spec
from node.finality_proof import ProofCheck
from tests.functional.node_process import NodeProcess, run_node
from tests.functional.test_kill_validator import save_spec

ADDRESS = r"Listening for peers at (/ip4/127\.0\.0\.1/tcp/\d+/p2p/\w+)"
FLAGS = ("--sealing", "60", "--port", "0", "--rpc-port", "0", "--no-prometheus")
BLOCKS = 40


def start_flags(file: Path, base: Path, *more: str) -> tuple[str, ...]:
    """Return the flags of a node on this chain."""
    return ("--chain", str(file), "--base-path", str(base), *FLAGS, *more)


def test_a_newcomer_syncs_fast_over_tcp_and_follows(tmp_path: Path) -> None:
    file = tmp_path / "alone.json"
    save_spec(file)
    with run_node(*start_flags(file, tmp_path / "source", "--alice")) as source:
        source.wait_for_block(BLOCKS)
        address = source.wait_for(ADDRESS)[1]
        more = ("--threads", "0", "--sync", "fast", "--bootnodes", address)
        with run_node(*start_flags(file, tmp_path / "new", *more)) as newcomer:
            first = int(newcomer.wait_for(r"State of #(\d+) \(0x[0-9a-f]+\) is here and proven")[1])
            assert first >= BLOCKS - 15
            newcomer.wait_for_block(first + 10)
            check_what_it_knows(source, newcomer, first)
        check_proof(source, load_chain_spec(str(file)))


def check_what_it_knows(source: NodeProcess, newcomer: NodeProcess, first: int) -> None:
    """Headers of all heights, bodies from the first full block on, and a clear word about those before."""
    for number in (1, first // 2, first):
        block_hash = source.call("chain_getBlockHash", number)
        assert newcomer.call("chain_getBlockHash", number) == block_hash
        assert newcomer.call("chain_getHeader", block_hash) == source.call("chain_getHeader", block_hash)
    old, new = (source.call("chain_getBlockHash", number) for number in (first - 1, first))
    assert newcomer.call("chain_getBlock", new) == source.call("chain_getBlock", new)
    refusal = newcomer.call("chain_getBlock", old)
    assert isinstance(refusal, dict)
    assert f"began with fast sync at block {first}" in refusal["data"]


def check_proof(node: NodeProcess, spec: ChainSpec) -> None:
    """What the node proves over RPC holds with the chain spec alone."""
    check = ProofCheck(spec)
    page = node.call("finality_prove")
    assert isinstance(page, dict)
    check.take(bytes.fromhex(step[2:]) for step in page["steps"])
    proven = check.get_proven()
    assert proven.number >= BLOCKS - 15
    assert re.fullmatch("0x[0-9a-f]{64}", f"0x{proven.hash.hex()}")
    assert node.call("chain_getBlockHash", proven.number) == f"0x{proven.hash.hex()}"
