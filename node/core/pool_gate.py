"""What stands between the pool and the chain: validation of what comes in, and upkeep when the head moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chain.era import compute_death
from chain.extrinsic import Extrinsic, decode_extrinsic
from chain.header import Header
from chain.scale import CodecError
from chain.state_view import StateView
from node.core.mempool import ExtrinsicNews, Mempool, Validity
from node.core.pool_errors import BadFormat, PoolRefusal, Unfit
from rpc.api import ExtrinsicStatus
from runtime.executive import Runtime
from runtime.pallets.system import ACCOUNT
from runtime.storage import Overlay
from runtime.validity import InvalidTransaction


class PoolGate:
    """Validates extrinsics on the head and keeps the pool in step with it."""

    def __init__(self, pool: Mempool, runtime: Runtime) -> None:
        self.pool = pool
        self._runtime = runtime

    def submit(self, raw: bytes, view: StateView, head: Header, now_ms: int) -> tuple[bytes, list[ExtrinsicNews]]:
        """Validate an extrinsic on the head and take it into the pool; return its hash and the news.

        Raises:
            PoolRefusal: the subclass says why.
        """
        try:
            extrinsic = decode_extrinsic(raw)
        except CodecError as error:
            raise BadFormat(str(error)) from error
        self._runtime.pause()
        extrinsic_hash = extrinsic.hash
        self.pool.check_new(extrinsic_hash, now_ms)
        return extrinsic_hash, self.pool.add(extrinsic, self._validate(extrinsic, view, head), now_ms)

    def on_best_change(
        self,
        retracted: Iterable[tuple[bytes, tuple[bytes, ...]]],
        enacted: Iterable[tuple[Header, tuple[bytes, ...]]],
        view: StateView,
        now_ms: int,
    ) -> list[ExtrinsicNews]:
        """Bring the pool in step with a new head, and take back what undone blocks held.

        Args:
            retracted: Hash and extrinsics of the blocks that left the best chain, newest first.
            enacted: Header and extrinsics of those that joined it, oldest first.
            view: The state of the new head.
        """
        news: list[ExtrinsicNews] = []
        undone: dict[bytes, Extrinsic] = {}
        for block_hash, body in retracted:
            status = ExtrinsicStatus(kind="retracted", value=block_hash)
            for extrinsic in _decode_signed(body):
                undone[extrinsic.hash] = extrinsic
                news.append(ExtrinsicNews(hash=extrinsic.hash, status=status))
        news += self.pool.on_undone(_get_first_nonces(undone.values()), now_ms)
        head: Header | None = None
        for head, body in enacted:
            signed = list(_decode_signed(body))
            hashes = [extrinsic.hash for extrinsic in signed]
            nonces = _get_next_nonces(signed)
            news += self.pool.on_best_block(hashes, nonces, number=head.number, block_hash=head.hash, now_ms=now_ms)
            for extrinsic_hash in hashes:
                undone.pop(extrinsic_hash, None)
        if head is not None:
            for extrinsic in reversed(list(undone.values())):
                news += self._resubmit(extrinsic, view, head, now_ms)
        return news

    def _resubmit(self, extrinsic: Extrinsic, view: StateView, head: Header, now_ms: int) -> list[ExtrinsicNews]:
        self._runtime.pause()
        try:
            return self.pool.add(extrinsic, self._validate(extrinsic, view, head), now_ms)
        except PoolRefusal as refusal:
            status = ExtrinsicStatus(kind="invalid", reason=f"after its block was undone: {refusal}")
            return [ExtrinsicNews(hash=extrinsic.hash, status=status)]

    def _validate(self, extrinsic: Extrinsic, view: StateView, head: Header) -> Validity:
        try:
            valid = self._runtime.validate_transaction(view, extrinsic, head=head)
        except InvalidTransaction as error:
            raise Unfit(error.reason, error.diagnosis) from error
        next_nonce = self.pool.get_state_nonce(valid.signer)
        if next_nonce is None:
            next_nonce = valid.nonce if not valid.requires else get_nonce(view, valid.signer)
        signed = extrinsic.signed
        return Validity(
            priority=valid.priority,
            next_nonce=next_nonce,
            dies_at=None if signed is None else compute_death(signed.era, head.number + 1),
            signature_key=valid.signature_key,
            fee_planck=valid.fee_planck,
        )


def get_nonce(view: StateView, account: bytes) -> int:
    """Return an account's next nonce in a state."""
    return ACCOUNT.get(Overlay(view), account).nonce


def _get_first_nonces(undone: Iterable[Extrinsic]) -> Mapping[bytes, int]:
    """Return the next nonce of every signer before the blocks that held these extrinsics."""
    nonces: dict[bytes, int] = {}
    for extrinsic in undone:
        if extrinsic.signed is not None:
            signer, nonce = extrinsic.signed.signer, extrinsic.signed.nonce
            nonces[signer] = min(nonce, nonces.get(signer, nonce))
    return nonces


def _get_next_nonces(signed: Iterable[Extrinsic]) -> Mapping[bytes, int]:
    """Return the next nonce of every signer after the block that holds these extrinsics.

    The head's state would not do: when several blocks join at once it is ahead of all but the last.
    """
    return {item.signed.signer: item.signed.nonce + 1 for item in signed if item.signed is not None}


def _decode_signed(body: Iterable[bytes]) -> Iterable[Extrinsic]:
    """Yield the signed extrinsics of an imported block."""
    for raw in body:
        extrinsic = decode_extrinsic(raw)
        if extrinsic.signed is not None:
            yield extrinsic
