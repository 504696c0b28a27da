"""The steps that a node keeps of its own chain: after evidence, leaks, changes of branch and blocks taken back."""

from __future__ import annotations

from consensus.ballot import compute_stake
from consensus.finality import Checkpoint, Evidence
from consensus.light import ForgedSets, LightVerifier, TooFewVotes, decode_step
from node.core.fast_proof import ProofChase
from node.offline_chain import revert_blocks
from runtime.queries import get_finality, get_validator_sets
from tests.node.test_fast_sync import make_plan_of_source, meet
from tests.node.voters import VALIDATORS, make_vote, make_voter, sign_vote, tell
from tests.node.world import World, make_vote_keys


def list_heights(world: World) -> list[int]:
    """Return the heights of the steps that the node would give from block 0 on."""
    raws = world.importer.steps.list_steps(0, count=10_000, bytes_max=2**30)
    chase = ProofChase(NoShelf(), make_plan_of_source())
    for raw in raws:
        chase.take(raw)
    assert isinstance(chase.verifier, LightVerifier)
    assert chase.verifier.final.checkpoint.height <= world.importer.final.number
    return [int.from_bytes(decode_step(raw).header[32:33], "little") >> 2 for raw in raws]


class NoShelf:
    """Keeps nothing."""

    def add_steps(self, steps: dict[int, bytes]) -> None:
        """Forget them."""


def mine(world: World, count: int) -> None:
    """Let a node mine."""
    for _ in range(count):
        world.mine()


def test_steps_follow_the_chain_and_the_newest_is_made_when_asked() -> None:
    world = make_voter(*VALIDATORS)
    mine(world, 4)
    assert list_heights(world) == []
    mine(world, 10)
    assert list_heights(world) == [5, 10]
    assert world.importer.chain.get_last_step() == 5, "10 is not final yet"
    mine(world, 10)
    assert list_heights(world) == [5, 10, 15, 20]


def test_the_proof_goes_on_after_a_slash() -> None:
    """Dave signs two votes for one height; the evidence stands in a block, and his second vote in no step."""
    world = make_voter(*VALIDATORS[:3])
    mine(world, 11)
    status = get_finality(world.importer.chain.state)
    target = Checkpoint(height=10, hash=world.importer.chain.get_hash(10) or b"")
    dave = make_vote_keys("//Dave")
    votes = [
        sign_vote(
            dave, make_vote(world, target, source=Checkpoint(height=5, hash=world.importer.chain.get_hash(5) or b""))
        ),
        sign_vote(
            dave,
            make_vote(
                world, Checkpoint(height=10, hash=bytes(32)), source=Checkpoint(height=0, hash=world.genesis.hash)
            ),
        ),
    ]
    for vote in votes:
        tell(world, vote)
    mine(world, 20)
    sets = get_validator_sets(world.importer.chain.state)
    assert dave.public not in {voter.key for voter in sets.current}, "he was slashed"
    assert Evidence(one=votes[0], two=votes[1]).one.key == dave.public
    assert status.justified.height == 10
    assert list_heights(world)[-1] >= 25


def test_blocks_that_are_taken_back_take_their_steps_along() -> None:
    world = make_voter(*VALIDATORS)
    mine(world, 33)
    assert world.importer.chain.get_last_step() == 25
    revert_blocks(world.importer.chain, 14)
    assert world.importer.chain.head.number == 19
    assert world.importer.chain.get_last_step() <= 19
    again = make_voter(*VALIDATORS, store=world.store)
    again.now_ms = world.now_ms
    assert list_heights(again) == [5, 10, 15]


def test_lgt_05_a_proof_ends_at_a_leak_and_nobody_is_blamed_for_it() -> None:
    """Half of the stake is silent until it has leaked: the chain is final again, a light verifier cannot tell why."""
    world = make_voter(*VALIDATORS[:2])
    while get_finality(world.importer.chain.state).final_height == 0:
        world.mine()
        assert world.head.number < 200
    mine(world, 20)
    sets = get_validator_sets(world.importer.chain.state)
    assert compute_stake(sets.current) < 4 * sets.current[0].stake
    raws = world.importer.steps.list_steps(0, count=10_000, bytes_max=2**30)
    assert raws
    chase = ProofChase(NoShelf(), make_plan_of_source())
    try:
        for raw in raws:
            chase.take(raw)
    except (TooFewVotes, ForgedSets):
        pass
    assert chase.target is None, "nothing is proven final"
    net, newcomer = meet(world)
    net.run_until(lambda: newcomer.sync.outcome is not None, limit_ms=60_000)
    assert newcomer.sync.outcome == "no proof"
    assert net.score("new", "peer 0") == 0
