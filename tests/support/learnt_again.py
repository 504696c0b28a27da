"""What a chain must have learnt, computed from its headers alone: the pool strike of every seal is run again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chain.header import Header
from consensus.belief import Belief, compute_drawn_angles, make_first_belief, make_law, update_belief
from consensus.digest import read_seal, read_work
from consensus.work import compute_pool_strike_seed, compute_seed, compute_work_key
from tests.support.struck_landscape import SHOTS
from vm.law import AngleLaw
from vm.problem import IsingProblem, pack_shots, sum_energies
from vm.strike import Circuit, compile_circuit, run_strike


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from the seals.

    Attributes:
        belief: In the state after the last header.
        laws: That strikes ran under, one for each header that names the problem, the last header excepted.
        energy: Of all shots of these strikes.
    """

    belief: Belief
    laws: list[AngleLaw]
    energy: int


def learn_again(problem: IsingProblem, headers: Sequence[Header]) -> Learnt:
    """Return what is learnt of problem 0, at p = 1 and measured in order, where no strikes are sold.

    Args:
        headers: Those of heights 1, 2 and so on.
    """
    circuit = compile_circuit(problem, order=tuple(range(problem.n)), depth=1)
    before = now = make_first_belief(problem, 1)
    laws, total = [], 0
    for header in headers[:-1]:
        after = now
        if read_work(header).problem is not None:
            law = make_law(before)  # a block's strikes run under what its parent's state says
            seed, energy = run_again(circuit, law, header)
            after = update_belief(now, compute_drawn_angles(law, seed), energy, SHOTS)
            laws.append(law)
            total += energy
        before, now = now, after  # the next block learns from this one's seal
    return Learnt(belief=now, laws=laws, energy=total)


def run_again(circuit: Circuit, law: AngleLaw, header: Header) -> tuple[bytes, int]:
    """Return seed and energy of a seal's pool strike, which must be what the seal says."""
    seal = read_seal(header)
    seed = compute_pool_strike_seed(compute_seed(compute_work_key(header), seal.index))
    shots = run_strike(circuit, law, seed, shots=SHOTS)
    assert pack_shots(shots) == seal.pool_shots, f"the seal of #{header.number} has other shots"
    return seed, sum_energies(circuit.problem, shots)
