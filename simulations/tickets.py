"""Who finds a winning ticket when: by the real engine on small chains, or by a model with the same statistics.

A ticket wins with probability target * gas used / 2^256, whatever came before. So the time to a winning ticket of a
miner with a given power is exponential, and a new template changes nothing about the time still to wait. The model
draws this time; its seal is a keyed hash that only the world's lottery makes, checked where a node re-runs strikes.
Weight, target, timestamps and fork choice are the real code in both.

Terms:
    power: gas per millisecond that a miner runs.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b, shake_128
from typing import Protocol

import msgspec
from msgspec.structs import replace

from chain.header import Header
from chain.params import WorkParams
from consensus.context import WorkContext
from consensus.digest import WorkSeal, read_seal
from consensus.errors import WrongCoreShots
from consensus.seal import CheckedHeader, check_seal, make_checked_header
from consensus.ticket import TicketJob, make_ticket_job, run_ticket, search_tickets
from consensus.work import compute_seed, compute_shots_bytes, compute_ticket
from simulations.chance import Chance

TICKETS_PER_DRAW = 64
TICKETS_ESTIMATED = 32


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """What a miner finds next.

    Attributes:
        delay_ms: When.
        seal: The winning ticket; None if the search goes on.
        next_index: Where the search goes on.
    """

    delay_ms: float
    seal: WorkSeal | None
    next_index: int


class Lottery(Protocol):
    """Decides who finds a ticket when, and proves it."""

    def check_seal(self, header: Header, context: WorkContext, params: WorkParams) -> CheckedHeader:
        """Return the header with its ticket proven, or raise InvalidBlock."""

    def draw(self, job: TicketJob, miner: str, power: float, start: int) -> Draw:
        """Return what a miner finds next for a job, from the ticket `start` on."""

    def draw_delay_ms(self, miner: str, power: float, mean_gas: float) -> float:
        """Return when a miner finds a ticket, without a job."""


class RealLottery:
    """Runs every strike."""

    def __init__(self, chance: Chance) -> None:
        """Need no chance: the strikes decide."""

    def check_seal(self, header: Header, context: WorkContext, params: WorkParams) -> CheckedHeader:
        """Return the header with its ticket re-run."""
        return check_seal(header, context, params)

    def draw(self, job: TicketJob, miner: str, power: float, start: int) -> Draw:
        """Return what a miner finds among the next tickets."""
        result = search_tickets(job, start, TICKETS_PER_DRAW)
        delay_ms = result.tickets * estimate_gas_used(replace(job, work_key=bytes(32), target=0)) / power
        return Draw(delay_ms=delay_ms, seal=result.win, next_index=start + result.tickets)

    def draw_delay_ms(self, miner: str, power: float, mean_gas: float) -> float:
        """Refuse: only strikes decide."""
        raise NotImplementedError("the real lottery finds tickets for a job only")


class ModelLottery:
    """Draws the time to a winning ticket, and seals with a secret of the world."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._secret = chance.get_stream("lottery", "secret").randbytes(32)
        self._proven: dict[bytes, CheckedHeader] = {}

    def draw(self, job: TicketJob, miner: str, power: float, start: int) -> Draw:
        """Return when a miner finds a winning ticket."""
        delay_ms = self.draw_delay_ms(miner, power, compute_mean_gas(job))
        index = self._chance.get_stream("lottery", miner).getrandbits(63)
        return Draw(delay_ms=delay_ms, seal=self.make_seal(job, index), next_index=0)

    def draw_delay_ms(self, miner: str, power: float, mean_gas: float) -> float:
        """Return when a miner finds a ticket, if so much gas finds one on average."""
        return self._chance.get_stream("lottery", miner).expovariate(power / mean_gas)

    def make_seal(self, job: TicketJob, index: int) -> WorkSeal:
        """Return the seal that says that the lottery gave this ticket."""
        return self.seal_shots(job, index, self.make_pool_shots(job, index))

    def make_pool_shots(self, job: TicketJob, index: int) -> bytes:
        """Return what stands for the shots of a ticket's pool strike."""
        size = compute_shots_bytes(job.pool.problem.n, job.shots) if job.pool is not None else 0
        return shake_128(b"model pool" + job.work_key + index.to_bytes(8, "little")).digest(size)

    def seal_shots(self, job: TicketJob, index: int, pool_shots: bytes) -> WorkSeal:
        """Return the seal of a ticket with these pool shots."""
        mark = job.work_key + index.to_bytes(8, "little")
        core_hash = blake2b(b"model core" + mark + pool_shots, digest_size=32, key=self._secret).digest()
        return WorkSeal(index=index, core_hash=core_hash, pool_shots=pool_shots)

    def check_seal(self, header: Header, context: WorkContext, params: WorkParams) -> CheckedHeader:
        """Return the header if its seal comes from this lottery.

        Raises:
            WrongCoreShots: it does not.
        """
        checked = self._proven.get(header.hash)  # the context follows from the parent, the parent from the hash
        if checked is None:
            checked = self._proven[header.hash] = self.check_shots(header, context, params, None)
        return checked

    def check_shots(
        self, header: Header, context: WorkContext, params: WorkParams, pool_shots: bytes | None
    ) -> CheckedHeader:
        """Return the header if this lottery seals it with these pool shots, None: with those that it makes.

        Raises:
            WrongCoreShots: it does not.
        """
        job = make_ticket_job(header, context, params)
        seal = read_seal(header)
        shots = self.make_pool_shots(job, seal.index) if pool_shots is None else pool_shots
        expected = self.seal_shots(job, seal.index, shots)
        if seal != expected:
            raise WrongCoreShots(expected.core_hash, seal.core_hash)
        ticket = compute_ticket(compute_seed(job.work_key, seal.index), seal.core_hash, seal.pool_shots) % job.limit
        return make_checked_header(header, ticket)


@lru_cache(maxsize=64)
def estimate_gas_used(job: TicketJob) -> float:
    """Return what a ticket like these uses, the mean of some."""
    return sum(run_ticket(job, index).gas for index in range(TICKETS_ESTIMATED)) / TICKETS_ESTIMATED


def compute_mean_gas(job: TicketJob) -> float:
    """Return the mean gas to a winning ticket."""
    return 2.0**256 / job.target


def compute_total_power(params: WorkParams) -> float:
    """Return the power of all miners together that makes a block each block target at the initial target."""
    return params.ticket_gas_max * params.target_initial_divisor / params.block_target_ms
