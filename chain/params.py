"""The protocol's numbers, one frozen record, set by the chain spec and the same on every node of a chain.

Units are in the names: `_planck` the smallest unit of the token (10^12 are one), `_ms` milliseconds, `_blocks` block
heights, `_gas` units of vm.gas, `_ppb` billionths.
"""

from __future__ import annotations

import msgspec

UNIT_PLANCK = 10**12


class WorkParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Proof of Quantum Work.

    Attributes:
        core_qubits: Spins of the core problem.
        shots: Shots of every strike.
        pool_ratio: The x of `r = ceil(g_pool / (x * g_core))`, numerator and denominator.
        ticket_gas_max: The largest weight of a ticket; also fixes the largest target.
        target_initial_divisor: Block 1's target is the largest target divided by this.
        target_fixed: True fixes every block's target at the largest (manual sealing, tests).
        ahead_ms_max: A block further in the future is queued.
        final_depth: A block is final when so many blocks stand on it, until voting exists.
    """

    core_qubits: int = 14
    shots: int = 32
    pool_ratio: tuple[int, int] = (1, 1)
    ticket_gas_max: int = 300_000_000
    epoch_blocks: int = 100
    block_target_ms: int = 3_000
    half_life_ms: int = 60_000
    target_initial_divisor: int = 100
    target_fixed: bool = False
    ahead_ms_max: int = 15_000
    final_depth: int = 2


class MoneyParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Balances, fees and issuance.

    Attributes:
        fee_burn_ppb: Share of each fee that is burnt; the rest goes to the block's author.
        reward_decay_ppb: The block reward of height h is initial * (1 - decay/1e9)^h, by integer steps per era.
        validator_share_ppb: Share of the block issuance kept for validators; not issued while nobody votes.
    """

    existential_deposit_planck: int = UNIT_PLANCK // 1000
    fee_burn_ppb: int = 500_000_000
    fee_per_byte_planck: int = 1_000_000
    fee_per_weight_ppb: int = 1_000_000_000
    deposit_per_byte_planck: int = UNIT_PLANCK // 1000
    deposit_base_planck: int = UNIT_PLANCK // 10
    reward_initial_planck: int = 10 * UNIT_PLANCK
    reward_decay_ppb: int = 100
    validator_share_ppb: int = 200_000_000


class BlockParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a block."""

    bytes_max: int = 5 * 1024 * 1024
    weight_max: int = 2_000_000_000_000
    normal_share_ppb: int = 750_000_000
    block_hash_count: int = 2400


class ProblemParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a posted problem."""

    spins_max: int = 2048
    couplings_max: int = 65_536
    depth_max: int = 8
    open_max: int = 1024
    lifetime_blocks_max: int = 1_000_000


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a chain spec fixes beside the genesis state."""

    spec_name: str = "matchstrike"
    spec_version: int = 100
    transaction_version: int = 1
    ss58_prefix: int = 42
    token_symbol: str = "MSK"
    token_decimals: int = 12
    work: WorkParams = WorkParams()
    money: MoneyParams = MoneyParams()
    block: BlockParams = BlockParams()
    problem: ProblemParams = ProblemParams()

    @staticmethod
    def tiny() -> Params:
        """Return the smallest chain that still has every rule, for tests: 6-spin core, fixed largest target."""
        return Params(work=WorkParams(core_qubits=6, shots=8, epoch_blocks=4, target_fixed=True, block_target_ms=1_000))
