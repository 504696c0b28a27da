"""The state of solutions: commits that wait for their reveal, and the order in which everything was committed.

Calls of accounts are in `runtime.pallets.solutions`, which lists these items.

Terms:
    commit: an account's promise of a solution that it does not show yet. waiting: committed, not revealed, not burnt.
    place: the number of a commit, or of an author's solution, in the order of all of the chain.
"""

from __future__ import annotations

import msgspec

from chain.scale_shapes import H256, U32, U64, U128, AccountId
from runtime.storage import Overlay, StorageMap, StorageValue

NAME = "Solutions"


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that waits.

    Attributes:
        height: The block that holds it.
        deposit: What the account has on hold for it.
    """

    account: AccountId
    commitment: H256
    place: U64
    height: U32
    deposit: U128


# ---- storage

COMMITS: StorageMap[int, tuple[Commit, ...]] = StorageMap(
    NAME,
    "Commits",
    (U64, tuple[Commit, ...]),
    hasher="Twox64Concat",
    default=(),
    docs="The commits of each problem that wait for their reveal, in the order of their places.",
)
NEXT_PLACE: StorageValue[int] = StorageValue(NAME, "NextPlace", U64, 0, docs="The place of the next commit.")


def take_place(state: Overlay) -> int:
    """Return the next place, which nobody gets again."""
    # SPEC SOL-05: Each commit and each author's solution MUST get the next place, in the order of the calls.
    place = NEXT_PLACE.get(state)
    NEXT_PLACE.set(state, place + 1)
    return place


def set_waiting(state: Overlay, problem: int, commits: tuple[Commit, ...]) -> None:
    """Keep the commits of a problem that wait."""
    if commits:
        COMMITS.set(state, problem, commits)
    else:
        COMMITS.remove(state, problem)
