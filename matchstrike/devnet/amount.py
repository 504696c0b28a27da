"""Amounts in network files: zombienet's integers of the smallest unit, or tokens as text."""

from __future__ import annotations

import re

from matchstrike.devnet.failure import BadNetworkFile

DECIMALS = 12
_TOKENS = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,12}))?")


def read_planck(value: int | str, where: str) -> int:
    """Return planck: an integer is planck already, a text is tokens, `"1.5"`.

    Raises:
        BadNetworkFile: it is no amount.
    """
    if isinstance(value, int):
        if value < 0:
            raise BadNetworkFile(f"{where}: {value} is no amount; it is negative")
        return value
    found = _TOKENS.fullmatch(value.replace("_", ""))
    if found is None:
        raise BadNetworkFile(
            f'{where}: {value!r} is no amount; write planck as a number, 1500000000000, or tokens as a text, "1.5"'
        )
    return int(found[1] + (found[2] or "").ljust(DECIMALS, "0"))
