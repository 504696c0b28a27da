"""The inside of a shard's process: `python -m workers.shard_process CONTROL_FD PARENT_PID RANK PEER_FD...`.

One socket leads to the register that commands it, one to each other shard, by rank (its own place holds -1). A shard
ends when the register closes its socket; on Linux the kernel ends it when the register's process dies in any way.
"""

from __future__ import annotations

import signal
import socket
import sys
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray

from vm.engines.register import Register
from vm.engines.shard import FIRST, LAST, ShardPlace, make_shard, mix_shard_, rotate_shard_
from workers.frames import encode_frame, receive_message
from workers.shard_frames import Masses, MeasureNext, RunCircuit, SendPart, StartDraw, SumSpins, Traffic
from workers.worker_process import end_with_parent

CHUNK_BYTES = 2**20


class Shard:
    """One shard, its sockets, and a measurement that is under way."""

    def __init__(self, rank: int, control: socket.socket, peers: dict[int, socket.socket]) -> None:
        self._rank = rank
        self._control = control
        self._peers = peers
        self._count = len(peers) + 1
        self._state: Register = np.zeros(0, np.complex128)
        self._place = ShardPlace(n=0, k=0, rank=rank)
        self._sent = self._exchanges = 0
        self._waited = 0.0
        self._order: list[int] = []
        self._branches: list[NDArray[np.float64] | None] = []

    def run(self) -> None:
        """Obey until the register closes its socket."""
        while (message := receive_message(self._control)) is not None:
            match message:
                case RunCircuit():
                    self._answer(self._run_circuit(message))
                case SendPart():
                    self._answer(self._state if message.index is None else complex(self._state[message.index]))
                case StartDraw():
                    self._start_draw(message.order)
                case MeasureNext():
                    self._answer(self._measure_next(message.branches))
                case SumSpins():
                    self._answer([self._sum_spins(support) for support in message.supports])
                case _:
                    raise TypeError(f"the register sent a {type(message).__name__}")

    def _answer(self, answer: object) -> None:
        self._control.sendall(encode_frame(answer))

    def _run_circuit(self, message: RunCircuit) -> Traffic:
        began = process_time()
        problem, angles = message.problem, message.angles
        place = self._place = ShardPlace(n=problem.n, k=self._count.bit_length() - 1, rank=self._rank)
        self._sent = self._exchanges = 0
        self._waited = 0.0
        self._branches = []
        head, tail = place.list_local(LAST), place.list_global(LAST)
        self._state, layout = make_shard(place), LAST
        for layer in range(len(angles.gammas)):
            rotate_shard_(self._state, place, layout, problem, angles, layer=layer)
            if layout == FIRST:
                self._exchange(FIRST)
            mix_shard_(self._state, place, LAST, angles, head, layer=layer)
            self._exchange(LAST)
            mix_shard_(self._state, place, FIRST, angles, tail, layer=layer)
            layout = FIRST
        return Traffic(
            exchanges=self._exchanges,
            bytes_sent=self._sent,
            seconds=process_time() - began,
            wait_seconds=self._waited,
        )

    def _exchange(self, layout: str) -> None:
        """Go from a layout to the other one: part t goes to shard t, and the part that it had for us comes instead."""
        began = perf_counter()
        if layout == FIRST:  # the parts for others lie across
            self._state = np.ascontiguousarray(self._state.reshape(-1, self._count).T).reshape(-1)
        parts = self._state.reshape(self._count, -1)
        for step in range(1, self._count):
            self._swap(self._rank ^ step, memoryview(parts[self._rank ^ step]).cast("B"))
        if layout == LAST:
            self._state = np.ascontiguousarray(parts.T).reshape(-1)
        self._exchanges += 1
        self._waited += perf_counter() - began

    def _swap(self, peer: int, data: memoryview) -> None:
        """Swap bytes with a peer, in place and in chunks; the lower rank speaks first."""
        connection = self._peers[peer]
        for start in range(0, len(data), CHUNK_BYTES):
            chunk = data[start : start + CHUNK_BYTES]
            mine = bytes(chunk)
            if self._rank < peer:
                connection.sendall(mine)
                _receive_into(connection, chunk)
            else:
                _receive_into(connection, chunk)
                connection.sendall(mine)
        self._sent += len(data)

    def _start_draw(self, order: tuple[int, ...]) -> None:
        local = [q for q in order if q >= self._place.k]
        probabilities = (np.abs(self._state) ** 2).reshape((2,) * self._place.live)
        ordered = np.ascontiguousarray(np.transpose(probabilities, [q - self._place.k for q in local]))
        self._order = list(order)
        self._branches = [ordered]

    def _measure_next(self, branches: tuple[tuple[int, int], ...]) -> Masses:
        if branches:
            self._follow(self._order.pop(0), branches)
        own = self._place.get_fixed_bits(FIRST).get(self._order[0])
        masses = np.zeros((len(self._branches), 2))
        for row, left in enumerate(self._branches):
            if left is None:
                continue
            if own is None:
                masses[row] = left[0].sum(), left[1].sum()
            else:
                masses[row, own] = left.sum()
        return masses

    def _follow(self, qubit: int, branches: tuple[tuple[int, int], ...]) -> None:
        own = self._place.get_fixed_bits(FIRST).get(qubit)
        followed: list[NDArray[np.float64] | None] = []
        for before, bit in branches:
            left = self._branches[before]
            if left is None or (own is not None and own != bit):
                followed.append(None)
            else:
                followed.append(left if own is not None else left[bit])
        self._branches = followed

    def _sum_spins(self, support: tuple[int, ...]) -> float:
        left = (np.abs(self._state) ** 2).reshape((2,) * self._place.live)
        sign = 1
        for qubit, bit in self._place.get_fixed_bits(FIRST).items():
            if qubit in support:
                sign *= 1 - 2 * bit
        inner = [q - self._place.k for q in support if q >= self._place.k]
        marginal = left.sum(axis=tuple(axis for axis in range(self._place.live) if axis not in inner))
        for _ in inner:
            marginal = marginal[0] - marginal[1]
        return sign * float(marginal)


def _receive_into(connection: socket.socket, target: memoryview) -> None:
    while target:
        size = connection.recv_into(target)
        if not size:
            raise ConnectionResetError("another shard is gone")
        target = target[size:]


def main(arguments: list[str]) -> None:
    """Take the sockets over and obey."""
    control, parent, rank, *descriptors = (int(argument) for argument in arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(parent)
    peers = {peer: socket.socket(fileno=number) for peer, number in enumerate(descriptors) if number >= 0}
    try:
        with socket.socket(fileno=control) as connection:
            Shard(rank, connection, peers).run()
    except (BrokenPipeError, ConnectionResetError):
        return  # the register or another shard is gone
    finally:
        for connection in peers.values():
            connection.close()


if __name__ == "__main__":
    main(sys.argv[1:])
