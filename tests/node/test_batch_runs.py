"""What is sold of the strikes that several workers ran: all that leaves no gap."""

from __future__ import annotations

from itertools import permutations

from node.core.batch_notes import LEAF_BYTES
from node.core.batch_runs import LEAVES_MAX, BatchRuns
from tests.node.selling import Seller

PIECES = ((0, 3), (3, 2), (5, 4), (9, 1))


def make_leaves(start: int, count: int) -> bytes:
    """Return leaves that say their index."""
    return b"".join(index.to_bytes(LEAF_BYTES, "little") for index in range(start, start + count))


def make_runs() -> BatchRuns:
    """Return runs that expect strikes for generation 7."""
    seller = Seller()
    seller.open_market(bonds=0)
    seller.mine(strikes=0)
    seller.mine(strikes=0)
    runs, template = BatchRuns(), seller.world.machine.desk.template
    assert template is not None
    runs.on_template(7, template)
    return runs


def test_chunks_of_all_workers_are_one_run_in_whatever_order_they_come() -> None:
    runs, template = make_runs(), None
    for order in permutations(PIECES):
        template = template or runs._templates[7]
        runs.on_template(7, template)
        for start, count in order:
            runs.add(7, start, make_leaves(start, count))
        run = runs.take_longest()
        assert run is not None
        assert run.leaves == make_leaves(0, 10)


def test_what_is_beyond_a_gap_is_not_sold() -> None:
    runs = make_runs()
    for start, count in (PIECES[0], *PIECES[2:]):
        runs.add(7, start, make_leaves(start, count))
    run = runs.take_longest()
    assert run is not None
    assert run.leaves == make_leaves(0, 3)


def test_a_chunk_that_comes_twice_or_too_far_out_changes_nothing() -> None:
    runs = make_runs()
    runs.add(7, 0, make_leaves(0, 3))
    runs.add(7, 0, make_leaves(0, 3))
    runs.add(7, LEAVES_MAX, make_leaves(0, 1))
    run = runs.take_longest()
    assert run is not None
    assert run.count == 3
