"""Long batches leave the others their turn, on both transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import cast

import aiohttp
import pytest

from rpc.api import NodeApi, SyncState, SystemInfo
from rpc.server import Settings, serve
from tests.support.live_node import LiveNode, run_live

CALLS = 3000
CALL_SECONDS = 0.0001


class BusyNode:
    """A node whose every `system_name` takes a while of the event loop's time."""

    def __init__(self) -> None:
        self.calls = 0
        self.begun = asyncio.Event()

    def get_system_info(self) -> SystemInfo:
        """Return the node's name, after a while."""
        end = perf_counter() + CALL_SECONDS
        while perf_counter() < end:
            pass
        self.calls += 1
        self.begun.set()
        return SystemInfo(
            name="busy", version="0", chain="c", chain_type="Live", properties={}, roles=("Full",), peer_id=""
        )

    def get_sync_state(self) -> SyncState:
        """Return at once."""
        return SyncState(
            starting_block=0, current_block=0, highest_block=0, peers=3, is_syncing=False, should_have_peers=True
        )


@asynccontextmanager
async def open_busy_node() -> AsyncIterator[tuple[BusyNode, str, aiohttp.ClientSession]]:
    """Serve a busy node; yields it, its address, and a client session."""
    node = BusyNode()
    async with serve(cast("NodeApi", node), Settings(port=0)) as port, aiohttp.ClientSession() as session:
        yield node, f"http://127.0.0.1:{port}", session


async def ask_by_http(session: aiohttp.ClientSession, url: str, batch: list[dict[str, object]]) -> list[object]:
    """Return the answers to a batch."""
    async with session.post(url, json=batch) as response:
        return cast("list[object]", await response.json())


async def ask_by_socket(session: aiohttp.ClientSession, url: str, batch: list[dict[str, object]]) -> list[object]:
    """Return the answers to a batch."""
    async with session.ws_connect(url, max_msg_size=0) as socket:
        await socket.send_json(batch)
        return cast("list[object]", await socket.receive_json())


@pytest.mark.parametrize("ask", [ask_by_http, ask_by_socket])
def test_a_small_call_is_answered_in_the_middle_of_a_long_batch(
    ask: Callable[[aiohttp.ClientSession, str, list[dict[str, object]]], Coroutine[None, None, list[object]]],
) -> None:
    """Sent when the batch has begun, answered long before it has ended; the batch's answer is complete."""

    async def work() -> None:
        async with open_busy_node() as (node, url, session), session.ws_connect(url) as other:
            batch: list[dict[str, object]] = [
                {"jsonrpc": "2.0", "id": number, "method": "system_name"} for number in range(CALLS)
            ]
            long = asyncio.create_task(ask(session, url, batch))
            await node.begun.wait()
            await other.send_json({"jsonrpc": "2.0", "id": 1, "method": "system_health"})
            answer = await other.receive_json()
            assert answer["result"]["peers"] == 3
            assert node.calls < CALLS / 2, "the batch is not at its end yet"
            answers = await long
            assert answers == [{"jsonrpc": "2.0", "id": number, "result": "busy"} for number in range(CALLS)]

    asyncio.run(work())


def test_what_a_batch_subscribes_to_is_silent_until_the_batch_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that does not know the id yet could make nothing of its news; here each call is a turn of its own."""
    monkeypatch.setattr("rpc.server.TURN_SECONDS", 0.0)

    async def work(node: LiveNode) -> None:
        batch = [{"jsonrpc": "2.0", "id": 0, "method": "chain_subscribeNewHeads"}]
        batch += [{"jsonrpc": "2.0", "id": 1 + n, "method": "system_name"} for n in range(50)]
        async with node.session.ws_connect(node.url, max_msg_size=0) as socket:
            await socket.send_json(batch)
            answers = await socket.receive_json()
            assert isinstance(answers, list), "news came first"
            news = await socket.receive_json()
            assert news["params"]["subscription"] == answers[0]["result"]

    run_live(tmp_path, work)
