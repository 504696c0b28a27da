"""What RPC clients see of finality: status, final heads, extrinsics that become final only when votes say so."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from chain.ss58 import decode_address
from consensus.finality import Checkpoint, encode_signed_vote
from node.api import NodeService
from node.core.voting import MemoryVoteBook, VoteBookUnusable
from node.driver import Driver
from node.feeds import QueueFeed
from node.folders import get_folders
from node.metrics import Metrics
from node.run_config import make_run_config
from node.startup import Site
from rpc.errors import INVALID_PARAMS, OFFENCE_REFUSED, RpcError
from tests.node.voters import VALIDATORS, make_vote, make_voter, sign_vote
from tests.node.world import ALICE, BOB, World, make_keys, make_tiny_spec, make_vote_keys

T = TypeVar("T")
ONES = b"\x01" * 32


def make_service(world: World, folder: Path) -> NodeService:
    """Return the API of a node."""
    spec = make_tiny_spec(validators=VALIDATORS)
    driver = Driver(world.machine, Metrics("tiny"), now_ms=lambda: world.now_ms)
    world.dispatch = driver.dispatch
    site = Site(spec=spec, folders=get_folders(folder, spec.id), peer_id="12D3")
    return NodeService(driver, make_run_config({"dev": True}), site)


def get_status(api: NodeService, block_hash: bytes | None = None) -> dict:  # type: ignore[type-arg]
    """Return the answer as a client gets it."""
    return json.loads(msgspec.json.encode(api.get_finality_status(block_hash or api.get_best_hash())))


def test_the_status_says_who_voted_and_what_is_final(tmp_path: Path) -> None:
    world = make_voter("//Alice", "//Bob")
    api = make_service(world, tmp_path)
    for _ in range(6):
        world.mine()
    status = get_status(api)
    assert (status["number"], status["finalHeight"], status["attended"]) == (6, 0, True)
    ballot = status["ballot"]
    assert (ballot["target"]["height"], ballot["source"]["height"], ballot["votes"]) == (5, 0, 2)
    assert ballot["target"]["hash"] == f"0x{(world.importer.chain.get_hash(5) or b'').hex()}"
    stake = 1_000 * 10**12
    assert ballot["stakeVoted"]["current"] == str(2 * stake)
    assert status["stake"]["current"] == str(4 * stake)
    rows = {decode_address(row["account"])[0]: row for row in status["validators"]}
    assert len(rows) == 4
    assert rows[ALICE.public] == {
        "account": rows[ALICE.public]["account"],
        "key": f"0x{make_vote_keys('//Alice').public.hex()}",
        "previous": status["validators"][0]["previous"],
        "current": str(stake),
        "next": str(stake),
        "voted": True,
    }
    assert [row["voted"] for row in rows.values()].count(True) == 2
    assert [row["lastTarget"] for row in status["node"]["voteKeys"]] == [5, 5]


def test_before_a_checkpoint_no_ballot_is_open_and_states_of_earlier_blocks_can_be_asked(tmp_path: Path) -> None:
    world = make_voter(*VALIDATORS)
    api = make_service(world, tmp_path)
    blocks = [world.mine() for _ in range(11)]
    assert get_status(api, blocks[8].hash)["ballot"] is None
    assert get_status(api, blocks[8].hash)["justified"]["height"] == 5
    assert get_status(api)["finalized"] == {"height": 5, "hash": f"0x{blocks[4].hash.hex()}"}
    assert get_status(api)["node"]["finalized"] == get_status(api)["finalized"]
    with pytest.raises(RpcError):
        api.get_finality_status(bytes(32))


def test_a_key_that_cannot_vote_shows_why(tmp_path: Path) -> None:
    class DamagedBook(MemoryVoteBook):
        def find_last(self, key: bytes) -> None:
            raise VoteBookUnusable("the record is damaged")

    api = make_service(make_voter("//Alice", book=DamagedBook()), tmp_path)
    assert get_status(api)["node"]["voteKeys"][0]["trouble"] == "the record is damaged"


def test_final_heads_and_final_extrinsics_follow_the_votes(tmp_path: Path) -> None:
    world = make_voter(*VALIDATORS)
    api = make_service(world, tmp_path)
    heads = api.subscribe_heads("finalized")
    raw = world.transfer(ALICE, BOB, 10**12, 0)
    feed = asyncio.run(api.watch(raw))
    for _ in range(10):
        world.mine()
    assert api.get_finalized_hash() == world.genesis.hash
    assert [status.kind for status in drain(feed)] == ["ready", "inBlock"]
    block = world.mine()
    assert api.get_finalized_hash() == world.importer.chain.get_hash(5)
    assert [header.number for header in drain(heads)] == [1, 2, 3, 4, 5]
    final = drain(feed)
    assert [(status.kind, status.value) for status in final] == [("finalized", world.importer.chain.get_hash(1))]
    assert block.header.number == 11


def drain(feed: QueueFeed[T]) -> list[T]:
    """Return what a feed holds now."""
    items = list(feed._items)
    feed._items.clear()
    return items


# ---- offences


def make_offence(world: World) -> tuple[bytes, bytes]:
    """Return two votes of Bob's key for one height, as they travel."""
    one, two = (
        sign_vote(make_vote_keys("//Bob"), make_vote(world, Checkpoint(height=5, hash=bytes([n]) * 32)))
        for n in range(2)
    )
    return encode_signed_vote(one), encode_signed_vote(two)


def test_a_reported_offence_is_listed_until_its_punishment_is_final(tmp_path: Path) -> None:
    world = make_voter("//Alice", "//Charlie", "//Dave")
    api = make_service(world, tmp_path)
    for _ in range(6):
        world.mine()
    assert api.list_offences() == []
    one, two = make_offence(world)
    assert asyncio.run(api.report_offence(one, two)) == make_vote_keys("//Bob").public
    [row] = json.loads(msgspec.json.encode(api.list_offences()))
    assert (row["standing"], row["stored"]) == ("open", True)
    assert decode_address(row["account"])[0] == BOB.public
    assert [bytes.fromhex(vote["signed"][2:]) for vote in row["votes"]] == [one, two]
    assert [vote["target"]["height"] for vote in row["votes"]] == [5, 5]
    world.mine()
    [row] = api.list_offences()
    assert row["standing"] == "punished"
    for _ in range(12):
        world.mine()
    assert api.list_offences() == []


def test_vot_16_what_cannot_be_reported_is_an_error_with_its_reason(tmp_path: Path) -> None:
    world = make_voter()
    api = make_service(world, tmp_path)
    for _ in range(6):
        world.mine()
    one, two = make_offence(world)
    nobody = encode_signed_vote(sign_vote(make_keys("//Eve//vote"), make_vote(world, Checkpoint(height=5, hash=ONES))))
    other = encode_signed_vote(
        sign_vote(make_keys("//Eve//vote"), make_vote(world, Checkpoint(height=5, hash=bytes(32))))
    )
    foreign = tuple(bytes(32) + item[32:] for item in (one, two))
    for first, second, code, words in (
        (b"", two, INVALID_PARAMS, "no signed vote"),
        (one, two[:-1], INVALID_PARAMS, "199 bytes are no signed vote"),
        (one + b"\0", two, INVALID_PARAMS, "no signed vote"),
        (one, one, OFFENCE_REFUSED, "may both be signed"),
        (one, two[:-1] + bytes([two[-1] ^ 1]), OFFENCE_REFUSED, "not signed by"),
        (one, nobody, OFFENCE_REFUSED, "different keys"),
        (nobody, other, OFFENCE_REFUSED, "does not know it"),
        (*foreign, OFFENCE_REFUSED, "another chain"),
    ):
        with pytest.raises(RpcError, match=words) as refusal:
            asyncio.run(api.report_offence(first, second))
        assert refusal.value.code == code, words
        assert api.list_offences() == []
