"""A JSON-RPC client over one WebSocket, for wallets, scripts and tests.

Terms:
    subscription: a bounded queue of news; a reader that is `QUEUE_MAX` items late loses the connection's news with
    `ClientTooSlow` instead of growing without bound.

Every wait has a time limit. Answers are checked for their form: a node is not trusted to be well-behaved.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from types import TracebackType

import aiohttp
import msgspec

from rpc.api import Json
from rpc.errors import INTERNAL_ERROR, RpcError

QUEUE_MAX = 4096
MESSAGE_BYTES_MAX = 64 * 1024 * 1024


class Unreachable(Exception):
    """No node answers at the address, or the connection broke."""


class CallTimeout(Exception):
    """The node did not answer in time."""


class ClientTooSlow(Exception):
    """More news arrived than were read."""


@asynccontextmanager
async def connect(url: str, *, timeout_s: float = 10.0) -> AsyncIterator[RpcClient]:
    """Connect to a node; `url` is ws://host:port (http:// is understood too).

    Raises:
        Unreachable: nothing answers there.
    """
    address = "ws" + url[4:] if url.startswith("http") else url
    session = aiohttp.ClientSession()
    try:
        try:
            async with asyncio.timeout(timeout_s):  # `wait_for` of 3.11 loses a cancellation that comes with the answer
                socket = await session.ws_connect(address, max_msg_size=MESSAGE_BYTES_MAX)
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            raise Unreachable(f"no node answers at {url} ({_explain(error)}); is it running?") from error
        async with RpcClient(socket, timeout_s=timeout_s) as client:
            yield client
    finally:
        await session.close()


def _explain(error: Exception) -> str:
    """Return the few words that a person needs of a failed connection."""
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno or 0
        return os.strerror(number) if number > 0 else str(error.os_error.strerror)
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"what listens there answers with HTTP status {error.status}"
    return str(error) or "timed out"


class Subscription:
    """News of one subscription; iterate it, and `end` it when done."""

    def __init__(self, client: RpcClient, unsubscribe: str, name: str) -> None:
        self._client = client
        self._unsubscribe = unsubscribe
        self.name = name
        self.queue: asyncio.Queue[Json | Exception] = asyncio.Queue(QUEUE_MAX)

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Json:
        item = await self.queue.get()
        if isinstance(item, Exception):
            raise item
        return item

    def put(self, item: Json | Exception) -> None:
        """Add news; the last place is kept for saying that the reader was too slow."""
        if self.queue.qsize() < QUEUE_MAX - 1:
            self.queue.put_nowait(item)
        elif not self.queue.full():
            self.queue.put_nowait(ClientTooSlow(f"more than {QUEUE_MAX} news of {self.name} were not read"))

    async def end(self) -> None:
        """Tell the node to stop sending."""
        await self._client.end(self)

    @property
    def unsubscribe_method(self) -> str:
        """The method that ends it."""
        return self._unsubscribe


class RpcClient:
    """One connection; calls may run at the same time."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, timeout_s: float) -> None:
        self._socket = socket
        self._timeout_s = timeout_s
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Json]]] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._early: dict[str, list[Json | Exception]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> RpcClient:
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        await self._socket.close()

    async def call(self, method: str, *params: Json) -> Json:
        """Return a method's result.

        Raises:
            RpcError: the node answered with an error.
            CallTimeout: it did not answer in time.
            Unreachable: the connection broke.
        """
        number = next(self._ids)
        [answer] = await self._send([self._request(number, method, params)], [number])
        return _read_result(answer)

    async def call_batch(self, method: str, params: Sequence[Sequence[Json]]) -> list[Json | RpcError]:
        """Return the results of one method for many parameters, sent as one batch; an error stands in its place."""
        numbers = [next(self._ids) for _ in params]
        requests = [self._request(number, method, items) for number, items in zip(numbers, params, strict=True)]
        answers = await self._send(requests, numbers)
        results: list[Json | RpcError] = []
        for answer in answers:
            try:
                results.append(_read_result(answer))
            except RpcError as error:
                results.append(error)
        return results

    async def subscribe(self, method: str, unsubscribe: str, *params: Json) -> Subscription:
        """Open a subscription and return its news."""
        name = str(await self.call(method, *params))
        subscription = Subscription(self, unsubscribe, name)
        self._subscriptions[name] = subscription
        for item in self._early.pop(name, []):
            subscription.put(item)
        return subscription

    async def end(self, subscription: Subscription) -> None:
        """End a subscription."""
        self._subscriptions.pop(subscription.name, None)
        await self.call(subscription.unsubscribe_method, subscription.name)

    def _request(self, number: int, method: str, params: Sequence[Json]) -> dict[str, Json]:
        self._waiting[number] = asyncio.get_running_loop().create_future()
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}

    async def _send(self, requests: list[dict[str, Json]], numbers: list[int]) -> list[dict[str, Json]]:
        futures = [self._waiting[number] for number in numbers]
        body = msgspec.json.encode(requests[0] if len(requests) == 1 else requests)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._socket.send_str(body.decode())
                return list(await asyncio.gather(*futures))
        except TimeoutError as error:
            what = requests[0]["method"]
            raise CallTimeout(f"{what} was not answered within {self._timeout_s:g} s") from error
        except (ConnectionError, aiohttp.ClientError) as error:
            raise Unreachable(f"the connection broke: {error}") from error
        finally:
            for number in numbers:
                self._waiting.pop(number, None)

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                break
            try:
                decoded: object = msgspec.json.decode(message.data)
            except msgspec.DecodeError:
                continue
            for item in decoded if isinstance(decoded, list) else [decoded]:
                if isinstance(item, dict):
                    self._take(item)
        broken = Unreachable("the node closed the connection")
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(broken)
        for subscription in self._subscriptions.values():
            subscription.put(broken)

    def _take(self, item: dict[str, Json]) -> None:
        params = item.get("params")
        if isinstance(params, dict) and "subscription" in params:
            name = str(params["subscription"])
            news: Json | Exception = params.get("result")
            if "error" in params:
                news = _read_error(params["error"])
            if name in self._subscriptions:
                self._subscriptions[name].put(news)
            elif len(self._early) < QUEUE_MAX:
                self._early.setdefault(name, []).append(news)
            return
        number = item.get("id")
        future = self._waiting.get(number) if isinstance(number, int) else None
        if future is not None and not future.done():
            future.set_result(item)


def _read_result(answer: dict[str, Json]) -> Json:
    if "error" in answer:
        raise _read_error(answer["error"])
    return answer.get("result")


def _read_error(body: Json) -> RpcError:
    if not isinstance(body, dict):
        return RpcError(INTERNAL_ERROR, "the node sent an error without a body")
    code, data = body.get("code"), body.get("data")
    number = code if isinstance(code, int) else INTERNAL_ERROR
    return RpcError(number, str(body.get("message")), None if data is None else str(data))
