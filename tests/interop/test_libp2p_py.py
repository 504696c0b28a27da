"""py-libp2p, unmodified, and our libp2p: dial, identify, ping and gossip, whoever begins.

py-libp2p lives in an environment of its own, `.venv-py-libp2p`, which `scripts/install test` makes. Nothing here is
skipped when it is missing: what cannot run fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

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

HERE = Path(__file__).parent / "libp2p_py"
VENV = Path(__file__).parents[2] / ".venv-py-libp2p"


@pytest.fixture(scope="module")
def python() -> str:
    """The interpreter of py-libp2p's environment."""
    mark = VENV / ".installed"
    is_current = mark.is_file() and mark.read_text() == (HERE / "requirements.txt").read_text()
    assert is_current, "py-libp2p is not installed; run ./scripts/install-py-libp2p"
    return str(VENV / "bin" / "python")


def _meet(python: str, scene: Callable[[Host, ForeignPeer], Awaitable[None]]) -> None:
    async def run() -> None:
        command = (python, str(HERE / "peer.py"))
        async with run_foreign_peer(*command) as foreign, Host(make_node_key(bytes([7]) * 32)) as host:
            await host.listen(parse_multiaddr("/ip4/127.0.0.1/tcp/0"))
            await scene(host, foreign)

    asyncio.run(run())


def test_we_dial_py_libp2p_and_gossip(python: str) -> None:
    async def scene(host: Host, foreign: ForeignPeer) -> None:
        await check_we_dial(host, foreign, "py-libp2p")
        await check_it_refuses(host, foreign)
        await check_gossip(host, foreign, 10)

    _meet(python, scene)


def test_py_libp2p_dials_us_and_gossips(python: str) -> None:
    async def scene(host: Host, foreign: ForeignPeer) -> None:
        await check_it_dials(host, foreign)
        await check_gossip(host, foreign, 10)

    _meet(python, scene)
