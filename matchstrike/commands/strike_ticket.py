"""`matchstrike strike ticket`: read a block's header and its parent's state from a node, and run its ticket here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, cast

import click
import msgspec

from chain.header import Digest, Header, decode_digest_item
from chain.params import Params, WorkParams
from consensus.context import WorkContext
from consensus.digest import read_work
from consensus.errors import InvalidBlock
from matchstrike.commands.engine_choice import check_engine_holds, engine_option
from matchstrike.commands.failure import FAILED, USAGE, CommandFailed
from matchstrike.commands.session import emit, not_found, output_option, run, url_option
from matchstrike.commands.ticket_report import ticket_to_json, ticket_to_text
from matchstrike.commands.ticket_run import Engine, TicketRun, TicketTooHeavy, run_block_ticket
from rpc.api import Json
from runtime.belief_state import BELIEFS
from runtime.pallets.timestamp import NOW
from runtime.pallets.work import EPOCH_TICKETS, NEXT_TARGET, RECENT_TIMESTAMPS
from runtime.problem_state import INSTANCES, RECORDS
from runtime.storage import Overlay, ValueMissing
from runtime.work_context import make_work_context
from vm.law import InvalidLaw
from vm.problem import InvalidProblem
from vm.schedule import InvalidOrder
from vm.strike import RegisterTooLarge
from wallet.chain_client import ChainClient, UnexpectedAnswer, open_chain, read_hex, read_int, read_object

BEST = "best"
Ratio = tuple[Annotated[int, msgspec.Meta(ge=1)], Annotated[int, msgspec.Meta(ge=1)]]


class ReadState:
    """The few values of a state that a ticket depends on, read beforehand."""

    def __init__(self, values: Mapping[bytes, bytes | None]) -> None:
        self._values = values

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a storage key that was read, None if there is none."""
        return self._values[key]

    def iterate(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Refuse: only single values were read."""
        raise NotImplementedError("single values only")


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """All that a node is asked for."""

    header: Header
    context: WorkContext
    params: WorkParams
    ss58_prefix: int


@click.command()
@click.argument("block", default=BEST)
@engine_option
@url_option
@output_option
def ticket(block: str, engine: Engine, url: str, output: str) -> None:
    """Run the whole winning ticket of BLOCK again: a height, a 0x hash, or the best block.

    The node is asked for the header and for values of its parent's state. The hashes and every strike, those on the
    chain's core problem and the one on the customer's, are computed here.
    """
    check_block_name(block)
    case = run(_read_case(block, url))
    done = _run(case, engine)
    text = ticket_to_text(done, ss58_prefix=case.ss58_prefix) if output == "text" else ""
    emit(ticket_to_json(done, engine=engine, ss58_prefix=case.ss58_prefix), text, output)
    if not done.holds:
        broken = ", ".join(check.rule for check in done.checks if not check.holds)
        raise CommandFailed(f"the ticket of block {done.header.number} does not hold: {broken}", FAILED)


def check_block_name(name: str) -> None:
    """Refuse what is neither a height nor a hash.

    Raises:
        CommandFailed: says how to write one.
    """
    is_height = name.isascii() and name.isdecimal() and int(name) < 2**32
    is_hash = len(name) == 66 and name.startswith("0x") and not set(name[2:].lower()) - set("0123456789abcdef")
    if not (is_height or is_hash or name == BEST):
        raise CommandFailed(f"{name[:80]!r} is no block: write a height, or 0x and 64 hexadecimal digits", USAGE)


def _run(case: Case, engine: Engine) -> TicketRun:
    pool = case.context.pool
    if pool is not None:
        check_engine_holds(engine, pool.problem)
    try:
        return run_block_ticket(case.header, case.context, case.params, engine)
    except (InvalidBlock, TicketTooHeavy, RegisterTooLarge, InvalidOrder, InvalidLaw) as error:
        name = f"block {case.header.number}"
        raise CommandFailed(f"the ticket of {name} does not hold: {type(error).__name__}: {error}") from error


async def _read_case(block: str, url: str) -> Case:
    async with open_chain(url) as chain:
        header = await read_header(chain, await _find_hash(chain, block))
        if header.number == 0:
            raise CommandFailed("block 0 was made, not mined: it has no ticket")
        parent = await read_header(chain, header.parent_hash)
        params = await _read_params(chain, parent)
        try:
            problem_id = read_work(header).problem
            view = ReadState(await _read_values(chain, parent, params, problem_id))
            context = make_work_context(Overlay(view), parent, problem_id, Params(work=params), chain.genesis_hash)
        except InvalidBlock as error:
            raise CommandFailed(f"block {header.number} is malformed: {type(error).__name__}: {error}") from error
        except (ValueMissing, InvalidProblem, InvalidLaw) as error:
            raise UnexpectedAnswer(f"the node's state of block {parent.number} makes no sense: {error}") from error
        return Case(header=header, context=context, params=params, ss58_prefix=chain.ss58_prefix)


async def _find_hash(chain: ChainClient, block: str) -> bytes:
    if block.startswith("0x"):
        return bytes.fromhex(block[2:])
    answer = await chain.rpc.call("chain_getBlockHash", *([] if block == BEST else [int(block)]))
    if answer is None:
        raise not_found(f"there is no block {block}; the best one is {await chain.get_best_number()}")
    return read_hex(answer)


async def read_header(chain: ChainClient, block_hash: bytes) -> Header:
    """Return the header with a hash, which is computed again here: nothing in it can be invented."""
    answer = await chain.rpc.call("chain_getHeader", "0x" + block_hash.hex())
    if answer is None:
        raise not_found(f"the node knows no block 0x{block_hash.hex()}")
    fields = read_object(answer)
    logs = read_object(fields.get("digest")).get("logs")
    if not isinstance(logs, list):
        raise UnexpectedAnswer("the node answered a header without log items")
    header = Header(
        parent_hash=read_hex(fields.get("parentHash")),
        number=read_int(fields.get("number")),
        state_root=read_hex(fields.get("stateRoot")),
        extrinsics_root=read_hex(fields.get("extrinsicsRoot")),
        digest=Digest(logs=tuple(decode_digest_item(read_hex(item)) for item in logs)),
    )
    if header.hash != block_hash:
        raise UnexpectedAnswer(f"the node answered another header than that of 0x{block_hash.hex()}")
    return header


async def _read_params(chain: ChainClient, parent: Header) -> WorkParams:
    """Return the chain's numbers: constants of its metadata, and the pool ratio, which only `work_status` tells."""
    status = read_object(await chain.rpc.call("work_status", "0x" + parent.hash.hex()))
    names = ("CoreQubits", "Shots", "EpochBlocks", "TicketGasMax")
    numbers = [read_int(cast("Json", chain.metadata.constant("Work", name))) for name in names]
    try:
        ratio = msgspec.convert(status.get("poolRatio"), Ratio)
    except msgspec.ValidationError as error:
        raise UnexpectedAnswer(f"the node answered no pool ratio: {error}") from error
    if min(numbers) < 1:
        raise UnexpectedAnswer(f"the node's metadata have {numbers} for {', '.join(names)}")
    return WorkParams(
        core_qubits=numbers[0],
        shots=numbers[1],
        epoch_blocks=numbers[2],
        ticket_gas_max=numbers[3],
        pool_ratio=ratio,
    )


async def _read_values(
    chain: ChainClient, parent: Header, params: WorkParams, problem_id: int | None
) -> dict[bytes, bytes | None]:
    """Return the parent's values on which the ticket depends."""
    keys = [NOW.key, RECENT_TIMESTAMPS.key, NEXT_TARGET.key]
    epoch = (parent.number + 1) // params.epoch_blocks
    if epoch >= 2:
        keys.append(EPOCH_TICKETS.key_of(epoch - 2))
    if problem_id is not None:
        keys += [RECORDS.key_of(problem_id), INSTANCES.key_of(problem_id), BELIEFS.key_of(problem_id)]
    values: dict[bytes, bytes | None] = {}
    for key in keys:
        answer = await chain.rpc.call("state_getStorage", "0x" + key.hex(), "0x" + parent.hash.hex())
        values[key] = None if answer is None else read_hex(answer)
    return values
