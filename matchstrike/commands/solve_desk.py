"""Brings solutions to the chain: keeps the record, looks at both sides, and does what `solve_decision` says."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import cast

import msgspec
from msgspec.structs import replace

from chain.ed25519 import public_of
from chain.ss58 import decode_address
from consensus.commitment import SALT_BYTES
from matchstrike.commands.amounts import format_amount
from matchstrike.commands.session import not_found
from matchstrike.commands.solve_record import SolutionFolder, SolutionRecord
from matchstrike.commands.solve_search import Found
from matchstrike.commands.spending import Plan
from matchstrike.commands.submitting import Submission, sign_and_submit
from node.core.solution_decision import OPEN, Decision, Side, View, decide
from rpc.api import Json
from vm.problem import IsingProblem, check_problem
from wallet.chain_client import ChainClient, Receipt, UnexpectedAnswer, read_hex, read_int, read_object

BILLION = 1_000_000_000
PATIENCE_SHARE = 4  # the last quarter of the time for reveals
Say = Callable[[str], object]


class Best(msgspec.Struct, frozen=True, kw_only=True):
    """The leading solution."""

    solver: str
    energy: int


class IsingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A problem's coefficients."""

    offset: int
    fields: tuple[int, ...]
    couplings: tuple[tuple[int, int, int], ...]


class ProblemState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A problem as the node tells it."""

    id: int
    status: str
    spins: int
    bounty: str
    target_energy: int
    deadline: int
    best_effort_ppb: int
    reveals_until: int | None
    best: Best | None
    ising: IsingRow | None = None

    def compute_prize(self, energy: int) -> int:
        """Return what a solution of this energy would earn in planck if it won."""
        if energy <= self.target_energy:
            return int(self.bounty)
        if self.best is not None and self.best.energy <= energy:
            return 0
        return int(self.bounty) * self.best_effort_ppb // BILLION


class SolveDesk:
    """One account's solutions on one chain."""

    def __init__(self, chain: ChainClient, seed: bytes, how: Submission, say: Say) -> None:
        self.chain = chain
        self.account = public_of(seed)
        self.folder = SolutionFolder(chain.genesis_hash, self.account)
        self._seed = seed
        self._how = replace(how, wait="included")
        self._say = say

    async def load_problem(self, number: int) -> tuple[ProblemState, IsingProblem]:
        """Return a problem with its coefficients.

        Raises:
            CommandFailed: there is none, or it is closed.
        """
        state = await self.get_state(number)
        if state.ising is None:
            raise not_found(f"problem {number} is {state.status}; nobody can solve it any more")
        row = state.ising
        problem = IsingProblem(n=len(row.fields), offset=row.offset, fields=row.fields, couplings=row.couplings)
        check_problem(problem)
        return state, problem

    async def get_state(self, number: int, at: str | None = None) -> ProblemState:
        """Return a problem in a block's state, by default the best block's."""
        answer = await self.chain.rpc.call("problem_get", number, at)
        if answer is None:
            raise not_found(f"there is no problem {number}")
        try:
            return msgspec.convert(answer, ProblemState)
        except msgspec.ValidationError as error:
            raise UnexpectedAnswer(f"the node answered no problem: {error}") from error

    def make_record(self, problem: int, found: Found) -> SolutionRecord:
        """Return a new record with a salt of its own, already on the medium."""
        record = SolutionRecord(
            genesis=self.chain.genesis_hash,
            problem=problem,
            account=self.account,
            salt=secrets.token_bytes(SALT_BYTES),
            bits=found.bits,
            energy=found.energy,
        )
        self.folder.save(record)
        return record

    async def step(self, record: SolutionRecord) -> tuple[SolutionRecord, Decision]:
        """Look, do the next thing for a record, and return what it is now."""
        view = await self._look(record)
        decision = decide(view)
        match decision.act:
            case "commit":
                await self._commit(record)
            case "reveal":
                receipt = await self._reveal(record)
                record = replace(record, stage="revealed")
                self.folder.save(record)
                self._say(f"problem {record.problem}: revealed in block {receipt.block_number}")
            case "over":
                self.folder.forget(record.problem)
            case "wait":
                pass
        return record, decision

    async def _look(self, record: SolutionRecord) -> View:
        rpc = self.chain.rpc
        best_hash = str(await rpc.call("chain_getBlockHash"))
        final_hash = str(await rpc.call("chain_getFinalizedHead"))
        best, state = await self._look_at(record, best_hash)
        final, _ = await self._look_at(record, final_hash)
        next_index = read_int(await rpc.call("system_accountNextIndex", "0x" + self.account.hex()))
        account = read_object(await self.chain.query("System", "Account", self.account))
        return View(
            best=best,
            final=final,
            deadline=0 if state is None else state.deadline,
            reveals_until=None if state is None else state.reveals_until,
            reaches_target=state is not None and record.energy <= state.target_energy,
            has_pending=next_index > read_int(account.get("nonce")),
            patience_blocks=self._get_constant("RevealBlocks") // PATIENCE_SHARE,
        )

    async def _look_at(self, record: SolutionRecord, block_hash: str) -> tuple[Side, ProblemState | None]:
        rpc = self.chain.rpc
        header = read_object(await rpc.call("chain_getHeader", block_hash))
        height = read_int(header.get("number"))
        answer = await rpc.call("problem_get", record.problem, block_hash)
        if answer is None:  # not posted yet in the final state
            return Side(height=height, status=OPEN, is_waiting=False), None
        state = msgspec.convert(answer, ProblemState)
        rows = await self.chain.query("Solutions", "Commits", record.problem, at=read_hex(block_hash))
        is_waiting = any(self._is_ours(record, row) for row in cast("list[Json]", rows))
        return Side(height=height, status=state.status, is_waiting=is_waiting), state

    def _is_ours(self, record: SolutionRecord, row: Json) -> bool:
        entry = read_object(row)
        return self.is_own_address(str(entry.get("account"))) and read_hex(entry.get("commitment")) == record.commitment

    async def _commit(self, record: SolutionRecord) -> None:
        deposit = await self.compute_deposit(record.problem)
        arguments: Mapping[str, object] = {
            "problem": record.problem,
            "commitment": "0x" + record.commitment.hex(),
        }
        call = self.chain.metadata.encode_call("Solutions", "commit", arguments)
        plan = Plan(call=call, spends=(("deposit", deposit),))
        receipt = await sign_and_submit(self.chain, plan, self._seed, self._how)
        amount = format_amount(deposit, self.chain.token_symbol, self.chain.token_decimals)
        self._say(f"problem {record.problem}: committed in block {receipt.block_number}, deposit {amount}")

    async def _reveal(self, record: SolutionRecord) -> Receipt:
        arguments: Mapping[str, object] = {
            "problem": record.problem,
            "salt": "0x" + record.salt.hex(),
            "energy": record.energy,
            "bits": "0x" + record.bits.hex(),
        }
        call = self.chain.metadata.encode_call("Solutions", "reveal", arguments)
        return await sign_and_submit(self.chain, Plan(call=call), self._seed, self._how)

    def is_own_address(self, address: str) -> bool:
        """Say whether an address is the account's."""
        return decode_address(address, prefix=self.chain.ss58_prefix)[0] == self.account

    async def compute_deposit(self, problem: int) -> int:
        """Return what the next commit to a problem holds."""
        rows = cast("list[Json]", await self.chain.query("Solutions", "Commits", problem))
        return self._get_constant("Deposit") << (len(rows) // self._get_constant("DepositStep"))

    def _get_constant(self, name: str) -> int:
        return read_int(cast("Json", self.chain.metadata.constant("Solutions", name)))
