"""The runtime of all honest nodes of one world: what follows from the same block and state is computed once.

A block's outcome follows from the block and the state after its parent, and that follows from the parent's hash; so
does the context that the next seal is judged by, and the step of the state tree. Everything else each node does for
itself: it decodes, checks the header, compares the state root, writes, and chooses its branch. A block that is refused
is executed by each node.

Invariant: a node with this runtime has the same history as one without (a test compares the digests).
"""

from __future__ import annotations

from chain.block import Block
from chain.header import Header
from chain.params import Params
from chain.pause import Pause, never_pause
from chain.state_overlay import Changes
from chain.state_tree import PreparedCommit, StateTree
from chain.state_view import StateView
from consensus.context import WorkContext
from runtime.block_execution import IsSignatureChecked
from runtime.executive import Runtime, is_never_checked
from runtime.outcomes import BlockOutcome

KEPT_MAX = 4_096


class SharedWork:
    """What the nodes of one world have computed."""

    def __init__(self) -> None:
        self.outcomes: dict[bytes, BlockOutcome] = {}
        self.contexts: dict[tuple[bytes, int | None], WorkContext] = {}
        self.steps: dict[tuple[bytes, int, int, int, int | None, int], tuple[Changes, PreparedCommit]] = {}

    def trim(self) -> None:
        """Forget the oldest."""
        while len(self.outcomes) > KEPT_MAX:
            del self.outcomes[next(iter(self.outcomes))]
        while len(self.contexts) > KEPT_MAX:
            del self.contexts[next(iter(self.contexts))]
        while len(self.steps) > KEPT_MAX:
            del self.steps[next(iter(self.steps))]


class SharedRuntime(Runtime):
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
        """Return what a block does, as the first node that asked found out."""
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


def share_steps(tree: StateTree, shared: SharedWork) -> None:
    """Let a tree take over the steps that equal trees have prepared for the same changes."""
    prepare = tree.prepare

    def prepare_once(changes: Changes, *, undo_floor: int | None = None, pause: Pause = never_pause) -> PreparedCommit:
        key = (tree.root, tree.height, tree.depth, tree.oldest_height, undo_floor, id(changes))
        known = shared.steps.get(key)
        if known is None:
            # the changes are kept beside the step, so that their id stays theirs
            known = shared.steps[key] = (changes, prepare(changes, undo_floor=undo_floor, pause=pause))
        return known[1]

    tree.prepare = prepare_once  # type: ignore[method-assign]
