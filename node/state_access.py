"""States as the RPC reads them: any block of the window, with a block's events in place of their hash.

The state commits to the events by a hash; clients ask for `System.Events` and get the bytes from the block's record.
"""

from __future__ import annotations

from collections.abc import Iterator

from chain.state_tree import StatePruned
from chain.state_view import StateView
from node.core.branch_states import SideStateMissing
from node.core.importer import Importer
from rpc.errors import STATE_UNAVAILABLE, RpcError
from runtime.pallets.system import EVENTS


class StateWithEvents:
    """A block's state with the events themselves."""

    def __init__(self, view: StateView, events: bytes | None) -> None:
        self._view = view
        self._events = events

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a storage key, None if there is none."""
        return self._events if key == EVENTS.key and self._events is not None else self._view.get(key)

    def iterate(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in key order, from the first key >= `start`."""
        for key, value in self._view.iterate(prefix, start=start):
            yield key, (self._events if key == EVENTS.key and self._events is not None else value)


def get_state(importer: Importer, block_hash: bytes) -> StateView:
    """Return the state after a block, events included.

    Raises:
        RpcError: the block is unknown, or its state is pruned.
    """
    execution = importer.chain.get_execution(block_hash)
    return StateWithEvents(get_plain_state(importer, block_hash), execution.events if execution is not None else None)


def get_plain_state(importer: Importer, block_hash: bytes) -> StateView:
    """Return the state after a block as the runtime knows it.

    Raises:
        RpcError: the block is unknown, or its state is pruned.
    """
    chain = importer.chain
    if block_hash == chain.head.hash:
        return chain.state
    record = chain.get_record(block_hash)
    if record is None:
        raise RpcError(STATE_UNAVAILABLE, "UnknownBlock", f"there is no block 0x{block_hash.hex()}")
    try:
        if chain.get_hash(record.number) == block_hash:
            return chain.state.view_at(record.number)
        return importer.states.make_view(block_hash)
    except StatePruned as error:
        raise RpcError(STATE_UNAVAILABLE, "State pruned", f"block {record.number}: {error}") from error
    except (SideStateMissing, LookupError) as error:
        raise RpcError(STATE_UNAVAILABLE, "State pruned", f"block {record.number} is on a side branch") from error
