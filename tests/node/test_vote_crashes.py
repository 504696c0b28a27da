"""Whatever a validator's node goes through, no two of its signatures are slashable: forks, restarts, lost databases.

The process may end at every step that touches a disk: before and after a batch of the store, before and after the
record of a vote, before and after the signature. What was signed counts, even if it was never sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from chain.block import Block
from chain.ed25519 import sign
from chain.scale import codec_of
from chain.store import BatchEntry, MemoryStore
from consensus.finality import TAG_VOTE, LastVote, Vote, is_slashable
from node.core.events import Tick
from node.core.voting import MemoryVoteBook
from node.vote_book import FileVoteBook
from tests.node.voters import make_voter
from tests.node.world import World, make_vote_keys

ALICE = make_vote_keys("//Alice")


class Killed(Exception):
    """The process ended."""


class Fuse:
    """Ends the process at the n-th step from now."""

    def __init__(self) -> None:
        self.steps: int | None = None

    def burn(self) -> None:
        """One step."""
        if self.steps is None:
            return
        self.steps -= 1
        if self.steps < 0:
            self.steps = None
            raise Killed


class FusedStore(MemoryStore):
    """A store in which a batch may be the last thing, or not happen."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def write(self, batch: Sequence[BatchEntry], *, sync: bool = True) -> None:
        self._fuse.burn()
        super().write(batch, sync=sync)
        self._fuse.burn()


class FusedBook(MemoryVoteBook):
    """A book that a crash interrupts before or after the record is replaced."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def save_last(self, key: bytes, last: LastVote) -> None:
        self._fuse.burn()
        super().save_last(key, last)
        self._fuse.burn()


class Notary:
    """Signs as Alice, and keeps every message for the trial."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse
        self.messages: list[bytes] = []

    def keys(self) -> tuple[bytes, ...]:
        return (ALICE.public,)

    def sign(self, public: bytes, message: bytes) -> bytes:
        assert public == ALICE.public
        self._fuse.burn()
        self.messages.append(message)
        self._fuse.burn()
        return sign(ALICE.seed, message)


class Life:
    """A validator's node, and two miners that do not always hear of each other."""

    def __init__(self) -> None:
        self.fuse = Fuse()
        self.store = FusedStore(self.fuse)
        self.book = FusedBook(self.fuse)
        self.notary = Notary(self.fuse)
        self.miners = tuple(make_voter(author=author) for author in ("//Bob", "//Charlie"))
        self.blocks: tuple[list[Block], list[Block]] = ([], [])
        self.crashes = 0
        self.node = self._start()

    def _start(self) -> World:
        now_ms = max(miner.now_ms for miner in self.miners)
        while True:
            try:
                node = make_voter(author=None, store=self.store, signer=self.notary, book=self.book)
                node.now_ms = now_ms
                node.handle(Tick())
            except Killed:
                self.crashes += 1
            else:
                return node

    def mine(self, at: int) -> None:
        """Let a miner find a block, and the node hear of it."""
        self.blocks[at].append(self.miners[at].mine())
        self._hear(self.blocks[at][-1:])

    def meet(self, at: int) -> None:
        """Let a miner and the node hear all that the other miner has."""
        self.miners[at].now_ms = max(miner.now_ms for miner in self.miners)
        for block in self.blocks[1 - at]:
            self.miners[at].receive(block)
        self._hear(self.blocks[1 - at])

    def arm(self, steps: int) -> None:
        """Let the node end after so many steps that touch a disk."""
        self.fuse.steps = steps

    def lose_blocks(self) -> None:
        """Purge the chain: the book stays."""
        self.store = FusedStore(self.fuse)
        self.restart()

    def restart(self) -> None:
        """Begin anew with what the disks hold, and synchronise."""
        self.crashes += 1
        self.node = self._start()
        for blocks in self.blocks:
            self._hear(blocks)

    def _hear(self, blocks: Sequence[Block]) -> None:
        try:
            for block in blocks:
                self.node.now_ms = max(miner.now_ms for miner in self.miners)
                self.node.receive(block)
        except Killed:
            self.restart()

    def list_votes(self) -> list[Vote]:
        """Return everything that was ever signed."""
        return [codec_of(Vote).decode(message.removeprefix(TAG_VOTE)) for message in self.notary.messages]

    def live(self, actions: Iterable[tuple[str, int]]) -> None:
        """Go through all of it."""
        for name, number in actions:
            match name:
                case "mine":
                    self.mine(number)
                case "mine five":
                    for _ in range(5):
                        self.mine(number)
                case "meet":
                    self.meet(number)
                case "arm":
                    self.arm(number)
                case _:
                    self.lose_blocks()


def find_offences(votes: Sequence[Vote]) -> list[tuple[Vote, Vote]]:
    """Return the pairs that would be slashed."""
    return [(one, two) for one, two in combinations(votes, 2) if is_slashable(one, two)]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["mine", "mine five"]), st.integers(0, 1)),
        st.tuples(st.just("meet"), st.integers(0, 1)),
        st.tuples(st.just("arm"), st.integers(0, 20)),
        st.tuples(st.just("lose"), st.just(0)),
    ),
    min_size=8,
    max_size=16,
)


@given(ACTIONS)
@settings(max_examples=15, deadline=None)
def test_vot_02_nothing_signed_across_crashes_is_slashable(actions: list[tuple[str, int]]) -> None:
    life = Life()
    life.live(actions)
    votes = life.list_votes()
    event(f"{min(len(votes), 5)} votes, {min(life.crashes, 3)} crashes")
    assert find_offences(votes) == []
    last = life.book.find_last(ALICE.public)
    assert not votes or (last is not None and last.target_height >= max(vote.target.height for vote in votes))


@pytest.mark.parametrize("steps", range(8))
def test_vot_02_a_crash_at_any_step_of_a_vote_costs_at_most_that_vote(steps: int) -> None:
    life = Life()
    life.live([("mine", 0)] * 4)
    life.arm(steps)
    life.live([("mine", 0)])
    life.live([("mine", 0)] * 5)
    votes = life.list_votes()
    assert find_offences(votes) == []
    assert votes[-1].target.height == 10
    assert life.crashes == 1


def test_the_trial_convicts_a_node_that_forgets_its_book() -> None:
    """Two checkpoints of one height are each the best for a while; a node with its book votes for one of them."""
    life = Life()
    life.live([("mine", 0)] * 5 + [("mine", 1)] * 6)
    life.restart()
    assert len(life.list_votes()) == 1
    life.book = FusedBook(life.fuse)
    life.restart()
    assert len(find_offences(life.list_votes())) == 1


def test_the_book_on_disk_keeps_a_node_from_voting_twice_after_a_lost_database(tmp_path: Path) -> None:
    first, second = make_voter(author="//Bob"), make_voter(author="//Charlie")
    blocks = ([first.mine() for _ in range(5)], [second.mine() for _ in range(5)])
    signed = Notary(Fuse())
    for branch in blocks:
        book = FileVoteBook(tmp_path / "votes", first.genesis.hash)
        node = make_voter(author=None, signer=signed, book=book)
        for block in branch:
            node.now_ms = max(first.now_ms, second.now_ms)
            node.receive(block)
    assert len(signed.messages) == 1
