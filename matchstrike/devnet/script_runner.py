"""Runs the statements of a test file against a devnet, one after the other, and says of each whether it held.

Terms:
    check: a statement that may become true later; it is looked at again and again until it holds or its time is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import assert_never

import aiohttp
import msgspec

from matchstrike.devnet.agreement import find_conflict
from matchstrike.devnet.failure import BadScript, DevnetFailed
from matchstrike.devnet.fleet import Fleet
from matchstrike.devnet.log_reader import LogReader
from matchstrike.devnet.metrics_text import NoSuchMetric, Sample, count_in_buckets, find_value, read_samples
from matchstrike.devnet.node_line import NodeLine
from matchstrike.devnet.script import (
    Action,
    Check,
    Comparison,
    Delay,
    FinalAgree,
    Heal,
    Height,
    Histogram,
    IsUp,
    LinkAction,
    LogCount,
    LogLine,
    Loss,
    Metric,
    Partition,
    Pause,
    Peers,
    Restart,
    Resume,
    Script,
    Sleep,
    Statement,
)
from rpc.client import CallTimeout, Unreachable
from rpc.errors import RpcError
from wallet.chain_client import UnexpectedAnswer

WITHIN_SECONDS = 10.0
LOOK_SECONDS = 0.25
LOOK_SECONDS_MIN = 1.0  # even with no time left, a node may take so long to answer
LOG_LINES_SHOWN = 15


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a node found."""

    holds: bool
    detail: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a statement ended."""

    statement: Statement
    passed: bool
    seconds: float
    detail: str


def check_names(script: Script, fleet_names: tuple[str, ...]) -> None:
    """Refuse a script that speaks of nodes that the network does not have, before anything is started.

    Raises:
        BadScript
    """
    bad = [
        f"line {statement.line}: there is no node {name}; there are {', '.join(fleet_names)}"
        for statement in script.statements
        for name in _list_names(statement)
        if name not in fleet_names
    ]
    if bad:
        raise BadScript("\n".join(bad))


def _list_names(statement: Statement) -> list[str]:
    groups = statement.what.groups if isinstance(statement.what, Partition) else ()
    return [*([statement.node] if statement.node else []), *(name for group in groups for name in group)]


async def run_script(script: Script, fleet: Fleet, say: Callable[[Outcome], None]) -> Outcome | None:
    """Run the statements up to the first that does not hold, and return that one."""
    async with open_runner(fleet) as runner:
        for statement in script.statements:
            outcome = await runner.run(statement)
            say(outcome)
            if not outcome.passed:
                return outcome
    return None


@asynccontextmanager
async def open_runner(fleet: Fleet) -> AsyncIterator[ScriptRunner]:
    """Return a runner with its connections, closed in the end."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        runner = ScriptRunner(fleet, session)
        stack.push_async_callback(runner.close)
        yield runner


class ScriptRunner:
    """Knows the nodes by their names, and what was read of their logs."""

    def __init__(self, fleet: Fleet, session: aiohttp.ClientSession) -> None:
        self._fleet = fleet
        self._session = session
        self._lines = {name: NodeLine(node) for name, node in fleet.nodes.items()}
        self._logs = {name: LogReader(node.log_path) for name, node in fleet.nodes.items()}
        self._metrics = {node.name: f"http://127.0.0.1:{node.ports.prometheus}/metrics" for node in fleet.plan.nodes}

    async def close(self) -> None:
        """End the connections."""
        for line in self._lines.values():
            await line.close()

    async def run(self, statement: Statement) -> Outcome:
        """Run one statement to its end."""
        begin = monotonic()
        what = statement.what
        try:
            if isinstance(what, Restart | Pause | Resume | Sleep | LinkAction):
                seen = await self._act(statement.node or "", what)
            elif isinstance(what, FinalAgree):
                seen = await self._compare_final_blocks()
            else:
                seen = await self._wait(statement.node or "", what, statement.within_s)
        except DevnetFailed as error:
            seen = Seen(holds=False, detail=str(error))
        return Outcome(statement=statement, passed=seen.holds, seconds=monotonic() - begin, detail=seen.detail)

    async def _act(self, name: str, action: Action) -> Seen:
        match action:
            case Sleep():
                await asyncio.sleep(action.seconds)
                if self._fleet.plan.tears_down:
                    self._fleet.check_alive()
            case Pause():
                self._fleet.get(name).check_alive()
                self._fleet.get(name).pause()
            case Resume():
                self._fleet.get(name).resume()
            case Restart():
                await self._fleet.restart(name, after_s=action.after_s)
            case _:
                self._change_links(name, action)
        return Seen(holds=True, detail="")

    def _change_links(self, name: str, action: LinkAction) -> None:
        links = self._fleet.get_links()
        nodes = (name,) if name else ()
        match action:
            case Partition():
                links.split(action.groups)
            case Delay():
                links.set_delay(action.seconds, nodes)
            case Loss():
                links.set_loss(action.percent / 100, nodes)
            case Heal():
                links.heal()
            case _:
                assert_never(action)

    async def _wait(self, name: str, check: Check, within_s: float | None) -> Seen:
        """Look until it holds; a node that ends by itself ends the wait."""
        deadline = monotonic() + (WITHIN_SECONDS if within_s is None else within_s)
        while True:
            seen = await self._look(name, check, deadline - monotonic())
            if seen.holds:
                return seen
            self._check_alive(name)
            if monotonic() >= deadline:
                log = self._fleet.get(name).read_last_lines(LOG_LINES_SHOWN)
                return Seen(holds=False, detail=f"{seen.detail}\nthe end of {name}'s log:\n{log}")
            await asyncio.sleep(min(LOOK_SECONDS, max(0.0, deadline - monotonic())))

    async def _compare_final_blocks(self) -> Seen:
        try:
            conflict = await find_conflict(list(self._lines.values()))
        except (Unreachable, CallTimeout, RpcError, UnexpectedAnswer) as error:
            return Seen(holds=False, detail=f"a node does not answer ({error})")
        return Seen(holds=conflict is None, detail=conflict or "")

    def _check_alive(self, name: str) -> None:
        """Refuse to wait for a node that has ended, or for any while another has, unless the network may go on so."""
        if self._fleet.plan.tears_down:
            self._fleet.check_alive()
        else:
            self._fleet.get(name).check_alive()

    async def _look(self, name: str, check: Check, left_s: float) -> Seen:
        if isinstance(check, LogLine | LogCount):
            return self._look_into_log(name, check)
        state = self._fleet.get(name).state
        if state != "running":
            return Seen(holds=False, detail=f"{name} is {state}")
        try:
            async with asyncio.timeout(max(LOOK_SECONDS_MIN, left_s)):
                return await self._ask(name, check)
        except (Unreachable, CallTimeout, RpcError, UnexpectedAnswer, aiohttp.ClientError, TimeoutError) as error:
            return Seen(holds=False, detail=f"{name} does not answer ({str(error) or 'timed out'})")
        except NoSuchMetric as error:
            return Seen(holds=False, detail=str(error))

    async def _ask(self, name: str, check: IsUp | Height | Peers | Metric | Histogram) -> Seen:
        line = self._lines[name]
        match check:
            case IsUp():
                await line.call("system_health")
                return Seen(holds=True, detail="")
            case Height():
                height = await line.read_height(is_final=check.is_final)
                return _compare("the height", height, check.comparison)
            case Peers():
                return _compare("the number of peers", await line.read_peers(), check.comparison)
            case Metric():
                value = find_value(await self._read_metrics(name), check.name, check.labels)
                return _compare(check.name, value, check.comparison)
            case Histogram():
                count = count_in_buckets(await self._read_metrics(name), check.name, check.buckets)
                return _compare("the number of samples", count, check.comparison)
        assert_never(check)

    def _look_into_log(self, name: str, check: LogLine | LogCount) -> Seen:
        lines = self._logs[name].read()
        found = sum(check.pattern.matches(line) for line in lines)
        if isinstance(check, LogCount):
            return _compare("the number of such lines", found, check.comparison)
        return Seen(holds=found > 0, detail="" if found else f"none of {len(lines)} lines matches")

    async def _read_metrics(self, name: str) -> list[Sample]:
        timeout = aiohttp.ClientTimeout(total=5)
        async with self._session.get(self._metrics[name], timeout=timeout) as response:
            return read_samples(await response.text())


def _compare(what: str, number: float, comparison: Comparison) -> Seen:
    return Seen(holds=comparison.holds(number), detail=f"{what} is {number:.15g}, expected {comparison}")
