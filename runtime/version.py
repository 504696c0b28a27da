"""The runtime's version: what signatures cover and clients check."""

from __future__ import annotations

from chain.params import Params
from chain.substrate_types import RuntimeVersion

IMPL_NAME = "matchstrike-node"
# blake2b-64 of the API's name: Core 4, Metadata 1, TransactionPaymentApi 4, AccountNonceApi 1, as clients look for them
_APIS = (
    (bytes.fromhex("df6acb689907609b"), 4),
    (bytes.fromhex("37e397fc7c91f5e4"), 1),
    (bytes.fromhex("37c8bb1350a9a2a8"), 4),
    (bytes.fromhex("bc9d89904f5b923f"), 1),
)


def make_version(params: Params) -> RuntimeVersion:
    """Return the version of a chain with these params."""
    return RuntimeVersion(
        spec_name=params.spec_name,
        impl_name=IMPL_NAME,
        authoring_version=1,
        spec_version=params.spec_version,
        impl_version=1,
        apis=_APIS,
        transaction_version=params.transaction_version,
        state_version=1,
    )
