"""The chain specs that come with the node: development, local and testnet.

Terms:
    development accounts: //Alice to //Ferdie and their //stash, whose secrets everybody knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from chain.ed25519 import public_of
from chain.params import UNIT_PLANCK, Params, WorkParams
from chain.secret_uri import derive_seed
from genesis.chain_spec import (
    BalancesPatch,
    ChainSpec,
    Genesis,
    GenesisPatch,
    InvalidChainSpec,
    RuntimeGenesis,
    make_endowment,
    read_chain_spec,
)

DEVELOPMENT_NAMES = ("Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie")
ENDOWMENT_PLANCK = 1_000_000 * UNIT_PLANCK
# A tenth of a block target on one core, so that cubic graphs of 100 spins may be struck; block 1 takes about 3 s.
DEVELOPMENT_WORK = WorkParams(ticket_gas_max=6_000_000_000, target_initial_divisor=8)


def make_development() -> ChainSpec:
    """Return the chain of `--dev`: one node, small core problem, a block every 3 s."""
    return _make_spec("Development", "dev", "Development", Params(work=DEVELOPMENT_WORK))


def make_local() -> ChainSpec:
    """Return the chain of a few nodes on one machine: final a little deeper, since nodes may be apart for some blocks.

    That also gives it another block 0 than `--dev`, so that nothing signed for one is valid on the other.
    """
    return _make_spec("Local Testnet", "local", "Local", Params(work=replace(DEVELOPMENT_WORK, final_depth=6)))


def make_testnet() -> ChainSpec:
    """Return the public test chain: a larger core problem, slower and deeper blocks."""
    work = WorkParams(
        core_qubits=18,
        ticket_gas_max=30_000_000_000,
        epoch_blocks=600,
        target_initial_divisor=40,
        block_target_ms=15_000,
        half_life_ms=600_000,
        final_depth=20,
    )
    return _make_spec("Matchstrike Testnet", "testnet", "Live", Params(work=work))


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


def _make_spec(name: str, chain_id: str, chain_type: str, params: Params) -> ChainSpec:
    rows = tuple(make_endowment(public, ENDOWMENT_PLANCK, params) for public in get_development_accounts().values())
    patch = GenesisPatch(balances=BalancesPatch(balances=rows))
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
