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


class MoneyParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Balances, fees and issuance.

    Attributes:
        fee_burn_ppb: Share of each fee that is burnt; the rest goes to the block's author.
        reward_decay_ppb: The block reward of height h is initial * (1 - decay/1e9)^h, by integer steps per era.
        validator_share_ppb: Share of the block issuance kept for validators; issued to those whose votes are included.
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
    """Limits of a block.

    Attributes:
        normal_share_ppb: Share of weight and bytes that ordinary extrinsics may use.
        audit_share_ppb: Share that answers to audits have for themselves.
    """

    bytes_max: int = 5 * 1024 * 1024
    weight_max: int = 2_000_000_000_000
    normal_share_ppb: int = 750_000_000
    audit_share_ppb: int = 150_000_000
    block_hash_count: int = 2400


class ProblemParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a posted problem."""

    spins_max: int = 2048
    couplings_max: int = 65_536
    depth_max: int = 8
    open_max: int = 1024
    lifetime_blocks_max: int = 1_000_000


class FinalityParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Checkpoints and votes.

    Attributes:
        checkpoint_blocks: Every block whose height is a multiple of this is a checkpoint.
        vote_depth: So many blocks must stand on a checkpoint before an honest validator votes for it.
        unattended_depth: While nobody validates, a block is final when so many blocks stand on it.
        leak_after_checkpoints: So many checkpoints without a final one are forgiven before absent stake leaks.
        leak_quotient: A checkpoint missed costs `stake * checkpoints since the final one / leak_quotient`.
        includer_share_ppb: Share of a vote's reward that goes to the author who includes it.
        finder_share_ppb: Share of slashed stake that goes to the author who includes the evidence.
    """

    checkpoint_blocks: int = 5
    vote_depth: int = 0
    unattended_depth: int = 2
    leak_after_checkpoints: int = 4
    leak_quotient: int = 256
    includer_share_ppb: int = 125_000_000
    finder_share_ppb: int = 50_000_000


class StakingParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bonds and validators.

    Attributes:
        bond_min_planck: The least that an account bonds, and that a validator keeps bonded.
        validators_max: Validators of a set, those with the most stake.
        candidates_max: Accounts that may stand for the next set; more stake displaces the least.
        unbonding_blocks: So long unbonded stake can still be slashed, from when it counts in no set any more.
        evidence_blocks: So many blocks after its later target a violation may be reported.
    """

    bond_min_planck: int = 100 * UNIT_PLANCK
    validators_max: int = 64
    candidates_max: int = 256
    unbonding_blocks: int = 400
    evidence_blocks: int = 300


class SolutionParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Commits and reveals of solutions.

    Attributes:
        reveal_blocks: So many blocks after a problem took its last commit, reveals are still taken.
        commits_max: Commits of one problem that may wait for their reveal at a time.
        deposit_planck: Held for a commit, burnt if it is not revealed.
        deposit_step: The deposit doubles with every so many commits of the problem that wait already.
    """

    reveal_blocks: int = 50
    commits_max: int = 64
    deposit_planck: int = 10 * UNIT_PLANCK
    deposit_step: int = 8


class BatchParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Batches of strikes and their audits.

    Attributes:
        bond_planck: What a solver must have bonded for each open batch; lost when a leaf is wrong.
        deposit_planck: On hold from commit to answer; burnt when no answer comes.
        window_blocks: So old may a batch's header be, and so long is a snapshot kept.
        audit_delay_blocks: At least so many blocks after the commit comes the block whose ticket selects leaves.
        audit_search_blocks: So many heights after that are searched for one with room.
        answer_blocks: So many blocks may bring the answer.
        audit_gas_max: An audit takes so much gas, within `leaves_min` to `leaves_max` leaves.
        fraud_blocks: So long after it is settled a batch may be reported.
        unbond_blocks: So long unbonded stake can still be slashed; more than all the windows before it together.
        reporter_share_ppb: Share of a slashed bond that goes to whoever reported it; the rest is burnt.
    """

    bond_planck: int = 10 * UNIT_PLANCK
    deposit_planck: int = UNIT_PLANCK // 10
    count_min: int = 64
    count_max: int = 65_536
    window_blocks: int = 32
    audit_delay_blocks: int = 3
    audit_search_blocks: int = 64
    answer_blocks: int = 20
    leaves_min: int = 4
    leaves_max: int = 32
    audit_gas_max: int = 1_000_000_000
    fraud_blocks: int = 200
    unbond_blocks: int = 400
    reporter_share_ppb: int = 100_000_000


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
    finality: FinalityParams = FinalityParams()
    staking: StakingParams = StakingParams()
    batch: BatchParams = BatchParams()
    solution: SolutionParams = SolutionParams()

    @staticmethod
    def tiny() -> Params:
        """Return the smallest chain that still has every rule, for tests: 6-spin core, fixed largest target."""
        return Params(work=WorkParams(core_qubits=6, shots=8, epoch_blocks=4, target_fixed=True, block_target_ms=1_000))
