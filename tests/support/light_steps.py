"""Finality steps made up for the tests: any status, sets and voters, each proven under a state root of its own."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from chain.hash_tree import HashTree
from chain.header import Digest, Header, encode_header
from chain.params import FinalityParams
from chain.scale import codec_of
from chain.state_hash import compute_value_hash
from chain.state_proof import encode_proof
from consensus.ballot import Voter, VoterSets, sort_voters
from consensus.finality import Checkpoint, FinalityStatus, SignedVote, Vote
from consensus.light import SETS_KEY, STATUS_KEY, Belief, FinalityStep, make_genesis_belief
from tests.support.runtime_chain import get_key, get_vote_key, sign_vote

GENESIS = b"\x01" * 32
PARAMS = FinalityParams(checkpoint_blocks=5)
FOUNDERS = ("f1", "f2", "f3", "f4")
STAKE = 100


def make_voters(names: Sequence[str], stake: int = STAKE) -> tuple[Voter, ...]:
    """Return test accounts as voters with equal stake."""
    return sort_voters(Voter(account=get_key(name), key=get_vote_key(name), stake=stake) for name in names)


def make_sets(previous: Sequence[str], current: Sequence[str], following: Sequence[str]) -> VoterSets:
    """Return sets of test accounts."""
    return VoterSets(previous=make_voters(previous), current=make_voters(current), next=make_voters(following))


def make_anchor(names: Sequence[str] = FOUNDERS) -> Belief:
    """Return the belief in a block 0 where these validate."""
    zero = Checkpoint(height=0, hash=bytes(32))
    status = FinalityStatus(justified=zero, finalized=zero, final_height=0, is_attended=True)
    return make_genesis_belief(GENESIS, status, make_sets(names, names, names))


def make_step(
    source: Checkpoint, height: int, sets: VoterSets, voters: Sequence[str], *, salt: int = 0
) -> tuple[FinalityStep, Checkpoint]:
    """Return a step from a source, with votes of these accounts, and its checkpoint."""
    status = FinalityStatus(justified=source, finalized=source, final_height=source.height, is_attended=True)
    values = {STATUS_KEY: codec_of(FinalityStatus).encode(status), SETS_KEY: codec_of(VoterSets).encode(sets)}
    values |= {bytes([number]) * 32: b"filler" for number in range(40)}
    tree = HashTree(compute_value_hash(key) + compute_value_hash(value) for key, value in values.items())
    header = Header(
        parent_hash=blake2b(salt.to_bytes(4, "little"), digest_size=32).digest(),
        number=height,
        state_root=tree.root,
        extrinsics_root=bytes(32),
        digest=Digest(logs=()),
    )
    target = Checkpoint(height=height, hash=header.hash)
    vote = Vote(genesis=GENESIS, source=source, target=target)
    signed = [sign_vote(name, vote) for name in voters]
    step = FinalityStep(
        header=encode_header(header),
        status=values[STATUS_KEY],
        sets=values[SETS_KEY],
        status_proof=encode_proof(tree.make_proof(compute_value_hash(STATUS_KEY))),
        sets_proof=encode_proof(tree.make_proof(compute_value_hash(SETS_KEY))),
        votes=tuple(item.key + item.signature for item in signed),
    )
    return step, target


def make_row(
    sets: Sequence[VoterSets], voters: Sequence[str] = FOUNDERS, *, salt: int = 0
) -> tuple[list[FinalityStep], list[Checkpoint]]:
    """Return neighbouring steps from block 0 on, one for each of the sets, all voted for by the same accounts."""
    steps: list[FinalityStep] = []
    checkpoints = [Checkpoint(height=0, hash=GENESIS)]
    for number, members in enumerate(sets):
        step, target = make_step(checkpoints[-1], 5 * (number + 1), members, voters, salt=salt)
        steps.append(step)
        checkpoints.append(target)
    return steps, checkpoints


def join_votes(step: FinalityStep, *more: SignedVote) -> tuple[bytes, ...]:
    """Return a step's votes with further ones."""
    return (*step.votes, *(item.key + item.signature for item in more))
