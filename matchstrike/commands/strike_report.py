"""What a replayed strike prints: every field that is needed to run it again, and what came out."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np

from rpc.api import Json
from vm.law import AngleLaw
from vm.problem import compute_energies
from vm.problem_file import ProblemFile, compute_quantity, get_quantity_name
from vm.strike import Circuit

NUMBER_MAX = 2**53 - 1  # beyond it readers of JSON that know only binary64 would round
ROWS_MAX = 20


class StrikeRun(msgspec.Struct, frozen=True, kw_only=True):
    """A strike and its shots, `shots[k][q]` the bit of spin q."""

    file: ProblemFile
    circuit: Circuit
    law: AngleLaw
    seed: bytes
    engine: str
    gas: int
    shots: list[list[int]]


def strike_to_json(run: StrikeRun) -> dict[str, Json]:
    """Return the strike as JSON: shots with spin 0 first; integers beyond 2^53 as strings."""
    problem = run.circuit.problem
    energies = compute_shot_energies(run)
    word = get_quantity_name(run.file)
    best = min(energies)
    result: dict[str, Json] = {
        "problem": run.file.name,
        "kind": run.file.kind,
        "n": problem.n,
        "depth": run.circuit.depth,
        "seed": run.seed.hex(),
        "engine": run.engine,
        "shots": [format_bits(shot) for shot in run.shots],
        "energies": [*energies],
        "best": best,
        "best_shot": format_bits(run.shots[energies.index(best)]),
        "gas": run.gas if run.gas <= NUMBER_MAX else str(run.gas),
        "live_qubits_max": run.circuit.schedule.live_qubits_max,
        "order": [*run.circuit.order],
        "law": msgspec.to_builtins(run.law),
    }
    if word != "energy":
        quantities: list[Json] = [compute_quantity(run.file, energy) for energy in energies]
        result |= {f"{word}s": quantities, f"best_{word}": compute_quantity(run.file, best)}
    return result


def strike_to_text(run: StrikeRun) -> str:
    """Return the strike for people: the best shots first, equal ones counted."""
    energies = compute_shot_energies(run)
    word = get_quantity_name(run.file)
    counts = Counter(zip(energies, map(format_bits, run.shots), strict=True))
    schedule = run.circuit.schedule
    lines = [
        f"{run.file.name}: {schedule.n} spins, depth {schedule.depth}, {len(run.shots)} shots, engine {run.engine}",
        f"gas {run.gas}, at most {schedule.live_qubits_max} qubits live",
        f"best energy {min(energies)}"
        + ("" if word == "energy" else f", best {word} {compute_quantity(run.file, min(energies))}"),
        "",
        f"{'times':>5}  {word:>8}  {'energy':>8}  shot (spin 0 first)",
    ]
    for (energy, bits), times in sorted(counts.items())[:ROWS_MAX]:
        lines.append(f"{times:>5}  {compute_quantity(run.file, energy):>8}  {energy:>8}  {bits}")
    if len(counts) > ROWS_MAX:
        lines.append(f"... and {len(counts) - ROWS_MAX} more; -o json prints all")
    return "\n".join(lines)


def compute_shot_energies(run: StrikeRun) -> list[int]:
    """Return the exact energy of each shot."""
    return [int(energy) for energy in compute_energies(run.circuit.problem, np.array(run.shots, dtype=np.uint8))]


def format_bits(shot: list[int]) -> str:
    """Return a shot as a string of 0 and 1, spin 0 first."""
    return "".join(map(str, shot))
