"""Every forgery is refused by its own class and changes nothing.

Each case takes one accepted block, changes one thing, and seals it again where an earlier check would hide the change.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from msgspec.structs import replace

from chain.block import Block, BlockTooLarge, InvalidBody, encode_block
from chain.era import make_era
from chain.extrinsic import make_bare
from chain.header import Seal, make_sealed, make_unsealed
from chain.params import Params
from chain.scale import NotCanonical, TrailingBytes, UnexpectedEnd
from consensus.core_problem import compute_core_gas
from consensus.digest import WorkSeal, make_digest, make_seal, read_seal, read_work
from consensus.errors import (
    DigestMalformed,
    SealMalformed,
    SealMissing,
    TargetOutOfBounds,
    TicketAboveTarget,
    TimestampTooOld,
    UnknownProblem,
    WrongCoreEpoch,
    WrongCoreShots,
    WrongHeight,
    WrongPoolShots,
    WrongPoolSize,
    WrongTarget,
    WrongWeight,
)
from consensus.ticket import TicketJob, make_ticket_job, run_core_strikes
from consensus.work import compute_seed, compute_ticket
from node.core.effects import BlockImported
from node.core.import_errors import KnownInvalid, ParentMissing
from runtime.executive import InvalidExtrinsicInBlock, TimestampMissing, WrongStateRoot
from runtime.pallets.problems import post
from runtime.pallets.timestamp import set as set_timestamp
from runtime.pallets.work import solution
from runtime.problem_records import Ising, Terms
from runtime.runtime import encode_call
from runtime.validity import AncientBirthBlock, BadMandatory, BadProof, Future, Payment, Stale
from tests.node.world import (
    ALICE,
    BOB,
    CHARLIE,
    World,
    find,
    get_context,
    get_refusal,
    make_keys,
    make_transfer,
    reseal,
    with_body,
    with_digest,
    with_header,
    with_seal,
    with_work,
)

SEAL_ERRORS = (TicketAboveTarget, WrongCoreShots, WrongPoolShots, WrongPoolSize, SealMalformed)
GRIND_MAX = 100_000


def make_params() -> Params:
    """Return tiny params in which about one ticket in thirty wins."""
    tiny = Params.tiny()
    gas_max = 30 * compute_core_gas(bytes(32), tiny.work.core_qubits, tiny.work.shots)
    return replace(tiny, work=replace(tiny.work, target_fixed=False, target_initial_divisor=1, ticket_gas_max=gas_max))


def make_post() -> bytes:
    """Return the call that posts a frustrated triangle whose target nobody reaches."""
    ising = Ising(offset=0, fields=(0, 0, 0), couplings=((0, 1, 1), (0, 2, 1), (1, 2, 1)))
    terms = Terms(bounty=10**12, target_energy=-3, deadline=1000, work_budget=0, price_per_gas=0)
    return encode_call(post, ising, 1, (), terms)


@cache
def make_history() -> tuple[World, tuple[Block, ...], Block]:
    """Return the miner, the blocks before the accepted block, and that block: problem, solution and a transfer."""
    miner = World(params=make_params())
    before = [miner.mine() for _ in range(3)]
    miner.submit(miner.sign(ALICE, make_post(), 0))
    before += [miner.mine(), miner.mine()]
    miner.submit(miner.transfer(BOB, CHARLIE, 10**12, 0))
    accepted = miner.mine()
    return miner, tuple(before), accepted


def make_victim() -> World:
    """Return a node that knows all but the accepted block."""
    miner, before, _ = make_history()
    victim = World(author=None, params=make_params())
    victim.now_ms = miner.now_ms
    for block in before:
        assert find(victim.receive(block), BlockImported)
    return victim


@pytest.fixture
def victim() -> World:
    """A node that knows all but the accepted block."""
    return make_victim()


@pytest.fixture
def block() -> Block:
    """The accepted block."""
    return make_history()[2]


def refuse(victim: World, forged: Block | bytes) -> Exception:
    """Assert that a block is refused without a trace, and return why."""
    before = victim.snapshot()
    error = get_refusal(victim.receive(forged))
    assert victim.snapshot() == before
    return error


def grind(victim: World, block: Block, core_hash: bytes | None = None, pool_shots: bytes | None = None) -> Block:
    """Return the block with these shots and an index for which the ticket wins by its value."""
    job = get_job(victim, block)
    honest = read_seal(block.header)
    for index in range(GRIND_MAX):
        seed = compute_seed(job.work_key, index)
        core = core_hash if core_hash is not None else run_core_strikes(job, seed)
        pool = pool_shots if pool_shots is not None else honest.pool_shots
        if compute_ticket(seed, core, pool) < job.limit:
            return with_seal(block, WorkSeal(index=index, core_hash=core, pool_shots=pool))
    raise AssertionError("nothing found")


def get_job(victim: World, block: Block) -> TicketJob:
    """Return the job of a block's header."""
    header = make_unsealed(block.header)
    return make_ticket_job(header, get_context(victim, header), victim.params.work)


def test_the_block_itself_is_accepted_even_after_all_its_forgeries(victim: World, block: Block) -> None:
    assert read_work(block.header).problem == 0
    assert len(block.extrinsics) == 3
    for changed in (with_header(block, state_root=bytes(32)), with_work(block, core_epoch=9)):
        refuse(victim, changed)
    assert find(victim.receive(block), BlockImported)[0].is_best


def test_seal_04_a_seal_with_one_bit_changed_anywhere(victim: World, block: Block) -> None:
    seal = block.header.seal
    assert seal is not None
    kinds: set[str] = set()
    for bit in range(8 * len(seal.data)):
        data = bytearray(seal.data)
        data[bit >> 3] ^= 1 << (bit & 7)
        header = make_sealed(block.header, Seal(engine=seal.engine, data=bytes(data)))
        error = get_refusal(victim.receive(Block(header=header, extrinsics=block.extrinsics)))
        assert isinstance(error, SEAL_ERRORS), (bit, error)
        kinds.add(type(error).__name__)
    assert "TicketAboveTarget" in kinds
    assert find(victim.receive(block), BlockImported), "nothing of this changed anything"


def test_a_stolen_seal_under_another_author(victim: World, block: Block) -> None:
    digest = make_digest(BOB.public, read_work(block.header))
    stolen = with_digest(block, digest)
    assert isinstance(refuse(victim, stolen), SEAL_ERRORS)
    core_hash = read_seal(block.header).core_hash
    assert isinstance(refuse(victim, grind(victim, stolen, core_hash=core_hash)), WrongCoreShots)


def test_seal_05_guessed_core_shots(victim: World, block: Block) -> None:
    assert isinstance(refuse(victim, grind(victim, block, core_hash=b"\x07" * 32)), WrongCoreShots)


def test_seal_06_guessed_pool_shots(victim: World, block: Block) -> None:
    honest = read_seal(block.header).pool_shots
    guessed = bytes(shot ^ 1 for shot in honest)
    assert isinstance(refuse(victim, grind(victim, block, pool_shots=guessed)), WrongPoolShots)


def test_seal_03_too_few_pool_shots(victim: World, block: Block) -> None:
    short = read_seal(block.header).pool_shots[:-1]
    assert isinstance(refuse(victim, grind(victim, block, pool_shots=short)), WrongPoolSize)


def test_other_angles_give_other_shots(victim: World, block: Block) -> None:
    def with_other_law(job: TicketJob) -> TicketJob:
        assert job.pool is not None
        law = job.pool.law
        means = tuple((mean + 2**29) % 2**32 for mean in law.beta_means)
        return replace(job, pool=replace(job.pool, law=replace(law, beta_means=means)))

    assert isinstance(refuse(victim, reseal(victim, block, job=with_other_law)), WrongPoolShots)


def test_a_strike_re_used_on_another_parent(victim: World, block: Block) -> None:
    other = World(author=BOB.public, params=make_params())
    _, before, _ = make_history()
    for earlier in before[:-1]:
        other.receive(earlier)
    other.now_ms = read_work(before[-1].header).timestamp_ms
    sibling = other.mine(later_ms=0)
    assert find(victim.receive(sibling), BlockImported)
    moved = with_header(block, parent_hash=sibling.hash)
    assert isinstance(refuse(victim, moved), (*SEAL_ERRORS, WrongTarget, UnknownProblem))
    context = get_context(victim, moved.header)
    moved = with_work(moved, target=context.target)
    core_hash = read_seal(block.header).core_hash
    assert isinstance(refuse(victim, grind(victim, moved, core_hash=core_hash)), WrongCoreShots)


@pytest.mark.parametrize(
    ("field", "error"),
    [
        ("core_epoch", WrongCoreEpoch),
        ("weight", WrongWeight),
        ("target", WrongTarget),
        ("timestamp_ms", TimestampTooOld),
        ("problem", UnknownProblem),
    ],
)
def test_a_work_item_that_disagrees_with_the_parents_state(
    victim: World, block: Block, field: str, error: type[Exception]
) -> None:
    work = read_work(block.header)
    wrong = {"core_epoch": work.core_epoch + 1, "weight": work.weight + 1, "target": work.target - 1}
    wrong |= {"timestamp_ms": 1, "problem": 5}
    forged = with_work(block, **{field: wrong[field]})
    assert isinstance(refuse(victim, forged), error)
    if field != "problem":
        assert isinstance(refuse(victim, reseal(victim, forged)), error)


def test_a_target_out_of_bounds_a_missing_seal_and_a_missing_digest(victim: World, block: Block) -> None:
    assert isinstance(refuse(victim, with_work(block, target=0)), TargetOutOfBounds)
    assert isinstance(refuse(victim, with_work(block, target=2**256 - 1)), TargetOutOfBounds)
    assert isinstance(refuse(victim, with_header(block, digest=make_unsealed(block.header).digest)), SealMissing)
    empty = replace(block.header.digest, logs=block.header.digest.logs[-1:])
    assert isinstance(refuse(victim, with_header(block, digest=empty)), DigestMalformed)


def test_wrong_height_wrong_state_root_and_an_unknown_parent(victim: World, block: Block) -> None:
    assert isinstance(refuse(victim, with_header(block, number=7)), WrongHeight)
    forged = with_header(block, state_root=b"\x01" * 32)
    assert isinstance(refuse(victim, reseal(victim, forged)), WrongStateRoot)
    effects = victim.receive(with_header(block, parent_hash=b"\x09" * 32, number=9))
    assert not find(effects, BlockImported)
    assert issubclass(ParentMissing, Exception)


def with_inherent(block: Block, index: int, call: bytes) -> Block:
    """Return the block with another inherent."""
    extrinsics = list(block.extrinsics)
    extrinsics[index] = make_bare(call)
    return with_body(block, tuple(extrinsics))


def test_a_misstated_energy(victim: World, block: Block) -> None:
    honest = read_solution(block)
    forged = with_inherent(block, 1, encode_call(solution, honest[0], honest[1] - 2, honest[2]))
    error = refuse(victim, reseal(victim, forged))
    assert isinstance(error, InvalidExtrinsicInBlock)
    assert isinstance(error.__cause__, BadMandatory)
    assert "MisstatedEnergy" in str(error)


def read_solution(block: Block) -> tuple[int, int, bytes]:
    """Return the solution that the block carries."""
    arguments, _ = solution.codec.decode_prefix(block.extrinsics[1][4:], 0)
    assert isinstance(arguments, tuple)
    return arguments


def test_a_digest_that_disagrees_with_the_timestamp_inherent(victim: World, block: Block) -> None:
    wrong = encode_call(set_timestamp, read_work(block.header).timestamp_ms + 1)
    error = refuse(victim, reseal(victim, with_inherent(block, 0, wrong)))
    assert isinstance(error, InvalidExtrinsicInBlock)
    assert isinstance(error.__cause__, BadMandatory)
    error = refuse(victim, reseal(victim, with_body(block, block.extrinsics[1:])))
    assert isinstance(error, (TimestampMissing, InvalidExtrinsicInBlock))


def make_bad_extrinsics() -> Iterator[tuple[str, bytes, type[Exception]]]:
    """Yield extrinsics that no block on this parent may hold."""
    miner, before, _ = make_history()
    poor = make_keys("//Nobody")
    signed = miner.transfer(BOB, CHARLIE, 10**12, 0)
    yield "replayed", before[3].extrinsics[-1], Stale
    yield "mis-signed", signed[:-1] + bytes((signed[-1] ^ 1,)), BadProof
    yield "signed for another chain", World(author=None).transfer(BOB, CHARLIE, 10**12, 0), BadProof
    yield "with a nonce to come", miner.transfer(BOB, CHARLIE, 10**12, 1), Future
    yield "by an account without money", miner.transfer(poor, CHARLIE, 1, 0), Payment
    yield "whose fee is beyond the balance", miner.transfer(BOB, CHARLIE, 1, 0, tip=10**30), Payment
    expired = miner.sign(BOB, make_transfer(CHARLIE, 1), 0, era=make_era(4, 1), birth=before[0].hash)
    yield "expired", expired, AncientBirthBlock
    unborn = miner.sign(BOB, make_transfer(CHARLIE, 1), 0, era=make_era(64, 60), birth=b"\x05" * 32)
    yield "of an era that begins later", unborn, AncientBirthBlock


@pytest.mark.parametrize("case", range(8))
def test_a_body_with_an_extrinsic_that_may_not_be_in_it(victim: World, block: Block, case: int) -> None:
    name, raw, kind = list(make_bad_extrinsics())[case]
    forged = reseal(victim, with_body(block, (*block.extrinsics[:2], raw)))
    error = refuse(victim, forged)
    assert isinstance(error, InvalidExtrinsicInBlock), name
    assert isinstance(error.__cause__, kind), (name, error)


def test_imp_04_a_refused_block_is_not_judged_twice_and_its_children_not_at_all(victim: World, block: Block) -> None:
    forged = reseal(victim, with_header(block, state_root=b"\x01" * 32))
    assert isinstance(refuse(victim, forged), WrongStateRoot)
    assert isinstance(refuse(victim, forged), KnownInvalid)
    child = with_header(block, parent_hash=forged.hash, number=forged.header.number + 1)
    assert isinstance(refuse(victim, child), KnownInvalid)


def test_blk_01_a_body_that_the_header_does_not_commit_to_taints_no_header(victim: World, block: Block) -> None:
    swapped = Block(header=block.header, extrinsics=block.extrinsics[:-1])
    assert isinstance(refuse(victim, swapped), InvalidBody)
    assert find(victim.receive(block), BlockImported)


def test_oversized_and_non_canonical_bytes(victim: World, block: Block) -> None:
    data = encode_block(block)
    assert isinstance(refuse(victim, data + b"\x00"), TrailingBytes)
    assert isinstance(refuse(victim, data[:-1]), UnexpectedEnd)
    assert isinstance(refuse(victim, bytes(victim.params.block.bytes_max + 1)), BlockTooLarge)
    count = len(encode_block(Block(header=block.header, extrinsics=()))) - 1
    assert data[count] == 4 * len(block.extrinsics)
    longer = data[:count] + ((len(block.extrinsics) << 2) | 1).to_bytes(2, "little") + data[count + 1 :]
    assert isinstance(refuse(victim, longer), NotCanonical)


def test_imp_03_a_branch_below_the_final_block_is_refused() -> None:
    from node.core.import_errors import BelowFinal

    left, right = World(), World(author=BOB.public)
    late = right.mine()
    for _ in range(4):
        left.mine()
    assert isinstance(refuse(left, late), BelowFinal)


def test_a_made_seal_is_read_back(block: Block) -> None:
    seal = read_seal(block.header)
    assert make_seal(seal) == block.header.seal
