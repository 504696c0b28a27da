"""Commits and reveals for tests of the runtime: a ring of six whose best energy is -6."""

from __future__ import annotations

from consensus.commitment import Committer, compute_commitment
from runtime.pallets.solutions import commit, reveal
from runtime.problem_state import RECORDS
from runtime.solution_state import COMMITS, Commit
from tests.support.runtime_chain import RuntimeChain, get_key

BEST_BITS = 0b010101  # energy -6
GOOD_BITS = 0b000101  # energy -2
POOR_BITS = 0b000000  # energy 6


def compute_ring_energy(bits: int) -> int:
    """Return the energy of six bits on the ring."""
    same = sum(1 for i in range(6) if bits >> i & 1 == bits >> (i + 1) % 6 & 1)
    return 2 * same - 6


def make_salt(name: str) -> bytes:
    """Return a test account's salt."""
    return name.encode().ljust(32, b"~")


def make_commitment(chain: RuntimeChain, name: str, bits: int, *, problem: int = 0) -> bytes:
    """Return what an account commits to."""
    committer = Committer(genesis_hash=chain.genesis_hash, problem_id=problem, account=get_key(name))
    return compute_commitment(committer, make_salt(name), bytes((bits,)))


def sign_commit(chain: RuntimeChain, name: str, bits: int, *, problem: int = 0, nonce: int | None = None) -> bytes:
    """Return the extrinsic of a commit."""
    return chain.sign(name, commit, problem, make_commitment(chain, name, bits, problem=problem), nonce=nonce)


def sign_reveal(chain: RuntimeChain, name: str, bits: int, *, problem: int = 0, nonce: int | None = None) -> bytes:
    """Return the extrinsic of a reveal."""
    arguments = (problem, make_salt(name), compute_ring_energy(bits), bytes((bits,)))
    return chain.sign(name, reveal, *arguments, nonce=nonce)


def add(chain: RuntimeChain, *extrinsics: bytes, **options: object) -> list[object]:
    """Add a block whose extrinsics must all succeed; return its events."""
    outcome = chain.add_block(*extrinsics, **options)
    for result in outcome.extrinsic_results:
        assert result.is_success, result.failure
    return [event for _, event in outcome.event_rows]


def get_waiting(chain: RuntimeChain, problem: int = 0) -> tuple[Commit, ...]:
    """Return the commits that wait."""
    return COMMITS.get(chain.state, problem)


def get_status_name(chain: RuntimeChain, problem: int = 0) -> str:
    """Return how far a problem got."""
    return RECORDS.get(chain.state, problem).status.name
