"""A whole node in memory for the tests: the real core on a MemoryStore, with a clock that the test moves.

The chain is `Params.tiny()`: six spins in the core problem, every ticket wins, epochs of four blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from chain.block import Block, compute_extrinsics_root, encode_block
from chain.ed25519 import public_of
from chain.era import IMMORTAL, Era
from chain.extrinsic import SigningContext, encode_extra, make_signed
from chain.header import Digest, Header, make_sealed, make_unsealed
from chain.params import UNIT_PLANCK, Params
from chain.secret_uri import derive_seed
from chain.store import MemoryStore
from chain.substrate_types import AddressId
from consensus.context import WorkContext
from consensus.digest import WorkDigest, WorkSeal, make_digest, make_seal, read_author, read_work
from consensus.ticket import TicketJob, make_ticket_job, search_tickets
from genesis.block import make_genesis_block
from genesis.chain_spec import ChainSpec, Genesis, RuntimeGenesis, StakingPatch, make_validator
from genesis.presets import make_development
from node.chain_layout import BlockData
from node.chain_opening import create_chain, has_chain, open_chain
from node.core.author import Author
from node.core.effects import BlockImported, BlockRefused, Effect, StartMining
from node.core.events import BestShotFound, BlockReceived, Event, ExtrinsicReceived, Origin, Tick, TicketFound
from node.core.importer import Importer
from node.core.machine import Machine
from node.core.mempool import Mempool, PoolLimits
from node.core.mining_desk import MiningDesk
from node.core.sealing import Sealing
from node.core.vote_desk import VoteDesk
from node.core.voting import OffenceBook, VoteBook, VoteSigner
from runtime.executive import Runtime
from runtime.pallets.balances import transfer_keep_alive
from runtime.runtime import encode_call

BEGIN_MS = 1_800_000_000_000
TICKETS_MAX = 4096


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """One account that can sign."""

    seed: bytes
    public: bytes


def make_keys(uri: str) -> Keys:
    """Return the keys of a secret URI."""
    seed = derive_seed(uri)
    return Keys(seed=seed, public=public_of(seed))


def make_vote_keys(uri: str) -> Keys:
    """Return the vote keys of a development account."""
    return make_keys(f"{uri}//vote")


ALICE, BOB, CHARLIE = make_keys("//Alice"), make_keys("//Bob"), make_keys("//Charlie")


def make_tiny_spec(params: Params | None = None, *, validators: Sequence[str] = ()) -> ChainSpec:
    """Return the development chain with tiny numbers; `validators` are secret URIs, each votes with its //vote."""
    spec = replace(make_development(), id="tiny", params=params or Params.tiny())
    if not validators:
        return spec
    stake = 1_000 * UNIT_PLANCK
    rows = [make_validator(make_keys(uri).public, make_vote_keys(uri).public, stake, spec.params) for uri in validators]
    assert spec.genesis.runtime_genesis is not None
    patch = replace(spec.genesis.runtime_genesis.patch, staking=StakingPatch(validators=tuple(rows)))
    return replace(spec, genesis=Genesis(runtime_genesis=RuntimeGenesis(patch=patch)))


class World:
    """One node and its clock."""

    def __init__(
        self,
        *,
        author: bytes | None = ALICE.public,
        sealing: Sealing | None = None,
        params: Params | None = None,
        store: MemoryStore | None = None,
        state_window: int | None = 16,
        spec: ChainSpec | None = None,
        signer: VoteSigner | None = None,
        book: VoteBook | None = None,
        offences: OffenceBook | None = None,
    ) -> None:
        spec = spec or make_tiny_spec(params)
        self.params = spec.params
        self.store = store if store is not None else MemoryStore()
        header, state = make_genesis_block(spec)
        self.genesis = header
        self.now_ms = BEGIN_MS
        if not has_chain(self.store):
            chain = create_chain(self.store, BlockData(header=header, extrinsics=(), work_total=0), state)
        else:
            chain = open_chain(self.store, genesis_hash=header.hash)
        self.runtime = Runtime(spec.params, header.hash)
        self.importer = Importer(chain, self.runtime, spec.params, state_window=state_window)
        self.importer.restore_side_blocks()
        desk = MiningDesk(
            Author(self.runtime, spec.params), spec.params, account=author, sealing=sealing or Sealing(mode="pow")
        )
        votes = VoteDesk(self.importer, signer=signer, book=book, offences=offences)
        self.machine = Machine(self.importer, Mempool(PoolLimits()), desk, now_ms=self.now_ms, votes=votes)
        self.dispatch: Callable[[Event], list[Effect]] = lambda event: self.machine.handle(event, self.now_ms)

    @property
    def head(self) -> Header:
        """The best block's header."""
        return self.importer.head

    def handle(self, event: Event, *, later_ms: int = 0) -> list[Effect]:
        """Let the clock run and the core handle an event."""
        self.now_ms += later_ms
        return self.dispatch(event)

    def mine(self, *, later_ms: int = 1000) -> Block:
        """Mine the next block on the head, as the driver and its workers would, and return it."""
        effects = self.handle(Tick(), later_ms=later_ms)
        desk = self.machine.desk
        template = desk.template
        assert template is not None, effects
        result = search_tickets(template.job, 0, TICKETS_MAX)
        assert result.win is not None
        pool = template.job.pool
        if pool is not None and result.best_energy is not None and result.best_shot is not None:
            shot = BestShotFound(problem_id=pool.problem_id, energy=result.best_energy, bits=result.best_shot)
            self.handle(shot)
        effects = self.handle(TicketFound(generation=desk.generation, seal=result.win))
        imported = find(effects, BlockImported)
        assert len(imported) == 1, effects
        return Block(header=imported[0].header, extrinsics=self.importer.chain.get_body(imported[0].hash) or ())

    def receive(self, block: Block | bytes, *, origin: Origin = "network") -> list[Effect]:
        """Give the core a block."""
        return self.handle(
            BlockReceived(data=block if isinstance(block, bytes) else encode_block(block), origin=origin)
        )

    def submit(self, raw: bytes) -> list[Effect]:
        """Give the core an extrinsic."""
        return self.handle(ExtrinsicReceived(raw=raw))

    def sign(
        self, keys: Keys, call: bytes, nonce: int, *, tip: int = 0, era: Era = IMMORTAL, birth: bytes = b""
    ) -> bytes:
        """Return a signed extrinsic."""
        context = SigningContext(
            spec_version=self.params.spec_version,
            transaction_version=self.params.transaction_version,
            genesis_hash=self.genesis.hash,
            birth_hash=birth or self.genesis.hash,
        )
        return make_signed(call, keys.seed, keys.public, encode_extra(era, nonce, tip), context)

    def transfer(self, keys: Keys, to: Keys, amount: int, nonce: int, **options: int) -> bytes:
        """Return a signed transfer."""
        return self.sign(keys, make_transfer(to, amount), nonce, **options)

    def snapshot(self) -> tuple[object, ...]:
        """Return everything that a refused block must not change."""
        pool = self.machine.pool
        return (
            list(self.store.iterate(b"")),
            self.head.hash,
            self.importer.chain.state.root,
            self.importer.blocks.best.hash,
            len(self.importer.blocks),
            [entry.hash for entry in pool.iterate_entries()],
        )


def make_transfer(to: Keys, amount: int) -> bytes:
    """Return the call of a transfer."""
    return encode_call(transfer_keep_alive, AddressId(account=to.public), amount)


def find(effects: Iterable[Effect], kind: type) -> list:  # type: ignore[type-arg]
    """Return the effects of one kind."""
    return [effect for effect in effects if isinstance(effect, kind)]


def get_refusal(effects: Iterable[Effect]) -> Exception:
    """Return why the core refused a block."""
    refused = find(effects, BlockRefused)
    assert len(refused) == 1, list(effects)
    error: Exception = refused[0].error
    return error


def get_context(world: World, header: Header) -> WorkContext:
    """Return the context of a block on a parent that this world knows."""
    parent = world.importer.get_header(header.parent_hash)
    assert parent is not None
    view = world.importer.states.get_view(header.parent_hash)
    return world.runtime.get_work_context(view, parent, read_work(header).problem)


def reseal(world: World, block: Block, *, job: Callable[[TicketJob], TicketJob] = lambda job: job) -> Block:
    """Return the block with a fresh ticket for its header, whatever the header says."""
    header = make_unsealed(block.header)
    found = search_tickets(job(make_ticket_job(header, get_context(world, header), world.params.work)), 0, TICKETS_MAX)
    assert found.win is not None
    return with_seal(block, found.win)


def with_seal(block: Block, seal: WorkSeal) -> Block:
    """Return the block with another seal."""
    return Block(header=make_sealed(block.header, make_seal(seal)), extrinsics=block.extrinsics)


def with_work(block: Block, **changes: object) -> Block:
    """Return the block, its seal kept, with another work item."""
    work: WorkDigest = replace(read_work(block.header), **changes)
    digest = make_digest(read_author(block.header), work)
    return with_digest(block, digest)


def with_digest(block: Block, digest: Digest) -> Block:
    """Return the block, its seal kept, with another digest."""
    seal = block.header.seal
    assert seal is not None
    header = replace(block.header, digest=Digest(logs=(*digest.logs, seal)))
    return Block(header=header, extrinsics=block.extrinsics)


def with_header(block: Block, **changes: object) -> Block:
    """Return the block with some fields of its header changed."""
    return Block(header=replace(block.header, **changes), extrinsics=block.extrinsics)


def with_body(block: Block, extrinsics: tuple[bytes, ...]) -> Block:
    """Return the block with another body, to which its header commits."""
    header = replace(block.header, extrinsics_root=compute_extrinsics_root(extrinsics))
    return Block(header=header, extrinsics=extrinsics)


def get_job(effects: Iterable[Effect]) -> StartMining | None:
    """Return the last order to mine."""
    orders = find(effects, StartMining)
    return orders[-1] if orders else None
