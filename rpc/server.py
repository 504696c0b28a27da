"""JSON-RPC over HTTP and WebSocket on one port.

Terms:
    session: one WebSocket connection with its subscriptions. Each subscription is a task of the session; a reader that
    does not keep up is disconnected, so memory stays bounded.

The server binds to loopback addresses only. What is unsafe is answered only where the settings say so.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic, perf_counter
from typing import Protocol
from uuid import uuid4

import msgspec
import structlog
from aiohttp import WSMsgType, web

from rpc.api import Json, NodeApi
from rpc.errors import INVALID_PARAMS, LIMIT_EXCEEDED, METHOD_NOT_FOUND, RpcError
from rpc.methods.dispatch import (
    Answer,
    BatchAnswer,
    Call,
    Limits,
    SubscriptionCall,
    answer,
    encode_answer,
    make_error,
    make_notification,
    make_result,
    parse,
)

DEFAULT_ORIGINS = ("http://localhost:*", "http://127.0.0.1:*", "https://localhost:*", "https://127.0.0.1:*")
POLKADOT_APPS = "https://polkadot.js.org"
TURN_SECONDS = 0.005
_JSON = "application/json"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How the server serves.

    Attributes:
        origins: CORS origins; ("all",) for every one, () for none.
        calls_per_minute: Rate limit per connection; 0 is none.
        message_buffer: Answers waiting for a slow reader before it is disconnected.
    """

    host: str = "127.0.0.1"
    port: int = 9944
    origins: tuple[str, ...] = (*DEFAULT_ORIGINS, POLKADOT_APPS)
    limits: Limits = Limits()
    connections_max: int = 100
    subscriptions_max: int = 1024
    message_buffer: int = 1024
    calls_per_minute: int = 0


class Observer(Protocol):
    """Who wants to know about calls (metrics, log)."""

    def on_call(self, protocol: str, method: str, seconds: float, *, is_error: bool) -> None: ...

    def on_session(self, *, opened: bool) -> None: ...


class NoLoopback(Exception):
    """A bind address that is reachable from other machines."""


@asynccontextmanager
async def serve(api: NodeApi, settings: Settings, observer: Observer | None = None) -> AsyncIterator[int]:
    """Serve until the context ends; yields the port that was bound.

    Raises:
        NoLoopback: the host is not a loopback address.
        OSError: the port is taken.
    """
    if settings.host != "localhost" and not ipaddress.ip_address(settings.host).is_loopback:
        raise NoLoopback(f"{settings.host} is not a loopback address; use a reverse proxy to serve other machines")
    service = RpcService(api, settings, observer)
    runner = web.AppRunner(service.make_application(), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


class RateLimit:
    """At most so many calls in a sliding minute."""

    def __init__(self, calls_per_minute: int) -> None:
        self._limit = calls_per_minute
        self._times: deque[float] = deque()

    def check(self) -> None:
        """Count one call.

        Raises:
            RpcError: the minute's calls are used up.
        """
        if not self._limit:
            return
        now = monotonic()
        while self._times and self._times[0] < now - 60:
            self._times.popleft()
        if len(self._times) >= self._limit:
            raise RpcError(LIMIT_EXCEEDED, "RPC rate limit exceeded", f"at most {self._limit} calls a minute")
        self._times.append(now)


class RpcService:
    """Answers requests with one node's API."""

    def __init__(self, api: NodeApi, settings: Settings, observer: Observer | None) -> None:
        self.api = api
        self.settings = settings
        self.observer = observer
        self.log = structlog.get_logger("rpc")
        self._sessions: set[web.WebSocketResponse] = set()
        self._http_limit = RateLimit(settings.calls_per_minute)

    def make_application(self) -> web.Application:
        """Return the aiohttp application: POST / and GET / (WebSocket), /health, /health/readiness."""
        application = web.Application(client_max_size=self.settings.limits.request_bytes_max + 1)
        application.router.add_post("/", self.on_post)
        application.router.add_get("/", self.on_get)
        application.router.add_options("/", self.on_options)
        application.router.add_get("/health", self.on_health)
        application.router.add_get("/health/readiness", self.on_readiness)
        application.on_shutdown.append(self._close_sessions)
        return application

    async def answer_one(self, call: Call | Answer, limit: RateLimit, protocol: str) -> Answer | SubscriptionCall:
        """Return the answer to one parsed request, telling the observer."""
        if not isinstance(call, Call):
            return call
        started = perf_counter()
        try:
            limit.check()
            result = await answer(self.api, call, self.settings.limits, self._on_internal_error)
        except RpcError as error:
            result = make_error(call.request_id, error)
        if self.observer is not None:
            is_error = isinstance(result, dict) and "error" in result
            self.observer.on_call(protocol, call.method, perf_counter() - started, is_error=is_error)
        return result

    async def answer_batch(
        self, items: Sequence[Call | Answer], answer_item: Callable[[Call | Answer], Awaitable[Answer | None]]
    ) -> bytes:
        """Return the answers to a batch; the miner and the other connections have their turn in between."""
        answers = BatchAnswer(self.settings.limits)
        turn_began = perf_counter()
        for item in items:
            if not answers.add(await answer_item(item)):
                break
            if perf_counter() - turn_began > TURN_SECONDS:
                await asyncio.sleep(0)
                turn_began = perf_counter()
        return answers.encode()

    async def on_post(self, request: web.Request) -> web.Response:
        """Answer one HTTP request or batch."""
        if not self._is_origin_allowed(request):
            return web.Response(status=403, text="origin is not whitelisted")
        try:
            data = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413, text="the request is too large")
        parsed = parse(data, self.settings.limits)
        headers = self._cors_headers(request)
        if isinstance(parsed, list):
            body = await self.answer_batch(parsed, self._answer_http)
        else:
            single = await self._answer_http(parsed)
            body = encode_answer(single, self.settings.limits) if single is not None else b""
        return web.Response(body=body, content_type=_JSON, headers=headers, status=200 if body else 204)

    async def on_get(self, request: web.Request) -> web.StreamResponse:
        """Open a WebSocket session."""
        if not self._is_origin_allowed(request):
            return web.Response(status=403, text="origin is not whitelisted")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(status=405, text="POST JSON-RPC 2.0 here, or open a WebSocket")
        if len(self._sessions) >= self.settings.connections_max:
            return web.Response(status=429, text="too many connections")
        socket = web.WebSocketResponse(max_msg_size=self.settings.limits.request_bytes_max, heartbeat=30)
        await socket.prepare(request)
        self._sessions.add(socket)
        if self.observer is not None:
            self.observer.on_session(opened=True)
        try:
            await Session(self, socket).run()
        finally:
            self._sessions.discard(socket)
            if self.observer is not None:
                self.observer.on_session(opened=False)
        return socket

    async def on_options(self, request: web.Request) -> web.Response:
        """Answer a browser's question whether it may call."""
        headers = {"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "content-type"}
        return web.Response(status=204, headers=headers | self._cors_headers(request))

    async def on_health(self, request: web.Request) -> web.Response:
        """Return system_health."""
        state = self.api.get_sync_state()
        body = {"peers": state.peers, "isSyncing": state.is_syncing, "shouldHavePeers": state.should_have_peers}
        return web.Response(body=msgspec.json.encode(body), content_type=_JSON)

    async def on_readiness(self, request: web.Request) -> web.Response:
        """Return 200 if the node keeps up, else 500."""
        return web.Response(status=500 if self.api.get_sync_state().is_syncing else 200)

    async def _answer_http(self, item: Call | Answer) -> Answer | None:
        result = await self.answer_one(item, self._http_limit, "http")
        if isinstance(result, SubscriptionCall):
            error = RpcError(METHOD_NOT_FOUND, "Method not found", "subscriptions need a WebSocket connection")
            return make_error(result.call.request_id, error)
        is_silent = isinstance(item, Call) and item.is_notification
        return None if is_silent else result

    def _on_internal_error(self, method: str, error: Exception) -> None:
        self.log.error("RPC method failed", method=method, exc_info=error)

    def _is_origin_allowed(self, request: web.Request) -> bool:
        origin = request.headers.get("Origin")
        return origin is None or any(_matches(origin, pattern) for pattern in self.settings.origins)

    def _cors_headers(self, request: web.Request) -> dict[str, str]:
        origin = request.headers.get("Origin")
        if origin is None or not self._is_origin_allowed(request):
            return {}
        return {"Access-Control-Allow-Origin": "*" if "all" in self.settings.origins else origin}

    async def _close_sessions(self, _: web.Application) -> None:
        for socket in list(self._sessions):
            await socket.close(code=1001, message=b"the node stops")


class Session:
    """One WebSocket connection."""

    def __init__(self, service: RpcService, socket: web.WebSocketResponse) -> None:
        self._service = service
        self._socket = socket
        self._limit = RateLimit(service.settings.calls_per_minute)
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue(service.settings.message_buffer)
        self._subscriptions: dict[str, asyncio.Task[None]] = {}
        self._answered = asyncio.Event()

    async def run(self) -> None:
        """Serve the connection until it ends."""
        writer = asyncio.create_task(self._write())
        try:
            async for message in self._socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                data = message.data.encode() if isinstance(message.data, str) else message.data
                await self._on_message(data)
                await asyncio.sleep(0)  # many calls may have come at once: let the writer send the answers
        finally:
            tasks = [writer, *self._subscriptions.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _on_message(self, data: bytes) -> None:
        """Answer one message; what it subscribes to is silent until the caller has been told the subscription's id."""
        self._answered = asyncio.Event()
        try:
            await self._answer_message(data)
        finally:
            self._answered.set()

    async def _answer_message(self, data: bytes) -> None:
        parsed = parse(data, self._service.settings.limits)
        if not isinstance(parsed, list):
            single = await self._answer(parsed)
            if single is not None:
                await self._put(single)
            return
        if body := await self._service.answer_batch(parsed, self._answer):
            await self._put_encoded(body)

    async def _answer(self, item: Call | Answer) -> Answer | None:
        result = await self._service.answer_one(item, self._limit, "ws")
        if isinstance(result, SubscriptionCall):
            result = await self._open(result) if result.opens else self._end(result)
        return None if isinstance(item, Call) and item.is_notification else result

    async def _open(self, wanted: SubscriptionCall) -> Answer:
        if len(self._subscriptions) >= self._service.settings.subscriptions_max:
            return make_error(wanted.call.request_id, RpcError(LIMIT_EXCEEDED, "Too many subscriptions"))
        subscription = uuid4().hex[:16]
        try:
            made = wanted.method.function(self._service.api, *wanted.arguments)
            stream = await made if isinstance(made, Awaitable) else made
        except RpcError as error:
            return make_error(wanted.call.request_id, error)
        task = asyncio.create_task(self._forward(subscription, wanted, stream))
        self._subscriptions[subscription] = task
        return make_result(wanted.call.request_id, subscription)

    def _end(self, wanted: SubscriptionCall) -> Answer:
        name = wanted.arguments[0] if wanted.arguments else None
        task = self._subscriptions.pop(str(name), None)
        if not isinstance(name, str | int):
            error = RpcError(INVALID_PARAMS, "Invalid params", "name the subscription to end")
            return make_error(wanted.call.request_id, error)
        if task is not None:
            task.cancel()
        return make_result(wanted.call.request_id, task is not None)

    async def _forward(self, subscription: str, wanted: SubscriptionCall, stream: AsyncIterator[Json]) -> None:
        notification, answered = wanted.method.notification, self._answered
        try:
            async for item in stream:
                await answered.wait()
                await self._put(make_notification(notification, subscription, item))
        except RpcError as error:
            # The id is already sent, so what fails later can only be told as news.
            body = make_notification(notification, subscription, None)
            body["params"] = {"subscription": subscription, "error": make_error(None, error)["error"]}
            await answered.wait()
            await self._put(body)
        finally:
            self._subscriptions.pop(subscription, None)
            with suppress(RuntimeError):
                await _close_stream(stream)

    async def _put(self, value: Answer) -> None:
        await self._put_encoded(encode_answer(value, self._service.settings.limits))

    async def _put_encoded(self, data: bytes) -> None:
        try:
            self._outbox.put_nowait(data)
        except asyncio.QueueFull:
            await self._socket.close(code=1008, message=b"too slow")

    async def _write(self) -> None:
        while True:
            data = await self._outbox.get()
            with suppress(ConnectionError):
                await self._socket.send_str(data.decode())


async def _close_stream(stream: AsyncIterator[Json]) -> None:
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


def _matches(origin: str, pattern: str) -> bool:
    if pattern == "all":
        return True
    if pattern.endswith(":*"):
        return origin == pattern[:-2] or origin.startswith(pattern[:-1])
    return origin == pattern
