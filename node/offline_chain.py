"""A chain's database without a node: what the subcommands read and change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from chain.block import Block
from chain.header import Header
from chain.scale import CodecError
from chain.state_overlay import merge_changes
from chain.state_tree import StatePruned
from chain.store import Store
from consensus.digest import read_work
from consensus.errors import InvalidBlock, TooFarAhead
from consensus.seal import check_block
from consensus.ticket import make_ticket_job
from node.chain_layout import FINAL_META, HeadRecord, encode_record
from node.chain_store import ChainStore
from node.core.import_errors import BlockKnown, NotImported
from node.core.importer import Importer, find_final_height
from node.driver import get_time_ms
from node.failures import CommandFailure
from node.fast_store import is_unfinished
from node.run_config import SharedOptions
from node.startup import find_folders, load_spec, make_importer, open_or_create_chain, open_store
from runtime.executive import Runtime

STATE_WINDOW = 256


@contextmanager
def open_existing(shared: SharedOptions) -> Iterator[ChainStore]:
    """Open the database of a chain that has run before.

    Raises:
        CommandFailure: there is none.
        StoreError: it is locked or damaged.
    """
    spec = load_spec(shared)
    path = find_folders(shared, spec).database
    if not path.exists():
        raise CommandFailure(f'there is no chain in "{path}"; --base-path and --chain say which one is meant')
    with open_store(path) as store:
        _check_finished(store)
        yield open_or_create_chain(store, spec)


@contextmanager
def open_any(shared: SharedOptions) -> Iterator[Importer]:
    """Open or create the database of a chain, and return its importer."""
    spec = load_spec(shared)
    with open_store(find_folders(shared, spec).database) as store:
        _check_finished(store)
        yield make_importer(open_or_create_chain(store, spec), spec, state_window=STATE_WINDOW)


def _check_finished(store: Store) -> None:
    if is_unfinished(store):
        raise CommandFailure("fast sync has not ended here; start the node with --sync fast, which goes on with it")


def iterate_blocks(chain: ChainStore, first: int, last: int) -> Iterator[Block]:
    """Yield the best chain's blocks from `first` to `last`."""
    for number in range(first, last + 1):
        yield get_block(chain, str(number))


def get_block(chain: ChainStore, name: str) -> Block:
    """Return the block of a decimal number or a 0x hash.

    Raises:
        CommandFailure: there is none, or the name is neither.
    """
    if name.isdecimal():
        block_hash = chain.get_hash(int(name))
    else:
        try:
            block_hash = bytes.fromhex(name.removeprefix("0x"))
        except ValueError:
            raise CommandFailure(f"'{name}' is neither a block number nor a 0x hash") from None
    header = chain.get_header(block_hash) if block_hash is not None else None
    body = chain.get_body(block_hash) if block_hash is not None else None
    if header is None or body is None:
        raise CommandFailure(f"there is no block {name}; the best block is {chain.head.number}")
    return Block(header=header, extrinsics=body)


def import_all(importer: Importer, blocks: Iterable[bytes]) -> Iterator[bool]:
    """Import blocks in their order; yields False for each that was known.

    Raises:
        CommandFailure: a block is refused; those before it stay.
    """
    for index, data in enumerate(blocks, start=1):
        try:
            importer.import_block(data, now_ms=get_time_ms(), is_signature_checked=lambda key: False)
        except BlockKnown:
            yield False
        except (CodecError, InvalidBlock, NotImported, TooFarAhead) as error:
            name = type(error).__name__
            raise CommandFailure(
                f"block {index} of the input was refused: {name}: {error}. Best: #{importer.head.number}"
            ) from error
        else:
            yield True


def check_stored_block(chain: ChainStore, shared: SharedOptions, name: str) -> str:
    """Judge and execute a block again, and return what was found.

    Raises:
        CommandFailure: it breaks a rule, or the state it stands on is pruned.
    """
    params = load_spec(shared).params
    block = get_block(chain, name)
    header = block.header
    parent = chain.get_header(header.parent_hash)
    if parent is None or chain.get_hash(parent.number) != parent.hash:
        raise CommandFailure("block 0 is made, not mined" if header.number == 0 else "its parent is on a side branch")
    runtime = Runtime(params, chain.genesis_hash)
    try:
        view = chain.state.view_at(parent.number)
        context = runtime.get_work_context(view, parent, read_work(header).problem)
        checked = check_block(block, context, params.work, now_ms=get_time_ms())
        runtime.import_block(
            view,
            parent,
            checked,
            lambda changes: chain.state.root_of(merge_changes((chain.state.get_changes_back(parent.number), changes))),
        )
    except StatePruned as error:
        raise CommandFailure(f"block {header.number} cannot be executed again: {error}") from error
    except (InvalidBlock, TooFarAhead) as error:
        raise CommandFailure(f"block {header.number} is not valid: {type(error).__name__}: {error}") from error
    job = make_ticket_job(header, context, params.work)
    strikes = f"{job.repeats} core strikes" + (f", a strike on problem {job.pool.problem_id}" if job.pool else "")
    return (
        f"Block #{header.number} (0x{header.hash.hex()}) is valid: ticket, {strikes}, "
        f"{len(block.extrinsics)} extrinsics, state root 0x{header.state_root.hex()}"
    )


def revert_blocks(chain: ChainStore, count: int) -> int:
    """Take up to `count` blocks back, forget them, and return how many it were.

    A block that stayed in the store as a side block would be the best one again at the next start.
    """
    reverted: list[bytes] = []
    while len(reverted) < count and chain.head.number > chain.state.oldest_height:
        reverted.append(chain.head.hash)
        chain.revert_head()
    chain.remove_blocks(reverted)
    chain.drop_steps(chain.head.number)
    told = chain.get_final()
    if told is not None and told.number > chain.head.number:
        record = chain.get_record(chain.head.hash)
        number = 0 if record is None else record.final_height
        final = HeadRecord(number=number, hash=chain.get_hash(number) or chain.genesis_hash)
        chain.set_meta(FINAL_META, encode_record(final))
    return len(reverted)


def describe_chain(chain: ChainStore) -> str:
    """Return best, final and genesis block as pretty JSON, with Substrate's keys."""
    head: Header = chain.head
    final = find_final_height(chain)
    final_hash = chain.get_hash(final) or chain.genesis_hash
    answer = {
        "best_hash": f"0x{head.hash.hex()}",
        "best_number": head.number,
        "genesis_hash": f"0x{chain.genesis_hash.hex()}",
        "finalized_hash": f"0x{final_hash.hex()}",
        "finalized_number": final,
    }
    return json.dumps(answer, indent=2)
