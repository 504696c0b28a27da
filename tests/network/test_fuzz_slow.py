"""Minutes of fuzzing for each parser: `FUZZ_CPU_S` seconds of CPU time each, from `FUZZ_SEED`.

FUZZ_CPU_S=600 FUZZ_SEED=7 ./scripts/test -m slow tests/network/test_fuzz_slow.py
"""

from __future__ import annotations

import os

import pytest

from tests.network.fuzz_targets import TARGETS
from tests.network.fuzzing import Target, run_fuzz

CPU_S = float(os.environ.get("FUZZ_CPU_S", "60"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
PATIENCE_S = 60 + 20 * CPU_S  # of wall time, on a machine that others use


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE_S)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "-"))
def test_no_bytes_upset_a_parser_for_minutes(target: Target) -> None:
    figures = run_fuzz(target, seed=SEED, cpu_s=CPU_S)
    print(f"{figures.name}: {figures.rounds} inputs, {figures.ways} ways, {figures.cpu_s} s")
    assert figures.rounds > 100
    assert figures.ways >= 2
