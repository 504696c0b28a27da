"""Golden strikes: the start-up check that this machine's VM computes what every other one does.

Each golden strike is a small problem, a depth and a seed, and the hash of its 32 shots as the first release computed
them. They cover the dense, cubic, grid and weighted families, one to three layers, every kernel, and a ring long enough
that registers are rescaled.
"""

from __future__ import annotations

import hashlib

from vm.law import compute_law
from vm.problem import IsingProblem, Shots, make_problem, pack_shots
from vm.strike import Circuit, compile_circuit, run_strike
from vm.trig_table import VmDiffers, get_trig_table
from vm.work import count_registers

# (family, qubits, depth, seed byte, BLAKE2b-128 of the packed shots)
GOLDEN_STRIKES: tuple[tuple[str, int, int, int, str], ...] = (
    ("dense", 12, 1, 7, "81a7aabae3304d882f95c715c5ab782a"),
    ("dense", 12, 2, 14, "cce8ef8761a637df5c4f9ab5a6c348a8"),
    ("dense", 12, 3, 21, "19cd838898655feedbdd11ff17adbd29"),
    ("cubic", 12, 1, 8, "da5890248c3786b8198dd293d2b94b64"),
    ("cubic", 12, 2, 15, "c611529e201b0d9b49bf976175570fc1"),
    ("cubic", 12, 3, 22, "9828ca59eb45769bdfdd15e530f46aa4"),
    ("grid", 12, 1, 9, "98a75332077748e0df50a70624ec62f4"),
    ("grid", 12, 2, 16, "754060b12c8217d80a21b9f490776b57"),
    ("grid", 12, 3, 23, "fc652a061cfbe5e27d1a53e7d752c19d"),
    ("weighted", 12, 1, 10, "55d5ce6ce0038c360447f3423392eec9"),
    ("weighted", 12, 2, 17, "3cca30b7457901079d1a734fea10b130"),
    ("weighted", 12, 3, 24, "4baa1c50de6a27acf6f841dd50f4820b"),
    ("dense", 14, 1, 200, "0189e38e8e9519d6a4dac43b5677db2b"),
    ("dense", 15, 2, 201, "f6aa4c5e285b52a63239e3e1ba68a2a4"),
    ("dense", 17, 1, 209, "eefd4047e1c5d26e0e777bc1bd82252c"),
    ("cubic", 20, 1, 202, "da0aff2ca7096e88759a578a03a7ce82"),
    ("cubic", 16, 2, 203, "434c52cbb47bc5d0c517352d7e435b89"),
    ("grid", 28, 1, 204, "d01dffa116fa5c3d5645cc64b9cf51c2"),
    ("weighted", 18, 1, 205, "99279b7b0df6934a9e5f1e5fd8f65c89"),
    ("ring", 500, 1, 206, "1f179edb256befce8d69a2e9eef94775"),
    ("ring", 40, 3, 207, "b95d1697859f7ce6fca0b6827ad80e28"),
    ("dense", 3, 1, 208, "7ff37632bfc952a3ccad2a2f9738ad74"),
)


def run_self_test() -> None:
    """Re-run the golden strikes.

    Raises:
        VmDiffers: the trigonometric table or a strike differs from the frozen one.
    """
    get_trig_table()
    for family, n, depth, seed_byte, expected in GOLDEN_STRIKES:
        actual = compute_golden_hash(family, n, depth, seed_byte)
        # SPEC VM-13: A node MUST refuse to start when its VM does not reproduce every golden strike, or counts the
        # registers of the first otherwise.
        if actual != expected:
            raise VmDiffers(f"golden strike {family} n={n} p={depth} seed {seed_byte} is {actual}, not {expected}")
    family, n, depth, seed_byte, _ = GOLDEN_STRIKES[0]
    circuit, shots = run_golden_strike(family, n, depth, seed_byte)
    rows = [shot.tobytes() for shot in shots]  # measured in the order of the labels
    if count_registers(shots, circuit.order) != [len({row[:k] for row in rows}) for k in range(n + 1)]:
        raise VmDiffers("the registers of a golden strike are counted wrong, so the gas that strikes use would be")


def compute_golden_hash(family: str, n: int, depth: int, seed_byte: int) -> str:
    """Return the hash of the shots of one golden strike."""
    _, shots = run_golden_strike(family, n, depth, seed_byte)
    return hashlib.blake2b(pack_shots(shots), digest_size=16).hexdigest()


def run_golden_strike(family: str, n: int, depth: int, seed_byte: int) -> tuple[Circuit, Shots]:
    """Return the circuit of one golden strike, measured in the order of the labels, and its shots."""
    problem = make_golden_problem(family, n)
    circuit = compile_circuit(problem, depth=depth)
    return circuit, run_strike(circuit, compute_law(problem, depth), bytes([seed_byte]) * 32)


def make_golden_problem(family: str, n: int) -> IsingProblem:
    """Return the problem of a golden strike: dense, cubic (a ring with chords), grid (four wide), weighted or ring."""
    ring = [(i, (i + 1) % n, 1) for i in range(n)]
    match family:
        case "dense":
            return make_problem(n, [(i, j, 1 if (i * j + i + j) % 3 else -1) for j in range(n) for i in range(j)])
        case "cubic":
            return make_problem(n, [*ring, *((i, i + n // 2, 1) for i in range(n // 2))])
        case "grid":
            across = [(i, i + 1, 1) for i in range(n - 1) if i % 4 != 3]
            return make_problem(n, [*across, *((i, i + 4, 1) for i in range(n - 4))])
        case "weighted":
            weights = [(i, j, (7 * i + 3 * j) % 15 - 7) for j in range(n) for i in range(j) if (i + 2 * j) % 3 == 0]
            return make_problem(n, weights, fields=[(5 * i) % 7 - 3 for i in range(n)])
        case _:
            return make_problem(n, ring)
