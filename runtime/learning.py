"""How a block's state learns from strikes that were verified: the belief, the curve and the snapshot of a problem.

Terms: those of `runtime.belief_state` and `consensus.belief`.
Invariant: nothing here fails; a problem that is closed, or may not be struck, is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from consensus.belief import compute_drawn_angles, make_first_belief, update_by_many
from consensus.work import compute_shots_bytes
from runtime.belief_state import BELIEFS, CURVES, CurvePoint, add_point
from runtime.environment import Environment
from runtime.problem_records import read_instance
from runtime.problem_state import INSTANCES, RECORDS
from runtime.snapshots import note_snapshot
from runtime.work_context import find_pool_problem, is_poolable_record
from vm.law import AngleLaw
from vm.problem import Shots, sum_energies

VerifiedStrike = tuple[bytes, bytes]  # seed, packed shots


def record_strikes(env: Environment, problem: int, law: AngleLaw, strikes: Sequence[VerifiedStrike]) -> None:
    """Learn from strikes that were run again and were right.

    Args:
        law: What their angles were drawn from.
    """
    record = RECORDS.find(env.state, problem)
    if record is None or not is_poolable_record(record) or not strikes:
        return
    raw, shots = env.state.get(INSTANCES.key_of(problem)), env.params.work.shots
    size = compute_shots_bytes(record.spins, shots)
    if raw is None or any(len(packed) != size for _, packed in strikes):  # never of a seal that was checked
        return
    ising = read_instance(raw)[0]
    belief = BELIEFS.find(env.state, problem) or make_first_belief(ising, record.depth)
    curve, learnt = CURVES.get(env.state, problem), []
    for seed, packed in strikes:
        energy = sum_energies(ising, _unpack(packed, ising.n))
        learnt.append((compute_drawn_angles(law, seed), energy))
        curve = add_point(curve, CurvePoint(until=env.number, strikes=1, shots=shots, energy=energy))
    BELIEFS.set(env.state, problem, update_by_many(belief, learnt, shots))
    CURVES.set(env.state, problem, curve)
    pool = find_pool_problem(env.state, problem)
    if pool is not None:
        note_snapshot(env, pool)


def _unpack(packed: bytes, n: int) -> Shots:
    """Return the shots; padding bits, which a checked strike has none of, are left out."""
    rows = np.frombuffer(packed, dtype=np.uint8).reshape(-1, (n + 7) // 8)
    return np.unpackbits(rows, axis=1, bitorder="little")[:, :n]
