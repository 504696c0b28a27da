"""Whatever the schedule: with less than a third of the stake misbehaving, no two conflicting checkpoints are final.

hypothesis plays the adversary. It decides which chains grow, which of the signed votes they carry, who joins and leaves
on which chain, when a validator crashes, and everything that the traitor signs, who has just under a third of the
stake. Honest validators sign whatever they are shown, on any chain, if `is_safe_vote` allows it.

The same machine finds a conflict when two thirds are changed to a half, and when the previous set is not asked.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from consensus.ballot import Quorum
from consensus.finality import (
    Checkpoint,
    Evidence,
    LastVote,
    SignedVote,
    Vote,
    is_safe_vote,
    is_slashable,
    make_last_vote,
)
from tests.support.runtime_chain import get_vote_key, sign_vote
from tests.support.voting_chains import (
    FOUNDERS,
    RECRUITS,
    STAKES,
    TRAITOR,
    Step,
    VotingChain,
    make_both_chains,
    make_pure_chain,
)

HALF = Quorum(numerator=1, denominator=2)
ONE_SET = Quorum(needs_previous=False)
HONEST = (*FOUNDERS, *RECRUITS)
groups = st.sampled_from(("all", "current", "current", "previous", "left", "right", "none")) | st.sets(
    st.sampled_from(HONEST)
).map(lambda names: tuple(sorted(names)))
changes = st.sampled_from(("none", "swap", "join", "leave", "join all"))


Group = str | tuple[str, ...]


class ConflictFinal(AssertionError):
    """Two final checkpoints of which neither is below the other."""


class SafetyMachine(RuleBasedStateMachine):
    """A tree of chains, what every key has signed, and what became final anywhere."""

    make_chain: Callable[[], VotingChain]

    def __init__(self) -> None:
        super().__init__()
        root = type(self).make_chain()
        self.chains: list[VotingChain] = [root]
        self.by_hash: dict[bytes, VotingChain] = {root.head.hash: root}
        self.parents: dict[bytes, Checkpoint] = {}
        self.final: list[Checkpoint] = [root.head]
        self.books: dict[str, LastVote] = {}
        self.signed: dict[str, dict[Vote, SignedVote]] = {name: {} for name in STAKES}
        self.salt = 0

    # ---- rules

    @rule(back=st.integers(0, 4), group=groups, with_traitor=st.booleans(), rounds=st.integers(1, 4), change=changes)
    def grow(self, back: int, group: Group, with_traitor: bool, rounds: int, change: str) -> None:
        """Let a chain go on for some checkpoints."""
        self.go_on(self.pick(back), group, with_traitor=with_traitor, rounds=rounds, change=change)

    @rule(
        depth=st.integers(1, 3),
        kinds=st.tuples(groups, groups),
        with_traitor=st.booleans(),
        rounds=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    )
    def split(self, depth: int, kinds: tuple[Group, Group], with_traitor: bool, rounds: tuple[int, int]) -> None:
        """Let the newest chain go on, and beside it a rival that begins without votes some checkpoints below."""
        chain = rival = self.pick(0)
        for _ in range(depth):
            rival = self.by_hash.get(self.parents.get(rival.head.hash, rival.head).hash, rival)
        self.go_on(self.extend(rival), kinds[1], with_traitor=with_traitor, rounds=rounds[1], change="none")
        self.go_on(chain, kinds[0], with_traitor=with_traitor, rounds=rounds[0], change="none")

    @rule(back=st.integers(0, 12), name=st.sampled_from((*FOUNDERS, *RECRUITS)))
    def crash(self, back: int, name: str) -> None:
        """Stop a validator after it stored a vote and before it signed; it goes on from what it stored."""
        chain = self.pick(back)
        vote = chain.get_duty()
        if vote is not None and chain.is_voter(name) and is_safe_vote(self.books.get(name), vote):
            self.books[name] = make_last_vote(vote)

    @rule(back=st.integers(0, 12))
    def accuse(self, back: int) -> None:
        """Bring what the traitor signed to a chain: its two signatures alone cost it everything there."""
        chain = self.pick(back)
        evidence = self.find_violation(TRAITOR)
        if evidence is None or not chain.has_stake(TRAITOR):
            return
        child = self.extend(chain, evidence=(evidence,))
        assert not child.has_stake(TRAITOR)
        assert not child.is_voter(TRAITOR)

    # ---- what rules share

    def go_on(self, chain: VotingChain, group: Group, *, with_traitor: bool, rounds: int, change: str) -> None:
        """Let a chain go on, with the votes of a group; members change with the first checkpoint."""
        for count in range(rounds):
            joins, leaves = self.choose_members(chain, change) if count == 0 else ((), ())
            voters = choose_voters(chain, group)
            votes = self.collect(chain, (*voters, TRAITOR) if with_traitor else voters)
            chain = self.extend(chain, votes=votes, joins=joins, leaves=leaves)

    def pick(self, back: int) -> VotingChain:
        """Return one of the newest chains."""
        return self.chains[max(len(self.chains) - 1 - back, 0)]

    def choose_members(self, chain: VotingChain, change: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return who joins and who leaves, such that the traitor keeps less than a third of the candidates' stake."""
        standing = chain.list_candidates()
        old = tuple(name for name in HONEST if name in standing)
        new = tuple(name for name in HONEST if name not in standing)
        joins = {"join": new[:1], "join all": new, "swap": new}.get(change, ())
        leaves = {"leave": old[:1], "swap": old}.get(change, ())
        rest = sum(STAKES[name] for name in (standing | {*joins}) - {*leaves, TRAITOR})
        return (joins, leaves) if rest > 2 * STAKES[TRAITOR] else (joins, ())

    def collect(self, chain: VotingChain, names: tuple[str, ...]) -> tuple[SignedVote, ...]:
        """Return the votes for a chain's checkpoint that these sign now or signed before."""
        vote = chain.get_duty()
        if vote is None:
            return ()
        signed = (self.sign(name, vote) for name in names if chain.is_voter(name))
        return tuple(each for each in signed if each is not None)

    def sign(self, name: str, vote: Vote) -> SignedVote | None:
        """Return an account's vote, or None when it must not sign; the traitor signs anything."""
        known = self.signed[name].get(vote)
        if known is not None:
            return known
        if name != TRAITOR:
            if not is_safe_vote(self.books.get(name), vote):
                return None
            self.books[name] = make_last_vote(vote)
            conflicts = [other for other in self.signed[name] if is_slashable(vote, other)]
            assert not conflicts, "an honest key can be slashed"
        self.signed[name][vote] = sign_vote(name, vote)
        return self.signed[name][vote]

    def find_violation(self, name: str) -> Evidence | None:
        """Return two votes of an account that no honest one signs both."""
        votes = list(self.signed[name])
        for index, one in enumerate(votes):
            for two in votes[:index]:
                if is_slashable(one, two):
                    return Evidence(one=self.signed[name][one], two=self.signed[name][two])
        return None

    def extend(self, chain: VotingChain, **what: tuple[object, ...]) -> VotingChain:
        """Grow a chain by a checkpoint, and compare what is final."""
        self.salt += 1
        child = chain.grow(Step(salt=self.salt, **what))
        self.chains.append(child)
        self.by_hash[child.head.hash] = child
        self.parents[child.head.hash] = chain.head
        if child.status.finalized not in self.final:
            for other in self.final:
                low, high = sorted((other, child.status.finalized), key=lambda checkpoint: checkpoint.height)
                if not self.is_above(high, low):
                    raise ConflictFinal(f"both {low.height} and {high.height} are final, on different chains")
            self.final.append(child.status.finalized)
        return child

    def is_above(self, high: Checkpoint, low: Checkpoint) -> bool:
        """Say whether `low` is on the chain of `high`, or the same."""
        while high.height > low.height:
            high = self.parents[high.hash]
        return high == low


def choose_voters(chain: VotingChain, group: Group) -> tuple[str, ...]:
    """Return the honest members of a group on a chain."""
    match group:
        case "all":
            return HONEST
        case "current" | "previous":
            keys = {voter.key for voter in getattr(chain.sets, group)}
            return tuple(name for name in HONEST if get_vote_key(name) in keys)
        case "left" | "right":
            return tuple(name for number, name in enumerate(HONEST) if (number % 4 < 2) == (group == "left"))
        case "none":
            return ()
        case _:
            return tuple(group)


def run(make_chain: Callable[[], VotingChain], *, examples: int, steps: int, shrink: bool = True) -> None:
    """Play against chains of this kind."""

    class Machine(SafetyMachine):
        pass

    Machine.make_chain = staticmethod(make_chain)
    phases = (Phase.explicit, Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=not shrink,
            phases=phases,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_conflict_on_the_real_pallets() -> None:
    """Blocks, signed calls and invariants; the pure functions say the same after each step."""
    run(make_both_chains, examples=20, steps=15)


def test_no_conflict_on_the_pure_functions() -> None:
    run(make_pure_chain, examples=150, steps=25)


@pytest.mark.slow
def test_no_conflict_in_thousands_of_schedules() -> None:
    run(make_pure_chain, examples=4_000, steps=30)
    run(make_both_chains, examples=200, steps=20)


@pytest.mark.parametrize("quorum", [HALF, ONE_SET], ids=["half", "one set"])
def test_the_same_machine_finds_the_conflict_of_a_weaker_rule(quorum: Quorum) -> None:
    """Two thirds and both sets are needed, not only enough."""
    with pytest.raises(ConflictFinal):
        run(lambda: make_pure_chain(quorum), examples=4_000, steps=20, shrink=False)


# ---- the same by hand


def go(chain: VotingChain, salt: int, *names: str, **what: tuple[str, ...]) -> VotingChain:
    """Grow a chain with these votes, whoever signs them."""
    vote = chain.get_duty()
    votes = tuple(sign_vote(name, vote) for name in names) if vote is not None else ()
    return chain.grow(Step(salt=salt, votes=votes, **what))


def test_fin_13_without_the_previous_set_two_sets_without_a_common_member_finalise_apart() -> None:
    """FIN-13: the founders on one chain, the recruits on the other; nobody breaks a rule, and both are final."""
    heights: dict[Quorum, tuple[int, int]] = {}
    for quorum in (Quorum(), ONE_SET):
        chain: VotingChain = make_pure_chain(quorum)
        chain = go(chain, 1, joins=RECRUITS, leaves=FOUNDERS)
        for salt in (2, 3):
            chain = go(chain, salt, *FOUNDERS)
        left = go(chain, 4, *FOUNDERS)
        right = go(chain, 5)
        for salt in (6, 8):
            left = go(left, salt, *RECRUITS)
            right = go(right, salt + 1, *FOUNDERS)
        heights[quorum] = left.status.finalized.height, right.status.finalized.height
    assert chain.head.height == 6
    assert heights[ONE_SET] == (8, 8)
    assert heights[Quorum()] == (4, 8)


def test_accountable_safety_a_conflict_names_a_third_of_the_stake() -> None:
    """Who votes on both sides can make two conflicting checkpoints final; their signatures are all the evidence."""
    guilty = (TRAITOR, "f1", "f2")
    root = go(make_pure_chain(), 1)
    sides = {"f3": root, "f4": go(make_pure_chain(), 2)}
    signed: dict[str, list[Vote]] = {name: [] for name in STAKES}
    for salt in (3, 5, 7):
        for name, side in sides.items():
            duty = side.get_duty()
            assert duty is not None
            for voter in (*guilty, name):
                signed[voter].append(duty)
            sides[name] = go(side, salt, *guilty, name)
    final = [side.status.finalized for side in sides.values()]
    assert [checkpoint.height for checkpoint in final] == [4, 4]
    assert final[0] != final[1]
    found = {name for name, votes in signed.items() for one in votes for two in votes if is_slashable(one, two)}
    assert found == {*guilty}
    assert 3 * sum(STAKES[name] for name in found) >= sum(STAKES[name] for name in (*FOUNDERS, TRAITOR))
