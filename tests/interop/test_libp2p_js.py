"""js-libp2p, unmodified, and our libp2p: dial, identify, ping and gossip, whoever begins.

Nothing here is skipped when Node or js-libp2p is missing: `scripts/test` installs it, and what cannot run fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from network.libp2p.host import Host
from network.libp2p.multiaddr import parse_multiaddr
from network.libp2p.node_key import make_node_key
from tests.interop.libp2p_peer import (
    ForeignPeer,
    check_gossip,
    check_it_dials,
    check_it_refuses,
    check_we_dial,
    run_foreign_peer,
)

SCRIPT = Path(__file__).parent / "libp2p_js" / "peer.js"


def _meet(scene: Callable[[Host, ForeignPeer], Awaitable[None]]) -> None:
    async def run() -> None:
        async with run_foreign_peer("node", str(SCRIPT)) as foreign, Host(make_node_key(bytes([7]) * 32)) as host:
            await host.listen(parse_multiaddr("/ip4/127.0.0.1/tcp/0"))
            await scene(host, foreign)

    asyncio.run(run())


def test_we_dial_js_libp2p_and_gossip() -> None:
    async def scene(host: Host, foreign: ForeignPeer) -> None:
        await check_we_dial(host, foreign, "js-libp2p")
        await check_it_refuses(host, foreign)
        await check_gossip(host, foreign, 10)

    _meet(scene)


def test_js_libp2p_dials_us_and_gossips() -> None:
    async def scene(host: Host, foreign: ForeignPeer) -> None:
        await check_it_dials(host, foreign)
        await check_gossip(host, foreign, 10)

    _meet(scene)
