"""A node in memory that mines a problem that pays for strikes, with workers that answer when the test lets them."""

from __future__ import annotations

from msgspec.structs import replace

from chain.params import UNIT_PLANCK
from chain.store import MemoryStore
from consensus.ticket import search_tickets
from node.core.batch_desk import BatchDesk
from node.core.batch_notes import BatchNote, Conduct
from node.core.effects import Effect, Log, RunLeaves
from node.core.events import LeavesRun, StrikesRun, Tick, TicketFound
from node.core.notes import Notes
from node.leaf_strikes import run_leaves
from node.vote_keys import AccountKey
from runtime.batch_records import Batch, Solver
from runtime.batch_state import COMMITTED, SOLVERS
from runtime.pallets.batches import bond
from runtime.pallets.problems import post
from runtime.runtime import encode_call
from runtime.storage import Overlay
from tests.node.world import ALICE, BOB, World, find
from tests.support.batch_chain import BOND, PARAMS
from tests.support.runtime_chain import post_arguments

PRICE = 100_000
STRIKES = 16


class Seller:
    """A node that sells strikes; it can be killed and started again with the same disk."""

    def __init__(self, book: Notes[BatchNote] | None = None, *, conduct: Conduct = "honest") -> None:
        self.store = MemoryStore()
        self.book = book
        self.conduct: Conduct = conduct
        self.lines: list[str] = []
        self.asked: list[RunLeaves] = []
        self.now_ms = 0
        self.start()

    def start(self) -> None:
        """Start the node on its disk; what was in memory is gone."""
        self.world = World(author=ALICE.public, params=PARAMS, store=self.store)
        self.world.now_ms = max(self.world.now_ms, self.now_ms)
        machine = self.world.machine
        machine.batches = BatchDesk(
            self.world.importer, machine.pool, signer=AccountKey(ALICE.seed), book=self.book, conduct=self.conduct
        )
        self.asked.clear()

    def open_market(self, *, price: int = PRICE, bonds: int = 5) -> None:
        """Let bob post a problem, and alice bond."""
        terms = {"price_per_gas": price, "work_budget": 50 * UNIT_PLANCK, "deadline": 500, "target_energy": -6}
        # Bits that reach the target would close the problem; its mining node is told of none.
        call = encode_call(post, *post_arguments(**terms))
        self.world.submit(self.world.sign(BOB, call, 0))
        if bonds:
            self.world.submit(self.world.sign(ALICE, encode_call(bond, bonds * BOND), 0))
        self.mine()

    def mine(self, *, strikes: int = STRIKES) -> list[Effect]:
        """Mine a block after so many strikes, and keep what the desk asks of the workers."""
        world = self.world
        effects = world.handle(Tick(), later_ms=1000)
        desk = world.machine.desk
        template = desk.template
        assert template is not None, effects
        if template.context.pool is not None and strikes:
            result = search_tickets(replace(template.job, target=0), 0, strikes)
            world.handle(StrikesRun(generation=desk.generation, start=0, leaves=result.leaves))
        win = search_tickets(template.job, 0, 4096).win
        assert win is not None
        effects += world.handle(TicketFound(generation=desk.generation, seal=win))
        self.now_ms = world.now_ms
        self._note(effects)
        return effects

    def work(self) -> None:
        """Let the workers run what they were asked for."""
        for command in list(self.asked):
            self.asked.remove(command)
            event = LeavesRun(batch=command.batch, indices=command.indices, shots=run_leaves(command))
            self._note(self.world.handle(event))

    def mine_until_settled(self, number: int = 0) -> Batch:
        """Mine without selling more until a batch is settled, and return it."""
        for _ in range(20):
            batch = self.find_batch(number)
            if batch is not None and not batch.is_open:
                return batch
            self.work()
            self.mine(strikes=0)
        raise AssertionError(f"batch {number} was never settled: {self.lines}")

    def find_batch(self, number: int = 0) -> Batch | None:
        """Return a batch of the head's state."""
        return COMMITTED.find(Overlay(self.world.importer.chain.state), number)

    def get_solver(self) -> Solver:
        """Return alice's record."""
        return SOLVERS.get(Overlay(self.world.importer.chain.state), ALICE.public)

    def _note(self, effects: list[Effect]) -> None:
        self.lines += [effect.message for effect in find(effects, Log)]
        self.asked += find(effects, RunLeaves)
