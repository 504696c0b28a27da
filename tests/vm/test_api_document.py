"""docs/api.md is what the code says, and the code says what it must: shapes, and every error that it raises."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator

import numpy as np
import pytest

from tests.support.api_reference import HEAD, PARTS, PATH, list_methods, list_public, render

MODULES = [name for names in PARTS.values() for name in names]


def list_functions(name: str) -> Iterator[tuple[str, object]]:
    """Yield the public functions and methods of a module, by qualified name; numba's are the Python below them."""
    for label, member in list_public(importlib.import_module(name)):
        if not inspect.isclass(member):
            yield label, inspect.unwrap(getattr(member, "py_func", member))
            continue
        for method, value in list_methods(member):
            yield f"{label}.{method}", value.fget if isinstance(value, property) else value


def test_the_page_is_what_the_docstrings_say() -> None:
    """Written anew by `python -m tests.support.api_reference`."""
    assert PATH.read_text(encoding="utf-8") == render()


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_says_what_it_is(name: str) -> None:
    for label, member in list_public(importlib.import_module(name)):
        assert inspect.getdoc(member), f"{name}.{label}"
    for label, function in list_functions(name):
        assert inspect.getdoc(function), f"{name}.{label}"


@pytest.mark.parametrize("name", MODULES)
def test_every_error_that_a_function_raises_is_in_its_docstring(name: str) -> None:
    """A class of ours, or one above it; `See ...` stands for the docstring that it names."""
    module = importlib.import_module(name)
    for label, function in list_functions(name):
        doc = inspect.getdoc(function) or ""
        if doc.startswith("See `"):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))  # type: ignore[arg-type]
        for node in ast.walk(tree):
            call = node.exc if isinstance(node, ast.Raise) else None
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
                continue
            error = getattr(module, call.func.id)
            names = [cls.__name__ for cls in error.__mro__ if cls not in (Exception, BaseException, object)]
            assert any(word in doc for word in names), f"{name}.{label} raises {names[0]} and does not say so"


@pytest.mark.parametrize("name", MODULES)
def test_every_array_in_a_signature_has_its_axes_on_the_page(name: str) -> None:
    """By its alias in the table of shapes, or in the docstring; those of `learn` are in its Protocol's."""
    module = importlib.import_module(name)
    for label, function in list_functions(name):
        doc = inspect.getdoc(function) or ""
        for text in getattr(function, "__annotations__", {}).values():
            for alias in re.findall(r"\b[A-Z]\w+\b", str(text).replace("NDArray", "")):
                target = getattr(module, alias, None)
                is_array = getattr(target, "__origin__", None) is np.ndarray
                assert not is_array or f"`{alias}`" in HEAD, f"{name}.{label}: {alias} is not in the table"
            if "NDArray" in str(text) and "| NDArray" not in str(text) and not label.endswith(".learn"):
                assert re.search(r"\w+\[[\w ,]+\]", doc), f"{name}.{label}: the axes of {text}"
