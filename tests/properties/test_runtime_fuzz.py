"""Executing any bytes raises nothing but the runtime's own errors, and changes nothing when it does."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import Block
from chain.extrinsic import make_bare
from chain.params import UNIT_PLANCK
from consensus.errors import InvalidBlock
from runtime.pallets.balances import transfer_keep_alive
from runtime.pallets.problems import cancel, post, post_order
from runtime.pallets.work import solution
from runtime.runtime import encode_call, get_calls
from runtime.validity import CallCrashed, InvalidTransaction
from tests.support.runtime_chain import RuntimeChain, post_arguments, to


@cache
def make_chain() -> RuntimeChain:
    """Return a chain with an open problem; the tests leave it as it is."""
    chain = RuntimeChain()
    chain.add_block(chain.sign("alice", post, *post_arguments()))
    return chain


@cache
def make_samples() -> tuple[bytes, ...]:
    """Return one good extrinsic of each kind."""
    chain = make_chain()
    return (
        chain.sign("bob", transfer_keep_alive, to("alice"), UNIT_PLANCK),
        chain.sign("bob", post, *post_arguments()),
        chain.sign("alice", cancel, 0),
        chain.sign("bob", post_order, 0, (0, 2, 4, 1, 3, 5)),
        make_bare(encode_call(solution, 0, -6, b"\x15")),
    )


def execute(body: tuple[bytes, ...]) -> None:
    """Execute a block with any bytes as extrinsics, signatures taken as checked so that calls are reached."""
    chain = make_chain()
    block, _ = chain.make_block()
    before = dict(chain.view.values)
    try:
        chain.runtime.execute_block(
            chain.view,
            chain.head,
            Block(header=block.header, extrinsics=(*block.extrinsics, *body)),
            is_signature_checked=lambda _: True,
        )
    except InvalidBlock as error:
        if isinstance(error.__cause__, CallCrashed):
            raise
    assert chain.view.values == before


@given(body=st.lists(st.binary(max_size=200), max_size=3))
def test_run_23_random_bytes_are_refused(body: list[bytes]) -> None:
    """RUN-23: whatever they are."""
    execute(tuple(body))


@settings(max_examples=300, deadline=None)
@given(which=st.integers(0, 4), edits=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4))
def test_run_23_changed_extrinsics_raise_only_our_errors(which: int, edits: list[tuple[int, int]]) -> None:
    """RUN-23: good extrinsics of each kind with some bytes replaced."""
    raw = bytearray(make_samples()[which])
    for place, value in edits:
        raw[place % len(raw)] = value
    execute((bytes(raw),))


@settings(max_examples=300, deadline=None)
@given(prefix=st.sampled_from(sorted(get_calls())), arguments=st.binary(max_size=80))
def test_run_23_random_arguments_of_every_call_raise_only_our_errors(prefix: bytes, arguments: bytes) -> None:
    """RUN-23, RUN-09: each call with any arguments, bare."""
    execution = make_chain().start()
    try:
        execution.apply_extrinsic(make_bare(prefix + arguments))
    except InvalidTransaction as error:
        if isinstance(error, CallCrashed):
            raise
