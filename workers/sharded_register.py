"""A whole state vector spread over processes: for registers that fit no single one, exact, its communication counted.

2^k processes hold 2^(n-k) amplitudes each, and swap parts over socket pairs: once in the first layer of a circuit and
twice in each further one, 16 * 2^n * (1 - 2^-k) bytes each time. The state is that of `vm.reference`, bit for bit; its
probabilities are added up shard by shard, so shots agree with the reference's as those of all engines do.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from itertools import combinations
from types import TracebackType
from typing import Self, TypeVar

import numpy as np

from vm.derivation import Uniforms
from vm.engines.angled_circuit import AngledCircuit
from vm.engines.engine import (
    Bits,
    CircuitTooLarge,
    Expectation,
    InvalidRequest,
    Runnable,
    check_bits,
    check_hamiltonian,
    check_shots,
    draw_uniforms,
    get_order,
)
from vm.engines.state_vector import ROUNDING
from vm.pauli import PauliSum, list_support
from vm.problem import Shots
from vm.reference import State
from workers.frames import encode_frame, receive_message
from workers.process_setup import ONE_THREAD
from workers.processes import END_SECONDS_MAX
from workers.shard_frames import MeasureNext, RunCircuit, SendPart, StartDraw, SumSpins, ToShard, Traffic

SHARDS_MAX = 64
BYTES_PER_AMPLITUDE = 40  # while parts are exchanged there are two copies, and blocks in work
T = TypeVar("T")


class ShardLost(Exception):
    """The process of a shard ended by itself; the state is lost with it."""


class ShardedRegister:
    """The engine `sharded`, for the time of a `with`: the reference's state over 2^k processes."""

    name = "sharded"
    is_bit_exact = False

    def __init__(self, shards: int) -> None:
        """Describe the register; entering it starts the processes.

        Raises:
            InvalidRequest: the number of shards is no power of two from 2 to SHARDS_MAX.
        """
        if not 2 <= shards <= SHARDS_MAX or shards & (shards - 1):
            raise InvalidRequest(f"a register has 2, 4, 8 ... {SHARDS_MAX} shards, not {shards}")
        self.shards = shards
        self.traffic = Traffic(exchanges=0, bytes_sent=0, seconds=0.0, wait_seconds=0.0)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._sockets: list[socket.socket] = []
        self._kept: AngledCircuit | None = None

    def __enter__(self) -> Self:
        meshes: list[list[socket.socket | None]] = [[None] * self.shards for _ in range(self.shards)]
        for one, other in combinations(range(self.shards), 2):
            meshes[one][other], meshes[other][one] = socket.socketpair()
        for rank, mesh in enumerate(meshes):
            ours, theirs = socket.socketpair()
            self._sockets.append(ours)
            self._processes.append(_start(rank, theirs, mesh))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._sockets:
            connection.close()
        for process in self._processes:
            try:
                process.wait(END_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The shards' processes, for reports and tests."""
        return tuple(process.pid for process in self._processes)

    def run_circuit(self, circuit: Runnable) -> Traffic:
        """Compute the circuit's final state, unless it is there already; return what that moved.

        Raises:
            CircuitTooLarge: fewer than two qubits for each global one, or more memory than there is.
            ShardLost: a process ended.
        """
        if not isinstance(circuit, AngledCircuit):
            raise InvalidRequest("shards run the circuits of problems; reference and mps run any rotations")
        if self._kept == circuit:
            return self.traffic
        self._check_size(circuit.circuit.problem.n)
        self._kept = None
        rows = self._ask(RunCircuit(problem=circuit.circuit.problem, angles=circuit.angles), Traffic)
        self._kept = circuit
        self.traffic = Traffic(
            exchanges=rows[0].exchanges,
            bytes_sent=sum(row.bytes_sent for row in rows),
            seconds=sum(row.seconds for row in rows),
            wait_seconds=max(row.wait_seconds for row in rows),
        )
        return self.traffic

    def sample(self, circuit: Runnable, *, shots: int, seed: bytes) -> Shots:
        """See `vm.engines.engine.Engine.sample`."""
        check_shots(shots, seed)
        self.run_circuit(circuit)
        return self._draw(get_order(circuit), draw_uniforms(circuit, shots, seed))

    def probability(self, circuit: Runnable, bits: Bits) -> float:
        """See `vm.engines.engine.Engine.probability`."""
        return float(abs(self.compute_amplitude(circuit, bits)) ** 2)

    def compute_amplitude(self, circuit: Runnable, bits: Bits) -> complex:
        """Return the amplitude of a bit string (by label), the very number of `vm.reference.compute_state`."""
        values = check_bits(circuit, bits)
        self.run_circuit(circuit)
        word = int("".join(map(str, values)), 2)
        each = len(values) - self._global_qubits
        return self._ask_one(word >> each, SendPart(index=word & (1 << each) - 1), complex)

    def expectation(self, circuit: Runnable, hamiltonian: PauliSum) -> Expectation:
        """See `vm.engines.engine.Engine.expectation`; diagonal observables only."""
        check_hamiltonian(circuit, hamiltonian)
        if not hamiltonian.is_diagonal:
            raise InvalidRequest("a sharded register gives values of diagonal observables only; mps gives all")
        self.run_circuit(circuit)
        supports = tuple(tuple(list_support(string)) for _, string in hamiltonian.terms)
        rows = self._ask(SumSpins(supports=supports), list)
        values = [sum(parts) for parts in zip(*rows, strict=True)]
        total = sum(weight * value for (weight, _), value in zip(hamiltonian.terms, values, strict=True))
        return Expectation(value=float(total), error=ROUNDING * hamiltonian.weight, kind="exact")

    def gather_state(self, circuit: Runnable) -> State:
        """Return the whole state, one axis for each qubit by label: for tests, it must fit here."""
        self.run_circuit(circuit)
        state: State = np.concatenate(self._ask(SendPart(index=None), np.ndarray))
        return state.reshape((2,) * (len(state).bit_length() - 1))

    @property
    def _global_qubits(self) -> int:
        return self.shards.bit_length() - 1

    def _check_size(self, n: int) -> None:
        if n < 2 * self._global_qubits or n < self._global_qubits + 1:
            raise CircuitTooLarge(f"{self.shards} shards need at least {2 * self._global_qubits} qubits, not {n}")
        needed = BYTES_PER_AMPLITUDE << n
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if needed > total:
            raise CircuitTooLarge(
                f"{n} qubits need {needed / 2**30:.1f} GiB while shards exchange, and this machine has "
                f"{total / 2**30:.1f}; frontier and mps hold more qubits of sparse problems"
            )

    def _draw(self, order: tuple[int, ...], uniforms: Uniforms) -> Shots:
        """Measure qubit by qubit; shots with the same bits so far share a branch."""
        shots = np.zeros(uniforms.shape, np.uint8)
        if not len(uniforms):
            return shots
        self._send(StartDraw(order=order))
        of_shot = [0] * len(uniforms)
        branches: tuple[tuple[int, int], ...] = ()
        for rank, qubit in enumerate(order):
            masses = np.add.reduce(self._ask(MeasureNext(branches=branches), np.ndarray))
            numbers: dict[tuple[int, int], int] = {}
            for shot, before in enumerate(of_shot):
                p0, p1 = masses[before]
                bit = 0 if uniforms[shot, rank] * (p0 + p1) < p0 else 1
                shots[shot, qubit] = bit
                of_shot[shot] = numbers.setdefault((before, bit), len(numbers))
            branches = tuple(numbers)
        return shots

    def _ask(self, message: ToShard, kind: type[T]) -> list[T]:
        """Return every shard's answer, by rank."""
        self._send(message)
        return [self._receive(rank, kind) for rank in range(self.shards)]

    def _ask_one(self, rank: int, message: ToShard, kind: type[T]) -> T:
        self._sockets[rank].sendall(encode_frame(message))
        return self._receive(rank, kind)

    def _send(self, message: ToShard) -> None:
        for rank, connection in enumerate(self._sockets):
            try:
                connection.sendall(encode_frame(message))
            except (BrokenPipeError, ConnectionResetError):
                raise self._explain_loss(rank) from None

    def _receive(self, rank: int, kind: type[T]) -> T:
        try:
            answer = receive_message(self._sockets[rank])
        except ConnectionResetError:
            answer = None
        if answer is None:
            raise self._explain_loss(rank)
        assert isinstance(answer, kind)
        return answer

    def _explain_loss(self, rank: int) -> ShardLost:
        try:
            code: object = self._processes[rank].wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            code = "none yet"
        return ShardLost(
            f"the process of shard {rank} ended (exit code {code}) and its part of the state with it; "
            "run the circuit again, with more shards if memory was short"
        )


def _start(rank: int, control: socket.socket, mesh: list[socket.socket | None]) -> subprocess.Popen[bytes]:
    """Start a shard's process and give it its ends of the sockets."""
    numbers = [-1 if peer is None else peer.fileno() for peer in mesh]
    try:
        return subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "workers.shard_process"),
                *map(str, (control.fileno(), os.getpid(), rank, *numbers)),
            ],
            pass_fds=[control.fileno(), *(number for number in numbers if number >= 0)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
        )
    finally:
        control.close()
        for peer in mesh:
            if peer is not None:
                peer.close()
