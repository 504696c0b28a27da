"""An honest node as the world starts it: the real core on a simulated disk, opened as `node.startup` opens it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import msgspec

from consensus.seal import SealChecker
from genesis.block import make_genesis_block
from genesis.chain_spec import ChainSpec
from node.chain_layout import BlockData
from node.chain_opening import create_chain, has_chain, open_chain
from node.core.author import Author
from node.core.batch_desk import BatchDesk
from node.core.batch_notes import BatchSigner
from node.core.effects import Effect
from node.core.events import Event
from node.core.importer import Importer
from node.core.machine import Machine
from node.core.mempool import Mempool, PoolLimits
from node.core.mining_desk import MiningDesk
from node.core.sealing import Sealing
from node.core.solution_desk import SolutionDesk
from node.core.vote_desk import VoteDesk
from simulations.disk import Disk
from simulations.shared_runtime import SharedRuntime, SharedStepBook, SharedWork, open_shared_tree
from simulations.voting import DiskOffenceBook, DiskVoteBook, SeedSigner

STATE_WINDOW_BLOCKS = 256


class Actor(Protocol):
    """Whatever takes a node's place: the honest core, or an attacker."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Return what to do about an event, in order."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What a node finds when it starts.

    Attributes:
        account: Who earns the rewards; None mines nothing.
        vote_seed: Seed of the vote key; None votes never.
        now_ms: The time as the node's clock has it.
        shared: What other nodes of the world have computed.
    """

    name: str
    spec: ChainSpec
    disk: Disk
    check_seal: SealChecker
    account: bytes | None
    vote_seed: bytes | None
    now_ms: int
    shared: SharedWork = msgspec.field(default_factory=SharedWork)


ActorMaker: TypeAlias = Callable[[Site], Actor]


def make_honest_node(site: Site) -> Machine:
    """Return the core on what the disk holds, or on block 0.

    Raises:
        StoreError: the disk is full, or what it holds is damaged.
    """
    return make_node(site, None)


def make_node(site: Site, signer: BatchSigner | None, kind: type[Machine] = Machine) -> Machine:
    """Return the core, which sells strikes and commits to solutions if it has its author's key.

    Args:
        kind: The class of the core.

    Raises:
        StoreError: as above.
    """
    header, state = make_genesis_block(site.spec)
    if has_chain(site.disk):
        chain = open_chain(site.disk, genesis_hash=header.hash)
    else:
        chain = create_chain(site.disk, BlockData(header=header, extrinsics=(), work_total=0), state)
    chain.state = open_shared_tree(site.disk, site.shared)
    params = site.spec.params
    runtime = SharedRuntime(params, header.hash, site.shared)
    importer = Importer(chain, runtime, params, state_window=STATE_WINDOW_BLOCKS, seal_checker=site.check_seal)
    importer.steps = SharedStepBook(chain, params.finality, site.shared)
    importer.restore_side_blocks()
    desk = MiningDesk(Author(runtime, params), params, account=site.account, sealing=Sealing(mode="pow"))
    voter = SeedSigner(() if site.vote_seed is None else (site.vote_seed,))
    book, offences = DiskVoteBook(site.disk), DiskOffenceBook(site.disk)
    votes = VoteDesk(importer, signer=voter, book=book, offences=offences)
    pool = Mempool(PoolLimits())
    batches = BatchDesk(importer, pool, signer=signer)
    solutions = SolutionDesk(importer, pool, desk.author.solutions, signer=signer)
    return kind(importer, pool, desk, votes=votes, batches=batches, solutions=solutions, now_ms=site.now_ms)
