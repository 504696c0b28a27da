"""The compiled kernels' folder: who compiles, and when."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from workers.kernel_cache import prepare_kernels


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The processes that were started, none of them in truth."""
    started: list[list[str]] = []

    def record(command: Sequence[str], **_: object) -> None:
        started.append(list(command))

    monkeypatch.setattr(subprocess, "run", record)
    return started


def test_a_new_folder_is_filled_by_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: list[list[str]]
) -> None:
    """Compiling would leave 200 MB in this one."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "new"))
    prepare_kernels()
    assert [command[-2:] for command in commands] == [["-m", "workers.kernel_cache"]]


def test_a_filled_folder_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: list[list[str]]
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (tmp_path / "compiled").touch()
    prepare_kernels()
    assert not commands


def test_a_folder_that_cannot_be_written_is_filled_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: list[list[str]]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "folder"))
    prepare_kernels()
    assert not commands
