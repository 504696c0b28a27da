"""The real runtime's metadata, read by scalecodec and by our own client: every call, constant, default and type."""

from __future__ import annotations

from functools import cache

import pytest
from scalecodec.base import RuntimeConfigurationObject, ScaleBytes, ScaleType
from scalecodec.type_registry import load_type_registry_preset

from chain.params import Params
from chain.runtime_metadata import RuntimeMetadata
from runtime.executive import Runtime


@cache
def _metadata() -> bytes:
    return Runtime(Params.tiny()).metadata


@cache
def _oracle() -> tuple[RuntimeConfigurationObject, ScaleType]:
    config = RuntimeConfigurationObject()
    config.update_type_registry(load_type_registry_preset("core"))
    metadata = config.create_scale_object("MetadataVersioned", ScaleBytes(_metadata()))
    metadata.decode()
    config.add_portable_registry(metadata)
    return config, metadata


def test_scalecodec_reads_the_same_calls_events_errors_and_arguments() -> None:
    ours = RuntimeMetadata.decode(_metadata())
    _, theirs = _oracle()
    assert [pallet.name for pallet in theirs.pallets] == [pallet.name for pallet in ours.pallets]
    for pallet in theirs.pallets:
        expected = [(call.name, [field.name for field in call.fields]) for call in ours.list_calls(pallet.name)]
        assert [(call.name, [arg.name for arg in call.args]) for call in pallet.calls or []] == expected
        for index, error in enumerate(pallet.errors or []):
            found = ours.find_error(pallet.value["index"], error.value["index"])
            assert (found.pallet, found.name) == (pallet.name, error.name), index


def test_scalecodec_and_our_client_read_the_same_constants_and_defaults() -> None:
    ours = RuntimeMetadata.decode(_metadata())
    config, theirs = _oracle()
    for pallet in ours.pallets:
        for constant in pallet.constants:
            value = config.create_scale_object(f"scale_info::{constant.type}", ScaleBytes(constant.value)).decode()
            shown = ours.constant(pallet.name, constant.name)
            assert value == shown or not isinstance(shown, int | bool), constant.name
        for item in pallet.storage.entries if pallet.storage else ():
            ours.decode_storage(pallet.name, item.name, None)
            if item.modifier.name == "Default":
                name = f"scale_info::{item.kind.value}"
                config.create_scale_object(name, ScaleBytes(item.default), metadata=theirs).decode()


def test_a_call_with_zeros_for_arguments_is_read_alike() -> None:
    ours = RuntimeMetadata.decode(_metadata())
    config, theirs = _oracle()
    balances = ours.find_pallet("Balances").index
    for call in ours.list_calls("Balances"):
        data = bytes((balances, call.index)) + bytes(80)
        for size in range(2, 82):
            try:
                decoded = ours.decode_call(data[:size])
            except ValueError:
                continue
            shown = config.create_scale_object("Call", ScaleBytes(data[:size]), metadata=theirs).decode()
            assert (shown["call_module"], shown["call_function"]) == (decoded.pallet, decoded.call)
            assert [arg["name"] for arg in shown["call_args"]] == list(decoded.args)
            break
        else:
            pytest.fail(f"no size fits {call.name}")
