"""What the dispatcher makes of bad requests: always an answer with the right code, never an exception.

None of these requests reaches the node, so none is given one.
"""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpc.api import Json, NodeApi
from rpc.errors import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, UNSAFE_MESSAGE
from rpc.methods.catalogue import get_methods, get_subscriptions
from rpc.methods.dispatch import (
    Answer,
    BatchAnswer,
    Call,
    Limits,
    SubscriptionCall,
    answer,
    encode_answer,
    make_result,
    parse,
)

LIMITS = Limits(request_bytes_max=2000, batch_max=4)
NO_NODE = cast(NodeApi, object())

BAD_REQUESTS = [
    (b"", PARSE_ERROR),
    (b"{", PARSE_ERROR),
    (b"\xff\xfe", PARSE_ERROR),
    (b"[" * 1999, PARSE_ERROR),
    (b" " * 2001, INVALID_REQUEST),
    (b"[]", INVALID_REQUEST),
    (b"null", INVALID_REQUEST),
    (b"17", INVALID_REQUEST),
    (b"[1,2,3,4,5]", INVALID_REQUEST),
    (b'{"id":1,"method":"system_name"}', INVALID_REQUEST),
    (b'{"jsonrpc":"1.0","id":1,"method":"system_name"}', INVALID_REQUEST),
    (b'{"jsonrpc":"2.0","id":1}', INVALID_REQUEST),
    (b'{"jsonrpc":"2.0","id":1,"method":7}', INVALID_REQUEST),
    (b'{"jsonrpc":"2.0","id":{},"method":"system_name"}', INVALID_REQUEST),
    (b'{"jsonrpc":"2.0","id":true,"method":"system_name"}', INVALID_REQUEST),
    (b'{"jsonrpc":"2.0","id":1,"method":"system_name","params":"x"}', INVALID_REQUEST),
]
BAD_CALLS: list[tuple[str, Json, int]] = [
    ("no_such_method", [], METHOD_NOT_FOUND),
    ("chain_getBlock", ["0x1234"], INVALID_PARAMS),
    ("chain_getBlock", [17], INVALID_PARAMS),
    ("chain_getBlock", ["zz"], INVALID_PARAMS),
    ("chain_getBlock", ["0x" + "0 " * 32], INVALID_PARAMS),
    ("chain_getBlock", {"hsah": None}, INVALID_PARAMS),
    ("chain_getBlock", [None, "extra"], INVALID_PARAMS),
    ("chain_getBlockHash", ["-1"], INVALID_PARAMS),
    ("chain_getBlockHash", ["0x"], INVALID_PARAMS),
    ("chain_getBlockHash", [True], INVALID_PARAMS),
    ("chain_getBlockHash", [[1, "x"]], INVALID_PARAMS),
    ("chain_getBlockHash", ["9" * 41], INVALID_PARAMS),
    ("state_getStorage", [], INVALID_PARAMS),
    ("state_getStorage", ["0x1"], INVALID_PARAMS),
    ("state_getKeysPaged", ["0x", "many"], INVALID_PARAMS),
    ("author_submitExtrinsic", [["0x00"]], INVALID_PARAMS),
    ("author_removeExtrinsic", [[{"hash": "0xzz"}]], INVALID_PARAMS),
    ("author_removeExtrinsic", [[{"what": "0x00"}]], INVALID_PARAMS),
    ("author_removeExtrinsic", [[{}]], INVALID_PARAMS),
    ("system_accountNextIndex", ["5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpv"], INVALID_PARAMS),
    ("system_accountNextIndex", ["0x88"], INVALID_PARAMS),
    ("system_accountNextIndex", [5], INVALID_PARAMS),
    ("state_subscribeStorage", ["0x00"], INVALID_PARAMS),
    ("author_submitAndWatchExtrinsic", [], INVALID_PARAMS),
]


@pytest.mark.parametrize(("data", "code"), BAD_REQUESTS)
def test_a_malformed_request_is_answered_with_its_code(data: bytes, code: int) -> None:
    """Whatever the bytes are, the answer is a JSON-RPC error."""
    result = parse(data, LIMITS)
    assert isinstance(result, dict)
    assert _code(result) == code
    assert isinstance(msgspec.json.decode(encode_answer(result, LIMITS)), dict)


@pytest.mark.parametrize(("method", "params", "code"), BAD_CALLS)
def test_unfit_parameters_are_answered_with_a_reason(method: str, params: Json, code: int) -> None:
    """The data says which parameter and what it must be."""
    result = _answer(method, params, LIMITS)
    assert isinstance(result, dict)
    assert _code(result) == code
    assert "data" in cast(dict[str, Json], result["error"])


def test_an_unsafe_method_is_denied_in_substrates_words() -> None:
    """A caller from outside sees -32601 and the sentence that clients look for."""
    strict = Limits(allow_unsafe=False)
    unsafe = [name for name, method in get_methods().items() if method.unsafe]
    assert "state_getPairs" in unsafe
    for name in unsafe:
        result = _answer(name, [], strict)
        assert isinstance(result, dict)
        assert result["error"] == {"code": METHOD_NOT_FOUND, "message": UNSAFE_MESSAGE}


def test_subscribing_to_all_storage_is_unsafe() -> None:
    """With keys it is safe, without it is not."""
    strict = Limits(allow_unsafe=False)
    assert isinstance(_answer("state_subscribeStorage", [["0x00"]], strict), SubscriptionCall)
    assert isinstance(_answer("state_subscribeStorage", [], strict), dict)


def test_a_batch_keeps_its_order_and_answers_what_is_no_request() -> None:
    """One bad item does not spoil the others."""
    result = parse(b'[{"jsonrpc":"2.0","id":"a","method":"x"},5]', LIMITS)
    assert isinstance(result, list)
    first, second = result
    assert isinstance(first, Call)
    assert first.request_id == "a"
    assert isinstance(second, dict)
    assert _code(second) == INVALID_REQUEST


def test_batches_can_be_switched_off() -> None:
    """--rpc-disable-batch-requests."""
    result = parse(b"[]", Limits(allow_batches=False))
    assert isinstance(result, dict)
    assert "switched off" in str(result["error"])


def test_an_answer_that_is_too_large_becomes_an_error() -> None:
    """The caller learns the size and keeps its request id."""
    small = Limits(response_bytes_max=300)
    data = encode_answer(make_result(7, "x" * 400), small)
    decoded = msgspec.json.decode(data)
    assert decoded["id"] == 7
    assert decoded["error"]["message"] == "Response is too big"


def test_a_batch_takes_no_more_answers_than_may_be_sent() -> None:
    """Ten thousand large answers would fill the memory before anybody counts their bytes."""
    batch = BatchAnswer(Limits(response_bytes_max=300))
    assert batch.add(make_result(1, "x" * 100))
    assert batch.add(None)
    assert [item["id"] for item in msgspec.json.decode(batch.encode())] == [1]
    assert not batch.add(make_result(2, "x" * 200))
    decoded = msgspec.json.decode(batch.encode())
    assert (decoded["id"], decoded["error"]["message"]) == (None, "Response is too big")
    silent = BatchAnswer(LIMITS)
    assert silent.add(None)
    assert silent.encode() == b""


def test_a_parameter_of_two_kinds_is_refused_in_the_words_of_the_likelier() -> None:
    """A text is no list that went wrong."""
    for value, words in (("abc", "an unsigned integer"), ([1, "x"], "an unsigned integer"), (-1, "decimal string")):
        result = _answer("chain_getBlockHash", [value], LIMITS)
        assert isinstance(result, dict)
        assert words in str(result["error"])


def test_an_internal_error_is_told_to_the_log_and_not_to_the_caller() -> None:
    """The caller must not see the inside of a bug."""
    seen: list[str] = []
    call = Call(method="system_name", params=None, request_id=1, is_notification=False)
    result = asyncio.run(answer(NO_NODE, call, LIMITS, lambda method, error: seen.append(f"{method}: {error}")))
    assert isinstance(result, dict)
    assert "object" not in str(result["error"])
    assert seen[0].startswith("system_name: ")


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_raise(data: bytes) -> None:
    """Fuzz: the parser answers everything."""
    result = parse(data, LIMITS)
    assert isinstance(result, Call | dict | list)


@given(
    st.sampled_from(sorted({*get_methods(), *get_subscriptions()})),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_no_parameters_make_a_method_raise(method: str, params: Json) -> None:
    """Fuzz: whatever the parameters, there is an answer (the node is absent, so internal errors are expected)."""
    result = _answer(method, params if isinstance(params, list | dict) else [params], LIMITS)
    assert isinstance(result, dict | SubscriptionCall)


def _answer(method: str, params: Json, limits: Limits) -> Answer | SubscriptionCall:
    call = Call(method=method, params=params, request_id=1, is_notification=False)
    return asyncio.run(answer(NO_NODE, call, limits, lambda *_: None))


def _code(result: Answer) -> object:
    return cast(dict[str, Json], result["error"])["code"]
