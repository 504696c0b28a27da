"""A world with a customer: a problem with a bounty and a work budget, and nodes that sell strikes or solutions.

Terms:
    seller: a node with its author's key, whose batch desk and solution desk therefore work.
    switch: a rule of the runtime replaced for one run, to see what it is worth.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import ModuleType

import msgspec
import numpy as np

from chain.ed25519 import public_of, sign
from chain.era import IMMORTAL
from chain.extrinsic import SigningContext, encode_extra, make_signed
from chain.params import UNIT_PLANCK
from chain.secret_uri import derive_seed
from genesis.block import make_genesis_block
from node.core.machine import Machine
from runtime.batch_records import Batch
from runtime.batch_state import COMMITTED
from runtime.pallets.problems import post
from runtime.problem_records import Problem, Terms, make_ising
from runtime.problem_state import RECORDS
from runtime.runtime import encode_call
from runtime.storage import Overlay
from simulations.honest import Site, make_node
from simulations.world import World
from vm.problem import IsingProblem, compute_energies, make_problem

SPINS = 8


class AccountSigner:
    """Signs with the key of a node's account."""

    def __init__(self, name: str) -> None:
        self._seed = make_account_seed(name)
        self.account = public_of(self._seed)

    def sign(self, message: bytes) -> bytes:
        """Return a signature of the message."""
        return sign(self._seed, message)


class Planted(msgspec.Struct, frozen=True, kw_only=True):
    """A problem with its lowest energy, and one state that has it, packed."""

    problem: IsingProblem
    energy: int
    bits: bytes


def make_seller(site: Site) -> Machine:
    """Return an honest node that sells strikes and commits to solutions."""
    return make_node(site, AccountSigner(site.name))


def make_account_seed(name: str) -> bytes:
    """Return the seed of a node's account."""
    return derive_seed(f"//{name.capitalize()}")


def make_call(world: World, name: str, nonce: int, call: bytes, *, tip_planck: int = 0) -> bytes:
    """Return an extrinsic of a node's account."""
    seed, params = make_account_seed(name), world.spec.params
    genesis = make_genesis_block(world.spec)[0].hash
    context = SigningContext(
        spec_version=params.spec_version,
        transaction_version=params.transaction_version,
        genesis_hash=genesis,
        birth_hash=genesis,
    )
    return make_signed(call, seed, public_of(seed), encode_extra(IMMORTAL, nonce, tip_planck), context)


def make_planted(seed: int, number: int = 0) -> Planted:
    """Return a small problem with couplings of both signs, and its optimum."""
    random = Random(f"market {seed} {number}")
    pairs = [(i, (i + step) % SPINS, random.choice((-3, -2, -1, 1, 2, 3))) for i in range(SPINS) for step in (1, 2)]
    problem = make_problem(SPINS, pairs, fields=[random.choice((-1, 1)) for _ in range(SPINS)])
    states = ((np.arange(2**SPINS)[:, None] >> np.arange(SPINS)) & 1).astype(np.uint8)
    energies = compute_energies(problem, states)
    best = int(np.argmin(energies))
    return Planted(problem=problem, energy=int(energies[best]), bits=best.to_bytes(1, "little"))


def make_post(planted: Planted, terms: Terms) -> bytes:
    """Return the call that posts a problem."""
    return encode_call(post, make_ising(planted.problem), 1, (), terms)


def make_terms(planted: Planted, *, bounty: float, deadline: int, budget: float = 0.0, price: int = 0) -> Terms:
    """Return terms that want the optimum; bounty and budget in tokens."""
    return Terms(
        bounty=round(bounty * UNIT_PLANCK),
        target_energy=planted.energy,
        deadline=deadline,
        work_budget=round(budget * UNIT_PLANCK),
        price_per_gas=price,
    )


def list_batches(world: World, witness: str, solver: bytes) -> list[Batch]:
    """Return a solver's batches in a node's state."""
    state = Overlay(world.computers[witness].machine.importer.chain.state)
    return [batch for _, batch in COMMITTED.iterate(state) if batch.solver == solver]


def list_problems(world: World, witness: str) -> list[Problem]:
    """Return all problems in a node's state."""
    state = Overlay(world.computers[witness].machine.importer.chain.state)
    return [record for _, record in sorted(RECORDS.iterate(state))]


@contextmanager
def switch(module: ModuleType, **rules: object) -> Iterator[None]:
    """Let a module have other rules for a while."""
    before = {name: getattr(module, name) for name in rules}
    for name, rule in rules.items():
        setattr(module, name, rule)
    try:
        yield
    finally:
        for name, rule in before.items():
            setattr(module, name, rule)
