"""Mortal eras: for how long a signed extrinsic may be included.

Source: sp_runtime::generic::Era. An immortal era is one zero byte; a mortal one two bytes, period and phase.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from chain.scale import CodecError, UnexpectedEnd


class InvalidEra(CodecError):
    """Two bytes that are no mortal era."""

    rule: ClassVar[str] = "EXT-05"


class Era(msgspec.Struct, frozen=True, kw_only=True):
    """Period and phase in blocks; period 0 is immortal."""

    period: int = 0
    phase: int = 0

    @property
    def is_immortal(self) -> bool:
        """True if the extrinsic never expires."""
        return self.period == 0


IMMORTAL = Era()
_PERIODS = frozenset(1 << power for power in range(2, 17))


def make_era(period: int, current: int) -> Era:
    """Return the mortal era of about `period` blocks that begins at block `current`."""
    rounded = min(max(1 << max(period - 1, 0).bit_length(), 4), 65536)
    quantum = max(rounded >> 12, 1)
    return Era(period=rounded, phase=current % rounded // quantum * quantum)


def choose_birth(period: int, *, best: int, final: int) -> int:
    """Return the block at which an extrinsic should be born: the final one, whose hash every branch has, if it is near.

    A signature covers the hash of that block; one that is born at the best block is void on every branch without it.
    """
    return final if best - final <= period // 2 else best


def compute_birth(era: Era, current: int) -> int:
    """Return the block at which an extrinsic seen at block `current` was born (0 if immortal)."""
    if era.is_immortal:
        return 0
    return (max(current, era.phase) - era.phase) // era.period * era.period + era.phase


def compute_death(era: Era, current: int) -> int | None:
    """Return the first block that may no longer include the extrinsic, None if immortal."""
    return None if era.is_immortal else compute_birth(era, current) + era.period


def encode_era(era: Era) -> bytes:
    """Return one byte for immortal, two for mortal.

    Raises:
        InvalidEra: a period or phase that has no bytes; `make_era` gives only such that have.
    """
    if era == IMMORTAL:
        return b"\x00"
    quantum = max(era.period >> 12, 1)
    if era.period not in _PERIODS or not 0 <= era.phase < era.period or era.phase % quantum:
        raise InvalidEra(f"no era has the period {era.period} and the phase {era.phase}")
    code = min(max(era.period.bit_length() - 2, 1), 15) | (era.phase // quantum) << 4
    return code.to_bytes(2, "little")


def decode_era(data: bytes, start: int) -> tuple[Era, int]:
    """Return the era at `start` and where it ends.

    Raises:
        InvalidEra: phase not below period, or a period code that is not canonical.
        UnexpectedEnd: the bytes end inside it.
    """
    if start >= len(data):
        raise UnexpectedEnd("the bytes end before an era")
    if data[start] == 0:
        return IMMORTAL, start + 1
    if start + 2 > len(data):
        raise UnexpectedEnd("the bytes end inside an era")
    code = int.from_bytes(data[start : start + 2], "little")
    period = 2 << (code & 15)
    phase = (code >> 4) * max(period >> 12, 1)
    # SPEC EXT-05: A mortal era MUST have a period of 4 to 65536 blocks and a phase below its period.
    if period < 4 or phase >= period:
        raise InvalidEra(f"no era has the code {code:#06x}")
    return Era(period=period, phase=phase), start + 2
