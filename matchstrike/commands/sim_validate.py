"""`matchstrike sim validate`: the simulator reproduces known results before it is believed."""

from __future__ import annotations

from time import process_time

import click
import msgspec

from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.session import console, emit, output_option
from rpc.api import Json
from simulations.validate import MEASUREMENTS, measure_all
from simulations.validation import ERRORS_MAX, Row

HEADING = ("table", "case", "expected", "measured", "std error", "off by", "runs")


@click.command("validate")
@click.option("--seed", default=1, show_default=True, help="The seed; the same one gives the same table.")
@click.option(
    "--scale",
    type=click.FloatRange(min=0.02, max=100.0),
    default=1.0,
    show_default=True,
    help="Multiplies the number of runs.",
)
@click.option("--only", multiple=True, type=click.Choice(sorted(MEASUREMENTS)), help="Only these results.")
@output_option
def validate(seed: int, scale: float, only: tuple[str, ...], output: str) -> None:
    """Reproduce known results; exit code 1 if one is not met within three standard errors."""
    begin = process_time()
    rows: list[Row] = []
    with console.status("measuring") as status:
        for row in measure_all(seed, scale=scale, names=only):
            rows.append(row)
            status.update(f"{len(rows)} results, last {row.table}, {row.case}")
    seconds = process_time() - begin
    failed = [row for row in rows if not row.is_passed]
    blocks = sum(row.blocks for row in rows)
    told: Json = {
        "seed": seed,
        "scale": scale,
        "blocks": blocks,
        "passed": not failed,
        "rows": [{**msgspec.to_builtins(row), "passed": row.is_passed} for row in rows],
    }
    rate = f"{blocks:,} blocks, {seconds:.1f} s of CPU time, {blocks / seconds:,.0f} blocks a second"
    verdict = "all within three standard errors" if not failed else f"{len(failed)} of {len(rows)} are off"
    emit(told, "\n".join([*format_rows(rows), rate, verdict]), output)
    if failed:
        cases = "; ".join(f"{row.table}, {row.case}" for row in failed)
        raise CommandFailed(f"not within {ERRORS_MAX:g} standard errors: {cases}")


def format_rows(rows: list[Row]) -> list[str]:
    """Return the table, a line each."""
    cells = [HEADING, *(_format_row(row) for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(HEADING))]
    return [
        "  ".join(_pad(index, cell, width) for index, (cell, width) in enumerate(zip(line, widths, strict=True)))
        for line in cells
    ]


def _pad(index: int, cell: str, width: int) -> str:
    return cell.ljust(width) if index < 2 else cell.rjust(width)


def _format_row(row: Row) -> tuple[str, ...]:
    off = row.measured - row.expected
    score = "0" if off == 0 else "fails" if row.standard_error == 0 else f"{off / row.standard_error:+.1f} se"
    numbers = (f"{row.expected:.5g}", f"{row.measured:.5g}", f"{row.standard_error:.2g}")
    return (row.table, row.case, *numbers, score if row.is_passed else f"{score} FAILS", str(row.samples))
