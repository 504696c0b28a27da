"""`matchstrike stake report-offence`: whatever is wrong with two votes is a sentence, and nothing is published."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from msgspec.structs import replace

from chain.ed25519 import public_of, sign
from consensus.finality import Checkpoint, Evidence, SignedVote, Vote, compute_vote_message, encode_signed_vote
from matchstrike.commands.failure import NOT_FOUND, CommandFailed
from matchstrike.commands.stake_offence import check_evidence_alone, check_window, read_evidence
from node.core.offences import encode_evidence
from node.offence_book import FileOffenceBook
from tests.support.command_line import run_command

GENESIS = b"g" * 32


def make_signed(
    source: int, target: int, branch: bytes = b"a", *, key: int = 1, genesis: bytes = GENESIS
) -> SignedVote:
    """Return a vote signed by one of the keys."""
    seed = key.to_bytes(32, "big")
    vote = Vote(
        genesis=genesis,
        source=Checkpoint(height=source, hash=branch * 32),
        target=Checkpoint(height=target, hash=branch * 32),
    )
    return SignedVote(vote=vote, key=public_of(seed), signature=sign(seed, compute_vote_message(vote)))


ONE, TWO = make_signed(0, 5), make_signed(0, 5, b"b")
GOOD = Evidence(one=ONE, two=TWO)
HEX_ONE, HEX_TWO = (f"0x{encode_signed_vote(signed).hex()}" for signed in (ONE, TWO))


def test_two_votes_are_read_from_arguments_or_a_file_of_any_form(tmp_path: Path) -> None:
    assert read_evidence((HEX_ONE, HEX_TWO[2:].upper())) == GOOD
    book = FileOffenceBook(tmp_path, GENESIS)
    book.save(GOOD)
    assert read_evidence((str(book.get_path(ONE.key)),)) == GOOD, "a file of the node's folder"
    path = tmp_path / "votes"
    for text in (
        f"{HEX_ONE}\n{HEX_TWO}\n",
        f'[{{"key": "0x{ONE.key.hex()}", "votes": [{{"signed": "{HEX_ONE}"}}, {{"signed": "{HEX_TWO}"}}]}}]',
        encode_evidence(GOOD).hex(),
    ):
        path.write_text(text)
        assert read_evidence((str(path),)) == GOOD
    assert read_evidence((encode_evidence(GOOD).hex(),)) == GOOD, "both in one word"


@pytest.mark.parametrize(
    ("votes", "words"),
    [
        ((HEX_ONE,), "1 signed vote in hex was found, and two are needed"),
        ((HEX_ONE, "0x12"), "the second vote has 1 bytes; a signed vote has 200"),
        ((HEX_ONE[:-2], HEX_TWO), "the first vote has 199 bytes"),
        ((HEX_ONE, HEX_TWO + "00"), "the second vote has 201 bytes"),
        ((HEX_ONE, "hello"), "the second vote is not in hex"),
        (("", HEX_TWO), "the first vote has 0 bytes"),
        ((HEX_ONE, HEX_TWO[:-1]), "the second vote is not in hex"),
        ((HEX_ONE + HEX_TWO[2:] + "00",), "3 signed votes in hex were found"),
    ],
)
def test_what_is_no_pair_of_votes_is_refused(votes: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandFailed, match=f"{words}.*nothing was published"):
        read_evidence(votes)


def test_three_votes_are_a_wrong_usage() -> None:
    with pytest.raises(click.UsageError, match="two votes are evidence"):
        read_evidence((HEX_ONE, HEX_TWO, HEX_ONE))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"hello", b"0x" + b"1" * 64, b"{}"])
def test_a_file_without_votes_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(CommandFailed, match="no signed vote in hex was found"):
        read_evidence((str(path),))


def test_a_file_that_is_missing_too_large_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="there is no file") as missing:
        read_evidence((str(tmp_path / "absent"),))
    assert missing.value.exit_code == NOT_FOUND
    with pytest.raises(CommandFailed, match="Is a directory"):
        read_evidence((str(tmp_path),))
    large = tmp_path / "large"
    large.write_bytes(b"0" * 100_000)
    with pytest.raises(CommandFailed, match="more than"):
        read_evidence((str(large),))


@pytest.mark.parametrize(
    ("one", "two", "words"),
    [
        (ONE, make_signed(0, 5, b"b", key=2), "the votes are of two keys"),
        (ONE, ONE, "both are the same vote"),
        (ONE, replace(ONE, signature=bytes(64)), "both are the same vote"),
        (ONE, make_signed(0, 5, genesis=b"h" * 32), "the votes are on two chains"),
        (ONE, make_signed(5, 10), "do not conflict: #0 to #5 and #5 to #10 have other target heights"),
        (make_signed(0, 10), make_signed(5, 15), "do not conflict"),
        (replace(ONE, signature=bytes(64)), TWO, "the first vote was not signed by the key"),
        (ONE, replace(TWO, signature=ONE.signature), "the second vote was not signed by the key"),
        (ONE, make_signed(5, 5, b"b"), "the second vote is none: the source 5 is not below the target 5"),
    ],
)
def test_what_proves_nothing_is_refused(one: SignedVote, two: SignedVote, words: str) -> None:
    with pytest.raises(CommandFailed, match=f"{words}.*nothing was published"):
        check_evidence_alone(Evidence(one=one, two=two))


def test_conflicts_of_both_kinds_pass() -> None:
    check_evidence_alone(GOOD)
    check_evidence_alone(Evidence(one=make_signed(0, 15), two=make_signed(5, 10, b"b")))


def test_the_window_ends_with_its_last_block() -> None:
    check_window(GOOD, head=304, window=300)
    with pytest.raises(
        CommandFailed, match=r"its later vote is for #5.*for 300 blocks, up to #305; the best block is #305"
    ):
        check_window(GOOD, head=305, window=300)


def test_the_command_says_it_before_it_asks_a_node() -> None:
    done = run_command("stake", "report-offence", HEX_ONE, HEX_ONE, "--url", "ws://127.0.0.1:1")
    assert done.code == 1
    assert "both are the same vote" in done.err
    done = run_command("stake", "report-offence")
    assert done.code == 2
