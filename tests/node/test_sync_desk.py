"""The peer desk's own manners: statuses, answers, steps and bounds."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.header import encode_header
from network.messages import ANSWER_BYTES_MAX, Bodies, GetBodies, GetHeaders, Headers, Status, encode_message
from network.port import (
    AnswerReceived,
    Disconnect,
    GossipReceived,
    JudgeGossip,
    NoticeReceived,
    PeerConnected,
    PeerGone,
    Punish,
    RequestFailed,
    RequestReceived,
    SendAnswer,
    SendNotice,
    SendRequest,
)
from node.core.answering import ROOM_BYTES
from node.core.desk_limits import DeskLimits
from node.core.effects import BlockImported, ContinueSync, Effect, Log, StartMining, StopMining
from node.core.events import Event, SyncStep, Tick
from node.core.header_row import BrokenRow, HeaderRow
from tests.node.network_pump import Net
from tests.node.world import ALICE, BOB, World, find


def make_status(world: World, **changes: object) -> Status:
    """Return what a peer with nothing but genesis would say."""
    genesis = world.genesis.hash
    status = Status(
        version=1,
        genesis=genesis,
        best_number=0,
        best_hash=genesis,
        justified_height=0,
        work=b"",
        final_number=0,
        final_hash=genesis,
        is_authority=False,
    )
    return replace(status, **changes)


def say(world: World, peer: str, **changes: object) -> list[Effect]:
    """Let a peer say a status."""
    return world.handle(NoticeReceived(peer=peer, notice=make_status(world, **changes)))


def connect(world: World, *peers: str) -> list[Effect]:
    """Connect peers of which only names exist."""
    return [effect for peer in peers for effect in world.handle(PeerConnected(peer=peer, is_outbound=True))]


def test_syn_01_a_status_goes_out_at_connect_and_after_a_new_best_block_but_not_too_often() -> None:
    world = World()
    [first] = find(connect(world, "a"), SendNotice)
    assert first.notice == make_status(world, is_authority=True)
    sent: list[Effect] = []
    handle = world.dispatch

    def record(event: Event) -> list[Effect]:
        effects = handle(event)
        sent.extend(find(effects, SendNotice))
        return effects

    world.dispatch = record
    for _ in range(20):
        world.mine(later_ms=50)
    assert len(sent) == 2
    [last] = find(world.handle(Tick(), later_ms=500), SendNotice)
    assert (last.notice.best_number, last.notice.best_hash) == (20, world.head.hash)
    assert int.from_bytes(last.notice.work, "big") == world.importer.blocks.best.work_total
    assert find(world.handle(Tick(), later_ms=4_900), SendNotice) == []
    assert len(find(world.handle(Tick(), later_ms=100), SendNotice)) == 1


def test_syn_02_another_genesis_or_version_ends_the_connection_without_punishment() -> None:
    world = World(author=None)
    connect(world, "a", "b", "c")
    for peer, changes in (("a", {"genesis": bytes(32)}), ("b", {"version": 2})):
        effects = say(world, peer, **changes)
        assert [effect.peer for effect in find(effects, Disconnect)] == [peer]
        assert find(effects, Punish) == []
    assert say(world, "c") == []
    effects = world.handle(Tick(), later_ms=60_000)
    assert find(effects, Disconnect) == []


def test_a_peer_that_says_no_status_is_disconnected() -> None:
    world = World(author=None)
    connect(world, "a")
    assert find(world.handle(Tick(), later_ms=29_999), Disconnect) == []
    assert len(find(world.handle(Tick(), later_ms=1), Disconnect)) == 1


def test_a_flood_of_statuses_costs_points() -> None:
    world = World(author=None)
    connect(world, "a")
    effects = [effect for _ in range(30) for effect in say(world, "a")]
    assert len(find(effects, Punish)) == 10


def test_syn_13_a_peer_whose_final_block_is_not_ours_is_disconnected() -> None:
    world = World()
    connect(world, "a")
    for _ in range(4):
        world.mine()
    effects = say(
        world, "a", final_number=2, final_hash=bytes(32), best_number=9, best_hash=bytes(32), work=b"\xff" * 9
    )
    assert len(find(effects, Disconnect)) == 1


def test_gossip_of_votes_is_not_taken_for_headers() -> None:
    world = World(author=None)
    connect(world, "a")
    event = GossipReceived(peer="a", topic="votes", message_id=b"m", data=b"\x00")
    [punishment] = find(world.handle(event), Punish)
    assert "no vote" in punishment.reason
    assert world.machine.peers.handle(event, world.now_ms) == [JudgeGossip(message_id=b"m", verdict="ignore")]


# Answers


def test_syn_18_headers_follow_the_first_block_of_the_locator_that_is_on_the_best_chain() -> None:
    world, other = World(), World(author=BOB.public)
    blocks = [world.mine() for _ in range(5)]
    side = other.mine()
    connect(world, "a")
    locator = (side.hash, blocks[1].hash, world.genesis.hash)
    request = RequestReceived(peer="a", request_id=1, request=GetHeaders(locator=locator, count=2))
    [answer] = find(world.handle(request), SendAnswer)
    assert answer.answer == Headers(headers=tuple(encode_header(block.header) for block in blocks[2:4]))
    nothing = RequestReceived(peer="a", request_id=2, request=GetHeaders(locator=(side.hash,), count=2))
    assert find(world.handle(nothing), SendAnswer)[0].answer == Headers(headers=())


def test_syn_18_an_answer_holds_what_fits_and_a_greedy_peer_is_refused() -> None:
    world = World()
    blocks = [world.mine() for _ in range(4)]
    connect(world, "a")
    large = (bytes(3 * 1024 * 1024),)
    world.importer.chain.get_body = lambda block_hash: large  # type: ignore[method-assign]
    request = GetBodies(hashes=tuple(block.hash for block in blocks))
    answers = []
    for number in range(20):
        effects = world.handle(RequestReceived(peer="a", request_id=number, request=request))
        answers += [effect.answer for effect in find(effects, SendAnswer)]
    assert answers[0] == Bodies(bodies=(large, large))
    assert len(encode_message(answers[0])) <= ROOM_BYTES + 4096 <= ANSWER_BYTES_MAX
    assert answers[-1] is None
    served = [answer for answer in answers if answer is not None]
    assert 8 <= len(served) <= 12
    effects = world.handle(RequestReceived(peer="a", request_id=99, request=request), later_ms=3_000)
    assert find(effects, SendAnswer)[0].answer is not None


def test_bodies_that_are_not_here_are_said_to_be_missing() -> None:
    world = World()
    block = world.mine()
    connect(world, "a")
    request = RequestReceived(peer="a", request_id=1, request=GetBodies(hashes=(bytes(32), block.hash)))
    assert find(world.handle(request), SendAnswer)[0].answer == Bodies(bodies=(None, block.extrinsics))


# Sync


def test_syn_15_a_long_sync_goes_in_steps_between_which_others_are_served() -> None:
    miner, late = World(), World(author=None)
    for _ in range(70):
        miner.mine()
    net = Net()
    net.now_ms = miner.now_ms
    net.add("miner", miner)
    net.add("late", late)
    net.connect("late", "miner")
    net.run_until(lambda: late.head.number == 70, limit_ms=5_000)
    limits = DeskLimits()
    runs: list[int] = [0]
    for name, effect in net.history:
        if name == "late" and isinstance(effect, BlockImported):
            runs[-1] += 1
        elif name == "late" and isinstance(effect, ContinueSync):
            runs.append(0)
    assert sum(runs) == 70
    assert max(runs) <= limits.step_blocks_max
    assert len(runs) > 70 // limits.step_blocks_max


def test_a_node_that_is_far_behind_neither_mines_nor_chats_about_every_block() -> None:
    miner, late = World(), World(author=BOB.public)
    for _ in range(30):
        miner.mine()
    net = Net()
    net.now_ms = miner.now_ms
    net.add("miner", miner)
    net.add("late", late)
    net.run(200)
    assert late.machine.desk.template is not None
    net.connect("late", "miner")
    net.run(100)
    assert late.machine.peers.sync_status.is_major
    assert late.machine.peers.sync_status.highest == 30
    net.run_until(lambda: late.head.number == 30, limit_ms=5_000)
    net.run(200)
    assert not late.machine.peers.sync_status.is_major
    own = [effect for name, effect in net.history if name == "late"]
    assert len(find(own, StopMining)) == 1
    assert len(find(own, StartMining)) <= 3, "before, at the end, and not for thirty blocks between"
    imported = [effect for effect in find(own, Log) if "Imported" in effect.message and effect.level == "info"]
    assert len(imported) <= 7, "the first, and the last few"


def test_syn_14_a_branch_with_less_work_is_looked_at_and_left() -> None:
    ours, theirs = World(author=ALICE.public), World(author=BOB.public)
    ours.mine()
    ours.mine()
    block = theirs.mine()
    connect(ours, "a")
    [request] = find(say(ours, "a", best_number=9, best_hash=bytes(32), work=b"\xff" * 20), SendRequest)
    headers = Headers(headers=(encode_header(block.header),))
    effects = ours.handle(AnswerReceived(peer="a", request_id=request.request_id, answer=headers))
    assert find(effects, SendRequest) == []
    assert find(effects, Punish) == [], "it may have claimed more after it sent the headers"
    assert ours.machine.peers.sync.row is None
    assert find(ours.handle(Tick(), later_ms=2_000), SendRequest) == [], "its claim counts no more for a while"


def test_syn_10_unproven_headers_and_bodies_stay_below_their_bounds() -> None:
    """A peer with an endless chain whose bodies come in any order but the needed one."""
    limits = DeskLimits()
    miner, late = World(), World(author=None)
    for _ in range(400):
        miner.mine()
    headers = [
        miner.importer.chain.get_header_bytes(block_hash)
        for number in range(1, 401)
        if (block_hash := miner.importer.chain.get_hash(number)) is not None
    ]
    late.now_ms = miner.now_ms
    connect(late, "a", "b", "c", "d", "e")
    desk = late.machine.peers
    for peer in "abcde":
        effects = say(late, peer, best_number=400, best_hash=miner.head.hash, work=b"\xff" * 20)
        requests = find(effects, SendRequest)
        if requests:
            break
    answer = Headers(headers=tuple(raw for raw in headers if raw is not None))
    effects = late.handle(AnswerReceived(peer=peer, request_id=requests[0].request_id, answer=answer))
    asked = find(effects, SendRequest)
    desk.sync.bodies.bytes_held += limits.bodies_bytes_max  # as if large bodies had come
    for request in asked[1:]:
        failed = RequestFailed(peer=request.peer, request_id=request.request_id, failure="refused")
        late.handle(failed)
    assert desk.outbox.count("bodies") == 1, "only what import waits for is still asked for"
    assert desk.sync_status.headers_held == 400 <= limits.headers_ahead_max
    assert desk.sync.row is not None
    assert desk.sync.row.bytes_held <= limits.headers_bytes_max + ANSWER_BYTES_MAX


def test_syn_09_a_row_takes_nothing_that_does_not_follow() -> None:
    miner = World()
    blocks = [miner.mine() for _ in range(4)]
    raws = [encode_header(block.header) for block in blocks]
    far = miner.now_ms + 10_000

    def make_row() -> HeaderRow:
        return HeaderRow(root=(0, miner.genesis.hash), times_ms=(), work=0, source="a")

    row = make_row()
    assert [item.hash for item in row.extend(raws, miner.params.work, due_ms=far)] == [block.hash for block in blocks]
    assert (len(row), row.tail, row.bytes_held) == (4, (4, blocks[3].hash), sum(map(len, raws)))
    for wrong in ([raws[1]], [raws[0], raws[2]], [raws[0], raws[0]], [b"\x00"], [raws[0] + b"\x00"]):
        with pytest.raises(BrokenRow):
            make_row().extend(wrong, miner.params.work, due_ms=far)
    early = make_row()
    assert len(early.extend(raws, miner.params.work, due_ms=miner.now_ms - 1_500)) == 2


def test_everything_of_a_peer_that_goes_is_forgotten() -> None:
    world = World(author=None)
    connect(world, "a")
    say(world, "a", best_number=100, best_hash=bytes(32), work=b"\xff" * 20)
    desk = world.machine.peers
    assert desk.outbox.count("headers") == 1
    world.handle(PeerGone(peer="a"))
    assert desk.outbox.count("headers") == 0
    assert len(desk.table) == 0
    assert desk.relay.known_count == 0


def test_an_answer_to_another_question_costs_points() -> None:
    world = World(author=None)
    connect(world, "a")
    [request] = find(say(world, "a", best_number=100, best_hash=bytes(32), work=b"\xff" * 20), SendRequest)
    answer = AnswerReceived(peer="a", request_id=request.request_id, answer=Bodies(bodies=()))
    assert [effect.points for effect in find(world.handle(answer), Punish)] == [25]
    assert find(world.handle(answer), Punish) == [], "it is over"


def test_a_step_without_work_does_nothing() -> None:
    assert World(author=None).handle(SyncStep()) == []


def test_syn_19_braggarts_do_not_stop_a_miner() -> None:
    world = World()
    connect(world, *"abcde")
    for peer in "abcde":
        say(world, peer, best_number=1_000_000, best_hash=bytes(32), work=b"\xff" * 20)
    assert world.machine.peers.sync_status.is_major
    assert [world.mine().header.number for _ in range(3)] == [1, 2, 3]


def test_a_claim_of_one_block_more_is_left_to_gossip_for_a_while() -> None:
    world = World(author=None)
    connect(world, "a")
    claim = {"best_number": 1, "best_hash": bytes(32), "work": b"\xff" * 20}
    assert find(say(world, "a", **claim), SendRequest) == []
    assert find(world.handle(Tick(), later_ms=1_400), SendRequest) == []
    assert len(find(world.handle(Tick(), later_ms=100), SendRequest)) == 1


def test_a_block_of_the_row_that_came_another_way_is_not_fetched_again() -> None:
    miner, late = World(), World(author=None)
    blocks = [miner.mine() for _ in range(6)]
    late.now_ms = miner.now_ms
    connect(late, "a", "b")
    [request] = find(say(late, "a", best_number=6, best_hash=blocks[5].hash, work=b"\xff" * 20), SendRequest)
    headers = Headers(headers=tuple(encode_header(block.header) for block in blocks))
    [bodies] = find(late.handle(AnswerReceived(peer="a", request_id=request.request_id, answer=headers)), SendRequest)
    assert len(bodies.request.hashes) == 6
    late.receive(blocks[0])
    late.receive(blocks[1])
    say(late, "b", best_number=6, best_hash=blocks[5].hash, work=b"\xff" * 20)
    refused = RequestFailed(peer="a", request_id=bodies.request_id, failure="refused")
    [again] = find(late.handle(refused), SendRequest)
    assert (again.peer, again.request) == ("b", GetBodies(hashes=tuple(block.hash for block in blocks[2:])))
