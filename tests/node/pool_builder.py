"""Extrinsics and pools for the tests: small, without real signatures (the pool never looks at them)."""

from __future__ import annotations

from chain.era import IMMORTAL, Era
from chain.extrinsic import Extrinsic, assemble_signed, decode_extrinsic, encode_extra
from node.core.mempool import ExtrinsicNews, Mempool, PoolLimits, Validity

ALICE, BOB, CAROL = (bytes([number]) * 32 for number in (1, 2, 3))


def make_extrinsic(signer: bytes, nonce: int, *, mark: int = 0, era: Era = IMMORTAL, size: int = 4) -> Extrinsic:
    """Return an extrinsic whose call is `size` bytes with a mark."""
    call = mark.to_bytes(4, "little") + bytes(size - 4)
    return decode_extrinsic(assemble_signed(call, signer, encode_extra(era, nonce, 0), bytes(64)))


def make_pool(**limits: int) -> Mempool:
    """Return an empty pool with some limits changed."""
    return Mempool(PoolLimits(**limits))


def add(
    pool: Mempool,
    signer: bytes,
    nonce: int,
    *,
    priority: int = 1,
    next_nonce: int = 0,
    mark: int = 0,
    size: int = 4,
    dies_at: int | None = None,
    now_ms: int = 0,
) -> tuple[bytes, list[ExtrinsicNews]]:
    """Add an extrinsic and return its hash and the news."""
    extrinsic = make_extrinsic(signer, nonce, mark=mark, size=size)
    news = pool.add(extrinsic, Validity(priority=priority, next_nonce=next_nonce, dies_at=dies_at), now_ms)
    return extrinsic.hash, news


def tell(news: list[ExtrinsicNews]) -> list[tuple[bytes, str]]:
    """Return hash and kind of each piece of news."""
    return [(item.hash, item.status.kind) for item in news]


def check_pool(pool: Mempool) -> None:
    """Assert what always holds of a pool."""
    entries = list(pool.iterate_entries())
    ready = list(pool.iterate_ready())
    assert pool.ready_count == len(ready)
    assert pool.future_count == len(entries) - len(ready)
    assert pool.bytes_held == sum(entry.size for entry in entries)
    assert len({(entry.signer, entry.nonce) for entry in entries}) == len(entries) == len(pool)
    assert len(pool) <= pool.limits.count_max
    assert pool.bytes_held <= pool.limits.bytes_max
    nonces: dict[bytes, int] = {}
    for entry in ready:
        assert entry.nonce == nonces.setdefault(entry.signer, entry.nonce)
        nonces[entry.signer] += 1
