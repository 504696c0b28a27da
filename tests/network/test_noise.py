"""The handshake: both ends know each other, and every change on the way is noticed."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from network.libp2p.handshake import Handshake, UnexpectedPeer
from network.libp2p.host_config import HostConfig
from network.libp2p.node_key import NodeKey, NotEd25519, decode_public_key, encode_public_key
from network.libp2p.noise import BadRecord, NoiseHandshake, NoiseIdentity, RecordReader, make_noise_identity
from network.libp2p.protobuf import encode_bytes, encode_number
from network.libp2p.protocol_error import BadHandshake, BadNegotiation, LocalProtocolError, RemoteProtocolError
from tests.network.support import make_key


def _make_x25519(number: int) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def _identify(key: NodeKey, static: int) -> NoiseIdentity:
    return make_noise_identity(key, _make_x25519(static))


ALICE, BOB = _identify(make_key(1), 11), _identify(make_key(2), 12)


def _make_pair(expected: NodeKey | None = None) -> tuple[Handshake, Handshake]:
    peer = None if expected is None else expected.peer_id
    return (
        Handshake(ALICE, _make_x25519(21), is_initiator=True, expected=peer),
        Handshake(BOB, _make_x25519(22), is_initiator=False),
    )


def _run(dialler: Handshake, listener: Handshake, step: int = 1 << 20) -> None:
    to_listener, to_dialler = dialler.start(), b""
    while to_listener or to_dialler:
        for start in range(0, len(to_listener), step):
            to_dialler += listener.receive(to_listener[start : start + step])
        to_listener = b""
        for start in range(0, len(to_dialler), step):
            to_listener += dialler.receive(to_dialler[start : start + step])
        to_dialler = b""


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_net_06_both_ends_learn_who_the_other_is(step: int) -> None:
    """However the bytes are cut."""
    dialler, listener = _make_pair(make_key(2))
    _run(dialler, listener, step)
    assert dialler.is_over
    assert listener.is_over
    assert (dialler.peer_id, listener.peer_id) == (make_key(2).peer_id, make_key(1).peer_id)
    send, receive, _, _ = dialler.take_result()
    their_send, their_receive, _, _ = listener.take_result()
    assert their_receive.decrypt(send.encrypt(b"there")) == b"there"
    assert receive.decrypt(their_send.encrypt(b"back")) == b"back"


def test_nodes_that_are_two_seconds_apart_one_way_have_time_to_shake_hands() -> None:
    """TCP's own round trip, and three of ours."""
    dialler, listener = _make_pair(make_key(2))
    message, seconds = dialler.start(), 4.0
    while message:
        answer = listener.receive(message)
        message = dialler.receive(answer) if answer else b""
        seconds += 4.0
    assert dialler.is_over
    assert listener.is_over
    assert 12.0 < seconds < HostConfig().handshake_s


def test_net_13_another_node_than_the_one_dialled_is_refused() -> None:
    dialler, listener = _make_pair(make_key(3))
    with pytest.raises(UnexpectedPeer):
        _run(dialler, listener)


def test_net_06_a_static_key_that_the_node_did_not_sign_is_refused() -> None:
    """Mallory shows Bob's payload with a static key of her own."""
    stolen = NoiseIdentity(
        static=_make_x25519(13), static_public=_make_x25519(13).public_key().public_bytes_raw(), payload=BOB.payload
    )
    dialler = Handshake(ALICE, _make_x25519(21), is_initiator=True)
    with pytest.raises(BadHandshake, match="did not sign"):
        _run(dialler, Handshake(stolen, _make_x25519(22), is_initiator=False))


def test_net_10_only_ed25519_names_a_node() -> None:
    assert decode_public_key(encode_public_key(bytes(32))) == bytes(32)
    for data in (
        encode_number(1, 2) + encode_bytes(2, bytes(32)),
        encode_number(1, 1) + encode_bytes(2, bytes(33)),
        b"",
    ):
        with pytest.raises(NotEd25519):
            decode_public_key(data)


def test_a_point_of_small_order_is_refused() -> None:
    responder = NoiseHandshake(BOB, _make_x25519(22), is_initiator=False)
    with pytest.raises(BadHandshake):
        responder.receive(bytes(32))


def test_a_peer_without_noise_is_refused() -> None:
    from network.libp2p.multistream import encode_line

    dialler, _ = _make_pair()
    dialler.start()
    with pytest.raises(BadNegotiation):
        dialler.receive(encode_line("/multistream/1.0.0") + encode_line("na"))


def test_a_record_that_was_changed_or_replayed_is_refused() -> None:
    dialler, listener = _make_pair()
    _run(dialler, listener)
    send, receive = dialler.take_result()[0], listener.take_result()[1]
    record = send.encrypt(b"pay bob")
    assert receive.decrypt(record) == b"pay bob"
    with pytest.raises(BadRecord):
        receive.decrypt(record)


def test_records_are_cut_at_65519_bytes() -> None:
    dialler, listener = _make_pair()
    _run(dialler, listener)
    send, receive = dialler.take_result()[0], listener.take_result()[1]
    reader = RecordReader()
    reader.add(send.encrypt_records(bytes(150_000)))
    pieces = []
    while (record := reader.take()) is not None:
        pieces.append(receive.decrypt(record))
    assert [len(piece) for piece in pieces] == [65_519, 65_519, 18_962]


def test_steps_out_of_order_are_our_own_bug() -> None:
    responder = NoiseHandshake(BOB, _make_x25519(22), is_initiator=False)
    for wrong in (responder.start, responder.split):
        with pytest.raises(LocalProtocolError):
            wrong()


@given(st.data())
def test_no_bytes_upset_a_handshake(data: st.DataObject) -> None:
    """One byte changed, or junk instead: the handshake ends in its own error, or waits for more, and never succeeds."""
    dialler, listener = _make_pair(make_key(2))
    answers = [dialler.start()]
    changed = data.draw(st.integers(min_value=0, max_value=4))
    with contextlib.suppress(RemoteProtocolError):
        for turn in range(6):
            message = answers.pop()
            if turn == changed and message:
                at = data.draw(st.integers(min_value=0, max_value=len(message) - 1))
                flip = data.draw(st.integers(min_value=1, max_value=255))
                message = message[:at] + bytes([message[at] ^ flip]) + message[at + 1 :]
            if not message:
                break
            answers.append((listener if turn % 2 == 0 else dialler).receive(message))
    assert not (dialler.is_over and listener.is_over)
