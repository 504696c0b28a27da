"""Several processes claim chunks of one range; hardly any strike of theirs is left out of a batch."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from consensus.ticket import SearchResult, make_ticket_job, search_tickets
from node.core.batch_notes import LEAF_BYTES
from tests.support.mining import PARAMS, make_context, make_pool_problem, make_template
from workers.processes import Chunk, WorkerPool
from workers.shared_counter import claim, make_counter


def test_claims_follow_one_another_until_a_newer_search_begins() -> None:
    with make_counter() as file:
        descriptor = file.fileno()
        assert [claim(descriptor, 1, count) for count in (5, 1, 7)] == [0, 5, 6]
        assert claim(descriptor, 2, 3) == 0
        assert claim(descriptor, 1, 3) is None
        assert claim(descriptor, 2, 1) == 3


def test_two_workers_leave_a_gap_of_one_chunk_at_most() -> None:
    """What the other one is still running when the search ends."""
    chunks: list[Chunk[SearchResult]] = []

    async def scene() -> None:
        context = make_context(make_pool_problem())
        job = replace(make_ticket_job(make_template(context), context, PARAMS), target=0)
        enough = asyncio.Event()

        def on_chunk(chunk: Chunk[SearchResult]) -> None:
            chunks.append(chunk)
            if len(chunks) >= 40 and len({each.worker for each in chunks}) == 2:
                enough.set()

        async with asyncio.timeout(60), WorkerPool(2, chunk_seconds=0.02) as pool:
            pool.search(search_tickets, job, on_chunk)
            await enough.wait()

    asyncio.run(scene())
    results = sorted((chunk.result for chunk in chunks), key=lambda result: result.start)
    ends = [0, *(result.start + result.tickets for result in results)]
    assert all(len(result.leaves) == LEAF_BYTES * result.tickets for result in results)
    assert all(end <= result.start for end, result in zip(ends, results, strict=False))
    assert sum(end != result.start for end, result in zip(ends, results, strict=False)) <= 1
