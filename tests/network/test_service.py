"""Two and more services: statuses, requests, gossip, and who is told what."""

from __future__ import annotations

import asyncio

from network.libp2p.multiaddr import Multiaddr
from network.messages import (
    BODIES_MAX,
    Bodies,
    ExtrinsicInventory,
    Extrinsics,
    GetBodies,
    GetExtrinsics,
    GetHeaders,
    Headers,
)
from network.port import (
    AnswerReceived,
    Disconnect,
    GossipReceived,
    JudgeGossip,
    NoticeReceived,
    PeerConnected,
    PeerGone,
    Publish,
    Punish,
    RequestFailed,
    RequestReceived,
    SendAnswer,
    SendNotice,
    SendRequest,
)
from network.request_desk import is_answer_to
from tests.network.service_support import (
    GENESIS,
    Node,
    connect,
    make_settings,
    make_status,
    run_nodes,
    run_scene,
    wait_events,
)
from tests.network.support import wait_until

ASK = GetHeaders(locator=(GENESIS,), count=2)
TOPIC = "/matchstrike/00010203/headers/1"


def request(peer: Node, number: int, timeout_ms: int = 5_000) -> SendRequest:
    return SendRequest(peer=peer.peer, request_id=number, request=ASK, timeout_ms=timeout_ms)


def test_two_nodes_exchange_a_status_a_request_and_a_header() -> None:
    async def scene() -> None:
        async with run_nodes(2) as (a, b):
            await connect(b, a)
            assert a.list_events(PeerConnected) == [PeerConnected(peer=b.peer, is_outbound=False)]
            assert b.list_events(PeerConnected) == [PeerConnected(peer=a.peer, is_outbound=True)]

            b.service.perform(SendNotice(peer=a.peer, notice=make_status(3)))
            await wait_until(lambda: bool(a.list_events(NoticeReceived)))
            assert a.list_events(NoticeReceived) == [NoticeReceived(peer=b.peer, notice=make_status(3))]

            b.service.perform(request(a, 7))
            await wait_until(lambda: bool(a.list_events(RequestReceived)))
            asked = a.list_events(RequestReceived)[0]
            assert (asked.peer, asked.request) == (b.peer, ASK)
            answer = Headers(headers=(b"one", b"two"))
            a.service.perform(SendAnswer(peer=b.peer, request_id=asked.request_id, answer=answer))
            await wait_until(lambda: bool(b.list_events(AnswerReceived)))
            assert b.list_events(AnswerReceived) == [AnswerReceived(peer=a.peer, request_id=7, answer=answer)]

            await wait_until(lambda: bool(a.service.host.gossip.router.list_topic_peers(TOPIC)))
            a.service.perform(Publish(topic="headers", data=b"header"))
            await wait_until(lambda: bool(b.list_events(GossipReceived)))
            heard = b.list_events(GossipReceived)[0]
            assert (heard.peer, heard.topic, heard.data) == (a.peer, "headers", b"header")
            b.service.perform(JudgeGossip(message_id=heard.message_id, verdict="accept"))

    run_scene(scene)


def test_gossip_goes_on_only_after_the_verdict() -> None:
    async def scene() -> None:
        async with run_nodes(3) as (a, b, c):
            await connect(a, b)
            await connect(b, c)
            routers = [node.service.host.gossip.router for node in (a, b)]
            await wait_until(lambda: len(routers[0].list_topic_peers(TOPIC)) == 1)
            await wait_until(lambda: len(routers[1].list_topic_peers(TOPIC)) == 2)
            b.service.host.gossip.beat_now()
            for number, verdict in enumerate(("ignore", "reject", "accept")):
                a.service.perform(Publish(topic="headers", data=bytes([number])))
                heard = (await wait_events(b, GossipReceived, number + 1))[-1]
                for _ in range(50):
                    await asyncio.sleep(0)
                assert not c.list_events(GossipReceived)
                b.service.perform(JudgeGossip(message_id=heard.message_id, verdict=verdict))
            await wait_until(lambda: bool(c.list_events(GossipReceived)))
            assert c.list_events(GossipReceived)[0].data == b"\2"

    run_scene(scene)


def test_net_28_each_request_ends_once_whatever_happens() -> None:
    """Refused, too late, answered too late, gone, and to somebody who is not there."""

    async def scene() -> None:
        async with run_nodes(2) as (a, b):
            await connect(b, a)
            b.service.perform(request(a, 1))
            await wait_until(lambda: len(a.list_events(RequestReceived)) == 1)
            refused = a.list_events(RequestReceived)[0].request_id
            a.service.perform(SendAnswer(peer=b.peer, request_id=refused, answer=None))
            await wait_until(lambda: len(b.list_events(RequestFailed)) == 1)

            b.service.perform(request(a, 2, timeout_ms=30))
            await wait_until(lambda: len(a.list_events(RequestReceived)) == 2)
            await wait_until(lambda: len(b.list_events(RequestFailed)) == 2, turns=10**7)
            late = a.list_events(RequestReceived)[1].request_id
            a.service.perform(SendAnswer(peer=b.peer, request_id=late, answer=Headers(headers=())))

            b.service.perform(request(a, 3))
            await wait_until(lambda: len(a.list_events(RequestReceived)) == 3)
            a.service.perform(Disconnect(peer=b.peer, reason="enough"))
            await wait_until(lambda: bool(b.list_events(PeerGone)))
            b.service.perform(request(a, 4))
            await wait_until(lambda: len(b.list_events(RequestFailed)) == 4)
            failures = [(event.request_id, event.failure) for event in b.list_events(RequestFailed)]
            assert failures == [(1, "refused"), (2, "timeout"), (3, "gone"), (4, "gone")]
            assert not b.list_events(AnswerReceived)
            ends = [type(event) for event in b.events[-3:]]
            assert ends == [RequestFailed, PeerGone, RequestFailed], "what was asked fails before the peer goes"
            assert b.service.door.bans.get_score(a.peer, b.service.wall_ms()) == 0, "the core judges lateness"

    run_scene(scene)


def test_net_27_a_node_asks_a_peer_at_most_16_things_and_is_served_two_at_a_time() -> None:
    async def scene() -> None:
        async with run_nodes(2) as (a, b):
            await connect(b, a)
            for number in range(20):
                b.service.perform(request(a, number))
            await wait_until(lambda: len(b.list_events(RequestFailed)) == 4)
            assert {event.failure for event in b.list_events(RequestFailed)} == {"refused"}
            for served in range(16):
                await wait_events(a, RequestReceived, served + 1)
                for _ in range(20):
                    await asyncio.sleep(0)
                assert len(a.list_events(RequestReceived)) <= served + 2
                number = a.list_events(RequestReceived)[served].request_id
                a.service.perform(SendAnswer(peer=b.peer, request_id=number, answer=Headers(headers=())))
            await wait_until(lambda: len(b.list_events(AnswerReceived)) == 16)

    run_scene(scene)


def test_an_answer_of_8_mib_arrives() -> None:
    async def scene() -> None:
        async with run_nodes(2) as (a, b):
            await connect(b, a)
            ask = GetBodies(hashes=(bytes(32),) * BODIES_MAX)
            b.service.perform(SendRequest(peer=a.peer, request_id=1, request=ask, timeout_ms=20_000))
            await wait_until(lambda: bool(a.list_events(RequestReceived)))
            number = a.list_events(RequestReceived)[0].request_id
            answer = Bodies(bodies=((bytes(130_000),),) * BODIES_MAX)
            a.service.perform(SendAnswer(peer=b.peer, request_id=number, answer=answer))
            await wait_until(lambda: bool(b.list_events(AnswerReceived)), turns=10**6)
            assert b.list_events(AnswerReceived)[0].answer == answer

    run_scene(scene)


def test_of_statuses_the_newest_counts_and_inventories_keep_their_order() -> None:
    async def scene() -> None:
        async with run_nodes(2, make_settings(status_pause_s=0.01)) as (a, b):
            await connect(b, a)
            for number in range(200):
                b.service.perform(SendNotice(peer=a.peer, notice=make_status(number)))
                b.service.perform(SendNotice(peer=a.peer, notice=ExtrinsicInventory(hashes=(bytes([number]) * 32,))))
            await wait_until(lambda: len(a.list_events(NoticeReceived)) >= 201, turns=10**6)
            notices = [event.notice for event in a.list_events(NoticeReceived)]
            hashes = [notice.hashes[0][0] for notice in notices if isinstance(notice, ExtrinsicInventory)]
            assert hashes == list(range(200))
            await wait_until(lambda: a.service.sessions[b.service.host.peer_id].status == make_status(199), turns=10**6)

    run_scene(scene)


def test_net_35_a_node_of_another_chain_is_parted_from_without_a_fault() -> None:
    async def scene() -> None:
        async with run_nodes(1) as (a,), run_nodes(1, make_settings(genesis=bytes(32)), like=a) as (b,):
            await b.dial(a)
            await wait_until(lambda: len(a.service.host.peers) == 0 and len(b.service.host.peers) == 0)
            assert a.events == b.events == []
            assert a.service.door.bans.get_score(b.peer, a.service.wall_ms()) == 0

        twin = GENESIS[:4] + bytes(28)  # the same names, another block 0
        async with run_nodes(1) as (a,), run_nodes(1, make_settings(genesis=twin), like=a) as (b,):
            await connect(b, a)
            b.service.perform(SendNotice(peer=a.peer, notice=make_status(1, genesis=twin)))
            await wait_until(lambda: bool(a.list_events(PeerGone)))
            assert not a.list_events(NoticeReceived)
            assert a.service.door.bans.get_score(b.peer, a.service.wall_ms()) == 0

    run_scene(scene)


def test_net_26_the_names_carry_the_chain() -> None:
    async def scene() -> None:
        async with run_nodes(2) as (a, b):
            await connect(b, a)
            spoken = set((await b.service.host.identify(a.service.host.peer_id)).protocols)
            assert {f"/matchstrike/00010203/{name}/1" for name in ("status", "tx", "sync", "px")} <= spoken

    run_scene(scene)


def test_net_31_who_reaches_a_hundred_points_is_shut_out_and_comes_back_later() -> None:
    async def scene() -> None:
        async with run_nodes(2) as (a, b):
            await connect(b, a)
            a.service.perform(Punish(peer=b.peer, points=60, reason="an invalid header"))
            a.service.perform(Punish(peer=b.peer, points=50, reason="another one"))
            await wait_until(lambda: bool(a.list_events(PeerGone)) and bool(b.list_events(PeerGone)))
            await b.dial(a)
            await wait_until(lambda: len(b.service.host.peers) == 0)
            assert len(a.list_events(PeerConnected)) == 1
            a.clock.now_ms += 600_001
            await b.dial(a)
            await wait_until(lambda: len(a.list_events(PeerConnected)) == 2)

    run_scene(scene)


def test_two_that_dial_each_other_at_once_talk_on() -> None:
    async def scene() -> None:
        async with run_nodes(2) as (a, b):
            await asyncio.gather(a.dial(b), b.dial(a))
            await wait_until(lambda: bool(a.list_events(PeerConnected) and b.list_events(PeerConnected)), turns=10**7)
            for node, other in ((a, b), (b, a)):
                node.service.perform(SendNotice(peer=other.peer, notice=make_status(5)))
            await wait_until(lambda: bool(a.list_events(NoticeReceived) and b.list_events(NoticeReceived)), turns=10**7)
            assert not a.list_events(PeerGone)

    run_scene(scene)


def test_an_answer_must_fit_its_request() -> None:
    assert is_answer_to(ASK, Headers(headers=(b"1", b"2")))
    assert not is_answer_to(ASK, Headers(headers=(b"1", b"2", b"3")))
    assert not is_answer_to(ASK, Bodies(bodies=()))
    assert is_answer_to(GetBodies(hashes=(bytes(32),)), Bodies(bodies=(None,)))
    assert not is_answer_to(GetBodies(hashes=(bytes(32),)), Bodies(bodies=(None, None)))
    assert is_answer_to(GetExtrinsics(hashes=(bytes(32),)), Extrinsics(extrinsics=()))
    assert not is_answer_to(GetExtrinsics(hashes=(bytes(32),)), Headers(headers=()))


def test_addresses_of_this_node_are_told_with_its_name() -> None:
    async def scene() -> None:
        public = Multiaddr(kind="ip4", host="45.1.2.3", port=9)
        async with run_nodes(1, make_settings(public=(public,))) as (a,):
            assert [str(address) for address in a.service.addresses] == [
                f"/ip4/10.0.1.1/tcp/30333/p2p/{a.peer}",
                f"/ip4/45.1.2.3/tcp/9/p2p/{a.peer}",
            ]

    run_scene(scene)
