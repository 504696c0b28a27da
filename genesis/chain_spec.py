"""Chain specs: the JSON that says what a chain is, plain for people and raw for machines.

Terms:
    plain: `genesis.runtimeGenesis.patch` names endowed accounts and validators. raw: `genesis.raw.top` is the whole
        state of block 0. Both make the same block 0.
    params: the project's own field beside Substrate's; its hash is in the state, so it is part of the genesis hash.

Invariants: unknown fields are refused; the raw form of a plain spec has the same genesis hash.

Source: sc_chain_spec.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import msgspec

from chain.params import Params
from chain.ss58 import InvalidAddress, decode_address, encode_address
from genesis.params_check import find_bad_number
from runtime.genesis_state import GenesisConfig, InvalidGenesis, build_genesis_state, compute_params_hash
from runtime.pallets.system import PARAMS_HASH

JsonScalar: TypeAlias = int | str | bool


class InvalidChainSpec(Exception):
    """A chain spec that no node can start from."""

    rule: ClassVar[str] = "GEN-01"


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    pass


class CustomType(_Record, frozen=True, kw_only=True, rename=None):
    """A chain type with a name of its own."""

    Custom: str


class BalancesPatch(_Record, frozen=True, kw_only=True):
    """Endowed accounts: address and free balance in planck, a number or a decimal string."""

    balances: tuple[tuple[str, int | str], ...] = ()


class StakingPatch(_Record, frozen=True, kw_only=True):
    """Who validates from block 1 on: the address that bonds, its vote key as 0x hex, and the amount in planck."""

    validators: tuple[tuple[str, str, int | str], ...] = ()


class GenesisPatch(_Record, frozen=True, kw_only=True):
    """What is said on top of the defaults."""

    balances: BalancesPatch = BalancesPatch()
    staking: StakingPatch = StakingPatch()


class RuntimeGenesis(_Record, frozen=True, kw_only=True):
    """The plain form."""

    patch: GenesisPatch = GenesisPatch()


class RawGenesis(_Record, frozen=True, kw_only=True):
    """The raw form: storage keys to values, both 0x hex."""

    top: dict[str, str]
    children_default: dict[str, str] = {}


class Genesis(_Record, frozen=True, kw_only=True, omit_defaults=True):
    """Exactly one of the two forms."""

    runtime_genesis: RuntimeGenesis | None = None
    raw: RawGenesis | None = None


class ChainSpec(_Record, frozen=True, kw_only=True):
    """What a chain is.

    Attributes:
        id: Names the folder of the node's data; letters, digits, `_` and `-`.
        boot_nodes: Multiaddresses that end in /p2p/<peer id>.
        properties: What wallets show: token, decimals, SS58 prefix.
    """

    name: str
    id: str
    chain_type: str | CustomType = "Live"
    boot_nodes: tuple[str, ...] = ()
    telemetry_endpoints: tuple[tuple[str, int], ...] | None = None
    protocol_id: str | None = None
    properties: dict[str, JsonScalar | tuple[JsonScalar, ...]] | None = None
    params: Params = Params()
    genesis: Genesis = Genesis(runtime_genesis=RuntimeGenesis())

    @property
    def is_raw(self) -> bool:
        """True if the spec carries the state of block 0 itself."""
        return self.genesis.raw is not None


def read_chain_spec(data: bytes) -> ChainSpec:
    """Return the chain spec of a JSON text; everything that a start would need is checked.

    Raises:
        InvalidChainSpec: not JSON, an unknown or missing field, a bad address, amount or hex text.
    """
    try:
        spec = msgspec.json.decode(data, type=ChainSpec)
    # SPEC GEN-01: A chain spec MUST be JSON with the known fields only.
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise InvalidChainSpec(f"the chain spec is not valid: {error}") from error
    check_chain_spec(spec)
    return spec


def check_chain_spec(spec: ChainSpec) -> None:
    """Refuse a spec that no chain can begin with.

    Raises:
        InvalidChainSpec
    """
    # SPEC GEN-02: A chain spec's id MUST be 1 to 64 letters, digits, `_` or `-`.
    if (
        not 1 <= len(spec.id) <= 64
        or not spec.id.replace("_", "a").replace("-", "a").isalnum()
        or not spec.id.isascii()
    ):
        raise InvalidChainSpec(f"the id {spec.id!r} is not 1 to 64 letters, digits, _ or -")
    if isinstance(spec.chain_type, str) and spec.chain_type not in ("Development", "Local", "Live"):
        raise InvalidChainSpec(f'chainType is Development, Local, Live or {{"Custom": ...}}, not {spec.chain_type!r}')
    # SPEC GEN-03: A chain spec MUST have exactly one of `runtimeGenesis` and `raw` in its `genesis`.
    if (spec.genesis.runtime_genesis is None) == (spec.genesis.raw is None):
        raise InvalidChainSpec("genesis needs exactly one of runtimeGenesis and raw")
    # SPEC GEN-05: Every number of the params MUST lie in the range with which a chain can live.
    bad = find_bad_number(spec.params)
    if bad is not None:
        raise InvalidChainSpec(bad)
    build_state(spec)


def build_state(spec: ChainSpec) -> dict[bytes, bytes]:
    """Return the storage of block 0.

    Raises:
        InvalidChainSpec
    """
    if spec.genesis.raw is not None:
        return _read_raw_state(spec, spec.genesis.raw)
    assert spec.genesis.runtime_genesis is not None
    patch = spec.genesis.runtime_genesis.patch
    rows = tuple((_read_account(text, spec.params), _read_amount(amount)) for text, amount in patch.balances.balances)
    validators = tuple(
        (_read_account(text, spec.params), _read_hex(key), _read_amount(amount))
        for text, key, amount in patch.staking.validators
    )
    try:
        return build_genesis_state(spec.params, GenesisConfig(balances=rows, validators=validators))
    except InvalidGenesis as error:
        raise InvalidChainSpec(str(error)) from error


def make_raw(spec: ChainSpec) -> ChainSpec:
    """Return the same chain in raw form."""
    top = {f"0x{key.hex()}": f"0x{value.hex()}" for key, value in sorted(build_state(spec).items())}
    return msgspec.structs.replace(spec, genesis=Genesis(raw=RawGenesis(top=top)))


def format_chain_spec(spec: ChainSpec) -> bytes:
    """Return the spec as indented JSON with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(spec), indent=2) + b"\n"


def make_endowment(public: bytes, amount: int, params: Params) -> tuple[str, int]:
    """Return one row of the plain form's balances."""
    return encode_address(public, params.ss58_prefix), amount


def make_validator(public: bytes, vote_key: bytes, amount: int, params: Params) -> tuple[str, str, int]:
    """Return one row of the plain form's validators."""
    return encode_address(public, params.ss58_prefix), f"0x{vote_key.hex()}", amount


def _read_raw_state(spec: ChainSpec, raw: RawGenesis) -> dict[bytes, bytes]:
    if raw.children_default:
        raise InvalidChainSpec("childrenDefault is not empty, and this chain has no child states")
    state = {_read_hex(key): _read_hex(value) for key, value in raw.top.items()}
    # SPEC GEN-04: The params of a raw chain spec MUST have the hash that its state holds.
    if state.get(PARAMS_HASH.key) != compute_params_hash(spec.params):
        raise InvalidChainSpec("the params differ from those the raw state was built from; edit the plain spec instead")
    return state


def _read_account(text: str, params: Params) -> bytes:
    try:
        public, prefix = decode_address(text)
    except InvalidAddress as error:
        raise InvalidChainSpec(f"{text!r} is no address: {error}") from error
    if prefix not in (params.ss58_prefix, 42):
        raise InvalidChainSpec(f"{text!r} is an address of the network {prefix}, this chain has {params.ss58_prefix}")
    return public


def _read_amount(value: int | str) -> int:
    amount = int(value) if isinstance(value, int) or (value.isascii() and value.isdigit()) else -1
    if not 0 <= amount < 2**128:
        raise InvalidChainSpec(f"{value!r} is no amount in planck")
    return amount


def _read_hex(text: str) -> bytes:
    if not text.startswith("0x"):
        raise InvalidChainSpec(f"{text[:20]!r} does not begin with 0x")
    try:
        return bytes.fromhex(text[2:])
    except ValueError as error:
        raise InvalidChainSpec(f"{text[:20]!r} is no hex text") from error
