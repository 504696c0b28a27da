"""What the stake commands read of a chain: one block's state of staking and finality, by the node's metadata.

Terms:
    set, dynasty, ballot, checkpoint: as in the glossary.
    ripe: unbonded stake that may be withdrawn.

Everything of one view is of one block, so its parts fit each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

import msgspec

from rpc.api import Json
from rpc.errors import METHOD_NOT_FOUND, RpcError
from wallet.chain_client import ChainClient, UnexpectedAnswer, read_hex, read_int, read_object

T = TypeVar("T")
PACE_BLOCKS = 100
KEYS_PAGE = 1_000

# ---- records, with the names that the metadata give them; accounts are addresses, hashes and keys 0x-hex


class VoterRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who votes, or stands for the next set."""

    account: str
    key: str
    stake: int


class Sets(msgspec.Struct, frozen=True, kw_only=True):
    """The validators of the dynasty before, of this one and of the next."""

    previous: tuple[VoterRow, ...]
    current: tuple[VoterRow, ...]
    next: tuple[VoterRow, ...]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint."""

    height: int
    hash: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What is justified and final."""

    justified: Place
    finalized: Place
    final_height: int
    is_attended: bool


class OpenBallot(msgspec.Struct, frozen=True, kw_only=True):
    """The votes for the newest checkpoint so far; `voters` are vote keys."""

    source: Place
    target: Place
    voters: tuple[str, ...]


class Era(msgspec.Struct, frozen=True, kw_only=True):
    """The present dynasty."""

    number: int
    started_at: int
    oldest: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """Unbonded stake, and the first dynasty in whose sets it does not count."""

    amount: int
    dynasty: int


class Bonded(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has bonded."""

    active: int
    chunks: tuple[Waiting, ...] = ()


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a vote key is."""

    account: str
    is_slashed: bool


class NodeKey(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A vote key that the asked node votes with.

    Attributes:
        last_target: The last checkpoint it signed for.
        trouble: Why it does not vote.
    """

    key: str
    last_target: int | None
    trouble: str | None


class Rules(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The constants of the two pallets."""

    bond_min: int
    unbonding_blocks: int
    checkpoint_blocks: int
    unattended_depth: int
    leak_after_checkpoints: int


class StakeView(msgspec.Struct, frozen=True, kw_only=True):
    """Staking and finality in the state of one block."""

    number: int
    hash: bytes
    sets: Sets
    candidates: tuple[VoterRow, ...]
    dynasty: Era
    status: Status
    ballot: OpenBallot | None
    rules: Rules

    @property
    def newest_checkpoint(self) -> int:
        """The height of the newest checkpoint."""
        return self.number - self.number % self.rules.checkpoint_blocks

    def find_candidate(self, address: str) -> VoterRow | None:
        """Return an account's candidacy, or None."""
        return next((voter for voter in self.candidates if voter.account == address), None)


class Ripening(msgspec.Struct, frozen=True, kw_only=True):
    """When a part of the stake may be withdrawn.

    Attributes:
        height: The first block that may hold the withdrawal.
        is_certain: False while the dynasty it waits for has not begun; then `height` is the earliest possible.
    """

    amount: int
    height: int
    is_certain: bool


async def read_view(chain: ChainClient) -> StakeView:
    """Return the state of the best block."""
    at = read_hex(await chain.rpc.call("chain_getBlockHash"))
    header, sets, candidates, dynasty, status, ballot = await asyncio.gather(
        chain.rpc.call("chain_getHeader", "0x" + at.hex()),
        chain.query("Staking", "Sets", at=at),
        chain.query("Staking", "Candidates", at=at),
        chain.query("Staking", "Dynasty", at=at),
        chain.query("Finality", "Status", at=at),
        chain.query("Finality", "Ballot", at=at),
    )
    return StakeView(
        number=read_int(read_object(header).get("number")),
        hash=at,
        sets=read_record(sets, Sets),
        candidates=read_record(candidates, tuple[VoterRow, ...]),
        dynasty=read_record(dynasty, Era),
        status=read_record(status, Status),
        ballot=None if ballot is None else read_record(ballot, OpenBallot),
        rules=read_rules(chain),
    )


def read_rules(chain: ChainClient) -> Rules:
    """Return the constants that the commands use."""
    staking, finality = ("BondMin", "UnbondingBlocks"), ("CheckpointBlocks", "UnattendedDepth", "LeakAfterCheckpoints")
    names = [("Staking", name) for name in staking] + [("Finality", name) for name in finality]
    return read_record({name: cast("Json", chain.metadata.constant(pallet, name)) for pallet, name in names}, Rules)


def read_record(value: Json | Mapping[str, Json], kind: type[T]) -> T:
    """Return a decoded storage value as a record.

    Raises:
        UnexpectedAnswer: this chain's staking is another one.
    """
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UnexpectedAnswer(f"the node's staking is not the one this command knows: {error}") from error


async def call_each(chain: ChainClient, method: str, params: Sequence[Sequence[Json]]) -> list[Json | RpcError]:
    """Return a method's results; an error stands in its place. A batch would do too, but a node may take none."""

    async def call(items: Sequence[Json]) -> Json | RpcError:
        try:
            return await chain.rpc.call(method, *items)
        except RpcError as error:
            return error

    return list(await asyncio.gather(*(call(items) for items in params)))


async def list_node_keys(chain: ChainClient) -> tuple[NodeKey, ...] | None:
    """Return the vote keys of the asked node; None from a node that does not tell."""
    try:
        answer = read_object(await chain.rpc.call("finality_status"))
    except RpcError as error:
        if error.code == METHOD_NOT_FOUND:
            return None
        raise
    return read_record(read_object(answer.get("node")).get("voteKeys"), tuple[NodeKey, ...])


async def find_bonded(chain: ChainClient, view: StakeView, account: bytes) -> Bonded | None:
    """Return what an account has bonded, or None."""
    ledger = await chain.query("Staking", "Ledgers", account, at=view.hash)
    return None if ledger is None else read_record(ledger, Bonded)


async def find_owner(chain: ChainClient, view: StakeView, key: bytes) -> Owner | None:
    """Return whose a vote key is, None if the chain does not know it."""
    owner = await chain.query("Staking", "KeyOwners", key, at=view.hash)
    return None if owner is None else read_record(owner, Owner)


async def list_keys(chain: ChainClient, view: StakeView, address: str) -> dict[str, bool]:
    """Return every vote key that an account ever gave, and whether it was slashed."""
    prefix, at = "0x" + chain.metadata.storage_prefix("Staking", "KeyOwners").hex(), "0x" + view.hash.hex()
    found: dict[str, bool] = {}
    last: Json = None
    while True:
        page = cast("list[Json]", await chain.rpc.call("state_getKeysPaged", prefix, KEYS_PAGE, last, at))
        values = await call_each(chain, "state_getStorage", [(name, at) for name in page])
        for name, value in zip(page, values, strict=True):
            if isinstance(value, RpcError):
                raise value
            owner = chain.metadata.decode_storage("Staking", "KeyOwners", read_hex(value), style=chain.style)
            row = read_record(cast("Json", owner), Owner)
            if row.account == address:
                [key] = chain.metadata.decode_storage_key("Staking", "KeyOwners", read_hex(name), style=chain.style)
                found[str(key)] = row.is_slashed
        if len(page) < KEYS_PAGE:
            return found
        last = page[-1]


async def read_ripening(chain: ChainClient, view: StakeView, bonded: Bonded) -> tuple[Ripening, ...]:
    """Return when each part that is being unbonded may be withdrawn, in the ledger's order."""
    rows = []
    for chunk in bonded.chunks:
        start = 0
        if view.dynasty.oldest <= chunk.dynasty <= view.dynasty.number:
            start = read_int(await chain.query("Staking", "DynastyStarts", chunk.dynasty, at=view.hash) or 0)
        rows.append(compute_ripening(view, chunk, start))
    return tuple(rows)


def compute_ripening(view: StakeView, chunk: Waiting, start: int) -> Ripening:
    """Return when a part may be withdrawn.

    Args:
        start: The height at which its dynasty began; read only if that is kept.
    """
    dynasty, rules = view.dynasty, view.rules
    if chunk.dynasty < dynasty.oldest:
        return Ripening(amount=chunk.amount, height=0, is_certain=True)
    if chunk.dynasty <= dynasty.number:
        return Ripening(amount=chunk.amount, height=start + rules.unbonding_blocks, is_certain=True)
    # at best each checkpoint from the next one on begins a dynasty
    checkpoints = chunk.dynasty - dynasty.number
    begins = view.newest_checkpoint + checkpoints * rules.checkpoint_blocks
    return Ripening(amount=chunk.amount, height=begins + rules.unbonding_blocks, is_certain=False)


async def read_block_ms(chain: ChainClient, view: StakeView) -> int:
    """Return how long a block takes lately, by the chain's own time; on a young chain its target."""
    back = min(PACE_BLOCKS, view.number - 1)
    if back > 0:
        span_ms = await read_span_ms(chain, view, view.number - back)
        if span_ms:
            return max(span_ms // back, 1)
    return read_int(cast("Json", chain.metadata.constant("Work", "BlockTargetMs")))


async def read_span_ms(chain: ChainClient, view: StakeView, number: int) -> int | None:
    """Return the time from a block to the view's block; None where the node has forgotten its state."""
    try:
        at = read_hex(await chain.rpc.call("chain_getBlockHash", number))
        then = read_int(await chain.query("Timestamp", "Now", at=at))
    except RpcError:
        return None
    return None if then == 0 else read_int(await chain.query("Timestamp", "Now", at=view.hash)) - then


def compute_stake(voters: tuple[VoterRow, ...]) -> int:
    """Return the sum of stakes."""
    return sum(voter.stake for voter in voters)
