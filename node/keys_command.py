"""`matchstrike-node key`: make, look at and store keys, with Substrate's options and output. Ed25519 only.

Source: Substrate, `client/cli/src/commands/{generate,inspect_key,insert_key,generate_node_key,inspect_node_key}.rs`.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from getpass import GetPassWarning
from pathlib import Path
from typing import TypeVar

import click

from chain.ed25519 import public_of
from chain.mnemonic import WORDS_BY_ENTROPY_BYTES, mnemonic_of
from chain.peer_id import encode_peer_id
from chain.secret_uri import InvalidSecretUri, compute_root_seed, derive_seed, parse_secret_uri
from chain.ss58 import InvalidAddress, decode_address
from node.folders import get_default_base, get_folders
from node.key_report import (
    NothingToReport,
    UnknownNetwork,
    format_json,
    format_text,
    make_public_report,
    make_report,
    read_network,
)
from node.synced_file import write_synced

F = TypeVar("F", bound=Callable[..., object])

NODE_KEY_FILE = "secret_ed25519"
INVALID = "Invalid phrase/URI given"


@click.group()
def key() -> None:
    """Make, look at and store keys."""


def _check_scheme(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if value.lower() != "ed25519":
        raise click.BadParameter(f"{value!r} keys do not work here: this chain knows ed25519 only")
    return "ed25519"


def _check_network(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return read_network(value)
    except UnknownNetwork as error:
        raise click.BadParameter(str(error)) from None


def _decorate(command: F, options: list[Callable[[F], F]]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def _password_options(command: F) -> F:
    """Add the three ways to give a password, of which one at most may be used."""
    return _decorate(
        command,
        [
            click.option("--password", metavar="TEXT", help="Password that is part of the secret."),
            click.option(
                "--password-filename",
                type=click.Path(path_type=Path, exists=True, dir_okay=False),
                help="File with the password; a line end after it does not count.",
            ),
            click.option("--password-interactive", is_flag=True, help="Ask for the password."),
        ],
    )


def _scheme_option(command: F) -> F:
    option = click.option(
        "--scheme", default="ed25519", show_default=True, callback=_check_scheme, help="Kind of key: ed25519."
    )
    return option(command)


def _report_options(command: F) -> F:
    """Add the options of what is printed."""
    return _decorate(
        command,
        [
            click.option(
                "-n", "--network", metavar="NAME|NUMBER", callback=_check_network, help="SS58 network [substrate]."
            ),
            click.option(
                "--output-type",
                type=click.Choice(["text", "json"], case_sensitive=False),
                default="text",
                show_default=True,
            ),
        ],
    )


@key.command()
@click.option("-w", "--words", type=int, default=12, show_default=True, help="Words: 12, 15, 18, 21 or 24.")
@_password_options
@_report_options
@_scheme_option
def generate(
    words: int,
    password: str | None,
    password_filename: Path | None,
    password_interactive: bool,
    network: int | None,
    output_type: str,
    scheme: str,
) -> None:
    """Make a random account and print its phrase and addresses."""
    entropy_bytes = next((size for size, count in WORDS_BY_ENTROPY_BYTES.items() if count == words), None)
    if entropy_bytes is None:
        raise click.UsageError("Invalid number of words given for phrase: must be 12/15/18/21/24")
    phrase = mnemonic_of(os.urandom(entropy_bytes))
    _print_report(phrase, _read_password(password, password_filename, password_interactive), network, output_type)


@key.command()
@click.argument("uri", required=False)
@click.option("--public", is_flag=True, help="URI is a public key in hex.")
@click.option("--expect-public", metavar="HEX|SS58", help="Fail unless the URI without its path has this public key.")
@_password_options
@_report_options
@_scheme_option
def inspect(
    uri: str | None,
    public: bool,
    expect_public: str | None,
    password: str | None,
    password_filename: Path | None,
    password_interactive: bool,
    network: int | None,
    output_type: str,
    scheme: str,
) -> None:
    """Print the keys and addresses of URI.

    URI is a phrase, a raw seed, a secret URI such as //Alice, an address, or a file that holds one of these; it is
    asked for when missing.
    """
    if public and expect_public is not None:
        raise click.UsageError("--public and --expect-public cannot be used together")
    text = _read_uri(uri)
    chosen = _read_password(password, password_filename, password_interactive)
    if public:
        report = make_public_report(_read_public_hex(text), network=network)
        click.echo(format_json(report) if output_type.lower() == "json" else format_text(report))
        return
    if expect_public is not None:
        _check_expected_public(expect_public, text, chosen)
    _print_report(text, chosen, network, output_type)


@key.command()
@click.option("--suri", metavar="URI", help="Secret URI, or a file that holds it; asked for when missing.")
@click.option("--key-type", required=True, metavar="XXXX", help="Four letters that say what the key is for.")
@click.option("-d", "--base-path", type=click.Path(path_type=Path, file_okay=False), help="Where the data lie.")
@click.option("--chain", metavar="ID|PATH", help="dev, local, testnet, or a chain spec's JSON file [local].")
@click.option("--dev", is_flag=True, help="The same as --chain dev.")
@click.option("--keystore-path", type=click.Path(path_type=Path, file_okay=False), help="Folder of the keystore.")
@_password_options
@_scheme_option
def insert(
    suri: str | None,
    key_type: str,
    base_path: Path | None,
    chain: str | None,
    dev: bool,
    keystore_path: Path | None,
    password: str | None,
    password_filename: Path | None,
    password_interactive: bool,
    scheme: str,
) -> None:
    """Put a key into the keystore of a node.

    The file holds the URI itself and can be read by this user only. The password is part of the secret and is not
    stored.
    """
    if len(key_type.encode(errors="replace")) != 4:
        raise click.UsageError(f"a key type has four letters, such as mine; {key_type!r} has not")
    text = _read_uri(suri)
    chosen = _read_password(password, password_filename, password_interactive)
    try:
        public = public_of(derive_seed(text, password=chosen))
    except InvalidSecretUri as error:
        raise click.ClickException(f"{INVALID}: {error}") from None
    chain_id = read_chain_id(chain if chain is not None else "dev" if dev else "")
    folder = keystore_path or get_folders(base_path or get_default_base(), chain_id).keystore
    name = key_type.encode().hex() + public.hex()
    _write_secret(folder / name, json.dumps(text, ensure_ascii=False).encode())


@key.command("generate-node-key")
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="Write the secret here, not to stdout.")
@click.option("--bin", "binary", is_flag=True, help="32 raw bytes instead of hex.")
@click.option("--base-path", "-d", type=click.Path(path_type=Path, file_okay=False), help="Write it where nodes look.")
@click.option("--default-base-path", is_flag=True, help="The same, in the default place.")
@click.option("--chain", metavar="ID|PATH", help="The chain of --base-path [local].")
def generate_node_key(
    file: Path | None, binary: bool, base_path: Path | None, default_base_path: bool, chain: str | None
) -> None:
    """Make the secret of a node; print it, or write it to a file, and its peer id to stderr."""
    if sum((file is not None, base_path is not None, default_base_path)) > 1:
        raise click.UsageError("--file, --base-path and --default-base-path exclude each other")
    secret = os.urandom(32)
    data = secret if binary else secret.hex().encode()
    if file is not None:
        _write_secret(file, data)
    elif base_path is not None or default_base_path:
        folder = get_folders(base_path or get_default_base(), read_chain_id(chain or "")).network
        path = folder / NODE_KEY_FILE
        if path.exists():
            raise click.ClickException(f"a node key is already there and is kept: {path}")
        click.echo(f'Generating key in "{path}"', err=True)
        _write_secret(path, data)
    else:
        click.echo(data, nl=False)
    click.echo(encode_peer_id(public_of(secret)), err=True)


@key.command("inspect-node-key")
@click.option("--file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Read it here, not stdin.")
@click.option("--bin", "binary", is_flag=True, help="32 raw bytes instead of hex.")
@click.option("-n", "--network", metavar="NAME", hidden=True, help="Without effect, as in Substrate.")
def inspect_node_key(file: Path | None, binary: bool, network: str | None) -> None:
    """Print the peer id of a node's secret."""
    data = file.read_bytes() if file is not None else sys.stdin.buffer.read(1 << 16)
    if not binary:
        try:
            data = bytes.fromhex(data.decode().strip().removeprefix("0x"))
        except ValueError:
            raise click.ClickException("failed to decode secret as hex") from None
    if len(data) != 32:
        raise click.ClickException(f"Bad node key file: a node's secret has 32 bytes, not {len(data)}")
    click.echo(encode_peer_id(public_of(data)))


def read_chain_id(chain: str) -> str:
    """Return the id of a chain that is named by a preset or by the file of its spec.

    Raises:
        click.UsageError: neither.
    """
    # imported here because they load the whole runtime, which no other key command needs
    from genesis.chain_spec import InvalidChainSpec
    from genesis.presets import load_chain_spec

    try:
        return load_chain_spec(chain).id
    except InvalidChainSpec as error:
        raise click.UsageError(str(error)) from None


def _print_report(text: str, password: str | None, network: int | None, output_type: str) -> None:
    try:
        report = make_report(text, password=password, network=network)
    except NothingToReport as error:
        click.echo(INVALID)
        click.echo(f"{error}", err=True)
        sys.exit(1)
    click.echo(format_json(report) if output_type.lower() == "json" else format_text(report))


def _ask_secret(what: str, default: str | None = None) -> str:
    """Return what is typed without showing it; from a pipe, without Python's warning that a pipe cannot hide it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GetPassWarning)
        typed: str = click.prompt(what, hide_input=True, err=True, default=default, show_default=False)
    return typed


def _read_uri(given: str | None) -> str:
    """Return the URI itself, the content of the file that it names, or what the user types."""
    if given is None:
        return _ask_secret("URI")
    if not os.path.isfile(given):
        return given
    try:
        return Path(given).read_text(encoding="utf-8").rstrip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"cannot read {given}: {error}") from None


def _read_password(password: str | None, file: Path | None, interactive: bool) -> str | None:
    if sum((password is not None, file is not None, interactive)) > 1:
        raise click.UsageError("--password, --password-filename and --password-interactive exclude each other")
    if interactive:
        return _ask_secret("Key password", default="")
    if file is None:
        return password
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"cannot read {file}: {error}") from None


def _read_public_hex(text: str) -> bytes:
    try:
        public = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise click.ClickException(f"{text!r} is not hex") from None
    if len(public) != 32:
        raise click.ClickException("Failed to construct public key from given hex")
    return public


def _check_expected_public(expected: str, text: str, password: str | None) -> None:
    """Refuse a URI whose key before any junction is another one."""
    try:
        wanted = _read_public_hex(expected) if expected.startswith("0x") else decode_address(expected)[0]
    except InvalidAddress:
        raise click.ClickException(f"Invalid expected account id: `{expected}`") from None
    try:
        root = compute_root_seed(parse_secret_uri(text), password=password)
    except InvalidSecretUri as error:
        raise click.ClickException(f"{INVALID}: {error}") from None
    if public_of(root) != wanted:
        raise click.ClickException(f"Expected public ({expected}) key does not match.")


def _write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    try:
        write_synced(path, data)
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error}") from None
