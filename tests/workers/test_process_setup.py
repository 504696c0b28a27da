"""One thread for numeric libraries, set before they are loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from workers.process_setup import ONE_THREAD

COUNT_THREADS = """
import os, sys
from {module} import main
sys.argv = ["program", "{command}", "--help"]
try:
    main()
except SystemExit:
    pass
import numpy
print(len(os.listdir("/proc/self/task")))
"""
CHOICES = (({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 2), ({"OMP_NUM_THREADS": "2"}, 2))


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="BLAS has one thread on one core")
@pytest.mark.parametrize(("module", "command"), [("node.main", "chain-info"), ("matchstrike.commands.main", "sim")])
@pytest.mark.parametrize(("chosen", "threads"), CHOICES)
def test_programs_have_one_thread_unless_the_user_chose(
    module: str, command: str, chosen: dict[str, str], threads: int
) -> None:
    """It fails, too, when a program imports numpy before it says so."""
    env = {key: value for key, value in os.environ.items() if key not in ONE_THREAD} | chosen
    code = COUNT_THREADS.format(module=module, command=command)
    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert int(found.stdout.splitlines()[-1]) == threads
