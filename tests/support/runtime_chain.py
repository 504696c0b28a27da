"""A chain in a dict for tests of the runtime: real blocks, real signatures, seals that nobody verifies.

After every block each pallet's invariants are checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cache
from hashlib import blake2b

import msgspec
import pytest

from chain.block import Block, compute_extrinsics_root
from chain.ed25519 import public_of
from chain.ed25519 import sign as sign_message
from chain.era import IMMORTAL, Era, compute_birth
from chain.extrinsic import SigningContext, encode_extra, make_signed
from chain.header import Digest, Header, make_sealed
from chain.params import UNIT_PLANCK, Params
from chain.substrate_types import AddressId
from consensus.core_problem import compute_epoch
from consensus.digest import WorkDigest, WorkSeal, make_digest, make_seal
from consensus.finality import Evidence, SignedVote, Vote, compute_vote_message
from runtime.block_execution import BlockExecution
from runtime.dispatch import Call, DispatchFailure
from runtime.executive import AuthorSolution, Runtime
from runtime.genesis_state import GenesisConfig, build_genesis_state
from runtime.outcomes import ApplyOutcome, BlockOutcome
from runtime.pallets.balances import TOTAL_ISSUANCE
from runtime.pallets.system import ACCOUNT, remark
from runtime.problem_records import Terms, make_ising
from runtime.queries import find_vote_duty
from runtime.runtime import check_invariants, encode_call
from runtime.storage import Overlay
from tests.support.dict_view import DictView
from vm.problem import IsingProblem, make_problem

START_MS = 1_700_000_000_000
NAMES = ("alice", "bob", "charlie", "miner")
ENDOWMENT = 1_000 * UNIT_PLANCK


@cache
def get_seed(name: str) -> bytes:
    """Return a test account's secret seed."""
    return blake2b(name.encode(), digest_size=32).digest()


@cache
def get_key(name: str) -> bytes:
    """Return a test account's public key."""
    return public_of(get_seed(name))


def get_vote_seed(name: str) -> bytes:
    """Return the seed of a test account's vote key."""
    return get_seed(f"{name} votes")


def get_vote_key(name: str) -> bytes:
    """Return a test account's vote key."""
    return get_key(f"{name} votes")


def sign_vote(name: str, vote: Vote) -> SignedVote:
    """Return a vote signed with a test account's vote key, whether it should be or not."""
    signature = sign_message(get_vote_seed(name), compute_vote_message(vote))
    return SignedVote(vote=vote, key=get_vote_key(name), signature=signature)


def to(name: str) -> AddressId:
    """Return a test account's address."""
    return AddressId(account=get_key(name))


class RuntimeChain:
    """Blocks on a dict; `miner` is the author unless said otherwise."""

    def __init__(
        self,
        params: Params | None = None,
        balances: dict[str, int] | None = None,
        validators: dict[str, int] | None = None,
    ) -> None:
        self.params = params or Params.tiny()
        rows = balances if balances is not None else dict.fromkeys(NAMES, ENDOWMENT)
        config = GenesisConfig(
            balances=tuple((get_key(name), amount) for name, amount in rows.items()),
            validators=tuple((get_key(name), get_vote_key(name), bond) for name, bond in (validators or {}).items()),
        )
        self.view = DictView(build_genesis_state(self.params, config))
        self.head = Header(
            parent_hash=bytes(32),
            number=0,
            state_root=bytes(32),
            extrinsics_root=compute_extrinsics_root(()),
            digest=Digest(logs=()),
        )
        self.genesis_hash = self.head.hash
        self.hashes = {0: self.head.hash}
        self.runtime = Runtime(self.params, self.genesis_hash)
        self.state = Overlay(self.view)

    # ---- building

    def make_work_digest(self, author: str = "miner", problem: int | None = None) -> Digest:
        """Return the next block's digest."""
        number = self.head.number + 1
        work = WorkDigest(
            problem=problem,
            core_epoch=compute_epoch(number, self.params.work),
            weight=1,
            target=1,
            timestamp_ms=self.next_time_ms,
        )
        return make_digest(get_key(author), work)

    @property
    def next_time_ms(self) -> int:
        """The next block's time."""
        return START_MS + self.params.work.block_target_ms * (self.head.number + 1)

    def start(self, author: str = "miner") -> BlockExecution:
        """Return the next block in execution, its time set."""
        execution = self.runtime.start_block(
            self.view, self.head, number=self.head.number + 1, digest=self.make_work_digest(author)
        )
        for raw in self.runtime.make_inherents(self.view, self.head, timestamp_ms=self.next_time_ms):
            execution.apply_extrinsic(raw)
        return execution

    def make_block(
        self,
        *extrinsics: bytes,
        author: str = "miner",
        solution: AuthorSolution | None = None,
        votes: Sequence[SignedVote] = (),
        evidence: Sequence[Evidence] = (),
    ) -> tuple[Block, BlockOutcome]:
        """Return the next block with these extrinsics, and what it does; nothing is kept."""
        inherents = self.runtime.make_inherents(
            self.view, self.head, timestamp_ms=self.next_time_ms, solution=solution, votes=votes, evidence=evidence
        )
        body = (*inherents, *extrinsics)
        header = Header(
            parent_hash=self.head.hash,
            number=self.head.number + 1,
            state_root=bytes(32),
            extrinsics_root=compute_extrinsics_root(body),
            digest=self.make_work_digest(author),
        )
        block = Block(header=header, extrinsics=body)
        return block, self.runtime.execute_block(self.view, self.head, block)

    def add_block(
        self,
        *extrinsics: bytes,
        author: str = "miner",
        solution: AuthorSolution | None = None,
        votes: Sequence[SignedVote] = (),
        evidence: Sequence[Evidence] = (),
    ) -> BlockOutcome:
        """Execute the next block, keep it, and check the invariants."""
        block, outcome = self.make_block(*extrinsics, author=author, solution=solution, votes=votes, evidence=evidence)
        self.keep(block.header, outcome)
        return outcome

    def keep(self, header: Header, outcome: BlockOutcome) -> None:
        """Seal a block and make it the head."""
        for key, value in outcome.changes.items():
            if value is None:
                self.view.values.pop(key, None)
            else:
                self.view.values[key] = value
        seal = WorkSeal(index=header.number, core_hash=bytes(32), pool_shots=b"")
        self.head = make_sealed(header, make_seal(seal))
        self.hashes[self.head.number] = self.head.hash
        self.state = Overlay(self.view)
        check_invariants(Overlay(self.view), self.params)

    def add_blocks(self, count: int) -> None:
        """Add empty blocks."""
        for _ in range(count):
            self.add_block()

    def fork(self) -> RuntimeChain:
        """Return another chain with the same blocks so far."""
        other = copy(self)
        other.view = DictView(dict(self.view.values))
        other.hashes = dict(self.hashes)
        other.state = Overlay(other.view)
        return other

    def make_votes(self, *names: str) -> list[SignedVote]:
        """Return the votes that these validators owe the next block."""
        duty = find_vote_duty(self.view, self.head, self.params)
        assert duty is not None, f"no vote is due at {self.head.number}"
        return [sign_vote(name, duty) for name in names]

    def add_round(self, *names: str) -> list[BlockOutcome]:
        """Add blocks up to the next checkpoint; these validators vote as soon as they may."""
        outcomes: list[BlockOutcome] = []
        while not outcomes or self.head.number % self.params.finality.checkpoint_blocks:
            duty = find_vote_duty(self.view, self.head, self.params)
            votes = [sign_vote(name, duty) for name in names] if duty is not None and not outcomes else []
            outcomes.append(self.add_block(votes=votes))
        return outcomes

    def sign(
        self,
        name: str,
        call: Call,
        *arguments: object,
        nonce: int | None = None,
        tip: int = 0,
        era: Era = IMMORTAL,
        context: SigningContext | None = None,
    ) -> bytes:
        """Return a signed extrinsic for the next block."""
        chosen = self.get_nonce(name) if nonce is None else nonce
        extra = encode_extra(era, chosen, tip)
        signing = context or self.make_context(era)
        return make_signed(encode_call(call, *arguments), get_seed(name), get_key(name), extra, signing)

    def make_context(self, era: Era = IMMORTAL) -> SigningContext:
        """Return what a signature covers at the next block."""
        birth = compute_birth(era, self.head.number)
        return SigningContext(
            spec_version=self.params.spec_version,
            transaction_version=self.params.transaction_version,
            genesis_hash=self.genesis_hash,
            birth_hash=self.hashes[birth],
        )

    # ---- reading

    def get_nonce(self, name: str) -> int:
        """Return an account's next nonce."""
        return ACCOUNT.get(self.state, get_key(name)).nonce

    def get_free(self, name: str) -> int:
        """Return an account's free balance."""
        return ACCOUNT.get(self.state, get_key(name)).data.free

    def get_reserved(self, name: str) -> int:
        """Return what an account has on hold."""
        return ACCOUNT.get(self.state, get_key(name)).data.reserved

    def get_issuance(self) -> int:
        """Return the total issuance."""
        return TOTAL_ISSUANCE.get(self.state)

    # ---- asserting

    def assert_noop(self, error: type[DispatchFailure], name: str, call: Call, *arguments: object) -> ApplyOutcome:
        """Assert that a call fails with exactly this error and changes nothing at all."""
        env = self.start().env
        before, events = dict(env.state.changes()), len(env.events)
        mark = env.make_mark()
        with pytest.raises(error) as caught:
            call.function(env, get_key(name), *arguments)
        assert type(caught.value) is error
        assert str(caught.value), "an error says what was wrong"
        env.roll_back(mark)
        assert env.state.changes() == before
        assert len(env.events) == events
        return self._assert_only_fee(error, name, call, *arguments)

    def _assert_only_fee(self, error: type[DispatchFailure], name: str, call: Call, *arguments: object) -> ApplyOutcome:
        """Assert that as an extrinsic it costs nonce and fee and changes no other key than a remark would."""
        execution = self.start()
        outcome = execution.apply_extrinsic(self.sign(name, call, *arguments))
        assert not outcome.is_success
        assert outcome.failure.split(": ")[1] == error.__name__
        other = self.start()
        other.apply_extrinsic(self.sign(name, remark, b""))
        assert set(execution.env.state.changes()) == set(other.env.state.changes())
        info = ACCOUNT.get(execution.env.state, get_key(name))
        before = ACCOUNT.get(self.state, get_key(name))
        assert (info.nonce, info.data.free) == (before.nonce + 1, before.data.free - outcome.fee)
        return outcome


def get_events(outcome: BlockOutcome, kind: type[msgspec.Struct]) -> list[msgspec.Struct]:
    """Return a block's events of one class."""
    return [event for _, event in outcome.event_rows if type(event) is kind]


def make_ring(n: int = 6) -> IsingProblem:
    """Return MaxCut on a ring: energies from -n, in steps of 2 (even n)."""
    return make_problem(n, [(i, (i + 1) % n, 1) for i in range(n)])


def make_terms(**changes: int) -> Terms:
    """Return what a poster offers, with changes."""
    values = {
        "bounty": 5 * UNIT_PLANCK,
        "target_energy": -6,
        "deadline": 20,
        "work_budget": 2 * UNIT_PLANCK,
        "price_per_gas": 3,
    }
    return Terms(**(values | changes))


def post_arguments(
    problem: IsingProblem | None = None, order: Sequence[int] = (), **changes: int
) -> tuple[object, ...]:
    """Return the arguments of Problems.post; `depth` may be among the changes."""
    depth = changes.pop("depth", 1)
    return make_ising(problem or make_ring()), depth, tuple(order), make_terms(**changes)
