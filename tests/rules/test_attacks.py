"""Attacks that were found by reading the code, each with the test that failed before its fix."""

from __future__ import annotations

from node.core.effects import BlockImported
from node.core.events import BestShotFound
from runtime.pallets.problems import post
from runtime.queries import get_problem
from runtime.runtime import encode_call
from tests.node.world import ALICE, BOB, World, find
from tests.rules.scene import make_params, make_post
from tests.support.runtime_chain import make_ring, post_arguments


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
