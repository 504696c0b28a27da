"""The `--set KEY=VALUE` options of simulations."""

from __future__ import annotations

import click


def read_settings(settings: tuple[str, ...]) -> dict[str, str]:
    """Return the options of `--set`.

    Raises:
        click.UsageError: one is not KEY=VALUE.
    """
    for item in settings:
        if "=" not in item:
            raise click.UsageError(f"--set needs KEY=VALUE, not {item!r}")
    return {key.strip(): value.strip() for key, _, value in (item.partition("=") for item in settings)}
