"""The client that wallets and tests use: against a real node, and against peers that break off or flood it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from rpc.client import QUEUE_MAX, CallTimeout, ClientTooSlow, RpcClient, Unreachable, connect
from rpc.errors import INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from tests.support.live_node import LiveNode, run_live

Handler = Callable[[web.WebSocketResponse, dict[str, object]], Awaitable[None]]


def test_calls_at_the_same_time_get_their_own_answers(tmp_path: Path) -> None:
    """Fifty at once, each with another answer."""

    async def work(node: LiveNode) -> None:
        async with connect(node.url) as client:
            keys = [f"0x{number:04x}" for number in range(50)]
            answers = await asyncio.gather(*(client.call("state_getKeys", key) for key in keys))
            assert answers == [[] for _ in keys]
            numbers = await asyncio.gather(*(client.call("system_accountNextIndex", "0x" + "00" * 32) for _ in keys))
            assert numbers == [0] * 50

    run_live(tmp_path, work)


def test_an_error_is_raised_with_code_and_reason(tmp_path: Path) -> None:
    """As the node sent them; in a batch it stands in the place of its result."""

    async def work(node: LiveNode) -> None:
        async with connect(node.url) as client:
            with pytest.raises(RpcError, match="no_such") as caught:
                await client.call("no_such")
            assert caught.value.code == METHOD_NOT_FOUND
            good, bad = await client.call_batch("chain_getBlockHash", [[0], ["x"]])
            assert isinstance(good, str)
            assert isinstance(bad, RpcError)
            assert bad.code == INVALID_PARAMS

    run_live(tmp_path, work)


def test_news_are_read_in_order_and_end_on_request(tmp_path: Path) -> None:
    """Also those that came before the answer to the subscription."""

    async def work(node: LiveNode) -> None:
        async with connect(node.url) as client:
            heads = await client.subscribe("chain_subscribeNewHeads", "chain_unsubscribeNewHeads")
            for height in range(3):
                header = await anext(heads)
                assert isinstance(header, dict)
                assert int(header["number"], 16) == height
                await node.mine()
            await heads.end()
            assert len(node.driver.heads["best"]) == 0

    run_live(tmp_path, work)


def test_nobody_at_the_address_is_unreachable() -> None:
    """A closed port, an address that is none, a web server that knows no WebSocket."""

    async def work() -> None:
        for url in ("ws://127.0.0.1:1", "ws://", "nonsense"):
            with pytest.raises(Unreachable, match="is it running"):
                async with connect(url):
                    pass

    asyncio.run(work())


def test_a_connection_that_breaks_fails_the_waiting_calls_and_the_subscriptions() -> None:
    """Nobody waits for an answer that cannot come."""

    async def answer(socket: web.WebSocketResponse, call: dict[str, object]) -> None:
        if call["method"] == "subscribe":
            await socket.send_json({"jsonrpc": "2.0", "id": call["id"], "result": "news"})
        else:
            await socket.close()

    async def use(client: RpcClient) -> None:
        news = await client.subscribe("subscribe", "unsubscribe")
        with pytest.raises(Unreachable, match="closed the connection"):
            await client.call("anything")
        with pytest.raises(Unreachable, match="closed the connection"):
            await anext(news)

    run_against(answer, use)


def test_silence_is_a_timeout_and_the_connection_still_works() -> None:
    """A late answer to the call that was given up is thrown away."""

    async def answer(socket: web.WebSocketResponse, call: dict[str, object]) -> None:
        if call["method"] != "slow":
            await socket.send_json({"jsonrpc": "2.0", "id": 1, "result": "late"})
            await socket.send_json({"jsonrpc": "2.0", "id": call["id"], "result": "quick"})

    async def use(client: RpcClient) -> None:
        with pytest.raises(CallTimeout, match="slow was not answered within"):
            await client.call("slow")
        assert await client.call("other") == "quick"

    run_against(answer, use, timeout_s=0.2)


def test_more_news_than_anybody_reads_end_the_subscription_and_not_the_memory() -> None:
    """The queue is bounded; its last place says why it ended."""

    async def answer(socket: web.WebSocketResponse, call: dict[str, object]) -> None:
        await socket.send_json({"jsonrpc": "2.0", "id": call["id"], "result": "news"})
        if call["method"] == "subscribe":
            for number in range(QUEUE_MAX + 50):
                params = {"subscription": "news", "result": number}
                await socket.send_json({"jsonrpc": "2.0", "method": "n", "params": params})

    async def use(client: RpcClient) -> None:
        news = await client.subscribe("subscribe", "unsubscribe")
        await client.call("anything")
        assert news.queue.qsize() == QUEUE_MAX
        with pytest.raises(ClientTooSlow, match="were not read"):
            async for _ in news:
                pass

    run_against(answer, use)


@pytest.mark.parametrize(
    "text", ["", "{", "7", "[7]", '{"id": "x"}', '{"params": {"subscription": 1}}', '{"id": 1, "error": 5}']
)
def test_messages_that_are_no_answers_do_no_harm(text: str) -> None:
    """They are skipped, or become the error of the call that they name."""

    async def answer(socket: web.WebSocketResponse, call: dict[str, object]) -> None:
        await socket.send_str(text)
        await socket.send_json({"jsonrpc": "2.0", "id": call["id"], "result": "well"})

    async def use(client: RpcClient) -> None:
        [result] = await client.call_batch("anything", [[]])
        assert result == "well" or (isinstance(result, RpcError) and "without a body" in str(result))

    run_against(answer, use)


def run_against(answer: Handler, use: Callable[[RpcClient], Awaitable[None]], *, timeout_s: float = 5.0) -> None:
    """Let a client use a peer whose every answer is the test's own."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await answer(socket, message.json())
        return socket

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
            async with asyncio.timeout(20), connect(url, timeout_s=timeout_s) as client:
                await use(client)
        finally:
            await runner.cleanup()

    asyncio.run(run())


def test_a_cancellation_that_comes_with_the_connection_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the Ctrl-C that stops a devnet would be swallowed."""

    async def use() -> None:
        async with connect("ws://127.0.0.1:1"):
            await asyncio.sleep(3_600)

    async def scene() -> bool:
        gate = asyncio.get_running_loop().create_future()

        async def answer(*arguments: object, **options: object) -> object:
            return await gate

        monkeypatch.setattr(aiohttp.ClientSession, "ws_connect", answer)
        task = asyncio.create_task(use())
        for _ in range(3):
            await asyncio.sleep(0)
        gate.set_result(object())
        task.cancel()
        await asyncio.wait({task}, timeout=1)
        return task.cancelled()

    assert asyncio.run(scene())
