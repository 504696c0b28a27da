"""One py-libp2p node on the loopback interface, in an environment of its own; the requests are libp2p_js/peer.js's."""

import json
import secrets
import sys
from hashlib import sha256

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.host.ping import PingService
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.identify import parse_identify_response
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr


def say(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def compute_message_id(message):
    """docs/spec/network.md, NET-20."""
    topic = message.topicIDs[0].encode()
    return sha256(len(topic).to_bytes(4, "little") + topic + message.data).digest()[:20]


class Peer:
    def __init__(self, host, pubsub, router, nursery):
        self.host, self.pubsub, self.router, self.nursery = host, pubsub, router, nursery

    async def dial(self, address):
        info = info_from_p2p_addr(Multiaddr(address))
        await self.host.connect(info)
        stream = await self.host.new_stream(info.peer_id, [IDENTIFY])
        data = b""
        while True:
            try:
                data += await stream.read(65536)
            except StreamEOF:
                break
        await stream.close()
        known = parse_identify_response(data)
        return {"peer": str(info.peer_id), "protocols": list(known.protocols), "agent": known.agent_version}

    async def ping(self, address):
        info = info_from_p2p_addr(Multiaddr(address))
        return {"ping_ms": (await PingService(self.host).ping(info.peer_id))[0]}

    async def subscribe(self, topic):
        subscription = await self.pubsub.subscribe(topic)

        async def listen():
            while True:
                message = await subscription.get()
                if message.from_id != self.host.get_id().to_bytes():
                    say({"topic": topic, "text": message.data.decode()})

        self.nursery.start_soon(listen)
        return {"ok": True}

    async def publish(self, topic, text):
        await self.pubsub.publish(topic, text.encode())
        return {"recipients": len(self.router.mesh.get(topic, ()))}

    async def mesh(self, topic):
        return {"mesh": [str(peer) for peer in self.router.mesh.get(topic, ())]}


async def main():
    host = new_host(key_pair=create_new_key_pair(secrets.token_bytes(32)), muxer_preference="YAMUX")
    router = GossipSub(
        protocols=[TProtocol("/meshsub/1.1.0")],
        degree=6,
        degree_low=4,
        degree_high=12,
        heartbeat_interval=1,
        adaptive_gossip_enabled=False,
        spam_protection_enabled=False,
    )
    pubsub = Pubsub(host, router, strict_signing=False, msg_id_constructor=compute_message_id)
    async with host.run(listen_addrs=[Multiaddr("/ip4/127.0.0.1/tcp/0")]), trio.open_nursery() as nursery:
        async with background_trio_service(pubsub), background_trio_service(router):
            await pubsub.wait_until_ready()
            address = str(host.get_addrs()[0])
            if "/p2p/" not in address:
                address += f"/p2p/{host.get_id()}"
            say({"address": address})
            peer = Peer(host, pubsub, router, nursery)
            async for line in read_lines():
                request = json.loads(line)
                try:
                    say({"answer": await getattr(peer, request.pop("do"))(**request)})
                except Exception as error:
                    say({"answer": {"error": repr(error)}})
        nursery.cancel_scope.cancel()


async def read_lines():
    buffer = b""
    source = trio.lowlevel.FdStream(0)
    while True:
        data = await source.receive_some(65536)
        if not data:
            return
        buffer += data
        while b"\n" in buffer:
            line, buffer = buffer.split(b"\n", 1)
            yield line


trio.run(main)
