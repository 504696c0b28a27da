"""Networks of real node processes that are hurt, and what is looked at the whole time and in the end.

Terms:
    phase: the time before, during or after a fault. lag: how long after a height was first seen as anybody's best it is
        final on a node.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from matchstrike.devnet.agreement import find_conflict
from matchstrike.devnet.fleet import Fleet, run_fleet
from matchstrike.devnet.folder import begin_devnet
from matchstrike.devnet.network_file import read_network
from matchstrike.devnet.node_line import NodeLine
from matchstrike.devnet.plan import get_account
from rpc.client import CallTimeout, Unreachable
from wallet.chain_client import UnexpectedAnswer, open_chain

FOUR = ("alice", "bob", "charlie", "dave")
LOOK_S = 0.25
SILENT = (Unreachable, CallTimeout, UnexpectedAnswer)


def describe_network(
    nodes: Mapping[str, str] | Sequence[str] = FOUR,
    *,
    interval_ms: int | None = 1_000,
    args: Sequence[str] = (),
    params: str = "",
) -> str:
    """Return a network file of validators with links.

    Args:
        nodes: Names, with further lines of each node's table.
        interval_ms: Every ticket wins, and the first node makes a block so long after the last one, each further node
            a seventh later: blocks cost next to nothing, and no two nodes make them in step. None is by work, a block
            a second, and half of the nodes mine.
        args: Of every node. params: Further tables.
    """
    more = nodes if isinstance(nodes, Mapping) else dict.fromkeys(nodes, "")
    work = "block_target_ms = 1000\n" + ("half_life_ms = 20000" if interval_ms is None else "target_fixed = true")
    tables = ""
    for index, (name, lines) in enumerate(more.items()):
        own = [*args, "-l sub-libp2p=debug"]
        if interval_ms is not None:
            own.append(f"--sealing {interval_ms + index * interval_ms // 7}")
        elif index % 2:
            own.append("--threads 0")
        tables += f'[[relaychain.nodes]]\nname = "{name}"\nargs = {json.dumps(own)}\n{lines}\n'
    head = '[settings]\nlinks = true\ntimeout = 480\nnode_spawn_timeout = 240\n[relaychain]\nchain = "local"\n'
    return f"{head}[relaychain.params.work]\n{work}\n{params}\n{tables}"


class Phase:
    """What was seen between two moments."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.began = time.monotonic()
        self.lags_s: list[float] = []
        self.final: dict[str, list[int]] = {}
        self.best = [0, 0]

    def __str__(self) -> str:
        seconds = time.monotonic() - self.began
        final = {name: f"{first}-{last}" for name, (first, last) in self.final.items()}
        text = f"{self.name:<8} {seconds:5.1f} s, best {self.best[0]}-{self.best[1]}, final {final}"
        if self.lags_s:
            text += f", lag median {statistics.median(self.lags_s):.1f} s, largest {max(self.lags_s):.1f} s"
        return text


class Trial:
    """A running network under observation.

    Attributes:
        may_end: Nodes that may end by themselves.
        behind_s: How long after the first node each one had each height; a look each quarter of a second is the error.
    """

    def __init__(self, fleet: Fleet, lines: dict[str, NodeLine]) -> None:
        self.fleet = fleet
        self.lines = lines
        self.phases = [Phase("before")]
        self.may_end: set[str] = set()
        self.behind_s: dict[str, list[float]] = {}
        self._first_best_s: dict[int, float] = {}
        self._best: dict[str, int] = {}
        self._final: dict[str, int] = {}
        self._finals: dict[int, tuple[str, str]] = {}

    def begin(self, name: str) -> None:
        """Begin another phase, and tell of the last one."""
        print(self.phases[-1])
        self.phases.append(Phase(name))

    def get_final(self, name: str) -> int:
        """Return the last final height seen on a node."""
        return self._final.get(name, 0)

    @property
    def best(self) -> int:
        """The highest block seen."""
        return max(self._first_best_s, default=0)

    async def look(self) -> None:
        """See what each running node has, and refuse a final block in conflict with another node's."""
        async with asyncio.TaskGroup() as group:
            for name, line in self.lines.items():
                if line.node.state == "running":
                    group.create_task(self._look_at(name, line))

    async def _look_at(self, name: str, line: NodeLine) -> None:
        with suppress(*SILENT):
            await self._compare(name, line)

    async def _compare(self, name: str, line: NodeLine) -> None:
        best, final = await line.read_height(is_final=False), await line.read_height(is_final=True)
        now, phase = time.monotonic(), self.phases[-1]
        for height in range(self.best + 1, best + 1):
            self._first_best_s[height] = now
        for height in range(self._best.get(name, 0) + 1, best + 1):
            self.behind_s.setdefault(name, []).append(now - self._first_best_s[height])
        self._best[name] = max(best, self._best.get(name, 0))
        phase.best = [phase.best[0] or best, max(phase.best[1], best)]
        seen = self.get_final(name)
        assert final >= seen, f"{name} had block {seen} final, and now only {final}"
        for height in range(seen + 1, final + 1):
            block_hash = str(await line.call("chain_getBlockHash", height))
            who, other = self._finals.setdefault(height, (name, block_hash))
            assert other == block_hash, f"at {height}, {who} has {other} final and {name} has {block_hash}"
            phase.lags_s.append(now - self._first_best_s.get(height, now))
        self._final[name] = final
        phase.final.setdefault(name, [final, final])[1] = final

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)
        self.check_alive()

    def check_alive(self) -> None:
        """Refuse to go on when a node has ended that was not to."""
        for name in self.lines:
            if name not in self.may_end:
                self.fleet.get(name).check_alive()

    async def reach(self, final: int, *, names: Sequence[str] = (), within_s: float = 180.0) -> float:
        """Wait until nodes have this height final; return how long it took."""
        begin = time.monotonic()
        while any(self.get_final(name) < final for name in names or self.lines):
            self.check_alive()
            logs = "\n".join(self.fleet.get(name).read_last_lines(15) for name in self.lines)
            assert time.monotonic() - begin < within_s, f"no final block {final} in {within_s} s: {self._final}\n{logs}"
            await asyncio.sleep(LOOK_S)
        return time.monotonic() - begin

    async def end_well(self) -> None:
        """Refuse an end with conflicts, slashed or banned nodes, or errors in a log; tell the figures."""
        await self.look()
        print(self.phases[-1])
        conflict = await find_conflict(list(self.lines.values()))
        assert conflict is None, conflict
        async with open_chain(self.fleet.first.url) as chain:
            for name in self.lines:
                owner = await chain.query("Staking", "KeyOwners", get_account(name))
                if owner is not None:
                    assert isinstance(owner, dict)
                    assert owner["is_slashed"] is False, f"{name} was slashed: {owner}"
        for name, line in self.lines.items():
            log = line.node.log_path.read_text(encoding="utf-8", errors="replace")
            for bad in ("Traceback", "banned a peer", "this is a bug"):
                assert bad not in log, f"{name}'s log: " + "\n".join(row for row in log.splitlines() if bad in row)


@asynccontextmanager
async def open_trial(text: str, folder: Path) -> AsyncIterator[Trial]:
    """Run the network of a file, its nodes looked at all the time."""
    network = read_network(text)
    plan = begin_devnet(network, folder, name="trial", beside=folder)
    async with AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(run_fleet(plan, folder, print))
        lines = {name: NodeLine(node) for name, node in fleet.nodes.items()}
        for line in lines.values():
            stack.push_async_callback(line.close)
        trial = Trial(fleet, lines)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(trial))
            yield trial
            watching.cancel()


async def _watch(trial: Trial) -> None:
    while True:
        await trial.look()
        await asyncio.sleep(LOOK_S)


def run_trial(text: str, folder: Path, work: Callable[[Trial], Awaitable[None]], *, within_s: float = 600.0) -> None:
    """Run a test's coroutine with a network of its own, and the checks of the end."""

    async def run() -> None:
        async with asyncio.timeout(within_s), open_trial(text, folder) as trial:
            await work(trial)
            await trial.end_well()

    asyncio.run(run())
