"""problem_*, work_* and transaction_*: this chain's own methods. Big integers are decimal strings."""

from __future__ import annotations

from rpc.api import Json, NodeApi
from rpc.methods.encoding import resolve, to_hex
from rpc.schema import Account, Hash, HexBytes, Method


def list_problems(api: NodeApi, onlyOpen: bool | None = None, at: Hash | None = None) -> Json:
    """Return the posted problems, newest first, without their couplings."""
    return api.list_problems(resolve(api, at), only_open=bool(onlyOpen))


def get_problem(api: NodeApi, problem: int, at: Hash | None = None) -> Json:
    """Return one problem with its Ising record, order, bounty and best solution, or null."""
    return api.get_problem(problem, resolve(api, at))


def get_solutions(api: NodeApi, problem: int, at: Hash | None = None) -> Json:
    """Return the solutions that blocks carried for a problem, best energy first."""
    return api.get_solutions(problem, resolve(api, at))


def get_status(api: NodeApi, at: Hash | None = None) -> Json:
    """Return target, epoch, core problem and expected work of the next block."""
    return api.get_work_status(resolve(api, at))


def get_mining(api: NodeApi) -> Json:
    """Return what this node's miner does: problem, tickets and strikes per second, best energy."""
    return api.get_mining_status()


async def get_template(api: NodeApi, author: Account) -> Json:
    """Return an unsealed header for an author and what is needed to search tickets for it."""
    return await api.get_work_template(author)


async def submit(api: NodeApi, header: HexBytes, seal: HexBytes) -> Json:
    """Submit a seal for a template's header and return the new block's hash."""
    return to_hex(await api.submit_work(header, seal))


def replay(api: NodeApi, hash: Hash | None = None) -> Json:
    """Re-run the strikes of a block's ticket and return seeds, shots, energies and the verdict."""
    return api.replay_seal(resolve(api, hash))


def list_batches(
    api: NodeApi,
    problem: int | None = None,
    solver: Account | None = None,
    onlyOpen: bool | None = None,
    at: Hash | None = None,
) -> Json:
    """Return the batches of strikes of a problem or a solver (or all), newest first, with their audits."""
    block_hash = resolve(api, at)
    return api.list_batches(block_hash, problem_id=problem, solver=solver, only_open=bool(onlyOpen))


def list_solvers(api: NodeApi, at: Hash | None = None) -> Json:
    """Return who sells strikes: bond, reputation, batches paid, void and slashed; the best reputation first."""
    return api.list_solvers(resolve(api, at))


def get_solver(api: NodeApi, account: Account, at: Hash | None = None) -> Json:
    """Return one solver's bond and reputation, or null."""
    return api.get_solver(account, resolve(api, at))


def get_transaction(api: NodeApi, hash: Hash) -> Json:
    """Return where an extrinsic is: in the pool, in a block (with its outcome), or dropped and why; or null."""
    return api.get_transaction(hash)


METHODS = (
    Method(name="problem_list", function=list_problems),
    Method(name="problem_get", function=get_problem),
    Method(name="problem_solutions", function=get_solutions),
    Method(name="work_status", function=get_status),
    Method(name="work_mining", function=get_mining),
    Method(name="work_template", function=get_template, unsafe=True),
    Method(name="work_submit", function=submit),
    Method(name="work_replay", function=replay),
    Method(name="work_batches", function=list_batches),
    Method(name="work_solvers", function=list_solvers),
    Method(name="work_solver", function=get_solver),
    Method(name="transaction_get", function=get_transaction, aliases=("transaction_getByHash",)),
)
