"""The state of block 0 from a chain spec's params and its genesis config.

Terms:
    config: what a chain spec may say beside the params: endowed accounts, and who of them validates from block 1 on.

Invariants: the total issuance is the sum of the endowments, bonded stake included; the state holds the hash of the
params, so that two chains with other params have other genesis hashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from chain.hashing import blake2b_256
from chain.params import Params
from chain.substrate_types import NEW_LOGIC_FLAG, AccountData, AccountInfo
from consensus.asert import compute_initial_target
from consensus.ballot import Voter, VoterSets, make_genesis_status, sort_voters
from runtime.pallets.balances import HOLDS, TOTAL_ISSUANCE, HoldReason, IdAmount
from runtime.pallets.finality import STATUS
from runtime.pallets.system import ACCOUNT, NUMBER, PARAMS_HASH
from runtime.pallets.timestamp import NOW
from runtime.pallets.transaction_payment import NEXT_FEE_MULTIPLIER, ONE
from runtime.pallets.work import NEXT_TARGET
from runtime.problem_state import NEXT_ID, OPEN_COUNT
from runtime.staking_checks import is_vote_key
from runtime.staking_records import KeyOwner, Ledger
from runtime.staking_state import CANDIDATES, KEY_OWNERS, LEDGERS, SETS
from runtime.storage import Overlay

ENDOWMENTS_MAX = 2**127  # rewards of all blocks together stay below 2^96


class InvalidGenesis(Exception):
    """A genesis config that no chain can begin with."""

    rule: ClassVar[str] = "RUN-25"


class GenesisConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What block 0 begins with.

    Attributes:
        balances: Accounts and their endowments in planck.
        validators: Endowed accounts, their vote keys, and how much of the endowment is bonded.
    """

    balances: tuple[tuple[bytes, int], ...] = ()
    validators: tuple[tuple[bytes, bytes, int], ...] = ()


class EmptyView:
    """A state without entries."""

    def get(self, key: bytes) -> bytes | None:
        """Return None."""
        return None

    def iterate(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield nothing."""
        return iter(())


def build_genesis_state(params: Params, config: GenesisConfig) -> dict[bytes, bytes]:
    """Return the storage of block 0.

    Raises:
        InvalidGenesis: an account twice, or with less than the existential deposit; validators that cannot be.
    """
    state = Overlay(EmptyView())
    total = 0
    for who, free in config.balances:
        # SPEC RUN-25: A genesis config MUST endow each account once, with at least the existential deposit.
        if free < params.money.existential_deposit_planck:
            raise InvalidGenesis(f"account 0x{who.hex()} is endowed with {free} planck, below the existential deposit")
        if ACCOUNT.find(state, who) is not None:
            raise InvalidGenesis(f"account 0x{who.hex()} is endowed twice")
        ACCOUNT.set(state, who, AccountInfo(providers=1, data=AccountData(free=free, flags=NEW_LOGIC_FLAG)))
        total += free
    if total >= ENDOWMENTS_MAX:
        raise InvalidGenesis("the endowments together have 2^127 planck or more, which leaves no room for rewards")
    TOTAL_ISSUANCE.set(state, total)
    NUMBER.set(state, 0)
    NOW.set(state, 0)
    NEXT_FEE_MULTIPLIER.set(state, ONE)
    NEXT_ID.set(state, 0)
    OPEN_COUNT.set(state, 0)
    NEXT_TARGET.set(state, compute_initial_target(params.work))
    # SPEC RUN-26: The genesis state MUST hold the hash of the chain spec's params.
    PARAMS_HASH.set(state, compute_params_hash(params))
    _bond_validators(state, params, config.validators)
    return {key: value for key, value in state.changes().items() if value is not None}


def _bond_validators(state: Overlay, params: Params, rows: tuple[tuple[bytes, bytes, int], ...]) -> None:
    if not rows:
        return
    least, existential = params.staking.bond_min_planck, params.money.existential_deposit_planck
    # SPEC RUN-27: A genesis config MUST NOT have more than validators_max validators, each an endowed account with a
    # vote key of its own, at least bond_min_planck bonded and the existential deposit free.
    if len(rows) > params.staking.validators_max:
        raise InvalidGenesis(f"{len(rows)} validators, the params allow {params.staking.validators_max}")
    for who, key, amount in rows:
        if not is_vote_key(key):
            raise InvalidGenesis(f"0x{key.hex()} is no vote key")
        info = ACCOUNT.get(state, who)
        if info.data.reserved or KEY_OWNERS.find(state, key) is not None:
            raise InvalidGenesis(f"the validator 0x{who.hex()} or its vote key is listed twice")
        if amount < least or info.data.free - amount < existential:
            raise InvalidGenesis(
                f"the validator 0x{who.hex()} bonds {amount} planck of {info.data.free}; the least bond is {least}, and"
                f" {existential} must stay free"
            )
        data = AccountData(free=info.data.free - amount, reserved=amount, flags=NEW_LOGIC_FLAG)
        ACCOUNT.set(state, who, AccountInfo(providers=1, consumers=1, data=data))
        HOLDS.set(state, who, (IdAmount(id=HoldReason.Staking, amount=amount),))
        LEDGERS.set(state, who, Ledger(active=amount))
        KEY_OWNERS.set(state, key, KeyOwner(account=who))
    voters = sort_voters(Voter(account=who, key=key, stake=amount) for who, key, amount in rows)
    CANDIDATES.set(state, voters)
    SETS.set(state, VoterSets(previous=voters, current=voters, next=voters))
    STATUS.set(state, make_genesis_status(bytes(32), is_attended=True))


def compute_params_hash(params: Params) -> bytes:
    """Return blake2b-256 of the params as JSON with sorted keys."""
    return blake2b_256(msgspec.json.encode(params, order="sorted"))
