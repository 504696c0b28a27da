"""Nodes that vote, for the tests: several worlds on one chain, and what travels between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from chain.block import Block
from chain.params import Params
from chain.store import MemoryStore
from consensus.finality import (
    Checkpoint,
    Evidence,
    SignedVote,
    Vote,
    compute_vote_message,
    decode_signed_vote,
    encode_signed_vote,
)
from network.port import GossipReceived, JudgeGossip, Publish, Verdict
from node.core.effects import Effect
from node.core.events import Event
from node.core.offences import EVIDENCE_BYTES, decode_evidence
from node.core.voting import OffenceBook, VoteBook, VoteSigner
from node.vote_keys import HeldKeys
from tests.node.world import Keys, World, find, make_keys, make_tiny_spec, make_vote_keys

VALIDATORS = ("//Alice", "//Bob", "//Charlie", "//Dave")
CHECKPOINT = Params.tiny().finality.checkpoint_blocks


def make_voter(
    *uris: str,
    author: str | None = "//Alice",
    params: Params | None = None,
    store: MemoryStore | None = None,
    signer: VoteSigner | None = None,
    book: VoteBook | None = None,
    offences: OffenceBook | None = None,
    validators: Sequence[str] = VALIDATORS,
) -> World:
    """Return a node on the chain of four validators that votes with the keys of these."""
    held = HeldKeys(tuple(make_vote_keys(uri).seed for uri in uris))
    return World(
        author=None if author is None else make_keys(author).public,
        spec=make_tiny_spec(params, validators=validators),
        store=store,
        signer=signer or held,
        book=book,
        offences=offences,
    )


def sign_vote(keys: Keys, vote: Vote) -> SignedVote:
    """Return a vote under a key."""
    return SignedVote(vote=vote, key=keys.public, signature=HeldKeys((keys.seed,)).sign(keys.public, message_of(vote)))


def message_of(vote: Vote) -> bytes:
    """Return what is signed."""
    return compute_vote_message(vote)


def make_vote(world: World, target: Block | Checkpoint, *, source: Checkpoint | None = None) -> Vote:
    """Return a vote on this node's chain, from genesis unless said otherwise."""
    genesis = world.genesis.hash
    if isinstance(target, Block):
        target = Checkpoint(height=target.header.number, hash=target.hash)
    return Vote(genesis=genesis, source=source or Checkpoint(height=0, hash=genesis), target=target)


def list_published(effects: Iterable[Effect]) -> list[SignedVote]:
    """Return the votes that the node sends, those of evidence too."""
    found: list[SignedVote] = []
    for item in find(effects, Publish):
        if item.topic == "votes" and len(item.data) == EVIDENCE_BYTES:
            evidence = decode_evidence(item.data)
            found += [evidence.one, evidence.two]
        elif item.topic == "votes":
            found.append(decode_signed_vote(item.data))
    return found


def list_evidence(effects: Iterable[Effect]) -> list[Evidence]:
    """Return the evidence that the node sends."""
    found = (item.data for item in find(effects, Publish) if item.topic == "votes")
    return [decode_evidence(data) for data in found if len(data) == EVIDENCE_BYTES]


def tell(
    world: World, vote: SignedVote | bytes, *, message_id: bytes | None = None, peer: str = "peer"
) -> list[Effect]:
    """Let a peer bring a vote."""
    data = vote if isinstance(vote, bytes) else encode_signed_vote(vote)
    event = GossipReceived(peer=peer, topic="votes", message_id=message_id or data[:40], data=data)
    return world.handle(event)


def get_verdict(effects: Iterable[Effect]) -> Verdict | None:
    """Return the verdict among the effects, None if there is none yet."""
    found = find(effects, JudgeGossip)
    assert len(found) <= 1
    verdict: Verdict | None = found[0].verdict if found else None
    return verdict


@contextmanager
def listening(world: World) -> Iterator[list[Effect]]:
    """Collect what a node wants done meanwhile."""
    collected: list[Effect] = []
    handle = world.dispatch

    def dispatch(event: Event) -> list[Effect]:
        effects = handle(event)
        collected.extend(effects)
        return effects

    world.dispatch = dispatch
    try:
        yield collected
    finally:
        world.dispatch = handle


class Crowd:
    """Nodes that hear everything of each other at once; the first one mines."""

    def __init__(self, *worlds: World) -> None:
        self.worlds = worlds

    def mine(self, count: int = 1) -> list[Block]:
        """Let the first node mine, and the others hear of it."""
        return [self._mine_one() for _ in range(count)]

    def spread(self, effects: Iterable[Effect], origin: World) -> None:
        """Bring what a node sends to the others."""
        for vote in list_published(effects):
            for world in self.worlds:
                if world is not origin:
                    self.spread(tell(world, vote), world)

    def _mine_one(self) -> Block:
        miner = self.worlds[0]
        with listening(miner) as effects:
            block = miner.mine()
        for world in self.worlds[1:]:
            world.now_ms = miner.now_ms
            self.spread(world.receive(block), world)
        self.spread(effects, miner)
        return block
