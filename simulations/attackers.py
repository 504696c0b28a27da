"""Nodes that do not play by the rules: each has the core's `handle`, and does something else besides.

An attacker is planned with `is_honest=False` and its class as `maker`; the checks of the world do not hold it to the
protocol, and its machine is not looked at.
"""

from __future__ import annotations

from hashlib import blake2b

from msgspec.structs import replace

from chain.ed25519 import public_of, sign
from chain.header import encode_header, make_sealed
from consensus.digest import WorkSeal, make_seal
from consensus.finality import (
    SIGNED_VOTE_BYTES,
    SignedVote,
    Vote,
    compute_vote_message,
    decode_signed_vote,
    encode_signed_vote,
)
from network.port import Publish
from node.core.effects import BlockImported, Effect
from node.core.events import Event, Tick
from runtime.queries import find_vote_duty
from simulations.honest import Site, make_honest_node


class DoubleVoter:
    """Signs each vote twice: for the checkpoint, and for another block of that height which nobody has seen."""

    def __init__(self, site: Site, *, times: int | None = None) -> None:
        """Begin as an honest validator.

        Args:
            times: How many second votes it signs; None for no end.
        """
        assert site.vote_seed is not None
        self._seed = site.vote_seed
        self._left = times
        self._machine = make_honest_node(site)

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Do what an honest node does, and vote again."""
        effects = self._machine.handle(event, now_ms)
        votes = [effect for effect in effects if isinstance(effect, Publish) and _is_vote(effect)]
        if self._left is not None:
            votes = votes[: self._left]
            self._left -= len(votes)
        return [*effects, *(self._make_second(publish) for publish in votes)]

    def _make_second(self, publish: Publish) -> Publish:
        first = decode_signed_vote(publish.data)
        target = first.vote.target
        other = replace(target, hash=blake2b(target.hash, digest_size=32).digest())
        vote = replace(first.vote, target=other)
        signature = sign(self._seed, compute_vote_message(vote))
        return Publish(
            topic="votes", data=encode_signed_vote(SignedVote(vote=vote, key=first.key, signature=signature))
        )


class BothSidesVoter:
    """Votes on every branch that its node hears of, once for each checkpoint; it never brings evidence."""

    def __init__(self, site: Site) -> None:
        """Begin as an honest node without a vote key."""
        assert site.vote_seed is not None
        self._seed, self._key = site.vote_seed, public_of(site.vote_seed)
        self._machine = make_honest_node(replace(site, vote_seed=None))
        self._cast: set[Vote] = set()

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Do what an honest node does, and vote on each block as if it were the best."""
        effects = self._machine.handle(event, now_ms)
        blocks = [effect for effect in effects if isinstance(effect, BlockImported)]
        kept = [effect for effect in effects if not (isinstance(effect, Publish) and effect.topic == "votes")]
        return [*kept, *(publish for block in blocks for publish in self._vote_on(block))]

    def _vote_on(self, block: BlockImported) -> list[Publish]:
        importer = self._machine.importer
        vote = find_vote_duty(importer.states.get_view(block.hash), block.header, importer.params)
        if vote is None or vote in self._cast:
            return []
        self._cast.add(vote)
        signature = sign(self._seed, compute_vote_message(vote))
        signed = SignedVote(vote=vote, key=self._key, signature=signature)
        return [Publish(topic="votes", data=encode_signed_vote(signed))]


def _is_vote(publish: Publish) -> bool:
    return publish.topic == "votes" and len(publish.data) == SIGNED_VOTE_BYTES


class SealForger:
    """Publishes, at every tick, a header on the best block with a seal that no ticket has won."""

    def __init__(self, site: Site) -> None:
        """Begin as an honest miner; it needs an account."""
        self._machine = make_honest_node(site)
        self._count = 0

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Do what an honest node does, and forge."""
        effects = self._machine.handle(event, now_ms)
        template = self._machine.desk.template
        if not isinstance(event, Tick) or template is None:
            return effects
        self._count += 1
        seal = WorkSeal(index=self._count, core_hash=bytes(32), pool_shots=b"")
        return [*effects, Publish(topic="headers", data=encode_header(make_sealed(template.header, make_seal(seal))))]
