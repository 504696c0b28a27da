"""Writes docs/api.md from the docstrings of what a user of the engines and of match-strike calls.

`python -m tests.support.api_reference` writes it anew; a test compares it with the code.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import msgspec
import msgspec.structs

PATH = Path(__file__).parents[2] / "docs" / "api.md"
PARTS = {
    "Problems, files and observables": ("vm.problem", "vm.problem_file", "vm.formats", "vm.pauli", "vm.rotations"),
    "Circuits and their angles": ("vm.strike", "vm.annealed_circuit", "vm.law", "vm.engines.angled_circuit"),
    "Engines": (
        "vm.engines.engine",
        "vm.engines.catalogue",
        "vm.engines.frontier",
        "vm.engines.reference",
        "vm.engines.mps",
        "vm.engines.quimb_mps",
    ),
    "Match-strike and its controllers": (
        "vm.match_strike",
        "vm.aim",
        "vm.controllers",
        "vm.posterior",
        "vm.surrogate",
        "vm.recursive",
        "vm.reduction",
        "vm.refinement",
    ),
    "Inside the engines": (
        "vm.engines.amplitude_walk",
        "vm.engines.light_cone",
        "vm.engines.matrix_product",
        "vm.engines.product_circuits",
        "vm.engines.register",
        "vm.engines.state_vector",
    ),
}
HEAD = """# API: engines, match-strike, controllers

Every public name of the rooms below, with its shapes, units and errors. This page is written from the docstrings by
`python -m tests.support.api_reference`, and a test compares it with the code. How to use the engines:
[engines.md](engines.md); match-strike: [match-strike.md](match-strike.md); a first page:
[from-a-graph-to-a-plot.md](from-a-graph-to-a-plot.md).

## Shapes and units

| in a signature | is |
| --- | --- |
| `Shots` | `uint8[shot, qubit by label]`, each 0 or 1; a bit 0 is the spin +1 |
| `Bits` | n values 0 or 1 by label, a sequence or `uint8[qubit]` |
| `bytes` as `seed` | 32 bytes |
| `bytes` as bits | n bytes 0 or 1, qubit 0 first; where it says packed, bit i%8 of byte i//8 |
| `gammas`, `betas`, own `fields` and `mixers`, `Angles` | integers in units of 2^-32 turn; see `make_turns` |
| `Point` | `float64[gammas of the layers, then betas]`, each relative to the published angle; 1.0 is that |
| `Uniforms` | `float64[shot, qubit in measurement order]`, in [0, 1) |
| `State` | `complex128[2, 2, ...]`, one axis for each qubit by label, norm 1 |
| `Register` | `complex128[2^live]`, position k is bit k of the index |
| `Phases` | `int64[2^live]`, in units of 2^-16 turn |
| `Tensor` | `complex128[left bond, bit, right bond]` |
| `Operator` | `complex128[m, bit out, bit in]` |
| `Vector`, `Matrix` | `float64[feature]`, `float64[feature, feature]`, or `float64[candidate, angle]` |
| `Correlations` | `float64[spin, spin]`, the mean of `s_i s_j`, from -1 to 1 |
| `Integers` | `int64`; the axes are with the function |
| `Runnable` | an `AngledCircuit`, or a `RotationCircuit` |
| `depth` | layers p, 1 to 8 |
| energies | integers, exact |
| gas | an integer; a unit is about a twentieth of a nanosecond |
| seconds | CPU or wall time, by the clock that the caller gave |
"""
SECTIONS = {"Args": "Arguments", "Attributes": "Attributes", "Raises": "Raises", "Yields": "Yields"}


def render() -> str:
    """Return the page."""
    lines = [HEAD]
    for title, names in PARTS.items():
        lines.append(f"## {title}\n")
        for name in names:
            module = importlib.import_module(name)
            lines.append(f"### `{name}`\n\n{_format_docstring(inspect.getdoc(module) or '')}\n")
            lines += [text for _, member in list_public(module) for text in _render_member(member)]
    return "\n".join(lines).rstrip() + "\n"


def list_public(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Yield the public functions and classes that a module defines, in its order."""
    for name, member in vars(module).items():
        own = getattr(member, "__module__", None) == module.__name__
        if own and not name.startswith("_") and (inspect.isclass(member) or callable(member)):
            yield name, member


def list_methods(member: type) -> Iterator[tuple[str, object]]:
    """Yield the public methods and properties that a class defines itself."""
    for name, value in vars(member).items():
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            yield name, value


def _render_member(member: object) -> Iterator[str]:
    if not inspect.isclass(member):
        yield f"#### `{getattr(member, '__name__', '')}{_format_signature(member)}`\n"
        yield f"{_format_docstring(inspect.getdoc(member) or '')}\n"
        return
    is_plain = issubclass(member, Exception) or getattr(member, "_is_protocol", False)
    yield f"#### class `{member.__name__}{'' if is_plain else _format_signature(member)}`\n"
    yield f"{_format_docstring(inspect.getdoc(member) or '')}\n"
    rows = []
    for name, value in list_methods(member):
        if isinstance(value, property):
            rows.append(f"- `{name}`: {_format_inline(inspect.getdoc(value) or '')}")
        else:
            rows.append(f"- `{name}{_format_signature(value)}`: {_format_inline(inspect.getdoc(value) or '')}")
    if rows:
        yield "\n".join(rows) + "\n"


def _format_signature(member: object) -> str:
    """Return the parameters as they are written in the code."""
    if inspect.isclass(member) and issubclass(member, msgspec.Struct):
        return f"(*, {', '.join(_format_field(member, field) for field in msgspec.structs.fields(member))})"
    if inspect.isclass(member) and member.__init__ is object.__init__:
        return "()"
    called = member.__init__ if inspect.isclass(member) else inspect.unwrap(getattr(member, "py_func", member))
    signature = inspect.signature(called)
    own = [_plain(parameter) for name, parameter in signature.parameters.items() if name != "self"]
    result = "" if inspect.isclass(member) else signature.return_annotation
    return str(signature.replace(parameters=own, return_annotation=_Text(result) if result else signature.empty))


class _Text:
    """Stands in a signature for what is to be shown as it is."""

    def __init__(self, text: object) -> None:
        self.text = text

    def __repr__(self) -> str:
        return str(self.text)


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    annotation = parameter.annotation
    shown = annotation if annotation is parameter.empty else _Text(annotation)
    default = parameter.default
    return parameter.replace(
        annotation=shown,
        default=_Text(_show_default(default)) if callable(default) and default is not parameter.empty else default,
    )


def _show_default(default: object) -> str:
    name = getattr(default, "__name__", "...")
    return "..." if "<" in name else name


def _format_field(owner: type[msgspec.Struct], field: msgspec.structs.FieldInfo) -> str:
    annotations = {
        name: text for cls in reversed(owner.__mro__) for name, text in vars(cls).get("__annotations__", {}).items()
    }
    text = f"{field.name}: {annotations[field.name]}"
    if field.default is not msgspec.NODEFAULT:
        return f"{text} = {field.default!r}"
    return text if field.default_factory is msgspec.NODEFAULT else f"{text} = {field.default_factory.__name__}()"


def _format_docstring(text: str) -> str:
    """Return Google's sections as lists."""
    lines, section = [], ""
    for line in text.splitlines():
        title = line.strip().removesuffix(":")
        if line == f"{title}:" and title in SECTIONS:
            section = title
            lines.append(f"*{SECTIONS[title]}:*\n")
        elif section and re.match(r"    [\w, ]+: ", line):
            name, _, rest = line.strip().partition(": ")
            lines.append(f"- `{name}`: {rest}")
        elif section and line.startswith("     "):
            lines.append("  " + line.strip())
        else:
            section = "" if line and not line.startswith(" ") else section
            lines.append(line)
    return "\n".join(lines).strip()


def _format_inline(text: str) -> str:
    return re.sub(r"\s+", " ", text)


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
