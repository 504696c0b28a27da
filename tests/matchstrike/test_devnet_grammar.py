"""The language of devnet tests: what each line means, and what is said about lines that mean nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchstrike.devnet.failure import BadScript
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
    Pause,
    Peers,
    Restart,
    Resume,
    Sleep,
)
from matchstrike.devnet.script_grammar import parse_script


def compare(comparator: Comparator, value: float) -> Comparison:
    """Return a comparison."""
    return Comparison(comparator=comparator, value=value)


AT_LEAST_2 = compare("at least", 2)
GOOD_LINES: list[tuple[str, str | None, Check | Action | FinalAgree, float | None]] = [
    ("alice: is up", "alice", IsUp(), None),
    ("alice: is up within 30 seconds", "alice", IsUp(), 30),
    ("  node-7 :  IS  Up  WITHIN 0.5 secs   # soon", "node-7", IsUp(), 0.5),
    ("a: reports block height is at least 2 within 60 seconds", "a", Height(is_final=False, comparison=AT_LEAST_2), 60),
    ("a: reports finalised height is at least 2", "a", Height(is_final=True, comparison=AT_LEAST_2), None),
    ("a: reports finalized height is at least 2", "a", Height(is_final=True, comparison=AT_LEAST_2), None),
    ("a: reports finalized block height is at least 2", "a", Height(is_final=True, comparison=AT_LEAST_2), None),
    ("a: reports peers count is at least 2", "a", Peers(comparison=AT_LEAST_2), None),
    ("a: reports node_roles is 4", "a", Metric(name="node_roles", comparison=compare("equal to", 4)), None),
    ("a: reports m = 4", "a", Metric(name="m", comparison=compare("equal to", 4)), None),
    ("a: reports m is equal to -4.5", "a", Metric(name="m", comparison=compare("equal to", -4.5)), None),
    ("a: reports m >= 2", "a", Metric(name="m", comparison=AT_LEAST_2), None),
    ("a: reports m<2", "a", Metric(name="m", comparison=compare("less than", 2)), None),
    ("a: reports m is lower than 1_000", "a", Metric(name="m", comparison=compare("less than", 1000)), None),
    (
        'a: reports substrate_block_height{status="best"} is greater than 5',
        "a",
        Metric(name="substrate_block_height", labels={"status": "best"}, comparison=compare("greater than", 5)),
        None,
    ),
    (
        'a: reports m{x="1, }", y="2"} is at most 5',
        "a",
        Metric(name="m", labels={"x": "1, }", "y": "2"}, comparison=compare("at most", 5)),
        None,
    ),
    (
        'a: reports histogram h has at least 2 samples in buckets ["0.1", "+Inf"] within 100 seconds',
        "a",
        Histogram(name="h", buckets=("0.1", "+Inf"), comparison=AT_LEAST_2),
        100,
    ),
    (
        'a: log line contains "Imported #1" within 5 s',
        "a",
        LogLine(pattern=Pattern(kind="text", text="Imported #1")),
        5,
    ),
    (
        r'a: log line contains "say \"#1\" # not a comment" # a comment',
        "a",
        LogLine(pattern=Pattern(kind="text", text='say "#1" # not a comment')),
        None,
    ),
    ('a: log line matches "#[0-9]+"', "a", LogLine(pattern=Pattern(kind="regex", text="#[0-9]+")), None),
    ('a: log line contains regex "#[0-9]+"', "a", LogLine(pattern=Pattern(kind="regex", text="#[0-9]+")), None),
    ('a: log line matches glob "*rted #1*"', "a", LogLine(pattern=Pattern(kind="glob", text="*rted #1*")), None),
    (
        'a: count of log lines containing "error" is 0 within 1 second',
        "a",
        LogCount(pattern=Pattern(kind="text", text="error"), comparison=compare("equal to", 0)),
        1,
    ),
    (
        'a: count of log lines matching glob "*e*" is at most 3',
        "a",
        LogCount(pattern=Pattern(kind="glob", text="*e*"), comparison=compare("at most", 3)),
        None,
    ),
    ("a: restart", "a", Restart(), None),
    ("a: restart after 5 seconds", "a", Restart(after_s=5), None),
    ("a: pause", "a", Pause(), None),
    ("a: resume", "a", Resume(), None),
    ("sleep 10", None, Sleep(seconds=10), None),
    ("sleep 10 seconds", None, Sleep(seconds=10), None),
    ("partition a b | c-1 d", None, Partition(groups=(("a", "b"), ("c-1", "d"))), None),
    ("partition a", None, Partition(groups=(("a",),)), None),
    ("heal", None, Heal(), None),
    ("delay 2 seconds", None, Delay(seconds=2), None),
    ("a: delay 0.5", "a", Delay(seconds=0.5), None),
    ("loss 30 percent", None, Loss(percent=30), None),
    ("a: loss 0.5", "a", Loss(percent=0.5), None),
    ("final blocks agree", None, FinalAgree(), None),
]
BAD_LINES = [
    ("alice is up", 'expected "NODE: ..." or one of: sleep N seconds, partition, delay'),
    ("Alice: is up", "'Alice' is no node's name"),
    (": is up", "'' is no node's name"),
    ("alice: is down", "'is' begins no statement; after the name comes one of: is up, reports"),
    ("alice:", "the end begins no statement"),
    ("alice: is up within", 'expected a number after "within", not the end'),
    ("alice: is up within soon", "expected a number after \"within\", not 'soon'"),
    ("alice: is up within 9999999 seconds", '"within 9999999" is no time; write 0 to 86400 seconds'),
    ("alice: is up within -1 seconds", '"within -1" is no time'),
    ("alice: is up within 5 parsecs", "nothing is expected after that, but there is 'parsecs'"),
    ("alice: reports", "expected the name of a metric, not the end"),
    ("alice: reports block height", "expected a comparison (is at least, is at most"),
    ("alice: reports block height is at least ten", "expected a number after \"at least\", not 'ten'"),
    ("alice: reports block height is around 10", "expected a number after \"is\", not 'around'"),
    ("alice: reports m is at least " + "9" * 40, "expected a number"),
    ("alice: reports m is at least ٣", "expected a number"),
    ("alice: reports m{status=best} is 2", "expected a text in double quotes, not 'best'"),
    ('alice: reports m{a="1" b="2"} is 2', 'expected "," or "}" after the label a, not \'b\''),
    ('alice: reports m{a="1"', 'expected "," or "}" after the label a, not the end'),
    ("alice: reports histogram h is 2", "expected \"has\", not 'is'"),
    ("alice: reports histogram h has at least 2 samples in buckets []", "expected a text in double quotes, not ']'"),
    ("alice: log line contains x", "expected a text in double quotes, not 'x'"),
    ('alice: log line has "x"', "expected contains or matches, not 'has'"),
    ('alice: log line contains "x', 'a quote is not closed: "x'),
    ('alice: log line matches "("', "'(' is no regular expression: missing )"),
    ('alice: count of log lines with "x" is 0', "expected containing or matching, not 'with'"),
    ("alice: pause now", "nothing is expected after that, but there is 'now'"),
    ("alice: pause within 5 seconds", "nothing is expected after that, but there is 'within 5 seconds'"),
    ("alice: restart after", 'expected a number after "after", not the end'),
    ("sleep", 'expected a number after "sleep", not the end'),
    ("alice: sleep 5", "'sleep' begins no statement"),
    ("alice: parachain 100 is registered", "'parachain' is not supported here: there are no parachains on this chain"),
    ("alice: js-script ./x.js", "'js-script' is not supported here: scripts are not run"),
    ('alice: system event contains "x"', "'system' is not supported here: events are not watched"),
    ("Creds:", "Creds: says nothing"),
    ("partition", "a partition names the nodes of each side"),
    ("partition a |", "a partition names the nodes of each side"),
    ("partition a | B", "expected the name of a node, not 'B'"),
    ("partition a b | c a", "a partition has a node on two sides"),
    ("alice: heal", "'heal' begins no statement"),
    ("delay 61 seconds", "a delay is at most 60 seconds"),
    ("loss 100 percent", "a loss is 0 to 90 percent"),
    ("alice: loss 5 within 5 seconds", "nothing is expected after that, but there is 'within 5 seconds'"),
    ("final blocks agree within 5 seconds", "nothing is expected after that"),
    ("alice: is up" + " " * 10 + "x" * 3000, "longer than 2000 characters"),
]


@pytest.mark.parametrize(("line", "node", "what", "within_s"), GOOD_LINES, ids=[row[0] for row in GOOD_LINES])
def test_a_line_means_what_it_says(
    line: str, node: str | None, what: Check | Action | FinalAgree, within_s: float | None
) -> None:
    [statement] = parse_script(line).statements
    assert (statement.node, statement.what, statement.within_s) == (node, what, within_s)


@pytest.mark.parametrize(("line", "sentence"), BAD_LINES, ids=[row[0][:40] for row in BAD_LINES])
def test_a_line_that_means_nothing_is_refused_with_its_number(line: str, sentence: str) -> None:
    with pytest.raises(BadScript) as refused:
        parse_script(f"# a comment\nalice: is up\n{line}\n" if not line.startswith("Creds") else f"\n\n{line}")
    assert str(refused.value).startswith("line 3: ")
    assert sentence in str(refused.value)


def test_all_bad_lines_are_named_at_once() -> None:
    with pytest.raises(BadScript) as refused:
        parse_script("Network: a.toml\nfoo\nalice: is up\nbar\n")
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == ["line 2", "line 4"]


def test_headers_stand_above_the_statements() -> None:
    script = parse_script("Description: shows: a thing\nnetwork: ./a.toml # here\nCreds: config\n\nalice: is up\n")
    assert (script.description, script.network) == ("shows: a thing", "./a.toml")
    with pytest.raises(BadScript, match="line 2: Network: belongs above the first statement"):
        parse_script("alice: is up\nNetwork: a.toml")
    with pytest.raises(BadScript, match="line 2: Network: stands there twice"):
        parse_script("Network: a.toml\nNetwork: b.toml")


@pytest.mark.parametrize(
    ("comparator", "truths"),
    [
        ("at least", (False, True, True)),
        ("at most", (True, True, False)),
        ("greater than", (False, False, True)),
        ("less than", (True, False, False)),
        ("equal to", (False, True, False)),
    ],
)
def test_a_comparison_holds_on_its_side_only(comparator: Comparator, truths: tuple[bool, bool, bool]) -> None:
    comparison = compare(comparator, 5)
    assert tuple(comparison.holds(number) for number in (4, 5, 6)) == truths


@pytest.mark.parametrize(
    ("pattern", "line", "matches"),
    [
        (Pattern(kind="text", text="a.c"), "xa.cx", True),
        (Pattern(kind="text", text="a.c"), "xabcx", False),
        (Pattern(kind="regex", text="a.c"), "xabcx", True),
        (Pattern(kind="regex", text="^a.c$"), "xabcx", False),
        (Pattern(kind="glob", text="a*c"), "abbc", True),
        (Pattern(kind="glob", text="a*c"), "xabbc", False),
        (Pattern(kind="glob", text="**rted #1**"), "2026 🏆 Imported #1 (0x)", True),
    ],
)
def test_text_is_a_part_regex_is_searched_and_a_glob_is_the_whole_line(
    pattern: Pattern, line: str, matches: bool
) -> None:
    assert pattern.matches(line) is matches


WORDS = "alice: sleep is up within reports block height finalised peers count at least than greater 5 seconds pause"
WORDS += ' { } [ ] , = "x" "( log line contains matches glob regex histogram has samples in buckets restart after : #'
PIECES = st.sampled_from(WORDS.split(" "))


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=12).map(" ".join)))
def test_any_text_is_a_script_or_is_refused_line_by_line(text: str) -> None:
    try:
        script = parse_script(text)
    except BadScript:
        return
    for statement in script.statements:
        [again] = parse_script(statement.text).statements
        assert (again.what, again.within_s, again.node) == (statement.what, statement.within_s, statement.node)


@given(st.text(max_size=40))
def test_every_text_can_be_looked_for_in_a_log(text: str) -> None:
    wanted = text.replace("\\", "")
    quoted = wanted.replace('"', r"\"")
    if len(wanted.splitlines()) > 1 or wanted != "".join(wanted.splitlines()):
        return
    [statement] = parse_script(f'alice: log line contains "{quoted}"').statements
    assert statement.what == LogLine(pattern=Pattern(kind="text", text=wanted))
