"""The RPC server in front of a real node: HTTP, WebSocket, batches, subscriptions, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import aiohttp
import pytest

from rpc.api import Json, NodeApi
from rpc.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    INVALID_TRANSACTION,
    LIMIT_EXCEEDED,
    METHOD_NOT_FOUND,
    UNSAFE_MESSAGE,
)
from rpc.methods.catalogue import get_methods
from rpc.methods.dispatch import Limits
from rpc.server import NoLoopback, Settings, serve
from tests.support.live_node import LiveNode, open_live_node, run_live

SAFE = Settings(limits=Limits(allow_unsafe=False))
ALICE = "5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpu"


class Socket:
    """One WebSocket connection that keeps news and answers apart."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.news: list[Mapping[str, Json]] = []
        self._last_id = 0

    async def send(self, method: str, *params: Json) -> int:
        """Send a call and return its id."""
        self._last_id += 1
        body = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": list(params)}
        await self.socket.send_json(body)
        return self._last_id

    async def ask(self, method: str, *params: Json) -> Mapping[str, Json]:
        """Return the whole answer to a call; news that come before it are kept."""
        number = await self.send(method, *params)
        while True:
            message = await self.socket.receive_json()
            if "id" in message and message["id"] == number:
                return cast("Mapping[str, Json]", message)
            self.news.append(message)

    async def get_news(self, subscription: Json) -> Json:
        """Return the next news of a subscription."""
        while True:
            for position, message in enumerate(self.news):
                params = message["params"]
                assert isinstance(params, Mapping)
                if params["subscription"] == subscription:
                    del self.news[position]
                    return params["result"]
            self.news.append(await self.socket.receive_json())


def code_of(answer: Mapping[str, Json]) -> Json:
    """Return the code of an error answer."""
    error = answer["error"]
    assert isinstance(error, Mapping)
    return error["code"]


def number_of(header: Json) -> int:
    """Return the height of a header."""
    assert isinstance(header, Mapping)
    return int(str(header["number"]), 16)


# ---- HTTP


def test_a_batch_over_http_is_answered_in_order_without_its_notifications(tmp_path: Path) -> None:
    """Two calls, one notification, one item that is no request."""
    batch = [
        {"jsonrpc": "2.0", "id": "a", "method": "system_chain"},
        {"jsonrpc": "2.0", "method": "system_name"},
        7,
        {"jsonrpc": "2.0", "id": 2, "method": "chain_getBlockHash", "params": [0]},
    ]

    async def work(node: LiveNode) -> None:
        async with node.session.post(node.url, json=batch) as response:
            first, second, third = await response.json()
        assert (first["id"], first["result"]) == ("a", "Development")
        assert code_of(second) == INVALID_REQUEST
        assert third["result"] == "0x" + node.driver.machine.importer.head.hash.hex()

    run_live(tmp_path, work)


def test_a_lone_notification_is_answered_with_nothing(tmp_path: Path) -> None:
    """HTTP 204, as the specification of JSON-RPC asks."""

    async def work(node: LiveNode) -> None:
        async with node.session.post(node.url, json={"jsonrpc": "2.0", "method": "system_name"}) as response:
            assert (response.status, await response.read()) == (204, b"")

    run_live(tmp_path, work)


def test_bytes_that_are_no_json_are_answered_with_a_parse_error(tmp_path: Path) -> None:
    """The server survives whatever is posted."""

    async def work(node: LiveNode) -> None:
        for data in (b"", b"{", b"\xff\x00", b"[" * 5000):
            async with node.session.post(node.url, data=data) as response:
                assert code_of(await response.json()) == -32700
        assert (await node.post("system_name"))["result"]

    run_live(tmp_path, work)


def test_a_subscription_over_http_is_refused(tmp_path: Path) -> None:
    """News need a connection that stays."""

    async def work(node: LiveNode) -> None:
        answer = await node.post("chain_subscribeNewHeads")
        assert code_of(answer) == METHOD_NOT_FOUND
        assert "WebSocket" in str(answer["error"])

    run_live(tmp_path, work)


def test_a_request_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """Over HTTP with status 413; over WebSocket the connection ends with 1009, message too big."""
    small = Settings(limits=Limits(request_bytes_max=1000))

    async def work(node: LiveNode) -> None:
        async with node.session.post(node.url, data=b" " * 5000) as response:
            assert response.status == 413
        async with node.session.ws_connect(node.url) as socket:
            await socket.send_str(" " * 5000)
            await socket.receive()
            assert socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG

    run_live(tmp_path, work, small)


def test_an_answer_that_is_too_large_becomes_an_error_with_the_same_id(tmp_path: Path) -> None:
    """The metadata do not fit in 1,000 bytes."""
    small = Settings(limits=Limits(response_bytes_max=1000))

    async def work(node: LiveNode) -> None:
        answer = await node.post("state_getMetadata")
        assert answer["id"] == 1
        assert "too big" in str(answer["error"])

    run_live(tmp_path, work, small)


def test_health_is_answered_without_json_rpc(tmp_path: Path) -> None:
    """For load balancers: /health and /health/readiness."""

    async def work(node: LiveNode) -> None:
        async with node.session.get(f"{node.url}/health") as response:
            assert await response.json() == {"peers": 0, "isSyncing": False, "shouldHavePeers": False}
        async with node.session.get(f"{node.url}/health/readiness") as response:
            assert response.status == 200
        async with node.session.get(node.url) as response:
            assert response.status == 405

    run_live(tmp_path, work)


# ---- who may call


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://polkadot.js.org", True),
        ("http://localhost:3000", True),
        ("http://127.0.0.1", True),
        ("http://evil.example", False),
        ("http://localhost.evil.example", False),
        ("null", False),
    ],
)
def test_a_page_of_another_origin_may_not_call(tmp_path: Path, origin: str, allowed: bool) -> None:
    """Neither by POST nor by WebSocket; an allowed one is told so."""

    async def work(node: LiveNode) -> None:
        headers, body = {"Origin": origin}, {"jsonrpc": "2.0", "id": 1, "method": "system_name"}
        async with node.session.post(node.url, json=body, headers=headers) as response:
            assert response.status == (200 if allowed else 403)
            assert response.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
        async with node.session.options(node.url, headers=headers) as response:
            assert response.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
        if allowed:
            async with node.session.ws_connect(node.url, headers=headers) as socket:
                assert not socket.closed
            return
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await node.session.ws_connect(node.url, headers=headers)

    run_live(tmp_path, work)


def test_cors_all_lets_every_page_call(tmp_path: Path) -> None:
    """`--rpc-cors all`, the default of --dev."""

    async def work(node: LiveNode) -> None:
        body, headers = {"jsonrpc": "2.0", "id": 1, "method": "system_name"}, {"Origin": "http://any.example"}
        async with node.session.post(node.url, json=body, headers=headers) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "*"

    run_live(tmp_path, work, Settings(origins=("all",)))


def test_with_rpc_methods_safe_every_unsafe_method_is_denied(tmp_path: Path) -> None:
    """On both transports, in Substrate's words; a safe one is answered."""

    async def work(node: LiveNode) -> None:
        async with node.session.ws_connect(node.url) as connection:
            socket = Socket(connection)
            for name, method in get_methods().items():
                if method.unsafe:
                    for answer in (await node.post(name), await socket.ask(name)):
                        assert answer["error"] == {"code": METHOD_NOT_FOUND, "message": UNSAFE_MESSAGE}, name
            assert code_of(await socket.ask("state_subscribeStorage")) == METHOD_NOT_FOUND
            assert "result" in await socket.ask("system_health")

    run_live(tmp_path, work, SAFE)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_the_server_binds_to_this_machine_only(host: str) -> None:
    """Another address is refused before a port is open."""

    async def work() -> None:
        async with serve(cast("NodeApi", None), Settings(host=host, port=0)):
            pass

    with pytest.raises(NoLoopback, match="reverse proxy"):
        asyncio.run(work())


# ---- limits


def test_calls_beyond_the_rate_limit_are_refused(tmp_path: Path) -> None:
    """Three a minute: the fourth is an error, also inside a batch; another connection has its own minute."""

    async def work(node: LiveNode) -> None:
        async with node.session.ws_connect(node.url) as connection:
            socket = Socket(connection)
            answers = [await socket.ask("system_name") for _ in range(4)]
            assert ["error" in answer for answer in answers] == [False, False, False, True]
            assert code_of(answers[3]) == LIMIT_EXCEEDED
        async with node.session.ws_connect(node.url) as connection:
            assert "result" in await Socket(connection).ask("system_name")

    run_live(tmp_path, work, Settings(calls_per_minute=3))


def test_connections_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    """A place is free again once a connection has ended."""

    async def work(node: LiveNode) -> None:
        async with node.session.ws_connect(node.url):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
                await node.session.ws_connect(node.url)
        while True:
            try:
                async with node.session.ws_connect(node.url) as connection:
                    assert "result" in await Socket(connection).ask("system_name")
                    return
            except aiohttp.WSServerHandshakeError:
                await asyncio.sleep(0)  # the server has not seen the end of the first yet

    run_live(tmp_path, work, Settings(connections_max=1))


def test_subscriptions_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    """An ended one makes room."""

    async def work(node: LiveNode) -> None:
        async with node.session.ws_connect(node.url) as connection:
            socket = Socket(connection)
            opened = [await socket.ask("chain_subscribeAllHeads") for _ in range(3)]
            assert code_of(opened[2]) == LIMIT_EXCEEDED
            assert (await socket.ask("chain_unsubscribeAllHeads", opened[0]["result"]))["result"] is True
            assert "result" in await socket.ask("chain_subscribeAllHeads")

    run_live(tmp_path, work, Settings(subscriptions_max=2))


def test_many_calls_in_one_go_are_all_answered(tmp_path: Path) -> None:
    """A client that reads is not taken for a slow one because it asked quickly."""

    async def work(node: LiveNode) -> None:
        async with node.session.ws_connect(node.url) as connection:
            for number in range(3000):
                await connection.send_json({"jsonrpc": "2.0", "id": number, "method": "system_name"})
            answers = [await connection.receive_json() for _ in range(3000)]
            assert [answer["id"] for answer in answers] == list(range(3000))

    run_live(tmp_path, work, Settings(message_buffer=4))


def test_a_reader_that_is_too_slow_is_disconnected_and_the_others_are_served(tmp_path: Path) -> None:
    """It asks for megabytes and reads none; the answers that wait for it are bounded."""

    async def work(node: LiveNode) -> None:
        async with node.session.ws_connect(node.url, max_msg_size=0) as connection:
            socket = Socket(connection)
            batch = [{"jsonrpc": "2.0", "id": n, "method": "state_getMetadata"} for n in range(50)]
            for _ in range(60):
                await connection.send_json(batch)
                assert "result" in await node.post("system_name")
            while not connection.closed:
                await connection.receive()
            assert connection.close_code in (1008, 1006)
            assert socket.news == []
        assert "result" in await node.post("system_name")

    run_live(tmp_path, work, Settings(message_buffer=4))


# ---- subscriptions


def test_new_heads_begin_with_the_present_one_and_end_on_request(tmp_path: Path) -> None:
    """Ended twice, the second time there is nothing to end."""

    async def work(node: LiveNode) -> None:
        async with node.session.ws_connect(node.url) as connection:
            socket = Socket(connection)
            name = (await socket.ask("chain_subscribeNewHeads"))["result"]
            assert number_of(await socket.get_news(name)) == 0
            for height in (1, 2):
                await node.mine()
                assert number_of(await socket.get_news(name)) == height
            assert (await socket.ask("chain_unsubscribeNewHeads", name))["result"] is True
            assert (await socket.ask("chain_unsubscribeNewHeads", name))["result"] is False
            await node.mine()
            await socket.ask("system_name")
            assert socket.news == []

    run_live(tmp_path, work)


def test_finalized_heads_follow_the_best_by_the_final_depth(tmp_path: Path) -> None:
    """Each height once, in order."""

    async def work(node: LiveNode) -> None:
        async with node.session.ws_connect(node.url) as connection:
            socket = Socket(connection)
            name = (await socket.ask("chain_subscribeFinalizedHeads"))["result"]
            assert number_of(await socket.get_news(name)) == 0
            for _ in range(4):
                await node.mine()
            heights = [number_of(await socket.get_news(name)) for _ in range(2)]
            assert heights == [1, 2]

    run_live(tmp_path, work)


def test_a_watched_extrinsic_is_followed_until_it_is_final(tmp_path: Path) -> None:
    """ready, inBlock, finalized with the same block; then the subscription has ended by itself."""

    async def work(node: LiveNode) -> None:
        async with node.session.ws_connect(node.url) as connection:
            socket = Socket(connection)
            name = (await socket.ask("author_submitAndWatchExtrinsic", node.make_transfer()))["result"]
            assert await socket.get_news(name) == "ready"
            for _ in range(3):
                await node.mine()
            included, final = await socket.get_news(name), await socket.get_news(name)
            assert isinstance(included, Mapping)
            assert isinstance(final, Mapping)
            block_hash = (await node.post("chain_getBlockHash", 1))["result"]
            assert (included, final) == ({"inBlock": block_hash}, {"finalized": block_hash})
            assert (await socket.ask("author_unwatchExtrinsic", name))["result"] is False

    run_live(tmp_path, work)


def test_a_refused_extrinsic_is_the_answer_to_the_call_and_opens_nothing(tmp_path: Path) -> None:
    """Mis-signed: Substrate's code 1010 with the reason, and no subscription."""

    async def work(node: LiveNode) -> None:
        raw = bytearray.fromhex(node.make_transfer()[2:])
        raw[-1] ^= 1
        async with node.session.ws_connect(node.url) as connection:
            answer = await Socket(connection).ask("author_submitAndWatchExtrinsic", "0x" + raw.hex())
            assert code_of(answer) == INVALID_TRANSACTION
            assert "bad signature" in str(answer["error"])

    run_live(tmp_path, work)


def test_storage_news_come_with_the_first_values_and_with_each_change(tmp_path: Path) -> None:
    """Bob's account, before and after a transfer; a block that leaves it alone says nothing."""

    async def work(node: LiveNode) -> None:
        bob = bytes.fromhex("d17c2d7823ebf260fd138f2d7e27d114c0145d968b5ff5006125f2414fadae69")
        key = "0x" + node.metadata.storage_key("System", "Account", bob).hex()
        async with node.session.ws_connect(node.url) as connection:
            socket = Socket(connection)
            name = (await socket.ask("state_subscribeStorage", [key]))["result"]
            before = await socket.get_news(name)
            await node.mine()
            await node.post("author_submitExtrinsic", node.make_transfer())
            await node.mine()
            after = await socket.get_news(name)
            values = []
            for news in (before, after):
                assert isinstance(news, Mapping)
                [[found, value]] = cast("list[list[str]]", news["changes"])
                assert found == key
                info = node.metadata.decode_storage("System", "Account", bytes.fromhex(value[2:]))
                assert isinstance(info, Mapping)
                values.append(cast("Mapping[str, int]", info["data"])["free"])
            assert values[1] - values[0] == 10**12
            assert after["block"] == (await node.post("chain_getBlockHash", 2))["result"]

    run_live(tmp_path, work)


def test_subscriptions_end_with_their_connection(tmp_path: Path) -> None:
    """No feed of a reader that is gone stays in the node."""

    async def work(node: LiveNode) -> None:
        async with node.session.ws_connect(node.url) as connection:
            socket = Socket(connection)
            for method in ("chain_subscribeNewHeads", "chain_subscribeAllHeads", "state_subscribeStorage"):
                await socket.ask(method)
            assert len(node.driver.heads["all"]) == len(node.driver.news) == 1
        async with asyncio.timeout(5):
            while len(node.driver.heads["all"]) or len(node.driver.news) or len(node.driver.heads["best"]):
                await asyncio.sleep(0)

    run_live(tmp_path, work)


def test_the_server_closes_its_connections_when_it_stops(tmp_path: Path) -> None:
    """Clients are told 1001, going away, and do not hang."""

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            async with open_live_node(tmp_path, Settings()) as node:
                connection = await session.ws_connect(node.url)
                reader = asyncio.create_task(connection.receive())
            await reader
            assert connection.close_code == aiohttp.WSCloseCode.GOING_AWAY

    asyncio.run(run())


# ---- every method


def test_every_method_has_an_answer_from_a_real_node(tmp_path: Path) -> None:
    """With fitting parameters no method ends in an internal error; those that should succeed, do."""

    async def work(node: LiveNode) -> None:
        transfer = node.make_transfer()
        await node.post("author_submitExtrinsic", transfer)
        await node.mine()
        head = "0x" + node.driver.machine.importer.head.hash.hex()
        genesis = "0x" + node.driver.machine.importer.chain.genesis_hash.hex()
        key = "0x" + node.metadata.storage_key("System", "Number").hex()
        second = node.make_transfer(nonce=1)
        params: dict[str, list[Json]] = {
            "author_submitExtrinsic": [second],
            "author_removeExtrinsic": [[{"extrinsic": second}]],
            "author_insertKey": [
                "mine",
                "//Alice",
                "0x88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee",
            ],
            "author_hasKey": ["0x88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee", "mine"],
            "payment_queryInfo": [transfer],
            "payment_queryFeeDetails": [transfer],
            "state_getStorage": [key],
            "state_getStorageHash": [key],
            "state_getStorageSize": [key],
            "state_getKeysPaged": ["0x", 5],
            "state_getKeys": ["0x"],
            "state_getPairs": [key],
            "state_queryStorage": [[key], genesis],
            "state_queryStorageAt": [[key]],
            "state_getReadProof": [[key]],
            "state_call": ["Core_version", "0x"],
            "system_addReservedPeer": ["/ip4/127.0.0.1"],
            "system_removeReservedPeer": ["12D3"],
            "system_accountNextIndex": [ALICE],
            "system_dryRun": [second],
            "system_addLogFilter": ["runtime=debug"],
            "problem_get": [0],
            "problem_solutions": [0],
            "work_template": [ALICE],
            "work_submit": ["0x00", "0x00"],
            "work_replay": [head],
            "work_solver": [ALICE],
            "transaction_get": [head],
            "finality_reportOffence": ["0x00", "0x00"],
        }
        refused = {
            "finality_reportOffence",
            "problem_solutions",
            "system_addReservedPeer",
            "system_removeReservedPeer",
            "work_submit",
        }
        for method in {method.name: method for method in get_methods().values()}.values():
            answer = await node.post(method.name, *params.get(method.name, []))
            if "error" in answer:
                assert code_of(answer) != INTERNAL_ERROR, f"{method.name}: {answer['error']}"
                assert method.name in refused, f"{method.name}: {answer['error']}"

    run_live(tmp_path, work)
