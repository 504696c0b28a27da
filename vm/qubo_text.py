"""`.qubo` files as qbsolv wrote them: `p qubo 0 maxNodes nNodes nCouplers`, then `i i Q_ii` and `i j Q_ij`, from 0.

Lines that begin with `c` are comments. The value to minimise is the sum of `Q_ij x_i x_j` over the lines.
"""

from __future__ import annotations

from vm.file_text import Line, PairLog, check_size, read_count, read_vertex, read_weight, split_lines
from vm.problem_file import InvalidProblemFile, ProblemFile, WrongCount, make_qubo_file

COMMENT_WORDS = frozenset({"c", "C"})


def read_qubo_text(text: str) -> ProblemFile:
    """Return the QUBO problem of a `.qubo` file.

    Raises:
        InvalidProblemFile: see its subclasses.
    """
    lines = split_lines(text, comment_words=COMMENT_WORDS)
    header = next(lines, None)
    if header is None:
        raise InvalidProblemFile("the file holds only comments")
    variables, nodes, couplers = _read_header(header)
    pairs = PairLog()
    terms = []
    for line in lines:
        if len(line.words) != 3:
            raise InvalidProblemFile(
                f"a term is two variables and a coefficient; here are {len(line.words)} words", line.number
            )
        i, j = (read_vertex(word, line.number, first=0, last=variables - 1) for word in line.words[:2])
        pairs.add(i, j, line.number, first=0)
        terms.append((i, j, read_weight(line.words[2], line.number)))
    _check_count("linear terms (i i Q)", nodes, sum(i == j for i, j, _ in terms), header.number)
    _check_count("couplers (i j Q)", couplers, sum(i != j for i, j, _ in terms), header.number)
    return make_qubo_file(variables, terms)


def format_qubo_text(n: int, terms: tuple[tuple[int, int, int], ...]) -> str:
    """Return the `.qubo` text of QUBO terms."""
    linear = [term for term in terms if term[0] == term[1]]
    couplers = [term for term in terms if term[0] != term[1]]
    header = f"p qubo 0 {n} {len(linear)} {len(couplers)}\n"
    return "".join([header, *(f"{i} {j} {w}\n" for i, j, w in (*linear, *couplers))])


def _read_header(line: Line) -> tuple[int, int, int]:
    if line.words[:2] != ("p", "qubo") or len(line.words) != 6:
        raise InvalidProblemFile(
            "a .qubo file begins with the line 'p qubo 0 VARIABLES LINEAR COUPLERS' (three numbers)", line.number
        )
    if line.words[2] not in ("0", "unconstrained"):
        raise InvalidProblemFile(f"the topology {line.words[2][:40]!r} is not known here; write 0", line.number)
    variables, nodes, couplers = (read_count(word, line.number, what="lines") for word in line.words[3:])
    check_size(variables, nodes + couplers, line.number)
    return variables, nodes, couplers


def _check_count(what: str, announced: int, found: int, line: int) -> None:
    if announced != found:
        raise WrongCount(f"{announced} {what} are announced, but {found} follow", line)
