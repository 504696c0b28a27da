"""The nodes of a devnet as running processes: started one after the other, hurt by plan, and stopped together.

Starting slowly matters on few cores: a node imports for a second or two, and many at once starve each other.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import assert_never

from matchstrike.devnet.failure import DevnetFailed, DevnetTimeout
from matchstrike.devnet.folder import save_plan
from matchstrike.devnet.links import HOST, Links, Place, open_links
from matchstrike.devnet.network_tables import FaultTable, LinkFaultTable
from matchstrike.devnet.node_process import NodeProcess, cancel_on_termination
from matchstrike.devnet.plan import DevnetPlan, NodePlan, make_arguments, make_environment, move_ports, renew_ports

PORT_TRIES = 3
PORT_TAKEN = "in use"  # as the system words it


class Fleet:
    """All nodes of one devnet, in the order of the file.

    Attributes:
        links: What the nodes say to each other passes through them; None where they speak directly.
    """

    def __init__(self, plan: DevnetPlan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.nodes = {node.name: _make_process(plan, node, folder) for node in plan.nodes}
        self.links: Links | None = None
        self._restarts = {node.name: asyncio.Lock() for node in plan.nodes}

    @property
    def first(self) -> NodeProcess:
        """The node that the others are told of."""
        return next(iter(self.nodes.values()))

    def get(self, name: str) -> NodeProcess:
        """Return a node.

        Raises:
            DevnetFailed: there is none of this name.
        """
        if name not in self.nodes:
            raise DevnetFailed(f"there is no node {name}; there are {', '.join(self.nodes)}")
        return self.nodes[name]

    def get_links(self) -> Links:
        """Return the links.

        Raises:
            DevnetFailed: this devnet has none.
        """
        if self.links is None:
            raise DevnetFailed("the nodes speak to each other directly; write `links = true` into [settings]")
        return self.links

    async def open_links(self, stack: AsyncExitStack) -> None:
        """Serve the links until the stack is unwound, on other ports if somebody took theirs since they were chosen.

        Raises:
            DevnetFailed: that happened again and again.
        """
        for tries_left in reversed(range(PORT_TRIES)):
            try:
                self.links = await stack.enter_async_context(open_links(self.plan.links, self.locate))
                return
            except DevnetFailed:
                if tries_left == 0:
                    raise
                self.plan = renew_ports(self.plan)
                save_plan(self.plan, self.folder)
                self.nodes = {node.name: _make_process(self.plan, node, self.folder) for node in self.plan.nodes}

    def locate(self, name: str) -> Place:
        """Return where a node listens for peers."""
        return HOST, next(node.ports.p2p for node in self.plan.nodes if node.name == name)

    def check_alive(self) -> None:
        """Refuse to go on when a node has ended by itself.

        Raises:
            DevnetFailed: with exit code and last log lines of each.
        """
        reports = []
        for node in self.nodes.values():
            try:
                node.check_alive()
            except DevnetFailed as error:
                reports.append(str(error))
        if reports:
            raise DevnetFailed("\n".join(reports))

    async def start(self, say: Callable[[str], None]) -> None:
        """Start all nodes, each when the one before it answers.

        Raises:
            DevnetFailed: one ended, or did not answer in time.
        """
        deadline = monotonic() + self.plan.timeout_s
        for planned in self.plan.nodes:
            begin = monotonic()
            await self._start_node(planned.name, deadline)
            node = self.nodes[planned.name]
            say(f"{node.name:<10} {node.url}   (log: {node.log_path}; answered after {monotonic() - begin:.1f} s)")

    async def _start_node(self, name: str, deadline: float) -> None:
        """Start a node, on other ports if somebody took its own since they were chosen."""
        for tries_left in reversed(range(PORT_TRIES)):
            left = deadline - monotonic()
            if left <= 0:
                raise DevnetTimeout(f"the nodes did not all answer within {self.plan.timeout_s:g} s")
            node = self.nodes[name]
            await node.start()
            try:
                await node.wait_ready(min(left, self.plan.spawn_timeout_s))
                return
            except DevnetFailed:
                if tries_left == 0 or node.state != "dead" or not self._move(name):
                    raise

    def _move(self, name: str) -> bool:
        """Give a node other ports if it ended for want of one; return whether that was it."""
        planned = next(node for node in self.plan.nodes if node.name == name)
        if planned.keeps_ports or PORT_TAKEN not in self.nodes[name].read_last_lines():
            return False
        self.plan = move_ports(self.plan, name)
        save_plan(self.plan, self.folder)
        for node in self.plan.nodes:  # those to come are told of the new address
            if node.name == name or self.nodes[node.name].pid == 0:
                self.nodes[node.name] = _make_process(self.plan, node, self.folder)
        return True

    async def stop(self) -> None:
        """Stop all nodes."""
        await asyncio.gather(*(node.stop() for node in self.nodes.values()))

    def end_now(self) -> None:
        """End all nodes by force, without waiting."""
        for node in self.nodes.values():
            node.end_now()

    async def restart(self, name: str, *, after_s: float, by_force: bool = False) -> None:
        """Stop a node and start it again.

        Raises:
            DevnetFailed: it ended again, or did not answer in time.
        """
        node = self.get(name)
        async with self._restarts[name]:
            await (node.kill() if by_force else node.stop())
            await asyncio.sleep(after_s)
            await node.start()
            await node.wait_ready(self.plan.spawn_timeout_s)

    async def run_faults(self, say: Callable[[str], None]) -> None:
        """Do to the nodes what the file says, until all of it has happened."""
        async with asyncio.TaskGroup() as group:
            for node in self.plan.nodes:
                for fault in node.faults:
                    group.create_task(self._run_fault(node.name, fault, say))
            for link_fault in self.plan.faults:
                group.create_task(self._run_link_fault(link_fault, say))

    async def _run_fault(self, name: str, fault: FaultTable, say: Callable[[str], None]) -> None:
        await asyncio.sleep(fault.after)
        while True:
            begin = monotonic()
            say(f"fault      {name}: {fault.action} for {fault.duration:g} s")
            if fault.action == "pause":
                self.get(name).pause()
                await asyncio.sleep(fault.duration)
                self.get(name).resume()
            else:
                await self.restart(name, after_s=fault.duration, by_force=fault.action == "kill")
            if fault.every == 0:
                return
            await asyncio.sleep(max(0.0, fault.every - (monotonic() - begin)))

    async def _run_link_fault(self, fault: LinkFaultTable, say: Callable[[str], None]) -> None:
        links = self.get_links()
        await asyncio.sleep(fault.after)
        while True:
            say(f"fault      {describe_link_fault(fault)} for {fault.duration:g} s")
            match fault.action:
                case "partition":
                    links.split(fault.groups)
                case "delay":
                    links.set_delay(fault.ms / 1000, fault.nodes)
                case "loss":
                    links.set_loss(fault.percent / 100, fault.nodes)
            await asyncio.sleep(fault.duration)
            match fault.action:
                case "partition":
                    links.split(())
                case "delay":
                    links.set_delay(0.0, fault.nodes)
                case "loss":
                    links.set_loss(0.0, fault.nodes)
            say(f"fault      {describe_link_fault(fault)} is over")
            if fault.every == 0:
                return
            await asyncio.sleep(fault.every - fault.duration)


def describe_link_fault(fault: LinkFaultTable) -> str:
    """Return what a fault does, in words."""
    where = f" at {', '.join(fault.nodes)}" if fault.nodes else ""
    match fault.action:
        case "partition":
            return "partition of " + " from ".join(", ".join(group) for group in fault.groups)
        case "delay":
            return f"{fault.ms} ms of delay one way{where}"
        case "loss":
            return f"{fault.percent:g} % of loss{where}"
    assert_never(fault.action)


@asynccontextmanager
async def run_fleet(plan: DevnetPlan, folder: Path, say: Callable[[str], None]) -> AsyncIterator[Fleet]:
    """Run the nodes of a plan until the context ends, by a signal too.

    Raises:
        DevnetFailed: a node ended while it started, or did not answer in time.
    """
    cancel_on_termination()
    fleet = Fleet(plan, folder)
    async with AsyncExitStack() as stack:
        if plan.links:
            await fleet.open_links(stack)
        try:
            await fleet.start(say)
            yield fleet
        finally:
            try:
                await fleet.stop()
            except BaseException:  # a second Ctrl-C: no time for a clean end
                fleet.end_now()
                raise


def _make_process(plan: DevnetPlan, node: NodePlan, folder: Path) -> NodeProcess:
    data = folder / "nodes" / node.name
    data.mkdir(parents=True, exist_ok=True)
    return NodeProcess(
        node.name,
        make_arguments(plan, node, folder),
        url=node.url,
        peer_id=node.peer_id,
        log_path=folder / f"{node.name}.log",
        env=make_environment(node, os.environ),
    )
