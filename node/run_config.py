"""What the command line asks for: flags checked against each other and turned into one record."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import click
import msgspec

from chain.ed25519 import public_of
from chain.secret_uri import derive_seed
from chain.ss58 import InvalidAddress, decode_address
from node.core.sealing import Sealing
from node.network_options import NetworkConfig, make_network_config
from node.run_options import DEV_NAMES, WITHOUT_EFFECT, get_parameter

NAME_MAX = 63
_ADJECTIVES = ("brave", "calm", "dizzy", "eager", "fuzzy", "jolly", "keen", "lucky", "quiet", "shiny")
_NOUNS = ("anneal", "ansatz", "boson", "fermion", "lattice", "mixer", "qubit", "spin", "strike", "tensor")


class SharedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What every command takes, as click returns it."""

    chain: str | None = None
    dev: bool = False
    base_path: Path | None = None
    tmp: bool = False
    log: tuple[str, ...] = ()
    detailed_log_output: bool = False

    @property
    def chain_name(self) -> str:
        """The chain's id or file; local when none is named, as in Substrate's template."""
        return self.chain or ("dev" if self.dev else "local")

    @property
    def is_temporary(self) -> bool:
        """True if the data go when the node stops."""
        return self.tmp or (self.dev and self.base_path is None)


class RunConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a node runs.

    Attributes:
        is_authority: Vote with the vote keys in the keystore, and of `account`.
        account: Development account, e.g. alice; None if none was named.
        author: Account that earns the rewards; None does not mine.
        workers: Mining processes.
        anneal_seconds: How long each open problem is annealed.
        state_window: Undo records kept behind the head; None keeps all.
        sync: How an empty database is filled.
        checkpoint: Hash of a block that the chain must contain.
        misbehave: How the node cheats as a solver; None for an honest one. Development chains only.
        notices: Flags that have no effect, with the reason, for the log.
    """

    shared: SharedOptions
    name: str
    is_authority: bool
    account: str | None = None
    author: bytes | None
    workers: int
    anneal_seconds: float = 0.0
    sealing: Sealing
    rpc_port: int
    rpc_allow_unsafe: bool
    rpc_origins: tuple[str, ...] | None
    rpc_connections_max: int
    rpc_request_bytes_max: int
    rpc_response_bytes_max: int
    rpc_subscriptions_max: int
    rpc_message_buffer: int
    rpc_calls_per_minute: int
    rpc_batch_max: int | None
    prometheus_port: int | None
    pool_count_max: int
    pool_bytes_max: int
    ban_ms: int
    state_window: int | None
    keystore_path: Path | None
    node_key: str | None
    node_key_file: Path | None
    network: NetworkConfig
    sync: Literal["full", "fast"] = "full"
    checkpoint: bytes | None = None
    misbehave: Literal["fake-leaves", "silent"] | None = None
    notices: tuple[str, ...] = ()


def make_shared(options: Mapping[str, object]) -> SharedOptions:
    """Return the shared options.

    Raises:
        click.UsageError: --tmp with --base-path.
    """
    names = SharedOptions.__struct_fields__
    shared = msgspec.convert({name: options[name] for name in names if name in options}, SharedOptions)
    if shared.tmp and shared.base_path is not None:
        raise click.UsageError("--tmp uses a new folder; it cannot be used with --base-path")
    return shared


def make_run_config(options: Mapping[str, object]) -> RunConfig:
    """Return the checked configuration of a run.

    Raises:
        click.UsageError: flags that are wrong or contradict each other.
    """
    shared = make_shared(options)
    flags = _Flags(options)
    account = _get_account(flags)
    if account is None and shared.dev:
        account = "alice"
    sealing = parse_sealing(flags.text("sealing") or "pow")
    author = _get_author(flags, account)
    threads = flags.number("threads")
    origins = parse_origins(flags.text("rpc_cors"), allow_all=shared.chain_name == "dev")
    return RunConfig(
        shared=shared,
        name=_get_name(flags, account),
        is_authority=flags.is_set("validator") or account is not None,
        account=account,
        author=author if threads != 0 else None,
        workers=threads if threads is not None else 1,
        anneal_seconds=flags.real_or("anneal", 0.0),
        sealing=sealing,
        rpc_port=flags.number_or("rpc_port", 9944),
        rpc_allow_unsafe=flags.text("rpc_methods") != "safe",
        rpc_origins=origins,
        rpc_connections_max=flags.number_or("rpc_max_connections", 100),
        rpc_request_bytes_max=flags.number_or("rpc_max_request_size", 15) * 1024 * 1024,
        rpc_response_bytes_max=flags.number_or("rpc_max_response_size", 15) * 1024 * 1024,
        rpc_subscriptions_max=flags.number_or("rpc_max_subscriptions_per_connection", 1024),
        rpc_message_buffer=flags.number_or("rpc_message_buffer_capacity_per_connection", 1024),
        rpc_calls_per_minute=flags.number_or("rpc_rate_limit", 0),
        rpc_batch_max=0 if flags.is_set("rpc_disable_batch_requests") else flags.number("rpc_max_batch_request_len"),
        prometheus_port=None if flags.is_set("no_prometheus") else flags.number_or("prometheus_port", 9615),
        pool_count_max=flags.number_or("pool_limit", 8192),
        pool_bytes_max=flags.number_or("pool_kbytes", 20480) * 1024,
        ban_ms=flags.number_or("tx_ban_seconds", 1800) * 1000,
        state_window=parse_pruning(flags.text("state_pruning") or "256"),
        keystore_path=msgspec.convert(options.get("keystore_path"), Path | None),
        node_key=flags.text("node_key"),
        node_key_file=msgspec.convert(options.get("node_key_file"), Path | None),
        network=make_network_config(options),
        sync="full" if flags.text("sync") in (None, "full") else "fast",
        checkpoint=parse_checkpoint(flags.text("checkpoint")),
        misbehave=msgspec.convert(options.get("misbehave"), Literal["fake-leaves", "silent"] | None),
        notices=tuple(
            f"{flag} has no effect: {reason}."
            for flag, (_, _, reason) in WITHOUT_EFFECT.items()
            if options.get(get_parameter(flag))
        ),
    )


def parse_sealing(text: str) -> Sealing:
    """Return what `pow`, `instant` or a number of milliseconds means.

    Raises:
        click.UsageError: something else.
    """
    if text == "pow":
        return Sealing(mode="pow")
    if text == "instant":
        return Sealing(mode="instant")
    if text.isdecimal() and 1 <= int(text) <= 86_400_000:
        return Sealing(mode="interval", interval_ms=int(text))
    raise click.UsageError(f"--sealing is pow, instant or a number of milliseconds from 1 to 86400000, not '{text}'")


def parse_pruning(text: str) -> int | None:
    """Return how many old states are kept, None for all.

    Raises:
        click.UsageError: neither `archive`, `archive-canonical` nor a number.
    """
    if text.lower() in ("archive", "archive-canonical"):
        return None
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise click.UsageError(f"--state-pruning is archive, archive-canonical or a number of blocks, not '{text}'")


def parse_checkpoint(text: str | None) -> bytes | None:
    """Return the hash of a trusted checkpoint.

    Raises:
        click.UsageError: not 0x and 64 hexadecimal digits.
    """
    if text is None:
        return None
    if not re.fullmatch(r"0x[0-9a-fA-F]{64}", text):
        raise click.UsageError(f"--checkpoint is a block hash, 0x and 64 hexadecimal digits, not '{text}'")
    return bytes.fromhex(text[2:])


def parse_origins(text: str | None, *, allow_all: bool) -> tuple[str, ...] | None:
    """Return the browser origins that may call: None for the defaults, ("all",) for every one."""
    if text is None:
        return ("all",) if allow_all else None
    if text == "all":
        return ("all",)
    return tuple(origin for origin in text.split(",") if origin and origin != "null")


def parse_account(text: str) -> bytes:
    """Return the account of an SS58 address or of 0x and 64 hexadecimal digits.

    Raises:
        click.UsageError: neither.
    """
    if re.fullmatch(r"0x[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text[2:])
    try:
        account, _ = decode_address(text)
    except InvalidAddress as error:
        raise click.UsageError(f"--author '{text}' is neither an SS58 address nor 0x and 64 digits: {error}") from error
    return account


def make_name() -> str:
    """Return a made-up node name such as jolly-qubit-7462."""
    chance = random.SystemRandom()
    return f"{chance.choice(_ADJECTIVES)}-{chance.choice(_NOUNS)}-{chance.randrange(10_000):04d}"


class _Flags:
    """click's values, with their types checked."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._options = options

    def is_set(self, name: str) -> bool:
        return self._options.get(name) is True

    def text(self, name: str) -> str | None:
        value = self._options.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int | None:
        value = self._options.get(name)
        return value if isinstance(value, int) else None

    def number_or(self, name: str, default: int) -> int:
        value = self.number(name)
        return default if value is None else value

    def real_or(self, name: str, default: float) -> float:
        value = self._options.get(name)
        return float(value) if isinstance(value, int | float) else default


def _get_account(flags: _Flags) -> str | None:
    chosen = [name for name in DEV_NAMES if flags.is_set(name)]
    if len(chosen) > 1:
        raise click.UsageError(f"--{chosen[0]} cannot be used with --{chosen[1]}")
    return chosen[0] if chosen else None


def _get_name(flags: _Flags, account: str | None) -> str:
    name = flags.text("name") or (account.title() if account else make_name())
    if len(name) > NAME_MAX or re.search(r"[.@]|://|\s{2,}|[\x00-\x1f]", name):
        raise click.UsageError(f"--name has at most {NAME_MAX} characters, without '.', '@', URLs and control codes")
    return name


def _get_author(flags: _Flags, account: str | None) -> bytes | None:
    text = flags.text("author")
    if text is not None:
        return parse_account(text)
    return get_dev_account(account) if account else None


def get_dev_account(name: str) -> bytes:
    """Return the public key of a development account, e.g. //Alice."""
    return public_of(derive_seed(f"//{name.title()}"))
