"""A process that appends blocks to a chain on disk until it is killed, and says so after each: `HEIGHT`, one a line.

Run as `python -m tests.support.store_writer FOLDER sync|nosync [BLOCKS]`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from node.chain_opening import has_chain, open_chain
from node.leveldb_store import LevelDbStore
from tests.support.stored_chain import make_block, make_stored_chain


def main(folder: str, mode: str, blocks: str = "1000000") -> None:
    """Append blocks; each line that was printed is a block that was acknowledged."""
    store = LevelDbStore(Path(folder), sync=mode == "sync")
    chain = open_chain(store) if has_chain(store) else make_stored_chain(store)
    for _ in range(int(blocks)):
        chain.append_block(*make_block(chain, keys=100))
        print(chain.head.number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
