"""All known results that the simulator reproduces, one after the other.

What runs is the chain's own tree, fork choice, target, clock, weight and choice of leaves (`simulations/bare_node.py`
says what is left out). The known numbers are in the `compute_` functions of each table and serve as expectation only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from simulations.validate_audits import measure_detection, measure_grinding
from simulations.validate_races import measure_double_spends
from simulations.validate_selfish import measure_selfish
from simulations.validate_work import measure_asert, measure_majority
from simulations.validation import Row

Measurement: TypeAlias = Callable[[int, float], Iterator[Row]]

MEASUREMENTS: Mapping[str, Measurement] = {
    "double spends": measure_double_spends,
    "selfish mining": measure_selfish,
    "majority": measure_majority,
    "target": measure_asert,
    "audits": measure_detection,
    "grinding": measure_grinding,
}


def measure_all(seed: int, *, scale: float = 1.0, names: tuple[str, ...] = ()) -> Iterator[Row]:
    """Yield all rows.

    Args:
        scale: Multiplies the number of independent runs; errors shrink with its square root.
        names: Only these measurements; empty for all.
    """
    for name, measure in MEASUREMENTS.items():
        if not names or name in names:
            yield from measure(seed, scale)
