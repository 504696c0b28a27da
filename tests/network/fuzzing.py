"""A seeded mutation fuzzer: changes known inputs, keeps changes that made a parser behave in a new way, goes on.

A new way is a new error, told by its class and the line that raised it, or a new shape of result. A failure names the
target, the seed, the round and the input in hexadecimal; the input alone repeats it.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Hashable, Sequence
from random import Random

import msgspec

INPUT_BYTES_MAX = 4_096
CORPUS_MAX = 2_000
_EDGES = (0, 1, 0x7F, 0x80, 0xFF)
_WORDS = (b"\xff\xff\xff\xff", b"\x00\x04\x00\x00", b"\x80\x80\x80\x80\x01", b"\xff" * 9 + b"\x01", bytes(12))


class FuzzFailure(AssertionError):
    """A parser let out what it must not, or broke an invariant."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One parser.

    Attributes:
        seeds: Inputs that it takes.
        check: Parses an input and checks what must hold; returns the shape of the result. Raises an own error for an
            input that is refused, and anything else for a fault.
        errors: Its own errors.
    """

    name: str
    seeds: tuple[bytes, ...]
    check: Callable[[bytes], Hashable]
    errors: tuple[type[Exception], ...]


class FuzzFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did."""

    name: str
    rounds: int
    ways: int
    corpus: int
    cpu_s: float


def probe(target: Target, data: bytes) -> Hashable:
    """Return in which way the parser took the input.

    Raises:
        Exception: whatever is not its own error.
    """
    try:
        return target.check(data)
    except target.errors as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return (type(error).__name__, last.filename, last.lineno)


def mutate(chance: Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    """Return the input with one to eight changes."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        spot, size = chance.randrange(len(out) + 1), chance.randrange(1, 17)
        match chance.randrange(9):
            case 0 if out:
                out[spot % len(out)] ^= 1 << chance.randrange(8)
            case 1 if out:
                out[spot % len(out)] = chance.choice(_EDGES)
            case 2 if out:
                out[spot % len(out)] = (out[spot % len(out)] + chance.choice((-1, 1))) % 256
            case 3:
                del out[spot : spot + size]
            case 4:
                out[spot:spot] = chance.randbytes(size)
            case 5:
                out[spot:spot] = out[spot : spot + 4 * size]
            case 6:
                other = chance.choice(corpus)
                start = chance.randrange(len(other) + 1)
                out[spot:] = other[start:]
            case 7:
                out[spot : spot + len(word)] = (word := chance.choice(_WORDS))
            case 8:
                out += chance.choice(corpus)
    return bytes(out[:INPUT_BYTES_MAX])


def run_fuzz(target: Target, *, seed: int, cpu_s: float, rounds_max: int = 1 << 60) -> FuzzFigures:
    """Fuzz until the CPU time is used up or the rounds are done.

    Raises:
        FuzzFailure: with all that repeats it.
    """
    chance = Random(f"{target.name} {seed}")
    corpus, began, rounds = list(target.seeds), time.process_time(), 0
    ways: set[Hashable] = set()
    while rounds < rounds_max and (rounds % 64 or time.process_time() - began < cpu_s):
        is_seed = rounds < len(target.seeds)
        data = target.seeds[rounds] if is_seed else mutate(chance, chance.choice(corpus), corpus)
        try:
            way = probe(target, data)
        except Exception as error:
            raise FuzzFailure(
                f"{target.name}: seed {seed}, round {rounds}, input {data.hex() or 'empty'}: {error!r}"
            ) from error
        rounds += 1
        if way not in ways:
            ways.add(way)
            if len(corpus) < CORPUS_MAX and not is_seed:
                corpus.append(data)
    used = round(time.process_time() - began, 1)
    return FuzzFigures(name=target.name, rounds=rounds, ways=len(ways), corpus=len(corpus), cpu_s=used)
