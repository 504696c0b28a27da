"""The text of a problem file: bytes to numbered lines and checked numbers, whatever wrote the file.

Real files come with byte order marks, UTF-16, Windows line ends, blank lines, comments and trailing blanks; none of
these says anything about the problem, so none of them is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from vm.problem import COEFFICIENT_MAX, QUBITS_MAX
from vm.problem_file import BadCoefficient, BadEdge, BadVertex, InvalidProblemFile, ProblemFileTooLarge

BYTES_MAX = 2**25
EDGES_MAX = 2**20

_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_PACKED = ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip"), (b"BZh", "bzip2"), (b"\xfd7zXZ", "xz"), (b"%PDF", "PDF"))
_COMMENT = re.compile(r"#.*|%.*|//.*")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)


class Line(msgspec.Struct, frozen=True):
    """The words of one line that says something, and its number in the file, from 1."""

    number: int
    words: tuple[str, ...]


def decode_text(data: bytes) -> str:
    """Return the text of a file, with line ends as `\\n`.

    Raises:
        InvalidProblemFile: empty, packed or binary; ProblemFileTooLarge.
    """
    # SPEC FMT-02: A problem file MUST have at most 2^25 bytes, 4096 vertices and 2^20 edges or terms.
    if len(data) > BYTES_MAX:
        raise ProblemFileTooLarge(f"the file has {len(data)} bytes; the largest accepted is {BYTES_MAX}")
    for magic, packer in _PACKED:
        if data.startswith(magic):
            raise InvalidProblemFile(f"this is a {packer} file, not text; unpack or export it first")
    text = _decode(data).replace("\r\n", "\n").replace("\r", "\n").rstrip("\x1a\x00")
    if "\x00" in text:
        raise InvalidProblemFile("this is a binary file, not text")
    if not text.strip():
        raise InvalidProblemFile("the file is empty")
    return text


def _decode(data: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding)
            except UnicodeDecodeError as error:
                raise InvalidProblemFile(
                    f"the file says that it is {encoding}, but byte {error.start} is not"
                ) from error
    for encoding, zeros in (("utf-16-le", data[1:64:2]), ("utf-16-be", data[0:64:2])):
        if len(data) % 2 == 0 and zeros and not any(zeros):
            return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def split_lines(text: str, *, comment_words: frozenset[str] = frozenset()) -> Iterator[Line]:
    """Yield the lines that say something: no blank ones, no comments (`#`, `%`, `//`, or a first word given)."""
    for number, raw in enumerate(text.split("\n"), start=1):
        words = tuple(_COMMENT.sub("", raw).split())
        if words and words[0] not in comment_words:
            yield Line(number, words)


def read_count(word: str, line: int, *, what: str) -> int:
    """Return a whole number of at least 0 in a header.

    Raises:
        InvalidProblemFile: anything else.
    """
    if not _WHOLE.fullmatch(word) or word.startswith("-"):
        raise InvalidProblemFile(f"{_quote(word)} is not a number of {what}", line)
    return int(word.partition(".")[0])


def check_size(vertices: int, edges: int, line: int | None = None) -> None:
    """Refuse a problem that the record cannot hold.

    Raises:
        InvalidProblemFile: no vertex at all; ProblemFileTooLarge.
    """
    if vertices < 1:
        raise InvalidProblemFile("a problem needs at least one vertex", line)
    if vertices > QUBITS_MAX:
        raise ProblemFileTooLarge(f"{vertices} vertices are too many; the most accepted are {QUBITS_MAX}", line)
    if edges > EDGES_MAX:
        raise ProblemFileTooLarge(f"{edges} edges are too many; the most accepted are {EDGES_MAX}", line)


def read_vertex(word: str, line: int, *, first: int, last: int) -> int:
    """Return a vertex counted from 0, written in a numbering that runs from `first` to `last`.

    Raises:
        BadVertex: no whole number, or outside the numbering.
    """
    # SPEC FMT-04: Vertices MUST be numbered 1 to n in a rudy file, 0 to n - 1 in .qubo and JSON.
    if not _WHOLE.fullmatch(word):
        raise BadVertex(f"{_quote(word)} is not a vertex; expected a number from {first} to {last}", line)
    vertex = int(word.partition(".")[0])
    if not first <= vertex <= last:
        hint = "; a rudy file counts vertices from 1, so add 1 to every vertex" if (vertex, first) == (0, 1) else ""
        raise BadVertex(f"vertex {vertex} does not exist: vertices are numbered {first} to {last}{hint}", line)
    return vertex - first


def read_weight(word: str, line: int) -> int:
    """Return a whole weight; `3.0` counts as whole.

    Raises:
        BadCoefficient: anything else, or beyond 2^20.
    """
    # SPEC FMT-03: Every weight MUST be a whole number with an absolute value of at most 2^20.
    if not _WHOLE.fullmatch(word):
        if _DECIMAL.fullmatch(word):
            raise BadCoefficient(
                f"the weight {_quote(word)} is not a plain whole number of at most {COEFFICIENT_MAX}; "
                "multiply all weights by the same factor and round them",
                line,
            )
        raise BadCoefficient(f"{_quote(word)} is not a weight; expected a whole number", line)
    weight = int(word.partition(".")[0])
    if abs(weight) > COEFFICIENT_MAX:
        raise BadCoefficient(f"the weight {weight} is beyond +-{COEFFICIENT_MAX}; scale all weights down", line)
    return weight


class PairLog:
    """The pairs seen so far and where, so that a pair given twice is found."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, int], int | str] = {}

    def add(self, i: int, j: int, place: int | str, *, first: int) -> None:
        """Remember a pair.

        Args:
            place: The line, or the row of a JSON list.
            first: The number of the file's first vertex.

        Raises:
            BadEdge: it was there before, in either direction.
        """
        pair = (i, j) if i < j else (j, i)
        before = self._places.setdefault(pair, place)
        # SPEC FMT-05: A pair MUST be given at most once, in either direction, and a graph MUST have no loops.
        if before != place:
            at, line = (f"line {before}", place) if isinstance(place, int) else (f"{before} and {place}", None)
            raise BadEdge(
                f"the pair {pair[0] + first} {pair[1] + first} is given twice (before: {at}); "
                "give each pair once, with its whole weight",
                line,
            )


def _quote(word: str) -> str:
    return repr(word if len(word) <= 40 else word[:37] + "...")
