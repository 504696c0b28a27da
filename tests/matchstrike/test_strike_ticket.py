"""`matchstrike strike ticket`: a block's whole ticket run again, and every rule that a false one breaks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from chain.header import Header, decode_header, make_sealed, make_unsealed
from chain.params import WorkParams
from consensus.context import WorkContext
from consensus.digest import WorkSeal, make_digest, make_seal, read_author, read_seal, read_work
from matchstrike.commands.failure import FAILED, NOT_FOUND, USAGE
from matchstrike.commands.ticket_report import ticket_to_json, ticket_to_text
from matchstrike.commands.ticket_run import TicketRun, TicketTooHeavy, run_block_ticket
from runtime.pallets.work import NEXT_TARGET
from tests.support.command_line import run_command, serve_replies
from tests.support.dev_node import DevNode, run_dev_node
from tests.support.golden_ticket import PARAMS, PATH, make_example_context
from tests.support.mining import replace

EXAMPLES = Path(__file__).parents[2] / "examples"
UNREACHABLE_CUT = ("--target", "30", "--deadline", "5000", "--effort", "0")
Change = Callable[[Header, WorkContext], tuple[Header, WorkContext]]


def load_vector() -> dict[str, str]:
    """Return the worked example of docs/spec/work.md."""
    vector: dict[str, str] = json.loads(PATH.read_text())
    return vector


def run_example(change: Change | None = None, params: WorkParams = PARAMS) -> TicketRun:
    """Return the worked example's ticket, run again after a change."""
    header, context = decode_header(bytes.fromhex(load_vector()["sealed_header"])), make_example_context()
    if change is not None:
        header, context = change(header, context)
    return run_block_ticket(header, context, params, "frontier")


def with_seal(**fields: object) -> Change:
    """Return the change of a seal's fields."""

    def change(header: Header, context: WorkContext) -> tuple[Header, WorkContext]:
        seal: WorkSeal = replace(read_seal(header), **fields)
        return make_sealed(make_unsealed(header), make_seal(seal)), context

    return change


def with_work(**fields: object) -> Change:
    """Return the change of a work item's fields, with the old seal."""

    def change(header: Header, context: WorkContext) -> tuple[Header, WorkContext]:
        digest = make_digest(read_author(header), replace(read_work(header), **fields))
        return make_sealed(replace(make_unsealed(header), digest=digest), make_seal(read_seal(header))), context

    return change


def with_context(**fields: object) -> Change:
    """Return the change of what the parent's state says."""
    return lambda header, context: (header, replace(context, **fields))


def test_the_worked_example_holds_with_every_value_of_the_spec() -> None:
    """Each hash on the way is the one that the vector has."""
    vector, run = load_vector(), run_example()
    assert run.holds
    report = ticket_to_json(run, engine="frontier", ss58_prefix=42)
    core, pool = report["core"], report["pool"]
    assert isinstance(core, Mapping)
    assert isinstance(pool, Mapping)
    strikes = core["strikes"]
    assert isinstance(strikes, list)
    assert [strike["seed"] for strike in strikes] == ["0x" + seed for seed in vector["core_strike_seeds"]]
    assert [strike.packed.hex() for strike in run.core] == vector["core_shots"]
    assert (report["workKey"], report["seed"]) == ("0x" + vector["work_key"], "0x" + vector["seed"])
    assert (core["hash"], pool["seed"]) == ("0x" + vector["core_hash"], "0x" + vector["pool_strike_seed"])
    assert (report["ticket"], report["claimed"], report["target"]) == (
        vector["ticket"],
        vector["ticket"],
        vector["target"],
    )
    assert report["limit"] == f"0x{int(vector['target'], 16) * int(vector['weight']):064x}"
    text = ticket_to_text(run, ss58_prefix=42)
    for name in ("work_key", "seed", "core_hash", "pool_strike_seed", "pool_shots", "ticket", "target", "block_hash"):
        assert vector[name] in text, name
    assert text.endswith("the ticket of block 42 holds")


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        pytest.param(with_seal(core_hash=bytes([1]) * 32), {"SEAL-04", "SEAL-05"}, id="core shots"),
        pytest.param(with_seal(pool_shots=bytes(64)), {"SEAL-04", "SEAL-06"}, id="pool shots"),
        pytest.param(with_seal(pool_shots=b""), {"SEAL-03", "SEAL-04", "SEAL-06"}, id="no pool shots"),
        pytest.param(with_work(target=2**200), {"TGT-01", "SEAL-04", "SEAL-05", "SEAL-06", "SEAL-07"}, id="target"),
        pytest.param(with_work(weight=1), {"WRK-07", "SEAL-04", "SEAL-05", "SEAL-06", "SEAL-07"}, id="weight"),
        pytest.param(with_work(core_epoch=7), {"WRK-05", "SEAL-04", "SEAL-05", "SEAL-06", "SEAL-07"}, id="epoch"),
        pytest.param(with_work(timestamp_ms=1), {"TIME-01", "SEAL-04", "SEAL-05", "SEAL-06", "SEAL-07"}, id="time"),
        pytest.param(with_context(parent_hash=bytes(32)), {"WRK-04"}, id="parent"),
        pytest.param(with_context(height=41), {"WRK-03"}, id="height"),
        pytest.param(with_context(core_seed=bytes(32)), {"SEAL-05", "SEAL-07"}, id="core problem"),
        pytest.param(
            with_context(pool=None), {"WRK-06", "WRK-07", "SEAL-03", "SEAL-05", "SEAL-06", "SEAL-07"}, id="no problem"
        ),
    ],
)
def test_one_thing_changed_breaks_the_rules_that_it_touches(change: Change, rules: set[str]) -> None:
    """A changed header has another work key, so another seed; a repeat count is part of the core hash."""
    run = run_example(change)
    assert {check.rule for check in run.checks if not check.holds} == rules
    assert "DOES NOT HOLD" in ticket_to_text(run, ss58_prefix=42)
    assert not run.holds


def test_the_gas_is_that_of_the_circuit_whatever_the_state_says() -> None:
    """A node that misstates a problem's gas changes nothing."""

    def misstate(header: Header, context: WorkContext) -> tuple[Header, WorkContext]:
        assert context.pool is not None
        return header, replace(context, pool=replace(context.pool, gas=1))

    assert run_example(misstate).holds


def test_a_ticket_that_the_chain_would_not_take_is_not_run() -> None:
    """One gas above the largest weight."""
    weight = int(load_vector()["weight"])
    assert run_example(params=replace(PARAMS, ticket_gas_max=weight)).holds
    with pytest.raises(TicketTooHeavy, match=str(weight)):
        run_example(params=replace(PARAMS, ticket_gas_max=weight - 1))


# ---- from a node


@pytest.fixture(scope="module")
def node() -> Iterator[DevNode]:
    """Return a node that strikes a problem which nobody can solve."""
    with run_dev_node("--sealing", "200") as running:
        example = str(EXAMPLES / "cubic20.txt")
        options = ("--bounty", "2", "--from", "bob", "--url", running.ws_url, "--wait", "final", *UNREACHABLE_CUT)
        done = run_command("problem", "post", example, *options)
        assert done.code == 0, done.err
        yield running


def test_a_block_of_a_node_holds_and_the_node_says_the_same(node: DevNode) -> None:
    """Core and pool strikes by both engines, compared with `work_replay`."""
    block = node.call("chain_getHeader")
    assert isinstance(block, dict)
    height = str(int(block["number"], 16))
    report = run_command("strike", "ticket", height, "--url", node.ws_url, "-o", "json").json()
    slow = run_command("strike", "ticket", height, "--url", node.ws_url, "-o", "json", "--engine", "reference").json()
    assert isinstance(report, dict)
    assert isinstance(slow, dict)
    assert report["holds"]
    assert (report.pop("engine"), slow.pop("engine")) == ("frontier", "reference")
    assert report == slow
    node_says = node.call("work_replay", report["block"])
    assert isinstance(node_says, dict)
    assert node_says["verdict"] == "valid"
    for name in ("workKey", "seed", "ticket", "limit", "target", "weight"):
        assert str(report[name]) == str(node_says[name]), name
    assert [strike["seed"] for strike in report["core"]["strikes"]] == node_says["core"]["strikeSeeds"]
    assert report["core"]["hash"] == node_says["core"]["hash"]
    for name in ("shots", "energies", "problem", "order"):
        assert report["pool"][name] == node_says["pool"][name], name


def test_the_best_block_and_a_hash_are_blocks_too(node: DevNode) -> None:
    """Without an argument the best block; the text ends with the verdict."""
    done = run_command("strike", "ticket", "--url", node.ws_url)
    assert done.code == 0, done.err
    assert done.out.rstrip().endswith("holds")
    name = str(node.call("chain_getBlockHash", 1))
    assert name in run_command("strike", "ticket", name, "--url", node.ws_url).out


@pytest.mark.parametrize(
    ("block", "code", "words"),
    [
        ("0", FAILED, "block 0 was made, not mined"),
        ("4000000", NOT_FOUND, "there is no block 4000000; the best one is"),
        ("0x" + "00" * 32, NOT_FOUND, "the node knows no block"),
        ("first", USAGE, "'first' is no block"),
        ("0x12", USAGE, "is no block"),
        ("٣", USAGE, "is no block"),
        (str(2**32), USAGE, "is no block"),
    ],
)
def test_what_has_no_ticket_is_told_in_one_sentence(node: DevNode, block: str, code: int, words: str) -> None:
    """With the exit code of its kind."""
    done = run_command("strike", "ticket", block, "--url", node.ws_url)
    assert (done.code, done.out) == (code, "")
    assert words in done.err


@pytest.mark.parametrize("lie", ["header", "target", "instance", "ratio"])
def test_a_node_that_lies_is_found_out(node: DevNode, lie: str) -> None:
    """Another header under the hash; another target; no instance; a ratio of nothing."""
    target_key = "0x" + NEXT_TARGET.key.hex()

    def reply(call: dict[str, object]) -> object:
        method, params = str(call["method"]), call["params"]
        assert isinstance(params, list)
        answer = node.call(method, *params)
        if lie == "header" and method == "chain_getHeader" and isinstance(answer, dict):
            answer["stateRoot"] = "0x" + "00" * 32
        if lie == "target" and method == "state_getStorage" and params[0] == target_key:
            return "0x" + "07" * 32
        if lie == "instance" and method == "state_getStorage" and len(str(params[0])) == 2 + 2 * (32 + 16):
            return None
        if lie == "ratio" and method == "work_status" and isinstance(answer, dict):
            answer["poolRatio"] = [1, 0]
        return answer

    sentences = {"header": "another header", "target": "TGT-01", "instance": "WRK-06", "ratio": "no pool ratio"}
    with serve_replies(reply) as url:
        done = run_command("strike", "ticket", "--url", url)
    assert done.code == FAILED
    assert sentences[lie] in done.err, done.err
    assert "Traceback" not in done.err
