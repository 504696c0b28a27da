"""The documents for people: links that lead somewhere, the reading list, flags, exit codes and decisions."""

from __future__ import annotations

import re

import click
import pytest

from matchstrike.commands import failure
from node.main import main as node_command
from node.run_options import WITHOUT_EFFECT
from tests.architecture.sources import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("path", [str(path.relative_to(ROOT)) for path in DOCUMENTS])
def test_every_link_of_a_document_leads_somewhere(path: str) -> None:
    """Files are looked up; addresses of the web are not."""
    document = ROOT / path
    links = [link for link in LINK.findall(document.read_text(encoding="utf-8")) if "://" not in link]
    missing = [link for link in links if not (document.parent / link).exists()]
    assert not missing


def test_every_document_is_reached_from_the_readme() -> None:
    """What no link leads to, nobody reads; changes/ is for the release notes."""
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        document = waiting.pop().resolve()
        if document in seen or document.suffix != ".md":
            if document.is_dir():
                seen.update(path.resolve() for path in document.glob("*.md"))
            continue
        seen.add(document)
        links = LINK.findall(document.read_text(encoding="utf-8"))
        waiting += [document.parent / link for link in links if "://" not in link]
    lost = [path for path in DOCUMENTS if path.resolve() not in seen]
    assert not lost, lost


def test_the_reading_list_names_twelve_files_in_order() -> None:
    """Each with a paragraph that says what to look for."""
    text = (ROOT / "docs" / "READING.md").read_text(encoding="utf-8")
    entries = re.findall(r"^(\d+)\. \[(\S+)\]\(\.\./(\S+)\) - (.+)$", text, re.MULTILINE)
    assert [int(number) for number, *_ in entries] == list(range(1, 13))
    for _, shown, target, paragraph in entries:
        assert shown == target
        assert (ROOT / target).is_file()
        assert "Look for:" in paragraph


def test_every_flag_of_the_node_is_in_its_document() -> None:
    """Those that have an effect in the first table, the others in the second with the same reason; none else."""
    text = (ROOT / "docs" / "node.md").read_text(encoding="utf-8")
    _, effect, rest = re.split(r"^## Flags .*$", text, flags=re.MULTILINE)
    idle = dict(re.findall(r"^\| `(--[\w-]+)` \| (.+) \|$", rest, re.MULTILINE))
    assert idle == {flag: reason for flag, (_, _, reason) in WITHOUT_EFFECT.items()}
    flags = {
        flag
        for parameter in node_command.params
        if isinstance(parameter, click.Option)
        for flag in parameter.opts
        if flag.startswith("--") and flag != "--version"
    }
    assert set(re.findall(r"`(?:-\w`, `)?(--[a-z-]+)", effect)) == flags - set(WITHOUT_EFFECT)


def test_every_subcommand_of_the_node_is_in_its_document() -> None:
    """The table and the command's own list."""
    text = (ROOT / "docs" / "node.md").read_text(encoding="utf-8").partition("## Subcommands")[2]
    assert isinstance(node_command, click.Group)
    assert set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)) == set(node_command.commands)


def test_every_exit_code_is_in_the_document() -> None:
    """The table of docs/commands.md and the constants."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    codes = {value for name, value in vars(failure).items() if name.isupper() and isinstance(value, int)}
    assert {int(code) for code in re.findall(r"^\| (\d+) \| ", text, re.MULTILINE)} == codes | {0, 130}


def test_decisions_say_context_decision_and_consequences() -> None:
    """Numbered without gaps, so that a missing one is noticed."""
    paths = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(path.name[:4]) for path in paths] == list(range(1, len(paths) + 1))
    for path in paths:
        text = path.read_text(encoding="utf-8")
        for word in ("Context.", "Decision.", "Consequences."):
            assert word in text, path.name
