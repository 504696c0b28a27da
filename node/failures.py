"""Turns what can go wrong for a person into a plain sentence and the exit code 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click


class CommandFailure(Exception):
    """A command that cannot do what was asked; the sentence says why and what to do."""


@contextmanager
def explain_failures() -> Iterator[None]:
    """Print a known failure as `Error: sentence` and end with 1; a bug keeps its traceback.

    Raises:
        click.ClickException: the sentence.
    """
    # imported here because they load chain, runtime and vm
    from chain.scale import CodecError
    from chain.store import StoreError
    from genesis.chain_spec import InvalidChainSpec
    from node.log_format import InvalidLogFilter
    from vm.trig_table import VmDiffers

    try:
        yield
    except VmDiffers as error:
        raise click.ClickException(f"this machine's VM computes other strikes than all others: {error}") from error
    except (CommandFailure, StoreError, InvalidChainSpec, InvalidLogFilter, CodecError) as error:
        raise click.ClickException(str(error)) from error
    except PermissionError as error:
        raise click.ClickException(f"no permission: {error.filename or error}") from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'the system'}: {error.strerror or error}") from error
