"""The names under which nodes of one chain speak: nodes of another chain do not know them. No I/O here.

Source: docs/spec/network.md.
"""

from __future__ import annotations

import msgspec

from network.port import Topic


class ChainProtocols(msgspec.Struct, frozen=True, kw_only=True):
    """Protocols of streams, and topics of gossip.

    Attributes:
        status, inventory: One long-lived stream in each direction, for notices.
        sync: One stream a request.
        exchange: One stream a list of addresses.
        topics: Name of each topic on the wire.
    """

    status: str
    inventory: str
    sync: str
    exchange: str
    topics: dict[Topic, str]


def make_chain_protocols(genesis: bytes) -> ChainProtocols:
    """Return the names of the chain that begins with this block."""
    # SPEC NET-26: Protocols and topics of a chain MUST be named after the first 8 hexadecimal digits of its block 0, as
    # /matchstrike/<digits>/status/1, tx/1, sync/1, px/1, headers/1 and votes/1.
    stem = f"/matchstrike/{genesis.hex()[:8]}"
    return ChainProtocols(
        status=f"{stem}/status/1",
        inventory=f"{stem}/tx/1",
        sync=f"{stem}/sync/1",
        exchange=f"{stem}/px/1",
        topics={"headers": f"{stem}/headers/1", "votes": f"{stem}/votes/1"},
    )
