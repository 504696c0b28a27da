"""Problems and Proof of Quantum Work for the RPC (`rpc.api.WorkApi`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chain.block import Block, encode_block
from chain.header import POW_ENGINE, Header, Seal, decode_header, make_sealed
from chain.scale import CodecError
from chain.ss58 import encode_address
from consensus.context import WorkContext
from consensus.digest import read_work
from node.batch_answers import get_solver, list_batches, list_solvers
from node.core.effects import BlockImported, BlockPostponed, BlockRefused
from node.core.events import BlockReceived
from node.core.importer import Importer
from node.driver import Driver
from node.miner import Miner
from node.problem_answers import get_problem, list_problems, list_solutions
from node.state_access import get_plain_state
from node.work_answers import describe_status, describe_template, replay_ticket
from rpc.api import Json
from rpc.errors import INVALID_WORK, UNKNOWN_BLOCK, RpcError, invalid_params
from runtime.issuance import compute_miner_reward
from runtime.problem_state import RECORDS
from runtime.storage import Overlay


class WorkService:
    """Answers about problems and mining."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @property
    def _importer(self) -> Importer:
        return self._driver.machine.importer

    def list_problems(self, block_hash: bytes, *, only_open: bool) -> Sequence[Mapping[str, Json]]:
        """Return the problems in a block's state, newest first."""
        importer = self._importer
        rows = list_problems(get_plain_state(importer, block_hash), importer.params, only_open=only_open)
        return [self._add_baseline(row) for row in rows]

    def get_problem(self, problem_id: int, block_hash: bytes) -> Mapping[str, Json] | None:
        """Return one problem with its Ising record, or None."""
        importer = self._importer
        row = get_problem(get_plain_state(importer, block_hash), problem_id, importer.params)
        return None if row is None else self._add_baseline(row)

    def _add_baseline(self, row: dict[str, Json]) -> dict[str, Json]:
        """Say what this node's annealing has found."""
        number = row["id"]
        assert isinstance(number, int)
        energy = self._driver.machine.desk.author.solutions.get_baseline(number)
        return {**row, "baselineEnergy": energy}

    def get_solutions(self, problem_id: int, block_hash: bytes) -> Sequence[Mapping[str, Json]]:
        """Return the solutions that blocks carried, best energy first."""
        importer = self._importer
        if not 0 <= problem_id < 2**64:
            return []
        problem = RECORDS.find(Overlay(get_plain_state(importer, block_hash)), problem_id)
        last = importer.head.number
        if problem is None:
            return []
        return list_solutions(importer.chain, problem, problem_id, last=last)

    def list_batches(
        self, block_hash: bytes, *, problem_id: int | None, solver: bytes | None, only_open: bool
    ) -> Sequence[Mapping[str, Json]]:
        """Return the batches of strikes in a block's state, newest first."""
        importer = self._importer
        view = get_plain_state(importer, block_hash)
        return list_batches(view, importer.params, problem_id=problem_id, solver=solver, only_open=only_open)

    def list_solvers(self, block_hash: bytes) -> Sequence[Mapping[str, Json]]:
        """Return who sells strikes, the best reputation first."""
        importer = self._importer
        return list_solvers(get_plain_state(importer, block_hash), importer.params)

    def get_solver(self, account: bytes, block_hash: bytes) -> Mapping[str, Json] | None:
        """Return one solver, or None."""
        importer = self._importer
        return get_solver(get_plain_state(importer, block_hash), account, importer.params)

    def get_work_status(self, block_hash: bytes) -> Mapping[str, Json]:
        """Return target, epoch and core problem of the block after this one."""
        return describe_status(self._get_context(self._get_header(block_hash), None), self._importer.params)

    def get_mining_status(self) -> Mapping[str, Json]:
        """Return what this node mines and how fast."""
        desk, miner = self._driver.machine.desk, self._driver.miner
        params = self._importer.params
        reward = compute_miner_reward(params.money, self._importer.head.number + 1)
        status: dict[str, Json] = {
            "mining": desk.account is not None,
            "author": None if desk.account is None else encode_address(desk.account, params.ss58_prefix),
            "sealing": desk.sealing.mode,
            "reward": str(reward),
        }
        template = desk.template
        if template is not None:
            status["problem"] = template.problem_id
            status["height"] = template.header.number
            status["coreStrikesPerTicket"] = template.job.repeats
            if template.problem_id is not None:
                best = desk.author.solutions.get(template.problem_id)
                status["bestEnergySeen"] = None if best is None else best.energy
        if isinstance(miner, Miner):
            status |= {
                "tickets": miner.tickets,
                "ticketsPerSecond": round(miner.tickets_per_second, 1),
                "strikesPerSecond": round(miner.strikes_per_second, 1),
            }
        return status

    async def get_work_template(self, author: bytes) -> Mapping[str, Json]:
        """Return an unsealed header and what is needed to search tickets for it elsewhere."""
        driver = self._driver
        return describe_template(await driver.run(lambda: driver.machine.make_template(author, driver.now_ms())))

    async def submit_work(self, header: bytes, seal: bytes) -> bytes:
        """Import the block of a template with a seal; return its hash.

        Raises:
            RpcError: no such template (any more), or the ticket does not win.
        """
        try:
            decoded = decode_header(header)
        except CodecError as error:
            raise invalid_params(f"the header does not decode: {error}") from error
        template = self._driver.machine.desk.find(decoded)
        if template is None:
            raise RpcError(INVALID_WORK, "Unknown template", "the head has moved; get a new template")
        sealed = make_sealed(template.header, Seal(engine=POW_ENGINE, data=seal))
        block = Block(header=sealed, extrinsics=template.extrinsics)
        for effect in await self._driver.take(BlockReceived(data=encode_block(block), origin="rpc")):
            match effect:
                case BlockImported():
                    return effect.hash
                case BlockRefused():
                    raise RpcError(INVALID_WORK, "Invalid work", f"{type(effect.error).__name__}: {effect.error}")
                case BlockPostponed():
                    raise RpcError(INVALID_WORK, "Postponed", effect.reason)
                case _:
                    continue
        raise AssertionError("the core answered neither yes nor no")

    def replay_seal(self, block_hash: bytes) -> Mapping[str, Json]:
        """Re-run the strikes of a block's ticket and return seeds, shots, energies and the verdict.

        Raises:
            RpcError: unknown block, genesis, or a parent whose state is pruned.
        """
        header = self._get_header(block_hash)
        if header.number == 0:
            raise invalid_params("block 0 was not mined")
        parent = self._get_header(header.parent_hash)
        context = self._get_context(parent, read_work(header).problem)
        return replay_ticket(header, context, self._importer.params)

    def _get_context(self, parent: Header, problem_id: int | None) -> WorkContext:
        view = get_plain_state(self._importer, parent.hash)
        return self._importer.runtime.get_work_context(view, parent, problem_id)

    def _get_header(self, block_hash: bytes) -> Header:
        header = self._importer.get_header(block_hash)
        if header is None:
            raise RpcError(UNKNOWN_BLOCK, "Unknown block", f"0x{block_hash.hex()}")
        return header
