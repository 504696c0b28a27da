"""examples/read_seal.py, which imports nothing of ours, reads the frozen header of docs/spec/work.md as we do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chain.header import decode_header
from rpc.methods.encoding import format_header
from tests.support.golden_ticket import PATH
from vm.problem import unpack_shots

SCRIPT = Path(__file__).parents[2] / "examples" / "read_seal.py"
VECTOR = json.loads(PATH.read_text())


def read_seal(*arguments: object) -> tuple[int, str]:
    """Return exit code and both outputs of the script, run without our packages."""
    command = [sys.executable, "-I", str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def header(tmp_path: Path) -> Path:
    """Return the frozen header as `chain_getHeader` answers it, in a file."""
    path = tmp_path / "header.json"
    path.write_text(json.dumps(format_header(decode_header(bytes.fromhex(VECTOR["sealed_header"])))))
    return path


def test_the_script_reads_what_the_worked_example_has(header: Path) -> None:
    code, text = read_seal(header)
    assert code == 0, text
    lines = {line[:12].strip(): line[13:] for line in text.splitlines()}
    assert (lines["block"], lines["problem"], lines["index"]) == ("42", "5", str(VECTOR["index"]))
    assert (lines["work key"], lines["seed"]) == (VECTOR["work_key"], VECTOR["seed"])
    assert (lines["core hash"], lines["strike seed"]) == (VECTOR["core_hash"], VECTOR["pool_strike_seed"])
    assert read_seal(header, "--seed") == (0, VECTOR["pool_strike_seed"] + "\n")


def test_the_script_tells_the_same_shots_from_others(header: Path, tmp_path: Path) -> None:
    """One bit, or the seed, is enough."""
    shots = unpack_shots(bytes.fromhex(VECTOR["pool_shots"]), 12).tolist()
    strike = {"n": 12, "seed": VECTOR["pool_strike_seed"], "shots": ["".join(map(str, shot)) for shot in shots]}
    path = tmp_path / "strike.json"
    path.write_text(json.dumps(strike))
    code, text = read_seal(header, path)
    assert (code, text.split(":")[0]) == (0, "the same 32 shots")
    for wrong in ({"seed": "00" * 32}, {"shots": [strike["shots"][1], *strike["shots"][1:]]}):
        path.write_text(json.dumps(strike | wrong))
        code, text = read_seal(header, path)
        assert (code, text.split(":")[0]) == (1, "not the same")
