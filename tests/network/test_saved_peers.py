"""What a node remembers: the file, exchanged lists, and the folder where nodes meet."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from random import SystemRandom

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from network.address_book import BookEntry
from network.bans import Ban
from network.libp2p.multiaddr import Multiaddr, parse_multiaddr
from network.libp2p.protocol_error import RemoteProtocolError
from network.local_discovery import STALE_S, LocalDiscovery
from network.messages import BadMessage
from network.peer_exchange import ADDRESSES_MAX, EXCHANGE_BYTES_MAX, decode_addresses, encode_addresses
from network.saved_peers import FILE_BYTES_MAX, SavedPeers, load_saved_peers, save_peers
from tests.network.support import make_key

ADDRESS = parse_multiaddr("/ip4/45.1.2.3/tcp/5").with_peer(make_key(1).peer_id)


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    saved = SavedPeers(
        secret=bytes(32),
        entries=(BookEntry(address=ADDRESS, source="s", learned_ms=3),),
        anchors=(ADDRESS,),
        bans=(Ban(name="p", until_ms=5, count=2),),
    )
    path = tmp_path / "network" / "peers"
    save_peers(path, saved)
    assert load_saved_peers(path, SystemRandom()) == saved
    assert [item.name for item in path.parent.iterdir()] == ["peers"]


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff" * 10, bytes(FILE_BYTES_MAX + 1), msgspec.msgpack.encode(SavedPeers(version=2, secret=bytes(32)))],
)
def test_a_damaged_file_is_left_behind_with_a_line_in_the_log(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "peers"
    path.write_bytes(data)
    with capture_logs() as lines:
        fresh = load_saved_peers(path, SystemRandom())
    assert (fresh.entries, fresh.bans, len(fresh.secret)) == ((), (), 32)
    assert [line["log_level"] for line in lines] == ["warning"]
    assert load_saved_peers(None, SystemRandom()).secret != fresh.secret


def test_addresses_in_the_file_that_are_none_are_dropped(tmp_path: Path) -> None:
    bad = Multiaddr(kind="ip4", host="nonsense", port=5, peer_id=make_key(1).peer_id)
    entries = tuple(BookEntry(address=address, source="s", learned_ms=3) for address in (bad, ADDRESS))
    save_peers(tmp_path / "peers", SavedPeers(secret=bytes(32), entries=entries, anchors=(bad,)))
    loaded = load_saved_peers(tmp_path / "peers", SystemRandom())
    assert [entry.address for entry in loaded.entries] == [ADDRESS]
    assert loaded.anchors == ()


def test_net_41_a_list_of_addresses_has_32_at_most() -> None:
    addresses = [Multiaddr(kind="ip4", host=f"45.1.1.{n}", port=5, peer_id=make_key(1).peer_id) for n in range(60)]
    data = encode_addresses(addresses)
    assert decode_addresses(data) == addresses[:ADDRESSES_MAX]
    assert len(data) <= EXCHANGE_BYTES_MAX
    with pytest.raises(BadMessage):
        decode_addresses(msgspec.msgpack.encode([b"x"] * 33))
    with pytest.raises(BadMessage):
        decode_addresses(msgspec.msgpack.encode([bytes(129)]))
    assert decode_addresses(msgspec.msgpack.encode([b"\x01quic"])) == [], "kinds that are not dialled are passed over"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_list_or_refused(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        decode_addresses(data)


def test_nodes_in_a_folder_see_each_other_until_they_leave(tmp_path: Path) -> None:
    folder = tmp_path / "meet" / "chain"
    one, two = (LocalDiscovery(folder, make_key(number).peer_id) for number in (1, 2))
    other = ADDRESS.with_peer(make_key(2).peer_id)
    one.announce(ADDRESS)
    two.announce(other)
    assert one.look() == [other]
    assert two.look() == [ADDRESS]
    (folder / "junk.addr").write_bytes(b"\xff\xfe")
    assert one.look() == [other]
    note = next(path for path in folder.iterdir() if make_key(2).peer_id in path.name)
    assert one.look(now_s=note.stat().st_mtime + STALE_S + 1) == []
    assert not note.exists(), "who was not heard for 30 seconds is forgotten"
    one.leave()
    assert two.look() == []


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    discovery = LocalDiscovery(tmp_path / "meet" / "chain", make_key(1).peer_id)
    monkeypatch.setattr(os, "getuid", lambda: 12_345)
    with pytest.raises(PermissionError):
        discovery.announce(ADDRESS)
