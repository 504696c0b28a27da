"""Two and more services: statuses, requests, gossip, and who is told what."""

from __future__ import annotations

from network.messages import GetHeaders, Headers
from network.port import (
    AnswerReceived,
    GossipReceived,
    JudgeGossip,
    NoticeReceived,
    PeerConnected,
    Publish,
    RequestReceived,
    SendAnswer,
    SendNotice,
    SendRequest,
)
from tests.network.service_support import GENESIS, make_status, run_nodes, run_scene
from tests.network.support import wait_until


def test_two_nodes_exchange_a_status_a_request_and_a_header() -> None:
    async def scene() -> None:
        async with run_nodes(2) as (a, b):
            await b.dial(a)
            await wait_until(lambda: bool(a.list_events(PeerConnected) and b.list_events(PeerConnected)))
            assert a.list_events(PeerConnected) == [PeerConnected(peer=b.peer, is_outbound=False)]
            assert b.list_events(PeerConnected) == [PeerConnected(peer=a.peer, is_outbound=True)]

            b.service.perform(SendNotice(peer=a.peer, notice=make_status(3)))
            await wait_until(lambda: bool(a.list_events(NoticeReceived)))
            assert a.list_events(NoticeReceived) == [NoticeReceived(peer=b.peer, notice=make_status(3))]

            question = GetHeaders(locator=(GENESIS,), count=2)
            b.service.perform(SendRequest(peer=a.peer, request_id=7, request=question, timeout_ms=5_000))
            await wait_until(lambda: bool(a.list_events(RequestReceived)))
            asked = a.list_events(RequestReceived)[0]
            assert (asked.peer, asked.request) == (b.peer, question)
            answer = Headers(headers=(b"one", b"two"))
            a.service.perform(SendAnswer(peer=b.peer, request_id=asked.request_id, answer=answer))
            await wait_until(lambda: bool(b.list_events(AnswerReceived)))
            assert b.list_events(AnswerReceived) == [AnswerReceived(peer=a.peer, request_id=7, answer=answer)]

            topic = "/matchstrike/00010203/headers/1"
            await wait_until(lambda: bool(a.service.host.gossip.router.list_topic_peers(topic)))
            a.service.perform(Publish(topic="headers", data=b"header"))
            await wait_until(lambda: bool(b.list_events(GossipReceived)))
            heard = b.list_events(GossipReceived)[0]
            assert (heard.peer, heard.topic, heard.data) == (a.peer, "headers", b"header")
            b.service.perform(JudgeGossip(message_id=heard.message_id, verdict="accept"))

    run_scene(scene)
