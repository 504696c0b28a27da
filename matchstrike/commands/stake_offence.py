"""`matchstrike stake report-offence` and `offences`: two votes that one key must not have signed both.

Everything that a node would refuse is refused here first, with a sentence; the node then tells the network, and any
author can bring the evidence into a block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, cast

import click
import msgspec

from consensus.finality import (
    SIGNED_VOTE_BYTES,
    BadVote,
    BadVoteSignature,
    Evidence,
    SignedVote,
    check_signed_vote,
    decode_signed_vote,
    encode_signed_vote,
    is_slashable,
)
from matchstrike.commands.amounts import format_amount
from matchstrike.commands.failure import CommandFailed
from matchstrike.commands.regular_file import read_regular_file
from matchstrike.commands.session import emit, output_option, run, url_option
from matchstrike.commands.stake_view import Bonded, StakeView, find_owner, read_record, read_view
from rpc.api import Json
from wallet.chain_client import ChainClient, open_chain, read_int

FILE_BYTES_MAX = 2**16
HEX_WORD = re.compile(r"(?:0x)?([0-9a-fA-F]{64,})")
VOTE_DIGITS = 2 * SIGNED_VOTE_BYTES
NOTHING_TOLD = "nothing was published"


class OffenceRow(msgspec.Struct, frozen=True, kw_only=True):
    """An offence as `finality_offences` tells it."""

    key: str
    account: str | None
    standing: str
    stored: bool
    votes: tuple[Mapping[str, object], ...]


@click.command(name="report-offence")
@click.argument("votes", nargs=-1, required=True, metavar="FILE | VOTE VOTE")
@click.option("--dry-run", is_flag=True, help="Check the two votes, and end.")
@url_option
@output_option
def report_offence(votes: tuple[str, ...], dry_run: bool, url: str, output: str) -> None:
    """Publish two votes that one key must not have signed both: for one height, or one around the other.

    The votes are given in hex, 200 bytes each, or in a FILE that holds both, e.g. of `matchstrike rpc
    finality_offences`. Whoever signed them loses everything bonded; it costs you nothing, and earns the author of the
    block that carries the proof its share.
    """
    evidence = read_evidence(votes)
    check_evidence_alone(evidence)
    run(_report(evidence, dry_run=dry_run, url=url, output=output))


@click.command()
@url_option
@output_option
def offences(url: str, output: str) -> None:
    """List the conflicting votes that a node keeps until their punishment is final."""
    run(_list(url, output))


def read_evidence(votes: tuple[str, ...]) -> Evidence:
    """Return the two votes that the arguments name; what they say is not checked.

    Raises:
        CommandFailed: no such file, or not two signed votes.
    """
    if len(votes) > 2:
        raise click.UsageError(f"two votes are evidence, {len(votes)} were given")
    if len(votes) == 2:
        one, two = (_read_vote(text, name) for text, name in zip(votes, ("first", "second"), strict=True))
        return Evidence(one=one, two=two)
    text = votes[0]
    if HEX_WORD.fullmatch(text) is None:
        text = read_regular_file(Path(text), bytes_max=FILE_BYTES_MAX).decode("utf-8", "replace")
    # both votes may stand in one word, as in the files of a node's folder `offences`
    words = [word for word in HEX_WORD.findall(text) if len(word) >= VOTE_DIGITS]
    parts = [word[at : at + VOTE_DIGITS] for word in words for at in range(0, len(word), VOTE_DIGITS)]
    if len(parts) != 2:
        found = "no signed vote" if not parts else f"{len(parts)} signed vote{'s' * (len(parts) > 1)}"
        _refuse(f"{found} in hex {'was' if len(parts) < 2 else 'were'} found, and two are needed, 200 bytes each")
    return Evidence(one=_read_vote(parts[0], "first"), two=_read_vote(parts[1], "second"))


def check_evidence_alone(evidence: Evidence) -> None:
    """Refuse what proves nothing on any chain.

    Raises:
        CommandFailed
    """
    one, two = evidence.one, evidence.two
    if one.key != two.key:
        _refuse(f"the votes are of two keys, 0x{one.key.hex()} and 0x{two.key.hex()}; nobody contradicts itself")
    if one.vote == two.vote:
        _refuse("both are the same vote; another signature of it is no second vote")
    if one.vote.genesis != two.vote.genesis:
        _refuse("the votes are on two chains; a key may vote on both")
    if not is_slashable(one.vote, two.vote):
        links = " and ".join(_show_link(signed) for signed in (one, two))
        _refuse(f"the votes do not conflict: {links} have other target heights, and neither lies around the other")
    for signed, name in ((one, "first"), (two, "second")):
        try:
            check_signed_vote(signed)
        except BadVoteSignature:
            _refuse(f"the {name} vote was not signed by the key 0x{signed.key.hex()}")
        except BadVote as error:
            _refuse(f"the {name} vote is none: {error}")


def check_window(evidence: Evidence, *, head: int, window: int) -> None:
    """Refuse what the next block may not carry any more.

    Raises:
        CommandFailed
    """
    newest = max(evidence.one.vote.target.height, evidence.two.vote.target.height)
    if newest + window <= head:
        _refuse(
            f"the offence is too old: its later vote is for #{newest}, and evidence counts for {window} blocks, up to "
            f"#{newest + window}; the best block is #{head}"
        )


async def _check_on_chain(chain: ChainClient, view: StakeView, evidence: Evidence) -> tuple[str, int]:
    """Return whose key it is and what that account has at stake.

    Raises:
        CommandFailed: another chain, not a vote key, punished before, nothing left, or too old.
    """
    key, genesis = evidence.one.key, evidence.one.vote.genesis
    if genesis != chain.genesis_hash:
        _refuse(f"the votes are on the chain 0x{genesis.hex()}, and the node is on 0x{chain.genesis_hash.hex()}")
    owner = await find_owner(chain, view, key)
    if owner is None:
        _refuse(f"0x{key.hex()} is no vote key that the chain knows")
    if owner.is_slashed:
        _refuse(
            f"the vote key 0x{key.hex()} of {owner.account} was punished already; nobody is slashed twice for one key"
        )
    window = read_int(cast("Json", chain.metadata.constant("Staking", "EvidenceBlocks")))
    check_window(evidence, head=view.number, window=window)
    ledger = await chain.query("Staking", "Ledgers", owner.account, at=view.hash)
    if ledger is None:
        _refuse(f"{owner.account} has nothing bonded any more, so there is nothing to slash")
    bonded = read_record(ledger, Bonded)
    return owner.account, bonded.active + sum(chunk.amount for chunk in bonded.chunks)


async def _report(evidence: Evidence, *, dry_run: bool, url: str, output: str) -> None:
    async with open_chain(url) as chain:
        account, stake = await _check_on_chain(chain, await read_view(chain), evidence)
        votes = (evidence.one, evidence.two)
        if not dry_run:
            await chain.rpc.call(
                "finality_reportOffence", *(f"0x{encode_signed_vote(signed).hex()}" for signed in votes)
            )
        data: dict[str, Json] = {
            "key": f"0x{evidence.one.key.hex()}",
            "account": account,
            "stake": str(stake),
            "targets": [signed.vote.target.height for signed in votes],
            "published": not dry_run,
        }
        amount = format_amount(stake, chain.token_symbol, chain.token_decimals)
        lines = [
            f"The vote key 0x{evidence.one.key.hex()} of {account} signed {' and '.join(map(_show_link, votes))}.",
            f"The {amount} of that account are at stake.",
            "Nothing was published (--dry-run)."
            if dry_run
            else "Published: any author can bring the proof. `matchstrike stake offences` shows when it is punished.",
        ]
        emit(data, "\n".join(lines), output)


async def _list(url: str, output: str) -> None:
    async with open_chain(url) as chain:
        answer = await chain.rpc.call("finality_offences")
        rows = read_record(answer, tuple[OffenceRow, ...])
    lines = [f"{row.key} of {row.account or 'nobody here'}: {row.standing}" + _show_trouble(row) for row in rows]
    emit(answer, "\n".join(lines) or "This node keeps no offence.", output)


def _show_trouble(row: OffenceRow) -> str:
    return "" if row.stored else " (NOT ON DISK: a restart forgets it)"


def _read_vote(text: str, name: str) -> SignedVote:
    digits = text.strip().removeprefix("0x")
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        _refuse(f"the {name} vote is not in hex")
    if len(raw) != SIGNED_VOTE_BYTES:
        _refuse(f"the {name} vote has {len(raw)} bytes; a signed vote has {SIGNED_VOTE_BYTES}")
    try:
        return decode_signed_vote(raw)
    except BadVote as error:
        _refuse(f"the {name} vote is none: {error}")


def _show_link(signed: SignedVote) -> str:
    return f"#{signed.vote.source.height} to #{signed.vote.target.height}"


def _refuse(reason: str) -> NoReturn:
    raise CommandFailed(f"{reason}; {NOTHING_TOLD}")
