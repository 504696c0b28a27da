"""How a pallet is declared, and what a call may raise.

A call is a typed function; from its signature come its SCALE codec, its metadata and its docs. A pallet is a frozen
record that lists its storage, events, errors, calls, constants and hooks.

Terms:
    origin: who makes a call; the signer's account, and nothing at all for an inherent.
    dispatch error: a call that failed; its writes and events are undone, its fee and nonce are kept.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Hashable
from inspect import cleandoc
from types import GenericAlias
from typing import TYPE_CHECKING, ClassVar

import msgspec

from chain.metadata import ConstantMeta
from chain.params import Params
from chain.scale import Codec, codec_of_alias
from chain.substrate_types import DispatchClass, TokenError
from runtime.storage import Overlay, StorageMap, StorageValue

if TYPE_CHECKING:
    from runtime.environment import Environment

StorageItem = StorageValue[typing.Any] | StorageMap[typing.Any, typing.Any]
CallWeight = int | Callable[..., int]
CheckDue = Callable[[Overlay, Params, int, typing.Any], None]  # state, params, height, arguments


class DispatchFailure(Exception):
    """A call that failed; the extrinsic stays in the block and pays."""

    rule: ClassVar[str] = "RUN-02"


class ModuleFailure(DispatchFailure):
    """A pallet's own error; the classes in `Pallet.errors` give it its number."""


class CannotLookup(DispatchFailure):
    """An address that is not a plain account id."""

    rule: ClassVar[str] = "RUN-03"


class Overflow(DispatchFailure):
    """A sum beyond the balance type."""

    rule: ClassVar[str] = "MNY-01"


class TokenFailure(DispatchFailure):
    """Money that cannot be moved; the subclasses name the reason as Substrate does."""

    error: ClassVar[TokenError]


class FundsUnavailable(TokenFailure):
    """Less free balance than the amount."""

    rule: ClassVar[str] = "MNY-02"
    error: ClassVar[TokenError] = TokenError.FundsUnavailable


class BelowMinimum(TokenFailure):
    """An account that would exist with less than the existential deposit."""

    rule: ClassVar[str] = "MNY-03"
    error: ClassVar[TokenError] = TokenError.BelowMinimum


class NotExpendable(TokenFailure):
    """A sender that must stay alive would not."""

    rule: ClassVar[str] = "MNY-04"
    error: ClassVar[TokenError] = TokenError.NotExpendable


class Frozen(TokenFailure):
    """A sender with money on hold would fall below the existential deposit."""

    rule: ClassVar[str] = "MNY-05"
    error: ClassVar[TokenError] = TokenError.Frozen


class InvariantBroken(Exception):
    """A state that no sequence of blocks may reach: a bug."""


class Call:
    """One call of a pallet, made by the decorator `call`.

    Attributes:
        fields: Argument names with their annotations, in order.
        dispatch_class: Mandatory for inherents, which nobody signs; Operational for calls that have a share of each
            block for themselves.
        check_due: For operational calls: raises a `DispatchFailure` where the call could only fail.
    """

    __slots__ = ("check_due", "codec", "dispatch_class", "docs", "fields", "function", "index", "name", "weight")

    def __init__(
        self,
        function: Callable[..., None],
        index: int,
        weight: CallWeight,
        dispatch_class: DispatchClass,
        check_due: CheckDue | None = None,
    ) -> None:
        hints = typing.get_type_hints(function, include_extras=True)
        names = [name for name in hints if name not in ("env", "origin", "return")]
        self.function = function
        self.name = function.__name__
        self.index = index
        self.weight = weight
        self.dispatch_class = dispatch_class
        self.check_due = check_due
        self.fields: tuple[tuple[str, Hashable], ...] = tuple((name, hints[name]) for name in names)
        self.codec: Codec[object] = codec_of_alias(_tuple_of(tuple(hints[name] for name in names)))
        self.docs = cleandoc(function.__doc__ or "")

    @property
    def is_inherent(self) -> bool:
        """True if only the author may make this call, unsigned."""
        return self.dispatch_class is DispatchClass.Mandatory

    @property
    def is_operational(self) -> bool:
        """True if the call has a share of each block that ordinary ones cannot take."""
        return self.dispatch_class is DispatchClass.Operational

    def compute_weight(self, arguments: tuple[object, ...]) -> int:
        """Return the call's weight in picoseconds of reference time."""
        weight = self.weight
        return weight if isinstance(weight, int) else weight(*arguments)


class Pallet(msgspec.Struct, frozen=True, kw_only=True):
    """What the runtime composes.

    Attributes:
        constants: Makes the metadata constants from the params.
        on_initialize: Runs before a block's extrinsics, in pallet order.
        on_finalize: Runs after them, in pallet order.
        check_invariants: Raises `InvariantBroken` on a state that must not be.
    """

    name: str
    index: int
    storage: tuple[StorageItem, ...] = ()
    events: tuple[type[msgspec.Struct], ...] = ()
    errors: tuple[type[ModuleFailure], ...] = ()
    calls: tuple[Call, ...] = ()
    constants: Callable[[Params], tuple[ConstantMeta, ...]] | None = None
    on_initialize: Callable[[Environment], None] | None = None
    on_finalize: Callable[[Environment], None] | None = None
    check_invariants: Callable[[Overlay, Params], None] | None = None


def call(
    *, index: int, weight: CallWeight, is_inherent: bool = False, check_due: CheckDue | None = None
) -> Callable[[Callable[..., None]], Call]:
    """Make a call of a function `(env, origin, ...)`, or `(env, ...)` for an inherent.

    Args:
        weight: Picoseconds of reference time, or a function of the call's arguments that returns them.
        check_due: Makes the call operational; refuses it, cheaply, where it could only fail.
    """
    kind = DispatchClass.Operational if check_due is not None else DispatchClass.Normal
    dispatch_class = DispatchClass.Mandatory if is_inherent else kind
    return lambda function: Call(function, index, weight, dispatch_class, check_due)


def _tuple_of(annotations: tuple[Hashable, ...]) -> Hashable:
    return GenericAlias(tuple, annotations)
