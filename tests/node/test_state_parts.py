"""What serving states may cost a node: whose states are held, for whom, how long, and what the peers pay."""

from __future__ import annotations

from functools import cache

import pytest

from chain.state_part import check_part
from chain.store import MemoryStore
from network.messages import FinalitySteps, GetAncestors, GetFinality, GetStatePart, StatePart
from network.port import PeerConnected, RequestReceived, SendAnswer
from node.core.answering import REQUEST_COST_BYTES
from node.core.proof_answers import ProofAnswers
from node.core.state_parts import (
    IDLE_MS,
    PAIR_COST_BYTES,
    PLACE_MS,
    SNAPSHOT_COST_MAX,
    SNAPSHOTS_MAX,
    USERS_MAX,
    StateParts,
)
from node.vote_keys import HeldKeys
from tests.node.voters import VALIDATORS
from tests.node.world import World, find, make_tiny_spec, make_vote_keys

BYTES_MAX = 2**20
BLOCKS, FINAL = 23, 15
NEWEST = (FINAL, FINAL - 5, FINAL - 10)


@cache
def make_store() -> MemoryStore:
    """Return the store of a chain that has kept all its states."""
    world = make_source(MemoryStore())
    for _ in range(BLOCKS):
        world.mine()
    assert world.importer.final.number == FINAL
    return world.store


def make_source(store: MemoryStore | None = None) -> World:
    """Return a node on that chain."""
    if store is None:
        store = MemoryStore()
        store.write(list(make_store().iterate(b"")))
    signer = HeldKeys(tuple(make_vote_keys(uri).seed for uri in VALIDATORS))
    return World(spec=make_tiny_spec(validators=VALIDATORS), store=store, signer=signer, state_window=None)


@cache
def get_source() -> World:
    """Return a node that only serves."""
    return make_source()


def make_request(number: int, *, bytes_max: int = BYTES_MAX, start: bytes = bytes(32)) -> GetStatePart:
    """Return a request for the first part of the state of a block."""
    block_hash = get_source().importer.chain.get_hash(number) or b""
    return GetStatePart(block_hash=block_hash, start=start, depth_min=0, bytes_max=bytes_max)


def is_served(parts: StateParts, peer: str, number: int, now_ms: int) -> bool:
    """Ask for a part."""
    part, _ = parts.get(peer, make_request(number), now_ms, bytes_max=BYTES_MAX)
    if part is not None:
        header = get_source().importer.chain.get_header(make_request(number).block_hash)
        assert header is not None
        check_part(header.state_root, bytes(32), part)  # type: ignore[arg-type]
    return part is not None


def test_syn_26_only_the_newest_final_checkpoints_are_prepared() -> None:
    parts = StateParts(get_source().importer)
    for number in range(get_source().head.number + 1):
        assert is_served(parts, f"peer {number}", number, 0) == (number in NEWEST), number
        assert len(parts) <= SNAPSHOTS_MAX
    unknown = GetStatePart(block_hash=b"\x55" * 32, start=bytes(32), depth_min=0, bytes_max=1)
    assert parts.get("p", unknown, 0, bytes_max=1) == (None, 0)


def test_syn_26_a_state_that_is_in_use_outlives_newer_checkpoints() -> None:
    """A long download goes on although its block is no longer among the newest."""
    source = make_source()
    parts = StateParts(source.importer)
    assert is_served(parts, "p", FINAL - 10, 0)
    finalise_next(source)
    assert is_served(parts, "p", FINAL - 10, 5_000)
    assert not is_served(StateParts(source.importer), "p", FINAL - 10, 5_000)


def finalise_next(source: World) -> None:
    """Let another checkpoint become final."""
    importer = source.importer
    importer.blocks.prune(importer.chain.get_hash(importer.final.number + 5) or b"")
    assert importer.final.number == FINAL + 5


def test_syn_26_the_newest_finds_room_and_others_only_an_idle_place() -> None:
    source = make_source()
    parts = StateParts(source.importer)
    for now_ms, number in enumerate((FINAL - 5, FINAL - 10, FINAL)):
        assert is_served(parts, f"user of {number}", number, now_ms)
    finalise_next(source)
    assert is_served(parts, "newcomer", FINAL + 5, 100), "the newest is served at once"
    assert len(parts) == SNAPSHOTS_MAX
    assert not is_served(parts, f"user of {FINAL - 5}", FINAL - 5, 200), "the one used least recently made room"
    assert is_served(parts, f"user of {FINAL}", FINAL, 200)
    assert is_served(parts, f"user of {FINAL - 5}", FINAL - 5, PLACE_MS + 1)
    assert not is_served(parts, f"user of {FINAL - 10}", FINAL - 10, PLACE_MS + 1)


def test_syn_27_one_peer_cannot_have_several_states_held() -> None:
    parts = StateParts(get_source().importer)
    assert is_served(parts, "p", FINAL, 0)
    assert not is_served(parts, "p", FINAL - 5, PLACE_MS - 1)
    assert len(parts) == 1
    assert is_served(parts, "q", FINAL - 5, PLACE_MS - 1)
    assert is_served(parts, "p", FINAL - 10, PLACE_MS), "it may go on with another when it left the first"


def test_nothing_grows_with_peers_that_come_and_go() -> None:
    parts = StateParts(get_source().importer)
    for number in range(2 * USERS_MAX):
        assert parts.get(f"peer {number}", make_request(FINAL), 0, bytes_max=1)[0] is not None
    parts.drop_idle(1)
    assert len(parts._users) == USERS_MAX
    parts.drop_idle(PLACE_MS)
    assert not parts._users
    for now_ms in range(PLACE_MS, IDLE_MS, 5_000):
        parts.drop_idle(now_ms)
    assert len(parts) == 1
    parts.drop_idle(IDLE_MS)
    assert len(parts) == 0


# ---- what it costs


def test_syn_25_a_part_costs_what_it_holds_and_a_state_what_preparing_it_costs() -> None:
    parts = StateParts(get_source().importer)
    state = dict(get_source().importer.chain.state.view_at(FINAL).iterate(b""))
    part, first = parts.get("p", make_request(FINAL), 0, bytes_max=BYTES_MAX)
    again, second = parts.get("p", make_request(FINAL), 0, bytes_max=BYTES_MAX)
    assert part == again
    assert isinstance(part, StatePart)
    own = sum(len(key) + len(value) + PAIR_COST_BYTES for key, value in part.pairs)
    assert second == own + 32 * len(part.siblings)
    assert first - second == sum(len(key) + len(value) + 16 for key, value in state.items())
    _, small = parts.get("p", make_request(FINAL, bytes_max=1), 0, bytes_max=BYTES_MAX)
    assert 0 < small < second


def test_syn_25_a_peer_that_has_states_prepared_is_refused_until_it_has_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chain.state_part.Snapshot.size", 2**40)
    source = make_source()
    burst = 4 * source.machine.peers.limits.served_bytes_per_second
    assert burst == SNAPSHOT_COST_MAX, "who pays for a state can be served again after four seconds"
    source.handle(PeerConnected(peer="p", is_outbound=False))
    source.handle(PeerConnected(peer="q", is_outbound=False))
    assert [ask(source, "p", FINAL) for _ in range(3)] == [True, False, False]
    assert ask(source, "q", FINAL), "whoever finds it prepared does not pay for it"
    source.now_ms += 100
    assert ask(source, "p", FINAL)


def ask(world: World, peer: str, number: int) -> bool:
    """Ask a whole node for a part."""
    (answer,) = find(world.handle(RequestReceived(peer=peer, request_id=1, request=make_request(number))), SendAnswer)
    return answer.answer is not None


def test_syn_25_other_proofs_cost_their_bytes_too() -> None:
    importer = get_source().importer
    answers = ProofAnswers(importer)
    steps, cost = answers.answer("p", GetFinality(start=importer.chain.genesis_hash), 0)
    assert isinstance(steps, FinalitySteps)
    assert cost == sum(map(len, steps.steps)) > 0
    _, cost = answers.answer("p", GetAncestors(start=importer.head.hash, count=20), 0)
    assert cost > 20 * 100
    assert answers.answer("p", GetAncestors(start=b"\x55" * 32, count=20), 0)[1] == 0
    assert REQUEST_COST_BYTES > 0


# ---- clocks


@pytest.mark.parametrize("by_ms", [-3_600_000, 3_600_000])
def test_syn_21_a_clock_that_is_set_neither_keeps_states_for_ever_nor_drops_them(by_ms: int) -> None:
    parts = StateParts(get_source().importer)
    begin_ms = 10**12
    assert is_served(parts, "p", FINAL - 5, begin_ms)
    parts.drop_idle(begin_ms + by_ms)
    assert len(parts) == 1, "nothing in use is dropped"
    assert is_served(parts, "p", FINAL - 5, begin_ms + by_ms + 10)
    for later_ms in range(0, IDLE_MS, 1_000):
        parts.drop_idle(begin_ms + by_ms + 10 + later_ms)
    assert len(parts) == 1
    parts.drop_idle(begin_ms + by_ms + 10 + IDLE_MS)
    assert len(parts) == 0, "and it is dropped a minute after its last use, by the new clock"
    assert is_served(parts, "p", FINAL, begin_ms + by_ms + 10 + IDLE_MS)
