"""What RPC and command line say of a problem's angles."""

from __future__ import annotations

from pathlib import Path

import msgspec

from matchstrike.commands.learning_curve import draw_curve, format_learning, read_curve
from matchstrike.commands.problem import format_record
from matchstrike.commands.strike import load_law
from node.learning_answers import describe_law, describe_learning
from node.problem_answers import get_problem
from runtime.pallets.problems import cancel
from tests.runtime.test_learning import add_struck, get_pool
from tests.support.batch_chain import make_market
from vm.law import compute_law


def test_the_answer_has_law_and_curve_of_an_open_problem(tmp_path: Path) -> None:
    chain = make_market()
    for _ in range(40):
        add_struck(chain)
    chain.add_block()
    answer = get_problem(chain.view, 0, chain.params)
    assert answer is not None
    pool, learning = get_pool(chain), answer["learning"]
    assert answer["law"] == describe_law(pool.law)
    assert isinstance(learning, dict)
    assert learning["strikes"] == 40
    assert learning["span"] == 2
    assert learning["published"] == describe_law(compute_law(pool.problem, 1))
    curve = learning["curve"]
    assert isinstance(curve, list)
    rows = [row for row in curve if isinstance(row, dict)]
    assert sum(int(str(row["strikes"])) for row in rows) == 40
    assert rows[0]["from"] <= rows[0]["until"] < rows[1]["from"] <= rows[1]["until"]  # type: ignore[operator]
    assert rows[-1]["until"] == chain.head.number
    assert rows[0]["meanEnergy"] == round(int(str(rows[0]["energySum"])) / int(str(rows[0]["shots"])), 6)
    file = tmp_path / "problem.json"
    file.write_bytes(msgspec.json.encode(answer))
    assert load_law(file, 1) == pool.law, "`strike replay --law` reads it"
    text = format_record(answer)
    assert "learnt from    40 strikes" in text
    assert "mean energy" in text
    assert f"blocks 2 to {chain.head.number}" in text
    assert "gamma " in text
    assert " %)" in text
    assert "couplings" in text
    assert "energySum" not in text


def test_a_new_problem_has_the_published_law_and_no_curve() -> None:
    chain = make_market()
    answer = describe_learning(chain.view, 0, posted_at=1)
    assert answer["learning"] == {"strikes": 0, "published": answer["law"], "span": 1, "curve": []}
    lines = format_learning(answer)
    assert lines[0].split() == ["learnt", "from", "0", "strikes"]
    assert "(+0.0 %)" in lines[1]
    assert len(lines) == 3


def test_a_problem_that_has_ended_has_neither() -> None:
    chain = make_market()
    chain.add_block(chain.sign("alice", cancel, 0))
    answer = get_problem(chain.view, 0, chain.params)
    assert answer is not None
    assert (answer["law"], answer["learning"]) == (None, None)
    assert format_learning(answer) == []


def test_a_long_curve_is_drawn_short_and_high_where_energies_are_low() -> None:
    points = [{"energySum": str(-k), "shots": 1, "strikes": 1, "from": k, "until": k} for k in range(32)]
    curve = read_curve({"curve": points})  # type: ignore[dict-item]
    assert len(curve) == 16
    assert curve[0] == (-0.5, 2)
    bars = draw_curve([mean for mean, _ in curve])
    assert (bars[0], bars[-1]) == ("▁", "█")
    assert draw_curve([-3.0, -3.0]) == "▁▁"


def test_an_answer_of_another_node_without_learning_is_shown_all_the_same() -> None:
    assert format_learning({"id": 1}) == []
    assert format_learning({"law": {}, "learning": {"strikes": 3}}) == ["learnt from    3 strikes"]
    assert "id" in format_record({"id": 1, "law": None, "learning": None})
