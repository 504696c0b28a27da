"""What every command that uses a key shares: where the accounts lie, and where a password comes from.

A password comes from `--password-file`, else from MATCHSTRIKE_PASSWORD, else from the terminal. Without a terminal the
command fails with a sentence instead of waiting.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from matchstrike.commands.failure import KEY, CommandFailed
from matchstrike.commands.settings import get_user_folder
from wallet.accounts import AccountFailure, AccountFolder

PASSWORD_VARIABLE = "MATCHSTRIKE_PASSWORD"
F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")


def get_default_keys_dir() -> Path:
    """Return the folder of accounts among the user's own files."""
    return get_user_folder() / "keys"


def keys_option(function: F) -> F:
    """Add `--keys-dir`."""
    option = click.option(
        "--keys-dir",
        type=click.Path(path_type=Path, file_okay=False),
        default=get_default_keys_dir,
        envvar="MATCHSTRIKE_KEYS_DIR",
        help="Folder of the accounts [~/.config/matchstrike/keys].",
    )
    return option(function)


def password_option(function: F) -> F:
    """Add `--password-file`."""
    option = click.option(
        "--password-file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
        help=f"File with the password, - for stdin; else {PASSWORD_VARIABLE}, else it is asked for.",
    )
    return option(function)


def unlock_account(who: str, keys_dir: Path, password_file: Path | None) -> bytes:
    """Return the secret seed of the account that a command signs with.

    Args:
        who: A name of the folder, its address, or a development account such as `alice` or `//Alice`.

    Raises:
        CommandFailed: with the exit code for keys.
    """
    folder = AccountFolder(keys_dir)
    return guard(lambda: folder.unlock(who, ask_password=lambda: read_password(password_file, f"Password of {who}")))


def resolve_account(who: str, keys_dir: Path, *, prefix: int | None = None) -> bytes:
    """Return the public key of a name, an address, or `0x` and 64 hex digits.

    Raises:
        CommandFailed: with the exit code for keys.
    """
    return guard(lambda: AccountFolder(keys_dir).resolve(who, prefix=prefix))


def guard(work: Callable[[], T]) -> T:
    """Return what the work returns; trouble with a key becomes a sentence and the exit code for keys.

    Raises:
        CommandFailed: see above.
    """
    try:
        return work()
    except AccountFailure as error:
        raise CommandFailed(str(error), KEY) from None


def read_password(file: Path | None, prompt: str, *, confirm: bool = False) -> str:
    """Return the password, from the first source that there is.

    Raises:
        CommandFailed: there is none, or it is empty.
    """
    password = _find_password(file, prompt, confirm=confirm)
    if not password:
        raise CommandFailed("the password is empty", KEY)
    return password


def _find_password(file: Path | None, prompt: str, *, confirm: bool) -> str:
    if file is not None:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandFailed(f"cannot read the password from {file}: {error}", KEY) from None
        return text.rstrip("\r\n")
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is not None:
        return password
    if not sys.stdin.isatty():
        raise CommandFailed(f"a password is needed: use --password-file or {PASSWORD_VARIABLE}", KEY)
    typed: str = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return typed
