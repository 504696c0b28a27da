"""The frozen examples of docs/spec/learning.md; run as a script, it writes them.

python -m tests.support.golden_belief
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec

from chain.scale import codec_of
from consensus.belief import Belief, compute_drawn_angles, make_first_belief, make_law, update_belief
from vm.problem import IsingProblem, make_problem

PATH = Path(__file__).parents[1] / "vectors" / "belief" / "histories.json"
EXAMPLES: tuple[tuple[str, IsingProblem, int], ...] = (
    ("ring", make_problem(6, [(i, (i + 1) % 6, 1) if i < 5 else (0, 5, 1) for i in range(6)], offset=0), 1),
    ("weighted", make_problem(4, [(0, 1, 5), (1, 2, -3), (2, 3, 1)], fields=[1, 0, -2, 0], offset=40), 2),
)
KEPT = (1, 2, 5, 20, 60)


def make_vector() -> list[dict[str, object]]:
    """Return what the beliefs of the examples are after some strikes whose energies come from hashes."""
    return [_run_example(*example) for example in EXAMPLES]


def _run_example(name: str, problem: IsingProblem, depth: int) -> dict[str, object]:
    belief = make_first_belief(problem, depth)
    steps = []
    for number in range(1, max(KEPT) + 1):
        seed = hashlib.blake2b(f"{name} {number}".encode(), digest_size=32).digest()
        energies = [problem.offset - 4 + byte % 5 for byte in seed[:8]]
        belief = update_belief(belief, compute_drawn_angles(make_law(belief), seed), sum(energies), len(energies))
        if number in KEPT:
            steps.append({"strikes": number, "seed": seed.hex(), "energies": energies, **_describe(belief)})
    return {
        "name": name,
        "problem": msgspec.to_builtins(problem),
        "depth": depth,
        "first": _describe(make_first_belief(problem, depth)),
        "steps": steps,
    }


def _describe(belief: Belief) -> dict[str, object]:
    return {
        "means": list(belief.means),
        "width": belief.width,
        "moments": list(belief.moments),
        "scale": codec_of(Belief).encode(belief).hex(),
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(make_vector(), indent=1) + "\n")
