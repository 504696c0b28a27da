"""What commands that run strikes are told: a seed, an angle law, a measurement order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import msgspec
from rich.progress import Progress

from matchstrike.commands.failure import FAILED, CommandFailed
from matchstrike.commands.posting import ORDER_SEED
from matchstrike.commands.regular_file import read_regular_file
from matchstrike.commands.session import console
from vm.law import DEPTH_MAX, AngleLaw, InvalidLaw, check_law
from vm.order import OrderProgress, anneal_order
from vm.problem import IsingProblem
from vm.schedule import InvalidOrder, check_order

FILE_BYTES_MAX = 2**20
SHOTS_MAX = 2**16

F = TypeVar("F", bound=Callable[..., object])


class SeedType(click.ParamType[bytes]):
    """A seed of 32 bytes in hexadecimal, with or without 0x."""

    name = "hex"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Return the bytes."""
        text = str(value).strip().removeprefix("0x")
        try:
            seed = bytes.fromhex(text)
        except ValueError:
            seed = b""
        if len(seed) != 32:
            self.fail(
                f"a seed is 32 bytes, written as 64 hexadecimal digits; here are {len(text)} characters", param, ctx
            )
        return seed


def add_circuit_options(function: F) -> F:
    """Add FILE, `--depth`, `--seed` and `--law`: the circuits of a problem whose strikes a seed gives."""
    for add in (
        click.option("--law", "law_file", type=click.Path(path_type=Path), help="Angle law, JSON [published angles]."),
        click.option("--seed", type=SeedType(), required=True, metavar="HEX", help="The seed: 64 hexadecimal digits."),
        click.option("--depth", type=click.IntRange(1, DEPTH_MAX), required=True, help="Layers of the circuit."),
        click.argument("file", type=click.Path(path_type=Path)),
    ):
        function = add(function)
    return function


class _LawFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An angle law as people write it; the record of the vm accepts nothing less."""

    gamma_means: tuple[int, ...]
    gamma_widths: tuple[int, ...]
    beta_means: tuple[int, ...]
    beta_widths: tuple[int, ...]
    field_width: int
    mixer_width: int


def find_order(problem: IsingProblem, depth: int) -> tuple[int, ...]:
    """Return the order that `problem post` finds, with progress shown."""
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("annealing the measurement order", total=1)

        def show(news: OrderProgress) -> None:
            progress.update(task, total=news.total, completed=news.done)

        return anneal_order(problem, depth, seed=ORDER_SEED, on_progress=show)


def load_law(path: Path, depth: int) -> AngleLaw:
    """Return the angle law of a JSON file: the law itself, or what `replay -o json` printed.

    Raises:
        CommandFailed: no such file (5), or it holds no valid law of this depth (1).
    """
    data = _load_json(path, "law")
    try:
        read = msgspec.convert(data, _LawFile)
        law = AngleLaw(**msgspec.structs.asdict(read))
        check_law(law)
    except (msgspec.ValidationError, InvalidLaw) as error:
        raise CommandFailed(f"{path} holds no angle law: {error}", FAILED) from error
    if len(law.gamma_means) != depth:
        raise CommandFailed(f"{path} holds a law of depth {len(law.gamma_means)}, not {depth}", FAILED)
    return law


def load_order(path: Path, n: int) -> tuple[int, ...]:
    """Return the measurement order of a JSON file: a list of qubits, or what `replay -o json` printed.

    Raises:
        CommandFailed: no such file (5), or it holds no order of these qubits (1).
    """
    data = _load_json(path, "order")
    try:
        order = msgspec.convert(data, tuple[int, ...])
        check_order(order, n)
    except (msgspec.ValidationError, InvalidOrder) as error:
        raise CommandFailed(f"{path} holds no measurement order: {error}", FAILED) from error
    return order


def _load_json(path: Path, key: str) -> object:
    """Return what a JSON file holds, under `key` if it is the output of a replay."""
    raw = read_regular_file(path, bytes_max=FILE_BYTES_MAX)
    try:
        data: object = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} is not valid JSON: {error}", FAILED) from error
    if isinstance(data, dict) and key in data:
        return data[key]
    return data
