"""A port that is taken is told before the long part of a node's start."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from node.failures import CommandFailure
from node.ports import check_ports
from tests.node.test_run_config import parse


@pytest.fixture
def taken() -> Iterator[str]:
    """A port at which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield str(listener.getsockname()[1])


def test_a_taken_port_is_refused_with_its_flag(taken: str) -> None:
    """Either of the two; a port below 1024 may be forbidden, which is told in the same way."""
    with pytest.raises(CommandFailure, match=rf"port {taken} cannot be used .* Choose another --rpc-port"):
        check_ports(parse("--dev", "--rpc-port", taken, "--no-prometheus"))
    with pytest.raises(CommandFailure, match=rf"port {taken} .* --prometheus-port"):
        check_ports(parse("--dev", "--rpc-port", "0", "--prometheus-port", taken))


def test_free_ports_and_any_port_are_fine_and_stay_free(taken: str) -> None:
    """Asked twice: the probe leaves nothing behind."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = str(probe.getsockname()[1])
    for _ in range(2):
        check_ports(parse("--dev", "--rpc-port", free, "--no-prometheus"))
        check_ports(parse("--dev", "--rpc-port", "0", "--no-prometheus"))
