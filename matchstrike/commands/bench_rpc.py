"""How fast a node takes extrinsics over RPC: signed transfers in batches, from the first byte to the last inclusion."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from time import perf_counter

import msgspec

from chain.ed25519 import public_of
from chain.era import IMMORTAL
from chain.extrinsic import SigningContext, encode_extra, make_signed
from chain.secret_uri import derive_seed
from matchstrike.commands.failure import CommandFailed
from matchstrike.devnet.node_process import run_lone_node
from rpc.api import Json
from rpc.errors import RpcError
from wallet.chain_client import ChainClient, open_chain, read_int

SENDERS = ("//Alice", "//Bob", "//Charlie", "//Dave", "//Eve", "//Ferdie")
BATCH = 200
AMOUNT_PLANCK = 10**9
SEALING_MS = 500
READY_SECONDS = 120
INCLUDED_SECONDS = 120


class RpcFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Submitting transfers to a running node.

    Attributes:
        rpc_submit_tx_per_s: Transfers over wall seconds from the first submission to the last inclusion.
        rpc_submit_tx_per_cpu_s: The same over the node's own CPU seconds.
        rpc_accept_tx_per_s: Transfers over wall seconds until the pool had taken all.
    """

    rpc_submissions: int
    rpc_batch: int
    rpc_submit_tx_per_s: float
    rpc_submit_tx_per_cpu_s: float
    rpc_accept_tx_per_s: float


async def measure_submission(folder: Path, count: int) -> RpcFigures:
    """Start a node that seals twice a second, submit `count` transfers, and wait until all are included.

    Raises:
        CommandFailed: the node refused one, or did not include all in time.
        DevnetFailed: it did not start.
    """
    arguments = ["--dev", "--no-prometheus", "--sealing", str(SEALING_MS), "--pool-limit", str(2 * count)]
    async with run_lone_node(arguments, folder) as node:
        await node.wait_ready(READY_SECONDS)
        async with open_chain(node.url, timeout_s=60) as chain:
            batches = make_batches(chain, count)
            cpu_started, started = read_cpu_seconds(node.pid), perf_counter()
            for batch in batches:
                check_accepted(await chain.rpc.call_batch("author_submitExtrinsic", batch))
            accepted = perf_counter() - started
            await _wait_included(chain, count)
            seconds = perf_counter() - started
            cpu = read_cpu_seconds(node.pid) - cpu_started
    return RpcFigures(
        rpc_submissions=count,
        rpc_batch=BATCH,
        rpc_submit_tx_per_s=round(count / seconds),
        rpc_submit_tx_per_cpu_s=round(count / cpu),
        rpc_accept_tx_per_s=round(count / accepted),
    )


def make_batches(chain: ChainClient, count: int) -> list[list[list[Json]]]:
    """Return signed transfers of the development accounts as parameters of batched calls."""
    context = SigningContext(
        spec_version=chain.spec_version,
        transaction_version=chain.transaction_version,
        genesis_hash=chain.genesis_hash,
        birth_hash=chain.genesis_hash,
    )
    seeds = [derive_seed(uri) for uri in SENDERS]
    call = chain.metadata.encode_call("Balances", "transfer_keep_alive", dest=public_of(seeds[0]), value=AMOUNT_PLANCK)
    params: list[list[Json]] = []
    for number in range(count):
        nonce, sender = divmod(number, len(seeds))
        extra = encode_extra(IMMORTAL, nonce, 0)
        params.append(["0x" + make_signed(call, seeds[sender], public_of(seeds[sender]), extra, context).hex()])
    return [params[start : start + BATCH] for start in range(0, count, BATCH)]


def check_accepted(answers: list[Json | RpcError]) -> None:
    """Refuse to go on when the node refused one.

    Raises:
        CommandFailed: the first refusal.
    """
    for answer in answers:
        if isinstance(answer, RpcError):
            raise CommandFailed(f"the node refused a transfer: {answer}")


def read_cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _wait_included(chain: ChainClient, count: int) -> None:
    wanted = -(-count // len(SENDERS))
    deadline = perf_counter() + INCLUDED_SECONDS
    last = public_of(derive_seed(SENDERS[(count - 1) % len(SENDERS)]))
    while perf_counter() < deadline:
        info = await chain.query("System", "Account", last)
        assert isinstance(info, dict)
        if read_int(info["nonce"]) >= wanted:
            return
        await asyncio.sleep(0.05)
    raise CommandFailed(f"not all of {count} transfers were included within {INCLUDED_SECONDS} s")
