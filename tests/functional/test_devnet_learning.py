"""Four real nodes learn the angles of a fresh problem from their blocks' strikes, and all believe the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from chain.header import Header
from chain.scale import codec_of
from chain.secret_uri import derive_seed
from consensus.belief import Belief, make_law
from consensus.digest import read_author, read_work
from matchstrike.commands.learning_curve import format_learning
from matchstrike.commands.strike_ticket import read_header
from rpc.api import Json
from runtime.belief_state import BELIEFS, CURVES, Curve
from runtime.pallets.problems import post
from runtime.runtime import encode_call
from tests.support.faulty_net import FOUR, Trial, describe_network, run_trial
from tests.support.learnt_again import Learnt, learn_again
from tests.support.runtime_chain import post_arguments
from tests.support.struck_landscape import SHOTS, compare_skewed, compute_skewed_target, make_skewed_ring
from vm.law import AngleLaw
from wallet.chain_client import open_chain, read_hex, read_int, read_object

SPINS, STRIKES, LAST = 16, 150, 64
CALL_SECONDS = 30.0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one node says that the chain has learnt.

    Attributes:
        row: The answer of `problem_get` as JSON text, without what the node itself found by annealing.
    """

    belief: str
    curve: str
    row: str


@pytest.mark.slow
@pytest.mark.timeout(960)
def test_lrn_16_lrn_17_four_nodes_come_within_three_percent_of_the_grid_search_and_agree(tmp_path: Path) -> None:
    """Two mine, two only verify and vote; then, without them, every strike is run again and measured."""
    problem = make_skewed_ring(SPINS)
    headers: list[Header] = []
    answers: list[Answer] = []

    async def work(trial: Trial) -> None:
        await post_problem(trial)
        at = await wait_for_strikes(trial)
        answers.extend([await read_answer(trial.fleet.get(name).url, at) for name in FOUR])
        headers.extend(await read_headers(trial.fleet.first.url, at))

    run_trial(describe_network(interval_ms=None, args=("--state-pruning archive",)), tmp_path, work, within_s=840.0)
    assert len(answers) == 4
    assert answers == answers[:1] * 4
    learnt = learn_again(problem, headers)
    check_answer(answers[0], learnt)
    struck = [header for header in headers if read_work(header).problem == 0]
    assert struck == headers[-len(struck) :], "a block after the posting names another problem, or none"
    assert len({read_author(header) for header in struck}) == 2, "one miner won every block"
    begun, ended = compare_skewed(problem, learnt.laws[-LAST:])
    print(f"{learnt.belief.strikes} strikes of {len(headers)} blocks: from {begun:.4f} to {ended:.4f} of the optimum")
    assert begun < 0.93
    assert ended > 0.97, f"means {learnt.belief.means} round {learnt.belief.anchors}"


async def post_problem(trial: Trial) -> None:
    """Have bob post the ring, at a target that no bits reach."""
    problem = make_skewed_ring(SPINS)
    target = compute_skewed_target(problem)
    async with open_chain(trial.fleet.first.url) as chain:
        arguments = post_arguments(problem, deadline=5_000, target_energy=target, work_budget=0, price_per_gas=0)
        call = encode_call(post, *arguments)
        receipt = await chain.submit(await chain.sign(call, derive_seed("//Bob")))
    assert receipt.succeeded, receipt.error


async def wait_for_strikes(trial: Trial) -> str:
    """Return the hash of a block, final on all nodes, in whose state enough strikes were learnt from."""
    async with open_chain(trial.fleet.first.url, timeout_s=CALL_SECONDS) as chain:
        while True:
            final = trial.get_final("alice")
            at = await chain.rpc.call("chain_getBlockHash", final)
            row = await chain.rpc.call("problem_get", 0, at)
            learning = read_object(row or {}).get("learning")
            if learning is not None and read_int(read_object(learning)["strikes"]) >= STRIKES:
                await trial.reach(final)
                return str(at)
            await trial.reach(final + 1, names=["alice"])


async def read_answer(url: str, at: str) -> Answer:
    """Return what a node says of problem 0 in the state of a block."""
    async with open_chain(url, timeout_s=CALL_SECONDS) as chain:
        keys = ["0x" + item.key_of(0).hex() for item in (BELIEFS, CURVES)]
        belief, curve = [str(await chain.rpc.call("state_getStorage", key, at)) for key in keys]
        row = dict(read_object(await chain.rpc.call("problem_get", 0, at)))
        del row["baselineEnergy"]
        return Answer(belief=belief, curve=curve, row=json.dumps(row))


async def read_headers(url: str, at: str) -> list[Header]:
    """Return all headers above genesis up to a block, whose hashes are computed again."""
    headers: list[Header] = []
    async with open_chain(url, timeout_s=CALL_SECONDS) as chain:
        block_hash = read_hex(at)
        while block_hash != chain.genesis_hash:
            headers.append(await read_header(chain, block_hash))
            block_hash = headers[-1].parent_hash
    return headers[::-1]


def check_answer(answer: Answer, learnt: Learnt) -> None:
    """Refuse what does not follow from the seals, in storage and in what people are shown."""
    assert codec_of(Belief).decode(read_hex(answer.belief)) == learnt.belief
    points = codec_of(Curve).decode(read_hex(answer.curve)).points
    strikes = len(learnt.laws)
    assert strikes == learnt.belief.strikes >= STRIKES
    totals = [(point.strikes, point.shots, point.energy) for point in points]
    assert tuple(map(sum, zip(*totals, strict=True))) == (strikes, strikes * SHOTS, learnt.energy)
    row: Mapping[str, Json] = json.loads(answer.row)
    assert msgspec.convert(row["law"], AngleLaw) == make_law(learnt.belief)
    shown = format_learning(row)
    print("\n".join(shown))
    assert shown[0] == f"learnt from    {strikes} strikes"
