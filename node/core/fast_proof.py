"""The first half of fast sync: the proof of finality, page by page, up to the newest checkpoint that it makes final."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from chain.header import encode_header
from chain.params import Params
from consensus.light import Belief, LightVerifier, decode_step, make_trusted_belief


class StepShelf(Protocol):
    """Keeps the steps of final checkpoints."""

    def add_steps(self, steps: dict[int, bytes]) -> None: ...


class FastPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Which chain, and where belief begins.

    Attributes:
        genesis: Hash of block 0.
        anchor: The belief in block 0.
        checkpoint: Hash of a checkpoint to trust instead; None trusts block 0 alone.
    """

    genesis: bytes
    params: Params
    anchor: Belief
    checkpoint: bytes | None = None


class ProofChase:
    """What is proven so far."""

    def __init__(self, shelf: StepShelf, plan: FastPlan) -> None:
        self._shelf = shelf
        self._plan = plan
        self._beliefs: dict[int, Belief] = {}
        self._steps: dict[int, bytes] = {}
        self._last = b""
        self.bytes_taken = 0
        self.verifier = None if plan.checkpoint else self._make_verifier(plan.anchor)
        self.anchor_number = 0

    @property
    def start(self) -> bytes:
        """The block from which the next page is to go on."""
        if self.verifier is None:
            assert self._plan.checkpoint is not None
            return self._plan.checkpoint
        return self.verifier.belief.checkpoint.hash

    @property
    def target(self) -> Belief | None:
        """The newest final checkpoint; None while that is block 0, or the trusted checkpoint is not known."""
        return None if self.verifier is None else self._beliefs.get(self.verifier.final.checkpoint.height)

    @property
    def final_number(self) -> int:
        """Height of the newest checkpoint that is proven final; -1 while the trusted checkpoint is not known."""
        return -1 if self.verifier is None else self.verifier.final.checkpoint.height

    def take_page(self, start: bytes, steps: Sequence[bytes]) -> None:
        """Take the steps of a page that was asked for from `start`; those that others have brought are passed over.

        Raises:
            InvalidStep: one does not go on from what is believed; those before it stay.
        """
        if start != self.start:
            steps = steps[steps.index(self._last) + 1 :] if self._last in steps else ()
        for raw in steps:
            self.take(raw)

    def take(self, raw: bytes) -> None:
        """Take the next step; the one at which the proof stands may be repeated.

        Raises:
            InvalidStep: it does not go on from what is believed.
        """
        step = decode_step(raw)
        if self.verifier is None:
            belief = make_trusted_belief(step, self.start, self._plan.params.finality)
            self.verifier = self._make_verifier(belief)
            self.anchor_number = belief.checkpoint.height
        else:
            known = self.verifier.belief.header
            if known is not None and step.header == encode_header(known):
                return
            self.verifier.extend((step,))
            belief = self.verifier.belief
        self._beliefs[belief.checkpoint.height], self._steps[belief.checkpoint.height] = belief, raw
        self._last, self.bytes_taken = raw, self.bytes_taken + len(raw)

    def keep_final(self) -> None:
        """Write down the steps of final checkpoints, and forget what is behind."""
        if self.verifier is None:
            return
        final = self.verifier.final.checkpoint.height
        ready = {number: self._steps.pop(number) for number in list(self._steps) if number <= final}
        if ready:
            self._shelf.add_steps(ready)
        self._beliefs = {number: belief for number, belief in self._beliefs.items() if number >= final}

    def _make_verifier(self, belief: Belief) -> LightVerifier:
        return LightVerifier(self._plan.genesis, self._plan.params.finality, belief)
