"""The example problems are strikeable and their best answers are those that the README claims."""

import re
from pathlib import Path

import numpy as np
import pytest

from vm.formats import read_problem
from vm.problem import check_strikeable, compute_energies
from vm.problem_file import compute_quantity, get_quantity_name

EXAMPLES = Path(__file__).parents[2] / "examples"
CLAIMS = re.findall(r"\| `(\S+)` \|.*\| (cut|value|energy) (-?\d+) \|", (EXAMPLES / "README.md").read_text())


@pytest.mark.parametrize(("name", "word", "best"), CLAIMS)
def test_the_best_answer_of_an_example_is_the_one_claimed(name: str, word: str, best: str) -> None:
    file = read_problem((EXAMPLES / name).read_bytes(), name=name)
    check_strikeable(file.problem)
    n = file.problem.n
    shots = (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(np.uint8)
    assert get_quantity_name(file) == word
    assert compute_quantity(file, int(compute_energies(file.problem, shots).min())) == int(best)


def test_every_example_has_a_claim() -> None:
    others = (".md", ".py", ".toml", ".zndsl")  # networks and their tests
    problems = {path.name for path in EXAMPLES.iterdir() if path.suffix not in others}
    assert {name for name, _, _ in CLAIMS} == problems
