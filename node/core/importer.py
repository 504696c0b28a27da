"""A block's way in: bytes to `Block`, to `CheckedBlock`, to `ImportedBlock`, to its place in the tree and on disk.

Foreign and own blocks go the same way. A block on the head is written with its state in one synced batch; a side block
is written with what it changes, until its branch wins or falls behind the final block.

Terms:
    final: final in the state after the best block. Once told it stays final, whatever the best block becomes.

Invariants: a refusal changes nothing but the memory of refused hashes; the tree's floor is the final block; the store's
head is the tree's best; every state from the final block up can be read.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chain.block import Block, decode_block
from chain.block_tree import BlockTree, TreeBlock, TreePath
from chain.header import Header
from chain.params import Params
from chain.state_overlay import Changes
from chain.state_tree import PreparedCommit
from chain.store import StoreDamaged
from consensus.context import WorkContext
from consensus.digest import read_work
from consensus.errors import InvalidBlock
from consensus.fork_choice import ChainRank, is_better
from consensus.seal import SealChecker, check_block, check_seal
from node.chain_layout import ADVICE, FINAL_META, BlockData, HeadRecord, encode_record
from node.chain_store import BlockNotNext, ChainStore
from node.core.branch_states import BranchStates
from node.core.import_errors import BelowFinal, BlockKnown, KnownInvalid, ParentMissing
from node.core.seal_book import SealBook
from node.core.step_book import StepBook
from runtime.executive import Runtime
from runtime.outcomes import BlockOutcome

INVALID_KEPT_MAX = 1024


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """What importing a block did.

    Attributes:
        path: From the old best block to the new one; None when the best block stayed.
        final: Headers that became final, oldest first.
    """

    block: Block
    outcome: BlockOutcome
    path: TreePath | None
    final: tuple[Header, ...]


class Importer:
    """The only place where blocks enter the node."""

    def __init__(
        self,
        chain: ChainStore,
        runtime: Runtime,
        params: Params,
        *,
        state_window: int | None,
        seal_checker: SealChecker = check_seal,
    ) -> None:
        """Hold the chain of an opened store.

        Args:
            state_window: Undo records kept behind the head, None for all; those above the final block always stay.
            seal_checker: For simulations, which prove tickets otherwise than by running them.
        """
        self.chain = chain
        self.runtime = runtime
        self.params = params
        self.check_seal = SealBook(seal_checker)
        self._window = state_window
        self._invalid: dict[bytes, None] = {}
        self.blocks = _make_tree(chain, find_final_height(chain))
        self.states = BranchStates(chain, self.blocks)
        self.steps = StepBook(chain, params.finality)

    @property
    def head(self) -> Header:
        """The best block's header."""
        return self.chain.head

    @property
    def final(self) -> TreeBlock:
        """The newest final block."""
        return self.blocks.floor

    def import_block(self, data: bytes, *, now_ms: int, is_signature_checked: Callable[[bytes], bool]) -> Import:
        """Judge, execute, place and write a block.

        Args:
            is_signature_checked: Says for a signature key whether this process has checked it.

        Raises:
            CodecError: the bytes are no canonical block of a permitted size.
            NotImported: it is known, waits for its parent, or leaves the final block.
            InvalidBlock: it breaks a rule of consensus or runtime.
            TooFarAhead: it must wait for its time.
            StoreError: it could not be written; the node must stop.
        """
        block = decode_block(data, bytes_max=self.params.block.bytes_max)
        self._check_place(block)
        try:
            return self._import_decoded(block, now_ms, is_signature_checked)
        except InvalidBlock:
            self._invalid[block.hash] = None
            if len(self._invalid) > INVALID_KEPT_MAX:
                del self._invalid[next(iter(self._invalid))]
            raise

    def restore_side_blocks(self) -> list[bytes]:
        """Take the side blocks that the store kept over a restart into the tree; return those that had to go.

        A crash in the middle of a change of branch left an older head; the change is then made again.
        """
        lost: list[bytes] = []
        for block_hash, record in list(self.chain.iterate_blocks(from_number=self.final.number + 1)):
            if block_hash in self.blocks:
                continue
            if record.parent not in self.blocks or self.chain.get_side_record(block_hash) is None:
                lost.append(block_hash)
                continue
            block = TreeBlock(
                hash=block_hash,
                parent=record.parent,
                number=record.number,
                work_total=record.work_total,
                justified_height=record.justified_height,
                final_height=record.final_height,
            )
            if self._settle(block) is not None:
                self._finalize()
        self.chain.remove_blocks(lost)
        return lost

    def get_header(self, block_hash: bytes) -> Header | None:
        """Return the header of a block in the store."""
        return self.head if block_hash == self.head.hash else self.chain.get_header(block_hash)

    def get_context(self, header: Header) -> WorkContext:
        """Return what a header on a block of the tree is judged by.

        Raises:
            ParentMissing: its parent is not stored.
        """
        parent = self.get_header(header.parent_hash)
        if parent is None:
            raise ParentMissing(f"the parent 0x{header.parent_hash.hex()} is not stored")
        view = self.states.get_view(header.parent_hash)
        return self.runtime.get_work_context(view, parent, read_work(header).problem)

    def is_refused(self, block_hash: bytes) -> bool:
        """Return whether a block was refused, as far as that is remembered."""
        return block_hash in self._invalid

    def _check_place(self, block: Block) -> None:
        # SPEC IMP-01: A block that was imported before MUST be ignored.
        if block.hash in self.blocks or self.chain.get_hash(block.header.number) == block.hash:
            raise BlockKnown(f"block 0x{block.hash.hex()} was imported before")
        # SPEC IMP-04: A block that was refused, or that stands on one, MUST be refused without being judged again.
        if block.hash in self._invalid or block.header.parent_hash in self._invalid:
            raise KnownInvalid(f"block 0x{block.hash.hex()}, or its parent, was refused before")
        if block.header.parent_hash in self.blocks:
            return
        # SPEC IMP-03: A block that does not descend from the final block MUST be refused.
        if block.header.number <= self.final.number + 1:
            raise BelowFinal(f"block {block.header.number} does not descend from the final block {self.final.number}")
        # SPEC IMP-02: A block whose parent is not known MUST wait for it in bounded memory.
        raise ParentMissing(f"the parent 0x{block.header.parent_hash.hex()} is not known")

    def _import_decoded(self, block: Block, now_ms: int, is_signature_checked: Callable[[bytes], bool]) -> Import:
        header, parent_hash = block.header, block.header.parent_hash
        parent = self.get_header(parent_hash)
        if parent is None:
            raise ParentMissing(f"the parent 0x{parent_hash.hex()} is not stored")
        view = self.states.get_view(parent_hash)
        context = self.runtime.get_work_context(view, parent, read_work(header).problem)
        checked = check_block(block, context, self.params.work, now_ms=now_ms, seal_checker=self.check_seal)
        root = _Root(self, parent_hash)
        imported = self.runtime.import_block(
            view, parent, checked, root.compute, is_signature_checked=is_signature_checked
        )
        finality = imported.outcome.finality
        data = BlockData(
            header=header,
            extrinsics=block.extrinsics,
            work_total=self.blocks.get(parent_hash).work_total + checked.checked.block_work,
            justified_height=finality.justified.height,
            final_height=finality.final_height,
            events=imported.outcome.events,
        )
        path = self._place(data, imported.outcome.changes, root.prepared)
        final = self._finalize() if path is not None else ()
        return Import(block=block, outcome=imported.outcome, path=path, final=final)

    def _place(self, data: BlockData, changes: Changes, prepared: PreparedCommit | None) -> TreePath | None:
        """Write the block, and move the head where it now belongs."""
        header = data.header
        block = TreeBlock(
            hash=header.hash,
            parent=header.parent_hash,
            number=header.number,
            work_total=data.work_total,
            justified_height=data.justified_height,
            final_height=data.final_height,
        )
        # SPEC IMP-05: A block MUST be written with its state, in one synced batch, before the node tells anybody of it.
        if prepared is None:
            self.chain.add_side_block(data, changes)
            self.states.keep(header.hash, changes)
        else:
            self.chain.append_block(data, prepared, meta=self._mark_final(header, data.final_height))
        return self._settle(block)

    def _settle(self, block: TreeBlock) -> TreePath | None:
        """Take a stored block into the tree, and make it the best if fork choice says so."""
        best = self.blocks.best
        self.blocks.insert(block)
        if not is_better(get_rank(block), get_rank(best)):
            return None
        path = self.blocks.get_path(best.hash, block.hash)
        if self.head.hash != block.hash:
            self._switch(path)
        self.blocks.set_best(block.hash)
        return path

    def _switch(self, path: TreePath) -> None:
        """Take back the blocks of the old branch and apply those of the new one, a batch each."""
        for block_hash in path.retract:
            self.states.keep(block_hash, self.states.compute_changes(self.head.number))
            self.chain.revert_head()
        for block_hash in path.enact:
            data, changes = self._load_side(block_hash)
            try:
                self.chain.append_block(
                    data,
                    changes,
                    undo_floor=self.get_undo_floor(data.header.number),
                    meta=self._mark_final(data.header, data.final_height),
                )
            except BlockNotNext as error:
                raise StoreDamaged(f"the side block 0x{block_hash.hex()} is damaged: {error}. {ADVICE}") from error
        self.states.forget(path.enact)

    def _load_side(self, block_hash: bytes) -> tuple[BlockData, Changes]:
        header, body = self.chain.get_header(block_hash), self.chain.get_body(block_hash)
        side = self.chain.get_side_record(block_hash)
        if header is None or body is None or side is None:
            raise StoreDamaged(f"the side block 0x{block_hash.hex()} is not whole. {ADVICE}")
        block = self.blocks.get(block_hash)
        data = BlockData(
            header=header,
            extrinsics=body,
            work_total=block.work_total,
            justified_height=block.justified_height,
            final_height=block.final_height,
            events=side.events,
            receipts=side.receipts,
        )
        return data, side.changes

    def _mark_final(self, header: Header, final_height: int) -> dict[str, bytes | None]:
        """Return what is written with a new head so that what is final stays so over a restart."""
        if final_height <= self.final.number:
            return {}
        is_itself = final_height == header.number
        final_hash = header.hash if is_itself else self.blocks.get_ancestor(header.parent_hash, final_height).hash
        return {FINAL_META: encode_record(HeadRecord(number=final_height, hash=final_hash))}

    def _finalize(self) -> tuple[Header, ...]:
        """Move the floor to the newest final block, forget other branches, and return the newly final headers."""
        old, number = self.final.number, self.blocks.best.final_height
        # SPEC IMP-07: A block that was told final MUST stay final, over restarts too.
        if number <= old:
            return ()
        newest = self.blocks.get_ancestor(self.head.hash, number)
        path = self.blocks.get_path(self.final.hash, newest.hash).enact
        headers = tuple(header for block_hash in path if (header := self.get_header(block_hash)) is not None)
        self.steps.record(number)
        forgotten = self.blocks.prune(newest.hash)
        lost = [block_hash for block_hash in forgotten if self.chain.get_side_record(block_hash) is not None]
        if lost:
            self.states.forget(lost)
            self.chain.remove_blocks(lost)
        return headers

    def get_undo_floor(self, number: int) -> int | None:
        """Return up to which height undo records are dropped once this block is the head."""
        # SPEC IMP-08: The undo records of every block above the final one MUST be kept.
        floor = 0 if self._window is None else min(number - self._window, self.final.number)
        return floor if floor > 0 else None


class _Root:
    """Computes the state root after changes, and keeps the prepared step when the parent is the head."""

    def __init__(self, importer: Importer, parent_hash: bytes) -> None:
        self._importer = importer
        self._parent_hash = parent_hash
        self.prepared: PreparedCommit | None = None

    def compute(self, changes: Changes) -> bytes:
        importer, pause = self._importer, self._importer.runtime.pause
        if self._parent_hash != importer.head.hash:
            return importer.states.compute_root(self._parent_hash, changes, pause=pause)
        floor = importer.get_undo_floor(importer.head.number + 1)
        self.prepared = importer.chain.state.prepare(changes, undo_floor=floor, pause=pause)
        pause()
        return self.prepared.root


def get_rank(block: TreeBlock) -> ChainRank:
    """Return what fork choice compares of the chain that ends in a block."""
    return ChainRank(justified_height=block.justified_height, work_total=block.work_total)


def find_final_height(chain: ChainStore) -> int:
    """Return the height of the newest final block of a stored chain.

    Raises:
        StoreDamaged: the block that was told final is not on the chain.
    """
    told, record = chain.get_final(), chain.get_record(chain.head.hash)
    if told is not None and chain.get_hash(told.number) != told.hash:
        raise StoreDamaged(f"the final block {told.number} is not on the chain of the head. {ADVICE}")
    heights = (0 if told is None else told.number, 0 if record is None else record.final_height)
    # never below the kept states: the head may have been higher when the older ones were dropped
    return max(*heights, chain.state.oldest_height)


def _make_tree(chain: ChainStore, floor_number: int) -> BlockTree:
    """Return the tree of the best chain from the final block up."""
    tree: BlockTree | None = None
    for number in range(floor_number, chain.head.number + 1):
        block_hash = chain.get_hash(number)
        record = chain.get_record(block_hash) if block_hash is not None else None
        if block_hash is None or record is None:
            raise ParentMissing(f"block {number} of the best chain is not stored")
        block = TreeBlock(
            hash=block_hash,
            parent=record.parent,
            number=number,
            work_total=record.work_total,
            justified_height=record.justified_height,
            final_height=record.final_height,
        )
        if tree is None:
            tree = BlockTree(block)
        else:
            tree.insert(block)
            tree.set_best(block_hash)
    assert tree is not None
    return tree
