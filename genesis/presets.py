"""The chain specs that come with the node: development, local and testnet.

Terms:
    development accounts: //Alice to //Ferdie and their //stash, whose secrets everybody knows. //Alice//stash bonds and
        votes with the key of //Alice, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from chain.ed25519 import public_of
from chain.params import (
    UNIT_PLANCK,
    BatchParams,
    BlockParams,
    FinalityParams,
    MoneyParams,
    Params,
    StakingParams,
    WorkParams,
)
from chain.secret_uri import derive_seed
from genesis.chain_spec import (
    BalancesPatch,
    ChainSpec,
    Genesis,
    GenesisPatch,
    InvalidChainSpec,
    RuntimeGenesis,
    StakingPatch,
    make_endowment,
    make_validator,
    read_chain_spec,
)

DEVELOPMENT_NAMES = ("Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie")
LOCAL_VALIDATORS = ("Alice", "Bob", "Charlie", "Dave")
ENDOWMENT_PLANCK = 1_000_000 * UNIT_PLANCK
BOND_PLANCK = 10_000 * UNIT_PLANCK
# A tenth of a block target on one core, so that cubic graphs of 100 spins may be struck; block 1 takes about 3 s.
DEVELOPMENT_WORK = WorkParams(ticket_gas_max=6_000_000_000, target_initial_divisor=8)
# Answers that fill their share cost 2 % of the strikes of two cores, and one answer as much of those of one core.
DEVELOPMENT_BLOCK = BlockParams(audit_share_ppb=75_000_000)
DEVELOPMENT_BATCH = BatchParams(audit_gas_max=500_000_000)
# The reward halves in four years, of 3 s and of 15 s blocks (docs/economics.md).
DEVELOPMENT_MONEY = MoneyParams(reward_decay_ppb=16)
TESTNET_MONEY = MoneyParams(reward_decay_ppb=80)


def make_development() -> ChainSpec:
    """Return the chain of `--dev`: one node, small core problem, a block every 3 s."""
    params = Params(work=DEVELOPMENT_WORK, money=DEVELOPMENT_MONEY, block=DEVELOPMENT_BLOCK, batch=DEVELOPMENT_BATCH)
    return _make_spec("Development", "dev", "Development", params)


def make_local() -> ChainSpec:
    """Return the chain of a few nodes on one machine: //Alice//stash to //Dave//stash validate from the beginning.

    They wait for a block on the checkpoint before they vote: two blocks at its height would split the votes, and the
    next checkpoint comes 15 s later. Should they all leak away or be slashed, depth decides again; some minutes of
    blocks, not the two of a lone node.
    """
    params = Params(
        work=DEVELOPMENT_WORK,
        money=DEVELOPMENT_MONEY,
        block=DEVELOPMENT_BLOCK,
        batch=DEVELOPMENT_BATCH,
        finality=FinalityParams(vote_depth=1, unattended_depth=100),
    )
    return _make_spec("Local Testnet", "local", "Local", params, validators=LOCAL_VALIDATORS)


def make_testnet() -> ChainSpec:
    """Return the public test chain: a larger core problem, slower blocks, stake that waits for weeks.

    It begins without validators; until somebody bonds, a block is final after an hour.
    """
    work = WorkParams(
        core_qubits=18,
        ticket_gas_max=30_000_000_000,
        epoch_blocks=600,
        target_initial_divisor=40,
        block_target_ms=15_000,
        half_life_ms=600_000,
    )
    finality = FinalityParams(
        checkpoint_blocks=20,
        vote_depth=4,
        unattended_depth=240,
        leak_quotient=2**24,  # halves the stake of absent validators in 17 days
    )
    two_weeks = 80_640
    staking = StakingParams(
        bond_min_planck=1_000 * UNIT_PLANCK, unbonding_blocks=2 * two_weeks, evidence_blocks=two_weeks
    )
    params = Params(work=work, money=TESTNET_MONEY, finality=finality, staking=staking)
    return _make_spec("Matchstrike Testnet", "testnet", "Live", params)


def make_sealing(spec: ChainSpec) -> ChainSpec:
    """Return the chain of `--sealing`: every ticket wins, so blocks come when they are asked for."""
    params = replace(spec.params, work=replace(spec.params.work, target_fixed=True))
    return replace(spec, id=f"{spec.id}-sealing", params=params)


PRESETS: Mapping[str, Callable[[], ChainSpec]] = {
    "development": make_development,
    "dev": make_development,
    "local": make_local,
    "testnet": make_testnet,
}


def load_chain_spec(name: str) -> ChainSpec:
    """Return the preset of this name, or the spec in the file of this path; the empty name is `local`.

    Raises:
        InvalidChainSpec: neither a preset nor a readable, valid file.
    """
    preset = PRESETS.get(name or "local")
    if preset is not None:
        return preset()
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        known = ", ".join(sorted(PRESETS))
        raise InvalidChainSpec(f"{name!r} is neither a preset ({known}) nor a readable file: {error}") from error
    return read_chain_spec(data)


@cache
def get_development_accounts() -> Mapping[str, bytes]:
    """Return the public keys of the development accounts by URI, e.g. //Alice."""
    uris = [f"//{name}{suffix}" for suffix in ("", "//stash") for name in DEVELOPMENT_NAMES]
    return {uri: public_of(derive_seed(uri)) for uri in uris}


def _make_spec(
    name: str, chain_id: str, chain_type: str, params: Params, *, validators: tuple[str, ...] = ()
) -> ChainSpec:
    accounts = get_development_accounts()
    rows = tuple(make_endowment(public, ENDOWMENT_PLANCK, params) for public in accounts.values())
    bonds = tuple(
        make_validator(accounts[f"//{who}//stash"], accounts[f"//{who}"], BOND_PLANCK, params) for who in validators
    )
    patch = GenesisPatch(balances=BalancesPatch(balances=rows), staking=StakingPatch(validators=bonds))
    return ChainSpec(
        name=name,
        id=chain_id,
        chain_type=chain_type,
        params=params,
        properties={
            "ss58Format": params.ss58_prefix,
            "tokenDecimals": params.token_decimals,
            "tokenSymbol": params.token_symbol,
        },
        genesis=Genesis(runtime_genesis=RuntimeGenesis(patch=patch)),
    )
