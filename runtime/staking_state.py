"""The state of staking, and what happens to it at the end of a dynasty, on evidence and while nothing becomes final.

Calls of accounts are in `runtime.pallets.staking`, which lists these items; the finality pallet calls the functions.

Terms:
    candidate, set, slash, leak: as in `runtime.pallets.staking`.

Invariants: those of `runtime.pallets.staking`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec.structs import replace

from chain.scale_shapes import H256, U32, U128, AccountId
from consensus.ballot import Voter, VoterSets, compute_stake, move_sets, sort_voters
from runtime.environment import Environment
from runtime.limits import BILLION
from runtime.pallets.balances import HoldReason, burn_held, pay_from_hold
from runtime.staking_checks import NotBonded
from runtime.staking_records import Dynasty, KeyOwner, Ledger, leak_stake
from runtime.storage import Overlay, StorageMap, StorageValue

NAME = "Staking"

# ---- storage

LEDGERS: StorageMap[bytes, Ledger] = StorageMap(NAME, "Ledgers", (AccountId, Ledger), docs="What accounts have bonded.")
KEY_OWNERS: StorageMap[bytes, KeyOwner] = StorageMap(
    NAME, "KeyOwners", (H256, KeyOwner), docs="Whose a vote key is, for ever."
)
CANDIDATES: StorageValue[tuple[Voter, ...]] = StorageValue(
    NAME, "Candidates", tuple[Voter, ...], (), docs="Who stands for the next set, most stake first."
)
SETS: StorageValue[VoterSets] = StorageValue(
    NAME, "Sets", VoterSets, VoterSets(), docs="The validators of the dynasty before, of this one and of the next."
)
DYNASTY: StorageValue[Dynasty] = StorageValue(NAME, "Dynasty", Dynasty, Dynasty(), docs="The present dynasty.")
DYNASTY_STARTS: StorageMap[int, int] = StorageMap(
    NAME, "DynastyStarts", (U32, U32), hasher="Twox64Concat", docs="Where recent dynasties began."
)

# ---- events that are not of calls


class Chilled(msgspec.Struct, frozen=True, kw_only=True):
    """An account does not stand any more: it said so, or accounts with more stake displaced it."""

    stash: AccountId


class Slashed(msgspec.Struct, frozen=True, kw_only=True):
    """All stake of an account was taken."""

    stash: AccountId
    amount: U128
    finder: AccountId
    finder_share: U128


class Leaked(msgspec.Struct, frozen=True, kw_only=True):
    """An absent validator lost stake because nothing becomes final."""

    stash: AccountId
    amount: U128


class DynastyStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The sets moved on."""

    dynasty: U32
    validators: U32
    stake: U128


# ---- ledgers and candidates


def get_ledger(state: Overlay, who: bytes) -> Ledger:
    """Return an account's ledger.

    Raises:
        NotBonded
    """
    ledger = LEDGERS.find(state, who)
    # SPEC STK-03: A call about bonded stake MUST come from an account that has a ledger.
    if ledger is None:
        raise NotBonded("the account has bonded nothing")
    return ledger


def find_candidate(state: Overlay, who: bytes) -> Voter | None:
    """Return an account's candidacy, or None."""
    return next((voter for voter in CANDIDATES.get(state) if voter.account == who), None)


def set_ledger(state: Overlay, who: bytes, ledger: Ledger) -> None:
    """Keep a ledger, or forget an empty one."""
    if ledger.total:
        LEDGERS.set(state, who, ledger)
    else:
        LEDGERS.remove(state, who)


def update_candidate(env: Environment, who: bytes, active: int) -> None:
    """Let a candidacy follow the ledger."""
    voter = find_candidate(env.state, who)
    if voter is None:
        return
    others = tuple(other for other in CANDIDATES.get(env.state) if other.account != who)
    CANDIDATES.set(env.state, sort_voters((*others, replace(voter, stake=active))) if active else others)


# ---- dynasties, slashes and leaks


def start_dynasty(env: Environment) -> VoterSets:
    """Move the sets on, and return the new ones."""
    state, staking = env.state, env.params.staking
    sets = move_sets(
        SETS.get(state),
        CANDIDATES.get(state),
        stake_min=staking.bond_min_planck,
        validators_max=staking.validators_max,
    )
    before = DYNASTY.get(state)
    number, oldest = before.number + 1, before.oldest
    for _ in range(2):  # one begins, so at most one is to be forgotten; the second catches up after a wait
        if oldest < number and _get_start(state, oldest) + staking.unbonding_blocks <= env.number:
            DYNASTY_STARTS.remove(state, oldest)
            oldest += 1
    SETS.set(state, sets)
    DYNASTY.set(state, Dynasty(number=number, started_at=env.number, oldest=oldest))
    DYNASTY_STARTS.set(state, number, env.number)
    env.deposit_event(DynastyStarted(dynasty=number, validators=len(sets.current), stake=compute_stake(sets.current)))
    return sets


def _get_start(state: Overlay, dynasty: int) -> int:
    return DYNASTY_STARTS.find(state, dynasty) or 0


def slash(env: Environment, who: bytes, key: bytes) -> int:
    """Take everything that an account has bonded, for what its key signed, and return the amount.

    Raises:
        NotBonded: nothing is left to take.
    """
    state = env.state
    amount = get_ledger(state, who).total
    # SPEC STK-12: A violation MUST cost everything that is bonded or waits; the author who includes the evidence gets
    # finder_share_ppb of it, the rest is burnt.
    share = amount * env.params.finality.finder_share_ppb // BILLION
    pay_from_hold(env, who, HoldReason.Staking, dest=env.author, amount=share)
    burn_held(env, who, HoldReason.Staking, amount - share)
    LEDGERS.remove(state, who)
    KEY_OWNERS.set(state, key, KeyOwner(account=who, is_slashed=True))
    # SPEC STK-13: A slashed account MUST leave the candidates and every set at once.
    CANDIDATES.set(state, tuple(voter for voter in CANDIDATES.get(state) if voter.account != who))
    _change_sets(state, {who: (1, 1)})
    env.deposit_event(Slashed(stash=who, amount=amount, finder=env.author, finder_share=share))
    return amount


def leak(env: Environment, absent: frozenset[bytes], *, checkpoints: int) -> None:
    """Take stake from absent validators.

    Args:
        absent: Accounts of the sets.
        checkpoints: How many checkpoints ago the last one became final.
    """
    state, quotient = env.state, env.params.finality.leak_quotient
    part = min(checkpoints, quotient)
    dynasty = DYNASTY.get(state).number
    for who in sorted(absent):
        before = get_ledger(state, who)
        ledger = leak_stake(before, part=part, whole=quotient, dynasty=dynasty)
        amount = before.total - ledger.total
        burn_held(env, who, HoldReason.Staking, amount)
        set_ledger(state, who, ledger)
        update_candidate(env, who, ledger.active)
        env.deposit_event(Leaked(stash=who, amount=amount))
    _change_sets(state, dict.fromkeys(absent, (part, quotient)))


def _change_sets(state: Overlay, losses: Mapping[bytes, tuple[int, int]]) -> None:
    """Lower the stake of accounts in every set by a fraction, the loss rounded up, so that a set can become empty."""
    sets = SETS.get(state)
    SETS.set(
        state,
        VoterSets(
            previous=sort_voters(_lower(sets.previous, losses)),
            current=sort_voters(_lower(sets.current, losses)),
            next=sort_voters(_lower(sets.next, losses)),
        ),
    )


def _lower(voters: tuple[Voter, ...], losses: Mapping[bytes, tuple[int, int]]) -> Iterator[Voter]:
    for voter in voters:
        part, whole = losses.get(voter.account, (0, 1))
        stake = voter.stake * (whole - part) // whole
        if stake:
            yield replace(voter, stake=stake)
