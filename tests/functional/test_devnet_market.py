"""Four real nodes sell strikes: the honest are paid, the forger is slashed and named, the silent one is void."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from chain.ed25519 import sign
from chain.merkle import compute_root, make_multiproof
from chain.secret_uri import derive_seed
from chain.ss58 import encode_address
from consensus.batch import Statement, Witness, compute_snapshot, compute_statement_hash, make_law_record
from consensus.work import compute_shots_bytes, make_leaf
from genesis.presets import get_development_accounts
from runtime.batch_records import Signed
from runtime.pallets.batches import report_fraud
from runtime.runtime import encode_call
from vm.law import compute_law
from vm.problem import make_problem
from wallet.chain_client import Receipt, open_chain

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("alice", "bob", "charlie", "dave")
UNIT = 10**12
SECONDS_MAX = 420.0
ADDRESSES = {name: encode_address(get_development_accounts()[f"//{name.title()}"]) for name in NAMES}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_batches_are_sold_audited_and_paid_and_cheats_lose(tmp_path: Path) -> None:
    """Issue of honest work, first demonstration: see the module's first line, and a reporter who is paid."""
    with run_market(tmp_path) as url:
        for name in NAMES:
            command("work", "bond", "100", "--from", name, "--url", url)
        terms = ("--bounty", "5", "--target", "30", "--work-budget", "5000", "--price-per-gas", "1000")
        command(
            "problem",
            "post",
            str(EXAMPLES / "cubic20.txt"),
            *terms,
            "--deadline",
            "100000",
            "--from",
            "eve",
            "--url",
            url,
        )
        rows = wait_until(url, lambda rows: all(rows[name]["paid"] >= 2 for name in ("alice", "bob")))
        rows = wait_until(url, lambda rows: rows["charlie"]["slashed"] >= 1 and rows["dave"]["void"] >= 1)
        print(json.dumps(rows, indent=1))
        for name in ("alice", "bob"):
            assert (rows[name]["slashed"], rows[name]["bond"]) == (0, str(100 * UNIT))
            assert rows[name]["reputation"] >= 2
        assert rows["charlie"]["paid"] == 0
        assert int(rows["charlie"]["bond"]) < 100 * UNIT
        assert (rows["dave"]["paid"], rows["dave"]["slashed"], rows["dave"]["bond"]) == (0, 0, str(100 * UNIT))
        for name in NAMES:
            log = (tmp_path / f"{name}.log").read_text(errors="replace")
            assert f"Solver {ADDRESSES['charlie']} was slashed 10 MSK" in log, f"{name} does not name the forger"
            assert "Traceback" not in log
            assert not re.search(rf"Solver ({ADDRESSES['alice']}|{ADDRESSES['bob']}) was slashed", log)
        assert "is void: no answer came in time" in (tmp_path / "dave.log").read_text(errors="replace")
        batches = json.loads(command("work", "batches", "--problem", "0", "-o", "json", "--url", url))
        assert {row["status"] for row in batches} >= {"paid", "void", "slashed"}
        receipt = asyncio.run(
            report_signed_lie(url, json.loads(command("problem", "show", "0", "-o", "json", "--url", url)))
        )
        slashed = next(event for event in receipt.events if event.name == "SolverSlashed")
        assert slashed.fields["reward"] == str(UNIT) or slashed.fields["reward"] == UNIT
        assert command("work", "solver", "dave", "--url", url)


@contextmanager
def run_market(folder: Path) -> Iterator[str]:
    """Run examples/market.toml until the context ends; yields alice's RPC address."""
    words = [sys.executable, "-m", "matchstrike.commands.main", "devnet", "up", str(EXAMPLES / "market.toml")]
    with subprocess.Popen([*words, "--base-path", str(folder)], stdout=subprocess.PIPE, text=True) as devnet:
        try:
            assert devnet.stdout is not None
            told = ""
            for line in devnet.stdout:
                told += line
                if "All nodes answer" in line:
                    break
            found = re.search(r"^alice\s+(ws://127\.0\.0\.1:\d+)", told, re.M)
            assert found is not None, told
            Thread(target=devnet.stdout.read, daemon=True).start()  # it goes on telling
            yield found[1]
        finally:
            devnet.send_signal(signal.SIGINT)


def command(*words: str) -> str:
    """Run `matchstrike` and return what it printed."""
    line = [sys.executable, "-m", "matchstrike.commands.main", *words]
    done = subprocess.run(line, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def wait_until(url: str, is_done: Callable[[dict[str, dict[str, object]]], bool]) -> dict[str, dict[str, object]]:
    """Return the solvers by name once they are as wanted."""
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        rows = json.loads(command("work", "solvers", "-o", "json", "--url", url))
        named = {name: row for row in rows for name in NAMES if row["account"] == ADDRESSES[name]}
        if len(named) == len(NAMES) and is_done(named):
            return named
        assert time.monotonic() < deadline, json.dumps(named, indent=1)
        time.sleep(2)


async def report_signed_lie(url: str, problem: dict[str, object]) -> Receipt:
    """Let eve, for whom no node signs, report a statement with wrong leaves that dave signed and put on no chain."""
    ising = problem["ising"]
    assert isinstance(ising, dict)
    record = make_problem(len(ising["fields"]), ising["couplings"], fields=ising["fields"], offset=ising["offset"])
    order, depth = tuple(problem["order"]), int(str(problem["depth"]))  # type: ignore[arg-type]
    law = compute_law(record, depth)
    witness = Witness(order=order, law=make_law_record(law))
    shots = bytes(compute_shots_bytes(record.n, 32))
    leaves = [make_leaf(index, shots) for index in range(64)]
    async with open_chain(url) as chain:
        statement = Statement(
            genesis=chain.genesis_hash,
            solver=get_development_accounts()["//Dave"],
            key=bytes(32),
            problem=0,
            snapshot=compute_snapshot(0, order, law, 32),
            root=compute_root(leaves),
            count=64,
        )
        signature = sign(derive_seed("//Dave"), compute_statement_hash(statement))
        claim = Signed(statement=statement, signature=signature)
        gas = int(str(problem["strikeGas"]))
        call = encode_call(report_fraud, claim, gas, witness, 7, shots, make_multiproof(leaves, [7]), None)
        return await chain.submit(await chain.sign(call, derive_seed("//Eve")))
