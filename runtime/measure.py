"""How fast the runtime executes blocks of signed transfers; state root and store are not part of it.

Time is an argument (`clock`), as everywhere in this room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b

import msgspec

from chain.block import Block, compute_extrinsics_root
from chain.ed25519 import public_of
from chain.era import IMMORTAL
from chain.extrinsic import SigningContext, encode_extra, make_signed
from chain.header import Digest, Header
from chain.params import UNIT_PLANCK, Params
from chain.state_view import StateView
from chain.substrate_types import AddressId
from consensus.digest import WorkDigest, make_digest
from runtime.executive import Runtime, is_never_checked
from runtime.genesis_state import GenesisConfig, build_genesis_state
from runtime.pallets.balances import transfer_keep_alive
from runtime.runtime import encode_call

_TIME_MS = 1_700_000_000_000


class ExecutionFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, each the best of the repeats, in microseconds of CPU a transfer."""

    accounts: int
    transfers: int
    execution_us: float
    checked_execution_us: float


class DictView:
    """A state in a dict."""

    def __init__(self, values: dict[bytes, bytes]) -> None:
        self.values = values

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a storage key, None if there is none."""
        return self.values.get(key)

    def iterate(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in key order."""
        lower = prefix if start is None else max(prefix, start)
        keys = sorted(key for key in self.values if key.startswith(prefix) and key >= lower)
        return iter([(key, self.values[key]) for key in keys])


class TransferBlocks(msgspec.Struct, frozen=True, kw_only=True):
    """A chain with many accounts and the bodies of blocks that move money between them."""

    params: Params
    genesis: Header
    state: dict[bytes, bytes]
    author: bytes
    bodies: tuple[tuple[bytes, ...], ...]

    @property
    def digest(self) -> Digest:
        """The unsealed digest that every block here may carry."""
        work = WorkDigest(problem=None, core_epoch=0, weight=1, target=1, timestamp_ms=_TIME_MS)
        return make_digest(self.author, work)


def make_transfer_blocks(*, accounts: int, transfers: int, blocks: int, params: Params | None = None) -> TransferBlocks:
    """Return `blocks` bodies of `transfers` signed transfers between `accounts` accounts, all on genesis' state.

    Each signer signs once a block; body k uses nonce k. The bodies begin without the timestamp inherent.
    """
    chosen = params or Params.tiny()
    seeds = [blake2b(b"sender %d" % index, digest_size=32).digest() for index in range(transfers)]
    senders = [public_of(seed) for seed in seeds]
    others = [blake2b(b"account %d" % index, digest_size=32).digest() for index in range(accounts - transfers)]
    rows = tuple((who, 1_000 * UNIT_PLANCK) for who in (*senders, *others))
    state = build_genesis_state(chosen, GenesisConfig(balances=rows))
    root = compute_extrinsics_root(())
    genesis = Header(
        parent_hash=bytes(32), number=0, state_root=bytes(32), extrinsics_root=root, digest=Digest(logs=())
    )
    context = SigningContext(
        spec_version=chosen.spec_version,
        transaction_version=chosen.transaction_version,
        genesis_hash=genesis.hash,
        birth_hash=genesis.hash,
    )
    bodies = []
    for nonce in range(blocks):
        extra = encode_extra(IMMORTAL, nonce, 0)
        body = []
        for index, seed in enumerate(seeds):
            dest = rows[(index * 7919 + nonce * 104_729 + 1) % len(rows)][0]
            call = encode_call(transfer_keep_alive, AddressId(account=dest), UNIT_PLANCK + index)
            body.append(make_signed(call, seed, senders[index], extra, context))
        bodies.append(tuple(body))
    return TransferBlocks(params=chosen, genesis=genesis, state=state, author=others[0], bodies=tuple(bodies))


def measure_execution(
    clock: Callable[[], float], *, accounts: int = 100_000, transfers: int = 1_000, repeats: int = 5
) -> ExecutionFigures:
    """Return how long `Runtime.execute_block` takes for one transfer, with and without signature checks.

    Args:
        clock: CPU seconds of this process, such as `time.process_time`.
    """
    blocks = make_transfer_blocks(accounts=accounts, transfers=transfers, blocks=1)
    view = DictView(blocks.state)
    times = [
        _measure_once(clock, blocks, view, is_checked)
        for is_checked in (is_never_checked, _is_always_checked) * repeats
    ]
    return ExecutionFigures(
        accounts=accounts,
        transfers=transfers,
        execution_us=min(times[0::2]) * 1e6 / transfers,
        checked_execution_us=min(times[1::2]) * 1e6 / transfers,
    )


def _measure_once(
    clock: Callable[[], float], blocks: TransferBlocks, view: StateView, is_checked: Callable[[bytes], bool]
) -> float:
    runtime = Runtime(blocks.params, blocks.genesis.hash)
    body = (*runtime.make_inherents(view, blocks.genesis, timestamp_ms=_TIME_MS), *blocks.bodies[0])
    header = Header(
        parent_hash=blocks.genesis.hash,
        number=1,
        state_root=bytes(32),
        extrinsics_root=compute_extrinsics_root(body),
        digest=blocks.digest,
    )
    block = Block(header=header, extrinsics=body)
    start = clock()
    runtime.execute_block(view, blocks.genesis, block, is_signature_checked=is_checked)
    return clock() - start


def _is_always_checked(signature_key: bytes) -> bool:
    return True
