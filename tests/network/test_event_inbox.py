"""Events reach the core in order, a few a turn, never from within itself, and whatever it does."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from network.event_inbox import EVENTS_A_TURN, EventInbox
from network.libp2p.memory_transport import MemoryNetwork
from network.messages import GetHeaders
from network.port import NetworkEvent, NoticeReceived, PeerGone, RequestFailed, SendRequest
from tests.network.service_support import GENESIS, make_service, make_status, run_scene
from tests.network.support import wait_until


def test_events_come_in_order_and_leave_the_loop_its_turns() -> None:
    async def scene() -> None:
        seen: list[NetworkEvent] = []
        inbox = EventInbox(seen.append, notices_max=4)
        for number in range(100):
            inbox.put(PeerGone(peer=str(number)))
        assert not seen, "nothing happens within put"
        await asyncio.sleep(0)
        assert len(seen) == EVENTS_A_TURN
        await wait_until(lambda: len(seen) == 100)
        assert seen == [PeerGone(peer=str(number)) for number in range(100)]

    run_scene(scene)


def test_an_event_that_the_core_fails_at_costs_no_other() -> None:
    async def scene() -> None:
        seen: list[NetworkEvent] = []

        def fail_first(event: NetworkEvent) -> None:
            seen.append(event)
            if len(seen) == 1:
                raise ValueError("a bug")

        inbox = EventInbox(fail_first, notices_max=4)
        inbox.put(PeerGone(peer="a"))
        inbox.put(PeerGone(peer="b"))
        await wait_until(lambda: len(seen) == 2)

    with capture_logs() as lines:
        run_scene(scene)
    assert [line["log_level"] for line in lines] == ["error"]


def test_a_peer_has_few_notices_waiting_and_others_do_not_wait_for_it() -> None:
    async def scene() -> None:
        inbox = EventInbox(lambda event: None, notices_max=2)
        for _ in range(3 * EVENTS_A_TURN):
            inbox.put(PeerGone(peer="x"))  # so that the notices' turn is a few turns away
        for _ in range(2):
            await inbox.wait_room("a")
            inbox.put_notice(NoticeReceived(peer="a", notice=make_status()))
        waiting = asyncio.create_task(inbox.wait_room("a"))
        for _ in range(2):
            await asyncio.sleep(0)
        await inbox.wait_room("b")
        assert not waiting.done()
        await wait_until(waiting.done)
        assert len(inbox) == 0

    run_scene(scene)


def test_a_core_that_asks_within_an_event_is_answered_behind_it() -> None:
    async def scene() -> None:
        node = make_service(MemoryNetwork(), 1)
        depth: list[int] = [0]
        seen: list[NetworkEvent] = []

        def take(event: NetworkEvent) -> None:
            assert depth[0] == 0, "entered from within itself"
            depth[0] += 1
            seen.append(event)
            if len(seen) < 10:
                ask = GetHeaders(locator=(GENESIS,), count=1)
                node.service.perform(SendRequest(peer="nobody", request_id=len(seen), request=ask, timeout_ms=9))
            depth[0] -= 1

        node.service._inbox._deliver = take
        async with node.service:
            node.service._inbox.put(PeerGone(peer="x"))
            await wait_until(lambda: len(seen) == 10)
        assert seen[1:] == [RequestFailed(peer="nobody", request_id=number, failure="gone") for number in range(1, 10)]

    run_scene(scene)
