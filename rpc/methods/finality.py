"""finality_*: what votes made final. Big integers are decimal strings."""

from __future__ import annotations

from rpc.api import Json, NodeApi
from rpc.methods.encoding import resolve
from rpc.schema import Hash, Method


def get_status(api: NodeApi, at: Hash | None = None) -> Json:
    """Return what is justified and final, the validators with their stake and votes, and this node's vote keys."""
    return api.get_finality_status(resolve(api, at))


def prove(api: NodeApi, start: Hash | None = None) -> Json:
    """Return finality steps from a checkpoint (its own first) or from block 0 on, a page of them at most."""
    return api.prove_finality(start)


METHODS = (
    Method(name="finality_prove", function=prove),
    Method(name="finality_status", function=get_status),
)
