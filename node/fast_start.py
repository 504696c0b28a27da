"""What comes before the node: a store that fast sync fills, and the checks of `--checkpoint`.

Fast sync runs with a network of its own and without RPC; then the node opens the finished store like any other. When
nobody can prove anything the node says so and begins at block 0.
"""

from __future__ import annotations

import asyncio
import signal

from chain.store import Store, StoreError
from consensus.digest import read_work
from genesis.block import make_genesis_block
from network.port import NetworkEvent
from network.service import NetworkService
from node.chain_layout import HEAD_KEY, RECORD_PREFIX, BlockRecord, HeadRecord, decode_record, get_canonical_key
from node.chain_opening import has_chain
from node.chain_store import ChainStore
from node.core.effects import Log
from node.core.events import Tick
from node.core.fast_sync import FastSync
from node.core.fast_target import CheckpointMissing
from node.core.importer import find_final_height
from node.driver import get_time_ms
from node.failures import CommandFailure
from node.fast_plan import make_fast_plan
from node.fast_store import FastStore, is_unfinished, wipe
from node.log_format import LEVELS, get_logger
from node.network_wiring import open_service
from node.run_config import RunConfig
from node.startup import Site
from runtime.queries import get_finality

TICK_SECONDS = 0.05
GIVEN_UP = "No fast sync, every block is synced instead"
TEST_CHAINS = ("Development", "Local")
_log = get_logger("sync")


def prepare_store(store: Store, config: RunConfig, site: Site) -> None:
    """Bring a store to where the node can open or create its chain in it.

    Raises:
        CommandFailure: the chain does not contain `--checkpoint`, or a signal stopped fast sync.
        StoreError: the disk failed.
    """
    is_there, checkpoint = has_chain(store), config.checkpoint
    contains = checkpoint is None or (is_there and _contains(store, checkpoint))
    if config.sync != "fast":
        if checkpoint is not None and not contains:
            raise CommandFailure(_say_missing(checkpoint))
        if is_unfinished(store):
            _log.warning("removing what an unfinished fast sync left; --sync fast would have gone on with it")
            wipe(store)
        return
    if is_there and contains and _read_head(store) > 0:
        _log.info("--sync fast is for an empty database; this one goes on with full sync")
        return
    if is_there and not contains:
        _log.warning("the chain here does not contain the trusted checkpoint; fast sync replaces it")
    _run(store, config, site)


def check_chain(chain: ChainStore, config: RunConfig, site: Site) -> None:
    """Refuse a chain that stood still so long that old validators may have their stake back, unless it was vouched for.

    Raises:
        CommandFailure: it did.
    """
    if config.checkpoint is None:
        _check_age(chain, site)
    else:
        _log.info("🔒 The chain contains the trusted checkpoint 0x%s", config.checkpoint.hex())


def _contains(store: Store, block_hash: bytes) -> bool:
    raw = store.get(RECORD_PREFIX + block_hash)
    record = None if raw is None else decode_record(raw, BlockRecord, what="a block's record")
    return record is not None and store.get(get_canonical_key(record.number)) == block_hash


def _read_head(store: Store) -> int:
    return decode_record(store.get(HEAD_KEY) or b"", HeadRecord, what="the record of the head").number


def _say_missing(checkpoint: bytes) -> str:
    return (
        f"the chain here does not contain the trusted checkpoint 0x{checkpoint.hex()}. Start with --sync fast "
        "--checkpoint: that replaces the database by a chain that does. Vote keys and the record of votes stay"
    )


def _check_age(chain: ChainStore, site: Site) -> None:
    """Refuse a chain that stood still so long that old validators may have their stake back.

    Raises:
        CommandFailure
    """
    number = find_final_height(chain)
    final = chain.get_header(chain.get_hash(number) or b"")
    params = site.spec.params
    if final is None or number == 0 or not get_finality(chain.state).is_attended:
        return
    delay_ms = params.staking.unbonding_blocks * params.work.block_target_ms
    away_ms = get_time_ms() - read_work(final).timestamp_ms
    # SPEC LGT-11: A node whose final block is older than the withdrawal delay MUST be given a checkpoint to go on with,
    # unless the chain is for development.
    if away_ms <= delay_ms:
        return
    text = (
        f"the final block #{number} is {away_ms // 3_600_000} h old, longer than stake stays bonded "
        f"({delay_ms // 3_600_000} h): validators of that time may have nothing to lose any more, so votes alone do "
        "not tell the true chain. Ask somebody you trust for the hash of a recent checkpoint, and start with "
        "--checkpoint HASH"
    )
    if site.spec.chain_type not in TEST_CHAINS:
        raise CommandFailure(f"{text} (with --sync fast if this chain does not contain it)")
    _log.warning("%s", text)


def _run(store: Store, config: RunConfig, site: Site) -> None:
    header, _ = make_genesis_block(site.spec)
    plan = make_fast_plan(site.spec, config.checkpoint)
    if plan.checkpoint is None and not plan.anchor.sets.current:
        _log.warning("⚡ %s: block 0 of this chain has no validators whose votes could prove anything", GIVEN_UP)
        return
    shelf = FastStore(store, header)
    sync = FastSync(shelf, plan, now_ms=get_time_ms())
    _log.info("⚡ Fast sync: looking for a proof of what is final")
    try:
        asyncio.run(_Runner(sync).run(config, site))
    except CheckpointMissing as error:
        raise CommandFailure(f"the network's chain is not yours: {error}") from error
    target = sync.target
    if sync.outcome == "too late":
        _log.warning("⚡ %s: it took too long", GIVEN_UP)
        wipe(store)
        return
    if sync.outcome == "no proof" or target is None or target.body is None:
        _log.warning("⚡ %s: no peer proves that votes made a block final", GIVEN_UP)
        wipe(store)
        return
    shelf.finish(target.body, target.status)
    number = target.header.number
    _log.info(
        "⚡ State of #%d (0x%s) is here and proven; blocks above it are verified in full",
        number,
        target.header.hash.hex(),
    )
    if config.checkpoint is None:
        _log.info("The proof began at block 0: compare this hash with somebody you trust, or use --checkpoint")


class _Runner:
    """Drives one fast sync with the node's network."""

    def __init__(self, sync: FastSync) -> None:
        self._sync = sync
        self._service: NetworkService | None = None
        self._failure: Exception | None = None
        self._is_stopped = False

    async def run(self, config: RunConfig, site: Site) -> None:
        """Run until the sync is over.

        Raises:
            CommandFailure: a signal stopped it. StoreError, CheckpointMissing: see FastSync.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        genesis, _ = make_genesis_block(site.spec)
        try:
            async with open_service(self._take, config, site, genesis.hash) as service:
                self._service = service
                while self._sync.outcome is None and self._failure is None and not self._is_stopped:
                    self._take(Tick())
                    await asyncio.sleep(TICK_SECONDS)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        if self._failure is not None:
            raise self._failure
        if self._is_stopped:
            raise CommandFailure("stopped during fast sync; the next start with --sync fast goes on where it stopped")

    def _stop(self) -> None:
        self._is_stopped = True

    def _take(self, event: NetworkEvent | Tick) -> None:
        if self._failure is not None or self._sync.outcome is not None:
            return
        try:
            effects = self._sync.handle(event, get_time_ms())
        except (StoreError, CheckpointMissing) as error:
            self._failure = error
            return
        for effect in effects:
            if isinstance(effect, Log):
                get_logger(effect.target).log(LEVELS[effect.level], effect.message)
            elif self._service is not None:
                self._service.perform(effect)
