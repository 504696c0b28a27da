"""Every command in the documents works, in the order in which it stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.functional.document_commands import COMMANDS, check_document, list_documents


@pytest.mark.parametrize("document", list_documents(starts_devnets=False))
def test_every_command_of_a_document_works(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0, or a node that answers and can be stopped."""
    check_document(document, tmp_path, monkeypatch)


def test_the_two_commands_of_the_readme_are_there() -> None:
    """The README's promise, and the parser of this test."""
    assert COMMANDS["README.md"][:2] == ["./scripts/devnet", "./scripts/test"]
    assert len([command for commands in COMMANDS.values() for command in commands]) > 60
