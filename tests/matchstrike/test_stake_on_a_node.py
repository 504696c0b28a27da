"""`matchstrike stake` from the first bond to the last withdrawal, against a node that votes.

The chain has a checkpoint every three blocks and short waits. Blocks come only for extrinsics (`--sealing instant`), so
a test moves the chain by transfers of nothing and never waits.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import cast

import pytest
from msgspec.structs import replace

from chain.ed25519 import public_of
from chain.params import UNIT_PLANCK, FinalityParams, Params, StakingParams
from chain.secret_uri import derive_seed
from chain.ss58 import encode_address
from genesis.chain_spec import format_chain_spec
from genesis.presets import make_development
from matchstrike.commands.failure import FAILED, KEY, USAGE
from node.vote_keys import derive_dev_seed
from rpc.api import Json
from tests.support.command_line import Done, run_command
from tests.support.dev_node import DevNode, find_free_port, run_program

LEAST = 100
EVERY = 3
MOVES_MAX = 40
NODES_KEY = public_of(derive_dev_seed("alice"))
OTHER_KEY = public_of(derive_seed("//Bob//vote"))
DAVE, EVE = (encode_address(public_of(derive_seed(name))) for name in ("//Dave", "//Eve"))
# not worth a word to the chain, but each is an extrinsic, for which the node makes blocks
NUDGE = ("wallet", "transfer", "ferdie", "0", "--from", "ferdie", "--wait", "included")

pytestmark = pytest.mark.usefixtures("at_node")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevNode]:
    """Return a node that votes with the key //Alice//vote, on a chain on which nobody validates yet."""
    folder = tmp_path_factory.mktemp("stake")
    spec = make_development()
    params = replace(
        Params.tiny(),
        finality=FinalityParams(checkpoint_blocks=EVERY),
        staking=StakingParams(unbonding_blocks=6, evidence_blocks=4),
    )
    path = folder / "spec.json"
    path.write_bytes(format_chain_spec(replace(spec, id="stake", params=params)))
    port = find_free_port()
    options = ["--chain", str(path), "--tmp", "--alice", "--sealing", "instant", "--no-prometheus"]
    with run_program([sys.executable, "-m", "node.main", *options, "--rpc-port", str(port)], port) as running:
        yield running


def stake(*arguments: str) -> Done:
    """Run a stake command that must work."""
    done = run_command("stake", *arguments)
    assert done.code == 0, done.err
    return done


def look(*arguments: str) -> dict[str, Json]:
    """Return what a looking command tells programs."""
    return cast("dict[str, Json]", stake(*arguments, "-o", "json").json())


def move_until_dynasty(number: int) -> dict[str, Json]:
    """Let the node make blocks until a dynasty has begun, and return what `validators` tells."""
    for _ in range(MOVES_MAX):
        seen = look("validators")
        if cast("int", seen["dynasty"]) >= number:
            return seen
        assert run_command(*NUDGE).code == 0
    raise AssertionError(f"dynasty {number} did not begin: {json.dumps(seen)}")


def check_refused(*arguments: str, words: tuple[str, ...]) -> None:
    """Exit code 1 and one sentence, alike with `--dry-run`; nothing is sent."""
    for options in ((), ("--dry-run",)):
        done = run_command("stake", *arguments, *options)
        assert (done.code, done.out) == (FAILED, ""), done.out + done.err
        for word in (*words, "Nothing was sent"):
            assert word in done.err, done.err


def test_before_anybody_bonds_the_commands_say_how_to_begin() -> None:
    """An empty chain: what there is to see, and what is refused, with figures and what to do."""
    assert "nobody validates and nobody stands" in stake("validators").out
    assert "depth: nobody validates, and 2 blocks" in stake("finality").out
    assert look("finality")["attended"] is False
    seen = look("status", "charlie")
    assert (seen["bonded"], seen["standing"], seen["voteKey"], seen["keys"]) == ("0", False, None, [])
    assert "votes in     no set of dynasty" in stake("status", "charlie").out
    who = ("--from", "charlie")
    check_refused("bond", "99", *who, words=("99 MSK would be active, and the least bond is 100 MSK",))
    check_refused("bond", "2000000", *who, words=("charlie has 1,000,000 MSK free", "the bond 2,000,000 MSK"))
    check_refused("unbond", "1", *who, words=("has bonded nothing", "stake bond AMOUNT"))
    check_refused("withdraw", *who, words=("has bonded nothing",))
    check_refused("validate", "--vote-key", f"0x{OTHER_KEY.hex()}", *who, words=("has bonded nothing",))
    check_refused("chill", *who, words=("does not stand",))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(("validate", "--vote-key", "0x12", "--from", "dave"), USAGE, id="short key"),
        pytest.param(("validate", "--vote-key", "0x" + "zz" * 32, "--from", "dave"), USAGE, id="no hex"),
        pytest.param(("validate", "--vote-key", "5abc", "--from", "dave"), USAGE, id="no address"),
        pytest.param(("unbond", "some", "--from", "dave"), USAGE, id="no amount"),
        pytest.param(("status",), USAGE, id="whose status"),
        pytest.param(("status", "nobody-known"), KEY, id="unknown account"),
        pytest.param(("validators", "--checkpoints", "0"), USAGE, id="no checkpoint"),
    ],
)
def test_what_is_no_key_amount_or_account_is_said(arguments: tuple[str, ...], code: int) -> None:
    """The exit code of the kind of mistake."""
    done = run_command("stake", *arguments)
    assert (done.code, done.out) == (code, "")


def test_a_bond_becomes_a_validator_that_votes_and_leaves_again(node: DevNode) -> None:
    """Bond, validate, vote, be missed, chill, unbond, withdraw: every step as a user takes it."""
    check_the_bond_of_dave()
    check_dave_validates(node)
    check_eve_joins_with_an_absent_key()
    check_eve_leaves()


def check_the_bond_of_dave() -> None:
    """A dry run tells what is then done; a second bond adds; the vote key must be another one."""
    planned = look("bond", "900", "--from", "dave", "--dry-run")
    assert (planned["call"], planned["spends"]) == ("Staking.bond", {"bond": str(900 * UNIT_PLANCK)})
    stake("bond", "900", "--from", "dave")
    planned = look("bond", "1", "--from", "dave", "--dry-run")
    assert planned["call"] == "Staking.bond_extra"
    stake("bond", "100", "--from", "dave")
    seen = look("status", "dave")
    assert (seen["bonded"], seen["active"], seen["standing"]) == (str(1000 * UNIT_PLANCK),) * 2 + (False,)
    check_refused("validate", "--from", "dave", words=("which vote key?", "--vote-key"))
    check_refused("validate", "--vote-key", DAVE, "--from", "dave", words=("is the key that holds the stake",))
    check_refused("unbond", "950", "--from", "dave", words=("50 MSK would stay active", "stake unbond all"))
    check_refused("unbond", "1001", "--from", "dave", words=("1,000 MSK are active",))
    check_refused("withdraw", "--from", "dave", words=("nothing is being unbonded",))


def check_dave_validates(node: DevNode) -> None:
    """Two dynasties later the node's votes make blocks final."""
    key = f"0x{NODES_KEY.hex()}"
    planned = look("validate", "--vote-key", key, "--from", "dave", "--dry-run")
    assert planned["spends"] == {"key record": str(165 * 10**9)}
    free = int(str(look_balance("dave")["free"]))
    done = stake("validate", "--vote-key", encode_address(NODES_KEY), "--from", "dave")
    assert "stands; votes count from dynasty" in done.out
    assert "keystore" not in done.out, "this node has the key"
    paid = free - int(str(look_balance("dave")["free"]))
    assert 165 * 10**9 < paid < 166 * 10**9, "the price that the dry run told, and the fee"
    dynasty = cast("int", look("status", "dave")["dynasty"])
    check_refused("validate", "--vote-key", key, "--from", "eve", words=("has bonded nothing",))
    check_refused("unbond", "950", "--from", "dave", words=("a validator keeps at least 100 MSK", "stake chill"))
    seen = move_until_dynasty(dynasty + 4)
    [row] = cast("list[dict[str, Json]]", seen["validators"])
    assert (row["address"], row["voteKey"], row["stake"]) == (DAVE, key, str(1000 * UNIT_PLANCK))
    assert "Voted for checkpoint" in node.read_log(400)
    report = look("finality")
    assert report["attended"] is True
    assert cast("dict[str, int]", report["finalized"])["height"] > 0
    seen = look("status", "dave")
    assert seen["sets"] == dict.fromkeys(("previous", "current", "next"), str(1000 * UNIT_PLANCK))
    assert "+" in cast("dict[str, str]", seen["votes"]).values()
    assert int(str(seen["rewards"])) > 0
    assert "(1,000 MSK, 100.0 % of the set)" in stake("status", "dave").out
    check_refused("chill", "--from", "dave", words=("nobody else stands",))


def check_eve_joins_with_an_absent_key() -> None:
    """A validator whose node does not run is seen to miss its votes; the other one's stake is enough."""
    key = f"0x{OTHER_KEY.hex()}"
    stake("bond", str(LEAST), "--from", "eve")
    taken = f"0x{NODES_KEY.hex()}"
    check_refused("validate", "--vote-key", taken, "--from", "eve", words=(f"belongs to {DAVE}", "make a new one"))
    assert "this node does not vote with that key" in stake("validate", "--vote-key", key, "--from", "eve").out
    planned = look("validate", "--from", "eve", "--dry-run")
    assert (planned["args"], planned["spends"]) == ({"vote_key": key}, {}), "the present key, which is paid for"
    dynasty = cast("int", look("status", "eve")["dynasty"])
    seen = move_until_dynasty(dynasty + 4)
    rows = {row["address"]: row for row in cast("list[dict[str, Json]]", seen["validators"])}
    marks = {name: set(cast("dict[str, str]", row["votes"]).values()) for name, row in rows.items()}
    assert "-" in marks[EVE]
    assert "+" not in marks[EVE]
    assert "-" not in marks[DAVE]
    text = stake("validators").out
    assert "2 validators with 1,100 MSK, two thirds are 733.333333333334 MSK" in text
    assert [line.split()[0] for line in text.splitlines()[2:4]] == [DAVE, EVE]
    text = stake("status", "eve").out
    assert "missed" in text
    assert "this node    does not vote with this key" in text
    assert "this node    votes with this key, last for checkpoint" in stake("status", "dave").out
    assert (look("status", "eve")["nodeHasKey"], look("status", "dave")["nodeHasKey"]) == (False, True)
    for _ in range(4 * EVERY):  # the ballot is shown for a block or two, and a busy node votes late
        assert run_command(*NUDGE).code == 0
        if "90.9 % of the current set's stake" in stake("finality").out:
            break
    else:
        raise AssertionError("no ballot with the vote of dave was seen")


def check_eve_leaves() -> None:
    """Chilled, unbonded, not ripe, ripe, withdrawn: her money is free again but for fees and the key's record."""
    check_refused("unbond", "all", "--from", "eve", words=("stake chill",))
    assert "keep the node voting" in stake("chill", "--from", "eve").out
    seen = look("status", "eve")
    assert seen["standing"] is False
    assert seen["bonded"] == seen["active"] == str(LEAST * UNIT_PLANCK)
    done = stake("unbond", "all", "--from", "eve")
    assert "ripe not before block" in done.out
    check_refused(
        "withdraw", "--from", "eve", words=("nothing is ripe yet; 100 MSK are ripe not before block", "in about")
    )
    dynasty = cast("int", look("status", "eve")["dynasty"])
    move_until_dynasty(dynasty + 3)
    [part] = cast("list[dict[str, Json]]", look("status", "eve")["unbonding"])
    assert part["certain"] is True
    for _ in range(MOVES_MAX):
        [part] = cast("list[dict[str, Json]]", look("status", "eve")["unbonding"])
        if part["ripe"]:
            break
        assert run_command("stake", "withdraw", "--from", "eve", "--dry-run").code == FAILED
        assert run_command(*NUDGE).code == 0
    assert "ripe now" in stake("status", "eve").out
    assert "100 MSK are free again" in stake("withdraw", "--from", "eve").out
    seen = look("status", "eve")
    assert (seen["bonded"], seen["unbonding"]) == ("0", [])
    assert seen["keys"] == [{"key": f"0x{OTHER_KEY.hex()}", "slashed": False}]
    assert look_balance("eve")["reserved"] == "0"


def look_balance(who: str) -> dict[str, Json]:
    """Return what `wallet balance` tells programs."""
    return cast("dict[str, Json]", run_command("wallet", "balance", who, "-o", "json").json())
