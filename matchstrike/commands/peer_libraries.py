"""Other simulators running our circuit: qsimcirq, lightning, qiskit-aer, qulacs and quimb, each as fast as it goes.

Each way makes the circuit of one strike with its fresh angles, runs it from the uniform superposition and draws shots,
on one thread. A peer is imported when it is made, so a missing one fails with ImportError and nothing else needs it.

Terms:
    way: `api` is the library as its documentation uses it; `bindings` skips its Python layer and calls its compiled
        kernels one by one, which saves what the api spends on making circuits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from math import pi
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from matchstrike.commands.peer_circuit import PeerCircuit, Probabilities


class Peer(Protocol):
    """One way of running strikes in another library."""

    package: str
    way: str
    settings: Sequence[object]

    def compute_probabilities(self, circuit: PeerCircuit, setting: object) -> Probabilities:
        """Return the probability of every bit string, qubit 0 most significant."""

    def run(self, circuit: PeerCircuit, setting: object, shots: int) -> None:
        """Run the circuit and draw shots."""


class QsimApi:
    """QSimSimulator on a cirq circuit; setting: the largest number of qubits of a fused gate."""

    package, way = "qsimcirq", "api"
    settings: Sequence[object] = (2, 3, 4)

    def __init__(self) -> None:
        self.qsimcirq = import_module("qsimcirq")
        self.cirq = import_module("cirq")

    def compute_probabilities(self, circuit: PeerCircuit, setting: object) -> Probabilities:
        return _square(self._make_simulator(setting).simulate(self._make(circuit)).final_state_vector)

    def run(self, circuit: PeerCircuit, setting: object, shots: int) -> None:
        made = self._make(circuit)
        made.append(self.cirq.measure(*sorted(made.all_qubits()), key="m"))
        self._make_simulator(setting).run(made, repetitions=shots)

    def _make_simulator(self, setting: object):  # type: ignore[no-untyped-def]
        options = self.qsimcirq.QSimOptions(max_fused_gate_size=setting, cpu_threads=1)
        return self.qsimcirq.QSimSimulator(qsim_options=options)

    def _make(self, circuit: PeerCircuit):  # type: ignore[no-untyped-def]
        cirq = self.cirq
        qubits = cirq.LineQubit.range(circuit.n)
        operations = [cirq.H(q) for q in qubits]
        for layer in circuit.layers:
            operations += [
                cirq.ZZPowGate(exponent=t / pi, global_shift=-0.5).on(qubits[i], qubits[j]) for i, j, t in layer.rzz
            ]
            operations += [cirq.rz(t).on(q) for t, q in zip(layer.rz, qubits, strict=True)]
            operations += [cirq.rx(t).on(q) for t, q in zip(layer.rx, qubits, strict=True)]
        return cirq.Circuit(operations)


class QsimBindings:
    """qsim's compiled circuit filled gate by gate, without cirq; setting: as for the api."""

    package, way = "qsimcirq", "bindings"
    settings: Sequence[object] = (2, 3, 4)

    def __init__(self) -> None:
        self.qsimcirq = import_module("qsimcirq")
        self.qsim = self.qsimcirq.qsim

    def compute_probabilities(self, circuit: PeerCircuit, setting: object) -> Probabilities:
        state = self.qsim.qsim_simulate_fullstate(self._make_options(circuit, setting), 0)
        return _square(state.view(np.complex64))

    def run(self, circuit: PeerCircuit, setting: object, shots: int) -> None:
        self.qsim.qsim_sample_final(self._make_options(circuit, setting), shots)

    def _make_options(self, circuit: PeerCircuit, setting: object) -> dict[str, object]:
        options: dict[str, object] = self.qsimcirq.QSimOptions(max_fused_gate_size=setting, cpu_threads=1).as_dict()
        return options | {"c": self._make(circuit), "s": 1}

    def _make(self, circuit: PeerCircuit) -> object:
        qsim, n = self.qsim, circuit.n
        made = qsim.Circuit()
        made.num_qubits = n
        time = 0

        def add(kind: object, qubits: list[int], turns: float) -> None:
            parameters = {"exponent": turns, "exponent_scalar": 1.0, "global_shift": -0.5}
            qsim.add_gate(kind, time, [n - 1 - q for q in qubits], parameters, made)

        for q in range(n):
            add(qsim.kHPowGate, [q], 1.0)
        for layer in circuit.layers:
            for i, j, t in layer.rzz:
                time += 1
                add(qsim.kZZPowGate, [i, j], t / pi)
            time += 1
            for q in range(n):
                add(qsim.kZPowGate, [q], layer.rz[q] / pi)
            time += 1
            for q in range(n):
                add(qsim.kXPowGate, [q], layer.rx[q] / pi)
        return made


class LightningApi:
    """lightning.qubit executing a PennyLane tape; setting: the precision."""

    package, way = "pennylane-lightning", "api"
    settings: Sequence[object] = ("complex64", "complex128")

    def __init__(self) -> None:
        self.qml = import_module("pennylane")
        import_module("pennylane_lightning")
        self.devices: dict[tuple[int, object], object] = {}

    def compute_probabilities(self, circuit: PeerCircuit, setting: object) -> Probabilities:
        answer = self._execute(circuit, setting, self.qml.probs(wires=range(circuit.n)), None)
        return np.asarray(answer, dtype=np.float64)

    def run(self, circuit: PeerCircuit, setting: object, shots: int) -> None:
        self._execute(circuit, setting, self.qml.sample(wires=range(circuit.n)), shots)

    def _execute(self, circuit: PeerCircuit, setting: object, measurement: object, shots: int | None) -> object:
        qml = self.qml
        key = (circuit.n, setting)
        if key not in self.devices:
            self.devices[key] = qml.device("lightning.qubit", wires=circuit.n, c_dtype=getattr(np, str(setting)))
        operations = [qml.Hadamard(q) for q in range(circuit.n)]
        for layer in circuit.layers:
            operations += [qml.IsingZZ(t, (i, j)) for i, j, t in layer.rzz]
            operations += [qml.RZ(t, q) for q, t in enumerate(layer.rz)]
            operations += [qml.RX(t, q) for q, t in enumerate(layer.rx)]
        tape = qml.tape.QuantumScript(operations, [measurement], shots=shots)
        device = self.devices[key]
        return device.execute(tape)  # type: ignore[attr-defined]


class LightningBindings:
    """Lightning's compiled state vector, gate by gate; setting: the precision."""

    package, way = "pennylane-lightning", "bindings"
    settings: Sequence[object] = ("C64", "C128")

    def __init__(self) -> None:
        self.ops = import_module("pennylane_lightning.lightning_qubit_ops")

    def compute_probabilities(self, circuit: PeerCircuit, setting: object) -> Probabilities:
        state = np.zeros(2**circuit.n, _get_dtype(setting))
        self._make(circuit, setting).getState(state)  # type: ignore[attr-defined]
        return _square(state)

    def run(self, circuit: PeerCircuit, setting: object, shots: int) -> None:
        state = self._make(circuit, setting)  # named, because the measurements do not keep it alive
        getattr(self.ops, f"Measurements{setting}")(state).generate_samples(list(range(circuit.n)), shots)

    def _make(self, circuit: PeerCircuit, setting: object) -> object:
        n = circuit.n
        state = getattr(self.ops, f"StateVector{setting}")(n)
        state.updateData(np.full(2**n, 2 ** (-n / 2), _get_dtype(setting)))
        for layer in circuit.layers:
            for i, j, t in layer.rzz:
                state.IsingZZ([i, j], False, [t])
            for q in range(n):
                state.RZ([q], False, [layer.rz[q]])
            for q in range(n):
                state.RX([q], False, [layer.rx[q]])
        return state


class AerApi:
    """AerSimulator, state vector; setting: (precision, largest fused gate, whether the phases are one diagonal)."""

    package, way = "qiskit-aer", "api"
    settings: Sequence[object] = (("single", 5, False), ("single", 2, False), ("single", 5, True))

    def __init__(self) -> None:
        self.qiskit = import_module("qiskit")
        self.aer = import_module("qiskit_aer")
        self.gates = vars(import_module("qiskit.circuit"))["library"]
        self.simulators: dict[object, object] = {}

    def compute_probabilities(self, circuit: PeerCircuit, setting: object) -> Probabilities:
        made = self._make(circuit, setting)
        made.save_statevector()
        return _square(np.asarray(self._get_simulator(setting).run(made).result().get_statevector()))

    def run(self, circuit: PeerCircuit, setting: object, shots: int) -> None:
        made = self._make(circuit, setting)
        made.measure_all()
        self._get_simulator(setting).run(made, shots=shots).result().get_counts()

    def _get_simulator(self, setting: object):  # type: ignore[no-untyped-def]
        assert isinstance(setting, tuple)
        if setting not in self.simulators:
            self.simulators[setting] = self.aer.AerSimulator(
                method="statevector",
                precision=setting[0],
                fusion_max_qubit=setting[1],
                max_parallel_threads=1,
                zero_threshold=1e-30,
            )
        return self.simulators[setting]

    def _make(self, circuit: PeerCircuit, setting: object):  # type: ignore[no-untyped-def]
        assert isinstance(setting, tuple)
        n = circuit.n
        place = [n - 1 - q for q in range(n)]  # qiskit's qubit 0 is the least significant bit
        made = self.qiskit.QuantumCircuit(n)
        for q in range(n):
            made.h(q)
        for layer in circuit.layers:
            if setting[2]:
                made.append(self.gates.DiagonalGate(_make_diagonal(n, layer.rzz, layer.rz)), place[::-1])
            else:
                for i, j, t in layer.rzz:
                    made.rzz(t, place[i], place[j])
                for q in range(n):
                    made.rz(layer.rz[q], place[q])
            for q in range(n):
                made.rx(layer.rx[q], place[q])
        return made


class QulacsApi:
    """QuantumCircuit on a QuantumState; setting: the largest gate that its optimizer merges, 0 for none."""

    package, way = "qulacs", "api"
    settings: Sequence[object] = (0, 2, 4)

    def __init__(self) -> None:
        self.qulacs = import_module("qulacs")
        self.optimizer = import_module("qulacs.circuit").QuantumCircuitOptimizer

    def compute_probabilities(self, circuit: PeerCircuit, setting: object) -> Probabilities:
        return _square(self._run(circuit, setting).get_vector())

    def run(self, circuit: PeerCircuit, setting: object, shots: int) -> None:
        self._run(circuit, setting).sampling(shots)

    def _run(self, circuit: PeerCircuit, setting: object):  # type: ignore[no-untyped-def]
        n = circuit.n
        made = self.qulacs.QuantumCircuit(n)
        for layer in circuit.layers:
            for i, j, t in layer.rzz:  # qulacs rotates by exp(+i t/2 P), and its qubit 0 is the least significant bit
                made.add_multi_Pauli_rotation_gate([n - 1 - i, n - 1 - j], [3, 3], -t)
            for q in range(n):
                made.add_RZ_gate(n - 1 - q, -layer.rz[q])
                made.add_RX_gate(n - 1 - q, -layer.rx[q])
        if setting:
            self.optimizer().optimize(made, setting)
        state = self.qulacs.QuantumState(n)
        state.load(np.full(2**n, 2 ** (-n / 2), np.complex128))
        made.update_quantum_state(state)
        return state


class QuimbApi:
    """quimb's Circuit contracted to the whole state; setting: how its contraction paths are found."""

    package, way = "quimb", "api"
    settings: Sequence[object] = ("greedy",)

    def __init__(self) -> None:
        self.tensor = import_module("quimb.tensor")

    def compute_probabilities(self, circuit: PeerCircuit, setting: object) -> Probabilities:
        return _square(self._run(circuit, setting))

    def run(self, circuit: PeerCircuit, setting: object, shots: int) -> None:
        weights = _square(self._run(circuit, setting))
        np.random.default_rng(1).choice(len(weights), shots, p=weights / weights.sum())

    def _run(self, circuit: PeerCircuit, setting: object) -> NDArray[np.complex128]:
        made = self.tensor.Circuit(circuit.n)
        for q in range(circuit.n):
            made.h(q)
        for layer in circuit.layers:
            for i, j, t in layer.rzz:
                made.rzz(t, i, j)
            for q in range(circuit.n):
                made.rz(layer.rz[q], q)
                made.rx(layer.rx[q], q)
        return np.asarray(made.to_dense(optimize=setting)).reshape(-1)


PEER_CLASSES = (QsimApi, QsimBindings, LightningApi, LightningBindings, AerApi, QulacsApi, QuimbApi)
PEERS: tuple[Callable[[], Peer], ...] = PEER_CLASSES
PEER_NAMES = tuple((peer.package, peer.way) for peer in PEER_CLASSES)


def get_version(library: str) -> str:
    """Return the installed version of a library, empty when it is missing."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def _make_diagonal(n: int, rzz: Sequence[tuple[int, int, float]], rz: Sequence[float]) -> list[complex]:
    """Return the phases of all basis states, qubit 0 most significant."""
    spins = [1 - 2 * ((np.arange(2**n) >> (n - 1 - q)) & 1) for q in range(n)]
    angles = np.zeros(2**n)
    for i, j, t in rzz:
        angles -= t / 2 * (spins[i] * spins[j])
    for q, t in enumerate(rz):
        angles -= t / 2 * spins[q]
    diagonal: list[complex] = np.exp(1j * angles).tolist()
    return diagonal


def _get_dtype(setting: object) -> type[np.complex64] | type[np.complex128]:
    return np.complex64 if setting == "C64" else np.complex128


def _square(state: NDArray[np.complex128]) -> Probabilities:
    probabilities: Probabilities = np.abs(np.asarray(state, dtype=np.complex128)) ** 2
    return probabilities
