"""The log lines of batches: what this node sells, and whoever is slashed."""

from __future__ import annotations

from runtime.batch_events import BatchChallenged, BatchCommitted, BatchPaid, BatchVoided, SolverSlashed


def say_committed(event: BatchCommitted) -> str:
    """Return the line of an own batch that is in a block."""
    return (
        f"🧾 Batch {event.batch}: {event.count} strikes of problem {event.problem} committed,"
        f" audited with the ticket of #{event.audit_at}"
    )


def say_challenged(event: BatchChallenged) -> str:
    """Return the line of an own batch whose leaves were selected."""
    return f"🔎 Batch {event.batch}: {event.leaves} strikes to show before #{event.answer_before}"


def say_paid(event: BatchPaid, token: str) -> str:
    """Return the line of an own batch that passed."""
    return f"💰 Batch {event.batch} passed its audit and was paid {token}"


def say_voided(event: BatchVoided, token: str) -> str:
    """Return the line of an own batch that nobody answered for."""
    return f"🕳  Batch {event.batch} is void: no answer came in time, the deposit of {token} is burnt"


def say_slashed(event: SolverSlashed, solver: str, token: str) -> str:
    """Return the line of any solver that was slashed."""
    place = "a statement that it signed" if event.batch is None else f"batch {event.batch}"
    return f"🔪 Solver {solver} was slashed {token}: strike {event.index} of {place} is wrong"


def say_unanswerable(batch: int, reason: str) -> str:
    """Return the line of an own batch that this node cannot answer for."""
    return f"⛔ Batch {batch} cannot be answered for and will be void: {reason}"
