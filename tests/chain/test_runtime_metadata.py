"""The client's side of metadata: names to bytes and back, with errors that say what is wrong."""

from __future__ import annotations

import pickle
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scalecodec.base import RuntimeConfigurationObject, ScaleBytes
from scalecodec.type_registry import load_type_registry_preset

from chain import metadata_v14 as v14
from chain.hashing import blake2b_128, twox_64
from chain.metadata import encode_metadata
from chain.metadata_check import DanglingType, MetadataError, UnknownName, UnsupportedHasher
from chain.metadata_v14 import MetadataV14, PortableType, PrimitiveKind
from chain.portable_decode import (
    DEPTH_MAX,
    JSON,
    Style,
    UnsupportedPortableType,
    ValueTooLarge,
    decode_portable,
)
from chain.portable_encode import WrongArgument, encode_portable
from chain.runtime_metadata import DecodedCall, DecodedEvent, ErrorInfo, RuntimeMetadata
from chain.scale import CodecError, LimitExceeded, NotCanonical, TrailingBytes, UnexpectedEnd, UnknownVariant, codec_of
from chain.ss58 import encode_address
from chain.substrate_types import AccountData, AccountInfo
from tests.support.fake_pallets import PALLETS, Ticket, make_fake_metadata

ALICE = bytes.fromhex("88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee")
BOB = bytes.fromhex("d17c2d7823ebf260fd138f2d7e27d114c0145d968b5ff5006125f2414fadae69")
TRANSFER = b"\x04\x03\x00" + BOB + bytes.fromhex("e5c0")
U8_TYPE = PortableType(id=0, definition=v14.Primitive(kind=PrimitiveKind.u8))


@cache
def _metadata() -> RuntimeMetadata:
    return RuntimeMetadata.decode(make_fake_metadata())


# ---- calls


@pytest.mark.parametrize("dest", [BOB, "0x" + BOB.hex(), encode_address(BOB), {"Id": BOB}, {"Id": encode_address(BOB)}])
@pytest.mark.parametrize("value", [12345, "12345", "12_345"])
def test_a_transfer_has_the_bytes_of_the_reference_however_it_is_said(dest: object, value: object) -> None:
    assert _metadata().encode_call("Balances", "transfer_keep_alive", dest=dest, value=value) == TRANSFER
    assert _metadata().encode_call("balances", "transferKeepAlive", {"dest": dest, "value": value}) == TRANSFER


def test_a_call_comes_back_by_its_names() -> None:
    decoded = _metadata().decode_call(TRANSFER)
    assert decoded == DecodedCall(
        pallet="Balances", call="transfer_keep_alive", args={"dest": {"Id": BOB}, "value": 12345}
    )
    shown = _metadata().decode_call(TRANSFER, style=Style(is_json=True, ss58_prefix=42))
    assert shown.args == {"dest": {"Id": encode_address(BOB)}, "value": "12345"}
    assert _metadata().encode_call(shown.pallet, shown.call, shown.args) == TRANSFER  # type: ignore[arg-type]


def test_a_record_is_an_argument_and_options_may_be_left_out() -> None:
    ticket = {"target": 2**255, "weight": 1, "label": "é", "shots": ["0x0102", b""], "couplings": [[1, 2]]}
    expected = Ticket(target=2**255, weight=1, label="é", shots=(b"\x01\x02", b""), couplings=((1, 2),))
    data = _metadata().encode_call("Work", "note", ticket=ticket)
    assert data == b"\x07\x00" + codec_of(Ticket).encode(expected)
    assert _metadata().decode_call(data).args == {
        "ticket": {
            "target": 2**255,
            "weight": 1,
            "label": "é",
            "shots": (b"\x01\x02", b""),
            "winner": None,
            "couplings": ((1, 2),),
        }
    }


TICKET = {"target": 1, "weight": 1, "label": "", "shots": [], "couplings": []}


@pytest.mark.parametrize(
    ("path", "expected", "call", "args"),
    [
        ("Balances.transfer_keep_alive.dest", "an account", "transfer_keep_alive", {"dest": 5, "value": 1}),
        ("Balances.transfer_keep_alive.dest", "checksum", "transfer_keep_alive", {"dest": "5Gaa", "value": 1}),
        ("Balances.transfer_keep_alive.dest", "31 bytes", "transfer_keep_alive", {"dest": ALICE[1:], "value": 1}),
        ("Balances.transfer_keep_alive.dest", "an account", "transfer_keep_alive", {"dest": "0x1", "value": 1}),
        ("Balances.transfer_keep_alive.value", "Compact<u128>", "transfer_keep_alive", {"dest": ALICE}),
        ("Balances.transfer_keep_alive.value", "0 to 2^128 - 1", "transfer_keep_alive", {"dest": ALICE, "value": -1}),
        ("Balances.transfer_keep_alive.value", "integer", "transfer_keep_alive", {"dest": ALICE, "value": 2**128}),
        ("Balances.transfer_keep_alive.value", "integer", "transfer_keep_alive", {"dest": ALICE, "value": True}),
        ("Balances.transfer_keep_alive.value", "integer", "transfer_keep_alive", {"dest": ALICE, "value": 1.0}),
        ("Balances.transfer_keep_alive.value", "integer", "transfer_keep_alive", {"dest": ALICE, "value": "1e3"}),
        ("Balances.transfer_keep_alive", "did you mean value", "transfer_keep_alive", {"dest": ALICE, "valu": 1}),
        ("Work.note.ticket", "fields target, weight", "note", {"ticket": 5}),
        ("Work.note.ticket.target", "2^256 - 1", "note", {"ticket": TICKET | {"target": 2**256}}),
        ("Work.note.ticket.weight", "18446744073709551615", "note", {"ticket": TICKET | {"weight": 2**64}}),
        ("Work.note.ticket.label", "text", "note", {"ticket": TICKET | {"label": 1}}),
        ("Work.note.ticket.label", "surrogates", "note", {"ticket": TICKET | {"label": "\ud800"}}),
        ("Work.note.ticket.shots", "a list", "note", {"ticket": TICKET | {"shots": "0x01"}}),
        ("Work.note.ticket.shots[1]", "0x and hex digits", "note", {"ticket": TICKET | {"shots": [b"", "zz"]}}),
        ("Work.note.ticket.winner", "an account", "note", {"ticket": TICKET | {"winner": "x"}}),
        ("Work.note.ticket.couplings[0]", "2 items", "note", {"ticket": TICKET | {"couplings": [[1]]}}),
        ("Work.note.ticket.couplings[1][1]", "integer", "note", {"ticket": TICKET | {"couplings": [[1, 2], [1, "x"]]}}),
    ],
)
def test_met_04_a_wrong_argument_is_named_by_its_path(path: str, expected: str, call: str, args: dict) -> None:
    pallet = "Work" if call == "note" else "Balances"
    with pytest.raises(WrongArgument) as caught:
        _metadata().encode_call(pallet, call, args)
    assert caught.value.path == path
    assert expected in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_met_04_an_address_of_another_network_is_refused() -> None:
    with pytest.raises(WrongArgument, match="network 42, got one of network 0"):
        _metadata().encode_call("Balances", "transfer_keep_alive", dest=encode_address(BOB, 0), value=1)


@pytest.mark.parametrize(
    ("pallet", "call", "hint"),
    [
        ("Balance", "transfer", "did you mean Balances?"),
        ("Balances", "transfer_keep_alve", "did you mean transfer_keep_alive?"),
        ("TransactionPayment", "pay", "there are none"),
    ],
)
def test_met_03_an_unknown_name_is_refused_with_the_nearest(pallet: str, call: str, hint: str) -> None:
    with pytest.raises(UnknownName) as caught:
        _metadata().encode_call(pallet, call)
    assert hint in str(caught.value)


def test_met_03_an_index_that_no_pallet_or_call_has_is_refused() -> None:
    for data in (b"\x63\x00", b"\x04\x63", b"\x05\x00"):
        with pytest.raises(UnknownName):
            _metadata().decode_call(data)


def test_a_call_that_is_not_canonical_is_refused() -> None:
    for data, error in (
        (b"", UnexpectedEnd),
        (b"\x04", UnexpectedEnd),
        (TRANSFER[:-1], UnexpectedEnd),
        (TRANSFER + b"\x00", TrailingBytes),
        (TRANSFER[:-2] + b"\x02\x00\x00\x00", NotCanonical),
        (b"\x04\x03\x05" + TRANSFER[3:], UnknownVariant),
        (b"\x00\x00" + b"\xfe\xff\xff\xff", LimitExceeded),
    ):
        with pytest.raises(error):
            _metadata().decode_call(data)


# ---- events and errors


def _events() -> bytes:
    info = bytes.fromhex("0284d717") + b"\x00\x00\x00"
    fee = b"\x05\x00" + ALICE + (10**12).to_bytes(16, "little") + bytes(16)
    moved = b"\x04\x02" + ALICE + BOB + (5).to_bytes(16, "little")
    failed = b"\x00\x01" + b"\x03\x04\x02\x00\x00\x00" + info
    applied = [b"\x00\x01\x00\x00\x00" + event + b"\x00" for event in (fee, moved, failed)]
    begun = b"\x02" + b"\x00\x00" + info + b"\x04" + b"\x07" * 32
    return b"\x10" + begun + b"".join(applied)


def test_events_come_back_by_their_names() -> None:
    begun, fee, moved, failed = _metadata().decode_events(_events())
    assert (begun.phase, begun.extrinsic, begun.topics) == ("Initialization", None, (b"\x07" * 32,))
    assert (begun.pallet, begun.event) == ("System", "ExtrinsicSuccess")
    assert fee == DecodedEvent(
        phase="ApplyExtrinsic",
        extrinsic=1,
        pallet="TransactionPayment",
        event="TransactionFeePaid",
        values={"who": ALICE, "actual_fee": 10**12, "tip": 0},
        topics=(),
    )
    assert moved.values == {"from": ALICE, "to": BOB, "amount": 5}
    assert isinstance(failed.values, dict)
    error = failed.values["dispatch_error"]
    assert error == {"Module": {"index": 4, "error": b"\x02\x00\x00\x00"}}
    sentence = "Balances.InsufficientBalance: Balance too low to send value."
    assert _metadata().describe_dispatch_error(error) == sentence


def test_events_are_shown_as_json_with_addresses() -> None:
    events = _metadata().decode_events(_events(), style=Style(is_json=True, ss58_prefix=42))
    assert events[2].values == {"from": encode_address(ALICE), "to": encode_address(BOB), "amount": "5"}
    assert events[0].topics == (b"\x07" * 32,)
    assert isinstance(events[3].values, dict)
    described = _metadata().describe_dispatch_error(events[3].values["dispatch_error"])
    assert described.startswith("Balances.InsufficientBalance")


def test_events_are_as_in_scalecodec() -> None:
    config = RuntimeConfigurationObject()
    config.update_type_registry(load_type_registry_preset("core"))
    metadata = config.create_scale_object("MetadataVersioned", ScaleBytes(make_fake_metadata()))
    metadata.decode()
    config.add_portable_registry(metadata)
    name = metadata.get_metadata_pallet("System").get_storage_function("Events").get_value_type_string()
    theirs = config.create_scale_object(name, ScaleBytes(_events()), metadata=metadata).decode()
    ours = _metadata().decode_events(_events())
    assert [(event.pallet, event.event) for event in ours] == [(item["module_id"], item["event_id"]) for item in theirs]
    assert [event.extrinsic for event in ours] == [item["extrinsic_idx"] for item in theirs]


def test_no_events_are_no_events() -> None:
    assert _metadata().decode_events(b"\x00") == _metadata().decode_events(b"") == ()


def test_events_that_are_cut_off_or_followed_by_more_are_refused() -> None:
    data = _events()
    for length in range(1, len(data)):
        with pytest.raises(CodecError):
            _metadata().decode_events(data[:length])
    with pytest.raises(TrailingBytes):
        _metadata().decode_events(data + b"\x00")


def test_an_error_is_found_by_its_index_or_its_four_bytes() -> None:
    expected = ErrorInfo(pallet="Balances", name="InsufficientBalance", docs="Balance too low to send value.")
    assert _metadata().find_error(4, 2) == _metadata().find_error(4, b"\x02\x00\x00\x00") == expected


def test_met_03_an_error_that_does_not_exist_is_refused() -> None:
    for pallet, error in ((99, 0), (4, 77), (5, 0)):
        with pytest.raises(UnknownName):
            _metadata().find_error(pallet, error)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("BadOrigin", "BadOrigin"),
        ({"Token": "Frozen"}, "Token: Frozen"),
        ({"Module": {"index": 77, "error": "0x01000000"}}, "error b'\\x01\\x00\\x00\\x00' of pallet 77"),
        ({"Module": {"index": "x"}}, "Module: {'index': 'x'}"),
        (None, "None"),
    ],
)
def test_every_dispatch_error_has_a_sentence(error: object, sentence: str) -> None:
    assert _metadata().describe_dispatch_error(error) == sentence


# ---- storage and constants


def test_storage_keys_are_substrates() -> None:
    prefix = "26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9"
    assert _metadata().storage_prefix("System").hex() == prefix[:32]
    assert _metadata().storage_prefix("System", "Account").hex() == prefix
    key = _metadata().storage_key("System", "Account", encode_address(ALICE))
    assert key.hex() == prefix + "280b197190fc1a763257f65171ea366e" + ALICE.hex()
    assert _metadata().storage_key("System", "Account").hex() == prefix
    number = "26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac"
    assert _metadata().storage_key("system", "number").hex() == number


def test_a_key_of_two_parts_has_both_hashers() -> None:
    key = _metadata().storage_key("Work", "Tickets", ALICE, 7)
    index = (7).to_bytes(8, "little")
    assert key[32:] == ALICE + twox_64(index) + index
    assert _metadata().storage_key("Work", "Tickets", ALICE) == key[:64]
    assert _metadata().decode_storage_key("Work", "Tickets", key) == (ALICE, 7)


def test_storage_keys_come_back_and_wrong_ones_are_refused() -> None:
    key = _metadata().storage_key("System", "Account", ALICE)
    assert _metadata().decode_storage_key("System", "Account", key) == (ALICE,)
    assert key[32:48] == blake2b_128(ALICE)
    for wrong in (key[:-1], key + b"\x00", b"\x00" + key[1:], key[:40] + b"\x00" + key[41:], b""):
        with pytest.raises(CodecError):
            _metadata().decode_storage_key("System", "Account", wrong)


def test_a_wrong_or_surplus_key_is_refused() -> None:
    with pytest.raises(WrongArgument, match=r"System\.Account key 0: expected an account"):
        _metadata().storage_key("System", "Account", 7)
    with pytest.raises(UnknownName, match="takes 0 keys, 1 are given"):
        _metadata().storage_key("System", "Number", 7)


def test_storage_values_and_defaults_are_decoded() -> None:
    info = AccountInfo(nonce=3, data=AccountData(free=10))
    decoded = _metadata().decode_storage("System", "Account", codec_of(AccountInfo).encode(info))
    assert isinstance(decoded, dict)
    assert (decoded["nonce"], decoded["data"]["free"]) == (3, 10)
    assert _metadata().decode_storage("System", "Number", None) == 0
    assert _metadata().decode_storage("Work", "Best", None) is None
    assert _metadata().decode_storage("System", "Digest", b"\x04\x06pow_\x08hi") == {
        "logs": ({"PreRuntime": (b"pow_", b"hi")},)
    }


def test_constants_are_decoded() -> None:
    assert _metadata().constant("Balances", "ExistentialDeposit") == 10**9
    assert _metadata().constant("Balances", "ExistentialDeposit", style=JSON) == "1000000000"
    assert _metadata().ss58_prefix == 42
    version = _metadata().constant("System", "Version")
    assert isinstance(version, dict)
    assert version["spec_name"] == "matchstrike"


def test_met_03_unknown_items_and_constants_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean Account"):
        _metadata().storage_key("System", "Acount")
    with pytest.raises(UnknownName):
        _metadata().constant("System", "Nothing")
    with pytest.raises(UnknownName):
        _metadata().storage_prefix("TransactionPayment", "Anything")


# ---- metadata from a stranger


def test_met_01_other_bytes_are_no_metadata() -> None:
    data = make_fake_metadata()
    for wrong in (b"", b"meta", b"meta\x0d" + data[5:], b"atem\x0e" + data[5:], b"meta\x0e" + bytes(2**24)):
        with pytest.raises(MetadataError):
            RuntimeMetadata.decode(wrong)


def _decode_changed(**changes: object) -> RuntimeMetadata:
    raw = codec_of(MetadataV14).decode(make_fake_metadata())
    return RuntimeMetadata.decode(codec_of(MetadataV14).encode(msgspec.structs.replace(raw, **changes)))


def test_met_02_a_type_that_does_not_exist_is_refused() -> None:
    raw = codec_of(MetadataV14).decode(make_fake_metadata())
    with pytest.raises(DanglingType):
        _decode_changed(runtime=len(raw.types))
    with pytest.raises(DanglingType, match="stands at 0"):
        _decode_changed(types=raw.types[::-1])
    with pytest.raises(DanglingType):
        _decode_changed(types=raw.types[:-2])


def test_a_map_with_an_unknown_hasher_is_refused_when_it_is_used() -> None:
    raw = codec_of(MetadataV14).decode(make_fake_metadata())
    kind = v14.MapEntry(hashers=(v14.StorageHasher.Twox256,), key=0, value=0)
    entry = v14.StorageEntry(name="Odd", modifier=v14.StorageModifier.Optional, kind=kind, default=b"\x00")
    pallet = msgspec.structs.replace(raw.pallets[0], storage=v14.PalletStorage(prefix="System", entries=(entry,)))
    with pytest.raises(UnsupportedHasher, match="Twox256"):
        _decode_changed(pallets=(pallet,)).storage_key("System", "Odd", 1)


def test_met_05_a_type_inside_itself_ends_with_an_error() -> None:
    loop = PortableType(id=0, definition=v14.Composite(fields=(v14.Field(name=None, type=0),)))
    with pytest.raises(ValueTooLarge):
        decode_portable((loop,), 0, b"")
    with pytest.raises(WrongArgument, match=f"at most {DEPTH_MAX} levels"):
        encode_portable((loop,), 0, 1, "value")


def test_met_05_a_type_that_doubles_at_each_level_ends_with_an_error() -> None:
    types = [PortableType(id=0, definition=v14.Tuple(types=()))]
    for level in range(1, 50):
        types.append(PortableType(id=level, definition=v14.Tuple(types=(level - 1,) * 50)))
    with pytest.raises(ValueTooLarge):
        decode_portable(tuple(types), 49, b"")


def test_met_05_an_array_of_billions_of_nothing_ends_with_an_error() -> None:
    nothing = PortableType(id=0, definition=v14.Tuple(types=()))
    array = PortableType(id=1, definition=v14.Array(length=2**32 - 1, type=0))
    with pytest.raises(ValueTooLarge):
        decode_portable((nothing, array), 1, b"")
    raw = PortableType(id=1, definition=v14.Array(length=2**32 - 1, type=0))
    with pytest.raises(UnexpectedEnd):
        decode_portable((U8_TYPE, raw), 1, b"abc")


def test_a_bit_sequence_is_refused() -> None:
    bits = PortableType(id=1, definition=v14.BitSequence(store=0, order=0))
    with pytest.raises(UnsupportedPortableType):
        decode_portable((U8_TYPE, bits), 1, b"\x00")
    with pytest.raises(WrongArgument):
        encode_portable((U8_TYPE, bits), 1, b"\x00", "bits")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_metadata_raises_only_its_own_errors(data: st.DataObject) -> None:
    raw = bytearray(make_fake_metadata())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(5, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        metadata = RuntimeMetadata.decode(bytes(raw))
    except (CodecError, MetadataError):
        return
    steps = (
        lambda: metadata.encode_call("Balances", "transfer_keep_alive", dest=ALICE, value=1),
        lambda: metadata.decode_call(TRANSFER),
        lambda: metadata.decode_events(_events(), style=Style(is_json=True, ss58_prefix=metadata.ss58_prefix)),
        lambda: metadata.storage_key("System", "Account", ALICE),
        lambda: metadata.decode_storage("System", "Account", bytes(80)),
        lambda: metadata.find_error(4, 2),
        lambda: metadata.constant("System", "Version"),
    )
    for step in steps:
        try:
            step()
        except (CodecError, MetadataError):
            continue


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([b"", b"\x04\x03", b"\x00\x00", b"\x07\x00", b"\x01\x00"]), st.binary(max_size=60))
def test_a_strangers_call_is_a_call_or_an_error_of_ours(head: bytes, data: bytes) -> None:
    try:
        decoded = _metadata().decode_call(head + data)
    except (CodecError, MetadataError):
        return
    assert _metadata().encode_call(decoded.pallet, decoded.call, decoded.args) == head + data  # type: ignore[arg-type]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["dest", "value"]), json_values)
def test_any_argument_is_encoded_or_refused_with_its_path(name: str, value: object) -> None:
    args = {"dest": ALICE, "value": 1, name: value}
    try:
        data = _metadata().encode_call("Balances", "transfer_keep_alive", args)
    except WrongArgument as refused:
        path = refused.path
    else:
        assert _metadata().decode_call(data).call == "transfer_keep_alive"
        return
    assert path.startswith("Balances.transfer_keep_alive")


def test_the_metadata_of_the_fake_pallets_is_what_is_decoded() -> None:
    assert [pallet.name for pallet in _metadata().pallets] == [pallet.name for pallet in PALLETS]
    assert encode_metadata(PALLETS) == codec_of(MetadataV14).encode(_metadata().raw)
    assert [call.name for call in _metadata().list_calls("Balances")] == ["transfer_allow_death", "transfer_keep_alive"]
