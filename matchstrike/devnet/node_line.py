"""A lasting connection to a node, made anew when the node was restarted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from matchstrike.devnet.node_process import NodeProcess
from rpc.api import Json
from rpc.client import CallTimeout, RpcClient, Unreachable, connect
from rpc.errors import RpcError
from wallet.chain_client import UnexpectedAnswer, read_int, read_object

CALL_SECONDS = 5.0


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a node tells of itself.

    Attributes:
        state: `running`, `paused`, `stopped`, `dead`, or `silent` for one that runs and does not answer.
    """

    name: str
    state: str
    peers: int | None = None
    best: int | None = None
    final: int | None = None
    strikes_per_second: int | None = None
    tickets_per_second: int | None = None
    reward_planck: int | None = None


class NodeLine:
    """Calls to one node."""

    def __init__(self, node: NodeProcess) -> None:
        self.node = node
        self._stack = AsyncExitStack()
        self._client: RpcClient | None = None

    async def call(self, method: str, *params: Json) -> Json:
        """Return a method's result.

        Raises:
            RpcError: the node answered with an error.
            Unreachable, CallTimeout: it does not answer.
        """
        if self._client is None:
            self._client = await self._stack.enter_async_context(connect(self.node.url, timeout_s=CALL_SECONDS))
        try:
            return await self._client.call(method, *params)
        except (Unreachable, CallTimeout):
            await self.close()
            raise

    async def read_status(self) -> NodeStatus:
        """Return what the node does; a node that does not answer is told as such, not raised."""
        name, state = self.node.name, self.node.state
        if state != "running":
            return NodeStatus(name=name, state=state)
        try:
            health = read_object(await self.call("system_health"))
            mining = read_object(await self.call("work_mining"))
            return NodeStatus(
                name=name,
                state=state,
                peers=read_int(health.get("peers")),
                best=await self.read_height(is_final=False),
                final=await self.read_height(is_final=True),
                strikes_per_second=_read_rate(mining, "strikesPerSecond"),
                tickets_per_second=_read_rate(mining, "ticketsPerSecond"),
                reward_planck=read_int(mining.get("reward", 0)),
            )
        except (Unreachable, CallTimeout, RpcError, UnexpectedAnswer):
            return NodeStatus(name=name, state="silent" if self.node.state == "running" else self.node.state)

    async def read_height(self, *, is_final: bool) -> int:
        """Return the height of the best, or of the last final, block."""
        at = [await self.call("chain_getFinalizedHead")] if is_final else []
        return read_int(read_object(await self.call("chain_getHeader", *at)).get("number"))

    async def read_peers(self) -> int:
        """Return the number of connected peers."""
        return read_int(read_object(await self.call("system_health")).get("peers"))

    async def close(self) -> None:
        """End the connection; the next call makes another."""
        self._client = None
        await self._stack.aclose()


@asynccontextmanager
async def open_line(node: NodeProcess) -> AsyncIterator[NodeLine]:
    """Return a line to a node, closed in the end."""
    line = NodeLine(node)
    try:
        yield line
    finally:
        await line.close()


def _read_rate(mining: Mapping[str, Json], name: str) -> int:
    value = mining.get(name, 0)
    return round(value) if isinstance(value, int | float) else 0
