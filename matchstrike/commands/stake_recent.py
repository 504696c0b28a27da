"""What validators did lately: which of them voted for the newest checkpoints, and what they earned and lost.

Terms:
    window: the blocks from the oldest checkpoint looked at to the best block. A node forgets old states (256 blocks, if
        it was not told otherwise); the window begins where it still knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import cast

import msgspec

from matchstrike.commands.stake_view import Sets, StakeView, VoterRow, call_each, read_record
from rpc.api import Json
from rpc.errors import RpcError
from wallet.chain_client import ChainClient, read_hex, read_int, read_object

VOTED, MISSED, OPEN, ABSENT = "+", "-", "?", "."
LEGEND = f"{VOTED} voted, {MISSED} missed, {OPEN} not yet, {ABSENT} was not in the set"


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint: who could vote for it, and who did.

    Attributes:
        is_open: Votes may still come.
    """

    height: int
    members: frozenset[str]
    voted: frozenset[str]
    is_open: bool

    def get_mark(self, address: str) -> str:
        """Return what became of an account's vote, in one letter."""
        if address in self.voted:
            return VOTED
        if address not in self.members:
            return ABSENT
        return OPEN if self.is_open else MISSED


class Recent(msgspec.Struct, frozen=True, kw_only=True):
    """The window.

    Attributes:
        rounds: The checkpoints, oldest first.
        rewards: What the votes of an account earned, the authors' share included, in planck.
        leaked, slashed: What an account lost, in planck.
    """

    first: int
    last: int
    rounds: tuple[Round, ...]
    rewards: Mapping[str, int]
    leaked: Mapping[str, int]
    slashed: Mapping[str, int]


async def read_recent(chain: ChainClient, view: StakeView, *, checkpoints: int) -> Recent:
    """Return the window of the newest checkpoints above block 0."""
    every = view.rules.checkpoint_blocks
    first = max(view.newest_checkpoint - (checkpoints - 1) * every, 1)
    heights = list(range(first, view.number + 1))
    hashes = await _read_hashes(chain, heights)
    values = await _read_each(chain, "System", "Events", hashes)
    known = {height: value for height, value in zip(heights, values, strict=True) if not isinstance(value, RpcError)}
    names = [height for height in known if height % every == 0]
    states = await _read_each(chain, "Staking", "Sets", [hashes[height - first] for height in names])
    sets = {name: _read_sets(chain, data) for name, data in zip(names, states, strict=True)}
    return _tally(chain, view, known, sets)


def _tally(
    chain: ChainClient, view: StakeView, blocks: Mapping[int, Json], sets: Mapping[int, frozenset[str]]
) -> Recent:
    voted: dict[int, set[str]] = {height: set() for height in sets}
    rewards: Counter[str] = Counter()
    leaked: Counter[str] = Counter()
    slashed: Counter[str] = Counter()
    for name, fields in _list_events(chain, blocks):
        match name:
            case "Finality.Voted":
                voted.setdefault(read_int(fields["target"]), set()).add(str(fields["account"]))
                rewards[str(fields["account"])] += read_int(fields["reward"])
            case "Staking.Leaked":
                leaked[str(fields["stash"])] += read_int(fields["amount"])
            case "Staking.Slashed":
                slashed[str(fields["stash"])] += read_int(fields["amount"])
    rounds = tuple(
        Round(
            height=height,
            members=members,
            voted=frozenset(voted[height]),
            # votes for a checkpoint come until the block before the next one
            is_open=view.number < height + view.rules.checkpoint_blocks - 1,
        )
        for height, members in sorted(sets.items())
    )
    first = min(blocks, default=view.number)
    return Recent(
        first=first, last=view.number, rounds=rounds, rewards=dict(rewards), leaked=dict(leaked), slashed=dict(slashed)
    )


def _list_events(chain: ChainClient, blocks: Mapping[int, Json]) -> list[tuple[str, Mapping[str, Json]]]:
    """Return the events of staking and finality with their fields."""
    found = []
    for value in blocks.values():
        if value is None:
            continue
        for record in chain.metadata.decode_events(read_hex(value), style=chain.style):
            if record.pallet in ("Staking", "Finality"):
                fields = read_object(cast("Json", record.values or {}))
                found.append((f"{record.pallet}.{record.event}", fields))
    return found


async def _read_hashes(chain: ChainClient, heights: list[int]) -> list[str]:
    answer = await chain.rpc.call("chain_getBlockHash", cast("Json", heights))
    return [str(item) for item in cast("list[Json]", answer)]


async def _read_each(chain: ChainClient, pallet: str, item: str, hashes: list[str]) -> list[Json | RpcError]:
    key = "0x" + chain.metadata.storage_key(pallet, item).hex()
    return await call_each(chain, "state_getStorage", [(key, at) for at in hashes])


def _read_sets(chain: ChainClient, value: Json | RpcError) -> frozenset[str]:
    """Return whose votes count by the sets of one state."""
    if isinstance(value, RpcError) or value is None:
        return frozenset()
    data = cast("Json", chain.metadata.decode_storage("Staking", "Sets", read_hex(value), style=chain.style))
    sets = read_record(data, Sets)
    voters: tuple[VoterRow, ...] = (*sets.previous, *sets.current)
    return frozenset(voter.account for voter in voters)
