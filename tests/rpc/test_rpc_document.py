"""docs/rpc.md and the catalogue of methods say the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import rpc.errors
from rpc.methods.catalogue import get_methods, get_subscriptions, get_unsubscriptions
from rpc.schema import Parameter

TEXT = (Path(__file__).parents[2] / "docs" / "rpc.md").read_text(encoding="utf-8")
MISSING = "This row is missing in docs/rpc.md, or says something else"


def test_the_table_of_methods_is_the_catalogue() -> None:
    """Name, parameters with their order, and who may call; every result is described."""
    rows = {cells[0]: cells[1:] for cells in list_rows("method", 4)}
    for method in {id(method): method for method in get_methods().values()}.values():
        params, result, who = rows.pop(f"`{method.name}`", ("", "", ""))
        assert params == show(method.parameters), f"{MISSING}: `{method.name}` {show(method.parameters)}"
        assert who == ("**unsafe**" if method.unsafe else "all"), method.name
        assert len(result) > 3, f"the result of {method.name} is not described"
    assert not rows, "docs/rpc.md describes methods that do not exist"


def test_the_table_of_subscriptions_is_the_catalogue() -> None:
    """Both ends, the notification and the parameters."""
    rows = {cells[0]: cells[1:] for cells in list_rows("opens", 5)}
    for method in {id(method): method for method in get_subscriptions().values()}.values():
        params, ends, notification, result = rows.pop(f"`{method.name}`", ("", "", "", ""))
        found = (params, ends, notification)
        wanted = (show(method.parameters), f"`{method.unsubscribe}`", f"`{method.notification}`")
        assert found == wanted, f"{MISSING}: {method.name}"
        assert len(result) > 3, f"the result of {method.name} is not described"
    assert not rows, "docs/rpc.md describes subscriptions that do not exist"


def test_the_table_of_other_names_is_the_catalogue() -> None:
    """Each alias stands with the method it means."""
    wanted = {
        (name, owner)
        for names, get_owner in (
            (get_methods(), lambda method: method.name),
            (get_subscriptions(), lambda method: method.name),
            (get_unsubscriptions(), lambda method: method.unsubscribe),
        )
        for name, method in names.items()
        if name != (owner := get_owner(method))
    }
    rows = list_rows("name", 2)
    assert {(alias, owner.strip("`")) for owner, names in rows for alias in re.findall(r"`(\S+?)`", names)} == wanted


def test_every_error_code_is_explained() -> None:
    """A code that the node may answer is one that the caller can look up."""
    codes = {value for value in vars(rpc.errors).values() if isinstance(value, int)}
    assert {int(code) for code, _ in list_rows("code", 2)} == codes


def list_rows(first_column: str, columns: int) -> list[tuple[str, ...]]:
    """Return the cells of every table whose first column has this title."""
    rows: list[tuple[str, ...]] = []
    inside = False
    for line in TEXT.splitlines():
        cells = tuple(cell.strip() for cell in line.strip().strip("|").split(" | "))
        if not line.startswith("|"):
            inside = False
        elif cells[0] == first_column:
            inside = True
        elif inside and not line.startswith("| ---"):
            assert len(cells) == columns, line
            rows.append(cells)
    return rows


def show(parameters: Sequence[Parameter]) -> str:
    """Return parameters as the document writes them."""
    return ", ".join(f"`{item.name}{'' if item.required else '?'}`" for item in parameters) or "-"
