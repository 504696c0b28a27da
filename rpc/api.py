"""What the RPC methods need from a node: one Protocol, fulfilled by node.api and by test doubles of the node.

Terms:
    feed: an async iterator of news with a bounded queue; `close()` ends it. A feed whose reader is too slow ends.

Every look-up of state names a block by hash; `resolve` turns an absent hash into the best block's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

import msgspec

from chain.block import Block
from chain.header import Header
from chain.state_view import StateView

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
HeadKind: TypeAlias = Literal["best", "all", "finalized"]
T_co = TypeVar("T_co", covariant=True)


class ExtrinsicStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One step in an extrinsic's life, in Substrate's words.

    Attributes:
        kind: future, ready, broadcast, inBlock, retracted, finalityTimeout, finalized, usurped, dropped or invalid.
        value: The block or transaction hash, the peers, or None.
        reason: Why it was dropped or is invalid, for people.
    """

    kind: str
    value: bytes | tuple[str, ...] | None = None
    reason: str = ""

    @property
    def is_last(self) -> bool:
        """True if nothing follows."""
        return self.kind in ("finalized", "finalityTimeout", "usurped", "dropped", "invalid")


class BlockNews(msgspec.Struct, frozen=True, kw_only=True):
    """A new best block and the storage it changed (None: removed)."""

    hash: bytes
    header: Header
    changes: Mapping[bytes, bytes | None]


class FeeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What an extrinsic would weigh and cost."""

    ref_time: int
    proof_size: int
    dispatch_class: str
    fee_planck: int
    base_planck: int
    length_planck: int
    weight_planck: int


class RuntimeVersionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The runtime's names and versions."""

    spec_name: str
    impl_name: str
    authoring_version: int
    spec_version: int
    impl_version: int
    transaction_version: int
    state_version: int = 1


class SystemInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change while the node runs."""

    name: str
    version: str
    chain: str
    chain_type: Json
    properties: Mapping[str, Json]
    roles: tuple[str, ...]
    peer_id: str


class SyncState(msgspec.Struct, frozen=True, kw_only=True):
    """How far the node is."""

    starting_block: int
    current_block: int
    highest_block: int
    peers: int
    is_syncing: bool
    should_have_peers: bool


class PeerView(msgspec.Struct, frozen=True, kw_only=True):
    """A connected peer, by its own word."""

    peer_id: str
    roles: str
    best_hash: bytes
    best_number: int


class Feed(Protocol, Generic[T_co]):
    """A bounded stream of news."""

    def __aiter__(self) -> AsyncIterator[T_co]: ...

    def close(self) -> None:
        """End the feed and free its queue."""
        ...


class ChainApi(Protocol):
    """Blocks and state."""

    def get_best_hash(self) -> bytes: ...

    def get_finalized_hash(self) -> bytes: ...

    def get_hash(self, number: int) -> bytes | None:
        """Return the hash of the best chain's block at a height."""
        ...

    def get_header(self, block_hash: bytes) -> Header | None: ...

    def get_block(self, block_hash: bytes) -> Block | None: ...

    def get_state(self, block_hash: bytes) -> StateView:
        """Return the state after a block.

        Raises:
            rpc.errors.RpcError: unknown block (4003), or pruned state (4003).
        """
        ...

    def prove_state(self, block_hash: bytes, keys: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return one encoded state proof for each key, for the best block only."""
        ...

    def subscribe_heads(self, kind: HeadKind) -> Feed[Header]: ...

    def subscribe_news(self) -> Feed[BlockNews]:
        """Return the best chain's new blocks with what they changed."""
        ...

    def get_metadata(self) -> bytes: ...

    def get_runtime_version(self) -> RuntimeVersionInfo: ...

    def call_runtime(self, name: str, data: bytes, block_hash: bytes) -> bytes:
        """Answer a runtime API by name (Core_version, Metadata_metadata, AccountNonceApi_account_nonce, ...)."""
        ...


class PoolApi(Protocol):
    """Extrinsics on their way into a block."""

    async def submit(self, raw: bytes) -> bytes:
        """Take an extrinsic into the pool and return its hash.

        Raises:
            rpc.errors.RpcError: with Substrate's code (1001, 1010, 1012, 1013, 1014, 1016) and a diagnosis.
        """
        ...

    async def watch(self, raw: bytes) -> Feed[ExtrinsicStatus]:
        """Submit and return what becomes of it."""
        ...

    def get_pending(self) -> tuple[bytes, ...]:
        """Return the ready extrinsics, in the order in which a block would take them."""
        ...

    async def remove_extrinsics(self, hashes: Sequence[bytes]) -> tuple[bytes, ...]: ...

    def get_pool_status(self) -> Mapping[str, Json]: ...

    def get_next_index(self, account: bytes) -> int:
        """Return the account's next nonce, counting what the pool holds."""
        ...

    def query_fee(self, raw: bytes, block_hash: bytes) -> FeeInfo: ...

    def dry_run(self, raw: bytes, block_hash: bytes) -> bytes: ...

    def get_transaction(self, tx_hash: bytes) -> Mapping[str, Json] | None:
        """Return where an extrinsic is: pool, block (with outcome and events), or dropped with its reason."""
        ...


class WorkApi(Protocol):
    """Problems and Proof of Quantum Work; results are JSON-ready, big integers as strings."""

    def list_problems(self, block_hash: bytes, *, only_open: bool) -> Sequence[Mapping[str, Json]]: ...

    def get_problem(self, problem_id: int, block_hash: bytes) -> Mapping[str, Json] | None: ...

    def get_work_status(self, block_hash: bytes) -> Mapping[str, Json]:
        """Return target, epoch, core problem, hash of the core circuit, expected tickets per block."""
        ...

    def get_mining_status(self) -> Mapping[str, Json]: ...

    async def get_work_template(self, author: bytes) -> Mapping[str, Json]:
        """Return an unsealed header and what is needed to search tickets for it elsewhere."""
        ...

    async def submit_work(self, header: bytes, seal: bytes) -> bytes:
        """Import the block of a template with a seal; return its hash."""
        ...

    def replay_seal(self, block_hash: bytes) -> Mapping[str, Json]:
        """Re-run the strikes of a block's ticket and return seeds, shots, energies and the verdict."""
        ...

    def get_solutions(self, problem_id: int, block_hash: bytes) -> Sequence[Mapping[str, Json]]: ...

    def list_batches(
        self, block_hash: bytes, *, problem_id: int | None, solver: bytes | None, only_open: bool
    ) -> Sequence[Mapping[str, Json]]:
        """Return the batches of strikes that a state holds, newest first."""
        ...

    def list_solvers(self, block_hash: bytes) -> Sequence[Mapping[str, Json]]:
        """Return who sells strikes, with bond and reputation, best first."""
        ...

    def get_solver(self, account: bytes, block_hash: bytes) -> Mapping[str, Json] | None: ...


class FinalityApi(Protocol):
    """Votes and what they made final; results are JSON-ready, big integers as strings."""

    def get_finality_status(self, block_hash: bytes) -> Mapping[str, Json]:
        """Return what is justified and final after a block, who votes, and what this node votes with."""
        ...

    def prove_finality(self, start: bytes | None) -> Mapping[str, Json]:
        """Return a page of the proof of what is final, from a checkpoint or from block 0 on."""
        ...

    def list_offences(self) -> Sequence[Mapping[str, Json]]:
        """Return the evidence that this node keeps, until its punishment is final or it is too old."""
        ...

    async def report_offence(self, one: bytes, two: bytes) -> bytes:
        """Take in two signed votes of one key that contradict each other, and return the key."""
        ...


class SystemApi(Protocol):
    """The node itself."""

    def get_system_info(self) -> SystemInfo: ...

    def get_sync_state(self) -> SyncState: ...

    def list_peers(self) -> Sequence[PeerView]: ...

    def list_listen_addresses(self) -> Sequence[str]: ...

    def list_reserved(self) -> Sequence[str]: ...

    def add_reserved(self, address: str) -> None: ...

    def remove_reserved(self, peer: str) -> None: ...

    def add_log_filter(self, directives: str) -> None: ...

    def reset_log_filter(self) -> None: ...

    def insert_key(self, key_type: str, suri: str, public: bytes) -> None: ...

    def has_key(self, public: bytes, key_type: str) -> bool: ...


class NodeApi(ChainApi, PoolApi, WorkApi, FinalityApi, SystemApi, Protocol):
    """Everything together."""
