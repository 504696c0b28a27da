"""The runtime's composition: which pallets, in which order, and the tables made from them.

To add a pallet: write its file in runtime/pallets, and add one line to `PALLETS`.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from functools import cache
from inspect import cleandoc

import msgspec

from chain.metadata import EventRecords, FieldMeta, PalletMeta, StorageMeta, VariantMeta, encode_metadata
from chain.params import Params
from chain.scale import Codec, codec_of
from chain.substrate_types import (
    ArithmeticError,
    DispatchArithmetic,
    DispatchCannotLookup,
    DispatchError,
    DispatchModule,
    DispatchOther,
    DispatchToken,
    ModuleError,
)
from runtime.dispatch import (
    Call,
    CannotLookup,
    DispatchFailure,
    ModuleFailure,
    Overflow,
    Pallet,
    StorageItem,
    TokenFailure,
)
from runtime.pallets.balances import BALANCES
from runtime.pallets.batches import BATCHES
from runtime.pallets.finality import FINALITY
from runtime.pallets.learning import LEARNING
from runtime.pallets.problems import PROBLEMS
from runtime.pallets.solutions import SOLUTIONS
from runtime.pallets.staking import STAKING
from runtime.pallets.system import EVENTS, SYSTEM
from runtime.pallets.timestamp import TIMESTAMP
from runtime.pallets.transaction_payment import TRANSACTION_PAYMENT
from runtime.pallets.work import WORK
from runtime.storage import Overlay, StorageMap

PALLETS: tuple[Pallet, ...] = (
    SYSTEM,
    TIMESTAMP,
    BALANCES,
    TRANSACTION_PAYMENT,
    PROBLEMS,
    WORK,
    STAKING,
    FINALITY,
    BATCHES,
    SOLUTIONS,
    LEARNING,
)


class EventEntry(msgspec.Struct, frozen=True, kw_only=True):
    """How an event is encoded: pallet and event index, then its fields."""

    pallet: str
    prefix: bytes
    codec: Codec[msgspec.Struct]


class CallEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A call and where it stands."""

    pallet: str
    prefix: bytes
    call: Call


@cache
def get_calls() -> Mapping[bytes, CallEntry]:
    """Return every call by its two index bytes."""
    entries = [
        CallEntry(pallet=pallet.name, prefix=bytes((pallet.index, call.index)), call=call)
        for pallet in PALLETS
        for call in pallet.calls
    ]
    return {entry.prefix: entry for entry in entries}


@cache
def get_events() -> Mapping[type[msgspec.Struct], EventEntry]:
    """Return every event class with its encoding."""
    return {
        event: EventEntry(pallet=pallet.name, prefix=bytes((pallet.index, index)), codec=codec_of(event))
        for pallet in PALLETS
        for index, event in enumerate(pallet.events)
    }


@cache
def get_errors() -> Mapping[type[ModuleFailure], ModuleError]:
    """Return every pallet's errors with their numbers."""
    return {
        error: ModuleError(index=pallet.index, error=bytes((index, 0, 0, 0)))
        for pallet in PALLETS
        for index, error in enumerate(pallet.errors)
    }


def encode_call(call: Call, *arguments: object) -> bytes:
    """Return the SCALE bytes of a call with its arguments."""
    return _get_prefix(call) + call.codec.encode(arguments)


def make_dispatch_error(failure: DispatchFailure) -> DispatchError:
    """Return how a failure is recorded in events."""
    match failure:
        case ModuleFailure():
            return DispatchModule(error=get_errors()[type(failure)])
        case TokenFailure():
            return DispatchToken(error=failure.error)
        case Overflow():
            return DispatchArithmetic(error=ArithmeticError.Overflow)
        case CannotLookup():
            return DispatchCannotLookup()
        case _:
            return DispatchOther()


def check_invariants(state: Overlay, params: Params) -> None:
    """Refuse a state that breaks any pallet's invariants.

    Raises:
        InvariantBroken
    """
    for pallet in PALLETS:
        if pallet.check_invariants is not None:
            pallet.check_invariants(state, params)


@cache
def make_metadata(params: Params) -> bytes:
    """Return metadata V14 of a chain with these params."""
    return encode_metadata([_describe(pallet, params) for pallet in PALLETS])


@cache
def _get_prefix(call: Call) -> bytes:
    return next(entry.prefix for entry in get_calls().values() if entry.call is call)


def _describe(pallet: Pallet, params: Params) -> PalletMeta:
    return PalletMeta(
        name=pallet.name,
        index=pallet.index,
        storage=tuple(_describe_storage(item) for item in pallet.storage),
        calls=tuple(_describe_call(call) for call in pallet.calls),
        events=tuple(_describe_event(event, index) for index, event in enumerate(pallet.events)),
        errors=tuple(
            VariantMeta(name=error.__name__, index=index, docs=_docs(error.__doc__))
            for index, error in enumerate(pallet.errors)
        ),
        constants=pallet.constants(params) if pallet.constants else (),
    )


def _describe_storage(item: StorageItem) -> StorageMeta:
    value: object = EventRecords if item is EVENTS else item.annotation
    has_default = item.default is not None and item is not EVENTS
    return StorageMeta(
        name=item.name,
        optional=item.default is None,
        hashers=(item.hasher,) if isinstance(item, StorageMap) else (),
        keys=(item.key_annotation,) if isinstance(item, StorageMap) else (),
        value=value,
        default=item.codec.encode(item.default) if has_default else b"",
        docs=_docs(item.docs),
    )


def _describe_call(call: Call) -> VariantMeta:
    fields = tuple(FieldMeta(name=name, annotation=annotation) for name, annotation in call.fields)
    return VariantMeta(name=call.name, index=call.index, fields=fields, docs=_docs(call.docs))


def _describe_event(event: type[msgspec.Struct], index: int) -> VariantMeta:
    hints = typing.get_type_hints(event, include_extras=True)
    names: Mapping[str, str] = getattr(event, "scale_field_names", {})
    fields = tuple(FieldMeta(name=names.get(name, name), annotation=hints[name]) for name in event.__struct_fields__)
    return VariantMeta(name=event.__name__, index=index, fields=fields, docs=_docs(event.__doc__))


def _docs(text: str | None) -> tuple[str, ...]:
    return tuple(cleandoc(text).splitlines()) if text else ()
