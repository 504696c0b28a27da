"""Random trees of valid blocks: transfers, reapings, problems, solutions and cancellations on every branch."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from chain.block import Block, compute_extrinsics_root, encode_block
from chain.header import Header
from chain.params import Params
from chain.state_view import StateView
from chain.substrate_types import AddressId
from consensus.digest import WorkDigest, make_digest
from consensus.ticket import compute_context_weight
from consensus.timestamps import compute_median
from node.core.problem_choice import choose_problem
from runtime.executive import AuthorSolution
from runtime.pallets.balances import transfer_all, transfer_allow_death
from runtime.pallets.problems import cancel, post, post_order
from runtime.pallets.system import ACCOUNT
from runtime.problem_records import Ising, Terms, read_ising
from runtime.queries import get_problem, list_live_problems
from runtime.runtime import encode_call
from runtime.storage import Overlay
from runtime.validity import InvalidTransaction
from tests.node.world import ALICE, BOB, CHARLIE, Keys, World, make_keys, reseal
from tests.rules.scene import make_params
from vm.problem import compute_energy, unpack_shots

ACCOUNTS = (ALICE, BOB, CHARLIE, make_keys("//Nobody"))


def make_fork_params(*, final_depth: int = 4) -> Params:
    """Return params under which branches of four blocks still compete, and targets move."""
    params = make_params()
    return replace(
        params,
        work=replace(params.work, half_life_ms=20_000),
        finality=replace(params.finality, unattended_depth=final_depth),
    )


class Forest:
    """A node that knows every block, and builds a block on any of them that is not below the final one."""

    def __init__(self, random: Random, params: Params) -> None:
        self.random = random
        self.world = World(author=None, params=params)
        self.blocks: list[Block] = []

    def grow(self) -> Block:
        """Make and import a block on the head, or on another block above the final one."""
        importer, random = self.world.importer, self.random
        above = [block for block in self.blocks if block.hash in importer.blocks]
        rivals = [block for block in above if block.hash != importer.head.hash][-3:]
        parent: Header = importer.head
        if above and random.random() < 0.2:
            parent = random.choice(above).header
        elif rivals and random.random() < 0.6:
            parent = random.choice(rivals).header
        self.world.now_ms += random.choice((10, 500, 1_000, 5_000, 60_000)) + len(self.blocks)
        block = self.build(parent)
        while block.hash in importer.blocks:
            block = self.build(parent)
        importer.import_block(encode_block(block), now_ms=self.world.now_ms, is_signature_checked=lambda key: False)
        self.blocks.append(block)
        return block

    def build(self, parent: Header) -> Block:
        """Return a valid block on any parent, with what a random author could have put into it."""
        importer, runtime, random = self.world.importer, self.world.runtime, self.random
        view = importer.states.get_view(parent.hash)
        context = runtime.get_work_context(
            view, parent, choose_problem(list_live_problems(view), height=parent.number + 1)
        )
        median = compute_median(context.recent_timestamps_ms) or 0
        work = WorkDigest(
            problem=None if context.pool is None else context.pool.problem_id,
            core_epoch=context.core_epoch,
            weight=compute_context_weight(context, self.world.params.work),
            target=context.target,
            timestamp_ms=max(median + 1, self.world.now_ms - random.choice((0, 0, 0, 2_000, 100_000))),
        )
        digest = make_digest(random.choice(ACCOUNTS).public, work)
        execution = runtime.start_block(view, parent, number=parent.number + 1, digest=digest)
        body = list(
            runtime.make_inherents(
                view, parent, timestamp_ms=work.timestamp_ms, solution=self._find_solution(view, parent.number + 1)
            )
        )
        body += self._sign_some(view)
        kept = []
        for raw in body:
            try:
                execution.apply_extrinsic(raw)
            except InvalidTransaction:
                continue
            kept.append(raw)
        header = Header(
            parent_hash=parent.hash,
            number=parent.number + 1,
            state_root=importer.states.compute_root(parent.hash, execution.finish().changes),
            extrinsics_root=compute_extrinsics_root(tuple(kept)),
            digest=digest,
        )
        return reseal(self.world, Block(header=header, extrinsics=tuple(kept)))

    def _find_solution(self, view: StateView, height: int) -> AuthorSolution | None:
        """Return random bits for a random open problem: the runtime refuses them unless they are better."""
        live = [number for number, record in list_live_problems(view) if record.deadline >= height]
        if not live or self.random.random() < 0.4:
            return None
        number = self.random.choice(live)
        row = get_problem(view, number)
        assert row is not None
        assert row.instance is not None
        problem = read_ising(row.instance.ising)
        bits = self.random.randrange(1 << problem.n).to_bytes(1, "little")
        return AuthorSolution(
            problem_id=number, energy=compute_energy(problem, unpack_shots(bits, problem.n)[0]), bits=bits
        )

    def _sign_some(self, view: StateView) -> list[bytes]:
        """Return a few signed extrinsics with the right nonces; some of their calls fail."""
        random = self.random
        nonces = {keys.public: ACCOUNT.get(Overlay(view), keys.public).nonce for keys in ACCOUNTS}
        raws = []
        for _ in range(random.randrange(4)):
            keys = random.choice(ACCOUNTS)
            raws.append(
                self.world.sign(keys, self._choose_call(view, keys), nonces[keys.public], tip=random.randrange(3))
            )
            nonces[keys.public] += 1
        return raws

    def _choose_call(self, view: StateView, keys: Keys) -> bytes:
        random = self.random
        other = AddressId(account=random.choice(ACCOUNTS).public)
        number = random.randrange(4)
        calls: list[Callable[[], bytes]] = [
            lambda: encode_call(transfer_allow_death, other, random.randrange(1, 10**15)),
            lambda: encode_call(transfer_all, other, random.random() < 0.7),
            lambda: _post(random),
            lambda: _post(random),
            lambda: encode_call(cancel, number),
            lambda: encode_call(post_order, number, tuple(random.sample(range(4), 4))),
        ]
        return random.choice(calls)()


def _post(random: Random) -> bytes:
    couplings = tuple((i, j, random.choice((-2, -1, 1, 2))) for i in range(4) for j in range(i + 1, 4))
    ising = Ising(offset=0, fields=(1, 0, 0, 0), couplings=couplings)
    terms = Terms(
        bounty=random.randrange(10**9, 10**13),
        target_energy=-random.randrange(1, 7),
        deadline=random.randrange(2, 30),
        work_budget=random.randrange(10**9),
        price_per_gas=1,
    )
    return encode_call(post, ising, 1, (), terms)
