"""Attacks that were found by reading the code, each with the test that failed before its fix."""

from __future__ import annotations

from collections.abc import Iterator

from chain.block import Block
from chain.state_view import StateView
from consensus.digest import read_work
from consensus.ticket import search_tickets
from node.core.author import Ground, seal_template
from node.core.effects import BlockImported
from node.core.events import BestShotFound
from runtime.executive import AuthorSolution
from runtime.pallets.problems import cancel, post, post_order
from runtime.pallets.work import NEXT_TARGET
from runtime.problem_state import AGENDA, INSTANCES
from runtime.queries import get_problem, list_live_problems
from runtime.runtime import encode_call
from runtime.storage import Overlay
from tests.node.world import ALICE, BOB, World, find
from tests.rules.scene import make_params, make_post
from tests.support.runtime_chain import RuntimeChain, make_ring, post_arguments
from vm.problem import make_problem


def test_a_solution_of_another_branchs_problem_does_not_stop_the_author() -> None:
    """After a reorganisation the number 0 names another problem; bits found for the old one must not kill the node."""
    left, right = World(params=make_params()), World(author=BOB.public, params=make_params())
    left.submit(left.sign(ALICE, make_post(), 0))
    left.mine()
    left.mine()
    branch = [right.mine() for _ in range(3)]
    right.submit(right.sign(BOB, encode_call(post, *post_arguments(make_ring(10), target_energy=-10, deadline=500)), 0))
    branch.append(right.mine())
    left.handle(BestShotFound(problem_id=0, energy=-9, bits=b"\x02"))
    left.now_ms = right.now_ms
    for block in branch:
        assert find(left.receive(block), BlockImported)
    assert left.head.hash == right.head.hash
    left.mine()
    left.mine()
    problem = get_problem(left.importer.chain.state, 0)
    assert problem is not None
    assert problem.record.spins == 10
    assert problem.record.best is not None, "the wrong bits are forgotten, so that right ones are brought"
    assert problem.record.best.solver == ALICE.public


def mine_at(world: World, timestamp_ms: int) -> Block:
    """Return and import a block with any permitted timestamp."""
    importer = world.importer
    ground = Ground(parent=world.head, view=importer.chain.state, compute_root=importer.chain.state.root_of)
    prepared = world.machine.desk.author.prepare(ground, world.machine.pool, BOB.public, now_ms=timestamp_ms)
    found = search_tickets(prepared.template.job, 0, 4096)
    assert found.win is not None
    block = seal_template(prepared.template, found.win)
    assert find(world.receive(block), BlockImported)
    return block


def test_tgt_10_one_old_timestamp_after_a_pause_does_not_stall_the_chain() -> None:
    """Without the clock, the anchor had moved by the pause and one old time made the next target 2^56 times harder."""
    world = World(params=make_params())
    for _ in range(12):
        mine_at(world, world.now_ms)
        world.now_ms += 1_000
    before = NEXT_TARGET.get(Overlay(world.importer.chain.state))
    world.now_ms += 3_600_000
    mine_at(world, world.now_ms)
    old = mine_at(world, 0)  # the author raises it to just above the median: an hour ago
    assert read_work(old.header).timestamp_ms < world.now_ms - 3_500_000
    assert NEXT_TARGET.get(Overlay(world.importer.chain.state)) > before // 4
    for _ in range(3):
        mine_at(world, world.now_ms)
        mine_at(world, 0)
    assert NEXT_TARGET.get(Overlay(world.importer.chain.state)) > before // 4


def test_prb_05_an_order_of_the_wrong_length_does_not_read_the_problem() -> None:
    """Its weight comes from its own length, so it must not cost what reading the largest problem costs."""
    chain = RuntimeChain()
    couplings = [(i, j, 1) for i in range(400) for j in range(i + 1, min(i + 150, 400))]
    problem = make_problem(400, couplings)
    chain.add_block(chain.sign("alice", post, *post_arguments(problem, target_energy=-len(couplings))))
    assert get_problem(chain.view, 0) is not None
    calls = [
        chain.sign("bob", post_order, 0, tuple(range(length)), nonce=nonce) for nonce, length in enumerate((0, 1, 401))
    ]
    execution = chain.start()
    execution.env.state.view = RefusingView(chain.view, INSTANCES.key_of(0))
    for raw in calls:
        assert "InvalidOrder" in execution.apply_extrinsic(raw).failure


class RefusingView:
    """A state in which one value must not be read."""

    def __init__(self, view: StateView, key: bytes) -> None:
        self.view, self.key = view, key

    def get(self, key: bytes) -> bytes | None:
        """Return a value, but not that one."""
        assert key != self.key
        return self.view.get(key)

    def iterate(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield what the view has."""
        return self.view.iterate(prefix, start)


def test_prb_24_a_problem_that_is_closed_early_leaves_the_agenda() -> None:
    """Posting and cancelling is free but for fees; it must not pile up deeds for one height."""
    chain = RuntimeChain()
    for _ in range(3):
        chain.add_block(chain.sign("alice", post, *post_arguments(deadline=500)))
    height = 501
    assert len(AGENDA.get(Overlay(chain.view), height)) == 3
    for problem in range(2):
        chain.add_block(chain.sign("alice", cancel, problem))
    assert [item.problem for item in AGENDA.get(Overlay(chain.view), height)] == [2]
    solution = AuthorSolution(problem_id=2, energy=-6, bits=b"\x15")
    chain.add_block(solution=solution)
    chain.add_blocks(chain.params.finality.unattended_depth)
    assert AGENDA.get(Overlay(chain.view), height) == ()


def test_closed_problems_do_not_slow_the_author() -> None:
    """Records of closed problems are kept for long; a template must read the open ones only."""
    chain = RuntimeChain()
    for number in range(4):
        chain.add_block(chain.sign("alice", post, *post_arguments(deadline=500)))
        if number != 2:
            chain.add_block(chain.sign("alice", cancel, number))
    read: list[bytes] = []

    class CountingView(RefusingView):
        def get(self, key: bytes) -> bytes | None:
            read.append(key)
            return self.view.get(key)

        def iterate(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
            for key, value in self.view.iterate(prefix, start):
                read.append(key)
                yield key, value

    assert [number for number, _ in list_live_problems(CountingView(chain.view, b""))] == [2]
    assert len(read) == 2
