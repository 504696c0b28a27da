"""The `matchstrike` command: one entry, its groups loaded only when they are used.

Options come from flags, else the environment, else `matchstrike.toml` here, else the user's `config.toml`.
Exit codes: 0 ok, 1 failed, 2 usage, 3 node unreachable, 4 timed out, 5 not found, 6 key or password, 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.settings import SettingsFile, check_groups, load_settings_files, make_defaults
from workers.process_setup import set_up_process

GROUPS = {
    "bench": ("matchstrike.commands.bench:bench", "Measure this machine: strikes, block import, sync, RPC."),
    "completion": ("matchstrike.commands.completion:completion", "Make a shell complete commands and options."),
    "devnet": ("matchstrike.commands.devnet:devnet", "Run a chain on this machine and watch a bounty being paid."),
    "problem": ("matchstrike.commands.problem:problem", "Post, list, watch and cancel problems."),
    "rpc": ("matchstrike.commands.rpc:rpc", "Call any JSON-RPC method of a node."),
    "sim": ("matchstrike.commands.sim:sim", "Play networks of many nodes with faults, from one seed."),
    "solve": ("matchstrike.commands.solve:solve", "Find solutions of posted problems and earn their bounties."),
    "stake": ("matchstrike.commands.stake:stake", "Bond stake, validate, and see what is final."),
    "strike": ("matchstrike.commands.strike:strike", "Re-run any strike by hand."),
    "wallet": ("matchstrike.commands.wallet:wallet", "Keys, balances and transfers."),
    "work": ("matchstrike.commands.work:work", "Sell strikes in batches: bonds, audits, reputation."),
}


class LazyGroup(click.Group):
    """A group whose members are imported when they are called, so that `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all groups."""
        return sorted(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one group, imported now."""
        if cmd_name not in GROUPS:
            return None
        module, _, attribute = GROUPS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        if not ctx.resilient_parsing:  # completing a line must not fail on somebody's file
            files = get_settings_files(ctx)
            ctx.default_map = {**(ctx.default_map or {}), cmd_name: make_defaults(cmd_name, command, files)}
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the groups that begin so, without importing them."""
        found = [CompletionItem(name, help=GROUPS[name][1]) for name in sorted(GROUPS) if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of groups without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in sorted(GROUPS.items())])


def get_settings_files(ctx: click.Context) -> tuple[SettingsFile, ...]:
    """Return the configuration files, read once a run."""
    if "settings" not in ctx.meta:
        files = load_settings_files()
        check_groups(files, GROUPS)
        ctx.meta["settings"] = files
    known: tuple[SettingsFile, ...] = ctx.meta["settings"]
    return known


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="matchstrike")
def matchstrike() -> None:
    """Matchstrike: a chain whose blocks are won by running quantum circuits on problems that people pay for.

    Start with `scripts/devnet`, or `matchstrike-node --dev` and then `matchstrike problem post FILE --bounty 5`.
    """


def main() -> None:
    """Run the command line and turn our own failures into a sentence and an exit code."""
    set_up_process()  # before a group imports numpy
    try:
        matchstrike.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        explain_source(error)
        sys.exit(error.exit_code)
    except CommandFailed as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)


def explain_source(error: click.ClickException) -> None:
    """Say that a bad value was not typed, when it was not."""
    if not isinstance(error, click.BadParameter) or error.ctx is None or error.param is None:
        return
    if error.ctx.get_parameter_source(str(error.param.name)) is ParameterSource.DEFAULT_MAP:
        places = ["the environment", *(str(file.path) for file in get_settings_files(error.ctx))]
        click.echo(f"This value comes from {' or '.join(places)}.", err=True)


if __name__ == "__main__":
    main()
