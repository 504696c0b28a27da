"""A devnet's failures as those of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from matchstrike.commands.failure import FAILED, TIMED_OUT, CommandFailed
from matchstrike.devnet.failure import DevnetFailed, DevnetTimeout


@contextmanager
def tell_devnet_failures() -> Iterator[None]:
    """Turn a devnet's failure into a sentence and an exit code.

    Raises:
        CommandFailed
    """
    try:
        yield
    except DevnetTimeout as error:
        raise CommandFailed(str(error), TIMED_OUT) from error
    except DevnetFailed as error:
        raise CommandFailed(str(error), FAILED) from error
    except BaseExceptionGroup as group:
        found = _find_failure(group)
        if found is None:
            raise
        raise CommandFailed(str(found), TIMED_OUT if isinstance(found, DevnetTimeout) else FAILED) from found


def _find_failure(group: BaseExceptionGroup[BaseException]) -> DevnetFailed | None:
    """Return the first failure of a devnet in what a task group raised, if it holds nothing else."""
    found: DevnetFailed | None = None
    for error in group.exceptions:
        inner = _find_failure(error) if isinstance(error, BaseExceptionGroup) else error
        if not isinstance(inner, DevnetFailed):
            return None
        found = found or inner
    return found
