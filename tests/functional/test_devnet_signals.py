"""The devnet leaves no node behind, however it is ended."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.dev_node import find_free_port

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("number", "arguments", "word"),
    [
        (signal.SIGTERM, ("run", "--nodes", "1", "--problem", str(EXAMPLES / "cubic16.txt")), "posted"),
        (signal.SIGHUP, ("up", str(EXAMPLES / "sealing.toml")), "Ctrl-C stops them"),
    ],
    ids=["SIGTERM", "SIGHUP"],
)
def test_a_devnet_that_is_told_to_end_takes_its_node_along(
    number: signal.Signals, arguments: tuple[str, ...], word: str
) -> None:
    """SIGTERM as `kill` sends it, SIGHUP as a closed terminal does."""
    port = find_free_port()  # not the usual one, which somebody else's node may take meanwhile
    command = [sys.executable, "-m", "matchstrike.commands.main", "devnet", *arguments, "--rpc-port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as devnet:
        assert devnet.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+) .*log: ([^\s;]+);", devnet.stdout.readline())
        assert found is not None
        while word not in devnet.stdout.readline():
            assert devnet.poll() is None
        devnet.send_signal(number)
        _, errors = devnet.communicate(timeout=60)
    assert devnet.returncode == 0, errors
    assert "Traceback" not in errors
    assert not Path(found[2]).parent.exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(found[1]))) != 0, "the node still answers"
