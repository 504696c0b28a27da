"""Work on a stream that must not end the node: its negotiation, and the handlers' failures."""

from __future__ import annotations

from collections.abc import Coroutine

import structlog

from network.libp2p.multistream import Negotiation
from network.libp2p.protocol_error import RemoteProtocolError
from network.libp2p.stream import Stream, StreamReset

LOG = structlog.get_logger("network")
_READ_BYTES = 2_048
_ENDINGS = (TimeoutError, OSError)


async def negotiate(stream: Stream, negotiation: Negotiation) -> None:
    """Agree on the stream's protocol, or find that there is none.

    Raises:
        RemoteProtocolError: lines that no negotiation has. StreamReset: it broke off.
    """
    while not negotiation.is_over:
        data = await stream.read(_READ_BYTES)  # what is read too far is kept uncounted, so it is little
        if not data:
            raise StreamReset("the stream ended within its negotiation")
        answer = negotiation.receive(data)
        if answer:
            stream.write_now(answer)
    stream.unread(negotiation.take_rest())
    stream.protocol = negotiation.agreed or ""


async def run_isolated(work: Coroutine[None, None, None]) -> None:
    """One failing handler must not end the node: a peer's fault is noted, a fault of ours is told loudly."""
    try:
        await work
    except RemoteProtocolError as error:
        LOG.debug("peer broke the protocol of a stream", error=str(error))
    except _ENDINGS:
        pass  # the peer or the connection went; whoever waits has heard of it
    except Exception:
        LOG.exception("a handler failed; this is a bug")
