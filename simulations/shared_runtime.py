"""The runtime of all honest nodes of one world: what follows from the same block and state is computed once.

A block's outcome follows from the block and the state after its parent, and that follows from the parent's hash; so
does the context that the next seal is judged by, the step of the state tree, and the proofs that light clients are
served. Everything else each node does for itself: it decodes, checks the header, compares the state root, writes, and
chooses its branch. A block that is refused is executed by each node.

Invariant: a node with this runtime has the same history as one without (a test compares the digests).
"""

from __future__ import annotations

from typing import TypeVar

from chain.block import Block
from chain.header import Header
from chain.params import FinalityParams, Params
from chain.pause import Pause, never_pause
from chain.state_overlay import Changes
from chain.state_tree import PreparedCommit, StateTree
from chain.state_view import StateView
from chain.store import Store
from consensus.context import WorkContext
from node.chain_store import ChainStore
from node.core.step_book import StepBook
from runtime.block_execution import IsSignatureChecked
from runtime.executive import is_never_checked
from runtime.outcomes import BlockOutcome
from simulations.money import CheckedRuntime

KEPT_MAX = 4_096

Key = TypeVar("Key")
Value = TypeVar("Value")


class SharedWork:
    """What the nodes of one world have computed."""

    def __init__(self) -> None:
        self.outcomes: dict[bytes, BlockOutcome] = {}
        self.contexts: dict[tuple[bytes, int | None], WorkContext] = {}
        self.steps: dict[tuple[bytes, int, int, int, int | None, int], tuple[Changes, PreparedCommit]] = {}

        self.proofs: dict[tuple[bytes, int, int], dict[int, bytes]] = {}

    def trim(self) -> None:
        """Forget the oldest."""
        _trim(self.outcomes)
        _trim(self.contexts)
        _trim(self.steps)
        _trim(self.proofs)


def _trim(memory: dict[Key, Value]) -> None:
    while len(memory) > KEPT_MAX:
        del memory[next(iter(memory))]


class SharedRuntime(CheckedRuntime):
    """One node's view of it."""

    def __init__(self, params: Params, genesis_hash: bytes, shared: SharedWork) -> None:
        """Share what others with the same object have computed."""
        super().__init__(params, genesis_hash)
        self._shared = shared

    def execute_block(
        self,
        view: StateView,
        parent: Header,
        block: Block,
        *,
        is_signature_checked: IsSignatureChecked = is_never_checked,
    ) -> BlockOutcome:
        """Return what a block does, as the first node that asked found out.

        Raises:
            InvalidBlock: it may not do that; MoneyBroken: it did something to the money that nothing may do.
        """
        outcome = self._shared.outcomes.get(block.hash)
        if outcome is None:
            outcome = super().execute_block(view, parent, block, is_signature_checked=is_signature_checked)
            self._shared.outcomes[block.hash] = outcome
            self._shared.trim()
        return outcome

    def get_work_context(self, view: StateView, parent: Header, problem_id: int | None) -> WorkContext:
        """Return what judges the seal of the block after `parent`."""
        key = (parent.hash, problem_id)
        context = self._shared.contexts.get(key)
        if context is None:
            context = self._shared.contexts[key] = super().get_work_context(view, parent, problem_id)
        return context


class SharedStepBook(StepBook):
    """The finality steps of one node's chain, made by the first node with the same head."""

    def __init__(self, store: ChainStore, params: FinalityParams, shared: SharedWork) -> None:
        """Begin without steps."""
        super().__init__(store, params)
        self._store = store
        self._shared = shared

    def record(self, final: int) -> None:
        """Keep the steps up to the final block that are not kept yet."""
        last = self._store.get_last_step()
        key = (self._store.head.hash, final, last)
        known = self._shared.proofs.get(key)
        if known is None:
            super().record(final)
            self._shared.proofs[key] = dict(self._store.iterate_steps(last + 1))
        elif known:
            self._store.set_steps(known)


class SharedTree(StateTree):
    """One node's state tree, which takes over the steps that equal trees have prepared for the same changes."""

    shared: SharedWork | None = None

    def prepare(self, changes: Changes, *, undo_floor: int | None = None, pause: Pause = never_pause) -> PreparedCommit:
        """Return the step, as the first tree that stood where this one stands found it."""
        if self.shared is None:
            return super().prepare(changes, undo_floor=undo_floor, pause=pause)
        steps = self.shared.steps
        key = (self.root, self.height, self.depth, self.oldest_height, undo_floor, id(changes))
        known = steps.get(key)
        if known is None:
            # the changes are kept beside the step, so that their id stays theirs
            known = steps[key] = (changes, super().prepare(changes, undo_floor=undo_floor, pause=pause))
        return known[1]


def open_shared_tree(store: Store, shared: SharedWork) -> SharedTree:
    """Return the state tree of a store that holds a chain.

    Raises:
        StateDamaged: the store's values are not those of its head.
    """
    tree = SharedTree.open(store)
    tree.shared = shared
    return tree
