"""Rooms stay readable: files of at most 400 lines, functions of at most 60, at most five parameters by position."""

from __future__ import annotations

import ast

from tests.architecture.sources import ROOT, list_sources, parse

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
PARAMETERS_MAX = 5
UNWANTED_NAMES = {"utils", "util", "common", "helpers", "helper", "shared", "base", "manager", "misc"}

# Exceptions, each with its reason. A numeric kernel is one loop nest whose parts share registers.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
MANY_PARAMETERS: dict[str, str] = {
    "runtime/pallets/problems.py:post": "a call's parameters are its wire format, behind environment and origin",
    "runtime/pallets/solutions.py:reveal": "the same: problem, salt, energy and bits",
    "runtime/pallets/batches.py:commit_batch": "the same: source, problem, root, count and snapshot",
    "runtime/pallets/batches.py:answer_audit": "the same: batch, gas, witness, proof and shots",
    "runtime/pallets/batches.py:report_fraud": "the same: claim, gas, witness, index, shots, path and energy",
    "runtime/batch_weights.py:compute_report_weight": "a weight has its call's parameters",
}


def test_no_file_is_longer_than_its_limit() -> None:
    """A file that grows beyond the limit has two subjects: split it."""
    counts = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in list_sources()}
    long = {name: count for name, count in counts.items() if count > FILE_LINES_MAX}
    assert set(long) == set(LONG_FILES), long


def test_no_function_is_longer_than_its_limit() -> None:
    """A function beyond the limit does more than one thing."""
    long: dict[str, int] = {}
    for path in list_sources():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert set(long) == set(LONG_FUNCTIONS), long


def test_no_function_takes_more_than_five_parameters_by_position() -> None:
    """More than five is a record that has no name yet; options are keyword-only. Kernels and commands are exempt."""
    many: dict[str, int] = {}
    for path in list_sources():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_exempt(node):
                names = [argument.arg for argument in node.args.args if argument.arg not in ("self", "cls")]
                if len(names) > PARAMETERS_MAX:
                    many[f"{path.relative_to(ROOT)}:{node.name}"] = len(names)
    assert set(many) == set(MANY_PARAMETERS), many


def test_no_file_has_a_name_that_says_nothing() -> None:
    """A file is a noun of the field."""
    bad = [str(path.relative_to(ROOT)) for path in list_sources() if path.stem in UNWANTED_NAMES]
    assert not bad, bad


def _is_exempt(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Compiled kernels take arrays, and click commands one parameter an option."""
    text = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
    return any(word in text for word in ("njit", "command", "option", "kernel"))
