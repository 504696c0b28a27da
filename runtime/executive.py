"""The runtime: (state, parent, block) to (changes, events), and what a pool, an author and RPC ask of it.

Nothing here keeps state: every function takes the view it works on. A block's way in is `import_block`; an author
builds with `make_inherents`, `start_block`, `apply_extrinsic` and `finish`.

Source: frame_executive; the parent's header is an input here, because a seal takes effect in the next block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

import msgspec

from chain.block import Block
from chain.extrinsic import Extrinsic, make_bare
from chain.header import Digest, Header, make_unsealed
from chain.params import Params
from chain.pause import Pause, never_pause
from chain.state_view import StateView
from chain.substrate_types import RuntimeVersion
from consensus.ballot import check_ballot_vote
from consensus.context import WorkContext
from consensus.digest import AUTHOR_BYTES, WorkDigest, make_digest, read_author, read_work
from consensus.errors import InvalidBlock
from consensus.finality import Evidence, SignedVote
from runtime.block_execution import BlockExecution, IsSignatureChecked
from runtime.environment import BlockFacts
from runtime.outcomes import ApplyOutcome, BlockOutcome, ImportedBlock, ValidTransaction
from runtime.pallets.finality import find_next_ballot, report, vote
from runtime.pallets.system import BLOCK_HASH
from runtime.pallets.timestamp import NotSet
from runtime.pallets.timestamp import set as set_timestamp
from runtime.pallets.work import solution as bring_solution
from runtime.pool import FeeQuote, query_fee, validate_transaction
from runtime.runtime import encode_call, make_metadata
from runtime.staking_state import SETS
from runtime.storage import Overlay
from runtime.validity import InvalidTransaction
from runtime.version import make_version
from runtime.work_context import make_work_context

if TYPE_CHECKING:
    from consensus.seal import CheckedBlock


class ExecutedOnWrongParent(InvalidBlock):
    """A block that does not stand on the header it is executed after."""

    rule: ClassVar[str] = "RUN-22"


class InvalidExtrinsicInBlock(InvalidBlock):
    """A block with an extrinsic that may not be in it."""

    rule: ClassVar[str] = "RUN-23"


class TimestampMissing(InvalidBlock):
    """A block that does not set its time."""

    rule: ClassVar[str] = "RUN-08"


class WrongStateRoot(InvalidBlock):
    """A block whose state root is not the one its execution gives."""

    rule: ClassVar[str] = "RUN-24"


class AuthorSolution(msgspec.Struct, frozen=True, kw_only=True):
    """The author's best solution of an open problem; `bits` packed, spin i at bit i % 8 of byte i // 8."""

    problem_id: int
    energy: int
    bits: bytes


def is_never_checked(signature_key: bytes) -> bool:
    """Say that no signature was checked before."""
    return False


class Runtime:
    """The state transition of a chain with these params.

    Attributes:
        execution: What executes a block; simulations watch theirs.
    """

    execution: ClassVar[type[BlockExecution]] = BlockExecution

    def __init__(self, params: Params, genesis_hash: bytes | None = None, *, pause: Pause = never_pause) -> None:
        """Hold what every block of the chain has in common.

        Args:
            pause: Called between extrinsics, before the next one has changed anything.
        """
        self.pause = pause
        self.params = params
        self.genesis_hash = genesis_hash
        self.version: RuntimeVersion = make_version(params)

    @property
    def metadata(self) -> bytes:
        """Metadata V14."""
        return make_metadata(self.params)

    def start_block(
        self,
        view: StateView,
        parent: Header,
        *,
        number: int,
        digest: Digest,
        is_signature_checked: IsSignatureChecked = is_never_checked,
    ) -> BlockExecution:
        """Return a block in execution on top of `parent`, whose state is `view`.

        Args:
            digest: The block's digest without its seal.

        Raises:
            InvalidBlock: the digest lacks author or work; ExecutedOnWrongParent: the number does not follow.
        """
        # SPEC RUN-22: A block MUST be executed after the header that it names as its parent, one height above it.
        if number != parent.number + 1:
            raise ExecutedOnWrongParent(f"block {number} cannot follow block {parent.number}")
        state = Overlay(view)
        probe = Header(
            parent_hash=parent.hash, number=number, state_root=bytes(32), extrinsics_root=bytes(32), digest=digest
        )
        facts = BlockFacts(
            number=number,
            parent=parent,
            genesis_hash=self.get_genesis_hash(state, parent),
            digest=digest,
            author=read_author(probe),
            work=read_work(probe),
        )
        return self.execution(state, self.params, facts, is_signature_checked)

    def make_inherents(
        self,
        view: StateView,
        parent: Header,
        *,
        timestamp_ms: int,
        solution: AuthorSolution | None = None,
        votes: Iterable[SignedVote] = (),
        evidence: Iterable[Evidence] = (),
    ) -> tuple[bytes, ...]:
        """Return the extrinsics with which a block on `parent` begins; `check_vote` says which votes it may have."""
        inherents = [make_bare(encode_call(set_timestamp, timestamp_ms))]
        if solution is not None:
            call = encode_call(bring_solution, solution.problem_id, solution.energy, solution.bits)
            inherents.append(make_bare(call))
        inherents += [make_bare(encode_call(vote, signed)) for signed in votes]
        inherents += [make_bare(encode_call(report, violation)) for violation in evidence]
        return tuple(inherents)

    def execute_block(
        self,
        view: StateView,
        parent: Header,
        block: Block,
        *,
        is_signature_checked: IsSignatureChecked = is_never_checked,
    ) -> BlockOutcome:
        """Return what a block does; its state root is not judged.

        Raises:
            InvalidBlock: ExecutedOnWrongParent, InvalidExtrinsicInBlock, TimestampMissing.
        """
        header = block.header
        if header.parent_hash != parent.hash:
            raise ExecutedOnWrongParent(f"block {header.number} names another parent than block {parent.number}")
        execution = self.start_block(
            view,
            parent,
            number=header.number,
            digest=make_unsealed(header).digest,
            is_signature_checked=is_signature_checked,
        )
        for index, raw in enumerate(block.extrinsics):
            self.pause()
            try:
                execution.apply_extrinsic(raw)
            # SPEC RUN-23: A block with an extrinsic that may not be in it MUST be refused.
            except InvalidTransaction as error:
                text = f"extrinsic {index}: {type(error).__name__}: {error.diagnosis}"
                raise InvalidExtrinsicInBlock(text) from error
        self.pause()
        try:
            return execution.finish()
        except NotSet as error:
            raise TimestampMissing(str(error)) from error

    def import_block(
        self,
        view: StateView,
        parent: Header,
        checked: CheckedBlock,
        compute_root: Callable[[Mapping[bytes, bytes | None]], bytes],
        *,
        is_signature_checked: IsSignatureChecked = is_never_checked,
    ) -> ImportedBlock:
        """Execute a checked block and return it with its outcome.

        Args:
            compute_root: Returns the state root after changes to `view`.

        Raises:
            InvalidBlock: the execution fails; WrongStateRoot: it ends in another state than the header says.
        """
        outcome = self.execute_block(view, parent, checked.block, is_signature_checked=is_signature_checked)
        root = compute_root(outcome.changes)
        # SPEC RUN-24: The state root in a header MUST be the root of the state after the block.
        if root != checked.block.header.state_root:
            raise WrongStateRoot(
                f"the state has the root 0x{root.hex()}, the header says 0x{checked.block.header.state_root.hex()}"
            )
        return ImportedBlock(block=checked.block, outcome=outcome)

    def validate_transaction(
        self, view: StateView, extrinsic: Extrinsic, *, head: Header, signature_checked: bool = False
    ) -> ValidTransaction:
        """Return under which conditions the block after `head` may hold an extrinsic; see runtime.pool.

        Raises:
            InvalidTransaction: it may not.
        """
        facts = (self.params, self.get_genesis_hash(Overlay(view), head))
        return validate_transaction(view, extrinsic, head=head, facts=facts, signature_checked=signature_checked)

    def check_vote(self, view: StateView, head: Header, signed: SignedVote) -> None:
        """Refuse a vote that could not be in the block after `head`, whose state is `view`.

        Raises:
            InvalidVote
        """
        state = Overlay(view)
        ballot = find_next_ballot(state, head, self.params)
        check_ballot_vote(ballot, SETS.get(state), signed, genesis=self.get_genesis_hash(state, head))

    def query_fee(self, view: StateView, raw: bytes) -> FeeQuote:
        """Return what an extrinsic would weigh and cost now.

        Raises:
            Malformed: the bytes are no extrinsic of this runtime.
        """
        return query_fee(view, raw, self.params)

    def dry_run(self, view: StateView, raw: bytes, *, head: Header) -> ApplyOutcome:
        """Return what an extrinsic would do as the first of the block after `head`.

        Raises:
            InvalidTransaction: it may not be in that block.
        """
        work = WorkDigest(problem=None, core_epoch=0, weight=0, target=0, timestamp_ms=0)
        digest = make_digest(bytes(AUTHOR_BYTES), work)
        return self.start_block(view, head, number=head.number + 1, digest=digest).apply_extrinsic(raw)

    def get_work_context(self, view: StateView, parent: Header, problem_id: int | None) -> WorkContext:
        """Return what judges the seal of the block after `parent`, from the state after `parent`."""
        state = Overlay(view)
        return make_work_context(state, parent, problem_id, self.params, self.get_genesis_hash(state, parent))

    def get_genesis_hash(self, state: Overlay, parent: Header) -> bytes:
        """Return the hash of block 0, from what the runtime was told or from the state."""
        if self.genesis_hash is not None:
            return self.genesis_hash
        return parent.hash if parent.number == 0 else BLOCK_HASH.get(state, 0)
