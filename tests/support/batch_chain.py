"""Batches for tests of the runtime: real strikes of small problems, some of them invented."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from chain.ed25519 import sign as sign_message
from chain.header import Header, encode_header
from chain.merkle import compute_root, make_multiproof
from chain.params import UNIT_PLANCK, BatchParams, Params
from consensus.batch import (
    BatchSource,
    CounterSource,
    HeaderSource,
    Statement,
    Witness,
    compute_batch_key,
    compute_snapshot,
    compute_statement_hash,
    make_law_record,
    make_witness,
    run_batch_strike,
)
from consensus.context import PoolProblem
from consensus.work import compute_work_key, make_leaf
from runtime.batch_records import Batch, FraudClaim, OnChain, Signed, Solver
from runtime.batch_state import COMMITTED, SOLVERS
from runtime.outcomes import BlockOutcome
from runtime.pallets.batches import answer_audit, bond, commit_batch
from runtime.pallets.problems import post
from runtime.problem_records import Ising
from runtime.work_context import find_pool_problem
from tests.support.runtime_chain import RuntimeChain, get_key, get_seed, post_arguments
from vm.law import AngleLaw

BOND = 10 * UNIT_PLANCK
BATCH_PARAMS = BatchParams(
    bond_planck=BOND,
    count_min=8,
    count_max=64,
    window_blocks=6,
    audit_delay_blocks=2,
    audit_search_blocks=3,
    answer_blocks=4,
    leaves_max=6,
    fraud_blocks=8,
    unbond_blocks=20,
)
PARAMS = replace(Params.tiny(), batch=BATCH_PARAMS)
INVENTED = b"\x2a" * 8  # eight shots of six spins, which no strike of these tests gives

Fake = Callable[[int], bool]


class TestBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch with everything its solver knows."""

    __test__ = False
    source: BatchSource
    key: bytes
    problem: int
    pool: PoolProblem
    snapshot: bytes
    witness: Witness
    shots: tuple[bytes, ...]

    @property
    def count(self) -> int:
        """How many strikes it has."""
        return len(self.shots)

    @property
    def leaves(self) -> list[bytes]:
        """Its leaves."""
        return [make_leaf(index, packed) for index, packed in enumerate(self.shots)]

    @property
    def root(self) -> bytes:
        """The root of its leaves."""
        return compute_root(self.leaves)

    def commit_arguments(self) -> tuple[object, ...]:
        """Return the arguments of Batches.commit_batch."""
        return self.source, self.problem, self.root, self.count, self.snapshot

    def answer_arguments(self, number: int, indices: tuple[int, ...]) -> tuple[object, ...]:
        """Return the arguments of Batches.answer_audit."""
        proof = make_multiproof(self.leaves, indices)
        return number, self.pool.gas, self.witness, proof, tuple(self.shots[index] for index in indices)

    def report_arguments(self, claim: FraudClaim, index: int, *, ising: Ising | None = None) -> tuple[object, ...]:
        """Return the arguments of Batches.report_fraud."""
        path = make_multiproof(self.leaves, [index])
        return claim, self.pool.gas, self.witness, index, self.shots[index], path, ising

    def make_statement(self, chain: RuntimeChain, solver: str) -> Statement:
        """Return what the batch states."""
        return Statement(
            genesis=chain.genesis_hash,
            solver=get_key(solver),
            key=self.key,
            problem=self.problem,
            snapshot=self.snapshot,
            root=self.root,
            count=self.count,
        )

    def run_with(self, order: tuple[int, ...], law: AngleLaw) -> TestBatch:
        """Return the same shots, said to be of another order and law."""
        witness = Witness(order=order, law=make_law_record(law))
        return replace(self, snapshot=compute_snapshot(self.problem, order, law, PARAMS.work.shots), witness=witness)

    def sign(self, chain: RuntimeChain, solver: str) -> Signed:
        """Return the claim of a signed statement."""
        statement = self.make_statement(chain, solver)
        return Signed(statement=statement, signature=sign_message(get_seed(solver), compute_statement_hash(statement)))


def make_market(params: Params = PARAMS, **terms: int) -> RuntimeChain:
    """Return a chain on which alice posted a ring of six with a work budget, and bob and charlie are bonded."""
    chain = RuntimeChain(params)
    offered = {"price_per_gas": 1_000, "work_budget": 50 * UNIT_PLANCK, "deadline": 500} | terms
    extrinsics = [chain.sign("alice", post, *post_arguments(**offered))]
    extrinsics += [chain.sign(name, bond, 5 * BOND) for name in ("bob", "charlie")]
    outcome = chain.add_block(*extrinsics)
    assert all(result.is_success for result in outcome.extrinsic_results)
    return chain


def make_header(chain: RuntimeChain, author: str = "bob", problem: int | None = 0) -> Header:
    """Return an unsealed header on the chain's head; its roots are nobody's."""
    return Header(
        parent_hash=chain.head.hash,
        number=chain.head.number + 1,
        state_root=bytes(32),
        extrinsics_root=bytes(32),
        digest=chain.make_work_digest(author, problem),
    )


def make_batch(
    chain: RuntimeChain,
    solver: str = "bob",
    *,
    count: int = 16,
    counter: int | None = None,
    fake: Fake = lambda index: False,
    header: Header | None = None,
) -> TestBatch:
    """Return a batch of problem 0, of a header on the head or of a counter; `fake` says which shots are invented."""
    pool = find_pool_problem(chain.state, 0)
    assert pool is not None
    shots_drawn = chain.params.work.shots
    snapshot = compute_snapshot(0, pool.order, pool.law, shots_drawn)
    source: BatchSource
    if counter is None:
        chosen = header or make_header(chain, solver)
        source, key = HeaderSource(header=encode_header(chosen)), compute_work_key(chosen)
    else:
        key = compute_batch_key(chain.genesis_hash, get_key(solver), counter, 0, snapshot)
        source = CounterSource(counter=counter)
    shots = tuple(
        INVENTED if fake(index) else run_batch_strike(pool, key, index, shots=shots_drawn) for index in range(count)
    )
    return TestBatch(
        source=source, key=key, problem=0, pool=pool, snapshot=snapshot, witness=make_witness(pool), shots=shots
    )


def commit(chain: RuntimeChain, batch: TestBatch, solver: str = "bob") -> BlockOutcome:
    """Commit a batch in the next block."""
    outcome = chain.add_block(chain.sign(solver, commit_batch, *batch.commit_arguments()))
    assert outcome.extrinsic_results[-1].is_success, outcome.extrinsic_results[-1].failure
    return outcome


def answer(chain: RuntimeChain, batch: TestBatch, number: int = 0, sender: str = "bob") -> BlockOutcome:
    """Answer for a challenged batch in the next block."""
    arguments = batch.answer_arguments(number, get_batch(chain, number).leaves)
    return chain.add_block(chain.sign(sender, answer_audit, *arguments))


def get_batch(chain: RuntimeChain, number: int = 0) -> Batch:
    """Return a batch's record."""
    return COMMITTED.get(chain.state, number)


def get_solver(chain: RuntimeChain, name: str = "bob") -> Solver:
    """Return a solver's record."""
    return SOLVERS.get(chain.state, get_key(name))


def claim_of(number: int) -> OnChain:
    """Return the claim against a batch on the chain."""
    return OnChain(batch=number)
