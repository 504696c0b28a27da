"""The ports that a node is going to need, tried before the long part of its start."""

from __future__ import annotations

import socket

from node.failures import CommandFailure
from node.run_config import RunConfig

HOST = "127.0.0.1"


def check_ports(config: RunConfig) -> None:
    """Refuse a port that is taken, before the VM is compiled and the database opened.

    Raises:
        CommandFailure: names the port and its flag.
    """
    for port, flag in ((config.rpc_port, "--rpc-port"), (config.prometheus_port, "--prometheus-port")):
        if not port:  # none, or any
            continue
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as asyncio binds
                probe.bind((HOST, port))
        except OSError as error:
            raise CommandFailure(describe_taken_port(port, flag, error)) from error


def describe_taken_port(port: int, flag: str, error: OSError) -> str:
    """Return what to tell who wanted this port."""
    return f"port {port} cannot be used ({error.strerror or error}). Is another node running? Choose another {flag}."
