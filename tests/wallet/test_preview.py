"""What a wallet makes of the answers to a dry run."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import cast

import pytest

from chain.params import Params
from chain.runtime_metadata import RuntimeMetadata
from rpc.api import Json
from rpc.client import RpcClient
from rpc.errors import INTERNAL_ERROR, METHOD_NOT_FOUND, UNSAFE_MESSAGE, RpcError
from runtime.executive import Runtime
from wallet.chain_client import ChainClient, UnexpectedAnswer
from wallet.preview import read_result, rehearse


class AnsweringNode:
    """A node that answers every call alike."""

    def __init__(self, answer: Json | RpcError) -> None:
        self.answer = answer

    async def call(self, method: str, *params: Json) -> Json:
        """Return the answer."""
        if isinstance(self.answer, RpcError):
            raise self.answer
        return self.answer


@cache
def get_metadata() -> RuntimeMetadata:
    """Return the chain's own metadata."""
    return RuntimeMetadata.decode(Runtime(Params.tiny(), bytes(32)).metadata)


def make_chain(answer: Json | RpcError = None) -> ChainClient:
    """Return a client of a node with the chain's metadata."""
    version: dict[str, Json] = {"specVersion": 1, "transactionVersion": 1}
    rpc = cast("RpcClient", AnsweringNode(answer))
    return ChainClient(rpc, get_metadata(), genesis_hash=bytes(32), version=version, properties={})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("0x0000", None),
        ("0x00010306" + "02000000", "Problems.InvalidDepth"),
        ("0x000107" + "00", "Token: FundsUnavailable"),
        ("0x010001", "cannot pay the fee"),
        ("0x010002", None),
        ("0x010003", "nonce"),
        ("0x0100ff", "invalid"),
    ],
)
def test_an_outcome_is_a_reason_or_none(answer: str, reason: str | None) -> None:
    """Success; errors of the call by their names; reasons why no block would take it, but for a nonce to come."""
    found = read_result(make_chain(), bytes.fromhex(answer[2:]))
    assert found is None if reason is None else reason in str(found)


@pytest.mark.parametrize("answer", ["", "00", "02", "000000", "0100", "0200", "010101"])
def test_bytes_that_are_no_outcome_are_refused(answer: str) -> None:
    """As any other answer of an unexpected form."""
    with pytest.raises(UnexpectedAnswer, match="dry run"):
        read_result(make_chain(), bytes.fromhex(answer))


def test_a_node_that_does_not_rehearse_for_strangers_is_no_reason_to_stop() -> None:
    """`--rpc-methods safe`; any other error is one."""
    assert asyncio.run(rehearse(make_chain(RpcError(METHOD_NOT_FOUND, UNSAFE_MESSAGE)), b"")) is None
    with pytest.raises(RpcError):
        asyncio.run(rehearse(make_chain(RpcError(INTERNAL_ERROR, "Internal error")), b""))
