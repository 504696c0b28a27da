"""The node's secret: made once, kept, or given."""

from __future__ import annotations

from pathlib import Path

import pytest

from chain.ed25519 import public_of
from chain.peer_id import encode_peer_id
from node.failures import CommandFailure
from node.node_key import load_node_key


def test_a_secret_is_made_at_the_first_start_and_kept(tmp_path: Path) -> None:
    first = load_node_key(tmp_path / "network", given=None, file=None)
    assert load_node_key(tmp_path / "network", given=None, file=None) == first
    assert (tmp_path / "network" / "secret_ed25519").stat().st_mode & 0o777 == 0o600


def test_the_tutorials_key_has_the_tutorials_peer_id(tmp_path: Path) -> None:
    secret = load_node_key(tmp_path, given="00" * 31 + "01", file=None)
    assert encode_peer_id(public_of(secret)) == "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
    assert not (tmp_path / "secret_ed25519").exists()


@pytest.mark.parametrize("data", [bytes(range(32)), bytes(range(32)).hex().encode() + b"\n"])
def test_a_file_holds_it_raw_or_in_hex(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "key").write_bytes(data)
    assert load_node_key(tmp_path, given=None, file=tmp_path / "key") == bytes(range(32))


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short")
    for options in ({"given": "12", "file": None}, {"given": None, "file": tmp_path / "key"}):
        with pytest.raises(CommandFailure, match="no node key"):
            load_node_key(tmp_path, **options)
    with pytest.raises(CommandFailure, match="cannot be read"):
        load_node_key(tmp_path, given=None, file=tmp_path / "absent")
