"""What a stake command sends, and the sentences for what the chain would refuse, with figures and what to do.

The chain decides; these checks only know the same state a little earlier, so that a dry run tells it too.
"""

from __future__ import annotations

from typing import NoReturn, cast

from chain.ss58 import InvalidAddress, decode_address, encode_address
from matchstrike.commands.amounts import format_amount
from matchstrike.commands.failure import FAILED, CommandFailed
from matchstrike.commands.spending import NOTHING_SENT, Plan
from matchstrike.commands.stake_view import (
    Bonded,
    Ripening,
    StakeView,
    find_bonded,
    find_owner,
    read_block_ms,
    read_ripening,
    read_view,
)
from rpc.api import Json
from wallet.chain_client import ChainClient, read_int

KEY_BYTES = 32
# what to do about a refusal that the checks below could not foresee
ADVICE = {
    "AlreadyBonded": "Try again: the next `stake bond` adds to it.",
    "BondTooSmall": "Give more, or unbond everything.",
    "NotBonded": "Begin with `stake bond AMOUNT`.",
    "WrongAmount": "`stake status` shows what is active.",
    "Validating": "Run `stake chill` first.",
    "NothingRipe": "`stake status` shows from which block on.",
    "TooManyChunks": "Run `stake withdraw` once a part is ripe, and then again.",
    "InvalidVoteKey": "Take the public key of `matchstrike-node key generate`.",
    "KeyTaken": "Make a new vote key with `matchstrike-node key generate`.",
    "NotValidating": "There is nothing to leave; `stake unbond AMOUNT` takes the stake back.",
    "LastValidator": "Wait until another account stands (`stake validators`), then chill.",
    "CandidatesFull": "Bond more than the least that stands (`stake validators`).",
}


async def plan_bond(chain: ChainClient, who: bytes, amount: int) -> Plan:
    """Return the call that bonds, or adds to what is bonded.

    Raises:
        CommandFailed: less than the least bond would be active.
    """
    view = await read_view(chain)
    bonded = await find_bonded(chain, view, who)
    active = amount + (0 if bonded is None else bonded.active)
    if amount == 0 or active < view.rules.bond_min:
        least = _show(chain, view.rules.bond_min)
        _refuse(f"{_show(chain, active)} would be active, and the least bond is {least}")
    name = "bond" if bonded is None else "bond_extra"
    return Plan(call=chain.metadata.encode_call("Staking", name, amount=amount), spends=(("bond", amount),))


async def plan_unbond(chain: ChainClient, who: bytes, amount: int | None) -> Plan:
    """Return the call that begins to take stake back.

    Args:
        amount: None for everything that is active.

    Raises:
        CommandFailed: there is not so much, or too little would stay.
    """
    view = await read_view(chain)
    bonded = await _get_bonded(chain, view, who)
    taken = bonded.active if amount is None else amount
    least, rest = view.rules.bond_min, bonded.active - taken
    if taken == 0 or rest < 0:
        _refuse(f"{_show(chain, bonded.active)} are active, so {_show(chain, taken)} cannot be unbonded")
    is_standing = view.find_candidate(encode_address(who, chain.ss58_prefix)) is not None
    if rest < least and is_standing:
        _refuse(
            f"{_show(chain, rest)} would stay active, and a validator keeps at least {_show(chain, least)}; "
            "run `matchstrike stake chill` first, which ends its voting, and then unbond"
        )
    if 0 < rest < least:
        _refuse(
            f"{_show(chain, rest)} would stay active, less than the least bond {_show(chain, least)}; leave as much "
            "or unbond everything (`matchstrike stake unbond all`)"
        )
    return Plan(call=chain.metadata.encode_call("Staking", "unbond", amount=taken))


async def plan_withdraw(chain: ChainClient, who: bytes) -> Plan:
    """Return the call that frees what is ripe.

    Raises:
        CommandFailed: nothing is; says when.
    """
    view = await read_view(chain)
    bonded = await _get_bonded(chain, view, who)
    parts = await read_ripening(chain, view, bonded)
    if not parts:
        _refuse("nothing is being unbonded; `matchstrike stake unbond AMOUNT` begins it")
    if not any(is_ripe(view, part) for part in parts):
        soonest = min(parts, key=lambda part: part.height)
        block_ms = await read_block_ms(chain, view)
        _refuse(f"nothing is ripe yet; {_show(chain, soonest.amount)} are {describe_ripening(view, soonest, block_ms)}")
    return Plan(call=chain.metadata.encode_call("Staking", "withdraw_unbonded"))


async def plan_validate(chain: ChainClient, who: bytes, key: bytes | None) -> Plan:
    """Return the call that stands for the next set.

    Args:
        key: The vote key; None for the one that the account votes or stands with.

    Raises:
        CommandFailed: too little is active, or the key is not for this account.
    """
    view = await read_view(chain)
    bonded = await _get_bonded(chain, view, who)
    least, address = view.rules.bond_min, encode_address(who, chain.ss58_prefix)
    if bonded.active < least:
        active = _show(chain, bonded.active)
        _refuse(f"{active} are active, and a validator needs {_show(chain, least)}; `matchstrike stake bond` adds")
    if key is None:
        key = find_present_key(view, address)
    if key is None:
        _refuse(
            "which vote key? Name it with --vote-key; `matchstrike-node key generate` makes one, and its public key is "
            "meant"
        )
    if key == who:
        _refuse(
            "the vote key is the key that holds the stake; a vote key lies open on the node's machine, so make another "
            "one with `matchstrike-node key generate`"
        )
    owner = await find_owner(chain, view, key)
    if owner is not None and (owner.is_slashed or owner.account != address):
        why = "was slashed" if owner.is_slashed else f"belongs to {owner.account}"
        _refuse(f"the vote key 0x{key.hex()} {why}, for ever; make a new one with `matchstrike-node key generate`")
    spends = () if owner is not None else (("key record", compute_key_price(chain)),)
    return Plan(call=chain.metadata.encode_call("Staking", "validate", vote_key=key), spends=spends)


async def plan_chill(chain: ChainClient, who: bytes) -> Plan:
    """Return the call that stands no more.

    Raises:
        CommandFailed: the account does not stand, or nobody else does.
    """
    view = await read_view(chain)
    if view.find_candidate(encode_address(who, chain.ss58_prefix)) is None:
        _refuse("the account does not stand for the next set, so there is nothing to leave")
    if len(view.candidates) == 1 and (view.sets.current or view.sets.next):
        _refuse(
            "nobody else stands, and a chain that has validators keeps one; wait until another account stands "
            "(`matchstrike stake validators`)"
        )
    return Plan(call=chain.metadata.encode_call("Staking", "chill"))


def find_present_key(view: StakeView, address: str) -> bytes | None:
    """Return the vote key that an account stands with, else the one of the latest set it is in, else None."""
    sets = view.sets
    for voter in (*view.candidates, *sets.next, *sets.current, *sets.previous):
        if voter.account == address:
            return bytes.fromhex(voter.key.removeprefix("0x"))
    return None


def compute_key_price(chain: ChainClient) -> int:
    """Return what the record of a new vote key costs; it is burnt."""
    return read_int(cast("Json", chain.metadata.constant("Staking", "VoteKeyPrice")))


def read_vote_key(text: str) -> bytes:
    """Return the public key of `0x` and 64 hex digits, or of an address.

    Raises:
        ValueError: neither; says how to write one.
    """
    if text.startswith("0x"):
        try:
            key = bytes.fromhex(text[2:])
        except ValueError:
            key = b""
        if len(key) == KEY_BYTES:
            return key
    else:
        try:
            return decode_address(text)[0]
        except InvalidAddress:
            pass
    raise ValueError(f"{text[:80]!r} is no vote key; write 0x and the 64 hex digits of the public key, or its address")


def add_advice(sentence: str) -> str:
    """Return a failure of the chain with what to do about it."""
    for name, advice in ADVICE.items():
        if f"Staking.{name}:" in sentence:
            return f"{sentence.rstrip('.')}. {advice}"
    return sentence


def is_ripe(view: StakeView, part: Ripening) -> bool:
    """Say whether the next block may hold the withdrawal."""
    return part.is_certain and part.height <= view.number + 1


def describe_ripening(view: StakeView, part: Ripening, block_ms: int) -> str:
    """Return when a part may be withdrawn, for people."""
    if is_ripe(view, part):
        return "ripe now"
    word = "from" if part.is_certain else "not before"
    return f"ripe {word} block {part.height}, in about {format_ms((part.height - view.number) * block_ms)}"


def describe_joining(view: StakeView, block_ms: int) -> str:
    """Return when the votes of an account that stands since now will count, for people."""
    # it is taken into the next set when this dynasty ends, and that set is current a dynasty later
    step, depth = view.rules.checkpoint_blocks, view.rules.unattended_depth
    height = view.newest_checkpoint + 2 * step
    if not view.status.is_attended:  # then both dynasties last until depth has made their beginning final
        ends = max(view.newest_checkpoint + step, _round_up(max(view.dynasty.started_at, step) + depth, step))
        height = ends + max(step, _round_up(depth, step))
    wait = format_ms((height - view.number) * block_ms)
    return f"stands; votes count from dynasty {view.dynasty.number + 2}, not before block {height} (in about {wait})"


def format_ms(ms: int) -> str:
    """Return a length of time in its largest unit."""
    seconds = ms / 1000
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


async def _get_bonded(chain: ChainClient, view: StakeView, who: bytes) -> Bonded:
    bonded = await find_bonded(chain, view, who)
    if bonded is None:
        _refuse("the account has bonded nothing; begin with `matchstrike stake bond AMOUNT`")
    return bonded


def _show(chain: ChainClient, planck: int) -> str:
    return format_amount(planck, chain.token_symbol, chain.token_decimals)


def _refuse(reason: str) -> NoReturn:
    raise CommandFailed(f"{reason}. {NOTHING_SENT}", FAILED)


def _round_up(height: int, step: int) -> int:
    """Return the first checkpoint at or above a height."""
    return -(-height // step) * step
