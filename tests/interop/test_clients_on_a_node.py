"""Substrate's own clients, unmodified, against a mining development node.

Nothing here is skipped when Node or a client is missing: `scripts/test` installs both, and what cannot run fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain.runtime_metadata import RuntimeMetadata
from tests.support.dev_node import DevNode, run_dev_node

HERE = Path(__file__).parent
AMOUNT = 3 * 10**12
ALICE = "5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpu"
BOB = "5GoNkf6WdbxCFnPdAnYYQyCjAKPJgLNxXwPjwTh6DGg6gN3E"
CHARLIE = "5DbKjhNLpqX3zqZdNBc9BGb4fHU1cRBaDhJUskrvkwfraDi6"
DAVE = "5ECTwv6cZ5nJQPk6tWfaTrEk8YH2L7X1VT4EL5Tx2ikfFwb7"
CHARLIE_SEED = "0x072c02fa1409dc37e03a4ed01703d4a9e6bba9c228a49a00366e9630a97cba7c"
MOVED = ["Withdraw", "Transfer", "Deposit", "TransactionFeePaid", "ExtrinsicSuccess"]


@pytest.fixture(scope="module")
def node() -> Iterator[DevNode]:
    """One node for all tests of this file."""
    with run_dev_node() as running:
        yield running


def _run(node: DevNode, *command: str) -> dict:
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    shown = f"{' '.join(command)} ended with {result.returncode}:\n{result.stderr}\n{result.stdout}\n{node.read_log()}"
    assert result.returncode == 0, shown
    answer = json.loads(result.stdout.strip().splitlines()[-1])
    assert isinstance(answer, dict)
    return answer


def _check_balances(result: dict) -> None:
    """The receiver has the amount, the sender has lost it and a fee, and its nonce counts one more."""
    before, after = result["before"], result["after"]
    assert int(after["receiver"]["free"]) - int(before["receiver"]["free"]) == AMOUNT
    lost = int(before["sender"]["free"]) - int(after["sender"]["free"])
    assert AMOUNT < lost < AMOUNT + 10**12
    assert after["sender"]["nonce"] == before["sender"]["nonce"] + 1


def test_polkadot_js_transfers_decodes_the_events_and_shows_the_blocks_author(node: DevNode) -> None:
    script = str(HERE / "polkadot_js" / "transfer.js")
    result = _run(node, "node", script, node.ws_url, "//Bob", "//Charlie", str(AMOUNT))
    assert (result["sender"], result["receiver"], result["chain"]) == (BOB, CHARLIE, "Development")
    _check_balances(result)
    events = result["included"]["events"]
    assert [event["name"] for event in events] == MOVED
    moved = events[1]["data"]
    assert (moved["from"], moved["to"], moved["amount"].replace(",", "")) == (BOB, CHARLIE, str(AMOUNT))
    assert result["included"]["dispatchError"] is None
    assert result["isInBody"] is True
    assert result["author"] == ALICE
    assert result["headerHash"] == result["included"]["blockHash"]  # it hashes the header itself


def test_polkadot_js_sees_blocks_and_transactions_become_final(node: DevNode) -> None:
    script = str(HERE / "polkadot_js" / "finality.js")
    result = _run(node, "node", script, node.ws_url, "//Eve", "//Ferdie", str(AMOUNT))
    assert result["statuses"][-1] == "Finalized"
    assert "InBlock" in result["statuses"]
    numbers = [head["number"] for head in result["heads"]]
    assert numbers == list(range(numbers[0], numbers[0] + 3)), "no final head is left out"
    assert result["derived"] == sorted(set(result["derived"]))
    assert result["finalNumber"] >= result["number"]
    for head in result["heads"]:
        assert node.call("chain_getBlockHash", head["number"]) == head["hash"]


def test_substrate_interface_transfers_and_decodes_the_events(node: DevNode) -> None:
    script = str(HERE / "substrate_interface_transfer.py")
    result = _run(node, sys.executable, script, node.ws_url, CHARLIE_SEED, DAVE, str(AMOUNT))
    assert (result["sender"], result["receiver"]) == (CHARLIE, DAVE)
    _check_balances(result)
    assert result["included"]["isSuccess"] is True
    assert [event["name"] for event in result["included"]["events"]] == MOVED
    assert "transfer_keep_alive" in result["calls"]


def test_our_own_client_reads_the_node_through_its_metadata(node: DevNode) -> None:
    metadata = RuntimeMetadata.decode(bytes.fromhex(str(node.call("state_getMetadata"))[2:]))
    assert {pallet.name for pallet in metadata.pallets} >= {"System", "Timestamp", "Balances", "Problems", "Work"}
    key = metadata.storage_key("System", "Account", BOB)
    value = str(node.call("state_getStorage", "0x" + key.hex()))
    account = metadata.decode_storage("System", "Account", bytes.fromhex(value[2:]))
    assert isinstance(account, dict)
    assert account["data"]["free"] > 0
    for pallet in metadata.pallets:
        for constant in pallet.constants:
            metadata.constant(pallet.name, constant.name)
        for item in pallet.storage.entries if pallet.storage else ():
            metadata.decode_storage(pallet.name, item.name, None)
