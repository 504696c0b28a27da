"""Problem files in JSON: one object, `kind` says which; vertices, spins and variables count from 0.

    {"kind": "maxcut", "n": 3, "edges": [[0, 1], [1, 2, 5]]}                            a weight left out is 1
    {"kind": "qubo", "n": 3, "terms": [[0, 0, -1], [0, 2, 2]], "constant": 0}           i = j is a linear term
    {"kind": "ising", "n": 3, "fields": [1, 0, -2], "couplings": [[0, 1, 3]], "offset": 0}

`name` and `comment` are free text. Unknown keys are refused, so that a misspelt one is not silently ignored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import msgspec

from vm.file_text import PairLog, check_size
from vm.problem import COEFFICIENT_MAX, make_problem
from vm.problem_file import (
    BadCoefficient,
    BadEdge,
    BadVertex,
    InvalidProblemFile,
    ProblemFile,
    WrongCount,
    get_edges,
    get_qubo_terms,
    make_ising_file,
    make_maxcut_file,
    make_qubo_file,
)

NAME_LENGTH_MAX = 200

Row = tuple[int, int, int]
_Edge = Annotated[list[int], msgspec.Meta(min_length=2, max_length=3)]
_Triple = Annotated[list[int], msgspec.Meta(min_length=3, max_length=3)]
_BYTE = re.compile(r"\(byte (\d+)\)")


class _MaxCutJson(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="maxcut", forbid_unknown_fields=True
):
    n: int
    edges: list[_Edge]
    name: str = ""
    comment: str = ""


class _QuboJson(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="qubo", forbid_unknown_fields=True):
    n: int
    terms: list[_Triple]
    constant: int = 0
    name: str = ""
    comment: str = ""


class _IsingJson(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="ising", forbid_unknown_fields=True):
    n: int
    couplings: list[_Triple]
    fields: list[int] | None = None
    offset: int = 0
    name: str = ""
    comment: str = ""


def read_problem_json(text: str) -> ProblemFile:
    """Return the problem of a JSON file.

    Raises:
        InvalidProblemFile: see its subclasses.
    """
    record = _decode(text)
    match record:
        case _MaxCutJson():
            edges = [_read_edge(row, place) for place, row in _check_rows(record.n, record.edges, "edges")]
            file = make_maxcut_file(record.n, edges)
        case _QuboJson():
            terms = [_read_term(row, place) for place, row in _check_rows(record.n, record.terms, "terms")]
            _check_weight(record.constant, "constant", 2**48)
            file = make_qubo_file(record.n, terms, constant=record.constant)
        case _IsingJson():
            file = _read_ising(record)
    return msgspec.structs.replace(file, name=record.name[:NAME_LENGTH_MAX])


def format_problem_json(file: ProblemFile) -> str:
    """Return the JSON text of a problem of any kind."""
    problem = file.problem
    record: _MaxCutJson | _QuboJson | _IsingJson
    match file.kind:
        case "maxcut":
            record = _MaxCutJson(n=problem.n, edges=[list(edge) for edge in get_edges(file)], name=file.name)
        case "qubo":
            terms = [list(term) for term in get_qubo_terms(file)]
            record = _QuboJson(n=problem.n, terms=terms, constant=file.shift // 4, name=file.name)
        case "ising":
            couplings = [list(coupling) for coupling in problem.couplings]
            fields = list(problem.fields)
            record = _IsingJson(n=problem.n, couplings=couplings, fields=fields, offset=problem.offset, name=file.name)
    return msgspec.json.encode(record).decode() + "\n"


def _decode(text: str) -> _MaxCutJson | _QuboJson | _IsingJson:
    data = text.encode("utf-8", errors="replace")
    try:
        return msgspec.json.decode(data, type=_MaxCutJson | _QuboJson | _IsingJson)
    except msgspec.ValidationError as error:
        raise InvalidProblemFile(f"{error} (see docs/problem-files.md for the keys of each kind)") from error
    except msgspec.DecodeError as error:
        at = _BYTE.search(str(error))
        line = data.count(b"\n", 0, int(at[1])) + 1 if at else None
        raise InvalidProblemFile(f"not valid JSON: {error}", line) from error
    except RecursionError as error:
        raise InvalidProblemFile("the JSON is nested too deeply to be a problem") from error


def _check_rows(n: int, rows: Sequence[list[int]], key: str) -> list[tuple[str, list[int]]]:
    """Return each row with its place in the file, after the checks that all kinds share."""
    check_size(n, len(rows))
    pairs = PairLog()
    named = []
    for number, row in enumerate(rows):
        place = f"{key}[{number}]"
        for vertex in row[:2]:
            if not 0 <= vertex < n:
                raise BadVertex(f"{place}: vertex {vertex} does not exist; JSON files count from 0 to {n - 1}")
        pairs.add(row[0], row[1], place, first=0)
        named.append((place, row))
    return named


def _read_edge(row: list[int], place: str) -> Row:
    if row[0] == row[1]:
        raise BadEdge(f"{place}: vertex {row[0]} is joined to itself, which no cut can cut; remove the row")
    return row[0], row[1], _check_weight(row[2], place) if len(row) == 3 else 1


def _read_term(row: list[int], place: str) -> Row:
    return row[0], row[1], _check_weight(row[2], place)


def _read_ising(record: _IsingJson) -> ProblemFile:
    rows = _check_rows(record.n, record.couplings, "couplings")
    couplings = []
    for place, row in rows:
        if row[0] == row[1]:
            raise BadEdge(f"{place}: spin {row[0]} is coupled to itself; add the weight to the offset instead")
        couplings.append((row[0], row[1], _check_weight(row[2], place)))
    fields = record.fields if record.fields is not None else [0] * record.n
    if len(fields) != record.n:
        raise WrongCount(f"{record.n} spins need as many fields; here are {len(fields)}")
    for number, field in enumerate(fields):
        _check_weight(field, f"fields[{number}]")
    _check_weight(record.offset, "offset", 2**50)
    return make_ising_file(make_problem(record.n, couplings, fields=fields, offset=record.offset))


def _check_weight(weight: int, place: str, largest: int = COEFFICIENT_MAX) -> int:
    if abs(weight) > largest:
        raise BadCoefficient(f"{place}: {str(weight)[:40]} is beyond +-{largest}; scale all weights down")
    return weight
