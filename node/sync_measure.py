"""How fast an empty node gets a chain: the figures that `bench sync` prints.

One machine makes blocks with strikes, transfers and votes; an empty one gets them by full sync, another by fast sync,
over records that cross as bytes, each on a LevelDB store of its own. Times are CPU seconds of the receiving side.

Terms:
    verification: importing the same blocks one after the other with nothing around it; what full sync cannot save.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from chain.ed25519 import public_of
from chain.era import IMMORTAL
from chain.extrinsic import SigningContext, encode_extra, make_signed
from chain.params import UNIT_PLANCK, Params, WorkParams
from chain.secret_uri import derive_seed
from chain.store import Store
from chain.substrate_types import AddressId
from consensus.finality import forget_signatures
from consensus.ticket import search_tickets
from genesis.block import make_genesis_block
from genesis.chain_spec import ChainSpec, Genesis, RuntimeGenesis, StakingPatch, make_validator
from genesis.presets import make_development
from network.messages import decode_answer, decode_request, encode_message
from network.port import (
    AnswerReceived,
    NetworkEvent,
    NoticeReceived,
    PeerConnected,
    RequestFailed,
    RequestReceived,
    SendAnswer,
    SendNotice,
    SendRequest,
)
from node.chain_layout import BlockData
from node.chain_opening import create_chain, open_chain
from node.core.author import Author
from node.core.block_body import join_block
from node.core.effects import ContinueSync, Effect
from node.core.events import ExtrinsicReceived, SyncStep, Tick, TicketFound
from node.core.fast_sync import FastEffect, FastSync
from node.core.importer import Importer
from node.core.machine import Machine
from node.core.mempool import Mempool, PoolLimits
from node.core.mining_desk import MiningDesk
from node.core.sealing import Sealing
from node.core.vote_desk import VoteDesk
from node.fast_plan import make_fast_plan
from node.fast_store import FastStore
from node.leveldb_store import LevelDbStore
from node.vote_keys import HeldKeys
from runtime.executive import Runtime
from runtime.pallets.balances import transfer_keep_alive
from runtime.runtime import encode_call

BEGIN_MS = 1_800_000_000_000
BLOCK_MS = 1_000
STEP_MS = 20
VALIDATORS = ("//Alice", "//Bob", "//Charlie", "//Dave")
SENDERS = ("//Alice", "//Bob", "//Charlie", "//Dave", "//Eve", "//Ferdie")
RECIPIENTS = 2_000
TICKETS_MAX = 4_096
SILENT_STEPS_MAX = 3_000
Receiver: TypeAlias = Callable[[NetworkEvent | Tick | SyncStep, int], Iterable[Effect | FastEffect]]


class SyncStuck(Exception):
    """The receiving side stopped before it had everything."""


class SyncFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What getting the same chain took.

    Attributes:
        final: The last block that votes made final, where fast sync begins to verify strikes.
        full_ratio: CPU time of full sync over that of verification alone.
        fast_times: How many times quicker fast sync was than full sync, the verified rest included.
        has_equal_roots: Whether all ended with the source's head and state root.
    """

    blocks: int
    transfers: int
    state_keys: int
    final: int
    verification_blocks_per_cpu_s: float
    full_blocks_per_cpu_s: float
    full_ratio: float
    fast_cpu_s: float
    fast_rest_blocks: int
    full_cpu_s: float
    fast_times: float
    proof_bytes: int
    has_equal_roots: bool


def measure_sync(folder: Path, *, blocks: int) -> SyncFigures:
    """Make a chain, and measure how an empty node gets it, in new databases in `folder`."""
    spec = make_bench_spec()
    with _open(folder / "source") as store:
        source = _start(spec, store, is_source=True)
        transfers = _make_blocks(source, blocks)
        now_ms = BEGIN_MS + (blocks + 1) * BLOCK_MS
        verification = _measure_import(spec, folder / "import", source, now_ms)
        with _open(folder / "full") as full_store:
            full = _start(spec, full_store)
            full_s = _pump(source, full.handle, lambda: full.importer.head.hash == _head(source), now_ms)
            full_root = full.importer.chain.state.root
        fast_s, fast_root, rest = _measure_fast(spec, folder / "fast", source, now_ms)
        importer = source.importer
        steps = importer.steps.list_steps(0, count=10**9, bytes_max=2**40)
        gc.unfreeze()
        return SyncFigures(
            blocks=blocks,
            transfers=transfers,
            state_keys=importer.chain.state.count,
            final=importer.final.number,
            verification_blocks_per_cpu_s=round(blocks / verification, 1),
            full_blocks_per_cpu_s=round(blocks / full_s, 1),
            full_ratio=round(full_s / verification, 3),
            full_cpu_s=round(full_s, 2),
            fast_cpu_s=round(fast_s, 2),
            fast_rest_blocks=rest,
            fast_times=round(full_s / fast_s, 1),
            proof_bytes=sum(map(len, steps)),
            has_equal_roots=importer.chain.state.root == full_root == fast_root,
        )


def make_bench_spec() -> ChainSpec:
    """Return a chain on which every ticket wins and four accounts validate from the beginning."""
    params = Params(work=WorkParams(core_qubits=10, target_fixed=True, block_target_ms=BLOCK_MS))
    spec = replace(make_development(), id="bench-sync", params=params)
    rows = tuple(
        make_validator(_public(uri), _public(f"{uri}//vote"), 1_000 * UNIT_PLANCK, params) for uri in VALIDATORS
    )
    assert spec.genesis.runtime_genesis is not None
    patch = replace(spec.genesis.runtime_genesis.patch, staking=StakingPatch(validators=rows))
    return replace(spec, genesis=Genesis(runtime_genesis=RuntimeGenesis(patch=patch)))


def _start(spec: ChainSpec, store: Store, *, is_source: bool = False, is_new: bool = True) -> Machine:
    header, state = make_genesis_block(spec)
    if is_new:
        chain = create_chain(store, BlockData(header=header, extrinsics=(), work_total=0), state)
    else:
        chain = open_chain(store, genesis_hash=header.hash)
    runtime = Runtime(spec.params, header.hash)
    importer = Importer(chain, runtime, spec.params, state_window=256)
    account = _public("//Alice") if is_source else None
    desk = MiningDesk(Author(runtime, spec.params), spec.params, account=account, sealing=Sealing(mode="pow"))
    signer = HeldKeys(tuple(derive_seed(f"{uri}//vote") for uri in VALIDATORS)) if is_source else None
    return Machine(importer, Mempool(PoolLimits()), desk, now_ms=BEGIN_MS, votes=VoteDesk(importer, signer=signer))


# ---- making blocks


def _make_blocks(machine: Machine, count: int) -> int:
    """Let a machine mine and vote; return how many transfers the blocks carry."""
    keys = [(seed, public_of(seed)) for seed in (derive_seed(uri) for uri in SENDERS)]
    genesis, params = machine.importer.chain.genesis_hash, machine.importer.params
    context = SigningContext(
        spec_version=params.spec_version,
        transaction_version=params.transaction_version,
        genesis_hash=genesis,
        birth_hash=genesis,
    )
    for number in range(count):
        now_ms = BEGIN_MS + (number + 1) * BLOCK_MS
        for index, (seed, public) in enumerate(keys):
            dest = ((number * len(keys) + index) % RECIPIENTS + 1).to_bytes(32, "little")
            call = encode_call(transfer_keep_alive, AddressId(account=dest), UNIT_PLANCK)
            raw = make_signed(call, seed, public, encode_extra(IMMORTAL, number, 0), context)
            machine.handle(ExtrinsicReceived(raw=raw), now_ms)
        machine.handle(Tick(), now_ms)
        template = machine.desk.template
        win = None if template is None else search_tickets(template.job, 0, TICKETS_MAX).win
        if win is None:
            raise SyncStuck(f"no block after {number}")
        machine.handle(TicketFound(generation=machine.desk.generation, seal=win), now_ms)
    return count * len(keys)


def _list_blocks(importer: Importer) -> list[bytes]:
    chain, blocks = importer.chain, list[bytes]()
    for number in range(1, chain.head.number + 1):
        block_hash = chain.get_hash(number) or b""
        blocks.append(join_block(chain.get_header_bytes(block_hash) or b"", chain.get_body(block_hash) or ()))
    return blocks


# ---- measuring


def _measure_import(spec: ChainSpec, path: Path, source: Machine, now_ms: int) -> float:
    blocks = _list_blocks(source.importer)
    with _open(path) as store:
        importer = _start(spec, store).importer
        _settle()
        begin = process_time()
        for data in blocks:
            importer.import_block(data, now_ms=now_ms, is_signature_checked=lambda key: False)
        return process_time() - begin


def _measure_fast(spec: ChainSpec, path: Path, source: Machine, now_ms: int) -> tuple[float, bytes, int]:
    """Return the CPU time, the state root in the end, and how many blocks were verified after fast sync."""
    header, _ = make_genesis_block(spec)
    with _open(path) as store:
        shelf = FastStore(store, header)
        sync = FastSync(shelf, make_fast_plan(spec, None), now_ms=now_ms)
        spent = _pump(source, sync.handle, lambda: sync.outcome is not None, now_ms)
        if sync.outcome != "done" or sync.target is None or sync.target.body is None:
            raise SyncStuck(f"fast sync ended with: {sync.outcome}")
        begin = process_time()
        shelf.finish(sync.target.body, sync.target.status)
        machine = _start(spec, store, is_new=False)
        spent += process_time() - begin
        rest = source.importer.head.number - machine.importer.head.number
        spent += _pump(source, machine.handle, lambda: machine.importer.head.hash == _head(source), now_ms)
        return spent, machine.importer.chain.state.root, rest


def _pump(source: Machine, receive: Receiver, is_done: Callable[[], bool], now_ms: int) -> float:
    """Carry messages between the source and a receiver until it is done; return the receiver's CPU time."""
    _settle()
    inbox: deque[NetworkEvent | Tick | SyncStep] = deque([PeerConnected(peer="source", is_outbound=True)])
    _serve(source, PeerConnected(peer="receiver", is_outbound=False), inbox, now_ms)
    spent, silent = 0.0, 0
    while not is_done():
        if not inbox:
            now_ms, silent = now_ms + STEP_MS, silent + 1
            inbox.append(Tick())
            _serve(source, Tick(), inbox, now_ms)
            if silent > SILENT_STEPS_MAX:
                raise SyncStuck("nothing has happened for a minute")
        event = inbox.popleft()
        begin = process_time()
        effects = list(receive(event, now_ms))
        answers = [effect for effect in effects if not isinstance(effect, ContinueSync)]
        spent += process_time() - begin
        silent = silent if isinstance(event, Tick) else 0
        if len(answers) < len(effects):
            inbox.append(SyncStep())
        for effect in answers:
            if isinstance(effect, SendRequest):
                request = decode_request(encode_message(effect.request))
                asked = RequestReceived(peer="receiver", request_id=effect.request_id, request=request)
                _serve(source, asked, inbox, now_ms)
            elif isinstance(effect, SendNotice):
                _serve(source, NoticeReceived(peer="receiver", notice=effect.notice), inbox, now_ms)
    return spent


def _serve(
    source: Machine, event: NetworkEvent | Tick, inbox: deque[NetworkEvent | Tick | SyncStep], now_ms: int
) -> None:
    """Let the source handle an event, and put what it sends into the receiver's inbox."""
    for effect in source.handle(event, now_ms):
        match effect:
            case SendNotice(peer="receiver"):
                inbox.append(NoticeReceived(peer="source", notice=effect.notice))
            case SendAnswer(peer="receiver") if effect.answer is None:
                inbox.append(RequestFailed(peer="source", request_id=effect.request_id, failure="refused"))
            case SendAnswer(peer="receiver", answer=answer) if answer is not None:
                copy = decode_answer(encode_message(answer))
                inbox.append(AnswerReceived(peer="source", request_id=effect.request_id, answer=copy))
            case _:
                pass


def _settle() -> None:
    """Begin a measurement as a node begins: no signature is known, and what stays is out of the collector's way."""
    forget_signatures()
    gc.collect()
    gc.freeze()


def _head(machine: Machine) -> bytes:
    return machine.importer.head.hash


def _public(uri: str) -> bytes:
    return public_of(derive_seed(uri))


@contextmanager
def _open(path: Path) -> Iterator[LevelDbStore]:
    path.mkdir(parents=True)
    store = LevelDbStore(path)
    try:
        yield store
    finally:
        store.close()
