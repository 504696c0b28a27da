"""One accepted block and a node that has not seen it yet: what every forgery starts from.

Two scenes: `pool` has a block with a pool strike, a solution and a transfer; `core` one without a problem. About one
ticket in thirty wins, so a ticket can fail. Bytes go into `node.core.importer.Importer.import_block`, which the node
itself uses.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

import pytest
from msgspec.structs import replace

from chain.block import Block, compute_extrinsics_root, encode_block
from chain.header import Header, make_unsealed
from chain.params import BlockParams, Params
from consensus.core_problem import compute_core_gas
from consensus.digest import WorkSeal, read_seal
from consensus.ticket import TicketJob, make_ticket_job, run_core_strikes
from consensus.work import compute_seed, compute_ticket
from node.core.importer import Import
from runtime.pallets.problems import post
from runtime.problem_records import Ising, Terms
from runtime.runtime import encode_call
from tests.node.world import ALICE, BOB, CHARLIE, World, get_context, reseal, with_seal

Kind = Literal["pool", "core"]
BOUNTY = 10**12


def make_params(*, block: BlockParams | None = None) -> Params:
    """Return tiny params in which about one ticket in thirty wins."""
    tiny = Params.tiny()
    gas_max = 30 * compute_core_gas(bytes(32), tiny.work.core_qubits, tiny.work.shots)
    work = replace(tiny.work, target_fixed=False, target_initial_divisor=1, ticket_gas_max=gas_max)
    return replace(tiny, work=work, block=block or tiny.block)


def make_post(*, target_energy: int = -3, deadline: int = 1000) -> bytes:
    """Return the call that posts a frustrated triangle: its best energy is -1."""
    ising = Ising(offset=0, fields=(0, 0, 0), couplings=((0, 1, 1), (0, 2, 1), (1, 2, 1)))
    terms = Terms(bounty=BOUNTY, target_energy=target_energy, deadline=deadline, work_budget=0, price_per_gas=0)
    return encode_call(post, ising, 1, (), terms)


@cache
def make_history(kind: Kind) -> tuple[World, tuple[Block, ...], Block]:
    """Return the miner, the blocks before the accepted block, and that block."""
    miner = World(params=make_params())
    before = [miner.mine() for _ in range(3)]
    if kind == "pool":
        miner.submit(miner.sign(ALICE, make_post(), 0))
        before += [miner.mine(), miner.mine()]
    miner.submit(miner.transfer(BOB, CHARLIE, 10**12, 0))
    return miner, tuple(before), miner.mine()


class Scene:
    """A node that knows all but the accepted block."""

    def __init__(self, kind: Kind) -> None:
        miner, before, self.block = make_history(kind)
        self.before = before
        self.world = World(author=None, params=make_params())
        self.world.now_ms = miner.now_ms
        for block in before:
            self.give(block)

    @property
    def parent(self) -> Block:
        """The block that the accepted one stands on."""
        return self.before[-1]

    def give(self, block: Block | bytes, *, now_ms: int | None = None) -> Import:
        """Give a block's bytes to the importer."""
        data = block if isinstance(block, bytes) else encode_block(block)
        return self.world.importer.import_block(
            data,
            now_ms=self.world.now_ms if now_ms is None else now_ms,
            is_signature_checked=self.world.machine.pool.is_signature_checked,
        )

    def refuse(self, forged: Block | bytes, error: type[Exception], *, now_ms: int | None = None) -> Exception:
        """Assert that a block is refused by exactly this class, that nothing changed, and return the error."""
        before = self.world.snapshot()
        with pytest.raises(error) as caught:
            self.give(forged, now_ms=now_ms)
        assert type(caught.value) is error, caught.value
        assert self.world.snapshot() == before
        assert str(caught.value), "a refusal says why"
        return caught.value

    def seal(self, block: Block, *, job: Callable[[TicketJob], TicketJob] = lambda job: job) -> Block:
        """Return the block with a fresh ticket for its header, whatever the header says."""
        return reseal(self.world, block, job=job)

    def make_job(self, header: Header) -> TicketJob:
        """Return the job of a header in its parent's context."""
        unsealed = make_unsealed(header)
        return make_ticket_job(unsealed, get_context(self.world, unsealed), self.world.params.work)

    def grind(self, block: Block, *, core_hash: bytes | None = None, pool_shots: bytes | None = None) -> Block:
        """Return the block with these guessed shots and an index whose ticket wins by its value: a few hashes each.

        Without a guess the core strikes are run, and the pool shots are the block's own.
        """
        job = self.make_job(block.header)
        pool = pool_shots if pool_shots is not None else read_seal(block.header).pool_shots
        for index in range(100_000):
            seed = compute_seed(job.work_key, index)
            core = core_hash if core_hash is not None else run_core_strikes(job, seed)[0]
            if compute_ticket(seed, core, pool) < job.limit:
                return with_seal(block, WorkSeal(index=index, core_hash=core, pool_shots=pool))
        raise AssertionError("no index wins")

    def rebuild(self, block: Block, body: tuple[bytes, ...]) -> Block:
        """Return a block like this one with another valid body: roots computed, sealed."""
        importer, header = self.world.importer, make_unsealed(block.header)
        parent = importer.get_header(header.parent_hash)
        assert parent is not None
        view = importer.states.get_view(header.parent_hash)
        execution = self.world.runtime.start_block(view, parent, number=header.number, digest=header.digest)
        for raw in body:
            execution.apply_extrinsic(raw)
        root = importer.states.compute_root(header.parent_hash, execution.finish().changes)
        changed = replace(header, state_root=root, extrinsics_root=compute_extrinsics_root(body))
        return self.seal(Block(header=replace(block.header, **_fields(changed)), extrinsics=body))


def _fields(header: Header) -> dict[str, object]:
    return {"state_root": header.state_root, "extrinsics_root": header.extrinsics_root}
