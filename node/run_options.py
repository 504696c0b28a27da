"""The run flags: Substrate's, all of them, and those of a mining node.

A flag either works or is accepted and says in the log that it has no effect; `WITHOUT_EFFECT` lists the second kind
with the reason. So scripts and tools written for Substrate nodes start this one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from node.network_options import NETWORK_OPTIONS

F = TypeVar("F", bound=Callable[..., object])
DEV_NAMES = ("alice", "bob", "charlie", "dave", "eve", "ferdie", "one", "two")
RPC_METHODS = click.Choice(["auto", "safe", "unsafe"], case_sensitive=False)

_LOOPBACK = "ports bind to this machine only; put a reverse proxy in front to serve others"
_NO_PASSWORD = "keys in the keystore are stored without a password"
_NO_TELEMETRY = "no telemetry is ever sent"
WITHOUT_EFFECT: dict[str, tuple[str, type[str] | type[int] | type[bool], str]] = {
    "--in-peers-light": ("N", int, "there are no light peers"),
    "--max-parallel-downloads": ("N", int, "the node asks as many peers as are fast enough"),
    "--max-blocks-per-request": ("N", int, "the network's protocol sets how much one answer holds"),
    "--network-backend": ("litep2p|libp2p", str, "there is one implementation of the network"),
    "--node-key-type": ("ed25519", str, "node keys are ed25519"),
    "--unsafe-force-node-key-generation": ("", bool, "a node makes its key at the first start"),
    "--password": ("TEXT", str, _NO_PASSWORD),
    "--password-interactive": ("", bool, _NO_PASSWORD),
    "--password-filename": ("FILE", str, _NO_PASSWORD),
    "--cluster": ("ADDRESS", str, "tickets are searched by local processes only"),
    "--no-grandpa": ("", bool, "a node votes only with --validator, or as --alice and so on"),
    "--force-authoring": ("", bool, "a node with an author always mines"),
    "--insecure-validator-i-know-what-i-do": ("", bool, "a validator is checked no further"),
    "--rpc-external": ("", bool, _LOOPBACK),
    "--unsafe-rpc-external": ("", bool, _LOOPBACK),
    "--rpc-rate-limit-whitelisted-ips": ("CIDR", str, _LOOPBACK),
    "--rpc-rate-limit-trust-proxy-headers": ("", bool, _LOOPBACK),
    "--experimental-rpc-endpoint": ("SPEC", str, "there is one RPC endpoint, set by --rpc-port"),
    "--prometheus-external": ("", bool, _LOOPBACK),
    "--database": ("rocksdb|paritydb|auto", str, "the database is LevelDB"),
    "--db-cache": ("MIB", int, "LevelDB's cache has a fixed size"),
    "--trie-cache-size": ("BYTES", int, "the state tree is held in memory"),
    "--blocks-pruning": ("archive|archive-canonical|N", str, "every block of the best chain is kept"),
    "--keep-blocks": ("archive|archive-canonical|N", str, "every block of the best chain is kept"),
    "--pool-type": ("TYPE", str, "there is one kind of pool"),
    "--telemetry-url": ("URL", str, _NO_TELEMETRY),
    "--no-telemetry": ("", bool, _NO_TELEMETRY),
    "--offchain-worker": ("always|never|when-authority", str, "there are no off-chain workers"),
    "--disable-log-color": ("", bool, "the log has no colours"),
    "--enable-log-reloading": ("", bool, "system_addLogFilter always works"),
    "--tracing-targets": ("TARGETS", str, "there is no tracing"),
    "--tracing-receiver": ("log", str, "there is no tracing"),
    "--round": ("N", int, "workers report after a fixed time"),
}


def get_parameter(flag: str) -> str:
    """Return the Python name of a flag's value."""
    return flag.lstrip("-").replace("-", "_")


def add_shared_options(command: F) -> F:
    """Add what every command takes: chain, base path and log."""
    return _decorate(
        command,
        [
            click.option("--chain", metavar="ID|PATH", help="dev, local, testnet, or a chain spec's JSON file."),
            click.option("--dev", is_flag=True, help="The development chain; Alice mines, data are temporary."),
            click.option("-d", "--base-path", type=click.Path(path_type=Path), help="Where the data lie."),
            click.option("--tmp", is_flag=True, help="Use a new folder and delete it in the end."),
            click.option("-l", "--log", multiple=True, metavar="FILTER", help="target=level,... (repeatable)."),
            click.option("--detailed-log-output", is_flag=True, help="Level, thread and target in each line."),
        ],
    )


def add_run_options(command: F) -> F:
    """Add the flags of a running node."""
    accounts = [
        click.option(
            f"--{name}", is_flag=True, help=f"Be {name.title()}: name, validator, and author //{name.title()}."
        )
        for name in DEV_NAMES
    ]
    return _decorate(command, [*_ROLE, *accounts, *NETWORK_OPTIONS, *_RPC, *_REST, *_make_without_effect()])


_ROLE = [
    click.option("--validator", is_flag=True, help="Vote with the keystore's vote keys; show the role AUTHORITY."),
    click.option("--name", help="The node's name; made up if absent."),
    click.option("--author", metavar="SS58|0xHEX", help="Mine, and send the rewards to this account."),
    click.option("--threads", type=click.IntRange(0, 1024), help="Mining processes; default one, 0 does not mine."),
    click.option(
        "--misbehave",
        type=click.Choice(["fake-leaves", "silent"]),
        help="Sell invented strikes, or never answer audits; development chains only, to show what it costs.",
    ),
    click.option(
        "--anneal",
        metavar="SECONDS",
        type=click.FloatRange(min=0),
        default=2.0,
        show_default=True,
        help="How long a mining node anneals each open problem for nothing; 0 does not.",
    ),
    click.option("--sealing", metavar="pow|instant|MS", default="pow", help="When development chains make blocks."),
]
_RPC = [
    click.option("--rpc-port", type=click.IntRange(0, 65535), default=9944, show_default=True),
    click.option("--rpc-methods", type=RPC_METHODS, default="auto", show_default=True),
    click.option("--rpc-cors", metavar="all|null|ORIGIN,...", help="Browser origins that may call."),
    click.option("--rpc-max-connections", type=click.IntRange(1), default=100, show_default=True),
    click.option("--rpc-max-request-size", type=click.IntRange(1), default=15, show_default=True, help="MB."),
    click.option("--rpc-max-response-size", type=click.IntRange(1), default=15, show_default=True, help="MB."),
    click.option("--rpc-max-subscriptions-per-connection", type=click.IntRange(1), default=1024, show_default=True),
    click.option("--rpc-message-buffer-capacity-per-connection", type=click.IntRange(1), default=1024),
    click.option("--rpc-rate-limit", type=click.IntRange(1), help="Calls per minute and connection."),
    click.option("--rpc-disable-batch-requests", is_flag=True),
    click.option("--rpc-max-batch-request-len", type=click.IntRange(1)),
]
_REST = [
    click.option("--state-pruning", "--pruning", "state_pruning", metavar="archive|archive-canonical|N", default="256"),
    click.option(
        "--sync",
        type=click.Choice(["full", "fast", "fast-unsafe", "warp"]),
        default="full",
        show_default=True,
        help="How an empty database is filled: every block, or (fast, and its synonyms) a proven final state.",
    ),
    click.option("--checkpoint", metavar="HASH", help="A block the chain must contain; --sync fast begins there."),
    click.option("--pool-limit", type=click.IntRange(1), default=8192, show_default=True),
    click.option("--pool-kbytes", type=click.IntRange(1), default=20480, show_default=True),
    click.option("--tx-ban-seconds", type=click.IntRange(0), default=1800, show_default=True),
    click.option("--keystore-path", type=click.Path(path_type=Path)),
    click.option("--node-key", metavar="HEX", help="Secret of the node's peer id."),
    click.option("--node-key-file", type=click.Path(path_type=Path, dir_okay=False), help="The same in a file."),
    click.option("--prometheus-port", type=click.IntRange(0, 65535), default=9615, show_default=True),
    click.option("--no-prometheus", is_flag=True),
]


def _make_without_effect() -> list[Callable[[F], F]]:
    options: list[Callable[[F], F]] = []
    for flag, (metavar, kind, reason) in WITHOUT_EFFECT.items():
        help_text = f"Accepted, without effect: {reason}."
        if kind is bool:
            options.append(click.option(flag, is_flag=True, help=help_text))
        else:
            options.append(click.option(flag, type=kind, metavar=metavar, multiple=True, help=help_text))
    return options


def _decorate(command: F, options: list[Callable[[F], F]]) -> F:
    for option in reversed(options):
        command = option(command)
    return command
