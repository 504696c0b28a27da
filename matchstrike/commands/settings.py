"""Options from files: `matchstrike.toml` of the folder one works in, and the user's `config.toml`.

Precedence: flag > environment > project's file > user's file > default. A file looks like this:

    url = "ws://127.0.0.1:9944"     # general: for every command that has the option
    [problem.post]                  # for one command; keys are the long flags without their dashes
    bounty = 5

In the environment the same is MATCHSTRIKE_PROBLEM_POST_BOUNTY.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeAlias, cast

import click
import msgspec

from matchstrike.commands.failure import USAGE, CommandFailed

Table: TypeAlias = "dict[str, str | bool | list[str] | Table]"
GENERAL = ("from", "keys-dir", "output", "password-file", "timeout", "tip", "url", "wait")
PROJECT_FILE = "matchstrike.toml"
USER_FILE = "config.toml"


class SettingsFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file and what it says."""

    path: Path
    table: Table


def get_user_folder() -> Path:
    """Return `$MATCHSTRIKE_HOME`, else the folder in the user's configuration."""
    home = os.environ.get("MATCHSTRIKE_HOME")
    if home:
        return Path(home)
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "matchstrike"


def load_settings_files() -> tuple[SettingsFile, ...]:
    """Return the files that exist, the weakest first.

    Raises:
        CommandFailed: a file that cannot be read, or is no TOML.
    """
    paths = (get_user_folder() / USER_FILE, Path(PROJECT_FILE))
    return tuple(SettingsFile(path=path, table=_read_file(path)) for path in paths if path.exists())


def check_groups(files: Collection[SettingsFile], groups: Collection[str]) -> None:
    """Refuse what no command would ever look at.

    Raises:
        CommandFailed: names the file and the key.
    """
    for file in files:
        for key, value in file.table.items():
            if isinstance(value, dict) and key not in groups:
                raise _refuse(file, f"there is no command {key!r}; known are {', '.join(sorted(groups))}")
            if not isinstance(value, dict) and key not in GENERAL:
                raise _refuse(file, f"{key!r} is no general option; general are {', '.join(GENERAL)}")


def make_defaults(name: str, command: click.Command, files: Collection[SettingsFile]) -> dict[str, object]:
    """Return click's default map for one command of the first level and all below it: files, then environment.

    Raises:
        CommandFailed: a key that is no option of its command.
    """
    defaults: dict[str, object] = {}
    for file in files:
        table = file.table.get(name, {})
        if not isinstance(table, dict):
            raise _refuse(file, f"[{name}] must be a table")
        general = {key: value for key, value in file.table.items() if key in GENERAL}
        _merge(defaults, _resolve(command, table, general, file, where=name))
    _merge(defaults, _read_environment(command, f"MATCHSTRIKE_{name}"))
    return defaults


def _read_environment(command: click.Command, prefix: str) -> Table:
    """Return the values of the environment by the names of click's parameters."""
    if isinstance(command, click.Group):
        return {name: _read_environment(child, f"{prefix}_{name}") for name, child in command.commands.items()}
    variables = {f"{prefix}_{flag}".replace("-", "_").upper(): name for flag, name in get_flags(command).items()}
    return {name: os.environ[variable] for variable, name in variables.items() if variable in os.environ}


def _resolve(command: click.Command, table: Table, general: Table, file: SettingsFile, *, where: str) -> Table:
    """Return the values by the names of click's parameters instead of by flags."""
    if isinstance(command, click.Group):
        unknown = [key for key in table if key not in command.commands]
        if unknown:
            raise _refuse(
                file, f"[{where}] has no command {unknown[0]!r}; it has {', '.join(sorted(command.commands))}"
            )
        found: Table = {}
        for name, child in command.commands.items():
            inner = table.get(name, {})
            if not isinstance(inner, dict):
                raise _refuse(file, f"[{where}.{name}] must be a table")
            found[name] = _resolve(child, inner, general, file, where=f"{where}.{name}")
        return found
    names = get_flags(command)
    for key, value in table.items():
        if key not in names:
            raise _refuse(file, f"[{where}] has no option {key!r}; it has {', '.join(sorted(names))}")
        if isinstance(value, dict):
            raise _refuse(file, f"[{where}] {key} must be a value, not a table")
    return {names[key]: value for key, value in {**general, **table}.items() if key in names}


def get_flags(command: click.Command) -> dict[str, str]:
    """Return the names of click's parameters by the long flags that set them, without dashes."""
    return {
        flag.removeprefix("--"): str(parameter.name)
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for flag in parameter.opts
        if flag.startswith("--")
    }


def _read_file(path: Path) -> Table:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}", USAGE) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandFailed(f"{path} is no valid TOML: {error}", USAGE) from None
    return cast(Table, _to_text(data))


def _to_text(value: object) -> object:
    """Return values as they would be typed: `bounty = 5` means what `--bounty 5` means, tokens."""
    if isinstance(value, Mapping):
        return {key: _to_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [str(item) for item in value]
    return value if isinstance(value, bool) else str(value)


def _merge(into: dict[str, object], table: Table) -> None:
    for key, value in table.items():
        inner = into.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            _merge(inner, value)
        else:
            into[key] = value


def _refuse(file: SettingsFile, what: str) -> CommandFailed:
    return CommandFailed(f"{file.path}: {what}", USAGE)
