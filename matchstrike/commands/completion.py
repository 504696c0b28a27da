"""`matchstrike completion`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "matchstrike"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete `matchstrike`.

    \b
        matchstrike completion bash >> ~/.bashrc
        matchstrike completion zsh  >> ~/.zshrc
        matchstrike completion fish > ~/.config/fish/completions/matchstrike.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(ctx.find_root().command, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE")
    # `source()` would also run the shell to look at its version, which says nothing about the shell of the user
    click.echo(script.source_template % script.source_vars())
