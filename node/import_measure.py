"""How fast blocks of transfers are imported: the figures that `bench chain` prints.

Everything goes through `Importer.import_block`, the function that the node uses, on a LevelDB store synced for every
block: bytes in; every check, event, fee and root. Times are CPU seconds of this process, LevelDB's threads included.

Terms:
    checked: the import of a block whose signatures the pool has checked before.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import msgspec

from chain.block import Block, compute_extrinsics_root, encode_block
from chain.ed25519 import public_of
from chain.era import IMMORTAL
from chain.extrinsic import SigningContext, encode_extra, make_signed
from chain.header import Digest, Header, make_sealed
from chain.params import UNIT_PLANCK, Params, WorkParams
from chain.state_tree import StateTree
from chain.store import MemoryStore, Store
from chain.substrate_types import AddressId
from consensus.digest import WorkDigest, make_digest, make_seal
from consensus.ticket import compute_context_weight, make_ticket_job, search_tickets
from node.chain_layout import BlockData
from node.chain_opening import create_chain
from node.core.importer import Importer
from node.leveldb_store import LevelDbStore
from runtime.executive import Runtime
from runtime.genesis_state import GenesisConfig, build_genesis_state
from runtime.pallets.balances import transfer_keep_alive
from runtime.runtime import encode_call

BLOCK_MS = 3_000
START_MS = 1_700_000_000_000
FREE_PLANCK = 1_000 * UNIT_PLANCK
AMOUNT_PLANCK = UNIT_PLANCK // 100
TICKETS_MAX = 1_000_000
AUTHOR = bytes([7]) * 32


class ImportFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What importing the same blocks took; rates are transfers per CPU second, of the best and the median block."""

    accounts: int
    transfers_per_block: int
    blocks: int
    import_tx_per_cpu_s: float
    import_tx_per_cpu_s_median: float
    import_checked_tx_per_cpu_s: float
    import_checked_tx_per_cpu_s_median: float
    import_tx_per_wall_s: float


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A genesis with many accounts, and the keys of those that send."""

    params: Params
    genesis: Header
    state: dict[bytes, bytes]
    seeds: tuple[bytes, ...]
    recipients: tuple[bytes, ...]


def measure_import(folder: Path, *, accounts: int = 100_000, transfers: int = 1_000, blocks: int = 8) -> ImportFigures:
    """Build blocks of signed transfers and measure their import into two new databases in `folder`."""
    scene = make_scene(accounts, transfers)
    made = make_blocks(scene, blocks)
    plain, wall = _measure(scene, folder / "import-bench", made, is_checked=lambda key: False)
    checked, _ = _measure(scene, folder / "checked-bench", made, is_checked=lambda key: True)
    return ImportFigures(
        accounts=accounts,
        transfers_per_block=transfers,
        blocks=blocks,
        import_tx_per_cpu_s=round(transfers / min(plain)),
        import_tx_per_cpu_s_median=round(transfers / median(plain)),
        import_checked_tx_per_cpu_s=round(transfers / min(checked)),
        import_checked_tx_per_cpu_s_median=round(transfers / median(checked)),
        import_tx_per_wall_s=round(transfers / min(wall)),
    )


def make_scene(accounts: int, senders: int) -> Scene:
    """Return a chain with `accounts` endowed accounts, of which the first `senders` have known keys."""
    params = Params(work=WorkParams(target_fixed=True, core_qubits=6, ticket_gas_max=10_000_000))
    seeds = tuple(_hash(b"sender", number) for number in range(senders))
    others = tuple(_hash(b"account", number) for number in range(accounts - senders))
    balances = tuple((who, FREE_PLANCK) for who in (*(public_of(seed) for seed in seeds), *others))
    state = build_genesis_state(params, GenesisConfig(balances=balances))
    genesis = Header(
        parent_hash=bytes(32),
        number=0,
        state_root=StateTree.open(MemoryStore()).root_of(dict(state)),
        extrinsics_root=compute_extrinsics_root(()),
        digest=Digest(logs=()),
    )
    return Scene(params=params, genesis=genesis, state=state, seeds=seeds, recipients=others)


def make_importer(scene: Scene, store: Store) -> Importer:
    """Return an importer whose chain is the scene's genesis, in a new store."""
    data = BlockData(header=scene.genesis, extrinsics=(), work_total=0, events=b"\x00")
    chain = create_chain(store, data, scene.state)
    return Importer(chain, Runtime(scene.params, scene.genesis.hash), scene.params, state_window=256)


def make_blocks(scene: Scene, count: int) -> list[bytes]:
    """Return sealed blocks, each with one transfer of every sender to another account."""
    importer = make_importer(scene, MemoryStore())
    made: list[bytes] = []
    for number in range(count):
        data = encode_block(_make_block(scene, importer, number))
        importer.import_block(data, now_ms=START_MS + (count + 2) * BLOCK_MS, is_signature_checked=lambda key: True)
        made.append(data)
    return made


def _make_block(scene: Scene, importer: Importer, nonce: int) -> Block:
    parent, runtime, params = importer.head, importer.runtime, scene.params
    view = importer.states.get_view(parent.hash)
    context = runtime.get_work_context(view, parent, None)
    work = WorkDigest(
        problem=None,
        core_epoch=context.core_epoch,
        weight=compute_context_weight(context, params.work),
        target=context.target,
        timestamp_ms=START_MS + nonce * BLOCK_MS,
    )
    digest = make_digest(AUTHOR, work)
    execution = runtime.start_block(
        view, parent, number=parent.number + 1, digest=digest, is_signature_checked=lambda key: True
    )
    inherents = runtime.make_inherents(view, parent, timestamp_ms=work.timestamp_ms)
    extrinsics = (*inherents, *_make_transfers(scene, nonce))
    for raw in extrinsics:
        execution.apply_extrinsic(raw)
    header = Header(
        parent_hash=parent.hash,
        number=parent.number + 1,
        state_root=importer.states.compute_root(parent.hash, execution.finish().changes),
        extrinsics_root=compute_extrinsics_root(extrinsics),
        digest=digest,
    )
    win = search_tickets(make_ticket_job(header, context, params.work), 0, TICKETS_MAX).win
    assert win is not None
    return Block(header=make_sealed(header, make_seal(win)), extrinsics=extrinsics)


def _make_transfers(scene: Scene, nonce: int) -> tuple[bytes, ...]:
    context = SigningContext(
        spec_version=scene.params.spec_version,
        transaction_version=scene.params.transaction_version,
        genesis_hash=scene.genesis.hash,
        birth_hash=scene.genesis.hash,
    )
    extra = encode_extra(IMMORTAL, nonce, 0)
    transfers: list[bytes] = []
    for number, seed in enumerate(scene.seeds):
        place = int.from_bytes(_hash(b"choice", number + nonce * len(scene.seeds))[:8], "little")
        dest = scene.recipients[place % len(scene.recipients)]
        call = encode_call(transfer_keep_alive, AddressId(account=dest), AMOUNT_PLANCK)
        transfers.append(make_signed(call, seed, public_of(seed), extra, context))
    return tuple(transfers)


def _measure(
    scene: Scene, path: Path, blocks: list[bytes], *, is_checked: Callable[[bytes], bool]
) -> tuple[list[float], list[float]]:
    store = LevelDbStore(path)
    cpu: list[float] = []
    wall: list[float] = []
    try:
        importer = make_importer(scene, store)
        for data in blocks:
            cpu_started, wall_started = process_time(), perf_counter()
            importer.import_block(data, now_ms=START_MS + 10**9, is_signature_checked=is_checked)
            cpu.append(process_time() - cpu_started)
            wall.append(perf_counter() - wall_started)
    finally:
        store.close()
    return cpu, wall


def _hash(tag: bytes, number: int) -> bytes:
    return blake2b(number.to_bytes(8, "little"), digest_size=32, key=tag).digest()
