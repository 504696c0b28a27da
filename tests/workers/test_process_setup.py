"""One thread for numeric libraries, set before they are loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from workers.process_setup import ONE_THREAD

COUNT_THREADS = """
import os
import node.main, matchstrike.commands.main
from workers.process_setup import set_up_process
set_up_process()
import numpy
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="BLAS has one thread on one core")
@pytest.mark.parametrize(("chosen", "threads"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 2)])
def test_programs_have_one_thread_unless_the_user_chose(chosen: dict[str, str], threads: int) -> None:
    """It fails, too, when a program's entry imports numpy before it says so."""
    env = {key: value for key, value in os.environ.items() if key not in ONE_THREAD} | chosen
    found = subprocess.run([sys.executable, "-c", COUNT_THREADS], env=env, capture_output=True, text=True, check=True)
    assert int(found.stdout) == threads
