"""What the node says of a ticket that was run again."""

from __future__ import annotations

from chain.header import make_sealed
from chain.params import Params
from consensus.digest import WorkSeal, make_seal
from consensus.ticket import make_ticket_job, run_ticket
from node.work_answers import replay_ticket
from tests.support.mining import PARAMS, make_context, make_pool_problem, make_template


def test_a_ticket_is_compared_with_the_gas_that_it_used() -> None:
    """One that wins, and one that only its weight would have let win."""
    context = make_context(make_pool_problem())
    template = make_template(context)
    job = make_ticket_job(template, context, PARAMS)
    tickets = [run_ticket(job, index) for index in range(200)]
    won = next(index for index, ticket in enumerate(tickets) if ticket.wins(job))
    more = ((index, run_ticket(job, index)) for index in range(20_000))
    cheap, one = next((index, one) for index, one in more if one.value < job.limit and not one.wins(job))
    for index, ticket, verdict in ((won, tickets[won], "valid"), (cheap, one, "invalid")):
        seal = make_seal(WorkSeal(index=index, core_hash=ticket.core_hash, pool_shots=ticket.pool_shots))
        said = replay_ticket(make_sealed(template, seal), context, Params(work=PARAMS))
        assert said["verdict"] == verdict
        assert said["gasUsed"] == str(ticket.gas)
        assert said["checks"] == {"belowTarget": verdict == "valid", "coreShots": True, "poolShots": True}
