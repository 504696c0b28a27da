"""Prices of gas fitted to measured times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from vm.work import KINDS as WORK_KINDS
from vm.work import Work

FIXED = "a strike"  # beside the kinds of work
KINDS = (*WORK_KINDS, FIXED)
SMALL = 200  # smaller prices are searched one by one, larger ones in fiftieths

Vector = NDArray[np.float64]


def is_fit_possible() -> bool:
    """Return whether scipy is installed."""
    try:
        import_module("scipy.optimize")
    except ImportError:
        return False
    return True


def fit_prices(works: Sequence[Work], gas: Sequence[float]) -> dict[str, int]:
    """Return the integer prices, none negative, whose gas has the least mean square of relative deviations from `gas`.

    Args:
        gas: What each strike should cost: its time in units of gas.
    """
    counts = np.array([[float(getattr(work, kind)) for kind in KINDS[:-1]] + [1.0] for work in works])
    shares = counts / np.array(gas)[:, None]
    scales = np.maximum(shares.max(axis=0), 1e-300)
    nnls: Callable[[NDArray[np.float64], Vector], tuple[Vector, float]] = import_module("scipy.optimize").nnls
    prices = np.round(nnls(shares / scales, np.ones(len(works)))[0] / scales)
    return dict(zip(KINDS, map(int, _search_integers(shares, prices)), strict=True))


def _search_integers(shares: NDArray[np.float64], prices: Vector) -> Vector:
    """Return integers near these of less spread, one price changed at a time; the level of all of them is free."""

    def rate(candidate: Vector) -> float:
        return float(np.var(np.log(shares @ candidate)))

    best = rate(prices)
    improved = True
    while improved:
        improved = False
        for k in range(len(prices)):
            step = 1.0 if prices[k] < SMALL else np.round(prices[k] / 50)
            for change in (-step, step):
                candidate = prices.copy()
                candidate[k] = max(0.0, candidate[k] + change)
                found = rate(candidate)
                if found < best * (1 - 1e-9):
                    best, prices, improved = found, candidate, True
    return prices
