"""From a header to its tickets: keys, seeds, ticket values, weight and the work of a block.

Every hash is blake2b-256 over a domain tag, which ends in a zero byte, and values of fixed width; integers are little
endian. Nothing here is random and nothing depends on a commitment of the miner: index i of a work key has one ticket.

Terms:
    work key: hash of the header without its seal; names author, parent, roots, problem, weight, target, time.
    repeats: the number r of core strikes in a ticket.
    pool ratio: the x that bounds what a shortcut on the pool strike is worth: at most a factor 1 + x.
"""

from __future__ import annotations

from hashlib import blake2b

from chain.header import Header, encode_header, make_unsealed
from chain.params import WorkParams
from consensus.digest import POOL_SHOTS_BYTES_MAX, read_seal
from consensus.errors import WeightTooLarge

TAG_WORK = b"matchstrike/work-key/1\x00"
TAG_SEED = b"matchstrike/seed/1\x00"
TAG_CORE = b"matchstrike/core/1\x00"
TAG_POOL = b"matchstrike/pool/1\x00"
TAG_CORE_SHOTS = b"matchstrike/core-shots/1\x00"
TAG_POOL_SHOTS = b"matchstrike/pool-shots/1\x00"
TAG_TICKET = b"matchstrike/ticket/1\x00"
TAG_LEAF = b"matchstrike/leaf/1\x00"


def compute_work_key(header: Header) -> bytes:
    """Return the work key of a header, sealed or not."""
    # SPEC WRK-09: The work key MUST be H(tag "work-key", SCALE of the header without its seal).
    return _hash(TAG_WORK, encode_header(make_unsealed(header)))


def compute_seed(work_key: bytes, index: int) -> bytes:
    """Return the seed of ticket `index`."""
    # SPEC WRK-10: The seed of ticket i MUST be H(tag "seed", work key, i as u64).
    return _hash(TAG_SEED, work_key + index.to_bytes(8, "little"))


def compute_core_strike_seed(seed: bytes, j: int) -> bytes:
    """Return the seed of core strike `j` of a ticket."""
    # SPEC WRK-11: Core strike j MUST run with the seed H(tag "core", seed, j as u64), j from 0.
    return _hash(TAG_CORE, seed + j.to_bytes(8, "little"))


def compute_pool_strike_seed(seed: bytes) -> bytes:
    """Return the seed of the pool strike of a ticket."""
    # SPEC WRK-12: The pool strike MUST run with the seed H(tag "pool", seed).
    return _hash(TAG_POOL, seed)


def compute_core_hash(core_shots: bytes) -> bytes:
    """Return the hash of the packed shots of all core strikes, strike 0 first."""
    # SPEC WRK-13: The core hash MUST be H(tag "core-shots", packed shots of core strikes 0 to r - 1 in turn).
    return _hash(TAG_CORE_SHOTS, core_shots)


def compute_ticket(seed: bytes, core_hash: bytes, pool_shots: bytes) -> int:
    """Return the value of a ticket, 0..2^256 - 1."""
    # SPEC WRK-14: A ticket MUST be H(tag "ticket", seed, core hash, H(tag "pool-shots", packed pool shots)) read as a
    # little-endian integer; without a pool problem the pool shots are empty.
    return int.from_bytes(_hash(TAG_TICKET, seed + core_hash + _hash(TAG_POOL_SHOTS, pool_shots)), "little")


def make_leaf(index: int, pool_shots: bytes) -> bytes:
    """Return the leaf of a pool strike in a batch, 32 bytes."""
    # SPEC BAT-04: Leaf i of a batch MUST be H(tag "leaf", i as u64, packed pool shots of strike i).
    return _hash(TAG_LEAF, index.to_bytes(8, "little") + pool_shots)


def compute_header_ticket(header: Header) -> int:
    """Return the value of the ticket that a sealed header claims; its shots are not judged.

    Raises:
        SealMissing: the header is not sealed; SealMalformed.
    """
    seal = read_seal(header)
    return compute_ticket(compute_seed(compute_work_key(header), seal.index), seal.core_hash, seal.pool_shots)


def compute_repeats(core_gas: int, pool_gas: int, ratio: tuple[int, int]) -> int:
    """Return how many core strikes a ticket has.

    Args:
        core_gas: Gas limit of one core strike, positive.
        pool_gas: Gas limit of the pool strike, 0 without one.
        ratio: The x as numerator and denominator.
    """
    numerator, denominator = ratio
    # SPEC WRK-15: The number r of core strikes MUST be max(1, ceil(pool gas / (x * core gas))), in integers.
    return max(1, -(-pool_gas * denominator // (numerator * core_gas)))


def compute_weight(core_gas: int, pool_gas: int, params: WorkParams) -> int:
    """Return the weight of a ticket: the most gas that it can use.

    Raises:
        WeightTooLarge: the ticket is dearer than the chain accepts.
    """
    weight = compute_repeats(core_gas, pool_gas, params.pool_ratio) * core_gas + pool_gas
    # SPEC WRK-08: The weight of a ticket MUST NOT exceed ticket_gas_max.
    if weight > params.ticket_gas_max:
        raise WeightTooLarge(f"a ticket of {weight} gas; at most {params.ticket_gas_max} are allowed")
    return weight


def compute_ticket_gas(core_used: int, pool_used: int, ratio: tuple[int, int]) -> int:
    """Return the gas used by a ticket.

    Args:
        core_used: Gas used by its core strikes, together.
        pool_used: Gas used by its pool strike, 0 without one.
        ratio: The x as numerator and denominator.
    """
    numerator, denominator = ratio
    # SPEC WRK-23: The gas used by a ticket MUST be what its core strikes used plus what its pool strike used, the
    # latter at most x times the former, rounded down.
    return core_used + min(pool_used, core_used * numerator // denominator)


def is_win(value: int, target: int, gas: int) -> bool:
    """Return whether a ticket that used so much gas wins."""
    # SPEC SEAL-07: The ticket MUST be below target * the gas that it used.
    return value < target * gas


def is_poolable(core_gas: int, pool_gas: int, qubits: int, params: WorkParams) -> bool:
    """Return whether a problem of this gas and size may be struck; otherwise it is bounty only."""
    if compute_shots_bytes(qubits, params.shots) > POOL_SHOTS_BYTES_MAX:
        return False
    repeats = compute_repeats(core_gas, pool_gas, params.pool_ratio)
    return repeats * core_gas + pool_gas <= params.ticket_gas_max


def compute_shots_bytes(qubits: int, shots: int) -> int:
    """Return the length of one strike's packed shots."""
    return shots * ((qubits + 7) // 8)


def compute_block_work(target: int) -> int:
    """Return the gas that a block of this target takes on average."""
    # SPEC TGT-09: The work of a block MUST be floor(2^256 / (target + 1)).
    return 2**256 // (target + 1)


def _hash(tag: bytes, data: bytes) -> bytes:
    return blake2b(tag + data, digest_size=32).digest()
