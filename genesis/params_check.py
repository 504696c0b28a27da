"""The range of every number in a chain spec's params; outside it the chain would stop or money would be stuck.

Terms:
    range: smallest and largest value, both allowed.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from chain.params import Params, WorkParams
from consensus.core_problem import compute_core_gas

U32_MAX, U64_MAX, BILLION = 2**32 - 1, 2**64 - 1, 10**9

VOTE_BYTES = 205  # a vote as an extrinsic with its length
HEADER_AND_REPORTS_BYTES = 16_384  # with the largest seal and solution, and a template's evidence

Ranges = Mapping[str, tuple[int, int]]

_PARAMS: Ranges = {
    "spec_version": (0, U32_MAX),
    "transaction_version": (0, U32_MAX),
    "ss58_prefix": (0, 16383),
    "token_decimals": (0, 38),
}
_WORK: Ranges = {
    "core_qubits": (2, 24),
    "shots": (1, 4096),
    "ticket_gas_max": (1, U64_MAX),
    "epoch_blocks": (1, U32_MAX),
    "block_target_ms": (1, 2**40),
    "half_life_ms": (1, 2**40),
    "target_initial_divisor": (1, 2**128),
    "ahead_ms_max": (0, 2**40),
}
_MONEY: Ranges = {
    "existential_deposit_planck": (1, 2**100),
    "fee_burn_ppb": (0, BILLION),
    "fee_per_byte_planck": (0, U64_MAX),
    "fee_per_weight_ppb": (0, U64_MAX),
    "deposit_per_byte_planck": (0, U64_MAX),
    "deposit_base_planck": (0, U64_MAX),
    "reward_initial_planck": (0, U64_MAX),
    "reward_decay_ppb": (0, BILLION),
    "validator_share_ppb": (0, BILLION),
}
_BLOCK: Ranges = {
    "bytes_max": (1024, 2**30),
    "weight_max": (1, 2**63),
    "normal_share_ppb": (0, BILLION),
    "audit_share_ppb": (0, BILLION),
    "block_hash_count": (1, U32_MAX),
}
_PROBLEM: Ranges = {
    "spins_max": (1, 4096),
    "couplings_max": (0, 2**20),
    "depth_max": (1, 255),
    "open_max": (0, U32_MAX),
    "lifetime_blocks_max": (1, 2**31),  # a deadline and the height after it must fit a height's 32 bits
}


_FINALITY: Ranges = {
    "checkpoint_blocks": (2, 10_000),  # votes are included between two checkpoints
    "vote_depth": (0, 10_000),
    "unattended_depth": (1, 100_000),  # 0 would make a block final that has begun
    "leak_after_checkpoints": (1, U32_MAX),
    "leak_quotient": (1, U32_MAX),
    "includer_share_ppb": (0, BILLION),
    "finder_share_ppb": (0, BILLION),
}
_STAKING: Ranges = {
    "bond_min_planck": (1, 2**100),
    "validators_max": (1, 1_024),
    "candidates_max": (1, 4_096),
    "unbonding_blocks": (2, 2**31),
    "evidence_blocks": (1, 2**31),
}
_SOLUTION: Ranges = {
    "reveal_blocks": (1, 50_000),  # the record of a closed problem stays for longer
    "commits_max": (1, 256),
    "deposit_planck": (1, 2**60),
    "deposit_step": (4, 256),  # with commits_max at most 63 doublings
}
_BATCH: Ranges = {
    "bond_planck": (1, 2**100),
    "deposit_planck": (1, 2**100),
    "count_min": (1, 65_536),
    "count_max": (1, 2**31),
    "window_blocks": (1, 2**16),
    "audit_delay_blocks": (1, 2**16),
    "audit_search_blocks": (1, 256),
    "answer_blocks": (1, 2**20),
    "leaves_min": (1, 64),
    "leaves_max": (1, 64),
    "audit_gas_max": (1, U64_MAX),
    "fraud_blocks": (1, 2**24),
    "unbond_blocks": (2, 2**31),
    "reporter_share_ppb": (0, BILLION),
}


def find_bad_number(params: Params) -> str | None:
    """Return in words which number is out of its range, None if none is."""
    groups: tuple[tuple[str, msgspec.Struct, Ranges], ...] = (
        ("", params, _PARAMS),
        ("work.", params.work, _WORK),
        ("money.", params.money, _MONEY),
        ("block.", params.block, _BLOCK),
        ("problem.", params.problem, _PROBLEM),
        ("finality.", params.finality, _FINALITY),
        ("staking.", params.staking, _STAKING),
        ("solution.", params.solution, _SOLUTION),
        ("batch.", params.batch, _BATCH),
    )
    for prefix, record, ranges in groups:
        for name, (lowest, highest) in ranges.items():
            value = getattr(record, name)
            if not lowest <= value <= highest:
                return f"params.{prefix}{name} is {value}, but must be {lowest} to {highest}"
    return (
        _find_bad_work(params.work) or _find_bad_staking(params) or _find_bad_batches(params) or _find_bad_room(params)
    )


def _find_bad_work(work: WorkParams) -> str | None:
    if min(work.pool_ratio) < 1 or max(work.pool_ratio) > U32_MAX:
        return f"params.work.pool_ratio is {work.pool_ratio}, but must be two positive numbers of 32 bits"
    core_gas = compute_core_gas(bytes(32), work.core_qubits, work.shots)
    if core_gas > work.ticket_gas_max:
        return f"params.work.ticket_gas_max is {work.ticket_gas_max}, but a core strike alone takes {core_gas} gas"
    return None


def _find_bad_staking(params: Params) -> str | None:
    finality, staking = params.finality, params.staking
    if finality.vote_depth > finality.checkpoint_blocks - 2:
        return (
            f"params.finality.vote_depth is {finality.vote_depth}, which leaves no block for votes:"
            f" at most {finality.checkpoint_blocks - 2} at a checkpoint every {finality.checkpoint_blocks} blocks"
        )
    if staking.candidates_max < staking.validators_max:
        return "params.staking.candidates_max is smaller than validators_max"
    if staking.unbonding_blocks <= staking.evidence_blocks:
        return "params.staking.unbonding_blocks must exceed evidence_blocks, or stake is gone before it can be slashed"
    if staking.evidence_blocks < finality.checkpoint_blocks:
        return "params.staking.evidence_blocks must reach to the next checkpoint, or a violation is seen too late"
    return None


def _find_bad_batches(params: Params) -> str | None:
    batch, block = params.batch, params.block
    if block.normal_share_ppb + block.audit_share_ppb > BILLION:
        return "params.block.normal_share_ppb and audit_share_ppb are more than a whole block together"
    if not batch.leaves_min <= min(batch.leaves_max, batch.count_min) or batch.count_min > batch.count_max:
        return "params.batch: leaves_min is at most leaves_max and count_min, and count_min at most count_max"
    if batch.window_blocks > block.block_hash_count:
        return "params.batch.window_blocks exceeds block_hash_count: a header's parent could not be looked up"
    way = batch.audit_delay_blocks + batch.audit_search_blocks + batch.answer_blocks + batch.fraud_blocks
    if batch.unbond_blocks <= way:
        return f"params.batch.unbond_blocks must exceed the {way} blocks in which a batch may be punished"
    return None


def _find_bad_room(params: Params) -> str | None:
    """Say when signed extrinsics could leave an author no bytes for its header, all votes and evidence."""
    block = params.block
    signed = block.bytes_max * (block.normal_share_ppb + block.audit_share_ppb) // BILLION
    room, lengths = block.bytes_max - signed, signed // 50  # a length takes 2 % of an extrinsic at most
    needed = HEADER_AND_REPORTS_BYTES + 2 * params.staking.validators_max * VOTE_BYTES + lengths
    if room < needed:
        return (
            f"params.block.bytes_max and normal_share_ppb leave {room} bytes of a block beside signed extrinsics,"
            f" but header, votes and evidence may take {needed}"
        )
    return None
