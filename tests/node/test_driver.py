"""The driver: what it does with effects and with a disk that fails; the miner with real worker processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from chain.store import BatchEntry, MemoryStore, StoreError
from node.core.author import Author
from node.core.effects import StartMining
from node.core.events import BestShotFound, Tick, TicketFound
from node.core.problem_choice import SolutionBook, choose_problem
from node.driver import Driver
from node.metrics import Metrics
from node.miner import Found, Miner, make_workers
from runtime.executive import AuthorSolution
from runtime.problem_records import Problem, ProblemStatus
from tests.node.world import ALICE, World, find
from tests.rules.scene import make_params, make_post


class FullStore(MemoryStore):
    """A store whose disk is full from some moment on."""

    is_full = False

    def write(self, batch: Sequence[BatchEntry], *, sync: bool = True) -> None:
        """Write, or fail like a full disk."""
        if self.is_full:
            raise StoreError("no space left on the disk")
        super().write(batch, sync=sync)


def test_a_disk_that_fails_stops_the_node_and_nothing_is_told() -> None:
    store = FullStore()
    world = World(store=store)
    driver = Driver(world.machine, Metrics("tiny"), now_ms=lambda: world.now_ms)
    world.dispatch = driver.dispatch
    world.mine()
    feed = driver.heads["all"].subscribe()
    failures: list[StoreError] = []
    driver.on_failure = failures.append
    store.is_full = True
    with pytest.raises(StoreError, match="no space"):
        world.mine()
    assert len(failures) == 1
    feed.finish()

    async def read() -> list[object]:
        return [header async for header in feed]

    assert asyncio.run(read()) == []


def test_worker_processes_mine_a_block_and_polish_what_they_measure() -> None:
    async def run() -> None:
        world = World(params=make_params())
        world.submit(world.sign(ALICE, make_post(), 0))
        world.mine()
        found: asyncio.Queue[Found] = asyncio.Queue()
        async with make_workers(1) as workers:
            miner = Miner(workers, found.put_nowait)
            order = find(world.handle(Tick(), later_ms=5000), StartMining)
            template = world.machine.desk.template
            assert template is not None
            assert template.problem_id == 0
            miner.start(order[-1] if order else StartMining(generation=world.machine.desk.generation, job=template.job))
            win: TicketFound | None = None
            energies: list[int] = []
            async with asyncio.timeout(120):
                while win is None or len(energies) < 2:
                    news = await found.get()
                    if isinstance(news, TicketFound):
                        win = news
                    elif isinstance(news, BestShotFound):
                        energies.append(news.energy)
            miner.stop()
            assert min(energies) == -1
            assert miner.tickets > 0
            before = world.head.number
            world.handle(win)
            assert world.head.number == before + 1

    asyncio.run(run())


def make_problem(**changes: object) -> Problem:
    """Return an open problem's record."""
    fields: dict[str, object] = {
        "poster": bytes(32),
        "status": ProblemStatus.Open,
        "spins": 4,
        "couplings": 4,
        "depth": 1,
        "bounty": 100,
        "target_energy": -4,
        "deadline": 50,
        "work_budget": 0,
        "price_per_gas": 0,
        "deposit": 0,
        "posted_at": 1,
        "closed_at": 0,
        "strike_gas": 10,
        "order_cost": 1,
        "reserved": 0,
        "open_batches": 0,
        "batches": 0,
        "best_effort_ppb": 0,
        "commits": 0,
        "reveals_until": 0,
        "best": None,
    }
    return Problem(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("problems", "chosen"),
    [
        ([], None),
        ([{}], 0),
        ([{}, {"bounty": 200}], 1),
        ([{}, {"bounty": 200, "strike_gas": 30}], 0),
        ([{}, {}], 0),
        ([{"status": ProblemStatus.Solved}, {"bounty": 1}], 1),
        ([{"strike_gas": 0, "bounty": 10**9}], None),
        ([{"deadline": 9}], None),
        ([{"deadline": 10}], 0),
    ],
)
def test_the_best_reward_for_gas_is_mined_on(problems: list[dict[str, object]], chosen: int | None) -> None:
    rows = [(number, make_problem(**changes)) for number, changes in enumerate(problems)]
    assert choose_problem(rows, height=10) == chosen


def test_a_solution_is_told_only_while_it_is_news() -> None:
    book = SolutionBook()
    assert book.note(AuthorSolution(problem_id=1, energy=-3, bits=b"\x01"))
    assert not book.note(AuthorSolution(problem_id=1, energy=-3, bits=b"\x02"))
    assert book.note(AuthorSolution(problem_id=2, energy=5, bits=b"\x03"))
    rows = [(1, make_problem()), (2, make_problem(bounty=500))]
    chosen = book.choose(rows, height=10)
    assert chosen is not None
    assert chosen.problem_id == 2
    assert book.choose([(1, make_problem(deadline=9))], height=10) is None
    assert book.choose([(1, make_problem(status=ProblemStatus.Cancelled))], height=10) is None


def test_a_ticket_too_dear_for_the_chain_falls_back_to_the_core_problem() -> None:
    world = World()
    world.submit(world.sign(ALICE, make_post(), 0))
    world.mine()
    author = Author(world.runtime, make_params())
    view, parent = world.importer.chain.state, world.head
    assert author._choose_context(view, parent, 0).pool is not None
    cheap = make_params()
    author = Author(world.runtime, replace(cheap, work=replace(cheap.work, ticket_gas_max=1)))
    assert author._choose_context(view, parent, 0).pool is None
