"""What a call costs is told before it is sent, and what would fail is not sent: nobody loses a fee to learn it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain.secret_uri import derive_seed
from matchstrike.commands.failure import FAILED, KEY, NOT_FOUND, USAGE, CommandFailed
from matchstrike.commands.submitting import check_receipt
from rpc.api import Json
from tests.support.command_line import Done, run_command
from tests.support.dev_node import DevNode, run_dev_node
from wallet.chain_client import open_chain

EXAMPLES = Path(__file__).parents[2] / "examples"
WEIGHTED = str(EXAMPLES / "weighted12.txt")
BOB = "5GoNkf6WdbxCFnPdAnYYQyCjAKPJgLNxXwPjwTh6DGg6gN3E"
NEW = "0x" + "07" * 32
ENDOWED = 10**18
DEPOSIT, EXISTENTIAL = 1_529 * 10**9, 10**9

pytestmark = pytest.mark.usefixtures("at_node")


@pytest.fixture(scope="module")
def node() -> Iterator[DevNode]:
    """Return a node that makes a block every 200 ms."""
    with run_dev_node("--sealing", "200") as running:
        yield running


def get_balance(who: str) -> dict[str, Json]:
    """Return what `wallet balance` tells programs."""
    balance = run_command("wallet", "balance", who, "-o", "json").json()
    assert isinstance(balance, dict)
    return balance


def check_nothing_was_sent(done: Done, who: str, *words: str) -> None:
    """One sentence, exit code 1, and an account as it was in block 0."""
    assert (done.code, done.out) == (FAILED, "")
    [sentence] = [line for line in done.err.splitlines() if line.startswith("error: ")]
    for word in (*words, "Nothing was sent"):
        assert word in sentence, sentence
    balance = get_balance(who)
    assert (balance["free"], balance["nonce"]) == (str(ENDOWED), 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("bob", "2000000"), ("dave has 1,000,000 MSK free", "the transfer 2,000,000 MSK"), id="too much"),
        pytest.param(("bob", "1000000"), ("and the fee 0.00", "0.001 MSK must stay"), id="all of it"),
        pytest.param(("bob", "999999.9995"), ("must stay (the existential deposit)",), id="the deposit too"),
        pytest.param(("bob", "1000000", "--allow-death"), ("the transfer 1,000,000 MSK",), id="no fee left"),
        pytest.param(("bob", "1", "--tip", "1000000"), ("the fee 1,000,000.00",), id="the tip"),
        pytest.param((NEW, "0.0001"), ("would have less than 0.001 MSK, the existential deposit",), id="dust"),
    ],
)
def test_a_transfer_that_would_fail_is_not_sent(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Dave keeps his money and his nonce; a dry run says the same."""
    transfer = ("wallet", "transfer", *arguments, "--from", "dave")
    check_nothing_was_sent(run_command(*transfer), "dave", *words)
    check_nothing_was_sent(run_command(*transfer, "--dry-run"), "dave", *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(("--bounty", "2000000"), ("the bounty 2,000,000 MSK, the deposit 1.529 MSK and the fee",), id="b"),
        pytest.param(("--bounty", "999999.9"), ("the deposit 1.529 MSK",), id="deposit"),
        pytest.param(("--bounty", "1", "--work-budget", "999999"), ("the work budget 999,999 MSK",), id="budget"),
        pytest.param(("--bounty", "0.0001"), ("would fail: Problems.BountyTooSmall",), id="too small"),
        pytest.param(("--bounty", "1", "--target", "900"), ("would fail: Problems.TargetOutOfReach",), id="target"),
        pytest.param(("--bounty", "1", "--deadline", "9000000"), ("Problems.InvalidDeadline",), id="deadline"),
    ],
)
def test_a_problem_that_would_be_refused_is_not_posted(options: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Dave keeps his money: what the balances tell, and what only the chain's own rules do."""
    check_nothing_was_sent(run_command("problem", "post", WEIGHTED, "--from", "dave", *options), "dave", *words)


def test_an_account_without_money_sends_nothing() -> None:
    """A new account: the sentence names the fee that it lacks."""
    assert run_command("wallet", "new", "mine", "--no-password").code == 0
    for arguments in (("wallet", "transfer", "bob", "0"), ("problem", "cancel", "0"), ("problem", "post", WEIGHTED)):
        options = ("--bounty", "1") if "post" in arguments else ()
        done = run_command(*arguments, *options, "--from", "mine")
        assert done.code == (NOT_FOUND if "cancel" in arguments else FAILED)
        assert ("mine has no money; the fee 0.00" in done.err) == ("cancel" not in arguments), done.err


def test_a_dry_run_of_a_transfer_shows_the_fee_and_needs_no_password() -> None:
    """The fee that is then paid, but for the multiplier that falls from block to block."""
    assert run_command("wallet", "import", "sealed", "--uri", "//Ferdie").code == KEY, (
        "no terminal to ask for a password"
    )
    arguments = ("wallet", "transfer", "bob", "1.5", "--from", "ferdie", "--tip", "0.25", "-o", "json")
    before = get_balance("ferdie")
    planned = run_command(*arguments, "--dry-run").json()
    assert isinstance(planned, dict)
    assert get_balance("ferdie") == before
    assert (planned["call"], planned["dryRun"]) == ("Balances.transfer_keep_alive", True)
    assert planned["args"] == {"dest": {"Id": BOB}, "value": "1500000000000"}
    assert (planned["spends"], planned["tip"]) == ({"transfer": "1500000000000"}, "250000000000")
    assert int(planned["left"]) == ENDOWED - 15 * 10**11 - int(planned["fee"])
    done = run_command(*arguments)
    receipt = done.json()
    assert isinstance(receipt, dict)
    assert done.err == ""
    assert abs(int(receipt["fee"]) - int(planned["fee"])) < 10**6
    after = get_balance("ferdie")
    assert int(str(after["free"])) == ENDOWED - 15 * 10**11 - int(receipt["fee"])


def test_the_fee_is_told_before_and_a_dry_run_reads_well() -> None:
    """For people: on stderr where the receipt is on stdout, and on stdout where it is the answer."""
    done = run_command("wallet", "transfer", "bob", "1", "--from", "eve")
    assert re.fullmatch(r"fee 0\.000\d+ MSK\n", done.err)
    done = run_command("problem", "post", WEIGHTED, "--bounty", "5", "--from", "eve", "--dry-run")
    rows = [line.split() for line in done.out.splitlines()]
    assert [row[0] for row in rows] == ["call", "from", "bounty", "deposit", "fee", "left", "a"]
    assert [row[-2] for row in rows[2:4]] == [str(5 * 10**12), str(DEPOSIT)]


def test_the_deposit_of_a_dry_run_is_the_one_that_is_held() -> None:
    """Reserved afterwards: bounty and deposit."""
    done = run_command("problem", "post", WEIGHTED, "--bounty", "5", "--from", "charlie", "--target", "76")
    assert done.code == 0, done.err
    assert get_balance("charlie")["reserved"] == str(5 * 10**12 + DEPOSIT)
    number = done.out.splitlines()[-1].removeprefix("problem ")
    done = run_command("problem", "cancel", number, "--from", "dave")
    check_nothing_was_sent(done, "dave", "would fail: Problems.NotPoster")
    nearly_all = f"{int(str(get_balance('charlie')['free'])) - EXISTENTIAL}planck"
    done = run_command("wallet", "transfer", "bob", nearly_all, "--from", "charlie", "--allow-death")
    assert done.code == FAILED
    assert "must stay (the existential deposit)" in done.err, "as long as money is on hold"
    assert run_command("problem", "cancel", number, "--from", "charlie").code == 0


def test_a_call_that_fails_in_its_block_all_the_same_is_a_failure_with_the_chains_reason(node: DevNode) -> None:
    """Exit code 1; the fee is gone, and both the command and a later look say so."""

    async def cancel_nothing() -> bytes:
        async with open_chain(node.ws_url) as chain:
            call = chain.metadata.encode_call("Problems", "cancel", problem=999)
            receipt = await chain.submit(await chain.sign(call, derive_seed("//Two")))
            with pytest.raises(CommandFailed, match=r"its fee is paid.*Problems\.UnknownProblem"):
                check_receipt(receipt)
            return receipt.hash

    assert run_command("wallet", "transfer", "two", "10", "--from", "bob").code == 0
    name = "0x" + asyncio.run(cancel_nothing()).hex()
    done = run_command("wallet", "tx", name)
    assert done.code == 0
    assert "failed (its fee is paid): Problems.UnknownProblem" in done.out
    record = run_command("wallet", "tx", name, "-o", "json").json()
    assert isinstance(record, dict)
    assert (record["success"], record["hash"]) == (False, name)


def test_a_transaction_is_found_wherever_it_is() -> None:
    """In a final block with call, signer and fee; unknown is exit code 5; no hash is a usage error."""
    sent = run_command("wallet", "transfer", "bob", "1", "--from", "eve", "--wait", "final", "-o", "json").json()
    assert isinstance(sent, dict)
    rows = dict(line.split(maxsplit=1) for line in run_command("wallet", "tx", sent["hash"]).out.splitlines())
    assert rows["status"] == f"final in block {sent['blockNumber']} as extrinsic {sent['index']}"
    assert (rows["call"], rows["outcome"]) == ("Balances.transfer_keep_alive", "succeeded")
    assert rows["fee"].startswith("0.000")
    done = run_command("wallet", "tx", "0x" + "00" * 32)
    assert (done.code, done.out) == (NOT_FOUND, "")
    assert "does not know" in done.err
    for bad in ("0x12", "12", "00" * 32, "0x" + "zz" * 32):
        assert run_command("wallet", "tx", bad).code == USAGE


def test_a_transaction_that_waits_says_for_what(node: DevNode) -> None:
    """A nonce with a gap before it: the fee to come is told."""

    async def submit_ahead() -> bytes:
        async with open_chain(node.ws_url) as chain:
            call = chain.metadata.encode_call("Balances", "transfer_keep_alive", dest=bytes(32), value=10**12)
            return (await chain.submit(await chain.sign(call, derive_seed("//Ferdie"), nonce=9), wait="none")).hash

    done = run_command("wallet", "tx", "0x" + asyncio.run(submit_ahead()).hex())
    assert "status    waits for another extrinsic of its signer" in done.out
    assert re.search(r"^fee       0\.000\d+ MSK$", done.out, re.M)
