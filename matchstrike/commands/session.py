"""What every command that talks to a node shares: the address, the output form, and errors as sentences."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import TypeVar
from urllib.parse import urlsplit

import click
import msgspec
from rich.console import Console

from chain.metadata_check import MetadataError
from chain.scale import CodecError
from matchstrike.commands.failure import FAILED, KEY, NOT_FOUND, TIMED_OUT, UNREACHABLE, CommandFailed
from rpc.api import Json
from rpc.client import CallTimeout, Unreachable
from rpc.errors import RpcError
from wallet.chain_client import SubmissionFailed, UnexpectedAnswer, WaitTimeout

DEFAULT_URL = "ws://127.0.0.1:9944"
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])

ADDRESS = re.compile(r"^(ws|http)s?://[^/\s]+")
SECONDS = click.FloatRange(min=0, min_open=True)

console = Console(stderr=True, highlight=False)


def check_url(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Return the address.

    Raises:
        click.BadParameter: it is none.
    """
    try:
        is_address = ADDRESS.match(value) is not None and urlsplit(value).port != 0
    except ValueError:  # a port that is none, half a bracket
        is_address = False
    if not is_address:
        raise click.BadParameter(f"{value!r} is no address; write ws://HOST:PORT or http://HOST:PORT", ctx, param)
    return value


def url_option(function: F) -> F:
    """Add `--url`."""
    option = click.option(
        "--url",
        default=DEFAULT_URL,
        show_default=True,
        envvar="MATCHSTRIKE_URL",
        metavar="URL",
        callback=check_url,
        help="The node's JSON-RPC address (ws:// or http://).",
    )
    return option(function)


def output_option(function: F) -> F:
    """Add `-o text|json`."""
    option = click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Form of the output.",
    )
    return option(function)


def run(work: Coroutine[object, object, T]) -> T:
    """Run a command's coroutine; what goes wrong becomes a sentence and an exit code.

    Raises:
        CommandFailed: with the exit code of the kind of failure.
    """
    try:
        return asyncio.run(work)
    except asyncio.CancelledError:  # a signal that ends the process
        raise KeyboardInterrupt from None
    except Unreachable as error:
        raise CommandFailed(str(error), UNREACHABLE) from error
    except (CallTimeout, WaitTimeout) as error:
        raise CommandFailed(str(error), TIMED_OUT) from error
    except (RpcError, SubmissionFailed, UnexpectedAnswer, CodecError, MetadataError) as error:
        raise CommandFailed(str(error), FAILED) from error


def emit(data: Json, text: str, output: str) -> None:
    """Print data as JSON or the text that says the same."""
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())
    else:
        click.echo(text)


def not_found(what: str) -> CommandFailed:
    """Return the failure for something that does not exist."""
    return CommandFailed(what, NOT_FOUND)


def key_failure(what: str) -> CommandFailed:
    """Return the failure for a key or password."""
    return CommandFailed(what, KEY)
