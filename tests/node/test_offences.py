"""Offences outlive crashes and reorganisations, and are found wherever the votes stand."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.block import Block
from chain.params import Params
from consensus.finality import Checkpoint, Evidence, SignedVote, encode_signed_vote
from network.port import PeerConnected, Publish, Punish
from node.core.effects import Effect, Log, ReportRefused
from node.core.events import OffenceReported, Tick
from node.core.offences import OffenceRefused, decode_evidence, encode_evidence
from node.core.vote_trail import READING
from node.core.voting import MemoryOffenceBook, OffenceBookUnusable, StoredOffences, list_claimed_votes
from runtime.queries import get_validator_sets
from tests.node.voters import VALIDATORS, get_verdict, list_evidence, make_vote, make_voter, sign_vote, tell
from tests.node.world import World, find, make_keys, make_vote_keys

ALICE, BOB, CHARLIE, DAVE = (make_vote_keys(uri) for uri in VALIDATORS)
MINUTE_MS = 60_000


def make_follower(blocks: int = 6, *, offences: MemoryOffenceBook | None = None, params: Params | None = None) -> World:
    """Return a node that knows some blocks without votes, and mines nothing."""
    miner, world = make_voter(params=params), make_voter(author=None, offences=offences, params=params)
    for _ in range(blocks):
        world.receive(miner.mine())
        world.now_ms = miner.now_ms
    return world


def make_pair(world: World, *, height: int = 5, key: str = "//Bob") -> Evidence:
    """Return two votes of a key for one height, of which at most one is for a block of the chain."""
    keys, mine = make_vote_keys(key), world.importer.chain.get_hash(height) or b"m" * 32
    one, two = (sign_vote(keys, make_vote(world, Checkpoint(height=height, hash=item))) for item in (mine, b"x" * 32))
    return Evidence(one=one, two=two)


def tell_both(world: World, evidence: Evidence) -> list[Effect]:
    """Let a peer bring both votes."""
    return [*tell(world, evidence.one), *tell(world, evidence.two)]


def is_slashed(world: World, key: bytes = BOB.public) -> bool:
    """Return whether no set counts a key any more."""
    sets = get_validator_sets(world.importer.chain.state)
    return all(voter.key != key or voter.stake == 0 for voter in (*sets.current, *sets.previous))


def restart(world: World, book: MemoryOffenceBook | None, *, author: str | None = "//Alice") -> World:
    """Return the node's next life: the same disk, another process."""
    again = make_voter(author=author, store=world.store, offences=book)
    again.now_ms = world.now_ms
    return again


# ---- crashes and reorganisations


def test_vot_12_an_offence_is_brought_into_a_block_after_a_restart_and_without_a_book_it_is_not() -> None:
    """The second half is what the book is for."""
    book = MemoryOffenceBook()
    world = make_follower(offences=book)
    evidence = make_pair(world)
    tell_both(world, evidence)
    for kept in (book, None):
        again = restart(world, kept)
        effects = again.handle(Tick())
        assert list_evidence(effects) == ([evidence] if kept else [])
        assert again.machine.votes.choose().evidence == ((evidence,) if kept else ())
    again = restart(world, book)
    again.mine()
    assert is_slashed(again)


def test_vot_12_it_is_in_the_book_before_anybody_is_told() -> None:
    order: list[str] = []

    class Book(MemoryOffenceBook):
        def save(self, evidence: Evidence) -> None:
            order.append("saved")
            super().save(evidence)

    world = make_follower(offences=Book())
    effects = tell_both(world, make_pair(world))
    assert order == ["saved"]
    assert len(list_evidence(effects)) == 1


def test_vot_12_an_offence_stays_in_the_book_until_its_punishment_is_final() -> None:
    book = MemoryOffenceBook()
    world = make_voter("//Alice", "//Charlie", "//Dave", offences=book)
    for _ in range(6):
        world.mine()
    evidence = make_pair(world)
    tell_both(world, evidence)
    world.mine()
    assert is_slashed(world)
    assert book.load_all().found == (evidence,), "the punishment is not final"
    for _ in range(12):
        world.mine()
    assert world.importer.final.number >= 10
    assert book.load_all().found == (), "final now"


def test_vot_12_after_a_reorganisation_the_new_branch_punishes_too() -> None:
    book = MemoryOffenceBook()
    world, rival = make_voter(offences=book), make_voter(author="//Bob")
    shared = [world.mine() for _ in range(5)]
    for block in shared:
        rival.receive(block)
        rival.now_ms = world.now_ms
    evidence = make_pair(world)
    tell_both(world, evidence)
    world.mine()
    assert is_slashed(world)
    for block in [rival.mine() for _ in range(3)]:
        world.now_ms = rival.now_ms
        world.receive(block)
    assert world.head.number == 8
    assert not is_slashed(world), "the block with the punishment lost its place"
    world.mine()
    assert is_slashed(world)


def test_vot_12_who_reads_it_in_a_block_keeps_it_too_until_it_is_final() -> None:
    """Or the loss of that block would let the offender go wherever the evidence came from."""
    miner, book = make_voter(), MemoryOffenceBook()
    world = make_voter(author=None, offences=book)
    for _ in range(6):
        world.receive(miner.mine())
    evidence = make_pair(miner)
    tell_both(miner, evidence)
    block = miner.mine()
    world.now_ms = miner.now_ms
    effects = world.receive(block)
    assert len(book.load_all().found) == 1
    assert list_evidence(effects) == [], "but nobody is told of what stands in a block"


def test_vot_12_what_is_too_old_for_every_block_is_forgotten() -> None:
    tiny = Params.tiny()
    params = replace(tiny, staking=replace(tiny.staking, evidence_blocks=6))
    book = MemoryOffenceBook()
    world = make_voter("//Alice", "//Charlie", "//Dave", author=None, offences=book, params=params)
    miner = make_voter("//Alice", "//Charlie", "//Dave", params=params)
    for _ in range(6):
        world.receive(miner.mine())
        world.now_ms = miner.now_ms
    world.machine.votes.box.add_offence(make_pair(world, key="//Nobody"))
    assert len(book.load_all().found) == 1
    for _ in range(20):
        world.receive(miner.mine())
        world.now_ms = miner.now_ms
    assert world.importer.final.number >= 11
    assert book.load_all().found == ()


def test_vot_13_an_offence_is_told_again_once_a_minute_until_it_is_punished() -> None:
    world = make_follower()
    evidence = make_pair(world)
    assert list_evidence(tell_both(world, evidence)) == [evidence]
    assert list_evidence(world.handle(Tick(), later_ms=MINUTE_MS - 1)) == []
    assert list_evidence(world.handle(Tick(), later_ms=1)) == [evidence]
    world.machine.desk.account = make_keys("//Alice").public
    world.mine()
    assert is_slashed(world)
    assert list_evidence(world.handle(Tick(), later_ms=2 * MINUTE_MS)) == []


# ---- books that fail


class BrokenBook(MemoryOffenceBook):
    """A book that takes nothing while told so."""

    is_broken = True

    def save(self, evidence: Evidence) -> None:
        if self.is_broken:
            raise OffenceBookUnusable("no space left on device")
        super().save(evidence)

    def load_all(self) -> StoredOffences:
        stored = super().load_all()
        return replace(stored, troubles=("one file is damaged",)) if self.is_broken else stored


def test_vot_14_without_a_usable_book_the_operator_is_told_once_and_the_offence_still_counts() -> None:
    book = BrokenBook()
    world = make_follower(offences=book)
    effects = [*world.handle(Tick()), *tell_both(world, make_pair(world)), *world.handle(Tick(), later_ms=MINUTE_MS)]
    assert len(world.machine.votes.choose().evidence) == 1
    assert [row.is_stored for row in world.machine.votes.box.offences.list_known()] == [False]
    lines = [effect.message for effect in find(effects, Log) if effect.level == "error"]
    assert len(lines) == 1
    assert "no space left" in lines[0]
    book.is_broken = False
    world.handle(Tick(), later_ms=MINUTE_MS)
    assert len(book.load_all().found) == 1, "written when the disk takes it again"


def test_vot_14_a_damaged_record_is_told_of_at_the_start() -> None:
    world = make_voter(offences=BrokenBook())
    lines = [effect.message for effect in find(world.handle(Tick()), Log) if effect.level == "error"]
    assert any("one file is damaged" in line for line in lines)


def test_vot_14_what_proves_nothing_in_the_book_is_not_believed() -> None:
    book = MemoryOffenceBook()
    world = make_follower()
    evidence = make_pair(world)
    book.save(replace(evidence, two=replace(evidence.two, signature=bytes(64))))
    again = restart(world, book)
    assert any("proves nothing" in effect.message for effect in find(again.handle(Tick()), Log))
    assert again.machine.votes.choose().evidence == ()


# ---- stale votes and the votes of refused blocks


def make_final_world(*, blocks: int = 16) -> tuple[World, World]:
    """Return a validator's node with finality, and a follower that has restarted: it remembers no vote."""
    world = make_voter(*VALIDATORS)
    for _ in range(blocks):
        world.mine()
    assert world.importer.final.number >= blocks - 6
    follower = make_voter(author=None)
    for number in range(1, blocks + 1):
        header = world.importer.chain.get_header(world.importer.chain.get_hash(number) or b"")
        assert header is not None
        follower.receive(Block(header=header, extrinsics=world.importer.chain.get_body(header.hash) or ()))
        follower.now_ms = world.now_ms
    return world, restart(follower, None, author=None)


@pytest.mark.parametrize(("source", "target"), [(0, 5), (5, 10)])
def test_vot_15_a_stale_vote_is_compared_with_those_in_the_chain(source: int, target: int) -> None:
    """The node has forgotten every vote but those in its last blocks."""
    _, world = make_final_world(blocks=26)
    vote = make_vote(world, Checkpoint(height=target, hash=b"x" * 32), source=Checkpoint(height=source, hash=b"s" * 32))
    world.handle(Tick())
    effects = tell(world, sign_vote(BOB, vote))
    assert get_verdict(effects) == "accept"
    assert [item.one.key for item in list_evidence(effects)] == [BOB.public]


def test_vot_15_a_link_around_votes_of_the_chain_is_found_however_new_its_target() -> None:
    _, world = make_final_world(blocks=26)
    around = make_vote(
        world, Checkpoint(height=30, hash=b"x" * 32), source=Checkpoint(height=0, hash=world.genesis.hash)
    )
    effects = tell(world, sign_vote(BOB, around))
    assert [item.one.key for item in list_evidence(effects)] == [BOB.public]


def test_vot_15_the_blocks_read_for_others_are_bounded_and_come_back_with_time() -> None:
    _, world = make_final_world(blocks=26)
    reading = world.machine.votes.box.trail._reading
    reading.spend(READING.burst)
    foreign = sign_vote(BOB, make_vote(world, Checkpoint(height=5, hash=b"x" * 32)))
    assert get_verdict(tell(world, foreign)) == "ignore", "kept, as nothing can be read"
    world.handle(Tick(), later_ms=1_000)
    again = sign_vote(CHARLIE, make_vote(world, Checkpoint(height=5, hash=b"x" * 32)))
    assert get_verdict(tell(world, again)) == "accept"


def test_vot_15_a_stale_vote_that_contradicts_nothing_is_kept_but_not_passed_on() -> None:
    world = make_voter(*VALIDATORS[:3])
    for _ in range(16):
        world.mine()
    one, two = (sign_vote(DAVE, make_vote(world, Checkpoint(height=5, hash=bytes([n]) * 32))) for n in range(2))
    assert get_verdict(tell(world, one)) == "ignore"
    effects = tell(world, two)
    assert get_verdict(effects) == "accept"
    assert [{item.one, item.two} for item in list_evidence(effects)] == [{one, two}]


def test_vot_15_a_stale_vote_with_a_wrong_signature_costs_its_bringer() -> None:
    _, world = make_final_world()
    vote = sign_vote(BOB, make_vote(world, Checkpoint(height=5, hash=b"x" * 32)))
    effects = tell(world, replace(vote, signature=bytes(64)))
    assert get_verdict(effects) == "reject"
    assert [effect.points for effect in find(effects, Punish)] == [50]


def test_vot_17_the_votes_of_a_refused_block_are_read_within_the_bringers_gas() -> None:
    _, world = make_final_world()
    world.handle(Tick())
    rival = make_voter(*VALIDATORS, author="//Bob")
    for _ in range(6):
        block = rival.mine()
    assert len(list_claimed_votes(block.extrinsics)) == 4, "the votes for 5 of another chain"
    world.handle(PeerConnected(peer="rival", is_outbound=True))
    read = world.machine._read_refused_votes
    assert read(block.extrinsics, "stranger", world.now_ms) == []
    state = world.machine.peers.table.get("rival")
    assert state is not None
    state.gas.spend(10**18)
    assert read(block.extrinsics, "rival", world.now_ms) == [], "its gas is spent"
    state.gas.refund(10**18)
    read(block.extrinsics, "rival", world.now_ms)
    assert {row.evidence.one.key for row in world.machine.votes.box.offences.list_known()} == {
        key.public for key in (ALICE, BOB, CHARLIE, DAVE)
    }


def test_vot_17_forged_votes_and_garbage_in_a_refused_block_lead_to_nothing() -> None:
    _, world = make_final_world()
    rival = make_voter(*VALIDATORS, author="//Bob")
    for _ in range(6):
        block = rival.mine()
    raw = [bytearray(item) for item in block.extrinsics]
    for item in raw[1:]:
        item[-1] ^= 1
    cut = [bytes(item[:-1]) for item in raw]
    for body in (tuple(map(bytes, raw)), tuple(cut), (b"", b"\x04", b"\xff" * 50)):
        assert world.machine.votes.on_refused(body) == []


# ---- evidence that others bring


def list_bad_evidence(world: World) -> dict[str, tuple[bytes, str]]:
    """Return bytes of the length of evidence, with the verdict that each deserves."""
    good = make_pair(world)
    later = sign_vote(BOB, make_vote(world, Checkpoint(height=10, hash=b"y" * 32), source=good.one.vote.target))
    other_key = sign_vote(CHARLIE, good.two.vote)
    foreign = tuple(sign_vote(BOB, replace(item.vote, genesis=b"f" * 32)) for item in (good.one, good.two))
    nobody = make_pair(world, key="//Nobody")
    return {
        "zeros": (bytes(400), "reject"),
        "one vote twice": (encode_evidence(replace(good, two=good.one)), "reject"),
        "no conflict": (encode_evidence(replace(good, two=later)), "reject"),
        "two keys": (encode_evidence(replace(good, two=other_key)), "reject"),
        "another chain": (encode_evidence(Evidence(one=foreign[0], two=foreign[1])), "reject"),
        "forged": (encode_evidence(replace(good, two=replace(good.two, signature=bytes(64)))), "reject"),
        "an unknown key": (encode_evidence(nobody), "ignore"),
    }


def test_vot_16_bad_evidence_is_rejected_or_ignored_and_good_evidence_taken_once() -> None:
    world = make_follower()
    for name, (data, verdict) in list_bad_evidence(world).items():
        effects = tell(world, data, message_id=name.encode())
        assert get_verdict(effects) == verdict, name
        assert bool(find(effects, Punish)) == (verdict == "reject"), name
        assert world.machine.votes.box.offences.list_known() == (), name
    good = encode_evidence(make_pair(world))
    assert get_verdict(tell(world, good)) == "accept"
    assert get_verdict(tell(world, good, message_id=b"again")) == "ignore"
    assert len(world.machine.votes.choose().evidence) == 1


def test_vot_16_old_evidence_and_that_of_a_slashed_key_are_ignored() -> None:
    tiny = Params.tiny()
    params = replace(tiny, staking=replace(tiny.staking, evidence_blocks=3))
    world = make_follower(9, params=params)
    assert get_verdict(tell(world, encode_evidence(make_pair(world)))) == "ignore", "5 + 3 is below the next block"
    world = make_follower()
    tell_both(world, make_pair(world))
    world.machine.desk.account = make_keys("//Alice").public
    world.mine()
    fresh = restart(world, None)
    assert get_verdict(tell(fresh, encode_evidence(make_pair(fresh)))) == "ignore", "slashed"


def test_vot_16_a_node_that_knows_neither_vote_takes_evidence_with_stale_ones() -> None:
    _, world = make_final_world()
    one, two = (sign_vote(DAVE, make_vote(world, Checkpoint(height=5, hash=bytes([n]) * 32))) for n in range(2))
    evidence = Evidence(one=one, two=two)
    assert get_verdict(tell(world, encode_evidence(evidence))) == "accept"
    assert world.machine.votes.choose().evidence == (evidence,)


def test_a_reported_offence_is_told_and_a_wrong_one_is_refused_with_its_reason() -> None:
    world = make_follower()
    evidence = make_pair(world)
    effects = world.handle(OffenceReported(evidence=replace(evidence, two=evidence.one)))
    assert [str(item.error) for item in find(effects, ReportRefused)] == ["the two votes may both be signed"]
    effects = world.handle(OffenceReported(evidence=evidence))
    assert find(effects, ReportRefused) == []
    assert [item.data for item in find(effects, Publish) if item.topic == "votes"] == [encode_evidence(evidence)]
    refused = find(world.handle(OffenceReported(evidence=evidence)), ReportRefused)
    assert isinstance(refused[0].error, OffenceRefused)


def test_the_offences_are_bounded_and_those_that_take_nothing_go_first() -> None:
    world = make_follower()
    tell_both(world, make_pair(world))
    add, pair = world.machine.votes.box.add_offence, make_pair(world)
    for number in range(260):
        key = number.to_bytes(32, "big")
        one, two = (replace(item, key=key) for item in (pair.one, pair.two))
        add(Evidence(one=one, two=two))
    rows = world.machine.votes.box.offences.list_known()
    assert len(rows) == 256
    assert rows[0].evidence.one.key == BOB.public


def test_evidence_travels_as_both_votes() -> None:
    world = make_follower()
    evidence = make_pair(world)
    data = encode_evidence(evidence)
    assert data == encode_signed_vote(evidence.one) + encode_signed_vote(evidence.two)
    assert decode_evidence(data) == evidence
    assert isinstance(evidence.one, SignedVote)
