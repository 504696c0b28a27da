"""The worst histories that a search found: strikes at chosen angles with chosen energies, then 500 honest strikes.

The search drew 6000 histories for each landscape at p = 1 and 250 at p = 2, of up to four stretches of 1 to 1000
strikes at and beyond the ends of the windows, and climbed from the worst of them by changing places, energies, lengths
and the number of stretches. UNBOUNDED are histories that held a belief whose old strikes all faded alike, and that
never went home; BOUNDED are the worst for the rules as they are. (The search ran on a copy in floats;
what is tested here is the integers.)
"""

from __future__ import annotations

import random

import pytest

from tests.support.landscape import compute_mean
from tests.support.rough_landscapes import History, Landscape, learn_honestly, play

PLAIN = Landscape(depth=1, shots=32)
NOISY = Landscape(depth=1, shots=8)
SHALLOW = Landscape(depth=1, shots=32, height=0.5)
SURE = Landscape(depth=1, shots=512)
DEEP = Landscape(depth=2, shots=32)
DEEP_NOISY = Landscape(depth=2, shots=8)

UNBOUNDED: tuple[tuple[str, Landscape, History], ...] = (
    ("far-and-dull", PLAIN, (((1.0, 1.0), 1.0, 1), ((0.25, 0.0), 0.0, 200))),
    (
        "round-the-windows",
        PLAIN,
        (
            ((0.75, 0.75), -1.0, 200),
            ((0.107, 0.688), 0.88, 60),
            ((1.072, 0.233), -1.0, 60),
            ((0.146, 0.151), 0.451, 5),
            ((1.15, 1.15), 0.34, 500),
            ((0.191, 0.271), -0.063, 500),
            ((0.591, 0.071), 0.0, 30),
        ),
    ),
    (
        "noisy-ridge",
        NOISY,
        (
            ((0.288, 0.04), 1.0, 1),
            ((0.501, -0.15), 0.87, 500),
            ((0.25, 0.5), 1.0, 200),
            ((0.58, 0.456), 1.0, 5),
            ((0.143, 0.224), 1.0, 5),
            ((1.15, 0.111), -0.927, 1),
            ((0.599, 0.219), 0.295, 1000),
        ),
    ),
    (
        "noisy-slope",
        NOISY,
        (
            ((0.739, -0.049), 0.0, 1),
            ((0.475, 0.258), 0.724, 120),
            ((0.871, -0.01), 0.093, 200),
            ((0.442, 0.079), 0.634, 30),
            ((0.363, 0.631), 0.778, 1),
        ),
    ),
    ("shallow", SHALLOW, (((1.0, 0.5), 1.0, 1000), ((0.25, 0.25), 0.0, 1000))),
    (
        "second-valley",
        DEEP,
        (
            ((1.15, 1.15, 0.968, 0.555), -0.402, 2),
            ((0.0, 0.75, 0.5, 0.25), 1.0, 200),
            ((0.713, 0.582, 0.723, 0.622), -0.381, 1),
        ),
    ),
)
BOUNDED: tuple[tuple[str, Landscape, History], ...] = (
    ("plain", PLAIN, (((0.849, 0.228), -0.071, 500), ((0.981, 0.891), 0.142, 1), ((0.241, 0.563), -0.501, 1000))),
    ("noisy", NOISY, (((0.462, 0.094), -0.494, 2), ((0.127, 0.371), -0.691, 1000))),
    ("shallow", SHALLOW, (((0.936, 0.705), 0.21, 5), ((0.18, 0.533), -0.32, 1000))),
    ("sure", SURE, (((0.029, -0.15), 0.0, 1), ((0.359, 0.796), -0.404, 1000), ((0.952, 0.144), 1.0, 1))),
    (
        "deep",
        DEEP,
        (
            ((0.093, 1.086, 0.033, 0.274), 1.0, 1),
            ((0.332, 0.285, 0.377, 0.98), 0.118, 2),
            ((0.402, 0.178, 0.921, 0.687), 1.0, 30),
            ((1.032, 0.374, 0.916, 1.014), -1.0, 1),
            ((0.18, 0.623, 0.235, 0.081), 0.964, 1),
            ((0.855, -0.13, 0.583, 0.099), -1.0, 2),
        ),
    ),
)
WORST = (
    ((0.136, 1.081, 0.89, 1.15), -0.126, 1000),
    ((0.262, -0.01, 0.996, 0.171), 0.0, 2),
    ((1.0, 1.0, 0.0, 0.0), -1.0, 1000),
    ((0.213, 1.082, 0.973, -0.128), 0.261, 1),
)


def reach(land: Landscape, history: History, *, strikes: int, seeds: int) -> float:
    """Return the mean share of the last 50 honest strikes after a history."""
    bent = play(land, land.make_belief(), history)
    runs = (learn_honestly(land, bent, strikes, random.Random(seed)) for seed in range(seeds))
    return compute_mean([share for shares in runs for share in shares[-50:]])


@pytest.mark.parametrize(("land", "history"), [case[1:] for case in UNBOUNDED], ids=[case[0] for case in UNBOUNDED])
def test_lrn_22_lrn_23_what_held_an_unbounded_belief_holds_no_more(land: Landscape, history: History) -> None:
    assert reach(land, history, strikes=500, seeds=1) > 0.95


@pytest.mark.parametrize(("land", "history"), [case[1:] for case in BOUNDED], ids=[case[0] for case in BOUNDED])
def test_lrn_22_lrn_23_the_worst_histories_found_end(land: Landscape, history: History) -> None:
    assert reach(land, history, strikes=500, seeds=1) > 0.9


@pytest.mark.slow
def test_lrn_22_the_very_worst_one_takes_longer_where_a_strike_says_little() -> None:
    """At p = 2 with 8 shots a strike, 2000 strikes planted: not over after 500 honest strikes, but after 900."""
    assert reach(DEEP_NOISY, WORST, strikes=900, seeds=6) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("land", "history"), [case[1:] for case in (*UNBOUNDED, *BOUNDED)])
def test_lrn_22_lrn_23_the_worst_histories_end_whatever_the_strikes_are(land: Landscape, history: History) -> None:
    assert reach(land, history, strikes=500, seeds=8) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("start", range(16))
def test_lrn_22_at_p_2_every_corner_leads_out_of_the_second_valley(start: int) -> None:
    corner = tuple(float(start >> bit & 1) for bit in range(4))
    bent = DEEP.make_belief()
    for _ in range(40):  # as good as can be at the corner, as bad as can be anywhere else
        bent = play(DEEP, bent, ((corner, -1.0, 2), ((0.4, 0.4, 0.4, 0.4), 1.0, 1)))
    assert compute_mean(learn_honestly(DEEP, bent, 500, random.Random(start))[450:]) > 0.95
