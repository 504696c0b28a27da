"""From a valid mined header, one thing is changed, and exactly one error is expected."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest

from chain.block import Block, compute_extrinsics_root
from chain.header import (
    POW_ENGINE,
    WORK_ENGINE,
    Consensus,
    Digest,
    Header,
    Other,
    PreRuntime,
    Seal,
    decode_header,
    encode_header,
    make_sealed,
    make_unsealed,
)
from chain.params import WorkParams
from chain.scale import CodecError
from consensus import errors
from consensus.asert import compute_largest_target
from consensus.context import WorkContext
from consensus.digest import WorkSeal, make_digest, make_seal, read_author, read_seal, read_work
from consensus.seal import CheckedBlock, check_block, check_header_alone, check_header_in_context, check_seal
from consensus.ticket import make_ticket_job, run_core_strikes, run_pool_strike, run_ticket
from consensus.work import compute_header_ticket, compute_seed, compute_work_key
from tests.support.mining import (
    AUTHOR,
    NOW_MS,
    PARAMS,
    TIMES_MS,
    forge_seal,
    make_context,
    make_pool_problem,
    make_template,
    make_work,
    mine,
    replace,
    with_work,
)

POOL = make_context(make_pool_problem())
CORE = make_context()
MINED = mine(make_template(POOL), POOL)
MINED_CORE = mine(make_template(CORE), CORE)
BOTH = pytest.mark.parametrize(("header", "context"), [(MINED, POOL), (MINED_CORE, CORE)], ids=["pool", "core"])


def judge(header: Header, context: WorkContext, *, now_ms: int = NOW_MS, params: WorkParams = PARAMS) -> CheckedBlock:
    """Check a block of this header as a node does."""
    return check_block(Block(header=header, extrinsics=()), context, params, now_ms=now_ms)


@BOTH
def test_a_mined_header_passes(header: Header, context: WorkContext) -> None:
    checked = judge(header, context).checked
    assert checked.author == AUTHOR
    assert checked.work == make_work(context)
    assert checked.ticket == compute_header_ticket(header) < context.target * checked.work.weight
    ticket = run_ticket(make_ticket_job(header, context, PARAMS), checked.seal.index)
    assert (ticket.core_hash, ticket.pool_shots) == (checked.seal.core_hash, checked.seal.pool_shots)
    assert ticket.value == checked.ticket
    assert checked.block_work == 2**256 // (context.target + 1)


@BOTH
def test_seal_02_to_seal_06_one_flipped_bit_of_the_seal_is_refused(header: Header, context: WorkContext) -> None:
    """Every bit of the seal's bytes; which class depends on where the ticket lands. SEAL-02, SEAL-03, SEAL-04."""
    seal = header.seal
    assert seal is not None
    allowed = (
        errors.SealMalformed,
        errors.WrongPoolSize,
        errors.TicketAboveTarget,
        errors.WrongCoreShots,
        errors.WrongPoolShots,
    )
    seen = set()
    for bit in range(8 * len(seal.data)):
        data = bytearray(seal.data)
        data[bit // 8] ^= 1 << bit % 8
        changed = make_sealed(header, Seal(engine=POW_ENGINE, data=bytes(data)))
        with pytest.raises(allowed) as caught:
            judge(changed, context)
        seen.add(caught.type)
    assert errors.TicketAboveTarget in seen
    assert seen & {errors.SealMalformed, errors.WrongPoolSize}


@BOTH
def test_one_flipped_bit_of_the_header_is_refused(header: Header, context: WorkContext) -> None:
    """Wherever it is: the header no longer decodes, or disagrees with its context, or its ticket is another."""
    data = encode_header(header)
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((errors.InvalidBlock, errors.TooFarAhead, CodecError)):
            judge(decode_header(bytes(changed)), context)


def test_seal_04_a_stolen_seal_under_another_author_is_refused() -> None:
    thief = make_sealed(make_template(POOL, author=b"\xbb" * 32), make_seal(read_seal(MINED)))
    with pytest.raises(errors.TicketAboveTarget):
        judge(thief, POOL)


def test_a_thief_who_finds_an_index_for_the_stolen_shots_is_refused() -> None:
    seal = read_seal(MINED)
    template = make_template(POOL, author=b"\xbb" * 32)
    thief = forge_seal(template, POOL, core_hash=seal.core_hash, pool_shots=seal.pool_shots)
    with pytest.raises(errors.WrongCoreShots):
        judge(thief, POOL)


def test_seal_05_guessed_core_shots_are_refused() -> None:
    forged = forge_seal(MINED, POOL, core_hash=b"\x99" * 32, pool_shots=read_seal(MINED).pool_shots)
    with pytest.raises(errors.WrongCoreShots):
        judge(forged, POOL)


def test_seal_06_guessed_pool_shots_are_refused() -> None:
    """The core strikes are honest, the pool shots are ground until the ticket wins."""
    job = make_ticket_job(MINED, POOL, PARAMS)
    core_hash, _ = run_core_strikes(job, compute_seed(job.work_key, 0))
    for guess in range(1_000_000):
        seal = WorkSeal(index=0, core_hash=core_hash, pool_shots=guess.to_bytes(16, "little"))
        forged = make_sealed(MINED, make_seal(seal))
        if compute_header_ticket(forged) < job.limit:
            break
    with pytest.raises(errors.WrongPoolShots):
        judge(forged, POOL)


@pytest.mark.parametrize("size", [0, 15, 17, 8192])
def test_seal_03_pool_shots_of_another_length_are_refused(size: int) -> None:
    seal = replace(read_seal(MINED), pool_shots=bytes(size))
    with pytest.raises(errors.WrongPoolSize):
        judge(make_sealed(MINED, make_seal(seal)), POOL)


def test_seal_03_pool_shots_without_a_pool_problem_are_refused() -> None:
    seal = replace(read_seal(MINED_CORE), pool_shots=b"\0")
    with pytest.raises(errors.WrongPoolSize):
        judge(make_sealed(MINED_CORE, make_seal(seal)), CORE)


def test_seal_04_a_losing_ticket_is_refused() -> None:
    job = make_ticket_job(MINED, POOL, PARAMS)
    index = next(i for i in range(100) if run_ticket(job, i).value >= job.limit)
    ticket = run_ticket(job, index)
    seal = WorkSeal(index=index, core_hash=ticket.core_hash, pool_shots=ticket.pool_shots)
    with pytest.raises(errors.TicketAboveTarget):
        judge(make_sealed(MINED, make_seal(seal)), POOL)


def test_seal_07_a_ticket_that_would_win_with_its_weight_but_not_with_what_it_used_is_refused() -> None:
    """An honest ticket whose shots shared registers: its strikes are right, its chance was less than its weight's."""
    job = make_ticket_job(MINED, POOL, PARAMS)
    tickets = ((index, run_ticket(job, index)) for index in range(20_000))
    index, ticket = next((i, one) for i, one in tickets if one.value < job.limit and not one.wins(job))
    seal = WorkSeal(index=index, core_hash=ticket.core_hash, pool_shots=ticket.pool_shots)
    with pytest.raises(errors.TicketTooCheap, match=f"{ticket.gas} gas of at most {job.weight}"):
        judge(make_sealed(MINED, make_seal(seal)), POOL)


Change = Callable[[], tuple[Header, WorkContext]]

# A change of the work item, sealed again by honest work for that header, so that no check of the seal hides it.
RESEALED: list[tuple[str, Header, type[Exception]]] = [
    ("wrk_05_wrong_core_epoch", with_work(MINED, core_epoch=POOL.core_epoch + 1), errors.WrongCoreEpoch),
    ("wrk_06_unknown_problem", with_work(MINED, problem=4), errors.UnknownProblem),
    ("wrk_06_no_problem_named", with_work(MINED, problem=None), errors.UnknownProblem),
    ("wrk_07_weight_too_high", with_work(MINED, weight=make_work(POOL).weight + 1), errors.WrongWeight),
    ("wrk_07_weight_too_low", with_work(MINED, weight=make_work(POOL).weight - 1), errors.WrongWeight),
    ("wrk_08_weight_too_large", with_work(MINED, weight=PARAMS.ticket_gas_max + 1), errors.WeightTooLarge),
    ("tgt_01_target_too_easy", with_work(MINED, target=POOL.target + 1), errors.WrongTarget),
    ("tgt_01_target_too_hard", with_work(MINED, target=POOL.target - 1), errors.WrongTarget),
    ("tgt_02_no_target", with_work(MINED, target=0), errors.TargetOutOfBounds),
    ("tgt_02_large", with_work(MINED, target=compute_largest_target(PARAMS) + 1), errors.TargetOutOfBounds),
    ("tgt_02_largest", with_work(MINED, target=compute_largest_target(PARAMS)), errors.WrongTarget),
    ("time_01_at_the_median", with_work(MINED, timestamp_ms=TIMES_MS[4]), errors.TimestampTooOld),
    ("time_01_at_zero", with_work(MINED, timestamp_ms=0), errors.TimestampTooOld),
    ("time_02_ahead", with_work(MINED, timestamp_ms=NOW_MS + PARAMS.ahead_ms_max + 1), errors.TooFarAhead),
    ("time_02_far_ahead", with_work(MINED, timestamp_ms=2**64 - 1), errors.TooFarAhead),
    ("wrk_03_height_above", replace(make_unsealed(MINED), number=POOL.height + 1), errors.WrongHeight),
    ("wrk_03_height_below", replace(make_unsealed(MINED), number=POOL.height - 1), errors.WrongHeight),
    ("wrk_04_other_parent", replace(make_unsealed(MINED), parent_hash=b"\x71" * 32), errors.WrongParent),
]


@pytest.mark.parametrize(("header", "expected"), [row[1:] for row in RESEALED], ids=[row[0] for row in RESEALED])
def test_a_header_that_disagrees_with_its_context_is_refused(header: Header, expected: type[Exception]) -> None:
    """WRK-03, WRK-04, WRK-05, WRK-06, WRK-07, WRK-08, TGT-01, TGT-02, TIME-01, TIME-02."""
    resealed = header if read_work(header).target == 0 else mine(header, POOL)
    if resealed.seal is None:
        resealed = make_sealed(header, make_seal(read_seal(MINED)))
    with pytest.raises(expected) as caught:
        judge(resealed, POOL)
    assert caught.type is expected
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) != ""


def test_time_01_and_time_02_their_bounds_are_exact() -> None:
    """TIME-01, TIME-02: one more than the median passes, exactly ahead_ms_max passes."""
    for timestamp_ms in (TIMES_MS[4] + 1, NOW_MS + PARAMS.ahead_ms_max):
        judge(mine(with_work(MINED, timestamp_ms=timestamp_ms), POOL), POOL)


def test_a_block_from_the_future_passes_when_its_time_has_come() -> None:
    later = mine(with_work(MINED, timestamp_ms=NOW_MS + 60_000), POOL)
    with pytest.raises(errors.TooFarAhead) as caught:
        judge(later, POOL)
    assert not isinstance(caught.value, errors.InvalidBlock)
    judge(later, POOL, now_ms=caught.value.timestamp_ms - PARAMS.ahead_ms_max)


def test_a_strike_reused_on_another_parent_is_refused() -> None:
    """Same author, problem, weight, target; another parent: the context is right, the ticket is not."""
    other = replace(POOL, parent_hash=b"\x71" * 32)
    moved = make_sealed(replace(make_unsealed(MINED), parent_hash=other.parent_hash), make_seal(read_seal(MINED)))
    with pytest.raises(errors.TicketAboveTarget):
        judge(moved, other)
    seal = read_seal(MINED)
    forged = forge_seal(moved, other, core_hash=seal.core_hash, pool_shots=seal.pool_shots)
    with pytest.raises(errors.WrongCoreShots):
        judge(forged, other)


def test_strikes_with_other_angles_are_refused() -> None:
    """A miner who shifts the angle law (to one easier to run) gets other pool shots from the same seeds."""
    pool = POOL.pool
    assert pool is not None
    easy = replace(pool.law, gamma_means=(pool.law.gamma_means[0] // 64,), gamma_widths=(1,))
    cheating = replace(POOL, pool=replace(pool, law=easy))
    with pytest.raises(errors.WrongPoolShots):
        judge(mine(make_template(POOL), cheating), POOL)


def test_strikes_in_another_measurement_order_or_on_another_core_are_refused() -> None:
    pool = POOL.pool
    assert pool is not None
    reordered = replace(POOL, pool=replace(pool, order=tuple(range(9))))
    with pytest.raises(errors.WrongPoolShots):
        judge(mine(make_template(POOL), reordered), POOL)
    with pytest.raises(errors.WrongCoreShots):
        judge(mine(make_template(POOL), replace(POOL, core_seed=bytes(32))), POOL)


def test_fewer_core_strikes_than_the_weight_says_are_refused() -> None:
    """A pool problem of twice the core's gas takes more core strikes; leaving one out is seen."""
    pool = POOL.pool
    assert pool is not None
    job = make_ticket_job(MINED, POOL, PARAMS)
    assert job.repeats > 1
    lazy = replace(job, repeats=job.repeats - 1)
    seed = compute_seed(job.work_key, 0)
    forged = forge_seal(
        MINED, POOL, core_hash=run_core_strikes(lazy, seed)[0], pool_shots=run_pool_strike(lazy, seed)[0]
    )
    with pytest.raises(errors.WrongCoreShots):
        judge(forged, POOL)


def _with_logs(*logs: object) -> Header:
    return replace(make_unsealed(MINED), digest=Digest(logs=logs))  # type: ignore[arg-type]


AUTHOR_ITEM, WORK_ITEM, SEAL_ITEM = MINED.digest.logs
MALFORMED: list[tuple[str, Header, type[Exception]]] = [
    ("wrk_01_no_items", _with_logs(SEAL_ITEM), errors.DigestMalformed),
    ("wrk_01_author_missing", _with_logs(WORK_ITEM, SEAL_ITEM), errors.DigestMalformed),
    ("wrk_01_swapped", _with_logs(WORK_ITEM, AUTHOR_ITEM, SEAL_ITEM), errors.DigestMalformed),
    ("wrk_01_one_more", _with_logs(AUTHOR_ITEM, WORK_ITEM, Other(data=b""), SEAL_ITEM), errors.DigestMalformed),
    ("wrk_01_two_seals", _with_logs(AUTHOR_ITEM, WORK_ITEM, SEAL_ITEM, SEAL_ITEM), errors.DigestMalformed),
    (
        "wrk_01_short_author",
        _with_logs(PreRuntime(engine=POW_ENGINE, data=bytes(31)), WORK_ITEM, SEAL_ITEM),
        errors.DigestMalformed,
    ),
    (
        "wrk_01_other_engine",
        _with_logs(PreRuntime(engine=b"BABE", data=AUTHOR), WORK_ITEM, SEAL_ITEM),
        errors.DigestMalformed,
    ),
    (
        "wrk_01_other_kind",
        _with_logs(AUTHOR_ITEM, Consensus(engine=WORK_ENGINE, data=b""), SEAL_ITEM),
        errors.DigestMalformed,
    ),
    (
        "wrk_02_trailing_byte",
        _with_logs(AUTHOR_ITEM, PreRuntime(engine=WORK_ENGINE, data=WORK_ITEM.data + b"\0"), SEAL_ITEM),
        errors.WorkDigestMalformed,
    ),
    (
        "wrk_02_option_tag_2",
        _with_logs(AUTHOR_ITEM, PreRuntime(engine=WORK_ENGINE, data=b"\x02" + WORK_ITEM.data[1:]), SEAL_ITEM),
        errors.WorkDigestMalformed,
    ),
    ("seal_01_unsealed", _with_logs(AUTHOR_ITEM, WORK_ITEM), errors.SealMissing),
    (
        "seal_01_other_engine",
        _with_logs(AUTHOR_ITEM, WORK_ITEM, Seal(engine=b"BABE", data=SEAL_ITEM.data)),
        errors.SealMissing,
    ),
    (
        "seal_02_trailing_byte",
        _with_logs(AUTHOR_ITEM, WORK_ITEM, Seal(engine=POW_ENGINE, data=SEAL_ITEM.data + b"\0")),
        errors.SealMalformed,
    ),
    (
        "seal_02_too_many_shots",
        _with_logs(AUTHOR_ITEM, WORK_ITEM, Seal(engine=POW_ENGINE, data=bytes(40) + b"\x05\x80\0\0" + bytes(8193))),
        errors.SealMalformed,
    ),
]


@pytest.mark.parametrize(("header", "expected"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_a_malformed_digest_is_refused(header: Header, expected: type[Exception]) -> None:
    """WRK-01, WRK-02, SEAL-01, SEAL-02."""
    with pytest.raises(expected) as caught:
        judge(header, POOL)
    assert caught.type is expected


def test_wrk_08_a_problem_dearer_than_the_chain_accepts_is_no_work() -> None:
    """The same header and context where the chain's largest gas is one less than its weight."""
    params = replace(PARAMS, ticket_gas_max=make_work(POOL).weight - 1)
    with pytest.raises(errors.WeightTooLarge):
        check_header_alone(MINED, params)
    with pytest.raises(errors.WeightTooLarge):
        check_header_in_context(MINED, POOL, params, now_ms=NOW_MS)


def test_the_dear_checks_come_after_the_cheap_ones() -> None:
    """A header that breaks many rules is refused for the cheapest: no strike is run for a losing ticket."""
    bad = with_work(MINED, weight=1, target=5, timestamp_ms=0, core_epoch=77)
    sealed = make_sealed(replace(bad, number=1), make_seal(WorkSeal(index=0, core_hash=bytes(32), pool_shots=b"")))
    with pytest.raises(errors.WrongHeight):
        judge(sealed, POOL)
    with pytest.raises(errors.WrongPoolSize):
        check_seal(sealed, POOL, PARAMS)


def test_an_author_of_the_wrong_size_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        make_digest(b"short", make_work(POOL))


def test_the_work_key_ignores_the_seal_and_nothing_else() -> None:
    assert compute_work_key(MINED) == compute_work_key(make_unsealed(MINED))
    others = [
        replace(MINED, state_root=bytes(32)),
        replace(MINED, extrinsics_root=compute_extrinsics_root(())),
        with_work(MINED, timestamp_ms=NOW_MS + 1),
        make_template(POOL, author=b"\xbb" * 32),
    ]
    assert len({compute_work_key(header) for header in [MINED, *others]}) == 5
    assert read_author(MINED) == AUTHOR
