"""From the text of a test file to its statements; every line that is wrong is named with what is wrong with it.

    file      := { header | statement | comment | blank }
    header    := ("Description" | "Network" | "Creds") ":" text          before the first statement
    statement := name ":" check [within] | name ":" action | name ":" weather
               | "sleep" N [unit] | "partition" name {name} {"|" name {name}} | "heal" | weather
               | "final blocks agree"
    weather   := "delay" N [unit] | "loss" N ["percent"]
    check     := "is up"
               | "reports block height" comparison | "reports finalised height" comparison
               | "reports peers count" comparison
               | "reports histogram" metric "has" comparison "samples in buckets" "[" text { "," text } "]"
               | "reports" metric [ "{" label "=" text { "," label "=" text } "}" ] comparison
               | "log line" ("contains" | "matches") ["regex" | "glob"] text
               | "count of log lines" ("containing" | "matching") ["regex" | "glob"] text comparison
    action    := "pause" | "resume" | "restart" ["after" N [unit]]
    comparison:= ["is"] ("at least" | "at most" | "greater than" | "less than" | "equal to" | ">=" | ...) N | "is" N
    within    := "within" N [unit]

Words may be written large or small; texts stand in double quotes, with \\" for a quote inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from matchstrike.devnet.failure import BadScript
from matchstrike.devnet.fault_check import DELAY_MS_MAX, LOSS_PERCENT_MAX
from matchstrike.devnet.script import (
    Action,
    Check,
    Comparator,
    Comparison,
    Delay,
    FinalAgree,
    Heal,
    Height,
    Histogram,
    IsUp,
    LogCount,
    LogLine,
    Loss,
    Metric,
    Partition,
    Pattern,
    PatternKind,
    Pause,
    Peers,
    Restart,
    Resume,
    Script,
    Sleep,
    Statement,
)
from matchstrike.devnet.script_words import BadLine, Words

LINE_MAX = 2_000
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
HEADERS = ("description", "network", "creds")
_COMPARATORS: Mapping[str, Comparator] = {
    "at least": "at least",
    "at most": "at most",
    "greater than": "greater than",
    "bigger than": "greater than",
    "less than": "less than",
    "lower than": "less than",
    "equal to": "equal to",
    "equals": "equal to",
    "equals to": "equal to",
    ">=": "at least",
    "<=": "at most",
    ">": "greater than",
    "<": "less than",
    "==": "equal to",
    "=": "equal to",
}
_ELSEWHERE = {
    "parachain": "there are no parachains on this chain",
    "js-script": "scripts are not run; ask the node with `matchstrike rpc`",
    "ts-script": "scripts are not run; ask the node with `matchstrike rpc`",
    "run": "programs are not run from here",
    "system": "events are not watched; look for the log line or the metric that goes with it",
    "trace": "nodes record no traces",
    "wait": "there is no backchannel",
}


def parse_script(text: str) -> Script:
    """Return the statements of a test file.

    Raises:
        BadScript: names every bad line with its number.
    """
    headers: dict[str, str] = {}
    statements: list[Statement] = []
    problems: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = _strip_comment(raw)
        if not line:
            continue
        try:
            header = _parse_header(line)
            if header is None:
                statements.append(_parse_statement(line, number))
            else:
                _keep_header(headers, header, is_late=bool(statements))
        except BadLine as error:
            problems.append(f"line {number}: {error}")
    if problems:
        raise BadScript("\n".join(problems))
    return Script(
        network=headers.get("network"), description=headers.get("description", ""), statements=tuple(statements)
    )


def _strip_comment(raw: str) -> str:
    """Return the line without blanks at its ends and without what follows a # outside quotes."""
    quoted = escaped = False
    for index, letter in enumerate(raw):
        if letter == '"' and not escaped:
            quoted = not quoted
        elif letter == "#" and not quoted and (index == 0 or raw[index - 1].isspace()):
            return raw[:index].strip()
        escaped = letter == "\\" and not escaped
    return raw.strip()


def _parse_header(line: str) -> tuple[str, str] | None:
    name, colon, value = line.partition(":")
    if not colon or name.strip().lower() not in HEADERS:
        return None
    return name.strip().lower(), value.strip()


def _keep_header(headers: dict[str, str], header: tuple[str, str], *, is_late: bool) -> None:
    name, value = header
    if is_late:
        raise BadLine(f"{name.title()}: belongs above the first statement")
    if name in headers:
        raise BadLine(f"{name.title()}: stands there twice")
    if not value:
        raise BadLine(f"{name.title()}: says nothing")
    headers[name] = value


def _parse_statement(line: str, number: int) -> Statement:
    if len(line) > LINE_MAX:
        raise BadLine(f"longer than {LINE_MAX} characters")
    name, colon, rest = line.partition(":")
    if not colon or '"' in name:
        return _parse_free(line, number)
    name = name.strip()
    if not NAME.fullmatch(name):
        raise BadLine(f"{name!r} is no node's name: small letters, digits and -, beginning with a letter")
    words = Words(rest)
    what = _parse_what(words)
    within_s = None
    if not isinstance(what, Restart | Pause | Resume | Delay | Loss):
        within_s = _parse_within(words)
    words.end()
    return Statement(line=number, text=line, node=name, what=what, within_s=within_s)


def _parse_free(line: str, number: int) -> Statement:
    words = Words(line)
    what: Action | FinalAgree | None
    if words.take("sleep"):
        what = Sleep(seconds=words.seconds("sleep"))
    elif words.take("partition"):
        what = Partition(groups=_parse_groups(words))
    elif words.take("heal"):
        what = Heal()
    elif words.take("final", "blocks", "agree") or words.take("finalised", "blocks", "agree"):
        what = FinalAgree()
    else:
        what = _parse_weather(words)
    if what is None:
        free = "sleep N seconds, partition, delay, loss, heal or final blocks agree"
        raise BadLine(f'expected "NODE: ..." or one of: {free}')
    words.end()
    return Statement(line=number, text=line, node=None, what=what)


def _parse_groups(words: Words) -> tuple[tuple[str, ...], ...]:
    groups: list[tuple[str, ...]] = []
    while not groups or words.take("|"):
        names = []
        while words.peek() not in ("", "|"):
            names.append(words.name())
        groups.append(tuple(names))
    if not all(groups):
        raise BadLine('a partition names the nodes of each side: "partition alice bob | charlie dave"')
    listed = [name for group in groups for name in group]
    if len(set(listed)) < len(listed):
        raise BadLine("a partition has a node on two sides")
    return tuple(groups)


def _parse_weather(words: Words) -> Delay | Loss | None:
    if words.take("delay"):
        seconds = words.seconds("delay")
        if seconds * 1000 > DELAY_MS_MAX:
            raise BadLine(f"a delay is at most {DELAY_MS_MAX / 1000:g} seconds")
        return Delay(seconds=seconds)
    if words.take("loss"):
        percent = words.number("loss")
        words.take("percent")
        if not 0 <= percent <= LOSS_PERCENT_MAX:
            raise BadLine(f"a loss is 0 to {LOSS_PERCENT_MAX:g} percent")
        return Loss(percent=percent)
    return None


def _parse_what(words: Words) -> Check | Action:
    if words.take("is", "up"):
        return IsUp()
    if words.take("reports"):
        return _parse_report(words)
    if words.take("log", "line"):
        return LogLine(pattern=_parse_pattern(words, "contains", "matches"))
    if words.take("count", "of", "log", "lines"):
        pattern = _parse_pattern(words, "containing", "matching")
        return LogCount(pattern=pattern, comparison=_parse_comparison(words))
    if words.take("pause"):
        return Pause()
    if words.take("resume"):
        return Resume()
    if words.take("restart"):
        return Restart(after_s=words.seconds("after") if words.take("after") else 0.0)
    weather = _parse_weather(words)
    if weather is not None:
        return weather
    first = words.peek().lower()
    if first in _ELSEWHERE:
        raise BadLine(f"{first!r} is not supported here: {_ELSEWHERE[first]}")
    known = "is up, reports, log line, count of log lines, pause, resume, restart, delay, loss"
    raise BadLine(f"{words.shown} begins no statement; after the name comes one of: {known}")


def _parse_report(words: Words) -> Check:
    if words.take("block", "height"):
        return Height(is_final=False, comparison=_parse_comparison(words))
    for spelling in ("finalised", "finalized"):
        if words.take(spelling, "height") or words.take(spelling, "block", "height"):
            return Height(is_final=True, comparison=_parse_comparison(words))
    if words.take("peers", "count"):
        return Peers(comparison=_parse_comparison(words))
    if words.take("histogram"):
        return _parse_histogram(words)
    name = words.metric()
    labels: dict[str, str] = {}
    if words.take("{"):
        while not words.take("}"):
            label = words.metric()
            words.expect("=")
            labels[label] = words.text()
            if not words.take(",") and words.peek() != "}":
                raise BadLine(f'expected "," or "}}" after the label {label}, not {words.shown}')
    return Metric(name=name, labels=labels, comparison=_parse_comparison(words))


def _parse_histogram(words: Words) -> Histogram:
    name = words.metric()
    words.expect("has")
    comparison = _parse_comparison(words)
    for word in ("samples", "in", "buckets", "["):
        words.expect(word)
    buckets = [words.text()]
    while words.take(","):
        buckets.append(words.text())
    words.expect("]")
    return Histogram(name=name, buckets=tuple(buckets), comparison=comparison)


def _parse_pattern(words: Words, contains: str, matches: str) -> Pattern:
    kind: PatternKind = "text"
    if words.take(matches):
        kind = "regex"
    elif not words.take(contains):
        raise BadLine(f"expected {contains} or {matches}, not {words.shown}")
    if words.take("regex"):
        kind = "regex"
    elif words.take("glob"):
        kind = "glob"
    text = words.text()
    if kind == "regex":
        try:
            re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            raise BadLine(f"{text!r} is no regular expression: {error}") from error
    return Pattern(kind=kind, text=text)


def _parse_comparison(words: Words) -> Comparison:
    has_is = words.take("is")
    for spelling, comparator in sorted(_COMPARATORS.items(), key=lambda pair: -len(pair[0])):
        if words.take(*spelling.split()):
            return Comparison(comparator=comparator, value=words.number(spelling))
    if has_is:
        return Comparison(comparator="equal to", value=words.number("is"))
    known = "is at least, is at most, is greater than, is less than, is equal to, is"
    raise BadLine(f"expected a comparison ({known}), not {words.shown}")


def _parse_within(words: Words) -> float | None:
    return words.seconds("within") if words.take("within") else None
