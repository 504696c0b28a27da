"""The documents' commands that start several nodes work; apart from the others, so that each half has a process."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.functional.document_commands import ROOT, SECONDS_MAX, check_document, list_documents


@pytest.mark.parametrize("document", list_documents(starts_devnets=True))
def test_every_command_of_a_document_that_starts_devnets_works(
    document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 0, or a devnet that answers and can be stopped."""
    check_document(document, tmp_path, monkeypatch)


def test_devnet_once_installs_nothing_anew_and_ends_with_the_bounty_paid_and_final() -> None:
    """The first command that a newcomer runs, as it is: four nodes that connect, finalise and pay."""
    done = subprocess.run(
        ["./scripts/devnet", "--once"], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^(?:alice|bob|charlie|dave) +ws://127\.0\.0\.1:\d+ ", done.stdout, re.M)) == 4
    assert re.search(r"^final +connected, and block [1-9]\d* is final on every node", done.stdout, re.M)
    assert re.search(r"^paid +5 MSK to 5\w{47} for cut 20 ", done.stdout, re.M)
    lag = re.search(r"^lag .* median (\d+\.\d) s, largest (\d+\.\d) s, over (\d+) blocks$", done.stdout, re.M)
    assert lag is not None
    assert int(lag[3]) >= 5
    assert "installing" not in done.stderr
    assert "Try next" not in done.stdout, "there is no node left to try it on"
