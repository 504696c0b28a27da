"""gossipsub: frames, the router as a machine, and hosts that talk through it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network.libp2p.gossip import Received
from network.libp2p.gossip_event import Deliver, Effect, Forward, GossipParams, SendRpc, Verdict
from network.libp2p.gossip_router import GossipRouter
from network.libp2p.gossip_score import PeerScores, ScoreParams
from network.libp2p.gossip_wire import (
    BadGossip,
    GossipMessage,
    MessageId,
    Prune,
    Rpc,
    compute_message_id,
    decode_rpc,
    encode_rpc,
)
from network.libp2p.guard import OpenGuard
from network.libp2p.message_cache import MessageCache, SeenIds
from network.libp2p.node_key import PeerId
from network.libp2p.protobuf import encode_bytes, encode_number
from network.libp2p.protocol_error import LocalProtocolError, RemoteProtocolError
from network.libp2p.varint import encode_frame
from tests.network.support import run_hosts, wait_until

TOPIC = "t"
PEERS = [PeerId(f"peer{n}") for n in range(20)]
HELLO = GossipMessage(TOPIC, b"hello")
HELLO_ID = compute_message_id(TOPIC, b"hello")


def _make_router(peers: int, *, outbound: int = 20, params: GossipParams | None = None) -> GossipRouter:
    """Return a router subscribed to the topic, with peers that want it too."""
    router = GossipRouter(params or GossipParams(), Random(1))
    router.subscribe(TOPIC, 0)
    for number, peer in enumerate(PEERS[:peers]):
        router.add_peer(peer, is_outbound=number < outbound, place=None)
        router.on_rpc(peer, Rpc(subscriptions=((TOPIC, True),)), 0)
    return router


def _sent(effects: list[Effect]) -> list[tuple[PeerId, Rpc]]:
    return [(effect.peer, effect.rpc) for effect in effects if isinstance(effect, SendRpc)]


def test_frames_come_back() -> None:
    rpc = Rpc(
        subscriptions=(("a", True), ("b", False)),
        messages=(HELLO, GossipMessage("u", b"")),
        ihave=(("a", (HELLO_ID,)),),
        iwant=(HELLO_ID, MessageId(b"x")),
        graft=("a",),
        prune=(Prune("b", 60),),
    )
    assert decode_rpc(encode_rpc(rpc)) == rpc
    assert decode_rpc(b"") == Rpc()


def test_net_19_a_frame_that_holds_too_much_is_refused() -> None:
    decode_rpc(encode_rpc(Rpc(graft=("a",) * 256)))
    ids = tuple(MessageId(bytes([n % 256, n // 256])) for n in range(5_001))
    for rpc in (
        Rpc(graft=("a",) * 257),
        Rpc(subscriptions=(("a", True),) * 129),
        Rpc(messages=(HELLO,) * 1_025),
        Rpc(iwant=ids),
        Rpc(graft=("a" * 257,)),
        Rpc(iwant=(MessageId(bytes(65)),)),
    ):
        with pytest.raises(BadGossip):
            decode_rpc(encode_rpc(rpc))


def test_net_20_the_id_names_topic_and_data() -> None:
    assert sha256(b"\1\0\0\0" + b"t" + b"hello").digest()[:20] == HELLO_ID
    assert len({compute_message_id("ab", b"c"), compute_message_id("a", b"bc"), compute_message_id("a", b"c")}) == 3


def test_net_21_an_authors_fields_are_passed_over_and_not_forwarded() -> None:
    signed = encode_bytes(1, b"author") + encode_bytes(2, b"hello") + encode_bytes(3, bytes(8)) + encode_bytes(4, b"t")
    rpc = decode_rpc(encode_bytes(2, signed + encode_bytes(5, bytes(64)) + encode_bytes(6, b"key")))
    assert rpc.messages == (HELLO,)
    assert b"author" not in encode_rpc(rpc)


@given(st.binary(max_size=300))
def test_no_bytes_upset_a_frame(data: bytes) -> None:
    for candidate in (data, encode_bytes(3, data), encode_bytes(2, data), encode_bytes(3, encode_bytes(4, data))):
        with contextlib.suppress(RemoteProtocolError):
            decode_rpc(candidate)


def test_the_heartbeat_grafts_up_to_the_degree_and_cuts_above_the_most() -> None:
    router = _make_router(10)
    grafted = [peer for peer, rpc in _sent(router.heartbeat(1_000)) if rpc.graft]
    assert len(grafted) == 6 == len(router.mesh[TOPIC])
    crowd = _make_router(20, outbound=3)
    crowd.mesh[TOPIC] = set(PEERS)
    pruned = [peer for peer, rpc in _sent(crowd.heartbeat(1_000)) if rpc.prune]
    assert len(pruned) == 14
    assert len(crowd.mesh[TOPIC] & set(PEERS[:3])) >= 2  # some that we dialled stay


def test_net_23_a_message_is_forwarded_after_its_verdict_only() -> None:
    router = _make_router(6)
    router.heartbeat(1_000)
    assert router.on_rpc(PEERS[0], Rpc(messages=(HELLO,)), 1_001) == [Deliver(HELLO_ID, HELLO, PEERS[0])]
    assert router.on_rpc(PEERS[1], Rpc(messages=(HELLO,)), 1_002) == []
    (forward,) = router.on_verdict(HELLO_ID, Verdict.ACCEPT, 1_003)
    assert isinstance(forward, Forward)
    assert set(forward.peers) == router.mesh[TOPIC] - {PEERS[0], PEERS[1]}
    assert router.on_verdict(HELLO_ID, Verdict.ACCEPT, 1_004) == []
    assert router.scores.compute_score(PEERS[0], 1_004) > router.scores.compute_score(PEERS[2], 1_004)


def test_net_23_a_rejected_message_counts_against_all_that_brought_it_an_ignored_one_against_none() -> None:
    for verdict, is_punished in ((Verdict.REJECT, True), (Verdict.IGNORE, False)):
        router = _make_router(3)
        router.heartbeat(0)
        assert len(router.mesh[TOPIC]) == 3
        for peer in PEERS[:2]:
            router.on_rpc(peer, Rpc(messages=(HELLO,)), 1)
        assert router.on_verdict(HELLO_ID, verdict, 2) == []
        assert [router.scores.compute_score(peer, 2) < 0 for peer in PEERS[:3]] == [is_punished, is_punished, False]


def test_net_22_a_peer_far_below_zero_is_not_heard_and_leaves_the_mesh() -> None:
    router = _make_router(6)
    router.heartbeat(1_000)
    for number in range(4):
        message = GossipMessage(TOPIC, bytes([number]))
        router.on_rpc(PEERS[0], Rpc(messages=(message,)), 1_001)
        router.on_verdict(compute_message_id(TOPIC, message.data), Verdict.REJECT, 1_001)
    assert router.on_rpc(PEERS[0], Rpc(messages=(HELLO,)), 1_002) == []
    assert PEERS[0] in [peer for peer, rpc in _sent(router.heartbeat(2_000)) if rpc.prune]
    assert [rpc.prune for _, rpc in _sent(router.on_rpc(PEERS[1], Rpc(graft=(TOPIC,)), 2_001))] == []
    router.remove_peer(PEERS[0], 3_000)
    router.add_peer(PEERS[0], is_outbound=False, place=None)
    assert router.scores.compute_score(PEERS[0], 3_001) < -160  # coming back washes nothing


def test_a_graft_within_the_backoff_is_refused_and_counts() -> None:
    router = _make_router(1)
    router.on_rpc(PEERS[0], Rpc(graft=(TOPIC,)), 1)
    assert router.mesh[TOPIC] == {PEERS[0]}
    router.on_rpc(PEERS[0], Rpc(prune=(Prune(TOPIC, 60),)), 2)
    assert router.mesh[TOPIC] == set()
    assert _sent(router.heartbeat(30_000)) == []
    for _ in range(5):
        ((_, answer),) = _sent(router.on_rpc(PEERS[0], Rpc(graft=(TOPIC,)), 30_001))
        assert answer.prune == (Prune(TOPIC, 60),)
    assert router.scores.compute_score(PEERS[0], 30_001) < 0


def test_ids_are_offered_asked_for_and_given() -> None:
    """Peers outside the mesh get a message by IHAVE and IWANT, and not without end."""
    router = _make_router(20, params=GossipParams(floods_own=False))
    router.heartbeat(1_000)
    router.publish(TOPIC, b"hello", 1_500)
    offers = [(peer, rpc) for peer, rpc in _sent(router.heartbeat(2_000)) if rpc.ihave]
    assert len(offers) == 6
    assert all(peer not in router.mesh[TOPIC] for peer, _ in offers)
    asker = _make_router(1)
    ((_, request),) = _sent(asker.on_rpc(PEERS[0], offers[0][1], 2_001))
    assert request == Rpc(iwant=(HELLO_ID,))
    for _ in range(3):
        assert router.on_rpc(offers[0][0], request, 2_002) == [Forward((offers[0][0],), HELLO)]
    assert router.on_rpc(offers[0][0], request, 2_003) == []


def test_an_offer_that_is_not_kept_counts() -> None:
    router = _make_router(1)
    for number in range(8):
        offer = Rpc(ihave=((TOPIC, (MessageId(bytes([number])),)),))
        router.on_rpc(PEERS[0], offer, 10)
    router.heartbeat(4_000)
    assert router.scores.compute_score(PEERS[0], 4_000) < 0


def test_offers_and_questions_are_bounded() -> None:
    router = _make_router(1, params=GossipParams(ihave_frames_max=2, ihave_ids_max=3, iwant_bytes_max=10))
    ids = [MessageId(bytes([n])) for n in range(10)]
    answers = [_sent(router.on_rpc(PEERS[0], Rpc(ihave=((TOPIC, (*ids[n : n + 2],)),)), 1)) for n in range(0, 8, 2)]
    assert [len(answer[0][1].iwant) if answer else 0 for answer in answers] == [2, 1, 0, 0]
    names = []
    for number in range(4):
        router.publish(TOPIC, bytes([number]) * 8, 2)
        names.append(compute_message_id(TOPIC, bytes([number]) * 8))
    assert len(router.on_rpc(PEERS[0], Rpc(iwant=tuple(names)), 3)) == 2


def test_own_messages_go_to_everybody_or_to_a_meshs_worth() -> None:
    for floods, count in ((True, 20), (False, 6)):
        router = _make_router(20, params=GossipParams(floods_own=floods))
        (effect,) = router.publish(TOPIC, b"hello", 1)
        assert isinstance(effect, Forward)
        assert len(effect.peers) == count
    with pytest.raises(LocalProtocolError):
        _make_router(1).publish(TOPIC, bytes(65_537), 3)


def test_a_message_published_again_reaches_peers_that_came_since() -> None:
    """A vote is sent again while no block has it; those who have seen it drop it."""
    router, late = _make_router(2), _make_router(1)
    router.publish(TOPIC, b"hello", 1)
    router.add_peer(PEERS[2], is_outbound=False, place=None)
    router.on_rpc(PEERS[2], Rpc(subscriptions=((TOPIC, True),)), 2)
    (effect,) = router.publish(TOPIC, b"hello", 5_000)
    assert isinstance(effect, Forward)
    assert PEERS[2] in effect.peers
    assert router.on_rpc(PEERS[0], Rpc(messages=(HELLO,)), 5_001) == []
    assert late.on_rpc(PEERS[0], Rpc(messages=(HELLO,)), 1) == [Deliver(HELLO_ID, HELLO, PEERS[0])]
    assert late.on_rpc(PEERS[0], Rpc(messages=(HELLO,)), 5_000) == []


def test_leaving_a_topic_tells_everybody() -> None:
    router = _make_router(8)
    router.heartbeat(1_000)
    sent = _sent(router.unsubscribe(TOPIC, 2_000))
    assert len([rpc for _, rpc in sent if rpc.prune]) == 6
    assert len([rpc for _, rpc in sent if rpc.subscriptions == ((TOPIC, False),)]) == 8
    assert router.on_rpc(PEERS[0], Rpc(messages=(HELLO,)), 2_001) == []


def test_many_peers_at_one_address_lower_each_others_score() -> None:
    scores = PeerScores(ScoreParams())
    for peer in PEERS[:6]:
        scores.add_peer(peer, "8.8.8.8")
    assert scores.compute_score(PEERS[0], 0) == -20.0
    for peer in PEERS[1:3]:
        scores.remove_peer(peer, 0)
    assert scores.compute_score(PEERS[0], 0) == 0.0


def test_a_bad_score_fades() -> None:
    scores = PeerScores(ScoreParams())
    scores.add_peer(PEERS[0], None)
    scores.on_invalid(PEERS[0], TOPIC)
    before = scores.compute_score(PEERS[0], 0)
    for second in range(0, 1_200_000, 1_000):
        scores.decay(second)
    assert before < -10 < scores.compute_score(PEERS[0], 1_200_000) < 0.0


def test_what_is_remembered_is_bounded() -> None:
    seen = SeenIds(1_000, 3)
    assert [seen.add(MessageId(bytes([n])), n) for n in (0, 1, 1, 2, 3)] == [True, True, False, True, True]
    assert (len(seen), MessageId(b"\0") in seen) == (3, False)
    seen.forget_old(1_002)
    assert len(seen) == 1
    cache = MessageCache(windows=2, gossip_windows=1, bytes_max=20, sends_max=1)
    for number in range(3):
        cache.put(MessageId(bytes([number])), GossipMessage(TOPIC, bytes(8)))
    assert cache.list_ids(TOPIC) == [MessageId(b"\1"), MessageId(b"\2")]
    for _ in range(2):
        cache.shift()
    assert cache.take_for(MessageId(b"\2"), PEERS[0]) is None


COMMANDS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 5), st.integers(0, 3), st.integers(0, 90_000)), max_size=60
)


@given(COMMANDS)
def test_no_order_of_events_upsets_the_router(commands: list[tuple[int, int, int, int]]) -> None:
    """Meshes hold connected peers only, and nothing goes to who is gone."""
    router, now, live = GossipRouter(GossipParams(degree_high=3, degree=2, degree_low=1), Random(2)), 0, set()
    for what, who, item, wait in commands:
        now += wait
        peer, topic = PEERS[who], "ab"[item % 2]
        name = compute_message_id(topic, bytes([item]))
        effects: list[Effect] = []
        if what == 0:
            effects = router.add_peer(peer, is_outbound=bool(item % 2), place=None) if peer not in live else []
            live.add(peer)
        elif what == 1:
            router.remove_peer(peer, now)
            live.discard(peer)
        elif what == 2:
            effects = router.subscribe(topic, now) if item < 3 else router.unsubscribe(topic, now)
        elif what == 3:
            effects = router.heartbeat(now)
        elif what == 4:
            effects = router.on_verdict(name, list(Verdict)[item % 3], now)
        elif what == 5:
            effects = router.publish(topic, bytes([item]), now)
        else:
            rpc = Rpc(
                subscriptions=((topic, what == 6),),
                messages=(GossipMessage(topic, bytes([item])),),
                ihave=((topic, (name, MessageId(bytes([item])))),),
                iwant=(name,),
                graft=(topic,) if what != 7 else (),
                prune=(Prune(topic, item),) if what == 8 else (),
            )
            effects = router.on_rpc(peer, rpc, now)
        for effect in effects:
            match effect:
                case SendRpc(target, _):
                    assert target in live
                case Forward(targets, _):
                    assert set(targets) <= live
        assert all(members <= live for members in router.mesh.values())


def _accept(_: Received) -> Verdict:
    return Verdict.ACCEPT


def _run(scene) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scene()

    asyncio.run(bounded())


def test_a_message_reaches_every_host_of_a_line() -> None:
    """Each knows its neighbours only, so every host in between forwards."""

    async def scene() -> None:
        async with run_hosts(6) as hosts:
            inboxes = [host.subscribe(TOPIC, _accept) for host in hosts]
            for left, right in itertools.pairwise(hosts):
                await right.dial(left.addresses[0])
            ends = (hosts[0], hosts[-1])
            await wait_until(lambda: all(len(h.gossip.router.list_topic_peers(TOPIC)) == len(h.peers) for h in hosts))
            for host in hosts:
                host.gossip.beat_now()
            ends[0].publish(TOPIC, b"hello")
            for inbox in inboxes[1:]:
                assert (await inbox.get()).data == b"hello"

    _run(scene)


def test_net_23_a_late_verdict_decides_too() -> None:
    async def scene() -> None:
        async with run_hosts(2) as (a, b):
            asked: list[Received] = []
            inbox = a.subscribe(TOPIC, asked.append)
            b.subscribe(TOPIC, _accept)
            await b.dial(a.addresses[0])
            await wait_until(lambda: b.gossip.router.list_topic_peers(TOPIC) == [a.peer_id])
            b.publish(TOPIC, b"one")
            b.publish(TOPIC, b"two")
            await wait_until(lambda: len(asked) == 2)
            a.gossip.report(asked[0].message_id, Verdict.REJECT)
            a.gossip.report(asked[1].message_id, Verdict.ACCEPT)
            assert inbox.get_nowait().data == b"two"
            assert a.gossip.router.scores.compute_score(b.peer_id, a.clock()) < 0

    _run(scene)


@pytest.mark.parametrize("junk", [b"\xff\xff\xff", encode_rpc(Rpc(graft=("a",) * 300))])
def test_net_01_a_peer_that_sends_no_gossip_is_disconnected_and_the_host_lives(junk: bytes) -> None:
    async def scene() -> None:
        async with run_hosts(3) as (a, b, c):
            await b.dial(a.addresses[0])
            await c.dial(a.addresses[0])
            await wait_until(lambda: b.gossip.get_stream(a.peer_id) is not None)
            stream = b.gossip.get_stream(a.peer_id)
            assert stream is not None
            await stream.write(encode_frame(junk))
            await wait_until(lambda: len(b.peers) == 0)
            assert await c.ping(a.peer_id) < 1_000

    _run(scene)


def test_net_24_a_peer_that_does_not_read_loses_messages_and_then_its_connection() -> None:
    async def scene() -> None:
        async with run_hosts(3) as (a, slow, good):
            inbox = good.subscribe(TOPIC, _accept)
            slow.subscribe(TOPIC, _accept)
            for host in (slow, good):
                await host.dial(a.addresses[0])
            await wait_until(lambda: len(a.gossip.router.list_topic_peers(TOPIC)) == 2)
            connection = a.peers.get(slow.peer_id)
            assert connection is not None
            connection.pause_writing()  # as the transport does when its peer does not read
            for number in range(40):
                a.publish(TOPIC, bytes([number]) * 60_000)
                assert (await inbox.get()).data[0] == number
            stream = a.gossip.get_stream(slow.peer_id)
            assert stream is not None
            assert 1_000_000 < stream.pending_bytes < 1_200_000
            for _ in range(30_000):
                a.gossip.send_control(slow.peer_id, Rpc(graft=(TOPIC * 100,)))
                if connection.is_closed:
                    break
            assert connection.is_closed

    _run(scene)


def test_net_49_a_later_gossip_stream_takes_the_place_of_the_earlier() -> None:
    async def scene() -> None:
        async with run_hosts(2) as (a, b):
            await b.dial(a.addresses[0])
            await wait_until(lambda: b.gossip.get_stream(a.peer_id) is not None)
            first = b.gossip.get_stream(a.peer_id)
            assert first is not None
            await first.write(b"\xff\xff\x3f")  # a frame of 1 MiB begins
            await b.new_stream(a.peer_id, ["/meshsub/1.1.0"])
            await wait_until(lambda: first.is_reset)
            assert await b.ping(a.peer_id) < 5_000
            assert len(a.gossip._inbound) == 1

    _run(scene)


class _StrictGuard(OpenGuard):
    """Lets so much gossip pass."""

    def __init__(self, left: int) -> None:
        self.left = left

    def on_gossip(self, peer: PeerId, count: int) -> bool:
        self.left -= count
        return self.left >= 0


def test_net_50_gossip_counts_by_size_and_is_not_read_beyond_the_rate() -> None:
    """5,000 ids in a frame count as 27 messages, and behind the rate not even junk is looked at."""

    async def scene() -> None:
        async with run_hosts(2) as (a, b):
            await b.dial(a.addresses[0])
            await wait_until(lambda: b.gossip.get_stream(a.peer_id) is not None)
            guard = _StrictGuard(27)
            a.guard = guard
            stream = b.gossip.get_stream(a.peer_id)
            assert stream is not None
            ids = tuple(MessageId(n.to_bytes(20, "big")) for n in range(5_000))
            await stream.write(encode_frame(encode_rpc(Rpc(ihave=((TOPIC, ids),)))))
            await wait_until(lambda: guard.left == 0)
            await stream.write(encode_frame(b"\xff\xff\xff"))
            assert await b.ping(a.peer_id) < 5_000
            assert guard.left == -1
            assert not stream.is_reset

    _run(scene)


def test_what_is_remembered_of_peers_that_left_is_bounded() -> None:
    """Nobody fills our memory by coming and going under new names."""
    router = _make_router(0, params=GossipParams(backoffs_max=100))
    for number in range(1_000):
        peer = PeerId(f"passer-by {number}")
        router.add_peer(peer, is_outbound=False, place=f"8.8.{number // 250}.{number % 250}")
        router.on_rpc(peer, Rpc(graft=(TOPIC,), prune=(Prune(TOPIC, 1 << 40),)), number)
        router.remove_peer(peer, number)
    assert len(router._backoff) == 100
    assert len(router.scores._places) == 0
    assert len(router.scores._peers) == 0


def test_peers_that_a_prune_offers_are_passed_over() -> None:
    """Peer exchange has a protocol of its own."""
    offer = encode_bytes(2, encode_bytes(1, b"a peer") + encode_bytes(2, b"its signed record"))
    prune = encode_bytes(4, encode_bytes(1, b"t") + offer * 50 + encode_number(3, 60))
    assert decode_rpc(encode_bytes(3, prune)) == Rpc(prune=(Prune("t", 60),))
