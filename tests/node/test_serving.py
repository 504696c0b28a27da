"""The driver while it serves: reads in the midst of a block, order, failures, shutdown; and that pauses change nothing.

Every pause hands over, so these tests see the loop between any two extrinsics, however fast the machine is.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import Block, encode_block
from chain.store import BatchEntry, MemoryStore, StoreError
from consensus.ticket import search_tickets
from node.core.effects import (
    BestChanged,
    BlockImported,
    Effect,
    ExtrinsicAccepted,
    ExtrinsicRefused,
    StartMining,
)
from node.core.events import BlockReceived, Event, ExtrinsicReceived, Tick, TicketFound
from node.core.pool_gate import get_nonce
from node.driver import Driver
from node.metrics import Metrics
from node.slices import Slices
from node.state_access import get_plain_state
from node.turns import Turns
from tests.node.world import ALICE, BOB, CHARLIE, World, find

COUNT = 12


class Recorder(Driver):
    """A driver that keeps what it carried out."""

    def __init__(self, world: World) -> None:
        clock = itertools.count(1).__next__
        slices = Slices(clock=clock)
        world.runtime.pause = slices.pause
        super().__init__(
            world.machine,
            Metrics("tiny"),
            now_ms=lambda: world.now_ms,
            turns=Turns(slices, clock=clock, slice_seconds=0),
        )
        self.done: list[Effect] = []

    def _carry_out(self, effect: Effect) -> None:
        self.done.append(effect)
        super()._carry_out(effect)


@cache
def make_blocks() -> tuple[Block, ...]:
    """Return three blocks with transfers."""
    miner = World()
    blocks: list[Block] = []
    for number in range(3):
        for index in range(COUNT):
            miner.submit(miner.transfer(ALICE, BOB, 10**12, number * COUNT + index))
        blocks.append(miner.mine(later_ms=3_000))
    return tuple(blocks)


def make_follower(store: MemoryStore | None = None) -> World:
    """Return a node that does not mine, at the time of the last block."""
    world = World(author=None, store=store)
    world.now_ms += 20_000
    return world


def receive(block: Block) -> BlockReceived:
    """Return the event of a block."""
    return BlockReceived(data=encode_block(block), origin="network")


@asynccontextmanager
async def serving(driver: Driver) -> AsyncIterator[asyncio.Task[None]]:
    """Serve until the context ends."""
    task = asyncio.create_task(driver.serve())
    await asyncio.sleep(0)
    yield task
    task.cancel()
    await asyncio.wait([task])


async def turn(times: int = 1) -> None:
    """Give others their turns."""
    for _ in range(times):
        await asyncio.sleep(0)


def test_reads_in_the_midst_of_an_import_see_the_state_before_the_block() -> None:
    world = make_follower()
    driver = Recorder(world)
    seen: list[tuple[int, int]] = []

    def read() -> tuple[int, int]:
        view = get_plain_state(world.importer, world.head.hash)
        return world.head.number, get_nonce(view, ALICE.public)

    async def run() -> None:
        async with serving(driver):
            for block in make_blocks():
                importing = asyncio.create_task(driver.take(receive(block)))
                while not importing.done():
                    seen.append(read())
                    await turn()
            seen.append(read())

    asyncio.run(run())
    assert [key for key, _ in itertools.groupby(seen)] == [(number, number * COUNT) for number in range(4)]
    assert min(seen.count((number, number * COUNT)) for number in range(3)) > COUNT, "a turn after each extrinsic"


def test_a_block_in_execution_may_be_interrupted_before_every_extrinsic_and_its_end() -> None:
    world, block = make_follower(), make_blocks()[0]
    pauses = 0

    def count() -> None:
        nonlocal pauses
        pauses += 1

    world.runtime.pause = count
    world.runtime.execute_block(world.importer.chain.state, world.genesis, block)
    assert pauses == len(block.extrinsics) + 1


def test_side_states_can_be_read_while_a_block_is_imported_on_a_side_branch() -> None:
    """The merged state that the import works on is its own: reading another branch does not move it."""
    left, right, twin = World(), World(), World()
    base = left.mine()
    right.receive(base)
    best = [left.mine(later_ms=2_000 + step) for step in range(2)]
    right.submit(right.transfer(ALICE, CHARLIE, 10**12, 0))
    fork = right.mine(later_ms=1_000)
    for block in (base, fork):
        twin.now_ms += 5_000
        twin.receive(block)
    children: list[Block] = []
    for node, amount in ((right, 10**12), (twin, 10**11)):
        node.submit(node.transfer(ALICE, CHARLIE, amount, 1))
        children.append(node.mine(later_ms=1_000))
    world = make_follower()
    for block in [base, *best, fork, children[0]]:
        assert find(world.receive(block), BlockImported)
    driver = Recorder(world)
    nonces: list[int] = []

    async def run() -> None:
        async with serving(driver):
            importing = asyncio.create_task(driver.take(receive(children[1])))
            while not importing.done():
                for block in (children[0], fork, children[0]):
                    nonces.append(get_nonce(get_plain_state(world.importer, block.hash), ALICE.public))
                await turn()
            assert find(importing.result(), BlockImported)

    asyncio.run(run())
    assert set(zip(nonces[::3], nonces[1::3], strict=True)) == {(2, 1)}
    assert get_nonce(get_plain_state(world.importer, children[1].hash), ALICE.public) == 2


def test_events_are_handled_in_order_and_effects_carried_out_before_the_next() -> None:
    world = make_follower()
    driver = Recorder(world)
    blocks = make_blocks()
    raws = [world.transfer(BOB, CHARLIE, 10**9, nonce) for nonce in range(4)]

    async def run() -> None:
        async with serving(driver):
            driver.post(receive(blocks[0]))
            await turn(3)
            first = asyncio.create_task(driver.take(ExtrinsicReceived(raw=raws[0])))
            await turn()
            driver.post(receive(blocks[1]))
            second = asyncio.create_task(driver.take(ExtrinsicReceived(raw=raws[1])))
            await turn()
            assert not first.done(), "the core is in the midst of the first block"
            await asyncio.gather(first, second)

    asyncio.run(run())
    kinds = [type(effect).__name__ for effect in driver.done]
    told = [kind for kind in kinds if kind in ("BlockImported", "BestChanged", "ExtrinsicAccepted")]
    assert told == ["BlockImported", "BestChanged", "ExtrinsicAccepted"] * 2


def test_an_extrinsic_that_finds_the_core_idle_costs_no_turn_of_the_loop() -> None:
    """A batch of thousands must not pay for thousands of turns."""
    world = make_follower()
    driver = Recorder(world)

    async def run() -> None:
        async with serving(driver):
            taking = driver.take(ExtrinsicReceived(raw=world.transfer(ALICE, BOB, 10**9, 0)))
            with pytest.raises(StopIteration) as caught:
                taking.send(None)
            assert find(caught.value.value, ExtrinsicAccepted)

    asyncio.run(run())


def test_a_template_is_prepared_in_turns_and_a_block_is_told_before_it() -> None:
    world = World()
    driver = Recorder(world)
    for nonce in range(COUNT):
        world.machine.react(ExtrinsicReceived(raw=world.transfer(ALICE, BOB, 10**12, nonce)), world.now_ms)
    turns = 0

    async def run() -> None:
        nonlocal turns
        async with serving(driver):
            driver.post(Tick())
            await turn(2)
            while not find(driver.done, StartMining):
                turns += 1
                await turn()
            generation = world.machine.desk.generation
            template = world.machine.desk.template
            assert template is not None
            assert template.signed_count == COUNT
            win = search_tickets(template.job, 0, 4096).win
            assert win is not None
            driver.done.clear()
            driver.post(TicketFound(generation=generation, seal=win))
            while not find(driver.done, BlockImported):
                await turn()
            assert not find(driver.done, StartMining), "the next template is still to come"
            while not find(driver.done, StartMining):
                await turn()

    asyncio.run(run())
    assert turns > COUNT


class FailingStore(MemoryStore):
    """A store whose disk fails from some moment on."""

    fails = False

    def write(self, batch: Sequence[BatchEntry], *, sync: bool = True) -> None:
        """Write, or fail."""
        if self.fails:
            raise StoreError("no space left on the disk")
        super().write(batch, sync=sync)


def test_a_disk_that_fails_in_the_midst_stops_the_node_and_nothing_follows() -> None:
    store = FailingStore()
    world = make_follower(store)
    driver = Recorder(world)
    failures: list[StoreError] = []
    driver.on_failure = failures.append
    blocks = make_blocks()

    async def run() -> None:
        task = asyncio.create_task(driver.serve())
        await turn()
        store.fails = True
        driver.post(receive(blocks[0]))
        waiting = asyncio.create_task(driver.take(ExtrinsicReceived(raw=world.transfer(BOB, ALICE, 1, 0))))
        with pytest.raises(StoreError, match="no space"):
            await task
        with pytest.raises(Exception, match="the node stops"):
            await waiting

    asyncio.run(run())
    assert len(failures) == 1
    assert driver.done == []
    assert world.head.number == 0


def test_the_one_who_waits_hears_of_a_failure_of_the_disk() -> None:
    store = FailingStore()
    world = make_follower(store)
    driver = Recorder(world)
    failures: list[StoreError] = []
    driver.on_failure = failures.append
    store.fails = True

    async def run() -> None:
        task = asyncio.create_task(driver.serve())
        await turn()
        with pytest.raises(StoreError):
            await driver.take(receive(make_blocks()[0]))
        await asyncio.wait([task])
        assert isinstance(task.exception(), StoreError)

    asyncio.run(run())
    assert len(failures) == 1


def test_a_bug_in_a_job_is_the_callers_and_the_core_goes_on() -> None:
    world = make_follower()
    driver = Recorder(world)

    def break_down() -> None:
        world.runtime.pause()
        raise ZeroDivisionError("a bug")

    async def run() -> None:
        async with serving(driver):
            with pytest.raises(ZeroDivisionError):
                await driver.run(break_down)
            assert find(await driver.take(receive(make_blocks()[0])), BlockImported)

    asyncio.run(run())


def test_a_shutdown_in_the_midst_of_a_block_ends_the_block_first() -> None:
    world = make_follower()
    driver = Recorder(world)

    async def run() -> None:
        async with serving(driver):
            driver.post(receive(make_blocks()[0]))
            await turn(20)
            assert world.head.number == 0, "it is in the midst"

    asyncio.run(run())
    assert world.head.number == 1
    assert [type(effect) for effect in driver.done if not isinstance(effect, BestChanged)].count(BlockImported) == 1
    assert find(driver.dispatch(receive(make_blocks()[1])), BlockImported), "what comes later is handled in one go"


def test_ticks_do_not_pile_up_behind_a_block() -> None:
    world = make_follower()
    driver = Recorder(world)
    handled: list[Event] = []
    react = world.machine.react

    def count(event: Event, now_ms: int) -> list[Effect]:
        handled.append(event)
        return react(event, now_ms)

    world.machine.react = count  # type: ignore[method-assign]

    async def run() -> None:
        async with serving(driver):
            driver.post(receive(make_blocks()[0]))
            await turn(5)
            for _ in range(50):
                driver.post(Tick())

    asyncio.run(run())
    assert sum(isinstance(event, Tick) for event in handled) == 1


def make_event(world: World, number: int) -> Event:
    """Return one of the events of the property: blocks in any order, transfers, time."""
    blocks = make_blocks()
    if number < len(blocks):
        return receive(blocks[number])
    if number < 8:
        return ExtrinsicReceived(raw=world.transfer(BOB, CHARLIE, 10**9, number - len(blocks)))
    return Tick()


@settings(max_examples=25, deadline=None)
@given(numbers=st.lists(st.integers(0, 9), max_size=12), is_mining=st.booleans(), gaps=st.lists(st.integers(0, 5)))
def test_pauses_change_neither_effects_nor_state(numbers: list[int], is_mining: bool, gaps: list[int]) -> None:
    """`handle` in one go and the served driver, interrupted wherever it can be, with reads in between, agree."""
    make: Callable[[], World] = World if is_mining else (lambda: World(author=None))
    plain, served = make(), make()
    plain.now_ms = served.now_ms = plain.now_ms + 20_000
    driver = Recorder(served)
    expected = [effect for number in numbers for effect in plain.handle(make_event(plain, number))]

    async def run() -> None:
        async with serving(driver):
            for number, gap in itertools.zip_longest(numbers, gaps[: len(numbers)], fillvalue=1):
                taking = asyncio.create_task(driver.take(make_event(served, number)))
                await turn(gap)
                get_nonce(get_plain_state(served.importer, served.head.hash), ALICE.public)
                while not taking.done():
                    await turn()
                while driver._turns.is_busy:
                    await turn()

    asyncio.run(run())
    assert [describe(effect) for effect in driver.done] == [describe(effect) for effect in expected]
    assert served.snapshot() == plain.snapshot()


def describe(effect: Effect) -> str:
    """Return what compares: errors are equal if they say the same."""
    return f"{type(effect.error).__name__}: {effect.error}" if isinstance(effect, ExtrinsicRefused) else repr(effect)
