"""What the node answers to the RPC server: blocks, states, pool, work, and news."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chain.hashing import blake2b_256
from chain.header import decode_header, encode_header
from chain.scale import codec_of
from chain.state_proof import check_state_proof, decode_proof
from chain.substrate_types import RuntimeVersion
from consensus.context import PoolProblem
from consensus.digest import WorkSeal
from consensus.ticket import TicketJob, search_tickets
from genesis.chain_spec import ChainSpec
from node.api import NodeService
from node.core.events import ExtrinsicsRemoved
from node.driver import Driver
from node.folders import get_folders
from node.metrics import Metrics
from node.run_config import make_run_config
from node.startup import Site
from rpc.api import NodeApi
from rpc.errors import RpcError
from runtime.pallets.system import ACCOUNT, EVENTS
from tests.node.world import ALICE, BOB, Keys, World, make_keys, make_tiny_spec, make_transfer
from tests.rules.scene import make_post


class Station:
    """A world, its driver and its API."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.world = World(**options)  # type: ignore[arg-type]
        spec: ChainSpec = make_tiny_spec()
        site = Site(spec=spec, folders=get_folders(folder, spec.id), peer_id="12D3")
        self.driver = Driver(self.world.machine, Metrics("tiny"), now_ms=lambda: self.world.now_ms)
        self.api = NodeService(self.driver, make_run_config({"dev": True}), site)
        self.world.dispatch = self.driver.dispatch


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """A mining node."""
    return Station(tmp_path)


def settle(result: object) -> object:
    """Return a result, or what a coroutine returns."""
    return asyncio.run(result) if asyncio.iscoroutine(result) else result


def get_error(action: object, *arguments: object) -> RpcError:
    """Return the RPC error that a call raises."""
    with pytest.raises(RpcError) as caught:
        settle(action(*arguments))  # type: ignore[operator]
    return caught.value


def test_the_service_fulfils_the_protocol(station: Station) -> None:
    api: NodeApi = station.api
    names = [name for name in dir(NodeApi) if not name.startswith("_")]
    assert len(names) >= 35
    assert all(callable(getattr(api, name)) for name in names)


def test_blocks_are_found_by_height_and_hash(station: Station) -> None:
    blocks = [station.world.mine() for _ in range(3)]
    api = station.api
    assert api.get_best_hash() == blocks[2].hash
    assert api.get_finalized_hash() == blocks[0].hash
    assert api.get_hash(2) == blocks[1].hash
    assert api.get_hash(9) is None
    assert api.get_block(blocks[1].hash) == blocks[1]
    assert api.get_header(bytes(32)) is None


def test_old_states_are_read_until_they_are_pruned(tmp_path: Path) -> None:
    station = Station(tmp_path, state_window=4)
    world = station.world
    world.submit(world.transfer(ALICE, BOB, 10**12, 0))
    key = ACCOUNT.key_of(BOB.public)
    before = station.api.get_state(world.genesis.hash).get(key)
    blocks = [world.mine() for _ in range(3)]
    after = station.api.get_state(blocks[0].hash).get(key)
    assert before != after == station.api.get_state(blocks[2].hash).get(key)
    assert station.api.get_state(world.genesis.hash).get(key) == before
    for _ in range(5):
        world.mine()
    error = get_error(station.api.get_state, world.genesis.hash)
    assert error.code == 4003
    assert "pruned" in error.message
    assert get_error(station.api.get_state, bytes(32)).code == 4003


def test_events_come_as_bytes_and_their_hash_stays_in_the_state(station: Station) -> None:
    world = station.world
    world.submit(world.transfer(ALICE, BOB, 10**12, 0))
    block = world.mine()
    view = station.api.get_state(block.hash)
    events = view.get(EVENTS.key)
    assert events is not None
    assert len(events) > 100
    assert dict(view.iterate(EVENTS.key))[EVENTS.key] == events
    plain = world.importer.chain.state.get(EVENTS.key)
    assert plain is not None
    assert len(plain) == 32


def test_a_state_proof_checks_against_the_header(station: Station) -> None:
    block = station.world.mine()
    keys = (ACCOUNT.key_of(ALICE.public), b"nothing")
    proofs = station.api.prove_state(block.hash, keys)
    for key, proof in zip(keys, proofs, strict=True):
        value = station.world.importer.chain.state.get(key)
        check_state_proof(block.header.state_root, key, value, decode_proof(proof))
    assert get_error(station.api.prove_state, station.world.genesis.hash, keys).code == 4003


def test_refusals_carry_substrates_codes_and_a_diagnosis(station: Station) -> None:
    world = station.world
    raw = world.transfer(ALICE, BOB, 10**12, 0)
    assert get_error(station.api.submit, b"\x01").code == 1001
    bad = get_error(station.api.submit, world.sign(ALICE, make_transfer(BOB, 1), 0, birth=b"\x01" * 32))
    assert (bad.code, bad.message) == (1010, "Invalid Transaction")
    assert bad.data is not None
    assert bad.data.startswith("Transaction has a bad signature")
    assert asyncio.run(station.api.submit(raw)) == blake2b_256(raw)
    assert get_error(station.api.submit, raw).code == 1013
    assert get_error(station.api.submit, world.transfer(ALICE, BOB, 1, 0)).code == 1014
    poor = make_keys("//Nobody")
    assert get_error(station.api.submit, world.transfer(poor, BOB, 1, 0)).code == 1010


def test_an_extrinsic_is_found_wherever_it_is(station: Station) -> None:
    world, api = station.world, station.api
    tx_hash = asyncio.run(station.api.submit(world.transfer(ALICE, BOB, 10**12, 0)))
    found = api.get_transaction(tx_hash)
    assert found is not None
    assert (found["status"], found["nonce"]) == ("ready", 0)
    assert api.get_next_index(ALICE.public) == 1
    assert api.get_pending() == (world.transfer(ALICE, BOB, 10**12, 0),)
    block = world.mine()
    found = api.get_transaction(tx_hash)
    assert found is not None
    assert (found["status"], found["blockNumber"], found["index"]) == ("inBlock", 1, 1)
    world.mine()
    world.mine()
    found = api.get_transaction(tx_hash)
    assert found is not None
    assert (found["status"], found["blockHash"]) == ("finalized", "0x" + block.hash.hex())
    late = asyncio.run(station.api.submit(world.transfer(ALICE, BOB, 10**12, 2)))
    world.handle(ExtrinsicsRemoved(hashes=(late,)))
    found = api.get_transaction(late)
    assert found is not None
    assert found["status"] == "dropped"
    assert "operator" in str(found["reason"])
    assert api.get_transaction(bytes(32)) is None
    assert api.get_pool_status()["ready"] == 0


def test_an_included_extrinsic_tells_its_outcome_and_events(station: Station) -> None:
    world, api = station.world, station.api
    good = asyncio.run(api.submit(world.transfer(ALICE, BOB, 10**12, 0)))
    bad = asyncio.run(api.submit(world.transfer(ALICE, BOB, 10**30, 1)))
    world.mine()
    found, failed = api.get_transaction(good), api.get_transaction(bad)
    assert found is not None
    assert failed is not None
    assert (found["success"], found["error"]) == (True, None)
    events = found["events"]
    assert isinstance(events, list)
    names = [f"{event['pallet']}.{event['event']}" for event in events if isinstance(event, dict)]
    assert {"Balances.Transfer", "TransactionPayment.TransactionFeePaid", "System.ExtrinsicSuccess"} <= set(names)
    assert (failed["success"], str(failed["error"]).startswith("Token: ")) == (False, True), failed["error"]


def test_a_watcher_hears_every_step_to_the_last(station: Station) -> None:
    async def run() -> list[str]:
        world = station.world
        feed = await station.api.watch(world.transfer(ALICE, BOB, 10**12, 0))
        for _ in range(3):
            world.mine()
        return [status.kind async for status in feed]

    assert asyncio.run(run()) == ["ready", "inBlock", "finalized"]


def test_subscribers_hear_of_heads_and_of_the_storage_that_changed(station: Station) -> None:
    async def run() -> None:
        world, api = station.world, station.api
        best, final, news = api.subscribe_heads("best"), api.subscribe_heads("finalized"), api.subscribe_news()
        world.submit(world.transfer(ALICE, BOB, 10**12, 0))
        blocks = [world.mine() for _ in range(3)]
        station.driver.close_feeds()
        assert [header.number async for header in best] == [1, 2, 3]
        assert [header.hash async for header in final] == [blocks[0].hash]
        (first, *_) = [item async for item in news]
        assert first.hash == blocks[0].hash
        assert ACCOUNT.key_of(BOB.public) in first.changes
        events = first.changes[EVENTS.key]
        assert events is not None
        assert len(events) > 100

    asyncio.run(run())


def test_a_miner_outside_the_node_gets_a_template_and_brings_a_block(station: Station) -> None:
    api, world = station.api, station.world
    template = asyncio.run(api.get_work_template(BOB.public))
    pool: PoolProblem | None = None
    job = TicketJob(
        work_key=bytes.fromhex(str(template["workKey"])[2:]),
        core_seed=bytes.fromhex(str(template["coreSeed"])[2:]),
        core_qubits=int(str(template["coreQubits"])),
        shots=int(str(template["shots"])),
        repeats=int(str(template["repeats"])),
        target=int(str(template["target"]), 16),
        weight=int(str(template["weight"])),
        pool_ratio=(template["poolRatio"][0], template["poolRatio"][1]),  # type: ignore[arg-type, call-overload, index]
        pool=pool,
    )
    win = search_tickets(job, 0, 100).win
    assert win is not None
    header = bytes.fromhex(str(template["header"])[2:])
    assert get_error(api.submit_work, header, codec_of(WorkSeal).encode(win)[:-1]).code == 3002
    assert get_error(api.submit_work, header[:-1], b"").code == -32602
    block_hash = asyncio.run(api.submit_work(header, codec_of(WorkSeal).encode(win)))
    assert world.head.hash == block_hash
    assert get_error(api.submit_work, encode_header(decode_header(header)), codec_of(WorkSeal).encode(win)).code == 3002
    replay = api.replay_seal(block_hash)
    assert replay["verdict"] == "valid"
    assert replay["index"] == win.index
    assert get_error(api.replay_seal, world.genesis.hash).code == -32602


def test_problems_are_listed_shown_and_mined_on(station: Station) -> None:
    world, api = station.world, station.api
    world.submit(world.sign(ALICE, make_post(), 0))
    world.mine()
    world.mine()
    block = world.mine()
    (listed,) = api.list_problems(block.hash, only_open=True)
    assert (listed["id"], listed["status"], listed["spins"], listed["bounty"]) == (0, "open", 3, str(10**12))
    shown = api.get_problem(0, block.hash)
    assert shown is not None
    assert shown["ising"] == {"offset": 0, "fields": [0, 0, 0], "couplings": [[0, 1, 1], [0, 2, 1], [1, 2, 1]]}
    best = shown["best"]
    assert isinstance(best, dict)
    assert best["energy"] == -1
    assert [row["energy"] for row in api.get_solutions(0, block.hash)] == [-1]
    assert api.get_problem(1, block.hash) is None
    assert api.get_solutions(-1, block.hash) == []
    replay = api.replay_seal(block.hash)
    pool = replay["pool"]
    assert isinstance(pool, dict)
    assert pool["best"] == -1
    status = api.get_mining_status()
    assert status["mining"] is True
    assert api.get_work_status(block.hash)["height"] == 4


def test_runtime_calls_and_fees(station: Station) -> None:
    world, api = station.world, station.api
    world.mine()
    at = api.get_best_hash()
    raw = world.transfer(ALICE, BOB, 10**12, 0)
    assert codec_of(RuntimeVersion).decode(api.call_runtime("Core_version", b"", at)).spec_name == "matchstrike"
    assert api.call_runtime("AccountNonceApi_account_nonce", ALICE.public, at) == bytes(4)
    info = api.query_fee(raw, at)
    assert info.fee_planck == info.base_planck + info.length_planck + info.weight_planck > 0
    assert api.dry_run(raw, at) == b"\x00\x00"
    assert api.dry_run(world.transfer(ALICE, BOB, 10**12, 5), at)[0] == 1
    assert get_error(api.call_runtime, "Nothing_here", b"", at).code == -32601
    assert get_error(api.query_fee, b"\x04\x01", at).code == 1
    packed = raw + len(raw).to_bytes(4, "little")
    assert api.call_runtime("TransactionPaymentApi_query_info", packed, at)[-16:] == info.fee_planck.to_bytes(
        16, "little"
    )


def test_the_keystore_and_the_log_filters(station: Station) -> None:
    api = station.api
    key: Keys = ALICE
    assert not api.has_key(key.public, "gran")
    api.insert_key("gran", "//Alice", key.public)
    assert api.has_key(key.public, "gran")
    assert get_error(api.insert_key, "gran", "//Bob", key.public).code == -32602
    assert get_error(api.add_log_filter, "x=loud").code == -32602
    assert api.get_system_info().chain == "Development"
    assert api.get_sync_state().should_have_peers is False
