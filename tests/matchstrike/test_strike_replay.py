"""`matchstrike strike replay`: a strike is re-run from a file and a seed, by both engines, with the same shots."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest

from matchstrike.commands.main import main
from matchstrike.commands.posting import make_posting
from matchstrike.commands.strike import find_order
from vm.formats import read_problem
from vm.law import compute_law
from vm.order import anneal_order, compute_live_profile
from vm.problem import compute_energy
from vm.problem_file import compute_quantity
from vm.strike import compile_circuit, run_strike

ROOT = Path(__file__).parents[2]
CUBIC = ROOT / "examples" / "cubic16.txt"
QUBO = ROOT / "examples" / "independent10.qubo"
ISING = ROOT / "examples" / "partition10.json"
SEED = "5e" * 32


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    exit_code: int
    out: str
    err: str


class Run:
    """The command through its real entry point."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(self, *arguments: object) -> Answer:
        self.monkeypatch.setattr(sys, "argv", ["matchstrike", "strike", "replay", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = self.capsys.readouterr()
        return Answer(exit_code=code, out=captured.out, err=captured.err)

    def json(self, *arguments: object) -> dict[str, object]:
        answer = self(*arguments, "-o", "json")
        assert answer.exit_code == 0, answer.err
        data = json.loads(answer.out)
        assert isinstance(data, dict)
        return data


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def test_a_replay_prints_the_shots_of_the_vm_and_their_energies(run: Run) -> None:
    data = run.json(CUBIC, "--depth", 1, "--seed", SEED, "--shots", 5)
    file = read_problem(CUBIC.read_bytes(), name="c")
    circuit = compile_circuit(file.problem, order=anneal_order(file.problem, 1, seed=1), depth=1)
    shots = run_strike(circuit, compute_law(file.problem, 1), bytes.fromhex(SEED), shots=5)
    assert data["shots"] == ["".join(map(str, shot)) for shot in shots.tolist()]
    energies = [compute_energy(file.problem, shot) for shot in shots]
    assert data["energies"] == energies
    assert data["best"] == min(energies)
    assert data["best_shot"] == data["shots"][energies.index(min(energies))]  # type: ignore[index]
    assert data["cuts"] == [compute_quantity(file, energy) for energy in energies]
    assert data["best_cut"] == compute_quantity(file, min(energies))
    assert data["order"] == list(circuit.order)
    assert data["live_qubits_max"] == max(compute_live_profile(file.problem, circuit.order, 1))
    assert isinstance(data["gas"], int)
    assert data["gas"] > 0


@pytest.mark.parametrize(("path", "depth"), [(CUBIC, 1), (CUBIC, 2), (QUBO, 1)])
def test_a_replay_finds_the_order_that_posting_found(path: Path, depth: int) -> None:
    """`problem post` and `devnet run` both make their posting with the default effort."""
    file = read_problem(path.read_bytes(), name=path.name)
    assert find_order(file.problem, depth) == make_posting(file, depth=depth, target=None).order


@pytest.mark.parametrize(("path", "depth"), [(CUBIC, 1), (CUBIC, 2), (QUBO, 1), (ISING, 1)])
def test_both_engines_draw_the_same_shots(run: Run, path: Path, depth: int) -> None:
    arguments = (path, "--depth", depth, "--seed", "0x" + SEED, "--shots", 8)
    frontier = run.json(*arguments)
    reference = run.json(*arguments, "--engine", "reference")
    assert frontier.pop("engine") == "frontier"
    assert reference.pop("engine") == "reference"
    assert frontier == reference


def test_what_a_replay_printed_runs_the_same_strike_again(run: Run, tmp_path: Path) -> None:
    first = run.json(CUBIC, "--depth", 2, "--seed", SEED)
    saved = tmp_path / "strike.json"
    saved.write_text(json.dumps(first))
    assert run.json(CUBIC, "--depth", 2, "--seed", SEED, "--law", saved, "--order", saved) == first


def test_another_order_or_law_gives_other_shots(run: Run, tmp_path: Path) -> None:
    first = run.json(CUBIC, "--depth", 1, "--seed", SEED)
    order = tmp_path / "order.json"
    order.write_text(json.dumps(list(range(16))))
    assert run.json(CUBIC, "--depth", 1, "--seed", SEED, "--order", order)["shots"] != first["shots"]
    law = tmp_path / "law.json"
    means = first["law"]
    assert isinstance(means, dict)
    law.write_text(json.dumps(means | {"gamma_means": [2**30]}))
    assert run.json(CUBIC, "--depth", 1, "--seed", SEED, "--law", law)["shots"] != first["shots"]


def test_a_qubo_is_told_in_values_and_an_ising_problem_in_energies(run: Run) -> None:
    qubo = run.json(QUBO, "--depth", 1, "--seed", SEED)
    assert qubo["best_value"] == min(qubo["values"])  # type: ignore[call-overload]
    ising = run.json(ISING, "--depth", 1, "--seed", SEED)
    assert "values" not in ising
    assert ising["best"] == min(ising["energies"])  # type: ignore[call-overload]


def test_the_text_shows_the_best_shots_first(run: Run) -> None:
    answer = run(CUBIC, "--depth", 1, "--seed", SEED, "--shots", 200)
    assert answer.exit_code == 0
    best = run.json(CUBIC, "--depth", 1, "--seed", SEED, "--shots", 200)
    assert f"best energy {best['best']}, best cut {best['best_cut']}" in answer.out
    assert str(best["best_shot"]) in answer.out.splitlines()[5] or f"{best['best']}" in answer.out.splitlines()[5]
    assert "more; -o json prints all" in answer.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param([CUBIC, "--depth", 1, "--seed", "zz"], 2, "64 hexadecimal digits", id="seed"),
        pytest.param([CUBIC, "--depth", 1, "--seed", "00" * 31], 2, "62 characters", id="short seed"),
        pytest.param([CUBIC, "--depth", 0, "--seed", SEED], 2, "--depth", id="depth"),
        pytest.param([CUBIC, "--depth", 1, "--seed", SEED, "--shots", 0], 2, "--shots", id="shots"),
        pytest.param([CUBIC, "--depth", 1], 2, "--seed", id="no seed"),
        pytest.param([CUBIC, "--depth", 1, "--seed", SEED, "--engine", "gpu"], 2, "gpu", id="engine"),
        pytest.param(["none.txt", "--depth", 1, "--seed", SEED], 5, "no file none.txt", id="no file"),
        pytest.param([CUBIC, "--depth", 1, "--seed", SEED, "--law", "none"], 5, "no file none", id="no law"),
        pytest.param([CUBIC, "--depth", 1, "--seed", SEED, "--order", "none"], 5, "no file none", id="no order"),
        pytest.param([CUBIC, "--depth", 1, "--seed", SEED, "--law", CUBIC], 1, "not valid JSON", id="law not JSON"),
        pytest.param([CUBIC, "--depth", 1, "--seed", SEED, "--law", ISING], 1, "no angle law", id="not a law"),
        pytest.param(
            [CUBIC, "--depth", 1, "--seed", SEED, "--order", ISING], 1, "no measurement order", id="not an order"
        ),
        pytest.param([ROOT, "--depth", 1, "--seed", SEED], 1, "cannot be read", id="a folder"),
    ],
)
def test_a_bad_call_ends_with_a_sentence_and_its_exit_code(
    run: Run, arguments: list[object], code: int, words: str
) -> None:
    answer = run(*arguments)
    assert (answer.exit_code, answer.out) == (code, "")
    assert words in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("text", "depth", "words"),
    [
        ("3 2\n1 2 2\n2 3 4\n", 1, "cannot be struck: the coefficients have the greatest common divisor 2"),
        ("3 2\n1 2 5000\n2 3 4\n", 1, "exceeds 4096"),
        ("3 2\n1 2 1\n", 1, "cut short"),
        (None, 1, "live qubits exceed"),
    ],
)
def test_a_problem_that_cannot_be_struck_says_why(
    run: Run, tmp_path: Path, text: str | None, depth: int, words: str
) -> None:
    if text is None:
        rows = [f"{i} {j} 1\n" for i in range(1, 31) for j in range(i + 1, 31)]
        text = f"30 {len(rows)}\n" + "".join(rows)
    path = tmp_path / "graph.txt"
    path.write_text(text)
    answer = run(path, "--depth", depth, "--seed", SEED)
    assert (answer.exit_code, answer.out) == (1, "")
    assert words in answer.err
    assert "graph.txt" in answer.err


def test_the_reference_refuses_a_register_that_it_cannot_hold(run: Run) -> None:
    path = ROOT / "tests" / "vectors" / "graphs" / "cubic60.txt"
    answer = run(path, "--depth", 1, "--seed", SEED, "--engine", "reference")
    assert answer.exit_code == 1
    assert "at most 20 spins, not 60" in answer.err


def test_a_law_of_another_depth_is_refused(run: Run, tmp_path: Path) -> None:
    saved = tmp_path / "strike.json"
    saved.write_text(json.dumps(run.json(CUBIC, "--depth", 2, "--seed", SEED)))
    answer = run(CUBIC, "--depth", 1, "--seed", SEED, "--law", saved)
    assert answer.exit_code == 1
    assert "a law of depth 2, not 1" in answer.err
    saved.write_text(json.dumps({"law": {"gamma_means": [1]}}))
    assert "no angle law" in run(CUBIC, "--depth", 1, "--seed", SEED, "--law", saved).err
