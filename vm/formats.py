"""Reading and writing problem files: rudy (G-set), `.qubo` and our JSON, told apart by what is in them.

The callers pass bytes and get a `ProblemFile`; nothing here opens a file. A name that ends in `.json` or `.qubo`
settles the format, so that a damaged file is judged by what it claims to be.
"""

from __future__ import annotations

from msgspec.structs import replace

from vm.file_text import decode_text, split_lines
from vm.problem_file import InvalidProblemFile, ProblemFile, get_edges, get_qubo_terms
from vm.problem_json import format_problem_json, read_problem_json
from vm.qubo_text import COMMENT_WORDS, format_qubo_text, read_qubo_text
from vm.rudy import format_rudy, read_rudy


def read_problem(data: bytes, *, name: str) -> ProblemFile:
    """Return the problem in a file's bytes.

    Args:
        name: The file's name, for messages.

    Raises:
        InvalidProblemFile: the file cannot be read; the message says where and what to do.
    """
    # SPEC FMT-01: A file MUST be text in rudy, .qubo or JSON form, and be read as a whole or refused as a whole.
    try:
        return replace(_read_text(decode_text(data), name.lower()), name=name)
    except InvalidProblemFile as error:
        raise type(error)(error.what, error.line, name) from error


def format_gset(file: ProblemFile) -> bytes:
    """Return a MaxCut problem as a rudy file.

    Raises:
        InvalidProblemFile: the problem is of another kind.
    """
    return format_rudy(file.problem.n, get_edges(file)).encode()


def format_qubo(file: ProblemFile) -> bytes:
    """Return a QUBO problem as a `.qubo` file.

    Raises:
        InvalidProblemFile: the problem is of another kind, or has a constant, for which the format has no place.
    """
    terms = get_qubo_terms(file)
    if file.shift:
        raise InvalidProblemFile("a .qubo file has no place for a constant; write JSON instead", None, file.name)
    return format_qubo_text(file.problem.n, terms).encode()


def format_json(file: ProblemFile) -> bytes:
    """Return a problem of any kind as a JSON file."""
    return format_problem_json(file).encode()


def _read_text(text: str, name: str) -> ProblemFile:
    if name.endswith(".json") or text.lstrip()[:1] in ("{", "["):
        return read_problem_json(text)
    first = next(split_lines(text, comment_words=COMMENT_WORDS), None)
    if name.endswith(".qubo") or (first is not None and first.words[0] == "p"):
        return read_qubo_text(text)
    return read_rudy(text)
