"""Log lines as Substrate prints them, and the `-l target=level` filters.

`YYYY-MM-DD HH:MM:SS message` at info and above; with a filter below info, or `--detailed-log-output`, milliseconds,
level, thread and target come before the message. Control codes are taken out of messages, so that a name or an error
from outside cannot forge lines or steer a terminal.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import MutableMapping, Sequence
from typing import TextIO

import msgspec
import structlog

TRACE = 5
LEVELS = {
    "off": logging.CRITICAL + 10,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE,
}
_NOISY = ("numba", "asyncio")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_NAMES = {
    logging.ERROR: "ERROR",
    logging.CRITICAL: "ERROR",
    logging.WARNING: " WARN",
    logging.INFO: " INFO",
    logging.DEBUG: "DEBUG",
    TRACE: "TRACE",
}


class InvalidLogFilter(ValueError):
    """A `-l` directive that names no level."""


class LogFilter(msgspec.Struct, frozen=True, kw_only=True):
    """One directive; an empty target is every target."""

    target: str
    level: int


def parse_log_filters(texts: Sequence[str]) -> tuple[LogFilter, ...]:
    """Return the directives of `-l` options such as `debug` or `miner=trace,rpc=warn`.

    Raises:
        InvalidLogFilter: a level that does not exist.
    """
    filters: list[LogFilter] = []
    for directive in ",".join(texts).split(","):
        if not directive.strip():
            continue
        target, separator, level = directive.strip().rpartition("=")
        if not separator and level.lower() not in LEVELS:
            target, level = level, "trace"  # Substrate: a bare target switches all of it on
        if level.lower() not in LEVELS:
            raise InvalidLogFilter(f"'{directive}': the level is one of {', '.join(LEVELS)}")
        filters.append(LogFilter(target=target, level=LEVELS[level.lower()]))
    return tuple(filters)


def strip_control_codes(message: str) -> str:
    """Return the message without terminal escapes and control characters."""
    return _CONTROL.sub("", message)


class SubstrateFormatter(logging.Formatter):
    """Formats records as Substrate does."""

    def __init__(self, *, is_detailed: bool) -> None:
        super().__init__()
        self.is_detailed = is_detailed

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for one record."""
        lines = [record.getMessage().replace("\n", " ")]
        if record.exc_info:
            lines += self.formatException(record.exc_info).split("\n")
        clean = "\n".join(strip_control_codes(line) for line in lines)
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        if not self.is_detailed:
            return f"{stamp} {clean}"
        level = _NAMES.get(record.levelno, record.levelname)
        return f"{stamp}.{int(record.msecs):03d} {level} {record.threadName} {record.name}: {clean}"


def set_up_logs(filters: Sequence[LogFilter], *, is_detailed: bool = False, stream: TextIO | None = None) -> None:
    """Send the node's log to `stream` (stderr), with these filters."""
    logging.addLevelName(TRACE, "TRACE")
    handler = logging.StreamHandler(stream or sys.stderr)
    detailed = is_detailed or any(item.level < logging.INFO for item in filters)
    handler.setFormatter(SubstrateFormatter(is_detailed=detailed))
    logging.getLogger().handlers = [handler]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.processors.format_exc_info, _render],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    reset_log_filters(filters)


def add_log_filters(filters: Sequence[LogFilter]) -> None:
    """Change the level of the named targets."""
    for item in filters:
        logging.getLogger(item.target).setLevel(item.level)


def reset_log_filters(filters: Sequence[LogFilter]) -> None:
    """Go back to info, then apply these filters."""
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.setLevel(logging.NOTSET)
    logging.getLogger().setLevel(logging.INFO)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    add_log_filters(filters)


def get_logger(target: str) -> logging.Logger:
    """Return the logger of a target, as in `-l target=debug`."""
    return logging.getLogger(target)


def _render(logger: object, method: str, event: MutableMapping[str, object]) -> str:
    """Return a structured event as one line: the event, then its keys and values."""
    words = [str(event.pop("event", ""))]
    words += [f"{key}={value}" for key, value in event.items()]
    return " ".join(words)
