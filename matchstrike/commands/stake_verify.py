"""`matchstrike stake verify`: what is final, proven by votes, with no trust in the node that says so."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from genesis.chain_spec import InvalidChainSpec
from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.session import emit, output_option, run, url_option
from node.finality_proof import PROOF_BYTES_MAX, InvalidProof, ProofCheck, decode_proof_file, iterate_steps
from node.run_config import SharedOptions, parse_checkpoint
from node.startup import load_spec
from rpc.api import Json
from rpc.client import RpcClient, connect


class _Page(msgspec.Struct, frozen=True):
    """What `finality_prove` answers."""

    genesis: str
    start: str
    steps: tuple[str, ...]


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--chain", default="local", show_default=True, metavar="ID|PATH", help="The chain spec that is trusted.")
@click.option("--checkpoint", metavar="HASH", help="Trust this checkpoint instead of the spec's validators.")
@url_option
@output_option
def verify(file: Path | None, chain: str, checkpoint: str | None, url: str, output: str) -> None:
    """Verify a proof of finality: a FILE of `matchstrike-node export-finality-proof`, or what a node proves.

    Nothing is trusted but the chain spec, or the checkpoint: who gives the proof can withhold its end, not forge it.
    """
    try:
        check = ProofCheck(load_spec(SharedOptions(chain=chain)), parse_checkpoint(checkpoint))
        if file is not None:
            _check_file(check, file)
        else:
            run(_check_node(check, url))
        _show(check, output)
    except InvalidChainSpec as error:
        raise CommandFailed(str(error)) from error
    except InvalidProof as error:
        raise CommandFailed(f"the proof is refused: {error}") from error


def _check_file(check: ProofCheck, file: Path) -> None:
    if file.stat().st_size > PROOF_BYTES_MAX:
        raise InvalidProof(f"the file has more than {PROOF_BYTES_MAX} bytes")
    check.take(iterate_steps(decode_proof_file(file.read_bytes()), check.plan))


async def _check_node(check: ProofCheck, url: str) -> None:
    """Ask for page after page until one brings nothing new."""
    async with connect(url) as client:
        start = b""
        while start != check.start:
            start = check.start
            check.take(await _ask(client, start))


async def _ask(client: RpcClient, start: bytes) -> list[bytes]:
    try:
        page = msgspec.convert(await client.call("finality_prove", f"0x{start.hex()}"), _Page)
        return [bytes.fromhex(step.removeprefix("0x")) for step in page.steps]
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidProof(f"the node's answer is no page of a proof: {error}") from error


def _show(check: ProofCheck, output: str) -> None:
    proven = check.get_proven()
    begin = "block 0" if check.plan.checkpoint is None else f"the trusted 0x{check.plan.checkpoint.hex()}"
    data: dict[str, Json] = {
        "number": proven.number,
        "hash": f"0x{proven.hash.hex()}",
        "stateRoot": f"0x{proven.state_root.hex()}" if proven.state_root else None,
        "justified": proven.justified,
        "steps": proven.steps,
        "bytes": proven.bytes,
        "validators": proven.validators,
    }
    lines = [f"Nothing above {begin} is proven final ({proven.steps} steps)."]
    if proven.state_root:
        lines = [
            f"Block #{proven.number} is final: 0x{proven.hash.hex()}",
            f"Its state root is 0x{proven.state_root.hex()}; {proven.validators} validators vote in that state.",
            f"Proven by votes from {begin} on, in {proven.steps} steps of {proven.bytes} bytes; #{proven.justified} is "
            "justified.",
        ]
        if check.plan.checkpoint is None:
            lines.append(
                "Validators of the past who have withdrawn their stake could sign another history; compare the"
            )
            lines.append("hash with somebody you trust if you have never followed this chain before.")
    emit(data, "\n".join(lines), output)
