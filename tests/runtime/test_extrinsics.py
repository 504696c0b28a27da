"""What may be in a block: each refusal from an accepted extrinsic with one thing changed, and nothing changed by it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain.block import Block
from chain.era import Era, make_era
from chain.extrinsic import decode_extrinsic, make_bare
from chain.params import UNIT_PLANCK, BlockParams, Params
from chain.scale import encode_compact
from runtime.environment import Environment
from runtime.executive import InvalidExtrinsicInBlock
from runtime.pallets.balances import transfer_allow_death, transfer_keep_alive
from runtime.pallets.system import ACCOUNT, BLOCK_HASH, ExtrinsicFailed, Remarked, remark, remark_with_event
from runtime.pallets.timestamp import set as set_timestamp
from runtime.pallets.work import solution
from runtime.runtime import encode_call
from runtime.signed import compute_signature_key
from runtime.validity import (
    AncientBirthBlock,
    BadMandatory,
    BadProof,
    CallCrashed,
    CallNotAllowed,
    ExhaustsResources,
    Future,
    InherentAfterSigned,
    InvalidTransaction,
    Malformed,
    MandatoryValidation,
    Payment,
    Stale,
)
from tests.support.runtime_chain import ENDOWMENT, RuntimeChain, get_events, get_key, to


def refuse(chain: RuntimeChain, raw: bytes, error: type[InvalidTransaction]) -> InvalidTransaction:
    """Assert that neither block nor pool takes an extrinsic, that nothing changes, and return the error."""
    execution = chain.start()
    before, events = execution.env.state.changes(), list(execution.env.events)
    with pytest.raises(error) as caught:
        execution.apply_extrinsic(raw)
    assert type(caught.value) is error
    assert caught.value.diagnosis
    assert execution.env.state.changes() == before
    assert execution.env.events == events
    with pytest.raises(InvalidExtrinsicInBlock, match=error.__name__):
        chain.make_block(raw)
    return caught.value


def refuse_in_pool(chain: RuntimeChain, raw: bytes, error: type[InvalidTransaction]) -> None:
    """Assert that the pool refuses an extrinsic with this class."""
    with pytest.raises(error):
        chain.runtime.validate_transaction(chain.view, decode_extrinsic(raw), head=chain.head)


def transfer(chain: RuntimeChain, **options: object) -> bytes:
    """Return a transfer of alice's to bob."""
    return chain.sign("alice", transfer_keep_alive, to("bob"), UNIT_PLANCK, **options)


def test_run_13_a_replayed_extrinsic_is_refused() -> None:
    """RUN-13: its nonce was used."""
    chain = RuntimeChain()
    raw = transfer(chain)
    chain.add_block(raw)
    assert "next one is 1" in refuse(chain, raw, Stale).diagnosis
    refuse_in_pool(chain, raw, Stale)


def test_mny_09_a_replay_after_the_account_was_reaped_is_refused() -> None:
    """MNY-09, RUN-13: emptied and endowed again, the account does not accept what it signed before."""
    chain = RuntimeChain()
    first = chain.sign("alice", transfer_allow_death, to("bob"), UNIT_PLANCK)
    outcome = chain.add_block(first)
    fee = outcome.extrinsic_results[1].fee
    rest = chain.get_free("alice") - fee
    chain.add_block(chain.sign("alice", transfer_allow_death, to("bob"), rest - 10_000_000))
    assert chain.get_free("alice") == 0
    chain.add_block(chain.sign("bob", transfer_keep_alive, to("alice"), 10 * UNIT_PLANCK))
    refuse(chain, first, Stale)


def test_run_12_a_nonce_to_come_is_refused_in_a_block_and_waits_in_the_pool() -> None:
    """RUN-12: a block may not skip a nonce; the pool says what it waits for."""
    chain = RuntimeChain()
    raw = transfer(chain, nonce=1)
    refuse(chain, raw, Future)
    verdict = chain.runtime.validate_transaction(chain.view, decode_extrinsic(raw), head=chain.head)
    assert verdict.requires == (get_key("alice") + bytes(4),)
    assert verdict.provides == (get_key("alice") + b"\x01\x00\x00\x00",)


@pytest.mark.parametrize("place", [40, 70, 98])
def test_run_14_a_changed_signature_is_refused(place: int) -> None:
    """RUN-14: one bit of the signature."""
    chain = RuntimeChain()
    raw = bytearray(transfer(chain))
    raw[place] ^= 1
    refuse(chain, bytes(raw), BadProof)


def test_run_14_a_changed_amount_is_refused() -> None:
    """RUN-14: the last byte of the call."""
    chain = RuntimeChain()
    raw = bytearray(transfer(chain))
    raw[-2] ^= 1
    refuse(chain, bytes(raw), BadProof)
    refuse_in_pool(chain, bytes(raw), BadProof)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"genesis_hash": b"\x07" * 32, "birth_hash": b"\x07" * 32}, "fits neither"),
        ({"genesis_hash": bytes(32), "birth_hash": bytes(32)}, "empty genesis hash"),
        ({"spec_version": 101}, "spec version 101, the chain has 100"),
        ({"transaction_version": 2}, "transaction version 2, the chain has 1"),
    ],
)
def test_run_14_the_diagnosis_names_the_mistake(change: dict[str, object], words: str) -> None:
    """RUN-14: what was signed with other chain values is refused, and the usual mistakes are named."""
    chain = RuntimeChain()
    context = replace(chain.make_context(), **change)
    assert words in refuse(chain, transfer(chain, context=context), BadProof).diagnosis


def test_run_14_the_diagnosis_names_a_forgotten_birth_hash_and_another_nonce() -> None:
    """RUN-14: genesis in place of the era's block; a nonce that was changed after signing."""
    chain = RuntimeChain()
    chain.add_blocks(3)
    era = make_era(8, chain.head.number)
    raw = transfer(chain, era=era, context=chain.make_context())
    assert "genesis hash in place of the era" in refuse(chain, raw, BadProof).diagnosis
    signed = bytearray(transfer(chain, nonce=1))
    position = signed.index(b"\x00\x04\x00", 100)  # immortal, nonce 1, tip 0
    signed[position + 1] = 0
    assert "nonce 1, but carries the nonce 0" in refuse(chain, bytes(signed), BadProof).diagnosis


def test_run_15_an_expired_extrinsic_is_refused() -> None:
    """RUN-15: its era of four blocks has passed; the signature would fit the earlier period."""
    chain = RuntimeChain()
    raw = transfer(chain, era=make_era(4, 0))
    chain.add_blocks(4)
    error = refuse(chain, raw, AncientBirthBlock)
    assert "expired: signed for the blocks 0 to 3, this is block 5" in error.diagnosis
    refuse_in_pool(chain, raw, AncientBirthBlock)


def test_an_extrinsic_is_good_for_its_whole_era() -> None:
    """Born at block 2 with a period of 4, it may still be in block 5."""
    chain = RuntimeChain()
    chain.add_blocks(2)
    raw = transfer(chain, era=make_era(4, 2))
    chain.add_blocks(2)
    assert chain.add_block(raw).extrinsic_results[1].is_success


def test_run_15_an_era_that_begins_before_the_kept_hashes_is_refused() -> None:
    """RUN-15 and RUN-04: with two hashes kept, block 4 does not know block 1."""
    chain = RuntimeChain(replace(Params.tiny(), block=BlockParams(block_hash_count=2)))
    chain.add_block()
    raw = transfer(chain, era=Era(period=64, phase=1))
    chain.add_blocks(3)
    error = refuse(chain, raw, AncientBirthBlock)
    assert "block 1, whose hash is not known" in error.diagnosis


def test_run_04_old_hashes_are_forgotten_and_genesis_is_kept() -> None:
    """RUN-04: the state of block 6 has genesis and the last two."""
    chain = RuntimeChain(replace(Params.tiny(), block=BlockParams(block_hash_count=2)))
    chain.add_blocks(6)
    assert {number for number, _ in BLOCK_HASH.iterate(chain.view)} == {0, 4, 5}


@pytest.mark.parametrize("tip", [ENDOWMENT, 2**128 - 1])
def test_run_11_an_extrinsic_that_cannot_pay_is_refused(tip: int) -> None:
    """RUN-11: a tip of all the signer has."""
    chain = RuntimeChain()
    raw = transfer(chain, tip=tip)
    refuse(chain, raw, Payment)
    refuse_in_pool(chain, raw, Payment)


def test_run_11_a_signer_without_an_account_is_refused() -> None:
    """RUN-11: nobody's nonce is 0 and nobody's balance is nothing."""
    chain = RuntimeChain()
    refuse(chain, chain.sign("stranger", remark, b""), Payment)


def test_an_overspending_transfer_fails_and_pays() -> None:
    """The fee can be paid, the amount cannot: the extrinsic is in the block, with its error."""
    chain = RuntimeChain()
    outcome = chain.add_block(chain.sign("alice", transfer_keep_alive, to("bob"), ENDOWMENT))
    (failed,) = get_events(outcome, ExtrinsicFailed)
    assert "FundsUnavailable" in outcome.extrinsic_results[1].failure
    assert chain.get_free("bob") == ENDOWMENT
    assert chain.get_nonce("alice") == 1
    assert failed.dispatch_error.error.name == "FundsUnavailable"


def test_run_16_an_extrinsic_too_large_for_a_block_is_refused() -> None:
    """RUN-16: more bytes than the normal share."""
    chain = RuntimeChain(replace(Params.tiny(), block=BlockParams(bytes_max=1000)))
    raw = chain.sign("alice", remark, bytes(800))
    refuse(chain, raw, ExhaustsResources)
    refuse_in_pool(chain, raw, ExhaustsResources)


def test_run_16_a_full_block_takes_no_more() -> None:
    """RUN-16: weight for one transfer and a half."""
    chain = RuntimeChain(
        replace(Params.tiny(), block=BlockParams(weight_max=250_000_000, normal_share_ppb=750_000_000))
    )
    execution = chain.start()
    execution.apply_extrinsic(transfer(chain))
    with pytest.raises(ExhaustsResources):
        execution.apply_extrinsic(transfer(chain, nonce=1))


@pytest.mark.parametrize(
    "call",
    [b"", b"\x04", b"\x63\x00", b"\x04\x63", encode_call(remark, b"x") + b"\x00", b"\x00\x00\x05\x00"],
)
def test_run_09_a_call_that_does_not_decode_is_refused(call: bytes) -> None:
    """RUN-09: no call, an unknown pallet or call, bytes behind the call, bytes missing."""
    refuse(RuntimeChain(), make_bare(call), Malformed)


def test_run_09_a_longer_compact_than_needed_is_refused() -> None:
    """RUN-09: the amount 1 as four bytes; and the extrinsic's own length likewise."""
    chain = RuntimeChain()
    call = encode_call(transfer_keep_alive, to("bob"), 1)
    refuse(chain, make_bare(call[:-1] + b"\x06\x00\x00\x00"), Malformed)
    raw = transfer(chain)
    body = raw[2:]
    assert raw[:2] == encode_compact(len(body))
    refuse(chain, (len(body) << 2 | 2).to_bytes(4, "little") + body, Malformed)


def test_run_10_a_bare_call_that_is_no_inherent_is_refused() -> None:
    """RUN-10: a transfer without a signature."""
    raw = make_bare(encode_call(transfer_keep_alive, to("bob"), 1))
    refuse(RuntimeChain(), raw, CallNotAllowed)
    refuse_in_pool(RuntimeChain(), raw, CallNotAllowed)


@pytest.mark.parametrize("mistake", [ValueError, KeyError, IndexError, TypeError, ZeroDivisionError, AssertionError])
def test_run_30_a_call_that_crashes_is_refused_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, mistake: type[Exception]
) -> None:
    """RUN-30: whatever it wrote before, fee and nonce included; the block goes on."""

    def crash(env: Environment, origin: bytes, data: bytes) -> None:
        ACCOUNT.remove(env.state, origin)
        raise mistake("of ours")

    chain = RuntimeChain()
    monkeypatch.setattr(remark, "function", crash)
    bad = chain.sign("alice", remark, b"x")
    assert "System.remark raised" in refuse(chain, bad, CallCrashed).diagnosis
    execution = chain.start()
    with pytest.raises(CallCrashed):
        execution.apply_extrinsic(bad)
    assert execution.apply_extrinsic(transfer(chain)).is_success


def test_run_30_what_a_disk_raises_ends_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """RUN-30: it says nothing about the extrinsic."""

    def fail(env: Environment, origin: bytes, data: bytes) -> None:
        raise OSError("input/output error")

    chain = RuntimeChain()
    monkeypatch.setattr(remark, "function", fail)
    with pytest.raises(OSError, match="input/output"):
        chain.start().apply_extrinsic(chain.sign("alice", remark, b"x"))


def test_run_18_a_signed_inherent_is_refused() -> None:
    """RUN-18: nobody signs the time; nor submits it unsigned."""
    chain = RuntimeChain()
    refuse(chain, chain.sign("alice", set_timestamp, chain.next_time_ms), MandatoryValidation)
    refuse_in_pool(chain, make_bare(encode_call(set_timestamp, chain.next_time_ms)), MandatoryValidation)


def test_run_19_an_inherent_behind_a_signed_extrinsic_is_refused() -> None:
    """RUN-19: a solution at the end of the block."""
    chain = RuntimeChain()
    execution = chain.start()
    execution.apply_extrinsic(transfer(chain))
    with pytest.raises(InherentAfterSigned):
        execution.apply_extrinsic(make_bare(encode_call(solution, 0, 0, b"")))


@pytest.mark.parametrize("offset", [-1, 1])
def test_run_07_and_run_17_an_inherent_that_disagrees_with_the_digest_is_refused(offset: int) -> None:
    """RUN-07, RUN-17: one millisecond off; the whole block is invalid."""
    chain = RuntimeChain()
    block, _ = chain.make_block()
    wrong = make_bare(encode_call(set_timestamp, chain.next_time_ms + offset))
    with pytest.raises(InvalidExtrinsicInBlock, match="DisagreesWithDigest"):
        chain.runtime.execute_block(chain.view, chain.head, Block(header=block.header, extrinsics=(wrong,)))


def test_run_06_the_time_is_set_once() -> None:
    """RUN-06: the second inherent fails."""
    chain = RuntimeChain()
    execution = chain.start()
    with pytest.raises(BadMandatory, match="AlreadySet"):
        execution.apply_extrinsic(make_bare(encode_call(set_timestamp, chain.next_time_ms)))


def test_run_02_a_failed_call_leaves_no_events_of_its_own() -> None:
    """RUN-02: fee and failure are all there is."""
    chain = RuntimeChain()
    outcome = chain.add_block(chain.sign("alice", transfer_keep_alive, to("bob"), ENDOWMENT))
    names = [type(event).__name__ for phase, event in outcome.event_rows if phase == 1]
    assert names == ["Withdraw", "Deposit", "TransactionFeePaid", "ExtrinsicFailed"]


def test_run_05_a_refused_extrinsic_leaves_room_for_the_next() -> None:
    """RUN-05: the author drops it and goes on; the block is the same as without it."""
    chain = RuntimeChain()
    execution = chain.start()
    with pytest.raises(Future):
        execution.apply_extrinsic(transfer(chain, nonce=7))
    execution.apply_extrinsic(transfer(chain))
    _, outcome = chain.make_block(transfer(chain))
    assert execution.finish().changes == outcome.changes


def test_remarks_do_nothing_or_leave_an_event() -> None:
    """Both calls of System."""
    chain = RuntimeChain()
    outcome = chain.add_block(chain.sign("alice", remark, b"hello"), chain.sign("bob", remark_with_event, b"hello"))
    (event,) = get_events(outcome, Remarked)
    assert event.sender == get_key("bob")


def test_a_signature_is_checked_unless_its_key_is_known() -> None:
    """`is_signature_checked` is asked once for each signed extrinsic, with bytes and birth hash hashed."""
    chain = RuntimeChain()
    good, bad = transfer(chain), bytearray(chain.sign("bob", remark, b""))
    bad[50] ^= 1
    block, _ = chain.make_block(good)
    asked: list[bytes] = []

    def is_checked(key: bytes) -> bool:
        asked.append(key)
        return True

    forged = Block(header=block.header, extrinsics=(*block.extrinsics, bytes(bad)))
    chain.runtime.execute_block(chain.view, chain.head, forged, is_signature_checked=is_checked)
    verdict = chain.runtime.validate_transaction(chain.view, decode_extrinsic(good), head=chain.head)
    assert asked[0] == verdict.signature_key
    assert asked[0] != compute_signature_key(good, b"another birth")
    with pytest.raises(InvalidExtrinsicInBlock, match="BadProof"):
        chain.runtime.execute_block(chain.view, chain.head, forged)


def test_validity_says_priority_fee_and_lifetime() -> None:
    """A tip raises the priority; a mortal era ends."""
    chain = RuntimeChain()
    chain.add_blocks(5)
    plain = decode_extrinsic(transfer(chain))
    tipped = decode_extrinsic(transfer(chain, tip=1000, era=make_era(8, chain.head.number)))
    low, high = (chain.runtime.validate_transaction(chain.view, item, head=chain.head) for item in (plain, tipped))
    assert high.priority > 900 * low.priority
    assert high.fee_planck > low.fee_planck
    assert (low.dies_at, low.longevity_blocks, low.birth) == (None, 2**64 - 1, 0)
    assert (high.dies_at, high.longevity_blocks, high.birth) == (13, 7, 5)


def test_dry_run_and_fee_quote_tell_what_a_block_would_do() -> None:
    """The quoted fee is the paid one."""
    chain = RuntimeChain()
    chain.add_blocks(2)
    raw = transfer(chain)
    quote = chain.runtime.query_fee(chain.view, raw)
    tried = chain.runtime.dry_run(chain.view, raw, head=chain.head)
    paid = chain.add_block(raw).extrinsic_results[1].fee
    assert quote.details.total == tried.fee == paid
