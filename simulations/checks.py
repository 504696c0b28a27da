"""What must hold in every world, looked at while it runs and when it ends.

Safety is looked at after every effect (`FinalityWatch`, `VoteWatch`); that nodes agree and that the chain goes on, at
the end, when the faults are over. Only honest nodes are held to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from chain.ed25519 import public_of
from consensus.finality import SIGNED_VOTE_BYTES, Vote, decode_signed_vote, is_slashable
from network.port import Publish
from node.core.effects import Effect, Finalized
from node.core.machine import Machine
from runtime.dispatch import InvariantBroken
from runtime.runtime import check_invariants
from runtime.storage import Overlay
from simulations.world import Violation, World


class FinalityWatch:
    """No two honest nodes finalise different blocks at a height, and none finalises one below its last."""

    def __init__(self) -> None:
        self.finals: dict[int, tuple[bytes, str]] = {}
        self.heights: dict[str, int] = {}

    def on_effects(self, world: World, name: str, effects: Sequence[Effect]) -> None:
        """Compare what becomes final with what others finalised, and with what was final before.

        Raises:
            Violation: it is in conflict.
        """
        for effect in effects:
            if isinstance(effect, Finalized):
                for header in effect.headers:
                    self._compare(name, header.number, header.hash)
        final = world.computers[name].machine.importer.final
        self._compare(name, final.number, final.hash)
        if final.number < self.heights.get(name, 0):
            raise Violation(f"{name} fell back from final block {self.heights[name]} to {final.number}")
        self.heights[name] = final.number

    def _compare(self, name: str, number: int, block_hash: bytes) -> None:
        known, who = self.finals.setdefault(number, (block_hash, name))
        if known != block_hash:
            raise Violation(f"{name} finalised another block {number} than {who}")


class VoteWatch:
    """No honest node ever signs two votes that get it slashed, whatever happened in between."""

    def __init__(self) -> None:
        self.votes: dict[bytes, list[Vote]] = {}
        self._keys: dict[str, bytes] = {}

    def on_effects(self, world: World, name: str, effects: Sequence[Effect]) -> None:
        """Compare each vote that a node publishes with all that its key signed before.

        Raises:
            Violation: two of them are evidence.
        """
        for effect in effects:
            if isinstance(effect, Publish) and effect.topic == "votes" and len(effect.data) == SIGNED_VOTE_BYTES:
                signed = decode_signed_vote(effect.data)
                assert signed.key == self._get_key(world, name), "what others signed is told as evidence"
                earlier = self.votes.setdefault(signed.key, [])
                for vote in earlier:
                    if is_slashable(vote, signed.vote):
                        heights = f"{vote.target.height} and {signed.vote.target.height}"
                        raise Violation(f"{name} signed two votes that get it slashed, for targets {heights}")
                if signed.vote not in earlier:
                    earlier.append(signed.vote)

    def _get_key(self, world: World, name: str) -> bytes | None:
        seed = world.computers[name].plan.vote_seed
        if seed is not None and name not in self._keys:
            self._keys[name] = public_of(seed)
        return self._keys.get(name)


def check_agreement(world: World, *, depth_max: int, lag_max: int = 3) -> None:
    """Refuse honest nodes that are apart by more than `depth_max` blocks of their best chains.

    Args:
        depth_max: So many of the newest blocks may differ.
        lag_max: So many blocks a node may be behind the highest.

    Raises:
        Violation: two nodes are on different chains, or one is left behind.
    """
    machines = _get_machines(world)
    heads = {name: machine.importer.head.number for name, machine in machines.items()}
    behind = {name: number for name, number in heads.items() if number < max(heads.values()) - lag_max}
    if behind:
        raise Violation(f"left behind at the end: {behind}, the highest node is at {max(heads.values())}")
    height = max(0, min(heads.values()) - depth_max)
    hashes = {name: machine.importer.chain.get_hash(height) for name, machine in machines.items()}
    if len(set(hashes.values())) > 1:
        shown = {name: None if value is None else value.hex()[:8] for name, value in hashes.items()}
        raise Violation(f"no agreement on block {height} at the end: {shown}")


def check_lives(world: World) -> None:
    """Refuse a node that does not run at the end.

    Raises:
        Violation: the sentence says why it does not.
    """
    for name, computer in world.computers.items():
        if not computer.is_up:
            raise Violation(f"{name} does not run at the end: {computer.failure}")


def check_bans(world: World) -> None:
    """Refuse honest nodes that have banned each other.

    Raises:
        Violation
    """
    for name in world.computers:
        banned = [peer for peer in world.peering.list_banned(name) if world.computers[peer].plan.is_honest]
        if banned:
            raise Violation(f"{name} has banned honest nodes: {', '.join(banned)}")


def check_growth(world: World, *, blocks_min: int, finality_lag_max: int) -> None:
    """Refuse a chain that stood still.

    Args:
        finality_lag_max: So many blocks at most may stand on the last final one.

    Raises:
        Violation: an honest node's chain is too short, or too little of it is final.
    """
    for name, machine in _get_machines(world).items():
        number, final = machine.importer.head.number, machine.importer.final.number
        if number < blocks_min:
            raise Violation(f"{name} has only {number} blocks at the end, at least {blocks_min} were due")
        if number - final > finality_lag_max:
            raise Violation(f"at the end the head of {name} is block {number}, but only {final} is final")


def check_height(world: World, name: str, number: int) -> None:
    """Refuse a node whose head is lower, or which does not run.

    Raises:
        Violation: how far behind it is.
    """
    machine = _get_machines(world).get(name)
    head = 0 if machine is None else machine.importer.head.number
    if head < number:
        raise Violation(f"{name} is left behind at block {head}, it should have {number}")


def check_states(world: World) -> None:
    """Refuse states that break the runtime's invariants (issuance among them).

    Raises:
        Violation: the sentence says which.
    """
    seen: set[bytes] = set()
    for name, machine in _get_machines(world).items():
        if machine.importer.head.hash not in seen:
            seen.add(machine.importer.head.hash)
            try:
                check_invariants(Overlay(machine.importer.chain.state), machine.importer.params)
            except InvariantBroken as broken:
                raise Violation(f"the state of {name} is broken: {broken}") from broken


def _get_machines(world: World) -> dict[str, Machine]:
    machines = {name: computer.machine for name, computer in world.honest.items()}
    if not machines:
        raise Violation("no honest node runs at the end")
    return machines
