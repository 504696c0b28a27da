"""Attacks on the strikes themselves: guess the shots, keep only cheap seeds, plant a problem with a shortcut.

They need no network. Costs are counted in gas, operation by operation, not timed.
"""

from __future__ import annotations

from math import gcd
from random import Random

import numpy as np
from numpy.typing import NDArray

from chain.params import WorkParams
from consensus.core_problem import compute_core_seed, get_core_law, make_core_circuit
from consensus.work import compute_repeats, compute_ticket_gas
from simulations.arena import Attack, Options, Trial
from simulations.equal_couplings import count_multiplications, make_equal_problem, strike_equal
from vm.derivation import Angles, compute_angles, compute_uniforms, expand_seed
from vm.gas import PRICES
from vm.law import GAMMA_PERIOD, AngleLaw, compute_law
from vm.order import anneal_order
from vm.problem import IsingProblem, Shots, check_strikeable, make_problem
from vm.reference import compute_state
from vm.strike import Circuit, compile_circuit, get_gas_limit, get_gas_used, run_strike

SHOTS = 32
SHOTS_FOR_MARGINALS = 2_048
# What a dense strike takes by the registers that its shots hold, in units of gas, measured apart from gas's own prices.
START, UNIFORM, SWEPT, BRANCH, PAIRED, COLUMN, TAIL_BITS = 140_000, 200, 11, 5_000, 7, 90, 6
GUESS_COST = 0.001  # of a strike; the marginals are given for nothing


def play_guess_shots(seed: int, options: Options) -> Trial:
    """Guess a strike's shots from the marginals of each qubit; without the defence the core has no couplings."""
    n, strikes = int(options["qubits"]), int(options["strikes"])
    circuit = _make_core(seed, n)
    if not options.is_defended:
        circuit = compile_circuit(make_problem(n, [], fields=[1] * n), depth=1)
    law, right, wrong = get_core_law(n), 0, 0
    for number in range(strikes):
        key = Random(f"guess {seed} {number}").randbytes(32)
        shots = run_strike(circuit, law, key, shots=SHOTS_FOR_MARGINALS)
        uniforms = compute_uniforms(expand_seed(key, depth=1, n=n, shots=SHOTS)[2 + n :], n)
        misses = int((shots[:SHOTS] != (uniforms >= _find_marginals(circuit, law, key))).sum())
        wrong, right = wrong + misses, right + (misses == 0)
    gain = right / strikes / GUESS_COST
    return Trial(attack=gain, honest=1.0, facts={"wrong bits": wrong / strikes, "bits": float(SHOTS * n)})


def _find_marginals(circuit: Circuit, law: AngleLaw, key: bytes) -> NDArray[np.float64]:
    """Return each qubit's exact chance of a zero."""
    n = circuit.problem.n
    state = compute_state(circuit.problem, compute_angles(law, expand_seed(key, depth=1, n=n, shots=0)))
    chances = np.abs(state) ** 2
    return np.array([chances.take(0, axis=qubit).sum() for qubit in range(n)])


def play_skim_seeds(seed: int, options: Options) -> Trial:
    """Run only the seeds that are cheapest for their chance, known for nothing.

    Undefended, cost follows entanglement, angles are free, and every ticket has the same chance.
    """
    n, strikes, share = int(options["qubits"]), int(options["strikes"]), options["kept"]
    circuit, law = _make_core(seed, n), get_core_law(n)
    costs: list[float] = []
    chances: list[float] = []
    for number in range(strikes):
        random = Random(f"skim {seed} {number}")
        if options.is_defended:
            shots = run_strike(circuit, law, random.randbytes(32), shots=SHOTS)
            costs.append(_count_gas(shots))
            chances.append(get_gas_used(circuit, shots))
        else:
            costs.append(_count_bonds(circuit.problem, random.random()))
            chances.append(1.0)
    ranked = sorted(range(strikes), key=lambda number: costs[number] / chances[number])
    kept = ranked[: max(1, round(share * strikes))]
    gain = sum(chances[k] for k in kept) / sum(costs[k] for k in kept) * sum(costs) / sum(chances)
    return Trial(attack=gain, honest=1.0, facts={"spread": float(np.std(costs)) / (sum(costs) / len(costs))})


def _count_gas(shots: Shots) -> int:
    """Return the gas of a dense strike by the registers that its shots really held."""
    count, n = shots.shape
    gas = START + UNIFORM * count * n + (SWEPT << n)
    measured = 0
    while n - measured > TAIL_BITS:
        registers = len({shot.tobytes() for shot in shots[:, :measured]})
        gas += BRANCH * registers + PAIRED * (registers << n - measured)
        measured += 2
    return int(gas + COLUMN * (count << n - measured))


def _count_bonds(problem: IsingProblem, turn: float) -> float:
    """Return what an engine of matrix products would pay for a state: the cubes of the bond dimensions it needs."""
    n = problem.n
    gamma = int(turn * GAMMA_PERIOD)
    angles = Angles(gammas=(gamma,), betas=(0,), fields=(0,) * n, mixers=(0,) * n)
    state = compute_state(problem, angles).reshape(-1)
    cost = 0.0
    for cut in range(1, n):
        values = np.linalg.svd(state.reshape(1 << cut, -1), compute_uv=False)
        cost += float((values > 1e-2).sum()) ** 3
    return cost


def play_planted(seed: int, options: Options) -> Trial:
    """Mine on one's own problem with the best shortcut known; without the defence a ticket has no core strikes."""
    random = Random(f"planted {seed}")
    n, core = int(options["qubits"]), int(options["core_qubits"])
    params = WorkParams(core_qubits=core, ticket_gas_max=2**62)
    circuit, law = _make_core(seed, core), get_core_law(core)
    core_limit = get_gas_limit(circuit, SHOTS)
    core_gas = get_gas_used(circuit, run_strike(circuit, law, random.randbytes(32), shots=SHOTS))
    equal, hidden = _plant_equal(n, random.randbytes(32)), _plant_hidden(2 * n, random.getrandbits(32))
    speeds = {}
    for name, (pool_limit, pool_gas, shortcut_gas) in {"equal couplings": equal, "hidden order": hidden}.items():
        repeats = compute_repeats(core_limit, pool_limit, params.pool_ratio) if options.is_defended else 0
        paid = repeats * core_gas
        sold = compute_ticket_gas(paid, pool_gas, params.pool_ratio) if options.is_defended else pool_gas
        speeds[name] = sold / (paid + min(shortcut_gas, pool_gas))
    facts = {**speeds, "shortcut on the pool strike": equal[1] / equal[2], "better order": hidden[1] / hidden[2]}
    return Trial(attack=max(speeds.values()), honest=1.0, facts=facts)


def _plant_equal(n: int, key: bytes) -> tuple[int, int, int]:
    """Return limit and use of gas of a strike on equal couplings, and the shortcut's, after comparing their shots."""
    problem = make_equal_problem(n)
    check_strikeable(problem)
    circuit, law = compile_circuit(problem, depth=1), compute_law(problem, 1)
    shots = run_strike(circuit, law, key, shots=SHOTS)
    assert (strike_equal(n, law, key, shots=SHOTS) == shots).all()
    shortcut = count_multiplications(n, SHOTS) * PRICES.mixed + UNIFORM * SHOTS * n
    return get_gas_limit(circuit, SHOTS), get_gas_used(circuit, shots), shortcut


def _plant_hidden(n: int, seed: int) -> tuple[int, int, int]:
    """Return limit and use of gas of a ring with chords in a bad posted order, and the use of a secret order."""
    random = Random(seed)
    labels = random.sample(range(n), n)
    couplings = [(labels[k], labels[(k + step) % n], 1) for k in range(n) for step in (1, 2)]
    problem = make_problem(n, couplings)
    stride = next(step for step in range(n // 3, n) if gcd(step, n) == 1)
    posted = tuple(labels[k * stride % n] for k in range(n))
    secret = anneal_order(problem, 1, seed=seed, effort=1)
    bad, good = (compile_circuit(problem, order=order, depth=1) for order in (posted, secret))
    law, key = compute_law(problem, 1), random.randbytes(32)
    used = [get_gas_used(circuit, run_strike(circuit, law, key, shots=SHOTS)) for circuit in (bad, good)]
    return get_gas_limit(bad, SHOTS), used[0], min(used)


def _make_core(seed: int, n: int) -> Circuit:
    return make_core_circuit(compute_core_seed(seed.to_bytes(32, "little"), 0, bytes(32)), n)


GUESS_SHOTS = Attack(
    name="guess-shots",
    summary="A miner guesses the shots of its core strikes from the public uniforms and each qubit's own chances.",
    unit="tickets for the cost of an honest one",
    defence="the core problem's couplings entangle its qubits; off: a core problem without couplings",
    play=play_guess_shots,
    defaults={"qubits": 10, "strikes": 30},
    parameter="qubits",
    steps=(2, 3, 4, 6, 8, 10),
    holds_to=3,
    is_rising=False,
    seeds=5,
)
SKIM_SEEDS = Attack(
    name="skim-seeds",
    summary="A miner runs only those seeds whose strikes are cheap.",
    unit="tickets for the cost of an honest one",
    defence="a dense core, narrow angles, and a chance that follows the gas used: cost over chance hardly depends on "
    "the seed; off: cost follows entanglement, the seed draws any angle, and all tickets have one chance",
    play=play_skim_seeds,
    defaults={"qubits": 10, "strikes": 60, "kept": 0.1},
    parameter="kept",
    steps=(0.02, 0.1, 0.3),
    holds_to=0.02,
    bound=0.1,
    is_rising=False,
    seeds=5,
)
PLANTED_STRUCTURE = Attack(
    name="planted-structure",
    summary="A miner posts a problem that it can strike by a shortcut, and mines on it.",
    unit="tickets for the cost of an honest one",
    defence="every ticket holds core strikes of at least the pool strike's gas over x; off: the pool strike alone",
    play=play_planted,
    defaults={"qubits": 14, "core_qubits": 14},
    parameter="qubits",
    steps=(8, 10, 12, 14, 16, 18),
    holds_to=18,
    bound=1.0,
    seeds=4,
)
