"""The compiled engine against itself: interpreted, for a generic CPU, and its machine code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.differential.strike_digests import compute_digest

ROOT = Path(__file__).parents[2]
COUNT, QUBITS_MAX = 1000, 12

INSPECT = """
from vm.kernels import strike
from vm.golden import compute_golden_hash
compute_golden_hash("dense", 12, 2, 1)
print("\\n".join(strike.inspect_asm().values()))
"""


def run_python(*arguments: str, cache: Path, **settings: str) -> str:
    """Return the output of a fresh Python process with an own compilation cache."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT), **settings}
    result = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_interpreted_strikes_equal_compiled_ones_bit_for_bit(tmp_path):
    script = str(Path(__file__).parent / "strike_digests.py")
    interpreted = run_python(script, str(COUNT), str(QUBITS_MAX), cache=tmp_path, NUMBA_DISABLE_JIT="1")
    assert interpreted == compute_digest(COUNT, QUBITS_MAX)


def test_strikes_compiled_for_a_generic_cpu_are_the_same(tmp_path):
    script = str(Path(__file__).parent / "strike_digests.py")
    generic = run_python(script, str(COUNT), str(QUBITS_MAX), cache=tmp_path, NUMBA_CPU_NAME="generic")
    assert generic == compute_digest(COUNT, QUBITS_MAX)


@pytest.mark.slow
def test_large_interpreted_strikes_equal_compiled_ones_bit_for_bit(tmp_path):
    script = str(Path(__file__).parent / "strike_digests.py")
    interpreted = run_python(script, "60", "20", cache=tmp_path, NUMBA_DISABLE_JIT="1")
    assert interpreted == compute_digest(60, 20)


def test_freshly_compiled_code_multiplies_and_adds_but_never_fuses(tmp_path):
    assembly = run_python("-c", INSPECT, cache=tmp_path)
    if not re.search(r"\b(xmm|ymm|zmm)\d", assembly):
        pytest.skip("the check knows x86-64 instructions only")
    # the vector multiplications and additions of the amplitudes are there, so the listing is the right one
    assert len(re.findall(r"\bv?mulpd\b", assembly)) > 50
    assert len(re.findall(r"\bv?addpd\b", assembly)) > 50
    assert re.findall(r"\bvf(?:n?m(?:add|sub)|maddsub|msubadd)\w*", assembly) == []
