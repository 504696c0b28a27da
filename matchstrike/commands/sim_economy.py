"""`matchstrike sim economy`: years of the chain's money, on windows of real blocks."""

from __future__ import annotations

from collections.abc import Callable

import click
import msgspec

from genesis.presets import load_chain_spec
from matchstrike.commands.session import console, emit, output_option
from matchstrike.commands.sim_settings import read_settings
from simulations.arena import UnknownOption
from simulations.economy import DEFAULTS, MEANINGS, AgeRow, EconomyReport, make_economy_options, play_economy
from simulations.economy_window import TooFewTokens

OPTIONS_HELP = "An option: " + "; ".join(f"{name}={DEFAULTS[name]:g} ({MEANINGS[name]})" for name in DEFAULTS) + "."
TABLE: tuple[tuple[str, str, Callable[[AgeRow], float]], ...] = (
    ("supply, million tokens", "{:.2f}", lambda row: row.supply / 1e6),
    ("inflation a year", "{:.2%}", lambda row: row.inflation),
    ("issued a block", "{:.3f}", lambda row: row.reward),
    ("security budget, million tokens a year", "{:.2f}", lambda row: row.security / 1e6),
    ("  in dollars at the price", "{:,.0f}", lambda row: row.security_usd),
    ("cores at work", "{:.0f}", lambda row: row.cores),
    ("miners at work", "{:.0f}", lambda row: row.miners),
    ("break-even cost of mining, tokens a core-hour", "{:.3f}", lambda row: row.income),
    ("  in dollars at the price", "{:.4f}", lambda row: row.income_usd),
    ("fees a block", "{:.5f}", lambda row: row.fees),
    ("burnt a block", "{:.5f}", lambda row: row.fee_burn),
    ("burnt of what is issued", "{:.3%}", lambda row: row.burn_share),
    ("multiplier of fees", "{:.3f}", lambda row: row.fee_multiplier),
    ("problems closed", "{:.0f}", lambda row: row.deals),
    ("  solved", "{:.0f}", lambda row: row.solved),
    ("  with strikes sold", "{:.0f}", lambda row: row.sampled),
    ("break-even value of posting, tokens", "{:.4f}", lambda row: row.posting),
    ("outlay where nobody solves, tokens", "{:.5f}", lambda row: row.posting_fees),
    ("staked", "{:.1%}", lambda row: row.staked),
    ("yield of validators a year", "{:.2%}", lambda row: row.yield_),
    ("verification, millionths of the strikes' CPU time", "{:.2f}", lambda row: 1e6 * row.verification),
)


@click.command("economy")
@click.option("--chain", default="testnet", show_default=True, help="A preset or chain spec, for its numbers.")
@click.option("--seed", default=1, show_default=True, help="The seed; the same one gives the same figures.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=OPTIONS_HELP)
@output_option
def economy(chain: str, seed: int, settings: tuple[str, ...], output: str) -> None:
    """Run real blocks at several ages of a chain, and tell what mining, posting and validating are worth."""
    try:
        options = make_economy_options(read_settings(settings))
    except UnknownOption as error:
        raise click.UsageError(str(error)) from error
    params = load_chain_spec(chain).params
    try:
        with console.status("beginning") as status:
            report = play_economy(chain, params, seed, options, lambda age: status.update(f"blocks of year {age}"))
    except TooFewTokens as error:
        raise click.UsageError(str(error)) from error
    emit(msgspec.to_builtins(report), "\n".join(format_economy(report)), output)


def format_economy(report: EconomyReport) -> list[str]:
    """Return the table, a column for each age."""
    width = max(len(name) for name, _, _ in TABLE)
    lines = [f"{'year':<{width}}" + "".join(f"{row.age:>12}" for row in report.rows)]
    lines += [
        f"{name:<{width}}" + "".join(f"{form.format(get(row)):>12}" for row in report.rows) for name, form, get in TABLE
    ]
    lines.append(f"the reward halves in {report.half_life_years:.2f} years of {report.blocks_a_year:,.0f} blocks")
    return lines
