"""The core problem: a dense random Ising instance per epoch, on which every ticket spends work.

A Sherrington-Kirkpatrick instance: all couplings +1 or -1, no fields, depth 1, measured in the order of the labels,
with a constant angle law. Exact sampling from such circuits is hard in general (Farhi and Harrow, arXiv:1602.07674).

Terms:
    accumulator: hash chain over the tickets of one epoch; 32 zero bytes before the first.
    core seed: what an epoch's couplings are drawn from; made from the accumulator of the epoch before last.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from chain.params import WorkParams
from vm.law import AngleLaw, compute_core_law
from vm.problem import IsingProblem, make_problem
from vm.strike import Circuit, compile_circuit, get_gas_limit

TAG_CORE_SEED = b"matchstrike/core-seed/1\x00"
TAG_ACCUMULATOR = b"matchstrike/accumulator/1\x00"
TAG_CORE_PROBLEM = b"matchstrike/core-problem/1\x00"
EMPTY_ACCUMULATOR = bytes(32)
CORE_DEPTH = 1


def compute_epoch(height: int, params: WorkParams) -> int:
    """Return the core epoch of the block at `height`."""
    # SPEC WRK-18: The epoch of a block MUST be floor(height / epoch_blocks).
    return height // params.epoch_blocks


def extend_accumulator(accumulator: bytes, ticket: int) -> bytes:
    """Return the accumulator of an epoch after one more of its blocks.

    Args:
        ticket: Value of that block's ticket.
    """
    # SPEC WRK-19: Each block's ticket MUST extend its epoch's accumulator to H(tag "accumulator", accumulator, ticket
    # as u256), from 32 zero bytes.
    data = accumulator + ticket.to_bytes(32, "little")
    return hashlib.blake2b(TAG_ACCUMULATOR + data, digest_size=32).digest()


def compute_core_seed(genesis_hash: bytes, epoch: int, accumulator: bytes) -> bytes:
    """Return the seed of an epoch's core problem.

    Args:
        accumulator: The finished one of epoch - 2; ignored in epochs 0 and 1, which follow from genesis.
    """
    chosen = accumulator if epoch >= 2 else EMPTY_ACCUMULATOR
    # SPEC WRK-20: The core seed of epoch e MUST be H(tag "core-seed", genesis hash, e as u32, accumulator of epoch e -
    # 2), with 32 zero bytes for the accumulator in epochs 0 and 1.
    data = genesis_hash + epoch.to_bytes(4, "little") + chosen
    return hashlib.blake2b(TAG_CORE_SEED + data, digest_size=32).digest()


def make_core_problem(core_seed: bytes, n: int) -> IsingProblem:
    """Return the core problem of n spins, n at least 2."""
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    stream = hashlib.shake_128(TAG_CORE_PROBLEM + core_seed + n.to_bytes(4, "little")).digest((len(pairs) + 7) // 8)
    # SPEC WRK-21: Coupling k of the core problem, pairs i < j in ascending order, MUST be 1 - 2 * (bit k % 8 of byte k
    # / 8 of SHAKE-128(tag "core-problem", core seed, n as u32)), and its fields and offset MUST be 0.
    return make_problem(n, [(i, j, 1 - 2 * (stream[k // 8] >> k % 8 & 1)) for k, (i, j) in enumerate(pairs)])


@lru_cache(maxsize=4)
def make_core_circuit(core_seed: bytes, n: int) -> Circuit:
    """Return the core problem's circuit, compiled once per epoch."""
    # SPEC WRK-22: A core strike MUST run at depth 1, measured in ascending order of the labels, under the constant core
    # law of n.
    return compile_circuit(make_core_problem(core_seed, n), depth=CORE_DEPTH)


@lru_cache(maxsize=4)
def get_core_law(n: int) -> AngleLaw:
    """Return the constant law of the core problem."""
    return compute_core_law(n)


@lru_cache(maxsize=4)
def compute_core_gas(core_seed: bytes, n: int, shots: int) -> int:
    """Return the gas limit of one core strike."""
    return get_gas_limit(make_core_circuit(core_seed, n), shots)
