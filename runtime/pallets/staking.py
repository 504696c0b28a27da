"""Staking: bonds, candidates, and the sets of validators that vote.

Terms:
    candidate: a bonded account that gave a vote key and stands for the next set.
    set: who votes in a dynasty, with which key and stake; `consensus.ballot` says how sets move on.
    leak: what absent validators lose while nothing becomes final. slash: everything, for what no honest one signs.

Invariants: an account's hold is its ledger's total; a candidate's stake is its ledger's active stake; stake in a set is
still bonded or a chunk; candidates and sets are sorted and bounded; a vote key belongs to one account for ever.

Source: Buterin, Griffith, arXiv:1710.09437, sections 4.1 and 4.2; pallet_staking for names.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from chain.metadata import ConstantMeta
from chain.params import Params
from chain.scale import codec_of_alias
from chain.scale_shapes import H256, U32, U128, AccountId, CompactU128
from consensus.ballot import Voter, sort_voters
from runtime.dispatch import InvariantBroken, Pallet, call
from runtime.environment import Environment
from runtime.pallets.balances import HOLDS, HoldReason, IdAmount, burn_held, hold, release
from runtime.staking_checks import (
    AlreadyBonded,
    BondTooSmall,
    CandidatesFull,
    InvalidVoteKey,
    KeyTaken,
    LastValidator,
    NotBonded,
    NothingRipe,
    NotValidating,
    TooManyChunks,
    Validating,
    WrongAmount,
    is_vote_key,
)
from runtime.staking_records import CHUNKS_MAX, DYNASTIES_UNTIL_OUT, KeyOwner, Ledger, add_chunk
from runtime.staking_state import (
    CANDIDATES,
    DYNASTY,
    DYNASTY_STARTS,
    KEY_OWNERS,
    LEDGERS,
    NAME,
    SETS,
    Chilled,
    DynastyStarted,
    Leaked,
    Slashed,
    find_candidate,
    get_ledger,
    set_ledger,
    update_candidate,
)
from runtime.storage import Overlay
from runtime.weights import STAKE

# ---- parameters

KEY_RECORD_BYTES = 65

# ---- events


class Bonded(msgspec.Struct, frozen=True, kw_only=True):
    """Stake was bonded."""

    stash: AccountId
    amount: U128


class Unbonded(msgspec.Struct, frozen=True, kw_only=True):
    """Stake was unbonded; it counts in no set from this dynasty on, and is ripe `unbonding_blocks` later."""

    stash: AccountId
    amount: U128
    dynasty: U32


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """Ripe stake is free again."""

    stash: AccountId
    amount: U128


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An account stands for the next set, or with a new key."""

    stash: AccountId
    vote_key: H256


# ---- storage and other events: runtime.staking_state; errors: runtime.staking_checks

# ---- calls


@call(index=0, weight=STAKE)
def bond(env: Environment, origin: bytes, amount: CompactU128) -> None:
    """Bond stake; it goes on hold, and stands for nothing until `validate`."""
    # SPEC STK-01: An account MUST have at most one ledger, which `bond` makes.
    if LEDGERS.find(env.state, origin) is not None:
        raise AlreadyBonded("the account has bonded before; bond_extra adds to it")
    _add_stake(env, origin, Ledger(active=0), amount)


@call(index=1, weight=STAKE)
def bond_extra(env: Environment, origin: bytes, amount: CompactU128) -> None:
    """Bond more stake."""
    _add_stake(env, origin, get_ledger(env.state, origin), amount)


@call(index=2, weight=STAKE)
def unbond(env: Environment, origin: bytes, amount: CompactU128) -> None:
    """Begin to take stake back; until it is ripe it can be slashed."""
    state, ledger = env.state, get_ledger(env.state, origin)
    # SPEC STK-04: An amount to unbond MUST be above zero and at most the active stake.
    if not 0 < amount <= ledger.active:
        raise WrongAmount(f"{amount} planck cannot be unbonded of {ledger.active} active ones")
    rest = ledger.active - amount
    # SPEC STK-05: A candidate MUST keep bond_min_planck active; it chills before it unbonds the rest.
    if rest < env.params.staking.bond_min_planck and find_candidate(state, origin) is not None:
        raise Validating(f"{rest} planck would stay active of a candidate, fewer than the least bond; chill first")
    # SPEC STK-02: What stays or becomes active by a call MUST be zero or at least bond_min_planck.
    if 0 < rest < env.params.staking.bond_min_planck:
        raise BondTooSmall(f"{rest} planck would stay active; unbond everything, or leave the least bond")
    # SPEC STK-06: Unbonded stake MUST wait until it counts in no set, and then unbonding_blocks blocks.
    dynasty = DYNASTY.get(state).number + DYNASTIES_UNTIL_OUT
    ledger = add_chunk(ledger, amount, dynasty)
    # SPEC STK-07: A ledger MUST NOT have more than 32 chunks.
    if len(ledger.chunks) > CHUNKS_MAX:
        raise TooManyChunks(f"{CHUNKS_MAX} amounts are being unbonded; withdraw the ripe ones first")
    LEDGERS.set(state, origin, ledger)
    update_candidate(env, origin, ledger.active)
    env.deposit_event(Unbonded(stash=origin, amount=amount, dynasty=dynasty))


@call(index=3, weight=STAKE)
def withdraw_unbonded(env: Environment, origin: bytes) -> None:
    """Free what is ripe."""
    ledger = get_ledger(env.state, origin)
    ripe = sum(chunk.amount for chunk in ledger.chunks if is_ripe(env, chunk.dynasty))
    if ripe == 0:
        raise NothingRipe("nothing that was unbonded is ripe yet")
    chunks = tuple(chunk for chunk in ledger.chunks if not is_ripe(env, chunk.dynasty))
    set_ledger(env.state, origin, replace(ledger, chunks=chunks))
    release(env, origin, HoldReason.Staking, ripe)
    env.deposit_event(Withdrawn(stash=origin, amount=ripe))


@call(index=4, weight=STAKE)
def validate(env: Environment, origin: bytes, vote_key: H256) -> None:
    """Stand for the next set with a vote key, or change the key.

    A key that is new to the chain costs the price of its record, which stays for ever.
    """
    state, params = env.state, env.params
    ledger = get_ledger(state, origin)
    if ledger.active < params.staking.bond_min_planck:
        raise BondTooSmall(f"{ledger.active} planck are active, a validator needs {params.staking.bond_min_planck}")
    if not is_vote_key(vote_key):
        raise InvalidVoteKey("no signature by this vote key can be valid")
    owner = KEY_OWNERS.find(state, vote_key)
    # SPEC STK-09: A vote key MUST belong for ever to the account that gave it first, and to nobody once it is slashed.
    if owner is not None and (owner.is_slashed or owner.account != origin):
        raise KeyTaken("the vote key was slashed" if owner.is_slashed else "the vote key belongs to another account")
    if owner is None:
        price = compute_key_price(params)
        hold(env, origin, HoldReason.Staking, price)
        burn_held(env, origin, HoldReason.Staking, price)
        KEY_OWNERS.set(state, vote_key, KeyOwner(account=origin))
    _put_candidate(env, Voter(account=origin, key=vote_key, stake=ledger.active))
    env.deposit_event(Standing(stash=origin, vote_key=vote_key))


@call(index=5, weight=STAKE)
def chill(env: Environment, origin: bytes) -> None:
    """Do not stand for the next set any more."""
    state = env.state
    if find_candidate(state, origin) is None:
        raise NotValidating("the account is no candidate")
    others = tuple(voter for voter in CANDIDATES.get(state) if voter.account != origin)
    sets = SETS.get(state)
    # SPEC STK-10: While a set has members, the last candidate MUST NOT leave.
    if not others and (sets.current or sets.next):
        raise LastValidator("nobody else stands; the chain would have no validators")
    CANDIDATES.set(state, others)
    env.deposit_event(Chilled(stash=origin))


# ---- what calls share


def compute_key_price(params: Params) -> int:
    """Return what the record of a new vote key costs; it is burnt."""
    return params.money.deposit_base_planck + KEY_RECORD_BYTES * params.money.deposit_per_byte_planck


def is_ripe(env: Environment, dynasty: int) -> bool:
    """Say whether stake that is in no set from `dynasty` on may be withdrawn."""
    present = DYNASTY.get(env.state)
    if dynasty > present.number:
        return False
    if dynasty < present.oldest:
        return True
    return env.number >= DYNASTY_STARTS.get(env.state, dynasty) + env.params.staking.unbonding_blocks


def _add_stake(env: Environment, who: bytes, ledger: Ledger, amount: int) -> None:
    active, least = ledger.active + amount, env.params.staking.bond_min_planck
    if amount == 0 or active < least:
        raise BondTooSmall(f"{active} planck would be active, the least bond is {least}")
    hold(env, who, HoldReason.Staking, amount)
    LEDGERS.set(env.state, who, replace(ledger, active=active))
    update_candidate(env, who, active)
    env.deposit_event(Bonded(stash=who, amount=amount))


def _put_candidate(env: Environment, voter: Voter) -> None:
    """Take a candidate in; when there are too many, the least stake goes."""
    others = tuple(other for other in CANDIDATES.get(env.state) if other.account != voter.account)
    candidates = sort_voters((*others, voter))
    # SPEC STK-11: At most candidates_max accounts MAY stand; the one with the least stake is displaced.
    if len(candidates) > env.params.staking.candidates_max:
        *candidates_kept, last = candidates
        if last.account == voter.account:
            raise CandidatesFull(f"{len(others)} accounts with as much stake or more stand already")
        candidates = tuple(candidates_kept)
        env.deposit_event(Chilled(stash=last.account))
    CANDIDATES.set(env.state, candidates)


# ---- invariants


def check_invariants(state: Overlay, params: Params) -> None:
    """Refuse a state whose ledgers, candidates and sets do not fit each other and the holds."""
    ledgers = dict(LEDGERS.iterate(state))
    held = {who: amount for who, items in HOLDS.iterate(state) if (amount := _get_staking_hold(items))}
    if held != {who: ledger.total for who, ledger in ledgers.items()}:
        raise InvariantBroken("the holds differ from what the ledgers say")
    candidates = CANDIDATES.get(state)
    _check_voters(candidates, ledgers, params.staking.candidates_max)
    for voter in candidates:
        owner = KEY_OWNERS.get(state, voter.key)
        if owner.is_slashed or owner.account != voter.account:
            raise InvariantBroken(f"the candidate 0x{voter.account.hex()} has a key that is not its own")
        if ledgers[voter.account].active != voter.stake:
            raise InvariantBroken(f"the candidate 0x{voter.account.hex()} stands with stake that is not active")
    sets = SETS.get(state)
    for voters in (sets.previous, sets.current, sets.next):
        _check_voters(voters, ledgers, params.staking.validators_max)
    dynasty = DYNASTY.get(state)
    starts = {number for number, _ in DYNASTY_STARTS.iterate(state)}
    if starts - {0} != set(range(max(dynasty.oldest, 1), dynasty.number + 1)):
        raise InvariantBroken("the kept beginnings of dynasties have a gap")


def _check_voters(voters: tuple[Voter, ...], ledgers: dict[bytes, Ledger], most: int) -> None:
    if voters != sort_voters(voters) or len(voters) > most:
        raise InvariantBroken("candidates or validators are not sorted, or too many")
    if len({voter.account for voter in voters}) < len(voters) or len({voter.key for voter in voters}) < len(voters):
        raise InvariantBroken("a candidate or validator is listed twice")
    for voter in voters:
        if not 0 < voter.stake <= (ledgers[voter.account].total if voter.account in ledgers else 0):
            raise InvariantBroken(f"0x{voter.account.hex()} counts with more stake than it has bonded")


def _get_staking_hold(items: tuple[IdAmount, ...]) -> int:
    return sum(item.amount for item in items if item.id is HoldReason.Staking)


def make_constants(params: Params) -> tuple[ConstantMeta, ...]:
    """Return what clients read from the metadata."""
    staking = params.staking
    rows = (
        ("BondMin", U128, staking.bond_min_planck),
        ("ValidatorsMax", U32, staking.validators_max),
        ("CandidatesMax", U32, staking.candidates_max),
        ("UnbondingBlocks", U32, staking.unbonding_blocks),
        ("EvidenceBlocks", U32, staking.evidence_blocks),
        ("VoteKeyPrice", U128, compute_key_price(params)),
    )
    return tuple(
        ConstantMeta(name=name, annotation=kind, value=codec_of_alias(kind).encode(value)) for name, kind, value in rows
    )


STAKING = Pallet(
    name=NAME,
    index=8,
    storage=(LEDGERS, KEY_OWNERS, CANDIDATES, SETS, DYNASTY, DYNASTY_STARTS),
    events=(Bonded, Unbonded, Withdrawn, Standing, Chilled, Slashed, Leaked, DynastyStarted),
    errors=(
        AlreadyBonded,
        BondTooSmall,
        NotBonded,
        WrongAmount,
        Validating,
        TooManyChunks,
        NothingRipe,
        InvalidVoteKey,
        KeyTaken,
        NotValidating,
        LastValidator,
        CandidatesFull,
    ),
    calls=(bond, bond_extra, unbond, withdraw_unbonded, validate, chill),
    constants=make_constants,
    check_invariants=check_invariants,
)
