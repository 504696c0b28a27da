"""How a JSON-RPC method is declared, and how its parameters are checked.

A method is a typed function `(api, ...) -> Json`. Its annotations say what each parameter may be; the same
annotations make the OpenRPC document, so that neither can lie about the other.

Terms:
    unsafe: a method that only a caller on this machine may use.
    subscription: a method whose answer is an id, followed by notifications.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import Annotated, TypeAlias

import msgspec

from chain.ss58 import InvalidAddress, decode_address
from rpc.api import Json
from rpc.errors import RpcError, invalid_params

INTEGER_MAX = 2**128 - 1


class Hex(msgspec.Struct, frozen=True):
    """Bytes as 0x-hex, of one length or any."""

    length: int | None = None


class AccountText(msgspec.Struct, frozen=True):
    """An account as SS58 address or 0x-hex public key."""


Hash: TypeAlias = Annotated[bytes, Hex(32)]
HexBytes: TypeAlias = Annotated[bytes, Hex()]
Account: TypeAlias = Annotated[bytes, AccountText()]


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter by position."""

    name: str
    annotation: object
    required: bool


class Method(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One method.

    Attributes:
        name: As callers write it.
        function: `(api, *params) -> Json`, or a coroutine of it where the node's core has to do something.
        unsafe: True if only local callers may use it.
        aliases: Other names for the same.
    """

    name: str
    function: Callable[..., Json | Awaitable[Json]]
    unsafe: bool = False
    aliases: tuple[str, ...] = ()

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters after `api`, in order."""
        return _read_parameters(self.function)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").split("\n")[0]


class SubscriptionMethod(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A subscription: `name` opens it, `unsubscribe` ends it, news arrive under `notification`."""

    name: str
    unsubscribe: str
    notification: str
    function: Callable[..., AsyncIterator[Json] | Awaitable[AsyncIterator[Json]]]
    unsafe_without_parameters: bool = False
    aliases: tuple[str, ...] = ()
    unsubscribe_aliases: tuple[str, ...] = ()

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters after `api`, in order."""
        return _read_parameters(self.function)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").split("\n")[0]


def read_arguments(parameters: Sequence[Parameter], given: object) -> list[object]:
    """Return the checked arguments, in order.

    Args:
        given: What the request carries as `params`: a list, an object by names, or nothing.

    Raises:
        RpcError: too many, missing or unfit parameters; the data names the parameter.
    """
    values = _by_position(parameters, given)
    arguments: list[object] = []
    for position, parameter in enumerate(parameters):
        value = values[position] if position < len(values) else None
        if value is None:
            if parameter.required:
                raise invalid_params(f"parameter {position} ({parameter.name}) is missing")
            arguments.append(None)
        else:
            arguments.append(_convert(value, parameter.annotation, parameter.name))
    return arguments


def describe_annotation(annotation: object) -> dict[str, Json]:
    """Return the JSON schema of a parameter."""
    note = _note(annotation)
    if isinstance(note, Hex):
        digits = "*" if note.length is None else f"{{{2 * note.length}}}"
        return {"type": "string", "pattern": f"^0x[0-9a-fA-F]{digits}$"}
    if isinstance(note, AccountText):
        return {"type": "string", "description": "SS58 address or 0x-hex public key"}
    if annotation is bool:
        return {"type": "boolean"}
    if annotation is int:
        return {"oneOf": [{"type": "integer"}, {"type": "string", "pattern": "^(0x[0-9a-fA-F]+|[0-9]+)$"}]}
    if annotation is str:
        return {"type": "string"}
    if typing.get_origin(annotation) is list:
        return {"type": "array", "items": describe_annotation(typing.get_args(annotation)[0])}
    options = _options(annotation)
    if options:
        return {"oneOf": [describe_annotation(option) for option in options]}
    return {}


def _read_parameters(function: Callable[..., object]) -> tuple[Parameter, ...]:
    # Without the result's annotation: it is recursive, and only its own module can evaluate it.
    wanted = {name: text for name, text in function.__annotations__.items() if name != "return"}
    holder = types.SimpleNamespace(__annotations__=wanted)
    hints = typing.get_type_hints(holder, globalns=function.__globals__, include_extras=True)
    parameters: list[Parameter] = []
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        options = _options(hints[name])
        annotation = options[0] if len(options) == 1 else hints[name]
        required = parameter.default is inspect.Parameter.empty
        parameters.append(Parameter(name=name, annotation=annotation, required=required))
    return tuple(parameters)


def _by_position(parameters: Sequence[Parameter], given: object) -> Sequence[object]:
    if given is None:
        return ()
    if isinstance(given, Mapping):
        names = [parameter.name for parameter in parameters]
        unknown = [str(name) for name in given if name not in names]
        if unknown:
            raise invalid_params(f"unknown parameter {unknown[0]!r}; known are {', '.join(names) or 'none'}")
        return [given.get(name) for name in names]
    if not isinstance(given, list):
        raise invalid_params("params must be a list or an object")
    extra = given[len(parameters) :]
    if any(value is not None for value in extra):
        raise invalid_params(f"{len(given)} parameters given, at most {len(parameters)} are known")
    return given[: len(parameters)]


def _convert(value: object, annotation: object, name: str) -> object:
    note = _note(annotation)
    if isinstance(note, Hex):
        return _to_bytes(value, note.length, name)
    if isinstance(note, AccountText):
        return _to_account(value, name)
    if annotation is bool:
        return _check_type(value, bool, "true or false", name)
    if annotation is int:
        return _to_int(value, name)
    if annotation is str:
        return _check_type(value, str, "a string", name)
    if typing.get_origin(annotation) is list:
        items = _check_type(value, list, "a list", name)
        assert isinstance(items, list)
        return [_convert(item, typing.get_args(annotation)[0], name) for item in items]
    if typing.get_origin(annotation) is dict:
        return _check_type(value, dict, "an object", name)
    return _convert_to_one_of(value, _options(annotation), name)


def _convert_to_one_of(value: object, options: Sequence[object], name: str) -> object:
    errors: list[RpcError] = []
    for option in options:
        try:
            return _convert(value, option, name)
        except RpcError as error:
            errors.append(error)
    if not errors:
        raise invalid_params(f"parameter {name} does not fit")
    raise errors[-1 if isinstance(value, list) else 0]  # lists are named last


def _to_bytes(value: object, length: int | None, name: str) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise invalid_params(f"parameter {name} must be a string of hex digits that begins with 0x")
    try:
        data = bytes.fromhex(value[2:])
    except ValueError as error:
        raise invalid_params(f"parameter {name} is not hex: an even number of digits 0-9 and a-f after 0x") from error
    if (length is not None and len(data) != length) or len(value) != 2 + 2 * len(data):
        raise invalid_params(f"parameter {name} must have {length} bytes, not {len(data)}")
    return data


def _to_account(value: object, name: str) -> bytes:
    if isinstance(value, str) and value.startswith("0x"):
        return _to_bytes(value, 32, name)
    if not isinstance(value, str):
        raise invalid_params(f"parameter {name} must be an SS58 address or a 0x-hex public key")
    try:
        public, _ = decode_address(value)
    except InvalidAddress as error:
        raise invalid_params(f"parameter {name}: {error}") from error
    if len(public) != 32:
        raise invalid_params(f"parameter {name}: an account has 32 bytes, not {len(public)}")
    return public


def _to_int(value: object, name: str) -> int:
    number = -1
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and len(value) <= 40:
        digits, base = (value[2:], 16) if value.startswith("0x") else (value, 10)
        if digits.isascii() and digits.isalnum():
            try:
                number = int(digits, base)
            except ValueError:
                number = -1
    if not 0 <= number <= INTEGER_MAX:
        raise invalid_params(f"parameter {name} must be an unsigned integer, a decimal string or 0x-hex")
    return number


def _check_type(value: object, kind: type, what: str, name: str) -> object:
    if not isinstance(value, kind):
        raise invalid_params(f"parameter {name} must be {what}")
    return value


def _note(annotation: object) -> object:
    if typing.get_origin(annotation) is Annotated:
        return typing.get_args(annotation)[1]
    return None


def _options(annotation: object) -> tuple[object, ...]:
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return tuple(option for option in typing.get_args(annotation) if option is not types.NoneType)
    return ()
