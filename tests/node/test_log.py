"""Log lines: Substrate's format, filters, and nothing that steers a terminal."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator

import pytest
import structlog

from node import log_lines
from node.log_format import (
    TRACE,
    InvalidLogFilter,
    LogFilter,
    add_log_filters,
    get_logger,
    parse_log_filters,
    reset_log_filters,
    set_up_logs,
    strip_control_codes,
)


@pytest.fixture(autouse=True)
def keep_logging() -> Iterator[None]:
    """Give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    reset_log_filters(())
    root.setLevel(level)
    structlog.reset_defaults()


def write(filters: str, target: str, level: int, message: str, **options: bool) -> str:
    """Return what the log prints."""
    stream = io.StringIO()
    set_up_logs(parse_log_filters([filters]), stream=stream, **options)
    get_logger(target).log(level, message)
    return stream.getvalue()


def test_a_line_is_the_time_and_the_message() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d Imported #7\n", write("", "import", 20, "Imported #7"))


@pytest.mark.parametrize("options", [{"is_detailed": True}, {}])
def test_a_detailed_line_has_milliseconds_level_thread_and_target(options: dict[str, bool]) -> None:
    line = write("" if options else "miner=debug", "miner", 20, "hello", **options)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}  INFO MainThread miner: hello\n", line)


def test_a_filter_opens_one_target_only() -> None:
    assert write("miner=debug", "import", logging.DEBUG, "hidden") == ""
    assert "shown" in write("miner=trace", "miner", TRACE, "shown")
    assert write("rpc=error", "rpc", logging.WARNING, "hidden") == ""


def test_filters_are_parsed_as_substrate_does() -> None:
    assert parse_log_filters(["debug", "rpc=warn,miner"]) == (
        LogFilter(target="", level=logging.DEBUG),
        LogFilter(target="rpc", level=logging.WARNING),
        LogFilter(target="miner", level=TRACE),
    )
    with pytest.raises(InvalidLogFilter, match="loud"):
        parse_log_filters(["rpc=loud"])


def test_filters_change_while_the_node_runs() -> None:
    stream = io.StringIO()
    set_up_logs((), stream=stream)
    get_logger("a").debug("one")
    add_log_filters(parse_log_filters(["a=debug"]))
    get_logger("a").debug("two")
    reset_log_filters(())
    get_logger("a").debug("three")
    assert [word for word in ("one", "two", "three") if word in stream.getvalue()] == ["two"]


@pytest.mark.parametrize("bad", ["a\x1b[31mb", "a\nb", "a\rb", "a\x07b", "a\x9bb", "a\x1b[2Jb"])
def test_control_codes_never_reach_the_terminal(bad: str) -> None:
    assert strip_control_codes(bad) == "ab"
    line = write("", "x", 20, bad)
    assert line.count("\n") == 1
    assert "\x1b" not in line


def test_structured_events_share_the_format() -> None:
    stream = io.StringIO()
    set_up_logs((), stream=stream)
    structlog.get_logger("rpc").info("call failed", method="x")
    assert stream.getvalue().endswith(" call failed method=x\n")


def test_the_sentences_are_substrates() -> None:
    one, two, three = (bytes([number]) * 32 for number in (1, 2, 3))
    assert log_lines.say_imported(12, one, two, is_best=True) == "🏆 Imported #12 (0x0101…0101 → 0x0202…0202)"
    assert log_lines.say_imported(12, one, two, is_best=False).startswith("🆕 Imported #12")
    assert log_lines.say_idle(peers=0, best=(9, one), finalized=(7, two), rates=(0, 99)) == (
        "💤 Idle (0 peers), best: #9 (0x0101…0101), finalized #7 (0x0202…0202), ⬇ 0 ⬆ 99 B/s"
    )
    assert log_lines.say_reorg((9, one), (10, two), (8, three)) == (
        "♻️  Reorg on #9,0x0101…0101 to #10,0x0202…0202, common ancestor #8,0x0303…0303"
    )


@pytest.mark.parametrize(
    ("rate", "text"), [(0, "0"), (42.4, "42 B/s"), (5632, "5.5kiB/s"), (3 * 1024 * 1024, "3.0MiB/s")]
)
def test_rates(rate: float, text: str) -> None:
    assert log_lines.format_rate(rate) == text
