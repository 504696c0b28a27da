"""From a configuration to a node's parts: chain spec, store, genesis or start-up check, runtime and core.

Order: chain spec, store, genesis or start-up check, side blocks of the last run. What fails, fails with a sentence that
says what to do.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from chain.ed25519 import public_of
from chain.pause import Pause, never_pause
from chain.peer_id import encode_peer_id
from chain.store import Store
from consensus.core_problem import compute_core_gas
from genesis.block import make_genesis_block
from genesis.chain_spec import ChainSpec
from genesis.presets import load_chain_spec, make_sealing
from node.chain_layout import BlockData
from node.chain_opening import create_chain, has_chain, open_chain
from node.chain_store import ChainStore
from node.core.author import Author
from node.core.batch_desk import BatchDesk
from node.core.importer import Importer
from node.core.machine import Machine
from node.core.mempool import Mempool, PoolLimits
from node.core.mining_desk import MiningDesk
from node.core.sealing import Sealing
from node.core.solution_desk import SolutionDesk
from node.core.vote_desk import VoteDesk
from node.core.voting import VoteBookUnusable
from node.driver import get_time_ms
from node.failures import CommandFailure
from node.folders import Folders, get_default_base, get_folders, make_temporary_base
from node.leveldb_store import LevelDbStore
from node.log_format import get_logger
from node.log_lines import say_genesis
from node.node_key import load_node_key
from node.note_folder import open_batch_notes, open_solution_notes
from node.offence_book import FileOffenceBook
from node.run_config import RunConfig, SharedOptions
from node.vote_book import FileVoteBook
from node.vote_keys import HeldKeys, derive_dev_seed, find_account_key, load_vote_seeds
from runtime.executive import Runtime

_log = get_logger("sc_cli")
SEALING_SUFFIX = "-sealing"


class StartFailure(CommandFailure):
    """A node that cannot start; the sentence says why and what to do."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A chain spec, where its data lie, and who the node is."""

    spec: ChainSpec
    folders: Folders
    peer_id: str


def load_spec(shared: SharedOptions, sealing: Sealing | None = None, *, misbehave: str | None = None) -> ChainSpec:
    """Return the chain spec that the options name; `dev-sealing` is the chain of `--dev --sealing`.

    Raises:
        InvalidChainSpec: no preset and no valid file.
        StartFailure: --sealing or --misbehave on a chain that is not for it.
    """
    name = shared.chain_name
    if name.endswith(SEALING_SUFFIX):
        return make_sealing(load_chain_spec(name.removesuffix(SEALING_SUFFIX)))
    spec = load_chain_spec(name)
    if misbehave and spec.chain_type not in ("Development", "Local"):
        raise StartFailure(
            f"--misbehave {misbehave} works on development chains only (--dev or a devnet), elsewhere it loses money"
        )
    if sealing is None or sealing.mode == "pow" or spec.params.work.target_fixed:
        return spec
    if spec.chain_type != "Development":
        raise StartFailure("--sealing instant and --sealing MS work on development chains only: use --dev")
    return make_sealing(spec)


@contextmanager
def open_site(config: RunConfig, spec: ChainSpec) -> Iterator[Site]:
    """Name the data folders, and delete them in the end if they are temporary."""
    shared = config.shared
    base = make_temporary_base() if shared.is_temporary else shared.base_path or get_default_base()
    try:
        folders = get_folders(base, spec.id)
        secret = load_node_key(folders.network, given=config.node_key, file=config.node_key_file)
        yield Site(spec=spec, folders=folders, peer_id=encode_peer_id(public_of(secret)))
    finally:
        if shared.is_temporary:
            shutil.rmtree(base, ignore_errors=True)


def find_folders(shared: SharedOptions, spec: ChainSpec) -> Folders:
    """Return the folders of a chain that outlives the process."""
    return get_folders(shared.base_path or get_default_base(), spec.id)


@contextmanager
def open_store(path: Path) -> Iterator[LevelDbStore]:
    """Open the database in a folder, which is made if it is missing.

    Raises:
        StoreError: locked, damaged, or not accessible.
    """
    path.mkdir(parents=True, exist_ok=True)
    store = LevelDbStore(path)
    try:
        yield store
    finally:
        store.close()


def open_or_create_chain(store: Store, spec: ChainSpec) -> ChainStore:
    """Return the checked chain of a store, beginning with block 0 if the store is empty.

    Raises:
        StoreError: another chain's store, or a damaged one.
    """
    header, state = make_genesis_block(spec)
    if has_chain(store):
        return open_chain(store, genesis_hash=header.hash)
    _log.info(say_genesis(header.state_root, header.hash))
    return create_chain(store, BlockData(header=header, extrinsics=(), work_total=0), state)


def make_importer(
    chain: ChainStore, spec: ChainSpec, *, state_window: int | None, pause: Pause = never_pause
) -> Importer:
    """Return the importer of an opened chain, with the side blocks of the last run imported again."""
    work = spec.params.work
    gas = compute_core_gas(bytes(32), work.core_qubits, work.shots)
    if gas > work.ticket_gas_max:
        raise StartFailure(f"the chain spec allows tickets of {work.ticket_gas_max} gas, but its core strike has {gas}")
    runtime = Runtime(spec.params, chain.genesis_hash, pause=pause)
    importer = Importer(chain, runtime, spec.params, state_window=state_window)
    for block_hash in importer.restore_side_blocks():
        _log.debug("forgot the side block 0x%s, whose branch is gone", block_hash.hex())
    return importer


def make_vote_desk(importer: Importer, config: RunConfig, folders: Folders) -> VoteDesk:
    """Return what votes, and say with which keys.

    Raises:
        CommandFailure: a vote key that cannot be read.
    """
    offences = FileOffenceBook(folders.offences, importer.chain.genesis_hash)
    if not config.is_authority:
        return VoteDesk(importer, offences=offences)
    seeds = load_vote_seeds(config.keystore_path or folders.keystore)
    if config.account is not None:
        seeds = (*seeds, derive_dev_seed(config.account))
    signer, book = HeldKeys(seeds), FileVoteBook(folders.votes, importer.chain.genesis_hash)
    keys = signer.keys()
    if not keys:
        _log.warning("this validator has no vote key: `matchstrike-node key insert --key-type vote` takes one in")
    for key in keys:
        _tell_vote_key(key, book, importer.head.number)
    return VoteDesk(importer, signer=signer, book=book, offences=offences)


def _tell_vote_key(key: bytes, book: FileVoteBook, head: int) -> None:
    try:
        last = book.find_last(key)
    except VoteBookUnusable as error:
        _log.error("⛔ No vote with 0x%s: %s", key.hex(), error)
        return
    if last is not None:
        _log.info("🗳  Vote key 0x%s, last vote for #%d; it votes above that", key.hex(), last.target_height)
        return
    _log.info("🗳  Vote key 0x%s, no vote so far", key.hex())
    if head > 0:
        path = book.get_path(key)
        _log.warning("if this key has voted on this chain before, stop the node and bring the record of it to %s", path)


def make_machine(importer: Importer, config: RunConfig, folders: Folders) -> Machine:
    """Return the core."""
    limits = PoolLimits(
        count_max=config.pool_count_max,
        bytes_max=config.pool_bytes_max,
        future_count_max=max(1, config.pool_count_max // 8),
        ban_ms=config.ban_ms,
    )
    desk = MiningDesk(
        Author(importer.runtime, importer.params), importer.params, account=config.author, sealing=config.sealing
    )
    votes, pool = make_vote_desk(importer, config, folders), Mempool(limits)
    batches = make_batch_desk(importer, pool, config, folders)
    solutions = make_solution_desk(importer, pool, desk, config, folders)
    return Machine(importer, pool, desk, votes=votes, batches=batches, solutions=solutions, now_ms=get_time_ms())


def make_solution_desk(
    importer: Importer, pool: Mempool, desk: MiningDesk, config: RunConfig, folders: Folders
) -> SolutionDesk:
    """Return what commits to the author's solutions; without the author's key they are shown in its blocks.

    Raises:
        CommandFailure: a key that cannot be read.
    """
    book = desk.author.solutions
    if config.author is None:
        return SolutionDesk(importer, pool, book)
    signer = find_account_key(config.keystore_path or folders.keystore, config.author, config.account)
    notes = open_solution_notes(folders.solutions, importer.chain.genesis_hash)
    return SolutionDesk(importer, pool, book, signer=signer, notes=notes)


def make_batch_desk(importer: Importer, pool: Mempool, config: RunConfig, folders: Folders) -> BatchDesk:
    """Return what sells the miner's strikes; without the author's key it sells nothing.

    Raises:
        CommandFailure: a key that cannot be read.
    """
    if config.author is None:
        return BatchDesk(importer, pool)
    keystore = config.keystore_path or folders.keystore
    signer = find_account_key(keystore, config.author, config.account)
    if config.misbehave is not None:
        _log.warning("😈 This node misbehaves on purpose (--misbehave %s): it will lose its bond", config.misbehave)
    book = open_batch_notes(folders.batches, importer.chain.genesis_hash)
    return BatchDesk(importer, pool, signer=signer, book=book, conduct=config.misbehave or "honest")
