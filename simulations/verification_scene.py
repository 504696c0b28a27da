"""A chain on which verification can be measured: a problem that sells strikes, a winning ticket, an answer, votes."""

from __future__ import annotations

import msgspec

from chain.header import Header, make_sealed
from chain.merkle import compute_root, make_multiproof
from chain.params import UNIT_PLANCK, BlockParams, Params
from consensus.batch import CounterSource, compute_batch_key, compute_snapshot, make_witness, run_batch_strike
from consensus.context import PoolProblem, WorkContext
from consensus.digest import WorkDigest, make_digest, make_seal
from consensus.ticket import compute_context_weight, make_ticket_job, search_tickets
from consensus.work import make_leaf
from runtime.batch_state import COMMITTED
from runtime.pallets.batches import answer_audit, bond, commit_batch
from runtime.pallets.problems import post
from runtime.problem_records import Terms, make_ising
from runtime.work_context import find_pool_problem, make_work_context
from simulations.plain_chain import Endowments, PlainChain, get_account
from vm.order import anneal_order
from vm.problem import IsingProblem

POSTER, SOLVER = "poster", "solver"
RICH = 1_000_000 * UNIT_PLANCK
ORDER_SEED = 0


class Scene:
    """A chain with one problem for which strikes are sold, and validators."""

    def __init__(self, problem: IsingProblem, params: Params, *, depth: int = 1, validators: int = 4) -> None:
        """Post the problem with a good measurement order, and bond."""
        self.voters = tuple(f"validator {number}" for number in range(validators))
        balances = dict.fromkeys((POSTER, SOLVER, *self.voters), RICH)
        stakes = dict.fromkeys(self.voters, params.staking.bond_min_planck)
        self.params = make_roomy(params)
        self.chain = PlainChain(self.params, Endowments(balances=balances, validators=stakes))
        order = anneal_order(problem, depth, seed=ORDER_SEED)
        lowest = problem.offset - sum(abs(row[2]) for row in problem.couplings) - sum(map(abs, problem.fields))
        terms = Terms(bounty=UNIT_PLANCK, target_energy=lowest, deadline=1_000, work_budget=RICH // 2, price_per_gas=1)
        arguments = (make_ising(problem), depth, order, terms)
        self.add(self.chain.sign(POSTER, post, *arguments), self.chain.sign(SOLVER, bond, RICH // 2))

    def add(self, *extrinsics: bytes) -> None:
        """Add a block with these extrinsics, all of which must succeed."""
        added = self.chain.add_block(extrinsics, author=SOLVER, delay_ms=self.params.work.block_target_ms)
        failed = [result.failure for result in added.outcome.extrinsic_results if not result.is_success]
        assert not failed, failed
        assert not added.refused, "an extrinsic was refused"

    @property
    def pool(self) -> PoolProblem:
        """The problem as strikes run on it."""
        pool = find_pool_problem(self.chain.state, 0)
        assert pool is not None, "strikes may run on the problem"
        return pool

    def make_ticket(self) -> tuple[Header, WorkContext]:
        """Return a sealed header on the head, and the context that judges it; the first ticket wins."""
        chain = self.chain
        context = make_work_context(chain.state, chain.head, 0, chain.params, chain.genesis_hash)
        context = msgspec.structs.replace(context, target=2**256 // compute_context_weight(context, self.params.work))
        work = WorkDigest(
            problem=0,
            core_epoch=context.core_epoch,
            weight=compute_context_weight(context, self.params.work),
            target=context.target,
            timestamp_ms=chain.now_ms + 1,
        )
        header = Header(
            parent_hash=chain.head.hash,
            number=context.height,
            state_root=bytes(32),
            extrinsics_root=bytes(32),
            digest=make_digest(get_account(SOLVER), work),
        )
        win = search_tickets(make_ticket_job(header, context, self.params.work), 0, 1).win
        assert win is not None, "every ticket wins at this target"
        return make_sealed(header, make_seal(win)), context

    def make_answer(self, count: int) -> bytes:
        """Sell a batch of real strikes and return the answer that the next block may carry."""
        chain, pool, shots = self.chain, self.pool, self.params.work.shots
        snapshot = compute_snapshot(0, pool.order, pool.law, shots)
        key = compute_batch_key(chain.genesis_hash, get_account(SOLVER), 0, 0, snapshot)
        packed = [run_batch_strike(pool, key, index, shots=shots) for index in range(count)]
        leaves = [make_leaf(index, row) for index, row in enumerate(packed)]
        source = CounterSource(counter=0)
        self.add(chain.sign(SOLVER, commit_batch, source, 0, compute_root(leaves), count, snapshot))
        while not COMMITTED.get(chain.state, 0).leaves:
            self.add()
        selected = COMMITTED.get(chain.state, 0).leaves
        shown = tuple(packed[index] for index in selected)
        witness, proof = make_witness(pool), make_multiproof(leaves, selected)
        return chain.sign(SOLVER, answer_audit, 0, pool.gas, witness, proof, shown)


def make_roomy(params: Params) -> Params:
    """Return params under which an answer of any problem has room, so that its time can be measured."""
    block: BlockParams = msgspec.structs.replace(
        params.block,
        weight_max=100 * params.block.weight_max,
        normal_share_ppb=750_000_000,
        audit_share_ppb=150_000_000,
    )
    return msgspec.structs.replace(params, block=block)
