"""Money in every simulation: looked at after every block of the real runtime, on whatever branch.

Issuance is the sum of balances, what is on hold included, and it changes only by what the block's events say was
issued as a reward or burnt. A block is compared in what it changed: the accounts' sum by as much as the issuance, and
what is reserved of each account with its holds. The whole state is looked at in the first block that a runtime
executes and every few blocks, with all the runtime's invariants, which tell escrow and holds apart.

A call that crashes, which a node refuses and goes on, ends a simulation too.

Invariant: whatever executes blocks in a simulation does so with `CheckedRuntime`; a test looks for others.
"""

from __future__ import annotations

from collections.abc import Iterable

from chain.block import Block
from chain.header import Header
from chain.params import Params
from chain.state_overlay import StateOverlay
from chain.state_view import StateView
from runtime.block_execution import BlockExecution, IsSignatureChecked
from runtime.dispatch import InvariantBroken
from runtime.executive import Runtime, is_never_checked
from runtime.outcomes import ApplyOutcome, BlockOutcome, EventRow
from runtime.pallets.balances import HOLDS, TOTAL_ISSUANCE, BurnedHeld, Deposit, DustLost, Minted, Withdraw
from runtime.pallets.system import ACCOUNT
from runtime.runtime import check_invariants
from runtime.storage import Overlay, make_prefix
from runtime.validity import CallCrashed

ALL_EVERY_BLOCKS = 10
ACCOUNT_BYTES = 32
ACCOUNT_PREFIXES = (make_prefix("System", "Account"), make_prefix("Balances", "Holds"))


class MoneyBroken(Exception):
    """Money came from nowhere, or went there; the message says in which block."""


class RuntimeMistaken(Exception):
    """A call ended in a mistake of the runtime, which a node would refuse and go on."""


class LoudExecution(BlockExecution):
    """A block in execution that ends the run when a call crashes."""

    def apply_extrinsic(self, raw: bytes, *, signature_checked: bool = False) -> ApplyOutcome:
        """Add one extrinsic.

        Raises:
            InvalidTransaction: it may not be in this block; RuntimeMistaken: its call crashed.
        """
        try:
            return super().apply_extrinsic(raw, signature_checked=signature_checked)
        except CallCrashed as error:
            raise RuntimeMistaken(error.diagnosis) from error


class CheckedRuntime(Runtime):
    """The runtime of simulations: no outcome of a block leaves it that does to the money what nothing may do."""

    execution = LoudExecution
    _is_begun = False

    def execute_block(
        self,
        view: StateView,
        parent: Header,
        block: Block,
        *,
        is_signature_checked: IsSignatureChecked = is_never_checked,
    ) -> BlockOutcome:
        """Return what a block does.

        Raises:
            InvalidBlock: it may not do that; MoneyBroken: it did something to the money that nothing may do.
        """
        outcome = super().execute_block(view, parent, block, is_signature_checked=is_signature_checked)
        self._check(view, block.header.number, outcome)
        return outcome

    def finish_block(self, view: StateView, execution: BlockExecution) -> BlockOutcome:
        """Return what a block does that was begun on `view`, and took its extrinsics one by one.

        Raises:
            NotSet: no inherent set its time; MoneyBroken: as above.
        """
        outcome = execution.finish()
        self._check(view, execution.env.number, outcome)
        return outcome

    def _check(self, view: StateView, number: int, outcome: BlockOutcome) -> None:
        check_money(view, number, outcome)
        if not self._is_begun or number % ALL_EVERY_BLOCKS == 0:
            check_all(view, number, outcome, self.params)
            self._is_begun = True


def check_money(view: StateView, number: int, outcome: BlockOutcome) -> None:
    """Refuse what a block on the state `view` did to the money, if the money was right before.

    Raises:
        MoneyBroken
    """
    before, after = Overlay(view), Overlay(StateOverlay(view, outcome.changes))
    difference = TOTAL_ISSUANCE.get(after) - TOTAL_ISSUANCE.get(before)
    told = compute_told(outcome.event_rows)
    if difference != told:
        raise MoneyBroken(f"block {number} changed the issuance by {difference} planck, its events say {told}")
    moved = 0
    for who in {key[-ACCOUNT_BYTES:] for key in outcome.changes if key.startswith(ACCOUNT_PREFIXES)}:
        data, old = ACCOUNT.get(after, who).data, ACCOUNT.get(before, who).data
        moved += data.free + data.reserved - old.free - old.reserved
        held = sum(item.amount for item in HOLDS.get(after, who))
        if held != data.reserved:
            raise MoneyBroken(f"block {number} leaves {data.reserved} planck of 0x{who.hex()} reserved, {held} on hold")
    if moved != difference:
        raise MoneyBroken(f"block {number} gave accounts {moved} planck, and the issuance {difference}")


def check_all(view: StateView, number: int, outcome: BlockOutcome, params: Params) -> None:
    """Refuse the state after a block if any of the runtime's invariants is broken in it.

    Raises:
        MoneyBroken
    """
    try:
        check_invariants(Overlay(StateOverlay(view, outcome.changes)), params)
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
