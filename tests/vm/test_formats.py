"""Problem files: dirty ones are read, damaged ones refused with the line and what to do, conversions exact."""

import pickle
from contextlib import suppress
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vm.formats import format_gset, format_json, format_qubo, read_problem
from vm.problem import check_strikeable, compute_energy, make_problem
from vm.problem_file import (
    BadCoefficient,
    BadEdge,
    BadVertex,
    InvalidProblemFile,
    ProblemFile,
    ProblemFileTooLarge,
    WrongCount,
    WrongQuantity,
    compute_energy_of_quantity,
    compute_energy_target,
    compute_quantities,
    compute_quantity,
    compute_quantity_of_bits,
    get_edges,
    get_quantity_name,
    get_qubo_terms,
    is_maximised,
    make_ising_file,
    make_maxcut_file,
    make_qubo_file,
)

SHARED = Path(__file__).parents[2] / ".." / "shared" / "graphs"
TRIANGLE = make_maxcut_file(3, [(0, 1, 1), (1, 2, 1), (0, 2, 5)], name="t.txt")
CLEAN = "3 3\n1 2 1\n2 3 1\n1 3 5\n"


def read(text: str | bytes, name: str = "t.txt") -> ProblemFile:
    return read_problem(text if isinstance(text, bytes) else text.encode(), name=name)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(CLEAN.encode(), id="clean"),
        pytest.param(b"\xef\xbb\xbf" + CLEAN.encode(), id="utf-8 byte order mark"),
        pytest.param(b"\xff\xfe" + CLEAN.encode("utf-16-le"), id="utf-16 little endian"),
        pytest.param(b"\xfe\xff" + CLEAN.encode("utf-16-be"), id="utf-16 big endian"),
        pytest.param(CLEAN.encode("utf-16-le"), id="utf-16 without a mark"),
        pytest.param(CLEAN.encode("utf-16-be"), id="utf-16 big endian without a mark"),
        pytest.param(CLEAN.encode("utf-32"), id="utf-32"),
        pytest.param(CLEAN.replace("\n", "\r\n").encode(), id="Windows line ends"),
        pytest.param(CLEAN.replace("\n", "\r").encode(), id="old Macintosh line ends"),
        pytest.param(CLEAN.replace("\n", "  \t\n\n \n").encode(), id="blanks and blank lines"),
        pytest.param(CLEAN.replace(" ", "\t").encode(), id="tabs"),
        pytest.param(CLEAN.rstrip("\n").encode(), id="no last line end"),
        pytest.param(b"# made by rudy\nc old comment\n% and % more\n" + CLEAN.encode(), id="comments"),
        pytest.param(b"3 3 # header\n1 2 // edge\n2 3\n3 1 5.0\n", id="missing weights, trailing comments"),
        pytest.param("# Gr\xf6\xdfe\n".encode("latin-1") + CLEAN.encode(), id="latin-1 comment"),
        pytest.param(CLEAN.encode() + b"\x1a", id="DOS end of file"),
        pytest.param(b"3 3\n2 1 +1\n3 2 1\n3 1 05\n", id="other directions, signs and zeros"),
    ],
)
def test_a_dirty_rudy_file_says_the_same_as_a_clean_one(data: bytes) -> None:
    assert read(data) == TRIANGLE


BAD_FILES = [
    (b"", InvalidProblemFile, None, "empty"),
    (b" \n\n", InvalidProblemFile, None, "empty"),
    (b"# nothing\n", InvalidProblemFile, None, "only comments"),
    (b"\x1f\x8b\x08\x00", InvalidProblemFile, None, "gzip"),
    (b"3 3\n\x00\x01\x02\x03\x04", InvalidProblemFile, None, "binary"),
    (b"\xff\xfe3", InvalidProblemFile, None, "utf-16-le"),
    (b"1 2 1\n2 3 1\n", InvalidProblemFile, 1, "begins with two numbers"),
    (b"three 3\n", InvalidProblemFile, 1, "not a number of vertices"),
    (b"-3 3\n", InvalidProblemFile, 1, "not a number of vertices"),
    (b"0 0\n", InvalidProblemFile, 1, "at least one vertex"),
    (b"4097 1\n1 2\n", ProblemFileTooLarge, 1, "4096"),
    (b"99999999999999999 1\n1 2\n", ProblemFileTooLarge, 1, "4096"),
    (b"4000 7998000\n1 2\n", ProblemFileTooLarge, 1, "edges"),
    (b"3 1\n1,2,1\n", InvalidProblemFile, 2, "separated by blanks"),
    (b"3 1\n1 2 1 1\n", InvalidProblemFile, 2, "4 words"),
    (b"3 1\n\n0 2 1\n", BadVertex, 3, "counts vertices from 1"),
    (b"3 1\n1 4 1\n", BadVertex, 2, "1 to 3"),
    (b"3 1\na b 1\n", BadVertex, 2, "'a' is not a vertex"),
    ("3 1\n\u0661 2 1\n".encode(), BadVertex, 2, "not a vertex"),
    (b"3 1\n1 2 0.5\n", BadCoefficient, 2, "multiply all weights"),
    (b"3 1\n1 2 1e3\n", BadCoefficient, 2, "plain whole number"),
    (b"3 1\n1 2 x\n", BadCoefficient, 2, "not a weight"),
    (b"3 1\n1 2 nan\n", BadCoefficient, 2, "not a weight"),
    (b"3 1\n1 2 1_0\n", BadCoefficient, 2, "not a weight"),
    (b"3 1\n1 2 " + b"9" * 5000 + b"\n", BadCoefficient, 2, "multiply"),
    (b"3 1\n1 2 1048577\n", BadCoefficient, 2, "1048576"),
    (b"3 1\n2 2 1\n", BadEdge, 2, "joined to itself"),
    (b"3 2\n1 2 1\n2 1 1\n", BadEdge, 3, "before: line 2"),
    (b"3 2\n1 2 1\n", WrongCount, 1, "cut short"),
    (b"3 1\n1 2 1\n2 3 1\n", WrongCount, 3, "announces 1"),
    (b"p qubo 0 3 1\n", InvalidProblemFile, 1, "p qubo 0 VARIABLES"),
    (b"p edge 3 1\n", InvalidProblemFile, 1, "p qubo"),
    (b"p qubo chimera128 3 1 0\n0 0 1\n", InvalidProblemFile, 1, "topology"),
    (b"p qubo 0 3 1 1\n0 0 1\n", WrongCount, 1, "1 couplers (i j Q)"),
    (b"p qubo 0 3 1 1\n0 0 1\n0 1\n", InvalidProblemFile, 3, "2 words"),
    (b"p qubo 0 3 1 0\n3 3 1\n", BadVertex, 2, "0 to 2"),
    (b"p qubo 0 3 1 1\n0 0 1\n0 1 0.25\n", BadCoefficient, 3, "multiply"),
    (b"p qubo 0 3 2 0\n0 0 1\n0 0 1\n", BadEdge, 3, "twice"),
    (b"p qubo 0 3 1 1\n0 0 1048576\n0 1 -1\n", BadCoefficient, None, "smaller weights"),
    (b"[1, 2]", InvalidProblemFile, None, "`object`"),
    (b'{"kind": "maxcut",\n "n": 3,\n "edges": [[0, 1}', InvalidProblemFile, 3, "not valid JSON"),
    (b'{"n": 3, "edges": []}', InvalidProblemFile, None, "kind"),
    (b'{"kind": "tsp", "n": 3}', InvalidProblemFile, None, "tsp"),
    (b'{"kind": "maxcut", "n": 3, "edgse": [], "edges": []}', InvalidProblemFile, None, "edgse"),
    (b'{"kind": "maxcut", "n": 3, "edges": [[0, 1, 1, 1]]}', InvalidProblemFile, None, "edges[0]"),
    (b'{"kind": "maxcut", "n": 3, "edges": [[0, 1, 0.5]]}', InvalidProblemFile, None, "edges[0][2]"),
    (b'{"kind": "maxcut", "n": 3, "edges": [[0, 3]]}', BadVertex, None, "count from 0 to 2"),
    (b'{"kind": "maxcut", "n": 3, "edges": [[-1, 2]]}', BadVertex, None, "edges[0]"),
    (b'{"kind": "maxcut", "n": 3, "edges": [[1, 1]]}', BadEdge, None, "joined to itself"),
    (b'{"kind": "maxcut", "n": 3, "edges": [[0, 1], [1, 0]]}', BadEdge, None, "edges[0] and edges[1]"),
    (b'{"kind": "maxcut", "n": 5000, "edges": []}', ProblemFileTooLarge, None, "4096"),
    (b'{"kind": "maxcut", "n": 0, "edges": []}', InvalidProblemFile, None, "at least one"),
    (b'{"kind": "maxcut", "n": 2, "edges": [[0, 1, 1048577]]}', BadCoefficient, None, "edges[0]"),
    (b'{"kind": "qubo", "n": 2, "terms": [], "constant": 281474976710657}', BadCoefficient, None, "constant"),
    (b'{"kind": "ising", "n": 2, "couplings": [[1, 1, 1]]}', BadEdge, None, "coupled to itself"),
    (b'{"kind": "ising", "n": 2, "couplings": [], "fields": [1]}', WrongCount, None, "2 spins"),
    (b'{"kind": "ising", "n": 1, "couplings": [], "fields": [9999999]}', BadCoefficient, None, "fields[0]"),
    (b'{"kind": "ising", "n": 1, "couplings": [], "offset": 1125899906842625}', BadCoefficient, None, "offset"),
    (b'{"kind": "ising", "n": 1, "couplings": ' + b"[" * 50000, InvalidProblemFile, None, "couplings[0][0]"),
]


@pytest.mark.parametrize(("data", "error", "line", "words"), BAD_FILES, ids=range(len(BAD_FILES)))
def test_fmt_01_to_06_a_bad_file_is_refused_with_its_line(
    data: bytes, error: type[InvalidProblemFile], line: int | None, words: str
) -> None:
    """FMT-01, FMT-02, FMT-03, FMT-04, FMT-05, FMT-06: one class and one sentence for each kind of damage."""
    with pytest.raises(InvalidProblemFile) as caught:
        read(data)
    assert type(caught.value) is error
    assert caught.value.line == line
    assert words in str(caught.value)
    assert str(caught.value).startswith("t.txt, line" if line else "t.txt: ")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_fmt_02_a_file_of_too_many_bytes_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(ProblemFileTooLarge, match="33554433 bytes"):
        read(b"\xff" * (2**25 + 1))


def test_a_name_settles_the_format_of_a_damaged_file() -> None:
    with pytest.raises(InvalidProblemFile, match="JSON"):
        read(CLEAN, name="Graph.JSON")
    with pytest.raises(InvalidProblemFile, match="p qubo"):
        read(CLEAN, name="graph.qubo")


def test_fmt_07_a_cut_counts_the_weights_between_the_two_sides() -> None:
    file = read(CLEAN)
    assert (file.kind, get_quantity_name(file), is_maximised(file)) == ("maxcut", "cut", True)
    for bits in product((0, 1), repeat=3):
        cut = sum(w for i, j, w in get_edges(file) if bits[i] != bits[j])
        energy = compute_energy(file.problem, bytes(bits))
        assert compute_quantity_of_bits(file, bytes(bits)) == compute_quantity(file, energy) == cut
        assert (7 - energy) / 2 == cut
        assert compute_energy_of_quantity(file, cut) == energy
    assert compute_quantities(file, np.array([[0, 0, 1], [0, 0, 0]], dtype=np.uint8)) == (6, 0)


@settings(deadline=None)
@given(
    st.integers(1, 5).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1), st.integers(-9, 9)), max_size=12),
            st.integers(-5, 5),
        )
    )
)
def test_fmt_08_a_qubo_value_is_four_times_smaller_than_its_energy_times_the_gcd(
    qubo: tuple[int, list[tuple[int, int, int]], int],
) -> None:
    n, terms, constant = qubo
    file = make_qubo_file(n, terms, constant=constant)
    for bits in product((0, 1), repeat=n):
        value = constant + sum(w * bits[i] * bits[j] for i, j, w in terms)
        energy = compute_energy(file.problem, bytes(bits))
        assert file.factor * energy == 4 * (value - constant)
        assert compute_quantity(file, energy) == value
        assert compute_energy_of_quantity(file, value) == energy
    if file.problem.couplings or any(file.problem.fields):
        check_strikeable(file.problem)


def test_fmt_09_an_energy_that_no_bits_have_is_refused() -> None:
    with pytest.raises(WrongQuantity, match="have the energy 6"):
        compute_quantity(TRIANGLE, 6)
    thirds = make_qubo_file(1, [(0, 0, 3)])
    with pytest.raises(WrongQuantity, match="value 1"):
        compute_energy_of_quantity(thirds, 1)


@pytest.mark.parametrize(
    "file",
    [
        TRIANGLE,
        make_qubo_file(3, [(0, 0, -2), (0, 1, 6), (2, 2, 4), (1, 2, -10)], constant=3),
        make_qubo_file(3, [(0, 0, 3), (1, 1, -6), (2, 2, 9)]),
        make_ising_file(make_problem(3, [(0, 1, 3), (1, 2, -5)], fields=[1, 0, 2], offset=7)),
    ],
    ids=lambda file: file.kind,
)
def test_fmt_10_bits_reach_a_target_iff_their_energy_reaches_its_energy(file: ProblemFile) -> None:
    for target in range(-20, 25):
        largest = compute_energy_target(file, target)
        for bits in product((0, 1), repeat=3):
            quantity = compute_quantity_of_bits(file, bytes(bits))
            reached = quantity >= target if is_maximised(file) else quantity <= target
            assert reached == (compute_energy(file.problem, bytes(bits)) <= largest)


EDGES = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.dictionaries(
            st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] < p[1]),
            st.integers(-(2**20), 2**20).filter(bool),
        ),
    )
)


@settings(deadline=None)
@given(EDGES)
def test_a_written_graph_reads_back_the_same(graph: tuple[int, dict[tuple[int, int], int]]) -> None:
    n, weights = graph
    file = make_maxcut_file(n, [(i, j, w) for (i, j), w in weights.items()], name="g")
    assert read(format_gset(file), name="g") == file
    assert read(format_json(file), name="g") == file


@settings(deadline=None)
@given(EDGES, st.integers(-9, 9))
def test_a_written_qubo_reads_back_the_same(graph: tuple[int, dict[tuple[int, int], int]], constant: int) -> None:
    n, weights = graph
    terms = [(i, j, w % 100) for (i, j), w in weights.items()] + [(k, k, k - 3) for k in range(n)]
    file = make_qubo_file(n, terms, constant=constant, name="q")
    assert read(format_json(file), name="q") == file
    plain = make_qubo_file(n, terms, name="q")
    assert read(format_qubo(plain), name="q") == plain
    assert get_qubo_terms(plain) == tuple(sorted(term for term in terms if term[2]))


def test_a_written_ising_problem_reads_back_the_same() -> None:
    file = make_ising_file(make_problem(3, [(0, 2, -7)], fields=[1, -1, 0], offset=2**50), name="i")
    assert read(format_json(file), name="i") == file


def test_a_format_without_a_place_for_something_refuses_to_write_it() -> None:
    with pytest.raises(InvalidProblemFile, match="write JSON instead"):
        format_qubo(make_qubo_file(2, [(0, 1, 1)], constant=1))
    with pytest.raises(InvalidProblemFile, match="no QUBO terms"):
        format_qubo(TRIANGLE)
    with pytest.raises(InvalidProblemFile, match="no graph"):
        format_gset(make_qubo_file(2, [(0, 1, 1)]))


def test_a_builder_refuses_vertices_that_do_not_exist() -> None:
    with pytest.raises(BadVertex):
        make_maxcut_file(2, [(0, 2, 1)])
    with pytest.raises(BadVertex):
        make_qubo_file(2, [(0, -1, 1)])
    with pytest.raises(ProblemFileTooLarge):
        make_maxcut_file(5000, [])


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_fmt_01_any_bytes_give_a_problem_or_our_own_error(data: bytes) -> None:
    _read_or_refuse(data)


@settings(deadline=None)
@given(
    st.sampled_from(
        [
            CLEAN.encode(),
            b"p qubo 0 3 1 1\n0 0 1\n0 1 -2\n",
            b'{"kind": "qubo", "n": 3, "terms": [[0, 0, -1], [0, 2, 2]], "constant": 4}',
            b'{"kind": "ising", "n": 3, "fields": [1, 0, 2], "couplings": [[0, 1, 3]], "offset": 1}',
        ]
    ),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 3), st.binary(max_size=6)), max_size=4),
)
def test_fmt_01_a_damaged_file_gives_a_problem_or_our_own_error(
    data: bytes, damages: list[tuple[int, int, bytes]]
) -> None:
    for at, removed, added in damages:
        data = data[:at] + added + data[at + removed :]
    _read_or_refuse(data)


def _read_or_refuse(data: bytes) -> None:
    for name in ("f", "f.json", "f.qubo"):
        file = None
        with suppress(InvalidProblemFile):
            file = read_problem(data, name=name)
        if file is not None:
            assert read_problem(format_json(file), name=name) == file


@pytest.mark.skipif(not SHARED.exists(), reason="the public instances are not beside this checkout")
def test_public_instances_are_read_in_full() -> None:
    sizes = {}
    for path in SHARED.glob("*.txt"):
        file = read_problem(path.read_bytes(), name=path.name)
        sizes[path.stem] = (file.problem.n, len(file.problem.couplings))
        assert read_problem(format_gset(file), name=path.name) == file
    assert sizes["G11"] == (800, 1600)
    assert sizes["G14"] == (800, 4694)
    assert sizes["t2g10_5555"] == (100, 200)
