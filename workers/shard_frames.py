"""Messages between a sharded register and the processes of its shards."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from vm.derivation import Angles
from vm.problem import IsingProblem


class RunCircuit(msgspec.Struct, frozen=True, kw_only=True):
    """To a shard: compute your part of the final state; it answers with its Traffic."""

    problem: IsingProblem
    angles: Angles


class SendPart(msgspec.Struct, frozen=True, kw_only=True):
    """To a shard: send your amplitudes, or the one at an index."""

    index: int | None


class StartDraw(msgspec.Struct, frozen=True, kw_only=True):
    """To a shard: prepare to measure the qubits in this order; it answers nothing."""

    order: tuple[int, ...]


class MeasureNext(msgspec.Struct, frozen=True, kw_only=True):
    """To a shard: follow these branches, (branch of before, bit) each, and send the masses of the next qubit's bits."""

    branches: tuple[tuple[int, int], ...]


class SumSpins(msgspec.Struct, frozen=True, kw_only=True):
    """To a shard: send the sum, over its amplitudes, of probability times the product of these qubits' spins."""

    supports: tuple[tuple[int, ...], ...]


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What a circuit's run moved between the shards.

    Attributes:
        exchanges: Times that every shard swapped parts with every other one.
        bytes_sent: By all shards together.
        seconds: CPU time of all shards together.
        wait_seconds: Of the slowest shard, spent in exchanges, others' delays included.
    """

    exchanges: int
    bytes_sent: int
    seconds: float
    wait_seconds: float


ToShard: TypeAlias = RunCircuit | SendPart | StartDraw | MeasureNext | SumSpins
Masses = NDArray[np.float64]  # axes: branch, bit
