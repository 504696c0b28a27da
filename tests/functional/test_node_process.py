"""The node as a process: it mines, answers, stops cleanly, and says plainly why it cannot start."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from pathlib import Path

from chain.era import IMMORTAL
from chain.extrinsic import SigningContext, encode_extra, make_signed
from chain.ss58 import encode_address
from tests.functional.node_process import get_database, run_command, run_node
from tests.node.world import ALICE, BOB, World
from tests.node.world import make_transfer as make_call


def test_a_development_node_mines_answers_and_stops_cleanly(tmp_path: Path) -> None:
    with run_node("--dev", "--sealing", "200", "--base-path", str(tmp_path), "--db-cache", "64") as node:
        node.wait_for_block(3)
        assert node.call("system_chain") == "Development"
        health = node.call("system_health")
        assert health == {"peers": 0, "isSyncing": False, "shouldHavePeers": False}
        header = node.call("chain_getHeader")
        assert isinstance(header, dict)
        assert int(header["number"], 16) >= 3
        replay = node.call("work_replay")
        assert isinstance(replay, dict)
        assert replay["verdict"] == "valid"
        port = node.wait_for(r"Prometheus exporter started at 127\.0\.0\.1:(\d+)")[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            metrics = response.read().decode()
        assert "substrate_process_start_time_seconds" in metrics
        assert 'substrate_block_height{chain="dev-sealing",status="best"}' in metrics
        node.wait_for(r"Idle \(0 peers\), best: #\d+ \(0x[0-9a-f]{4}…[0-9a-f]{4}\), finalized #\d+ \(0x", 15)
        assert node.stop() == 0
    log = "\n".join(node.lines)
    for words in (
        "Matchstrike Node",
        "📋 Chain specification: Development",
        "🏷  Node name: Alice",
        "👤 Role: AUTHORITY",
        "💾 Database: LevelDB at",
        "🔨 Initializing Genesis block/state (state: 0x",
        "📦 Highest known block at #0",
        "--db-cache has no effect: LevelDB's cache has a fixed size.",
    ):
        assert words in log
    assert "Traceback" not in log
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in node.lines)


def test_a_transfer_over_rpc_is_included_found_by_its_hash_and_final(tmp_path: Path) -> None:
    with run_node("--dev", "--sealing", "instant", "--base-path", str(tmp_path)) as node:
        genesis = node.call("chain_getBlockHash", 0)
        world = World(author=None)
        raw = make_transfer(world, str(genesis))
        refused = node.call("author_submitExtrinsic", "0x" + raw[:-1].hex())
        assert isinstance(refused, dict)
        assert refused["code"] == 1001
        tx_hash = node.call("author_submitExtrinsic", "0x" + raw.hex())
        again = node.call("author_submitExtrinsic", "0x" + raw.hex())
        assert isinstance(again, dict)
        assert again["code"] in (1010, 1013), again
        node.wait_for_block(3)
        found = node.call("transaction_get", tx_hash)
        assert isinstance(found, dict)
        assert found["status"] == "finalized"
        assert found["blockNumber"] == 1
        assert node.call("system_accountNextIndex", encode_address(ALICE.public)) == 1


def make_transfer(world: World, genesis_hash: str) -> bytes:
    """Return Alice's first transfer on the chain with this genesis."""
    context = SigningContext(
        spec_version=world.params.spec_version,
        transaction_version=world.params.transaction_version,
        genesis_hash=bytes.fromhex(genesis_hash[2:]),
        birth_hash=bytes.fromhex(genesis_hash[2:]),
    )
    return make_signed(make_call(BOB, 10**12), ALICE.seed, ALICE.public, encode_extra(IMMORTAL, 0, 0), context)


def test_what_keeps_a_node_from_starting_is_said_in_one_sentence(tmp_path: Path) -> None:
    base = str(tmp_path / "base")
    with run_node("--dev", "--sealing", "200", "--base-path", base) as node:
        node.wait_for_block(1)
        locked = run_command("--dev", "--sealing", "200", "--base-path", base, "--rpc-port", "0", "--no-prometheus")
        port = str(node.rpc_port)
        taken = run_command("--dev", "--tmp", "--rpc-port", port, "--no-prometheus")
        purge = run_command("purge-chain", "-y", "--chain", "dev-sealing", "--base-path", base)
        node.stop()
    check_failure(locked.returncode, locked.stderr, "is in use", "Error: ")
    check_failure(taken.returncode, taken.stderr, f"port {port} cannot be used", "--rpc-port")
    assert b"Database" not in taken.stderr, "the port is tried before the long part of the start"
    check_failure(purge.returncode, purge.stderr, "is in use")
    missing = run_command("--chain", str(tmp_path / "nothing.json"), "--rpc-port", "0", "--no-prometheus")
    check_failure(missing.returncode, missing.stderr, "neither a preset")
    (tmp_path / "file").write_text("no folder")
    file = run_command("--dev", "--base-path", str(tmp_path / "file"), "--rpc-port", "0", "--no-prometheus")
    check_failure(file.returncode, file.stderr, "file", "Not a directory")
    wrong = run_command("--dev", "--author", "0x12")
    assert wrong.returncode == 2
    assert b"neither an SS58 address" in wrong.stderr


def test_the_database_of_another_chain_is_refused(tmp_path: Path) -> None:
    with run_node("--dev", "--sealing", "200", "--base-path", str(tmp_path)) as node:
        node.wait_for_block(1)
        node.stop()
    spec = run_command("build-spec", "--chain", "dev-sealing").stdout.decode()
    other = tmp_path / "other.json"
    other.write_text(spec.replace('"epoch_blocks": 100', '"epoch_blocks": 50'))
    refused = run_command("chain-info", "--chain", str(other), "--base-path", str(tmp_path))
    check_failure(refused.returncode, refused.stderr, "genesis", "purge-chain")


def test_a_full_disk_stops_the_node_with_one_sentence(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    base = str(tmp_path / "base")
    flags = ("--dev", "--sealing", "20", "--base-path", base, "--rpc-port", "0", "--no-prometheus")
    limited = ("bash", "-c", 'ulimit -f 64; exec "$@"', "bash", sys.executable, "-m", "node.main", *flags)
    done = subprocess.run(limited, capture_output=True, timeout=120, check=False)
    check_failure(done.returncode, done.stderr, "no room to write to", "Free some space")
    again = run_command("chain-info", "--chain", "dev-sealing", "--base-path", base)
    assert again.returncode == 0, again.stderr


def test_a_secret_from_a_pipe_is_read_without_a_warning_of_pythons() -> None:
    """No path of a Python file, no line of its code."""
    done = run_command("key", "inspect", stdin=b"//Alice\n")
    assert done.returncode == 0
    assert b"5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpu" in done.stdout
    assert b"GetPassWarning" not in done.stderr


def check_failure(code: int, stderr: bytes, *words: str) -> None:
    """Assert exit code 1, a sentence with these words, and no traceback."""
    text = stderr.decode()
    assert code == 1, text
    assert "Traceback" not in text
    for word in words:
        assert word in text, text


def test_the_subcommands_work_on_what_a_node_left(tmp_path: Path) -> None:
    base, copy = str(tmp_path / "base"), str(tmp_path / "copy")
    with run_node("--dev", "--sealing", "50", "--base-path", base) as node:
        node.wait_for_block(6)
        node.stop()
    chain = ("--chain", "dev-sealing", "--base-path")
    info = run_command("chain-info", *chain, base).stdout.decode()
    best = int(re.search(r'"best_number": (\d+)', info)[1])  # type: ignore[index]
    assert f'"finalized_number": {best - 2}' in info
    assert b"is valid" in run_command("check-block", *chain, base, "3").stdout
    exported = run_command("export-blocks", *chain, base, "--to", "4")
    assert len(exported.stdout.splitlines()) == 4
    imported = run_command("import-blocks", *chain, copy, stdin=exported.stdout)
    assert b"Imported 4 blocks" in imported.stdout
    binary = run_command("export-blocks", *chain, base, "--binary")
    imported = run_command("import-blocks", *chain, copy, "--binary", stdin=binary.stdout)
    assert f"Imported {best - 4} blocks, 4 were known. Best: #{best}".encode() in imported.stdout
    reverted = run_command("revert", *chain, copy, "2")
    assert f"Reverted 2 blocks. Best: #{best - 2}".encode() in reverted.stdout
    cut = run_command("import-blocks", *chain, copy, "--binary", stdin=binary.stdout[:-9])
    check_failure(cut.returncode, cut.stderr, "does not decode")
    path = get_database(tmp_path / "copy")
    declined = run_command("purge-chain", *chain, copy, stdin=b"n\n").stdout.decode()
    assert f'Are you sure to remove "{path}"? [y/N]: ' in declined
    assert path.exists()
    assert f'"{path}" removed.' in run_command("purge-chain", "-y", *chain, copy).stdout.decode()
    assert f'"{path}" did not exist.' in run_command("purge-chain", "-y", *chain, copy).stdout.decode()
    check_failure(*get_result("chain-info", *chain, copy), "there is no chain in")


def get_result(*arguments: str) -> tuple[int, bytes]:
    """Return exit code and stderr of a subcommand."""
    done = run_command(*arguments)
    return done.returncode, done.stderr
