"""Runs `matchstrike` through its real entry point in this process, and nodes that answer what a test wants."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from unittest.mock import patch

import aiohttp
import msgspec
from aiohttp import web

from matchstrike.commands.main import main

Reply = Callable[[dict[str, object]], object]
SILENCE = object()


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> object:
        """Return what stdout holds."""
        return json.loads(self.out)


def run_command(*arguments: str) -> Done:
    """Run one command and return its exit code and both outputs."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code = 0
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "argv", ["matchstrike", *arguments]):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    texts = [stream.buffer.getvalue().decode() for stream in (out, err) if isinstance(stream.buffer, io.BytesIO)]
    return Done(code=code, out=texts[0], err=texts[1])


@contextmanager
def serve_replies(reply: Reply) -> Iterator[str]:
    """Serve a WebSocket on which each call gets the result that `reply` returns; SILENCE is no answer at all.

    Yields:
        The address.
    """
    ready, urls = threading.Event(), []
    loop = asyncio.new_event_loop()
    stopped = asyncio.Event()

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            call = json.loads(message.data)
            result = reply(call)
            if result is not SILENCE:
                await socket.send_json({"jsonrpc": "2.0", "id": call["id"], "result": result})
        return socket

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        urls.append(f"ws://127.0.0.1:{runner.addresses[0][1]}")
        ready.set()
        await stopped.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(10)
        loop.close()
