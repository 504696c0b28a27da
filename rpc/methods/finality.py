"""finality_*: what votes made final. Big integers are decimal strings."""

from __future__ import annotations

from rpc.api import Json, NodeApi
from rpc.methods.encoding import resolve, to_hex
from rpc.schema import Hash, HexBytes, Method


def get_status(api: NodeApi, at: Hash | None = None) -> Json:
    """Return what is justified and final, the validators with their stake and votes, and this node's vote keys."""
    return api.get_finality_status(resolve(api, at))


def prove(api: NodeApi, start: Hash | None = None) -> Json:
    """Return finality steps from a checkpoint (its own first) or from block 0 on, a page of them at most."""
    return api.prove_finality(start)


def list_offences(api: NodeApi) -> Json:
    """Return the proofs of conflicting votes that this node keeps, each with where it stands on the best chain."""
    return list(api.list_offences())


async def report_offence(api: NodeApi, one: HexBytes, two: HexBytes) -> Json:
    """Take in two signed votes of one key that contradict each other, tell the network, and return the key."""
    return to_hex(await api.report_offence(one, two))


METHODS = (
    Method(name="finality_offences", function=list_offences),
    Method(name="finality_prove", function=prove),
    Method(name="finality_reportOffence", function=report_offence),
    Method(name="finality_status", function=get_status),
)
