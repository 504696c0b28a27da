"""Our engine beside other simulators that run our circuit, dressing included, on one thread.

First each peer's probabilities are compared with ours at n = 10. Then each tries its settings at each size and keeps
its fastest. Then ours and the peers take turns in one process, and the medians of process CPU time are compared. A peer
that is missing, or wrong, has its row all the same and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import process_time

import msgspec
from msgspec.structs import replace

from matchstrike.commands.peer_circuit import compute_own_probabilities, make_peer_circuit, make_sk_problem
from matchstrike.commands.peer_libraries import PEER_NAMES, PEERS, Peer, get_version
from vm.law import AngleLaw, compute_law
from vm.problem import IsingProblem
from vm.strike import SHOTS_DEFAULT, compile_circuit, run_strike

CHECK_QUBITS = 10
PROBABILITY_ERROR_MAX = 1e-6  # the peers' single precision
CHUNK_CPU_S = 0.05
SIZES = (16, 20)


class PeerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One way of running our strikes at one size.

    Attributes:
        status: ok, missing, or wrong (probabilities differ, or it failed).
        strikes_per_cpu_s: Median over the turns; None unless ok.
        ratio: Our strikes per CPU-second over its.
        probability_error: Largest difference of a probability at n = 10.
        note: The setting that was fastest, or why there is no figure.
    """

    package: str
    way: str
    version: str
    status: str
    n: int
    shots: int
    graph: str = "sk"
    p: int = 1
    strikes_per_cpu_s: float | None = None
    ratio: float | None = None
    probability_error: float | None = None
    note: str = ""


class Runner(msgspec.Struct, frozen=True, kw_only=True):
    """A peer that passed the check; or, without a peer, the reason why there is none."""

    package: str
    way: str
    peer: Peer | None = None
    status: str = "ok"
    probability_error: float | None = None
    note: str = ""


def measure_peers(
    *,
    sizes: Sequence[int] = SIZES,
    depth: int = 1,
    shots: int = SHOTS_DEFAULT,
    turns: int = 7,
    on_progress: Callable[[str], None] | None = None,
) -> list[PeerRow]:
    """Return a row for our engine and one for each way of each library, at each size, on `sk` problems."""
    tell = on_progress or (lambda _: None)
    runners = []
    for (library, way), make in zip(PEER_NAMES, PEERS, strict=True):
        tell(f"checking {library} ({way})")
        runners.append(check_peer(library, way, make))
    rows = []
    for n in sizes:
        tell(f"measuring n = {n}")
        rows += _measure_size((n, depth), runners, shots, turns)
    return rows


def check_peer(library: str, way: str, make: Callable[[], Peer]) -> Runner:
    """Return the peer if it is installed and its probabilities are ours at n = 10."""
    try:
        peer = make()
    except ImportError as error:
        return Runner(package=library, way=way, status="missing", note=f"{error}; pip install 'matchstrike[peers]'")
    problem = make_sk_problem(CHECK_QUBITS)
    law = compute_law(problem, 1)
    worst = 0.0
    for setting in peer.settings:
        seed = _make_seed(0)
        ours = compute_own_probabilities(problem, law, seed)
        try:
            theirs = peer.compute_probabilities(make_peer_circuit(problem, law, seed), setting)
        except Exception as error:  # whatever a foreign library raises belongs in its row
            return Runner(package=library, way=way, status="wrong", note=f"setting {setting}: {error!r}"[:200])
        worst = max(worst, float(abs(ours - theirs).max()))
    if worst > PROBABILITY_ERROR_MAX:
        return Runner(package=library, way=way, status="wrong", probability_error=worst, note="probabilities differ")
    return Runner(package=library, way=way, peer=peer, probability_error=worst)


def _measure_size(size: tuple[int, int], runners: Sequence[Runner], shots: int, turns: int) -> list[PeerRow]:
    """Return the rows of one (n, depth)."""
    n, depth = size
    problem = make_sk_problem(n)
    law = compute_law(problem, depth)
    circuit = compile_circuit(problem, depth=depth)

    def run_ours(index: int) -> None:
        run_strike(circuit, law, _make_seed(index), shots=shots)

    contenders: list[Callable[[int], None]] = [run_ours]
    settings = []
    for runner in runners:
        if runner.peer is not None:
            setting = _find_fastest_setting(runner.peer, problem, law, shots)
            settings.append(setting)
            contenders.append(_make_contender(runner.peer, setting, problem, law, shots))
    speeds = _take_turns(contenders, turns)
    ours = speeds[0]
    version = get_version("matchstrike")
    blank = PeerRow(package="matchstrike", way="frontier", version=version, status="ok", n=n, shots=shots, p=depth)
    rows = [replace(blank, strikes_per_cpu_s=ours, ratio=1.0)]
    found = iter(zip(speeds[1:], settings, strict=True))
    for runner in runners:
        version = get_version(runner.package)
        row = replace(blank, package=runner.package, way=runner.way, version=version, status=runner.status)
        row = replace(row, probability_error=runner.probability_error, note=runner.note)
        if runner.peer is not None:
            speed, setting = next(found)
            row = replace(row, strikes_per_cpu_s=speed, ratio=ours / speed, note=f"setting {setting}")
        rows.append(row)
    return rows


def _make_contender(
    peer: Peer, setting: object, problem: IsingProblem, law: AngleLaw, shots: int
) -> Callable[[int], None]:
    return lambda index: peer.run(make_peer_circuit(problem, law, _make_seed(index)), setting, shots)


def _find_fastest_setting(peer: Peer, problem: IsingProblem, law: AngleLaw, shots: int) -> object:
    """Return the setting with the least CPU time of a strike, the better of two after a warm-up."""
    if len(peer.settings) == 1:
        return peer.settings[0]
    times = []
    for setting in peer.settings:
        run = _make_contender(peer, setting, problem, law, shots)
        run(0)
        times.append(min(_measure_chunk(run, 1, index) for index in (1, 2)))
    return peer.settings[times.index(min(times))]


def _take_turns(contenders: Sequence[Callable[[int], None]], turns: int) -> list[float]:
    """Return strikes per CPU-second: the contenders run in turn, each for about CHUNK_CPU_S."""
    counts = []
    for run in contenders:
        run(0)
        counts.append(max(1, round(CHUNK_CPU_S / max(1e-6, min(_measure_chunk(run, 1, k) for k in (1, 2, 3))))))
    samples: list[list[float]] = [[] for _ in contenders]
    for turn in range(turns):
        for run, count, sample in zip(contenders, counts, samples, strict=True):
            sample.append(count / _measure_chunk(run, count, 1000 * turn))
    return [median(sample) for sample in samples]


def _measure_chunk(run: Callable[[int], None], count: int, first: int) -> float:
    started = process_time()
    for index in range(first, first + count):
        run(index)
    return max(process_time() - started, 1e-9)


def _make_seed(index: int) -> bytes:
    return (7 * index + 1).to_bytes(32, "little")
