"""JSON-RPC 2.0: bytes of a request to the bytes of an answer, without a socket.

What needs a connection (subscriptions) is returned as a `SubscriptionCall`, for the server to carry out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from rpc.api import Json, NodeApi
from rpc.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    UNSAFE_MESSAGE,
    RpcError,
)
from rpc.methods.catalogue import get_methods, get_subscriptions, get_unsubscriptions
from rpc.schema import SubscriptionMethod, read_arguments

RequestId = int | float | str | None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one caller may ask for."""

    request_bytes_max: int = 15 * 1024 * 1024
    response_bytes_max: int = 15 * 1024 * 1024
    batch_max: int = 10_000
    allow_unsafe: bool = True
    allow_batches: bool = True


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request that asks for an answer or, without an id, for none."""

    method: str
    params: object
    request_id: RequestId
    is_notification: bool


class SubscriptionCall(msgspec.Struct, frozen=True, kw_only=True):
    """A request that opens or ends a subscription on this connection."""

    call: Call
    method: SubscriptionMethod
    opens: bool
    arguments: tuple[object, ...]


Answer = dict[str, Json]
OnInternalError = Callable[[str, Exception], None]


def parse(data: bytes, limits: Limits) -> list[Call | Answer] | Call | Answer:
    """Return the call, or the list of a batch; an answer stands where a request is not one.

    Never raises: what is wrong with the bytes becomes an error answer.
    """
    if len(data) > limits.request_bytes_max:
        what = f"the request has {len(data)} bytes, at most {limits.request_bytes_max} are allowed"
        return make_error(None, RpcError(INVALID_REQUEST, "Invalid request", what))
    try:
        decoded: object = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return make_error(None, RpcError(PARSE_ERROR, "Parse error", str(error)))
    if not isinstance(decoded, list):
        return _read_call(decoded)
    if not limits.allow_batches:
        return make_error(None, RpcError(INVALID_REQUEST, "Invalid request", "batches are switched off"))
    if not 1 <= len(decoded) <= limits.batch_max:
        what = f"a batch has 1 to {limits.batch_max} requests, not {len(decoded)}"
        return make_error(None, RpcError(INVALID_REQUEST, "Invalid request", what))
    return [_read_call(item) for item in decoded]


async def answer(
    api: NodeApi, call: Call, limits: Limits, on_internal_error: OnInternalError
) -> Answer | SubscriptionCall:
    """Return the answer to one call, or the subscription it is about."""
    try:
        subscription = find_subscription(call, limits)
        if subscription is not None:
            return subscription
        method = get_methods().get(call.method)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found", f"no method {call.method[:80]!r}; see rpc_methods")
        if method.unsafe and not limits.allow_unsafe:
            raise RpcError(METHOD_NOT_FOUND, UNSAFE_MESSAGE)
        result = method.function(api, *read_arguments(method.parameters, call.params))
        if isinstance(result, Awaitable):
            result = await result
    except RpcError as error:
        return make_error(call.request_id, error)
    except Exception as error:  # a bug of ours must neither end the connection nor show its inside to the caller
        on_internal_error(call.method, error)
        return make_error(call.request_id, RpcError(INTERNAL_ERROR, "Internal error", "see the node's log"))
    return {"jsonrpc": "2.0", "id": call.request_id, "result": result}


def find_subscription(call: Call, limits: Limits) -> SubscriptionCall | None:
    """Return the subscription a call opens or ends, None if it does neither.

    Raises:
        RpcError: unfit parameters, or an unsafe use.
    """
    opened = get_subscriptions().get(call.method)
    if opened is not None:
        arguments = tuple(read_arguments(opened.parameters, call.params))
        if opened.unsafe_without_parameters and not limits.allow_unsafe and not any(arguments):
            raise RpcError(METHOD_NOT_FOUND, UNSAFE_MESSAGE)
        return SubscriptionCall(call=call, method=opened, opens=True, arguments=arguments)
    ended = get_unsubscriptions().get(call.method)
    if ended is not None:
        given = call.params if isinstance(call.params, list) else []
        return SubscriptionCall(call=call, method=ended, opens=False, arguments=tuple(given[:1]))
    return None


def make_error(request_id: RequestId, error: RpcError) -> Answer:
    """Return an error answer."""
    body: dict[str, Json] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return {"jsonrpc": "2.0", "id": request_id, "error": body}


def make_result(request_id: RequestId, result: Json) -> Answer:
    """Return a successful answer."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def make_notification(method: str, subscription: str, result: Json) -> Answer:
    """Return one piece of news of a subscription."""
    return {"jsonrpc": "2.0", "method": method, "params": {"subscription": subscription, "result": result}}


def encode_answer(value: Answer, limits: Limits) -> bytes:
    """Return the answer's JSON, or an error if it is too large."""
    data = msgspec.json.encode(value)
    if len(data) <= limits.response_bytes_max:
        return data
    request_id = value.get("id")
    what = f"the answer has {len(data)} bytes, at most {limits.response_bytes_max} are allowed"
    return _encode_too_big(request_id if isinstance(request_id, int | float | str) else None, what)


class BatchAnswer:
    """The answers of a batch as JSON; it takes no more when they are too large together."""

    def __init__(self, limits: Limits) -> None:
        self._bytes_max = limits.response_bytes_max
        self._parts: list[bytes] = []
        self._size = 1

    def add(self, value: Answer | None) -> bool:
        """Add an answer, None for a notification; return whether another one may fit."""
        if value is not None:
            self._parts.append(msgspec.json.encode(value))
            self._size += len(self._parts[-1]) + 1
        return self._size <= self._bytes_max

    def encode(self) -> bytes:
        """Return the whole answer: nothing if only notifications were called, an error if it is too large."""
        if self._size > self._bytes_max:
            return _encode_too_big(None, f"the answers have more than the {self._bytes_max} bytes that are allowed")
        return b"[" + b",".join(self._parts) + b"]" if self._parts else b""


def _encode_too_big(request_id: RequestId, what: str) -> bytes:
    return msgspec.json.encode(make_error(request_id, RpcError(INTERNAL_ERROR, "Response is too big", what)))


def _read_call(item: object) -> Call | Answer:
    if not isinstance(item, dict):
        return make_error(None, RpcError(INVALID_REQUEST, "Invalid request", "a request is a JSON object"))
    request_id = item.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, int | float | str | None):
        return make_error(None, RpcError(INVALID_REQUEST, "Invalid request", "an id is a number, a string or null"))
    method, params = item.get("method"), item.get("params")
    if item.get("jsonrpc") != "2.0" or not isinstance(method, str):
        what = 'a request has "jsonrpc": "2.0" and a "method"'
        return make_error(request_id, RpcError(INVALID_REQUEST, "Invalid request", what))
    if params is not None and not isinstance(params, list | dict):
        return make_error(request_id, RpcError(INVALID_REQUEST, "Invalid request", "params is a list or an object"))
    return Call(method=method, params=params, request_id=request_id, is_notification="id" not in item)
