"""The worked example of docs/spec/batches.md: the strikes of the golden ticket's header, sold as a batch.

`python -m tests.support.golden_batch` writes `tests/vectors/batches/golden_batch.json` again. Do so only when a format
changes on purpose: a difference means that honest batches would be slashed.
"""

from __future__ import annotations

import json
from pathlib import Path

from chain.merkle import compute_root, make_multiproof
from chain.params import BatchParams
from consensus.batch import (
    Statement,
    compute_batch_key,
    compute_leaf_count,
    compute_snapshot,
    compute_statement_hash,
    run_batch_strike,
    select_leaves,
)
from consensus.work import compute_work_key, make_leaf
from tests.support.golden_ticket import GENESIS_HASH, PARAMS, make_example_context, make_example_header

PATH = Path(__file__).parents[1] / "vectors" / "batches" / "golden_batch.json"
SOLVER = b"\xa1" * 32
BATCH_ID, COUNT, AUDIT_TICKET = 3, 64, 2**255 + 12345


def make_vector() -> dict[str, object]:
    """Return every intermediate value."""
    context = make_example_context()
    pool = context.pool
    assert pool is not None
    key = compute_work_key(make_example_header(context))
    snapshot = compute_snapshot(pool.problem_id, pool.order, pool.law, PARAMS.shots)
    shots = [run_batch_strike(pool, key, index, shots=PARAMS.shots) for index in range(COUNT)]
    leaves = [make_leaf(index, packed) for index, packed in enumerate(shots)]
    root = compute_root(leaves)
    k = compute_leaf_count(pool.gas * 100, COUNT, BatchParams())
    selected = select_leaves(AUDIT_TICKET, BATCH_ID, COUNT, k)
    statement = Statement(
        genesis=GENESIS_HASH,
        solver=SOLVER,
        key=key,
        problem=pool.problem_id,
        snapshot=snapshot,
        root=root,
        count=COUNT,
    )
    return {
        "snapshot": snapshot.hex(),
        "work_key": key.hex(),
        "batch_key_of_counter_7": compute_batch_key(GENESIS_HASH, SOLVER, 7, pool.problem_id, snapshot).hex(),
        "shots_of_strike_0": shots[0].hex(),
        "leaves": [leaf.hex() for leaf in leaves],
        "root": root.hex(),
        "audit_ticket": f"{AUDIT_TICKET:#066x}",
        "batch": BATCH_ID,
        "selected": list(selected),
        "multiproof": [node.hex() for node in make_multiproof(leaves, selected)],
        "statement": compute_statement_hash(statement).hex(),
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(make_vector(), indent=1) + "\n")
