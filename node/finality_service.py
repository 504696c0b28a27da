"""Votes and what they made final, for the RPC (`rpc.api.FinalityApi`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chain.header import Header
from chain.params import Params
from chain.ss58 import encode_address
from chain.state_view import StateView
from consensus.ballot import Ballot, Voters, VoterSets, compute_stake
from consensus.finality import BadVote, Checkpoint, Evidence, decode_signed_vote, encode_signed_vote
from node.core.effects import ReportRefused
from node.core.events import OffenceReported
from node.core.importer import Importer
from node.core.offences import Offence
from node.core.vote_desk import VoteDesk
from node.core.voting import VoteBookUnusable
from node.driver import Driver
from node.finality_proof import list_page
from node.state_access import get_plain_state
from rpc.api import Json
from rpc.errors import OFFENCE_REFUSED, UNKNOWN_BLOCK, RpcError, invalid_params
from runtime.pallets.finality import find_next_ballot
from runtime.queries import get_finality, get_validator_sets
from runtime.storage import Overlay


class FinalityService:
    """Answers about finality."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @property
    def _importer(self) -> Importer:
        return self._driver.machine.importer

    def get_finality_status(self, block_hash: bytes) -> Mapping[str, Json]:
        """Return what is justified and final after a block, who votes, and what this node votes with.

        Raises:
            RpcError: the block is unknown, or its state is pruned.
        """
        importer = self._importer
        header = importer.get_header(block_hash)
        if header is None:
            raise RpcError(UNKNOWN_BLOCK, "Unknown block", f"0x{block_hash.hex()}")
        status = describe_finality(get_plain_state(importer, block_hash), header, importer.params)
        final = importer.final
        return {
            **status,
            "node": {
                "finalized": _describe_checkpoint(Checkpoint(height=final.number, hash=final.hash)),
                "voteKeys": describe_keys(self._driver.machine.votes),
            },
        }

    def prove_finality(self, start: bytes | None) -> Mapping[str, Json]:
        """Return a page of the proof of what is final, from a checkpoint or from block 0 on.

        Raises:
            RpcError: the block is not on the best chain.
        """
        importer = self._importer
        begin = start if start is not None else importer.chain.genesis_hash
        steps = list_page(importer.chain, importer.params.finality, begin)
        if steps is None:
            raise RpcError(UNKNOWN_BLOCK, "Unknown block", f"0x{begin.hex()} is not on the best chain")
        return {
            "genesis": f"0x{importer.chain.genesis_hash.hex()}",
            "start": f"0x{begin.hex()}",
            "steps": [f"0x{raw.hex()}" for raw in steps],
        }

    def list_offences(self) -> Sequence[Mapping[str, Json]]:
        """Return the evidence that this node keeps, until its punishment is final or it is too old."""
        params = self._importer.params
        return [_describe_offence(row, params) for row in self._driver.machine.votes.box.offences.list_known()]

    async def report_offence(self, one: bytes, two: bytes) -> bytes:
        """Take in two signed votes of one key that contradict each other, and return the key.

        Raises:
            RpcError: they are no votes, prove nothing, or cost nobody anything on this chain.
        """
        try:
            evidence = Evidence(one=decode_signed_vote(one), two=decode_signed_vote(two))
        except BadVote as error:
            raise invalid_params(str(error)) from error
        for effect in await self._driver.take(OffenceReported(evidence=evidence)):
            if isinstance(effect, ReportRefused):
                raise RpcError(OFFENCE_REFUSED, "Offence refused", str(effect.error)) from effect.error
        return evidence.one.key


def describe_finality(view: StateView, header: Header, params: Params) -> dict[str, Json]:
    """Return what a block's state says of finality; the ballot is that of the block after it."""
    status, sets = get_finality(view), get_validator_sets(view)
    ballot = find_next_ballot(Overlay(view), header, params)
    voters = frozenset(ballot.voters) if ballot is not None else frozenset()
    return {
        "number": header.number,
        "hash": f"0x{header.hash.hex()}",
        "justified": _describe_checkpoint(status.justified),
        "finalized": _describe_checkpoint(status.finalized),
        "finalHeight": status.final_height,
        "attended": status.is_attended,
        "checkpointBlocks": params.finality.checkpoint_blocks,
        "stake": {name: str(compute_stake(members)) for name, members in _name_sets(sets)},
        "ballot": None if ballot is None else _describe_ballot(ballot, sets),
        "validators": _list_validators(sets, voters, params),
    }


def describe_keys(votes: VoteDesk) -> list[dict[str, Json]]:
    """Return the vote keys of this node, each with the height of its last vote, or why it cannot vote."""
    rows: list[dict[str, Json]] = []
    for key in votes.signer.keys():  # noqa: SIM118 - a signer is no mapping
        row: dict[str, Json] = {"key": f"0x{key.hex()}", "lastTarget": None, "trouble": None}
        try:
            last = votes.book.find_last(key)
        except VoteBookUnusable as error:
            row["trouble"] = str(error)
        else:
            row["lastTarget"] = None if last is None else last.target_height
        rows.append(row)
    return rows


def _describe_offence(offence: Offence, params: Params) -> dict[str, Json]:
    evidence, account = offence.evidence, offence.account
    return {
        "key": f"0x{evidence.one.key.hex()}",
        "account": None if account is None else encode_address(account, params.ss58_prefix),
        "standing": offence.standing,
        "stored": offence.is_stored,
        "votes": [
            {
                "source": _describe_checkpoint(signed.vote.source),
                "target": _describe_checkpoint(signed.vote.target),
                "signed": f"0x{encode_signed_vote(signed).hex()}",
            }
            for signed in (evidence.one, evidence.two)
        ],
    }


def _name_sets(sets: VoterSets) -> tuple[tuple[str, Voters], ...]:
    return ("previous", sets.previous), ("current", sets.current), ("next", sets.next)


def _describe_checkpoint(checkpoint: Checkpoint) -> dict[str, Json]:
    return {"height": checkpoint.height, "hash": f"0x{checkpoint.hash.hex()}"}


def _describe_ballot(ballot: Ballot, sets: VoterSets) -> dict[str, Json]:
    def compute_voted(members: Voters) -> str:
        return str(compute_stake(member for member in members if member.key in ballot.voters))

    return {
        "source": _describe_checkpoint(ballot.source),
        "target": _describe_checkpoint(ballot.target),
        "votes": len(ballot.voters),
        "stakeVoted": {"previous": compute_voted(sets.previous), "current": compute_voted(sets.current)},
    }


def _list_validators(sets: VoterSets, voters: frozenset[bytes], params: Params) -> list[dict[str, Json]]:
    """Return who is in any of the sets, with the stake in each."""
    rows: dict[bytes, dict[str, Json]] = {}
    for name, members in _name_sets(sets):
        for member in members:
            row = rows.setdefault(
                member.key,
                {
                    "account": encode_address(member.account, params.ss58_prefix),
                    "key": f"0x{member.key.hex()}",
                    "previous": "0",
                    "current": "0",
                    "next": "0",
                    "voted": member.key in voters,
                },
            )
            row[name] = str(member.stake)
    return list(rows.values())
