"""What verifying a block costs beside the strikes that were run for it: a model from gas alone.

A verifier re-runs the winning ticket, the audited leaves of the batches whose answers the block carries, and checks
votes. Strikes are run by all miners all the time. Both are counted in CPU seconds of the same machine, so the ratio
depends little on which; `matchstrike bench verification` measures it beside this model.

The model's costs are those of one machine; another one is slower or faster by one factor, which its strikes tell.

Terms:
    miner: runs strikes on its cores the whole block target, and sells the strikes of each header in one batch.
    crowd: how many miners there are, and how many cores they have together.
    share: CPU time of one verifier for a block over that of all strikes run for it.
"""

from __future__ import annotations

from math import floor

import msgspec

from chain.params import Params
from consensus.batch import compute_leaf_count
from consensus.work import compute_repeats
from runtime.batch_weights import compute_leaves_weight
from runtime.limits import compute_audit_weight_max
from runtime.weights import BASE_EXTRINSIC

SECOND_PS = 10**12


class MachineCosts(msgspec.Struct, frozen=True, kw_only=True):
    """CPU seconds of what does not follow from a chain's numbers, on the machine of `runtime.weights`.

    Attributes:
        per_gas: Running a strike.
        per_ticket: Seeds, hashes and energies of one ticket in a search.
        seal: A seal beside its strikes.
        answer: An answer beside its leaves: signature, fee, circuit, payment.
        leaf: A leaf beside its strike: seed, hashes of leaf and proof.
        vote: A vote: signature, sets, ballot.
    """

    per_gas: float = 0.055e-9
    per_ticket: float = 15e-6
    seal: float = 200e-6
    answer: float = 1_000e-6
    leaf: float = 25e-6
    vote: float = 70e-6


REFERENCE = MachineCosts()


def scale_costs(costs: MachineCosts, factor: float) -> MachineCosts:
    """Return the costs of a machine that is slower by this factor."""
    return MachineCosts(**{name: factor * getattr(costs, name) for name in costs.__struct_fields__})


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """Who mines and votes.

    Attributes:
        miners: Each sells a batch of the strikes of each header, if they are enough.
        cores: CPU of all miners together, in cores.
        validators: Each votes once a checkpoint.
    """

    miners: int
    cores: float
    validators: int = 4


class Circuits(msgspec.Struct, frozen=True, kw_only=True):
    """Gas of one core strike and of one pool strike."""

    core_gas: int
    pool_gas: int


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """CPU seconds a block, of one verifier and of all strikes.

    Attributes:
        answers: Answers to audits a block.
        strikes: All strikes of all miners, core strikes included.
    """

    ticket: float
    audits: float
    votes: float
    answers: float
    strikes: float

    @property
    def share(self) -> float:
        """What verifying costs of what is verified."""
        return (self.ticket + self.audits + self.votes) / self.strikes


def compute_verification(
    circuits: Circuits, crowd: Crowd, params: Params, costs: MachineCosts = REFERENCE
) -> Verification:
    """Return what a block at its target costs, when every miner mines and sells the same problem."""
    repeats = compute_repeats(circuits.core_gas, circuits.pool_gas, params.work.pool_ratio)
    ticket_gas = repeats * circuits.core_gas + circuits.pool_gas
    ticket_s = ticket_gas * costs.per_gas
    leaves = compute_leaf_count(circuits.pool_gas, params.batch.count_min, params.batch)
    answers = compute_answers(circuits, crowd, params, ticket_s=ticket_s + costs.per_ticket)
    answer_s = compute_answer_seconds(circuits.pool_gas, leaves, costs)
    return Verification(
        ticket=costs.seal + ticket_s,
        audits=answers * answer_s,
        votes=crowd.validators * costs.vote / params.finality.checkpoint_blocks,
        answers=answers,
        strikes=compute_strike_seconds(crowd, params),
    )


def compute_strike_seconds(crowd: Crowd, params: Params) -> float:
    """Return the CPU seconds that all miners run strikes in a block target."""
    return crowd.cores * params.work.block_target_ms / 1000


def compute_answer_seconds(pool_gas: int, leaves: int, costs: MachineCosts = REFERENCE) -> float:
    """Return the CPU seconds of one answer."""
    return costs.answer + leaves * (costs.leaf + pool_gas * costs.per_gas)


def compute_answers(circuits: Circuits, crowd: Crowd, params: Params, *, ticket_s: float) -> float:
    """Return how many batches are sold and audited a block: one a miner, if its strikes and the room are enough.

    Args:
        ticket_s: CPU seconds of one ticket.
    """
    strikes_each = compute_strike_seconds(crowd, params) / ticket_s / crowd.miners
    if strikes_each < params.batch.count_min:
        return 0.0
    return float(min(crowd.miners, compute_answers_max(circuits.pool_gas, params)))


def compute_answers_max(pool_gas: int, params: Params) -> int:
    """Return how many answers a block's share for audits holds."""
    leaves = compute_leaf_count(pool_gas, params.batch.count_min, params.batch)
    weight = compute_leaves_weight(pool_gas, leaves) + BASE_EXTRINSIC
    return floor(compute_audit_weight_max(params) / weight)


def compute_worst_share(circuits: Circuits, crowd: Crowd, params: Params, costs: MachineCosts = REFERENCE) -> float:
    """Return the share when the whole room for audits is used in every block, whoever fills it."""
    usual = compute_verification(circuits, crowd, params, costs)
    leaves = compute_leaf_count(circuits.pool_gas, params.batch.count_min, params.batch)
    answers = compute_answers_max(circuits.pool_gas, params)
    audits = answers * compute_answer_seconds(circuits.pool_gas, leaves, costs)
    return (usual.ticket + audits + usual.votes) / usual.strikes
