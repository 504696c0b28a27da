"""All methods by name, and the documents that describe them (rpc_methods, rpc.discover)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from rpc.api import Json, NodeApi
from rpc.methods import author, chain, finality, payment, state, system, work
from rpc.schema import Method, SubscriptionMethod, describe_annotation


def list_methods(api: NodeApi) -> Json:
    """Return the names of all methods."""
    names = {*get_methods(), *get_subscriptions(), *get_unsubscriptions()}
    return {"version": 1, "methods": sorted(names)}


def discover(api: NodeApi) -> Json:
    """Return the OpenRPC document of all methods."""
    described: list[Method | SubscriptionMethod] = [*_METHODS, *_SUBSCRIPTIONS]
    return {
        "openrpc": "1.2.6",
        "info": {"title": "Matchstrike JSON-RPC", "version": api.get_system_info().version},
        "methods": [_describe(method) for method in sorted(described, key=lambda method: method.name)],
    }


@cache
def get_methods() -> Mapping[str, Method]:
    """Return the methods by every name they have."""
    return {name: method for method in _METHODS for name in (method.name, *method.aliases)}


@cache
def get_subscriptions() -> Mapping[str, SubscriptionMethod]:
    """Return the subscriptions by every name that opens them."""
    return {name: method for method in _SUBSCRIPTIONS for name in (method.name, *method.aliases)}


@cache
def get_unsubscriptions() -> Mapping[str, SubscriptionMethod]:
    """Return the subscriptions by every name that ends them."""
    return {name: m for m in _SUBSCRIPTIONS for name in (m.unsubscribe, *m.unsubscribe_aliases)}


def _describe(method: Method | SubscriptionMethod) -> dict[str, Json]:
    if isinstance(method, Method):
        safety = "Only for callers on this machine." if method.unsafe else ""
    else:
        safety = f"WebSocket only; news arrive as {method.notification}, {method.unsubscribe} ends them."
    return {
        "name": method.name,
        "summary": method.summary,
        "description": safety,
        "params": [
            {"name": p.name, "required": p.required, "schema": describe_annotation(p.annotation)}
            for p in method.parameters
        ],
        "result": {"name": "result", "schema": {}},
    }


_METHODS: tuple[Method, ...] = (
    *author.METHODS,
    *chain.METHODS,
    *finality.METHODS,
    *payment.METHODS,
    *state.METHODS,
    *system.METHODS,
    *work.METHODS,
    Method(name="rpc_methods", function=list_methods),
    Method(name="rpc.discover", function=discover),
)
_SUBSCRIPTIONS: tuple[SubscriptionMethod, ...] = (*author.SUBSCRIPTIONS, *chain.SUBSCRIPTIONS, *state.SUBSCRIPTIONS)
