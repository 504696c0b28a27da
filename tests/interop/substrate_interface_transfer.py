"""Sends one ed25519 transfer through the unmodified substrate-interface and prints what it saw as one line of JSON.

usage: python substrate_interface_transfer.py ws://127.0.0.1:9944 0xSEED ADDRESS 1000000000000
"""

from __future__ import annotations

import json
import sys

from substrateinterface import Keypair, KeypairType, SubstrateInterface


def main(url: str, seed: str, receiver: str, amount: str) -> None:
    """Transfer, wait for the block, and print one line."""
    chain = SubstrateInterface(url=url, auto_discover=False)
    sender = Keypair.create_from_seed(seed, ss58_format=chain.ss58_format, crypto_type=KeypairType.ED25519)

    def read_balance(address: str) -> dict[str, object]:
        info = chain.query("System", "Account", [address]).value
        return {"free": str(info["data"]["free"]), "nonce": info["nonce"]}

    def read_both() -> dict[str, object]:
        return {"sender": read_balance(sender.ss58_address), "receiver": read_balance(receiver)}

    before = read_both()
    call = chain.compose_call(
        call_module="Balances",
        call_function="transfer_keep_alive",
        call_params={"dest": receiver, "value": int(amount)},
    )
    extrinsic = chain.create_signed_extrinsic(call=call, keypair=sender, era={"period": 64})
    receipt = chain.submit_extrinsic(extrinsic, wait_for_inclusion=True)
    events = [event.value["event"] for event in receipt.triggered_events]
    header = chain.get_block_header(block_hash=receipt.block_hash)["header"]
    block = chain.get_block(block_hash=receipt.block_hash)
    result = {
        "chain": chain.chain,
        "sender": sender.ss58_address,
        "receiver": receiver,
        "before": before,
        "after": read_both(),
        "included": {
            "blockHash": receipt.block_hash,
            "txHash": receipt.extrinsic_hash,
            "isSuccess": receipt.is_success,
            "events": [{"pallet": event["module_id"], "name": event["event_id"]} for event in events],
        },
        "number": header["number"],
        "calls": [item.value["call"]["call_function"] for item in block["extrinsics"]],
    }
    print(json.dumps(result, default=str))
    chain.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
