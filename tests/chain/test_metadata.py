"""Metadata V14: what Substrate's own clients read from our bytes."""

from __future__ import annotations

from functools import cache

import pytest
from scalecodec.base import RuntimeConfigurationObject, ScaleBytes, ScaleType
from scalecodec.type_registry import load_type_registry_preset

from chain.metadata import (
    EventRecords,
    FieldMeta,
    InvalidDeclaration,
    PalletMeta,
    StorageMeta,
    VariantMeta,
    encode_metadata,
    make_metadata,
    pallet_path,
)
from chain.metadata_v14 import MetadataV14, Variants
from chain.scale import codec_of
from chain.scale_shapes import U8, U32, AccountId
from chain.substrate_types import AccountInfo
from tests.support.fake_pallets import BALANCES, PALLETS, Ticket, make_fake_metadata

ALICE = "0x88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee"


@cache
def _oracle() -> tuple[RuntimeConfigurationObject, ScaleType]:
    """scalecodec, having read our metadata."""
    config = RuntimeConfigurationObject()
    config.update_type_registry(load_type_registry_preset("core"))
    metadata = config.create_scale_object("MetadataVersioned", ScaleBytes(make_fake_metadata()))
    metadata.decode()
    config.add_portable_registry(metadata)
    return config, metadata


def test_met_01_metadata_begins_with_magic_and_version_14() -> None:
    assert make_fake_metadata()[:5] == b"meta\x0e"


def test_metadata_is_the_same_each_time_and_round_trips() -> None:
    data = make_fake_metadata()
    assert data == make_fake_metadata()
    assert codec_of(MetadataV14).encode(codec_of(MetadataV14).decode(data)) == data


def test_scalecodec_reads_every_pallet_call_event_error_and_storage_item() -> None:
    _, metadata = _oracle()
    for ours in PALLETS:
        theirs = metadata.get_metadata_pallet(ours.name)
        assert theirs.value["index"] == ours.index
        assert [call.name for call in theirs.calls or []] == [call.name for call in ours.calls]
        assert [event.name for event in theirs.events or []] == [event.name for event in ours.events]
        assert [error.name for error in theirs.errors or []] == [error.name for error in ours.errors]
        items = [item.value["name"] for item in theirs.storage or []]
        assert items[1:] == [item.name for item in ours.storage]  # theirs adds :__STORAGE_VERSION__:
        constants = {constant.value["name"]: constant.constant_value for constant in theirs.constants or []}
        assert set(constants) == {constant.name for constant in ours.constants}


def test_scalecodec_reads_constants_and_defaults() -> None:
    _, metadata = _oracle()
    constant = metadata.get_metadata_pallet("System").constants[0]
    assert constant.constant_value == bytes.fromhex("60090000")
    account = metadata.get_metadata_pallet("System").get_storage_function("Account")
    assert account.value_object["default"].value_object == codec_of(AccountInfo).encode(AccountInfo())
    number = metadata.get_metadata_pallet("System").get_storage_function("Number")
    assert number.value_object["default"].value_object == bytes(4)


def test_scalecodec_encodes_the_call_of_the_reference_vector() -> None:
    config, metadata = _oracle()
    call = config.create_scale_object("Call", metadata=metadata)
    bob = "0xd17c2d7823ebf260fd138f2d7e27d114c0145d968b5ff5006125f2414fadae69"
    data = call.encode(
        {
            "call_module": "Balances",
            "call_function": "transfer_keep_alive",
            "call_args": {"dest": bob, "value": 12345},
        }
    )
    assert data.to_hex() == "0x040300" + bob[2:] + "e5c0"


def test_scalecodec_reads_a_record_with_every_kind_of_field() -> None:
    config, metadata = _oracle()
    ticket = Ticket(
        target=2**255 + 7,
        weight=9,
        label="hé",
        shots=(b"ab", b""),
        winner=bytes.fromhex(ALICE[2:]),
        couplings=((1, 2),),
    )
    name = metadata.get_metadata_pallet("Work").get_storage_function("Best").get_value_type_string()
    decoded = config.create_scale_object(name, ScaleBytes(codec_of(Ticket).encode(ticket)), metadata=metadata).decode()
    assert decoded == {
        "target": 2**255 + 7,
        "weight": 9,
        "label": "hé",
        "shots": ["ab", ""],
        "winner": ALICE,
        "couplings": [(1, 2)],
    }


def test_the_types_that_clients_look_for_have_their_exact_paths() -> None:
    paths = {"::".join(item.path): item for item in make_metadata(PALLETS).types}
    for path in (
        "sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic",
        "sp_runtime::generic::era::Era",
        "sp_runtime::generic::digest::DigestItem",
        "sp_runtime::multiaddress::MultiAddress",
        "sp_runtime::MultiSignature",
        "sp_runtime::DispatchError",
        "sp_runtime::ModuleError",
        "sp_core::crypto::AccountId32",
        "primitive_types::H256",
        "frame_system::EventRecord",
        "frame_system::Phase",
        "frame_system::AccountInfo",
        "frame_support::dispatch::DispatchInfo",
        "sp_weights::weight_v2::Weight",
        "pallet_balances::types::AccountData",
        "pallet_balances::pallet::Call",
    ):
        assert path in paths, path
    unchecked = paths["sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic"]
    assert [param.name for param in unchecked.params] == ["Address", "Call", "Signature", "Extra"]
    era = paths["sp_runtime::generic::era::Era"].definition
    assert isinstance(era, Variants)
    assert [variant.name for variant in era.variants] == ["Immortal"] + [f"Mortal{code}" for code in range(1, 256)]
    assert [len(variant.fields) for variant in era.variants] == [0] + [1] * 255


def test_each_type_id_is_its_position_and_every_reference_exists() -> None:
    metadata = make_metadata(PALLETS)
    assert [item.id for item in metadata.types] == list(range(len(metadata.types)))
    contents = [(item.path, item.definition) for item in metadata.types]
    assert len(set(contents)) == len(contents)


def test_pallets_have_the_names_of_substrates_crates() -> None:
    assert [pallet_path(name) for name in ("System", "Balances", "TransactionPayment")] == [
        "frame_system",
        "pallet_balances",
        "pallet_transaction_payment",
    ]


def test_two_pallets_with_one_index_are_refused() -> None:
    with pytest.raises(InvalidDeclaration, match="two pallets are called 4"):
        encode_metadata((BALANCES, PalletMeta(name="Other", index=4)))


def test_two_calls_with_one_name_are_refused() -> None:
    calls = (VariantMeta(name="set", index=0), VariantMeta(name="set", index=1))
    with pytest.raises(InvalidDeclaration, match="two Clock calls are called set"):
        encode_metadata((PalletMeta(name="Clock", index=1, calls=calls),))


def test_a_map_with_a_hasher_too_few_is_refused() -> None:
    item = StorageMeta(name="Thing", optional=True, keys=(U32, AccountId), hashers=("Identity",), value=U8)
    with pytest.raises(InvalidDeclaration, match="2 keys and 1 hashers"):
        encode_metadata((PalletMeta(name="Clock", index=1, storage=(item,)),))


def test_fields_without_a_name_stay_without() -> None:
    event = VariantMeta(name="Seen", index=0, fields=(FieldMeta(name=None, annotation=U32),))
    metadata = make_metadata((PalletMeta(name="Clock", index=1, events=(event,)),))
    seen = next(item for item in metadata.types if item.path == ("pallet_clock", "pallet", "Event"))
    assert isinstance(seen.definition, Variants)
    assert seen.definition.variants[0].fields[0].name is None


def test_the_events_item_has_the_type_of_a_vec_of_event_records() -> None:
    config, metadata = _oracle()
    assert any(item.value is EventRecords for item in PALLETS[0].storage)
    name = metadata.get_metadata_pallet("System").get_storage_function("Events").get_value_type_string()
    assert config.create_scale_object(name, ScaleBytes(b"\x00"), metadata=metadata).decode() == []
