"""Whether the nodes of a devnet have the same blocks final."""

from __future__ import annotations

from collections.abc import Sequence

from matchstrike.devnet.node_line import NodeLine


async def find_conflict(lines: Sequence[NodeLine], *, since: int = 0) -> str | None:
    """Return what two nodes have final in conflict, None if all agree; nodes that do not run are left out.

    Each node's best chain holds what it has final, so one hash at each height up to the lower of two final heights is
    compared, from `since` on.

    Raises:
        rpc.client.Unreachable, rpc.client.CallTimeout: a node that runs does not answer.
    """
    finals: dict[int, tuple[str, str]] = {}
    for line in lines:
        if line.node.state != "running":
            continue
        for height in range(since, await line.read_height(is_final=True) + 1):
            block_hash = str(await line.call("chain_getBlockHash", height))
            name, other = finals.setdefault(height, (line.node.name, block_hash))
            if other != block_hash:
                return f"at height {height}, {name} has {other} final, and {line.node.name} has {block_hash}"
    return None
