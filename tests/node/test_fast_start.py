"""What a node does before it opens its chain: `--sync`, `--checkpoint`, and the age of what is final."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from chain.store import MemoryStore
from consensus.digest import read_work
from node import fast_start
from node.chain_opening import has_chain
from node.core.fast_sync import FastSync
from node.failures import CommandFailure
from node.fast_plan import make_fast_plan
from node.fast_start import check_chain, prepare_store
from node.fast_store import FastStore, is_unfinished
from node.folders import get_folders
from node.run_config import RunConfig
from node.startup import Site
from tests.node.test_fast_sync import FINAL, make_plan_of_source, make_source
from tests.node.test_run_config import parse
from tests.node.voters import VALIDATORS
from tests.node.world import make_tiny_spec


def make_site(chain_type: str = "Live") -> Site:
    """Return the site of the chain of four validators."""
    spec = replace(make_tiny_spec(validators=VALIDATORS), chain_type=chain_type)
    return Site(spec=spec, folders=get_folders(Path("unused"), spec.id), peer_id="")


def make_config(*arguments: str) -> RunConfig:
    """Return the configuration of these flags."""
    return parse(*arguments)


def test_belief_begins_with_the_validators_of_the_chain_spec() -> None:
    assert make_fast_plan(make_site().spec, None) == make_plan_of_source()


def test_lgt_11_a_node_that_was_away_too_long_needs_a_checkpoint(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_source()
    chain, site = source.importer.chain, make_site()
    final = chain.get_header(chain.get_hash(source.importer.final.number) or b"")
    assert final is not None
    delay_ms = site.spec.params.staking.unbonding_blocks * site.spec.params.work.block_target_ms
    now_ms = read_work(final).timestamp_ms + delay_ms
    monkeypatch.setattr(fast_start, "get_time_ms", lambda: now_ms)
    check_chain(chain, make_config(), site)
    now_ms += 1
    with pytest.raises(CommandFailure, match="start with --checkpoint HASH"):
        check_chain(chain, make_config(), site)
    known = make_config("--checkpoint", f"0x{final.hash.hex()}")
    prepare_store(source.store, known, site)
    check_chain(chain, known, site)
    check_chain(chain, make_config(), make_site("Local"))
    assert "nothing to lose" in caplog.text
    assert source.head.number > FINAL


def test_lgt_10_a_chain_without_the_checkpoint_is_not_started() -> None:
    source = make_source()
    flags = ("--checkpoint", "0x" + "55" * 32)
    with pytest.raises(CommandFailure, match="does not contain the trusted checkpoint"):
        prepare_store(source.store, make_config(*flags), make_site())
    with pytest.raises(CommandFailure, match="does not contain the trusted checkpoint"):
        prepare_store(MemoryStore(), make_config(*flags), make_site())
    assert has_chain(source.store)


def test_full_sync_removes_what_an_unfinished_fast_sync_left() -> None:
    store = MemoryStore()
    FastStore(store, make_source().genesis)
    assert is_unfinished(store)
    prepare_store(store, make_config(), make_site())
    assert not list(store.iterate(b""))


def test_lgt_12_without_validators_in_block_0_no_peer_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    site = replace(make_site(), spec=make_tiny_spec())
    prepare_store(store, make_config("--sync", "fast"), site)
    assert "No fast sync" in caplog.text
    assert not list(store.iterate(b""))


def test_a_database_with_blocks_goes_on_as_it_is() -> None:
    source = make_source()
    before = dict(source.store.iterate(b""))
    prepare_store(source.store, make_config("--sync", "fast"), make_site("Local"))
    assert dict(source.store.iterate(b"")) == before


def test_syn_24_a_fast_sync_that_takes_too_long_leaves_an_empty_store_for_full_sync(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class LateRunner:
        def __init__(self, sync: FastSync) -> None:
            self.sync = sync

        async def run(self, config: RunConfig, site: Site) -> None:
            self.sync.outcome = "too late"

    monkeypatch.setattr(fast_start, "_Runner", LateRunner)
    store = MemoryStore()
    prepare_store(store, make_config("--sync", "fast"), make_site())
    assert "every block is synced instead: it took too long" in caplog.text
    assert not list(store.iterate(b""))
