"""Rudy files (G-set, Biq Mac): a line `vertices edges`, then one line `i j weight` per edge, vertices from 1.

A weight that is missing is 1, as in DIMACS-like lists. Lines that begin with `c`, and whatever follows `#`, `%` or
`//`, are comments.
"""

from __future__ import annotations

from vm.file_text import Line, PairLog, check_size, read_count, read_vertex, read_weight, split_lines
from vm.problem_file import BadEdge, InvalidProblemFile, ProblemFile, WrongCount, make_maxcut_file

COMMENT_WORDS = frozenset({"c", "C"})


def read_rudy(text: str) -> ProblemFile:
    """Return the MaxCut problem of a rudy file.

    Raises:
        InvalidProblemFile: see its subclasses.
    """
    lines = split_lines(text, comment_words=COMMENT_WORDS)
    header = next(lines, None)
    if header is None:
        raise InvalidProblemFile("the file holds only comments")
    vertices, announced = _read_header(header)
    pairs = PairLog()
    edges: list[tuple[int, int, int]] = []
    for line in lines:
        if len(edges) == announced:
            raise WrongCount(f"line {header.number} announces {announced} edges, but here is another", line.number)
        i, j, weight = _read_edge(line, vertices)
        pairs.add(i, j, line.number, first=1)
        edges.append((i, j, weight))
    # SPEC FMT-06: A file MUST hold exactly as many edges or terms as its header announces.
    if len(edges) != announced:
        raise WrongCount(
            f"{announced} edges are announced, but {len(edges)} follow; the file is cut short or this number is wrong",
            header.number,
        )
    return make_maxcut_file(vertices, edges)


def format_rudy(n: int, edges: tuple[tuple[int, int, int], ...]) -> str:
    """Return the rudy text of a graph with vertices 0..n-1."""
    return "".join([f"{n} {len(edges)}\n", *(f"{i + 1} {j + 1} {w}\n" for i, j, w in edges)])


def _read_header(line: Line) -> tuple[int, int]:
    if len(line.words) != 2:
        raise InvalidProblemFile(
            f"a rudy file begins with two numbers, vertices and edges; here are {len(line.words)} words", line.number
        )
    vertices = read_count(line.words[0], line.number, what="vertices")
    edges = read_count(line.words[1], line.number, what="edges")
    check_size(vertices, edges, line.number)
    return vertices, edges


def _read_edge(line: Line, vertices: int) -> tuple[int, int, int]:
    if len(line.words) not in (2, 3):
        raise InvalidProblemFile(
            f"an edge is two vertices and a weight, separated by blanks; here are {len(line.words)} words", line.number
        )
    i = read_vertex(line.words[0], line.number, first=1, last=vertices)
    j = read_vertex(line.words[1], line.number, first=1, last=vertices)
    if i == j:
        raise BadEdge(
            f"vertex {i + 1} is joined to itself, which no cut can cut; remove the line "
            "(a QUBO has its own formats: .qubo and JSON)",
            line.number,
        )
    return i, j, read_weight(line.words[2], line.number) if len(line.words) == 3 else 1
