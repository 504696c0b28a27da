"""`matchstrike wallet`: the user's keys. The keys are polkadot.js keystores, which polkadot.js reads and writes too."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from chain.ss58 import PREFIX_SUBSTRATE, InvalidAddress, encode_address
from matchstrike.commands.failure import KEY, CommandFailed
from matchstrike.commands.keyring import guard, keys_option, password_option, read_password, unlock_account
from matchstrike.commands.regular_file import read_regular_file
from matchstrike.commands.session import emit, output_option
from matchstrike.commands.wallet_chain import balance, transfer
from matchstrike.commands.wallet_tx import tx
from rpc.api import Json
from wallet.accounts import DEV_NAMES, Account, AccountFolder, AskPassword

SECRET_BYTES_MAX = 1 << 20
_WARNING = "Write the phrase down and keep it safe: it is shown this once, and whoever has it has the money."
_OPEN_WARNING = "The secret lies open in the file: use this account on test networks only."


@click.group()
def wallet() -> None:
    """Keys, balances and transfers.

    Accounts are files of a folder, sealed by passwords. The accounts alice, bob, charlie, dave, eve, ferdie, one and
    two of development chains are always there: everybody knows their secrets.

    \b
        matchstrike wallet new mine
        matchstrike wallet list
        matchstrike wallet export mine > mine.json
    """


@wallet.command()
@click.argument("name")
@click.option("-w", "--words", type=click.Choice(["12", "15", "18", "21", "24"]), default="12", show_default=True)
@click.option("--no-password", is_flag=True, help="Leave the secret open; for test networks only.")
@password_option
@keys_option
@output_option
def new(name: str, words: str, no_password: bool, password_file: Path | None, keys_dir: Path, output: str) -> None:
    """Make a new account called NAME and show its phrase."""
    folder = AccountFolder(keys_dir)
    ask = None if no_password else _make_ask(name, password_file)
    account, phrase = guard(
        lambda: folder.create(name, ask_password=ask, now_ms=time.time_ns() // 1_000_000, words=int(words))
    )
    emit({**_to_json(account), "phrase": phrase}, f"{_to_text(account)}\nPhrase   {phrase}", output)
    click.echo(_WARNING if account.sealed else f"{_WARNING}\n{_OPEN_WARNING}", err=True)


@wallet.command("import")
@click.argument("name")
@click.argument("source", required=False, metavar="[FILE|-]")
@click.option("--uri", metavar="URI", help="The secret itself. Other users of this machine may see it: prefer FILE.")
@click.option("--no-password", is_flag=True, help="Leave the secret open; for test networks only.")
@password_option
@keys_option
@output_option
def import_account(
    name: str,
    source: str | None,
    uri: str | None,
    no_password: bool,
    password_file: Path | None,
    keys_dir: Path,
    output: str,
) -> None:
    """Save an account that exists elsewhere under NAME.

    FILE (- for stdin) holds a keystore of polkadot.js, or a phrase, a raw seed 0x..., or a secret URI; without FILE the
    phrase is asked for. A keystore keeps its own password; the others are sealed by a new one.
    """
    folder = AccountFolder(keys_dir)
    guard(lambda: folder.check_free(name))
    data = _read_secret(source, uri, password_file)
    if data.lstrip().startswith(b"{"):
        account = guard(
            lambda: folder.import_keystore(
                name, data, ask_password=lambda: read_password(password_file, "Password of the keystore")
            )
        )
    else:
        text = _decode_text(data)
        ask = None if no_password else _make_ask(name, password_file)
        account = guard(lambda: folder.import_uri(name, text, ask_password=ask, now_ms=time.time_ns() // 1_000_000))
    emit(_to_json(account), _to_text(account), output)
    if not account.sealed:
        click.echo(_OPEN_WARNING, err=True)


@wallet.command("list")
@click.option("--dev", is_flag=True, help="The public development accounts too.")
@keys_option
@output_option
def list_accounts(dev: bool, keys_dir: Path, output: str) -> None:
    """List the accounts."""
    folder = AccountFolder(keys_dir)
    listing = folder.list_accounts()
    accounts = [*listing.accounts, *(folder.find(name) for name in DEV_NAMES if dev)]
    width = max((len(account.name) for account in accounts), default=0)
    lines = [f"{account.name:<{width}}  {encode_address(account.public)}  {_get_kind(account)}" for account in accounts]
    if lines or output == "json":
        emit([_to_json(account) for account in accounts], "\n".join(lines), output)
    else:
        click.echo(f"no accounts in {keys_dir}; make one: matchstrike wallet new NAME", err=True)
    for file in listing.unreadable:
        click.echo(f"warning: {file.reason}", err=True)


@wallet.command()
@click.argument("who", metavar="NAME|ADDRESS")
@click.option("--ss58-format", "prefix", type=int, default=PREFIX_SUBSTRATE, show_default=True, help="Network number.")
@keys_option
@output_option
def show(who: str, prefix: int, keys_dir: Path, output: str) -> None:
    """Show one account; alice and //Alice name the development account."""
    account = guard(lambda: AccountFolder(keys_dir).find(who))
    try:
        encode_address(account.public, prefix)
    except InvalidAddress as error:
        raise click.BadParameter(str(error), param_hint="--ss58-format") from None
    emit(_to_json(account, prefix), _to_text(account, prefix), output)


@wallet.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write here instead of stdout.")
@click.option("--unsafe-seed", is_flag=True, help="Print the bare secret seed instead of the sealed file.")
@password_option
@keys_option
def export(name: str, out: Path | None, unsafe_seed: bool, password_file: Path | None, keys_dir: Path) -> None:
    """Print the keystore of NAME, as polkadot.js reads it, sealed as it is."""
    if unsafe_seed:
        data = b"0x" + unlock_account(name, keys_dir, password_file).hex().encode()
    else:
        data = guard(lambda: AccountFolder(keys_dir).export(name))
    if out is None:
        click.echo(data)
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data + b"\n")
    except OSError as error:
        raise CommandFailed(f"cannot write {out}: {error.strerror}") from None


@wallet.command()
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@keys_option
def remove(name: str, yes: bool, keys_dir: Path) -> None:
    """Delete the account NAME from this machine. What it owns on a chain stays there for whoever has the phrase."""
    folder = AccountFolder(keys_dir)
    account = guard(lambda: folder.find(name))
    question = f"Delete {account.name} ({encode_address(account.public)})? Without its phrase or a copy it is lost"
    if not yes and not click.confirm(question, err=True):
        raise CommandFailed("nothing was deleted")
    guard(lambda: folder.remove(name))
    click.echo(f"{name} was deleted", err=True)


wallet.add_command(balance)
wallet.add_command(transfer)
wallet.add_command(tx)


def _make_ask(name: str, password_file: Path | None) -> AskPassword:
    return lambda: read_password(password_file, f"New password for {name}", confirm=True)


def _read_secret(source: str | None, uri: str | None, password_file: Path | None) -> bytes:
    if uri is not None and source is not None:
        raise click.UsageError("give FILE or --uri, not both")
    if source == "-" and password_file is not None and str(password_file) == "-":
        raise click.UsageError("stdin cannot be both the key and the password")
    if uri is not None:
        return uri.encode(errors="surrogateescape")
    if source == "-":
        return sys.stdin.buffer.read(SECRET_BYTES_MAX)
    if source is not None:
        try:
            return read_regular_file(Path(source), bytes_max=SECRET_BYTES_MAX)
        except CommandFailed as error:
            raise CommandFailed(str(error), KEY) from None
    if not sys.stdin.isatty():
        raise CommandFailed("a phrase is needed: give FILE, or - to read stdin", KEY)
    typed: str = click.prompt("Phrase or secret URI", hide_input=True, err=True)
    return typed.encode()


def _decode_text(data: bytes) -> str:
    try:
        return data.decode().strip()
    except UnicodeDecodeError:
        raise CommandFailed("the file is neither a keystore nor a text with a phrase", KEY) from None


def _get_kind(account: Account) -> str:
    if account.path is None:
        return "public (development)"
    return "sealed" if account.sealed else "open"


def _to_json(account: Account, prefix: int = PREFIX_SUBSTRATE) -> dict[str, Json]:
    return {
        "name": account.name,
        "address": encode_address(account.public, prefix),
        "publicKey": "0x" + account.public.hex(),
        "kind": _get_kind(account).partition(" ")[0],
        "createdMs": account.created_ms,
        "file": None if account.path is None else str(account.path),
    }


def _to_text(account: Account, prefix: int = PREFIX_SUBSTRATE) -> str:
    lines = [
        f"Account  {account.name}",
        f"Address  {encode_address(account.public, prefix)}",
        f"Public   0x{account.public.hex()}",
        f"Kind     {_get_kind(account)}",
    ]
    if account.path is not None:
        lines.append(f"File     {account.path}")
    return "\n".join(lines)
