"""Amounts of money as people write them."""

from __future__ import annotations

import re

import click

PLANCK = re.compile(r"^[0-9]{1,39}$")
TOKENS = re.compile(r"^([0-9]{1,20})(?:\.([0-9]{1,12}))?$")


class AmountType(click.ParamType[int]):
    """Tokens (`1.5`), or planck with the suffix `planck`; always an exact integer of planck."""

    name = "amount"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return planck."""
        if isinstance(value, int):
            return value
        try:
            return read_amount(str(value))
        except ValueError as error:
            raise click.BadParameter(str(error), ctx=ctx, param=param) from error


AMOUNT = AmountType()


def read_amount(text: str, decimals: int = 12) -> int:
    """Return an amount in planck.

    Raises:
        ValueError: it is no amount; says how to write one.
    """
    if text.endswith("planck") and PLANCK.match(text.removesuffix("planck").strip()):
        return int(text.removesuffix("planck"))
    found = TOKENS.match(text)
    if not found:
        raise ValueError(
            f"{text!r} is no amount; write tokens like 1.5 with at most {decimals} decimals, or 1500planck"
        )
    whole, part = found[1], found[2] or ""
    return int(whole + part.ljust(decimals, "0"))


def format_amount(planck: int, symbol: str, decimals: int = 12) -> str:
    """Return an amount in tokens, without zeros at the end."""
    whole, part = divmod(abs(planck), 10**decimals)
    digits = f"{part:0{decimals}d}".rstrip("0")
    sign = "-" if planck < 0 else ""
    return f"{sign}{whole:,}{'.' + digits if digits else ''} {symbol}"
