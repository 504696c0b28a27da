"""Blocks: phases, roots, events, metadata; read by software that is not ours."""

from __future__ import annotations

import pickle

import pytest
from msgspec.structs import replace
from scalecodec.base import RuntimeConfigurationObject, ScaleBytes
from scalecodec.type_registry import load_type_registry_preset

from chain.block import Block
from chain.hashing import blake2b_256
from chain.header import make_sealed
from chain.params import UNIT_PLANCK, Params
from consensus.digest import WorkSeal, make_seal
from consensus.errors import DigestMalformed, InvalidBlock
from consensus.seal import CheckedBlock
from runtime.executive import ExecutedOnWrongParent, TimestampMissing, WrongStateRoot
from runtime.genesis_state import GenesisConfig, InvalidGenesis, build_genesis_state
from runtime.pallets.balances import transfer_keep_alive
from runtime.pallets.problems import post
from runtime.pallets.system import DIGEST, EVENT_COUNT, EVENTS, EXTRINSIC_COUNT, NUMBER, PARAMS_HASH, PARENT_HASH
from runtime.pallets.timestamp import NOW
from runtime.runtime import PALLETS, make_metadata
from runtime.storage import Overlay
from tests.support.runtime_chain import ENDOWMENT, RuntimeChain, get_key, post_arguments, to


def make_decoder(metadata: bytes) -> RuntimeConfigurationObject:
    """Return scalecodec, told everything by our metadata."""
    config = RuntimeConfigurationObject(implements_scale_info=True)
    config.update_type_registry(load_type_registry_preset("core"))
    decoded = config.create_scale_object("MetadataVersioned", ScaleBytes(metadata))
    decoded.decode()
    config.add_portable_registry(decoded)
    config.metadata = decoded
    return config


def test_run_21_events_are_what_the_state_commits_to_and_what_scalecodec_reads() -> None:
    """RUN-21: the hash is in the state; a foreign decoder reads the bytes through our metadata."""
    chain = RuntimeChain()
    outcome = chain.add_block(
        chain.sign("alice", transfer_keep_alive, to("bob"), UNIT_PLANCK),
        chain.sign("bob", transfer_keep_alive, to("alice"), ENDOWMENT * 2),
        chain.sign("charlie", post, *post_arguments()),
    )
    assert EVENTS.get(chain.state) == blake2b_256(outcome.events)
    assert EVENT_COUNT.get(chain.state) == len(outcome.event_rows)
    config = make_decoder(chain.runtime.metadata)
    kind = config.metadata.get_metadata_pallet("System").get_storage_function("Events").get_value_type_string()
    records = config.create_scale_object(kind, ScaleBytes(outcome.events), metadata=config.metadata)
    records.decode()
    found = [(row["module_id"], row["event_id"]) for row in records.value]
    expected = [
        (next(pallet.name for pallet in PALLETS if type(event) in pallet.events), type(event).__name__)
        for _, event in outcome.event_rows
    ]
    assert found == expected
    transfer = next(row for row in records.value if row["event_id"] == "Transfer")
    assert transfer["attributes"]["amount"] == UNIT_PLANCK
    assert set(transfer["attributes"]) == {"from", "to", "amount"}
    failed = next(row for row in records.value if row["event_id"] == "ExtrinsicFailed")
    assert failed["attributes"]["dispatch_error"] == {"Token": "FundsUnavailable"}


def test_metadata_declares_what_clients_look_for() -> None:
    """Pallet indices, storage and constants of Substrate."""
    config = make_decoder(make_metadata(Params.tiny()))
    pallets = {pallet.value["name"]: pallet for pallet in config.metadata.pallets}
    assert {name: pallet.value["index"] for name, pallet in pallets.items()} == {
        "System": 0,
        "Timestamp": 1,
        "Balances": 4,
        "TransactionPayment": 5,
        "Problems": 6,
        "Work": 7,
        "Staking": 8,
        "Finality": 9,
        "Batches": 10,
        "Solutions": 11,
        "Learning": 12,
    }
    constants = {constant.value["name"] for constant in pallets["System"].constants}
    assert {"SS58Prefix", "BlockHashCount", "BlockWeights", "BlockLength", "Version", "DbWeight"} <= constants
    errors = {error.value["name"] for error in pallets["Problems"].errors}
    assert {error.__name__ for error in PALLETS[4].errors} == errors


def test_the_system_pallet_knows_the_block() -> None:
    """Number, parent, digest, time, count."""
    chain = RuntimeChain()
    parent = chain.head.hash
    chain.add_block()
    assert NUMBER.get(chain.state) == 1
    assert PARENT_HASH.get(chain.state) == parent
    assert DIGEST.get(chain.state).logs == chain.head.digest.logs[:-1]
    assert EXTRINSIC_COUNT.get(chain.state) == 1
    assert NOW.get(chain.state) > 0


def test_run_08_a_block_without_a_time_is_refused() -> None:
    """RUN-08: an empty body."""
    chain = RuntimeChain()
    block, _ = chain.make_block()
    with pytest.raises(TimestampMissing):
        chain.runtime.execute_block(chain.view, chain.head, Block(header=block.header, extrinsics=()))


def test_run_22_a_block_on_another_parent_is_refused() -> None:
    """RUN-22: wrong hash, wrong height."""
    chain = RuntimeChain()
    block, _ = chain.make_block()
    for header in (replace(block.header, parent_hash=bytes(32)), replace(block.header, number=2)):
        with pytest.raises(ExecutedOnWrongParent):
            chain.runtime.execute_block(chain.view, chain.head, replace(block, header=header))


def test_run_24_a_wrong_state_root_is_refused() -> None:
    """RUN-24: the root the caller computes must be the header's."""
    chain = RuntimeChain()
    block, _ = chain.make_block()
    seal = make_seal(WorkSeal(index=0, core_hash=bytes(32), pool_shots=b""))
    checked = CheckedBlock(block=replace(block, header=make_sealed(block.header, seal)), context=None, checked=None)
    imported = chain.runtime.import_block(chain.view, chain.head, checked, lambda _: bytes(32))
    assert imported.block is checked.block
    with pytest.raises(WrongStateRoot):
        chain.runtime.import_block(chain.view, chain.head, checked, lambda _: b"\x01" * 32)


def test_a_block_without_author_or_work_is_refused() -> None:
    """The digest is read before anything is executed."""
    chain = RuntimeChain()
    block, _ = chain.make_block()
    bare = replace(block.header, digest=replace(block.header.digest, logs=()))
    with pytest.raises(DigestMalformed):
        chain.runtime.execute_block(chain.view, chain.head, replace(block, header=bare))


def test_building_and_executing_a_block_agree() -> None:
    """The author's path and the importer's give the same changes and events."""
    chain = RuntimeChain()
    raw = chain.sign("alice", transfer_keep_alive, to("bob"), 1)
    execution = chain.start()
    execution.apply_extrinsic(raw)
    built = execution.finish()
    _, executed = chain.make_block(raw)
    assert (built.changes, built.events) == (executed.changes, executed.events)


@pytest.mark.parametrize(
    "rows",
    [((get_key("alice"), 1),), ((get_key("alice"), UNIT_PLANCK), (get_key("alice"), UNIT_PLANCK))],
)
def test_run_25_bad_endowments_are_refused(rows: tuple[tuple[bytes, int], ...]) -> None:
    """RUN-25: too little, or twice."""
    with pytest.raises(InvalidGenesis):
        build_genesis_state(Params.tiny(), GenesisConfig(balances=rows))


def test_run_26_the_genesis_state_depends_on_every_parameter() -> None:
    """RUN-26: one other number, another hash in the state."""
    config = GenesisConfig()
    base = Params.tiny()
    other = replace(base, money=replace(base.money, fee_per_byte_planck=7))
    hashes = {build_genesis_state(params, config)[PARAMS_HASH.key] for params in (base, other, Params())}
    assert len(hashes) == 3


def test_run_23_errors_of_blocks_pickle() -> None:
    """RUN-23: they cross process boundaries."""
    error = WrongStateRoot("text")
    assert isinstance(error, InvalidBlock)
    assert str(pickle.loads(pickle.dumps(error))) == "text"


def test_a_view_is_never_written() -> None:
    """Executing changes nothing below."""
    chain = RuntimeChain()
    before = dict(chain.view.values)
    chain.make_block(chain.sign("alice", transfer_keep_alive, to("bob"), 5))
    assert chain.view.values == before
    assert Overlay(chain.view).changes() == {}
