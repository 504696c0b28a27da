"""The miner's real function in a real worker: same seals, little memory."""

from __future__ import annotations

import asyncio

from consensus.ticket import SearchResult, make_ticket_job, search_tickets
from tests.support.mining import PARAMS, make_context, make_pool_problem, make_template
from tests.workers import jobs
from workers.processes import Chunk, WorkerPool

WORKER_MIB_MAX = 200


def test_a_worker_finds_the_ticket_that_this_process_finds() -> None:
    async def scene() -> None:
        context = make_context(make_pool_problem())
        job = make_ticket_job(make_template(context), context, PARAMS)
        won: asyncio.Future[Chunk[SearchResult]] = asyncio.get_running_loop().create_future()

        def on_chunk(chunk: Chunk[SearchResult]) -> None:
            if chunk.result.is_last:
                won.set_result(chunk)

        async with asyncio.timeout(60), WorkerPool(2) as pool:
            pool.search(search_tickets, job, on_chunk)
            chunk = await won
            memory = await pool.run(jobs.describe_process)
        expected = search_tickets(job, chunk.result.start, 1_000_000)
        assert chunk.result.win == expected.win
        assert chunk.result.tickets <= chunk.count
        assert isinstance(memory["rss_kb"], int)
        assert memory["rss_kb"] < 1024 * WORKER_MIB_MAX

    asyncio.run(scene())
