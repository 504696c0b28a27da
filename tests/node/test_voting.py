"""Voting from end to end: own votes, the votes of others, finality in the node, evidence."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.block import Block
from chain.params import Params
from consensus.finality import Checkpoint, LastVote, SignedVote, encode_signed_vote
from network.port import JudgeGossip, Punish
from node.core.effects import BestChanged, Finalized, Log
from node.core.events import Tick
from node.core.import_errors import BelowFinal
from node.core.voting import MemoryVoteBook, VoteBookUnusable
from runtime.queries import get_finality, get_validator_sets
from tests.node.voters import (
    CHECKPOINT,
    VALIDATORS,
    Crowd,
    get_verdict,
    list_published,
    listening,
    make_vote,
    make_voter,
    sign_vote,
    tell,
)
from tests.node.world import World, find, get_job, get_refusal, make_keys, make_vote_keys

ALICE, BOB, CHARLIE, DAVE = (make_vote_keys(uri) for uri in VALIDATORS)


def get_status(world: World) -> tuple[int, int, int]:
    """Return justified, finalised and final height at the head."""
    status = get_finality(world.importer.chain.state)
    return status.justified.height, status.finalized.height, status.final_height


def test_four_nodes_that_vote_make_checkpoints_final() -> None:
    crowd = Crowd(*(make_voter(uri) for uri in VALIDATORS))
    crowd.mine(5)
    assert all(get_status(world) == (0, 0, 0) for world in crowd.worlds)
    crowd.mine(1)
    assert all(get_status(world) == (5, 0, 0) for world in crowd.worlds), "all votes stand in block 6"
    crowd.mine(5)
    assert all(get_status(world) == (10, 5, 5) for world in crowd.worlds)
    crowd.mine(10)
    for world in crowd.worlds:
        assert get_status(world) == (20, 15, 15)
        assert world.importer.final.number == 15


def test_final_headers_are_told_in_order_and_once() -> None:
    miner, other = make_voter(*VALIDATORS), make_voter(author=None)
    told: list[int] = []
    for _ in range(22):
        block = miner.mine()
        other.now_ms = miner.now_ms
        for effect in find(other.receive(block), Finalized):
            told += [header.number for header in effect.headers]
    assert told == list(range(1, 16))


def test_without_two_thirds_nothing_becomes_final_and_every_state_can_be_read() -> None:
    world = make_voter("//Alice", "//Bob")
    for _ in range(25):
        world.mine()
    assert get_status(world) == (0, 0, 0)
    assert world.importer.final.number == 0
    assert world.importer.chain.state.oldest_height == 0


def test_a_node_without_keys_follows_and_votes_for_nothing() -> None:
    miner, other = make_voter(*VALIDATORS), make_voter(author=None)
    for _ in range(12):
        block = miner.mine()
        other.now_ms = miner.now_ms
        assert list_published(other.receive(block)) == []
    assert get_status(other) == (10, 5, 5)


def test_a_key_outside_the_sets_does_not_vote() -> None:
    world = make_voter("//Eve")
    for _ in range(6):
        world.mine()
        assert list_published(world.handle(Tick())) == []


# ---- fork choice


def test_the_justified_branch_wins_with_less_work_and_what_is_final_stays() -> None:
    """Also after the longer branch was followed for a while."""
    first, second = make_voter(*VALIDATORS), make_voter(author="//Bob")
    short = [first.mine() for _ in range(6)]
    assert get_status(first)[0] == 5
    long = [second.mine() for _ in range(9)]
    keeper = make_voter(author=None)
    keeper.now_ms = max(first.now_ms, second.now_ms)
    for block in long:
        keeper.receive(block)
    assert keeper.head.hash == long[-1].hash
    for block in short[:-1]:
        assert find(keeper.receive(block), BestChanged) == []
    change = find(keeper.receive(short[-1]), BestChanged)[0]
    assert len(change.retracted) == 9
    assert keeper.head.hash == short[-1].hash
    first.now_ms = keeper.now_ms
    more = [first.mine() for _ in range(5)]
    keeper.now_ms = first.now_ms
    for block in more:
        keeper.receive(block)
    assert keeper.importer.final.hash == short[4].hash
    assert long[0].hash not in keeper.importer.blocks
    again = make_voter(author=None, store=keeper.store)
    assert again.head.hash == keeper.head.hash
    assert again.importer.final.hash == short[4].hash
    again.now_ms = keeper.now_ms
    for node in (keeper, again):
        for block in long[:6]:
            assert isinstance(get_refusal(node.receive(block)), BelowFinal)


# ---- own votes


def mine_to_checkpoint(world: World) -> list[SignedVote]:
    """Mine up to the next checkpoint, and return the votes sent on it."""
    with listening(world) as effects:
        world.mine()
        while world.head.number % CHECKPOINT:
            world.mine()
    return list_published(effects)


def test_a_vote_is_in_the_book_before_it_is_sent_and_in_the_next_block() -> None:
    book = MemoryVoteBook()
    world = make_voter("//Alice", book=book)
    sent = mine_to_checkpoint(world)
    assert [vote.key for vote in sent] == [ALICE.public]
    assert sent[0].vote == make_vote(world, Checkpoint(height=5, hash=world.head.hash))
    assert book.find_last(ALICE.public) == LastVote(source_height=0, target_height=5)
    block = world.mine()
    assert any(encode_signed_vote(sent[0]) in raw for raw in block.extrinsics)
    assert list_published(world.handle(Tick(), later_ms=60_000)) == [], "what the chain has is not sent again"


def test_vot_01_after_a_reorganisation_the_same_height_is_not_voted_for_again() -> None:
    world, other = make_voter("//Alice"), make_voter(author="//Bob")
    sent = mine_to_checkpoint(world)
    branch = [other.mine() for _ in range(6)]
    world.now_ms = other.now_ms
    for block in branch:
        assert list_published(world.receive(block)) == []
    assert world.head.hash == branch[-1].hash
    assert sent[0].vote.target.hash != branch[4].hash
    assert list_published(world.handle(Tick())) == []
    later = mine_to_checkpoint(world)
    assert [vote.vote.target.height for vote in later] == [10]


def test_vot_01_a_node_with_a_book_of_higher_votes_waits_until_the_chain_is_above_them() -> None:
    book = MemoryVoteBook()
    book.save_last(ALICE.public, LastVote(source_height=0, target_height=7))
    world = make_voter("//Alice", book=book)
    assert mine_to_checkpoint(world) == []
    assert [vote.vote.target.height for vote in mine_to_checkpoint(world)] == [10]


class BrokenBook(MemoryVoteBook):
    """A book that fails as told."""

    def __init__(self, *, reading: bool = False, writing: bool = False) -> None:
        super().__init__()
        self.reading = reading
        self.writing = writing

    def find_last(self, key: bytes) -> LastVote | None:
        if self.reading:
            raise VoteBookUnusable("the record is damaged")
        return super().find_last(key)

    def save_last(self, key: bytes, last: LastVote) -> None:
        if self.writing:
            raise VoteBookUnusable("no space left")
        super().save_last(key, last)


@pytest.mark.parametrize("trouble", [{"reading": True}, {"writing": True}])
def test_vot_02_without_a_usable_book_nothing_is_signed_and_the_operator_is_told_once(trouble: dict[str, bool]) -> None:
    book = BrokenBook(**trouble)
    world = make_voter("//Alice", book=book)
    with listening(world) as effects:
        for _ in range(16):
            world.mine()
    assert list_published(effects) == []
    lines = [effect.message for effect in find(effects, Log) if effect.level == "error"]
    assert len(lines) == 1
    assert ALICE.public.hex() in lines[0]
    book.reading = book.writing = False
    assert [vote.vote.target.height for vote in mine_to_checkpoint(world)] == [15, 20], "also late"


def test_vot_03_a_vote_is_sent_again_every_five_seconds_until_a_block_has_it() -> None:
    world, miner = make_voter("//Alice", author=None), make_voter(author="//Bob")
    for _ in range(5):
        block = miner.mine()
        world.now_ms = miner.now_ms
        sent = list_published(world.receive(block))
    assert len(sent) == 1
    assert list_published(world.handle(Tick(), later_ms=4_999)) == []
    assert list_published(world.handle(Tick(), later_ms=1)) == sent
    assert list_published(world.handle(Tick(), later_ms=5_000)) == sent
    tell(miner, sent[0])
    block = miner.mine()
    world.receive(block)
    assert list_published(world.handle(Tick(), later_ms=5_000)) == []


def test_vot_03_a_vote_that_missed_its_blocks_is_forgotten() -> None:
    world, miner = make_voter("//Alice", author=None), make_voter(author="//Bob")
    for _ in range(9):
        world.receive(miner.mine())
        world.now_ms = miner.now_ms
    assert list_published(world.handle(Tick(), later_ms=60_000)) == []


def test_vot_04_a_node_does_not_vote_on_old_blocks() -> None:
    world, miner = make_voter("//Alice", author=None), make_voter(author="//Bob")
    blocks = [miner.mine() for _ in range(10)]
    world.now_ms = miner.now_ms + 120_000
    for block in blocks:
        assert list_published(world.receive(block)) == []
    miner.now_ms = world.now_ms
    for _ in range(5):
        block = miner.mine()
        world.now_ms = miner.now_ms
        sent = list_published(world.receive(block))
    assert [vote.vote.target.height for vote in sent] == [15]


# ---- the votes of others


def make_follower() -> World:
    """Return a node that knows the blocks up to 6 and mines nothing."""
    miner, world = make_voter(), make_voter(author=None)
    for _ in range(6):
        world.receive(miner.mine())
        world.now_ms = miner.now_ms
    assert world.head.number == 6
    return world


def make_target(world: World, height: int = 5) -> Checkpoint:
    """Return a checkpoint of the node's chain."""
    return Checkpoint(height=height, hash=world.importer.chain.get_hash(height) or b"")


def test_a_good_vote_is_passed_on_and_kept() -> None:
    world = make_follower()
    signed = sign_vote(ALICE, make_vote(world, make_target(world)))
    assert get_verdict(tell(world, signed)) == "accept"
    assert world.machine.votes.choose().votes == (signed,)


def test_vot_05_what_no_honest_node_would_send_is_rejected() -> None:
    world = make_follower()
    target = make_target(world)
    good = make_vote(world, target)
    signed = sign_vote(ALICE, good)
    bad: list[SignedVote | bytes] = [
        b"",
        encode_signed_vote(signed)[:-1],
        encode_signed_vote(signed) + b"\0",
        replace(signed, signature=bytes(64)),
        replace(signed, key=BOB.public),
        sign_vote(ALICE, replace(good, genesis=bytes(32))),
        sign_vote(ALICE, replace(good, source=target)),
        sign_vote(ALICE, replace(good, target=replace(target, height=6))),
        sign_vote(ALICE, replace(good, source=Checkpoint(height=3, hash=bytes(32)))),
        sign_vote(make_keys("//Eve//vote"), good),
    ]
    for item in bad:
        assert get_verdict(tell(world, item)) == "reject", item
    assert world.machine.votes.choose().votes == ()
    assert len(world.machine.votes.box.pool) == 0


def test_vot_06_stale_known_and_far_votes_are_ignored() -> None:
    miner = make_voter(*VALIDATORS)
    for _ in range(12):
        miner.mine()
    assert miner.importer.final.number == 5
    stale = sign_vote(ALICE, make_vote(miner, make_target(miner, 5)))
    assert get_verdict(tell(miner, stale)) == "ignore"
    far = sign_vote(ALICE, make_vote(miner, Checkpoint(height=40, hash=bytes(32))))
    assert get_verdict(tell(miner, far)) == "ignore"
    world = make_follower()
    signed = sign_vote(ALICE, make_vote(world, make_target(world)))
    assert get_verdict(tell(world, signed)) == "accept"
    assert get_verdict(tell(world, signed, message_id=b"again")) == "ignore"


def test_vot_06_a_stale_vote_that_contradicts_a_known_one_is_evidence() -> None:
    """VOT-06: who voted on two chains is punished also when the votes of one come to light after the other is final."""
    miner = make_voter(*VALIDATORS)
    for _ in range(12):
        miner.mine()
    assert miner.importer.final.number == 5
    hidden = sign_vote(BOB, make_vote(miner, Checkpoint(height=5, hash=b"x" * 32)))
    assert get_verdict(tell(miner, replace(hidden, signature=bytes(64)))) == "reject"
    effects = tell(miner, hidden)
    assert get_verdict(effects) == "accept"
    assert len(list_published(effects)) == 2
    assert [violation.one.key for violation in miner.machine.votes.choose().evidence] == [BOB.public]
    miner.mine()
    sets = get_validator_sets(miner.importer.chain.state)
    assert BOB.public not in {voter.key for voter in sets.current}
    nobodys = sign_vote(make_vote_keys("//Nobody"), make_vote(miner, Checkpoint(height=5, hash=b"x" * 32)))
    assert get_verdict(tell(miner, nobodys)) == "ignore"


def test_a_vote_that_comes_before_its_block_is_passed_on_at_once_if_the_key_may_vote() -> None:
    miner, world = make_voter("//Alice"), make_voter(author=None)
    for _ in range(4):
        world.receive(miner.mine())
        world.now_ms = miner.now_ms
    sent = mine_to_checkpoint(miner)
    assert get_verdict(tell(world, sent[0])) == "accept"
    assert world.machine.votes.choose().votes == ()
    world.now_ms = miner.now_ms
    world.receive(make_block(miner, miner.head.number))
    assert world.machine.votes.choose().votes == (sent[0],)


def test_vot_07_a_vote_of_an_unknown_key_for_an_unknown_block_waits_for_it() -> None:
    miner, world = make_voter("//Alice"), make_voter(author=None)
    for _ in range(4):
        world.receive(miner.mine())
        world.now_ms = miner.now_ms
    miner.mine()
    stranger = sign_vote(make_keys("//Eve//vote"), make_vote(miner, make_target(miner)))
    assert get_verdict(tell(world, stranger)) is None
    world.now_ms = miner.now_ms
    assert get_verdict(world.receive(make_block(miner, miner.head.number))) == "reject"


def test_vot_07_what_waits_is_bounded_and_the_oldest_is_ignored() -> None:
    world = make_follower()
    stranger = make_keys("//Eve//vote")
    verdicts = []
    for number in range(300):
        vote = make_vote(world, Checkpoint(height=10, hash=number.to_bytes(32, "big")))
        peer, message_id = f"peer{number % 5}", number.to_bytes(4, "big")
        verdicts.append(get_verdict(tell(world, sign_vote(stranger, vote), message_id=message_id, peer=peer)))
    assert verdicts.count(None) == 256
    assert verdicts[256:] == ["ignore"] * 44


def test_vot_07_one_peer_cannot_push_out_what_others_let_wait() -> None:
    world, stranger = make_follower(), make_keys("//Eve//vote")
    for number in range(100):
        vote = make_vote(world, Checkpoint(height=10, hash=number.to_bytes(32, "big")))
        peer = "honest" if number == 0 else "flooder"
        effects = tell(world, sign_vote(stranger, vote), message_id=number.to_bytes(4, "big"), peer=peer)
        assert [effect.message_id for effect in find(effects, JudgeGossip)] == (
            [] if number <= 64 else [(number - 64).to_bytes(4, "big")]
        )


def test_vot_05_a_forged_vote_costs_whoever_brings_it_half_a_ban_and_garbage_a_quarter() -> None:
    world = make_follower()
    signed = sign_vote(ALICE, make_vote(world, make_target(world)))
    for item, points in ((replace(signed, signature=bytes(64)), 50), (b"\x00", 25)):
        effects = tell(world, item)
        assert get_verdict(effects) == "reject"
        assert [(effect.peer, effect.points) for effect in find(effects, Punish)] == [("peer", points)]


def test_vot_11_a_vote_that_only_nodes_without_the_block_take_for_good_blames_nobody() -> None:
    """VOT-11: a validator could else have old nodes shut out new ones, which pass on what they cannot judge."""
    world = make_follower()
    target = make_target(world)
    lie = sign_vote(ALICE, make_vote(world, replace(target, height=10)))
    newcomer = make_voter(author=None)
    assert get_verdict(tell(newcomer, lie)) == "accept"
    effects = tell(world, lie)
    assert get_verdict(effects) == "ignore"
    assert find(effects, Punish) == []
    nobodys = sign_vote(make_keys("//Eve//vote"), make_vote(world, replace(target, height=10)))
    assert get_verdict(tell(world, nobodys)) == "reject"


def test_vot_08_conflicting_votes_are_sent_on_and_the_evidence_slashes() -> None:
    world = make_follower()
    miner = make_voter()
    miner.now_ms = world.now_ms
    one = sign_vote(BOB, make_vote(world, make_target(world)))
    two = sign_vote(BOB, make_vote(world, Checkpoint(height=5, hash=b"x" * 32)))
    assert get_verdict(tell(world, one)) == "accept"
    effects = tell(world, two)
    assert get_verdict(effects) == "accept"
    assert set(map(encode_signed_vote, list_published(effects))) == set(map(encode_signed_vote, (one, two)))
    evidence = world.machine.votes.choose().evidence
    assert len(evidence) == 1
    world.machine.desk.account = make_keys("//Alice").public
    block = world.mine()
    assert len(block.extrinsics) == 3, "time, a vote, evidence"
    sets = get_validator_sets(world.importer.chain.state)
    assert all(voter.key != BOB.public or voter.stake == 0 for voter in (*sets.current, *sets.previous))
    assert world.machine.votes.choose().evidence == (), "nobody is slashed twice"
    assert len(world.mine().extrinsics) == 1, "and the vote is on the chain"


def test_a_third_conflicting_vote_goes_nowhere() -> None:
    world = make_follower()
    votes = [sign_vote(BOB, make_vote(world, Checkpoint(height=5, hash=bytes([n]) * 32))) for n in range(3)]
    assert [get_verdict(tell(world, vote)) for vote in votes] == ["accept", "accept", "ignore"]


def test_evidence_that_the_chain_would_refuse_keeps_none_out_of_a_block() -> None:
    """Keys that are nobody's here, a second key of who has nothing left, and old votes take no room from the others."""
    world = make_follower()
    add = world.machine.votes.box.add
    keys = [BOB, *(make_vote_keys(f"//Nobody//{n}") for n in range(20)), CHARLIE]
    for key in keys:
        for n in range(2):
            add(sign_vote(key, make_vote(world, Checkpoint(height=5, hash=bytes([n]) * 32))))
    evidence = world.machine.votes.choose().evidence
    assert [violation.one.key for violation in evidence] == [BOB.public, CHARLIE.public], "the oldest first"


def test_fin_18_evidence_that_is_too_old_is_left_to_itself() -> None:
    """FIN-18: its later target is evidence_blocks below the head, so the next block could not have it."""
    tiny = Params.tiny()
    params = replace(tiny, staking=replace(tiny.staking, evidence_blocks=3))
    miner, world = make_voter(params=params), make_voter(author=None, params=params)
    for number in range(1, 9):
        world.receive(miner.mine())
        world.now_ms = miner.now_ms
        if number == 7:
            for n in range(2):
                world.machine.votes.box.add(
                    sign_vote(BOB, make_vote(world, Checkpoint(height=5, hash=bytes([n]) * 32)))
                )
            assert len(world.machine.votes.choose().evidence) == 1
    assert world.machine.votes.choose().evidence == ()


def test_votes_found_in_a_side_branch_count_as_evidence() -> None:
    world, other = make_voter("//Alice"), make_voter("//Alice", author="//Bob")
    mine_to_checkpoint(world)
    world.mine()
    branch = []
    for _ in range(6):
        branch.append(other.mine())
    world.now_ms = max(world.now_ms, other.now_ms)
    for block in branch[:5]:
        world.receive(block)
    effects = world.receive(branch[5])
    assert len(list_published(effects)) == 2, "the same key on two nodes voted twice"
    assert len(world.machine.votes.choose().evidence) == 1


# ---- templates


def test_vot_09_new_votes_make_a_new_template_after_half_a_second_or_at_once_when_they_decide() -> None:
    world = make_voter()
    mine_to_checkpoint(world)
    world.handle(Tick())
    vote = make_vote(world, make_target(world))
    assert get_job(tell(world, sign_vote(ALICE, vote))) is None
    assert get_job(world.handle(Tick(), later_ms=499)) is None
    second = get_job(world.handle(Tick(), later_ms=1))
    assert second is not None
    assert get_job(tell(world, sign_vote(BOB, vote))) is None
    third = get_job(tell(world, sign_vote(CHARLIE, vote)))
    assert third is not None, "three of four are two thirds"
    assert get_job(world.handle(Tick(), later_ms=500)) is None, "nothing new since"
    world.mine()
    assert get_status(world)[0] == 5


def test_a_chain_of_many_validators_has_room_for_all_their_votes() -> None:
    """Two sets of validators_max without a common key, and as many on another branch, put nobody's vote out."""
    tiny = Params.tiny()
    world = make_voter(params=replace(tiny, staking=replace(tiny.staking, validators_max=100)))
    vote = make_vote(world, Checkpoint(height=5, hash=bytes(32)))
    for n in range(400):
        world.machine.votes.box.add(SignedVote(vote=vote, key=n.to_bytes(32, "big"), signature=bytes(64)))
    assert len(world.machine.votes.box.pool) == 400


def test_a_vote_that_does_not_fit_the_block_is_left_out_of_it() -> None:
    world = make_voter()
    mine_to_checkpoint(world)
    wrong = sign_vote(ALICE, make_vote(world, make_target(world), source=Checkpoint(height=0, hash=b"z" * 32)))
    assert get_verdict(tell(world, wrong)) == "accept", "it can be evidence"
    good = sign_vote(BOB, make_vote(world, make_target(world)))
    tell(world, good)
    block = world.mine()
    assert any(encode_signed_vote(good) in raw for raw in block.extrinsics)
    assert not any(encode_signed_vote(wrong) in raw for raw in block.extrinsics)


def test_after_a_long_standstill_everything_becomes_final_at_once() -> None:
    """While two of four are away nothing is final; then their stake has leaked, or they are back."""
    params = make_patient_params()
    world, others = make_voter("//Alice", "//Bob", params=params), make_voter("//Charlie", "//Dave", params=params)
    for _ in range(149):
        world.mine()
    assert world.importer.final.number == 0
    assert len(world.importer.blocks) == 150
    others.now_ms = world.now_ms
    for number in range(1, 150):
        others.receive(make_block(world, number))
    crowd = Crowd(world, others)
    with listening(others) as effects:
        crowd.mine(12)
    told = [header.number for effect in find(effects, Finalized) for header in effect.headers]
    assert told == list(range(1, 156))
    assert world.importer.final.number == others.importer.final.number == 155
    assert world.importer.chain.state.oldest_height > 0


def make_patient_params() -> Params:
    """Return a chain whose absent validators keep their stake."""
    tiny = Params.tiny()
    return replace(tiny, finality=replace(tiny.finality, leak_after_checkpoints=1_000_000))


def make_block(world: World, number: int) -> Block:
    """Return the best chain's block at a height."""
    chain = world.importer.chain
    header = chain.get_header(chain.get_hash(number) or b"")
    assert header is not None
    return Block(header=header, extrinsics=chain.get_body(header.hash) or ())


# ---- a key that others have, or a record that is lost


def test_vot_10_a_lost_record_comes_back_from_the_chain() -> None:
    world = make_voter("//Alice")
    mine_to_checkpoint(world)
    world.mine()
    book = MemoryVoteBook()
    again = make_voter("//Alice", store=world.store, book=book)
    again.now_ms = world.now_ms
    with listening(again) as effects:
        again.handle(Tick())
    assert book.find_last(ALICE.public) == LastVote(source_height=0, target_height=5)
    assert any("no record of" in effect.message for effect in find(effects, Log))
    assert list_published(effects) == []


def test_vot_10_a_lost_record_comes_back_while_blocks_come_in() -> None:
    world, book = make_voter("//Alice"), MemoryVoteBook()
    mine_to_checkpoint(world)
    world.mine()
    again = make_voter("//Alice", author=None, book=book)
    again.now_ms = world.now_ms + 10 * 60_000
    for number in range(1, 7):
        again.receive(make_block(world, number))
    assert book.find_last(ALICE.public) == LastVote(source_height=0, target_height=5)


def test_vot_10_a_vote_that_another_machine_signs_with_the_key_is_not_undercut() -> None:
    book = MemoryVoteBook()
    world = make_voter("//Alice", book=book)
    mine_to_checkpoint(world)
    foreign = make_vote(world, Checkpoint(height=10, hash=b"f" * 32))
    forged = replace(sign_vote(ALICE, foreign), signature=bytes(64))
    assert get_verdict(tell(world, forged)) == "reject"
    assert book.find_last(ALICE.public) == LastVote(source_height=0, target_height=5)
    effects = tell(world, sign_vote(ALICE, foreign))
    assert any("another machine" in effect.message for effect in find(effects, Log))
    assert book.find_last(ALICE.public) == LastVote(source_height=0, target_height=10)
    assert mine_to_checkpoint(world) == [], "10 would be slashed"
    assert [vote.vote.target.height for vote in mine_to_checkpoint(world)] == [15]
