"""kill -9 of a mining, paying node at random moments: no acknowledged block is lost, and it mines on."""

from __future__ import annotations

import random
import shutil
import threading
from pathlib import Path

import pytest

from chain.era import IMMORTAL
from chain.extrinsic import SigningContext, encode_extra, make_signed
from genesis.block import make_genesis_block
from genesis.presets import make_development, make_sealing
from node.chain_opening import open_chain
from node.core.pool_gate import get_nonce
from node.leveldb_store import LevelDbStore
from tests.functional.node_process import NodeProcess, get_database, get_seconds, run_node
from tests.node.world import ALICE, BOB, make_transfer

MINES_ON_SECONDS_MAX = 10.0


def test_ten_kills(tmp_path: Path) -> None:
    kill_often(tmp_path, kills=10, seed=2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hundred_kills(tmp_path: Path) -> None:
    kill_often(tmp_path, kills=100, seed=random.SystemRandom().randrange(2**32))


def kill_often(folder: Path, *, kills: int, seed: int) -> None:
    """Kill a node again and again, and look into its database each time."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    genesis, _ = make_genesis_block(make_sealing(make_development()))
    best, nonce = 0, 0
    with run_node("--dev", "--sealing", "20", "--base-path", str(folder)) as node:
        node.wait_for_block(1)  # compiles the VM, so that the next starts are measured fairly
        node.stop()
    for _ in range(kills):
        with run_node("--dev", "--sealing", "20", "--base-path", str(folder)) as node:
            begin = get_seconds()
            assert node.rpc_port
            node.wait_for_block(best + 1, MINES_ON_SECONDS_MAX)
            assert get_seconds() - begin < MINES_ON_SECONDS_MAX, "\n".join(node.lines[:20])
            payer = threading.Thread(target=pay, args=(node, genesis.hash, nonce), daemon=True)
            payer.start()
            threading.Event().wait(chance.uniform(0.05, 0.6))  # a random moment, not a wait for something
            node.kill()
            payer.join(30)
        best, nonce = check_nothing_lost(get_database(folder), genesis.hash, node.lines)


def check_nothing_lost(path: Path, genesis_hash: bytes, lines: list[str]) -> tuple[int, int]:
    """Open a killed node's database and compare it with what the node had told; return its height and Alice's nonce."""
    chain = open_chain(LevelDbStore(path), genesis_hash=genesis_hash)
    try:
        for line in lines:
            if "Imported #" not in line:
                continue
            number = int(line.split("Imported #")[1].split(" ")[0])
            stored = chain.get_hash(number)
            assert stored is not None, f"block {number} was acknowledged and is lost"
            assert f"→ 0x{stored.hex()[:4]}…{stored.hex()[-4:]})" in line
        return chain.head.number, get_nonce(chain.state, ALICE.public)
    finally:
        chain.close()


def test_the_check_sees_a_log_whose_tail_is_dropped(tmp_path: Path) -> None:
    genesis, _ = make_genesis_block(make_sealing(make_development()))
    base = tmp_path / "base"
    with run_node("--dev", "--sealing", "20", "--base-path", str(base)) as node:
        node.wait_for_block(20)
        node.kill()
    copy = tmp_path / "copy"
    shutil.copytree(get_database(base), copy)
    log = max(copy.glob("*.log"), key=lambda path: path.stat().st_mtime)
    log.write_bytes(log.read_bytes()[: log.stat().st_size * 2 // 3])
    with pytest.raises(AssertionError, match="acknowledged and is lost"):
        check_nothing_lost(copy, genesis.hash, node.lines)
    check_nothing_lost(get_database(base), genesis.hash, node.lines)


def pay(node: NodeProcess, genesis_hash: bytes, nonce: int) -> None:
    """Send transfers, batch after batch, until the node is gone."""
    context = SigningContext(
        spec_version=100, transaction_version=1, genesis_hash=genesis_hash, birth_hash=genesis_hash
    )
    while node.process.poll() is None:
        calls: list[tuple[str, tuple[object, ...]]] = []
        for _ in range(20):
            raw = make_signed(
                make_transfer(BOB, 10**9), ALICE.seed, ALICE.public, encode_extra(IMMORTAL, nonce, 0), context
            )
            calls.append(("author_submitExtrinsic", ("0x" + raw.hex(),)))
            nonce += 1
        try:
            node.call_batch(calls)
        except (OSError, AssertionError, ValueError):
            return  # killed
