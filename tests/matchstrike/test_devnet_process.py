"""A devnet's node is told from somebody else's at the same port."""

import asyncio
import sys
from pathlib import Path

from matchstrike.devnet.node_process import NodeProcess
from rpc.client import connect
from tests.support.live_node import LiveNode, run_live

SLEEPER = (sys.executable, "-c", "import signal; signal.pause()")


def test_another_node_that_answers_at_the_port_does_not_count(tmp_path: Path) -> None:
    """It took the port after that was chosen; the own node is going to end for want of it."""

    async def work(stranger: LiveNode) -> None:
        async with connect(stranger.url) as client:
            its_id = await client.call("system_localPeerId")
        assert isinstance(its_id, str)
        for peer_id, expected in ((its_id, True), ("12D3KooWsomebody", False)):
            node = NodeProcess("alice", SLEEPER, url=stranger.url, peer_id=peer_id, log_path=tmp_path / "alice.log")
            await node.start()
            try:
                assert await asyncio.wait_for(node.answers(), 10) is expected
            finally:
                await node.kill()

    run_live(tmp_path, work)
