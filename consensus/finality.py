"""Votes of Casper FFG: what is signed, what may be signed, and what is punished.

A vote is a signed link from a justified checkpoint to a later one. Two rules hold for every key, whatever chain it
votes on: never two votes for one target height, and never a vote that surrounds another. Whoever breaks one is slashed
on the evidence of the two signatures alone; if two conflicting checkpoints become final, a third of the stake has.

Terms:
    checkpoint: a block whose height is a multiple of `checkpoint_blocks`; genesis is one.
    justified: genesis, or the target of links with two thirds of the stake from a justified source.
    finalised: a justified checkpoint whose direct child checkpoint is justified by links from it.

Invariants: a vote's meaning is its five values; the signature's bytes make no two votes of one.

Source: Buterin, Griffith, "Casper the Friendly Finality Gadget", arXiv:1710.09437; docs/spec/finality.md.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import msgspec

from chain.ed25519 import is_valid_signature
from chain.params import FinalityParams
from chain.scale import CodecError, codec_of
from chain.scale_shapes import H256, U32, Bytes64

TAG_VOTE = b"matchstrike/vote/1\x00"
SIGNED_VOTE_BYTES = 200
SIGNATURES_KEPT_MAX = 4_096

# ---- records


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint block."""

    height: U32
    hash: H256


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """A link between two checkpoints of the chain that begins with `genesis`."""

    genesis: H256
    source: Checkpoint
    target: Checkpoint


class SignedVote(msgspec.Struct, frozen=True, kw_only=True):
    """A vote with the public vote key and its signature."""

    vote: Vote
    key: H256
    signature: Bytes64


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Two votes of one key that no honest validator signs both."""

    one: SignedVote
    two: SignedVote


class LastVote(msgspec.Struct, frozen=True, kw_only=True):
    """What a voter must remember of everything that a key signed: the heights of its last vote."""

    source_height: int
    target_height: int


class FinalityStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the state after a block says is justified and final.

    Attributes:
        justified: The highest justified checkpoint of the chain.
        finalized: The highest checkpoint that votes made final. In the state of block 0 both hashes are zeros.
        final_height: The highest final block, by votes or while unattended by depth; it never falls along a chain.
        is_attended: Somebody validates, so votes make blocks final; otherwise depth does.
    """

    justified: Checkpoint
    finalized: Checkpoint
    final_height: U32
    is_attended: bool


# ---- errors


class InvalidVote(Exception):
    """A vote that the block in question may not carry."""

    rule: ClassVar[str] = "FIN-01"


class WrongGenesis(InvalidVote):
    """A vote on another chain."""

    rule: ClassVar[str] = "FIN-01"


class BadVote(InvalidVote):
    """A vote that is wrong on every chain."""

    rule: ClassVar[str] = "FIN-02"


class SourceNotBelow(BadVote):
    """A vote whose source does not lie below its target."""

    rule: ClassVar[str] = "FIN-02"


class BadVoteSignature(BadVote):
    """A vote that its key did not sign."""

    rule: ClassVar[str] = "FIN-03"


class BadEvidence(Exception):
    """Two votes that prove nothing."""

    rule: ClassVar[str] = "FIN-05"


# ---- votes

_VOTE = codec_of(Vote)
_SIGNED = codec_of(SignedVote)


def compute_vote_message(vote: Vote) -> bytes:
    """Return what a vote key signs."""
    return TAG_VOTE + _VOTE.encode(vote)


def encode_signed_vote(signed: SignedVote) -> bytes:
    """Return the 200 bytes in which a vote travels."""
    return _SIGNED.encode(signed)


def decode_signed_vote(data: bytes) -> SignedVote:
    """Return the vote of exactly these bytes; nothing of it is checked.

    Raises:
        BadVote: they are no vote.
    """
    try:
        return _SIGNED.decode(data)
    except CodecError as error:
        raise BadVote(f"{len(data)} bytes are no signed vote: {error}") from error


def check_vote_shape(vote: Vote) -> None:
    """Refuse a vote that is a link to nowhere, whoever signed it.

    Raises:
        SourceNotBelow
    """
    # SPEC FIN-02: A vote's source MUST be lower than its target.
    if vote.source.height >= vote.target.height:
        raise SourceNotBelow(f"the source {vote.source.height} is not below the target {vote.target.height}")


def check_signed_vote(signed: SignedVote) -> None:
    """Refuse a vote that no chain can use; whose key it is, and which chain it is for, is not judged.

    Raises:
        BadVote: SourceNotBelow, BadVoteSignature.
    """
    check_vote_shape(signed.vote)
    # SPEC FIN-03: A vote MUST carry its key's signature over the tag "matchstrike/vote/1", a zero byte and the vote's
    # SCALE.
    if not _is_signed(signed):
        raise BadVoteSignature(f"the vote was not signed by the key 0x{signed.key.hex()}")


@lru_cache(maxsize=SIGNATURES_KEPT_MAX)
def _is_signed(signed: SignedVote) -> bool:
    """Check a signature once: a vote is judged by gossip, for each template and in each block again."""
    return is_valid_signature(signed.key, compute_vote_message(signed.vote), signed.signature)


def forget_signatures() -> None:
    """Forget which signatures were checked: a measurement must not profit from the one before it."""
    _is_signed.cache_clear()


# ---- what no honest validator does


def is_slashable(one: Vote, two: Vote) -> bool:
    """Say whether one key must not have signed both; the order of the two does not matter."""
    # SPEC FIN-04: Two votes of one key that differ in any value MUST NOT have the same target height, and the link of
    # one MUST NOT surround the other's.
    if one == two:
        return False
    return one.target.height == two.target.height or _surrounds(one, two) or _surrounds(two, one)


def _surrounds(outer: Vote, inner: Vote) -> bool:
    return outer.source.height < inner.source.height and inner.target.height < outer.target.height


def check_evidence(evidence: Evidence) -> None:
    """Refuse evidence that does not prove a violation.

    Raises:
        BadEvidence: other keys or chains, or nothing forbidden; BadVote: a vote is not well signed.
    """
    one, two = evidence.one, evidence.two
    # SPEC FIN-05: Evidence MUST be two votes that one key signed on one chain and that FIN-04 forbids.
    if one.key != two.key:
        raise BadEvidence("the two votes have different keys")
    if one.vote.genesis != two.vote.genesis:
        raise BadEvidence("the two votes are on different chains")
    if not is_slashable(one.vote, two.vote):
        raise BadEvidence("the two votes may both be signed")
    check_signed_vote(one)
    check_signed_vote(two)


def is_safe_vote(last: LastVote | None, vote: Vote) -> bool:
    """Say whether a key that signed nothing since `last` may sign this vote.

    A key that keeps to this never breaks FIN-04 in any pair of its votes: its targets rise, its sources do not fall.
    """
    # SPEC FIN-06: An honest validator MUST sign a vote only if its target is higher than that of its last vote and its
    # source not lower, and MUST have stored these heights before it signs.
    if last is None:
        return True
    return vote.target.height > last.target_height and vote.source.height >= last.source_height


def make_last_vote(vote: Vote) -> LastVote:
    """Return what to remember of a vote."""
    return LastVote(source_height=vote.source.height, target_height=vote.target.height)


# ---- heights and sums


def is_checkpoint(height: int, params: FinalityParams) -> bool:
    """Say whether the block of this height is a checkpoint."""
    # SPEC FIN-07: The checkpoints of a chain MUST be its blocks whose height is a multiple of checkpoint_blocks.
    return height % params.checkpoint_blocks == 0


def is_supermajority(stake: int, total: int) -> bool:
    """Say whether a stake is at least two thirds of a total that is not zero."""
    # SPEC FIN-08: A supermajority MUST be at least two thirds of a stake above zero: 3 * stake >= 2 * total.
    return total > 0 and 3 * stake >= 2 * total
