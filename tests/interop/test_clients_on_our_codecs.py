"""Substrate's own clients, unmodified, against a chain in memory that is made of chain/ alone: no node needed.

Nothing here is skipped when Node or a client is missing: `scripts/test` installs both, and what cannot run fails.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from chain.ss58 import encode_address
from tests.support.fake_node import ALICE_SEED, AUTHOR, ENDOWMENT, run_client

HERE = Path(__file__).parent
AMOUNT = 3 * 10**17
BOB = "5GoNkf6WdbxCFnPdAnYYQyCjAKPJgLNxXwPjwTh6DGg6gN3E"


def _run(command: list[str]) -> dict:
    code, out, err = asyncio.run(run_client(command))
    assert code == 0, f"{' '.join(command)} ended with {code}:\n{err}\n{out}"
    result = json.loads(out.strip().splitlines()[-1])
    assert isinstance(result, dict)
    return result


def test_polkadot_js_reads_balances_sends_a_transfer_and_decodes_its_events() -> None:
    result = _run(["node", str(HERE / "polkadot_js" / "transfer.js"), "{url}", "//Alice", "//Bob", str(AMOUNT)])
    assert result["before"]["sender"] == {"free": str(ENDOWMENT), "nonce": 0}
    assert result["after"]["sender"] == {"free": str(ENDOWMENT - AMOUNT), "nonce": 1}
    assert result["after"]["receiver"] == {"free": str(AMOUNT), "nonce": 0}
    events = [(event["pallet"], event["name"]) for event in result["included"]["events"]]
    assert events == [("balances", "Transfer"), ("system", "ExtrinsicSuccess")]
    assert result["included"]["dispatchError"] is None
    assert result["author"] == encode_address(AUTHOR)
    assert result["headerHash"] == result["included"]["blockHash"]  # it hashes the header itself
    assert result["isInBody"] is True


def test_substrate_interface_reads_balances_sends_a_transfer_and_decodes_its_events() -> None:
    script = str(HERE / "substrate_interface_transfer.py")
    result = _run([sys.executable, script, "{url}", "0x" + ALICE_SEED.hex(), BOB, str(AMOUNT)])
    assert result["before"]["sender"] == {"free": str(ENDOWMENT), "nonce": 0}
    assert result["after"]["sender"] == {"free": str(ENDOWMENT - AMOUNT), "nonce": 1}
    assert result["after"]["receiver"] == {"free": str(AMOUNT), "nonce": 0}
    events = [(event["pallet"], event["name"]) for event in result["included"]["events"]]
    assert events == [("Balances", "Transfer"), ("System", "ExtrinsicSuccess")]
    assert result["included"]["isSuccess"] is True
    assert result["calls"] == ["set", "transfer_keep_alive"]
