"""The extrinsics of a node that sells strikes: what a batch is worth, its commit, its answer, signed.

Everything is read from the head's state; nothing is kept here.
"""

from __future__ import annotations

import msgspec

from chain.era import choose_birth, make_era
from chain.extrinsic import SigningContext, assemble_signed, compute_signing_payload, encode_extra
from chain.header import Header, encode_header
from chain.merkle import compute_root, make_multiproof
from chain.params import Params
from chain.scale import codec_of
from chain.state_view import StateView
from consensus.batch import HeaderSource, Witness, compute_leaf_count, compute_snapshot, make_witness
from consensus.work import compute_shots_bytes
from node.core.batch_notes import LEAF_BYTES, BatchNote, BatchSigner
from node.core.batch_runs import Run
from node.core.importer import Importer
from runtime.batch_records import Batch, Solver
from runtime.batch_state import SOLVERS
from runtime.batch_weights import compute_leaves_weight
from runtime.issuance import compute_miner_reward
from runtime.pallets.batches import answer_audit, commit_batch
from runtime.pallets.transaction_payment import NEXT_FEE_MULTIPLIER, compute_fee
from runtime.problem_records import Problem, ProblemStatus
from runtime.problem_state import RECORDS
from runtime.runtime import encode_call
from runtime.snapshots import find_snapshot_at
from runtime.storage import Overlay
from runtime.weights import COMMIT_BATCH

ERA_BLOCKS = 64
FEES_MARGIN = 4  # strikes use a quarter of their gas limit or more where anybody measured (docs/gas.md), and earn that
EXTRINSIC_BYTES = 300  # of a commit, or of an answer beside its shots and its proof
WITNESS = codec_of(Witness)


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What a call is made for: the head, its state, and the newest final block."""

    params: Params
    genesis_hash: bytes
    head: Header
    view: StateView
    final_number: int
    final_hash: bytes


def make_site(importer: Importer) -> Site:
    """Return where a node stands."""
    return Site(
        params=importer.params,
        genesis_hash=importer.chain.genesis_hash,
        head=importer.head,
        view=importer.chain.state,
        final_number=importer.final.number,
        final_hash=importer.final.hash,
    )


def choose_count(site: Site, run: Run, account: bytes) -> int:
    """Return how many strikes of a run to sell now; 0 if it may not be worth the fees, or is not possible."""
    state, limits = Overlay(site.view), site.params.batch
    record, solver = RECORDS.find(state, run.pool.problem_id), SOLVERS.find(state, account)
    if record is None or solver is None or not _is_possible(site, state, run, record, solver):
        return 0
    value = run.pool.gas * record.price_per_gas
    most = min(record.work_budget - record.reserved, compute_miner_reward(site.params.money, site.head.number + 1))
    count = min(run.count, limits.count_max, most // value)
    if count < limits.count_min or count * value <= FEES_MARGIN * compute_cost(site, run, count):
        return 0
    return count


def compute_cost(site: Site, run: Run, count: int) -> int:
    """Return about what commit and answer cost in fees."""
    k = compute_leaf_count(run.pool.gas, count, site.params.batch)
    shots = compute_shots_bytes(run.pool.problem.n, site.params.work.shots)
    length = EXTRINSIC_BYTES + 2 * len(run.pool.order) + k * (shots + 2 + LEAF_BYTES * count.bit_length())
    multiplier = NEXT_FEE_MULTIPLIER.get(Overlay(site.view))
    answer = compute_fee(site.params, multiplier, weight=compute_leaves_weight(run.pool.gas, k), length=length, tip=0)
    return answer.total + compute_fee(site.params, multiplier, weight=COMMIT_BATCH, length=EXTRINSIC_BYTES, tip=0).total


def _is_possible(site: Site, state: Overlay, run: Run, record: Problem, solver: Solver) -> bool:
    """Return whether problem, bond and snapshot allow a batch; the dry run of the call judges the rest."""
    if record.status is not ProblemStatus.Open or record.price_per_gas == 0:
        return False
    if solver.active < (solver.open_batches + 1) * site.params.batch.bond_planck:
        return False
    entry = find_snapshot_at(state, run.pool.problem_id, run.header.number - 1)
    return entry is not None and entry.snapshot == _make_snapshot(site, run)


def _make_snapshot(site: Site, run: Run) -> bytes:
    return compute_snapshot(run.pool.problem_id, run.pool.order, run.pool.law, site.params.work.shots)


def make_note(site: Site, run: Run, count: int) -> BatchNote:
    """Return the note of a batch of the first strikes of a run."""
    leaves = run.leaves[: count * LEAF_BYTES]
    return BatchNote(
        root=compute_root([leaves[at : at + LEAF_BYTES] for at in range(0, len(leaves), LEAF_BYTES)]),
        key=run.key,
        problem=run.pool.problem_id,
        witness=WITNESS.encode(make_witness(run.pool)),
        gas=run.pool.gas,
        leaves=leaves,
        made_at=site.head.number,
    )


def make_commit(site: Site, run: Run, note: BatchNote, signer: BatchSigner, nonce: int) -> bytes:
    """Return the extrinsic that commits a note's batch."""
    source = HeaderSource(header=encode_header(run.header))
    snapshot = _make_snapshot(site, run)
    call = encode_call(commit_batch, source, note.problem, note.root, note.count, snapshot)
    return sign_call(site, call, signer, nonce)


def make_answer(site: Site, number: int, batch: Batch, note: BatchNote, shots: tuple[bytes, ...]) -> bytes:
    """Return the call that shows a batch's selected leaves."""
    proof = make_multiproof(note.list_leaves(), batch.leaves)
    return encode_call(answer_audit, number, note.gas, WITNESS.decode(note.witness), proof, shots)


def sign_call(site: Site, call: bytes, signer: BatchSigner, nonce: int) -> bytes:
    """Return the extrinsic of a call, valid for a window of blocks from the newest final one on, if that is near."""
    number = choose_birth(ERA_BLOCKS, best=site.head.number, final=site.final_number)
    extra = encode_extra(make_era(ERA_BLOCKS, number), nonce, 0)
    context = SigningContext(
        spec_version=site.params.spec_version,
        transaction_version=site.params.transaction_version,
        genesis_hash=site.genesis_hash,
        birth_hash=site.final_hash if number == site.final_number else site.head.hash,
    )
    return assemble_signed(call, signer.account, extra, signer.sign(compute_signing_payload(call, extra, context)))
