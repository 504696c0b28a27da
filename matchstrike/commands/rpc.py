"""`matchstrike rpc METHOD [PARAMS]`: any JSON-RPC call by hand."""

from __future__ import annotations

import click
import msgspec

from matchstrike.commands.session import SECONDS, run, url_option
from rpc.api import Json
from rpc.client import connect


@click.command()
@click.argument("method")
@click.argument("params", nargs=-1)
@url_option
@click.option(
    "--timeout", "timeout_s", type=SECONDS, default=10.0, show_default=True, help="Seconds to wait for the answer."
)
def rpc(method: str, params: tuple[str, ...], url: str, timeout_s: float) -> None:
    """Call METHOD and print its result as JSON.

    Each of PARAMS is JSON if it reads as JSON, else a string, so quotes are rarely needed:

    \b
        matchstrike rpc chain_getBlockHash 0
        matchstrike rpc system_accountNextIndex 5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpu
        matchstrike rpc rpc_methods
    """
    result = run(_call(url, method, [read_param(text) for text in params], timeout_s))
    click.echo(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())


def read_param(text: str) -> Json:
    """Return a parameter typed on the command line."""
    try:
        decoded: Json = msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return text
    return decoded


async def _call(url: str, method: str, params: list[Json], timeout_s: float) -> Json:
    async with connect(url, timeout_s=timeout_s) as client:
        return await client.call(method, *params)
