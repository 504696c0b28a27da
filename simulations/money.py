"""Money in every simulation: looked at after every block that any honest core executes, on whatever branch.

Issuance is the sum of balances, what is on hold included, and it changes only by what the block's events say was
issued as a reward or burnt. The rest of the runtime's invariants, which tell escrow and holds apart, are looked at
every few blocks.
"""

from __future__ import annotations

from collections.abc import Iterable

from chain.params import Params
from chain.state_overlay import StateOverlay
from chain.state_view import StateView
from runtime.dispatch import InvariantBroken
from runtime.outcomes import BlockOutcome, EventRow
from runtime.pallets.balances import TOTAL_ISSUANCE, BurnedHeld, Deposit, DustLost, Minted, Withdraw
from runtime.pallets.balances import check_invariants as check_balances
from runtime.runtime import check_invariants
from runtime.storage import Overlay

ALL_EVERY_BLOCKS = 10


class MoneyBroken(Exception):
    """Money came from nowhere, or went there; the message says in which block."""


def check_money(view: StateView, number: int, outcome: BlockOutcome, params: Params) -> None:
    """Refuse what a block on the state `view` did to the money.

    Raises:
        MoneyBroken
    """
    after = Overlay(StateOverlay(view, outcome.changes))
    difference = TOTAL_ISSUANCE.get(after) - TOTAL_ISSUANCE.get(Overlay(view))
    told = compute_told(outcome.event_rows)
    if difference != told:
        raise MoneyBroken(f"block {number} changed the issuance by {difference} planck, its events say {told}")
    try:
        check_balances(after, params)
        if number % ALL_EVERY_BLOCKS == 0:
            check_invariants(after, params)
    except InvariantBroken as broken:
        raise MoneyBroken(f"after block {number}: {broken}") from broken


def compute_told(rows: Iterable[EventRow]) -> int:
    """Return by how much the issuance changed, by the events: rewards less what was burnt, fees among it."""
    total = 0
    for _, event in rows:
        match event:
            case Minted() | Deposit():
                total += event.amount
            case BurnedHeld() | DustLost() | Withdraw():
                total -= event.amount
            case _:
                continue
    return total
