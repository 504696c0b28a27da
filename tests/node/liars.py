"""Peers that do not do what they should: real cores whose words are changed, and chains of forged seals."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chain.header import Header
from chain.params import WorkParams
from consensus.context import WorkContext
from consensus.digest import WorkSeal, read_author, read_seal, read_work
from consensus.seal import CheckedHeader
from consensus.work import compute_block_work
from network.messages import Bodies, Headers
from network.port import SendAnswer, SendNotice
from node.core.effects import Effect
from node.core.events import Event, Tick, TicketFound
from node.core.seal_book import SealBook
from tests.node.network_pump import WorldNode
from tests.node.world import World

Change = Callable[[Effect], Iterable[Effect]]


class Liar(WorldNode):
    """A real node whose effects are changed before the network sees them."""

    def __init__(self, world: World, change: Change) -> None:
        super().__init__(world)
        self.change = change

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Let the core handle an event, and change what it says."""
        return [changed for effect in super().handle(event, now_ms) for changed in self.change(effect)]


def withhold_bodies(effect: Effect) -> Iterable[Effect]:
    """Never answer a request for bodies."""
    is_bodies = isinstance(effect, SendAnswer) and isinstance(effect.answer, Bodies)
    return () if is_bodies else (effect,)


def answer_nothing(effect: Effect) -> Iterable[Effect]:
    """Answer every request for bodies with none."""
    if isinstance(effect, SendAnswer) and isinstance(effect.answer, Bodies):
        return (SendAnswer(peer=effect.peer, request_id=effect.request_id, answer=Bodies(bodies=())),)
    return (effect,)


def lack_everything(effect: Effect) -> Iterable[Effect]:
    """Say of every body that it is not here."""
    if isinstance(effect, SendAnswer) and isinstance(effect.answer, Bodies):
        answer = Bodies(bodies=(None,) * len(effect.answer.bodies))
        return (SendAnswer(peer=effect.peer, request_id=effect.request_id, answer=answer),)
    return (effect,)


def send_wrong_bodies(effect: Effect) -> Iterable[Effect]:
    """Send bodies in another order."""
    if isinstance(effect, SendAnswer) and isinstance(effect.answer, Bodies):
        answer = Bodies(bodies=tuple(reversed(effect.answer.bodies[:-1])) or ((),))
        return (SendAnswer(peer=effect.peer, request_id=effect.request_id, answer=answer),)
    return (effect,)


def break_the_row(effect: Effect) -> Iterable[Effect]:
    """Leave out a header in the middle."""
    if isinstance(effect, SendAnswer) and isinstance(effect.answer, Headers) and len(effect.answer.headers) > 2:
        headers = effect.answer.headers
        answer = Headers(headers=headers[: len(headers) // 2] + headers[len(headers) // 2 + 1 :])
        return (SendAnswer(peer=effect.peer, request_id=effect.request_id, answer=answer),)
    return (effect,)


def drip_headers(effect: Effect) -> Iterable[Effect]:
    """Send one header at a time."""
    if isinstance(effect, SendAnswer) and isinstance(effect.answer, Headers):
        answer = Headers(headers=effect.answer.headers[:1])
        return (SendAnswer(peer=effect.peer, request_id=effect.request_id, answer=answer),)
    return (effect,)


def stay_silent(effect: Effect) -> Iterable[Effect]:
    """Say a status and answer nothing at all."""
    return () if isinstance(effect, SendAnswer) else (effect,)


def brag(change: Change, *, work: int = 2**200) -> Change:
    """Return the change, with statuses that claim more work than anybody has."""

    def bragging(effect: Effect) -> Iterable[Effect]:
        if isinstance(effect, SendNotice) and hasattr(effect.notice, "work"):
            notice = type(effect.notice)(
                **{name: getattr(effect.notice, name) for name in effect.notice.__struct_fields__}
                | {"work": work.to_bytes(26, "big"), "best_number": 100_000, "best_hash": bytes(32)}
            )
            return (SendNotice(peer=effect.peer, notice=notice),)
        return change(effect)

    return bragging


def trust_seal(header: Header, context: WorkContext, params: WorkParams) -> CheckedHeader:
    """Believe every seal, as whoever forges them does."""
    work = read_work(header)
    return CheckedHeader(
        header=header,
        author=read_author(header),
        work=work,
        seal=read_seal(header),
        ticket=0,
        block_work=compute_block_work(work.target),
    )


def make_forger(*, author: bytes, blocks: int) -> World:
    """Return a node with a chain whose tickets nobody ran."""
    world = World(author=author)
    world.importer.check_seal = SealBook(trust_seal)
    for _ in range(blocks):
        forge(world)
    return world


def forge(world: World, *, later_ms: int = 1000) -> list[Effect]:
    """Let a forger make a block for nothing."""
    world.handle(Tick(), later_ms=later_ms)
    desk = world.machine.desk
    seal = WorkSeal(index=0, core_hash=world.head.hash, pool_shots=b"")
    return world.handle(TicketFound(generation=desk.generation, seal=seal))
