"""What the search for measurement orders takes a step of an order to cost, before any schedule is compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vm.gas import PRICES, compute_suffix_gas
from vm.order_search import LIVE_MAX, POWERS
from vm.work import list_most_registers

Prices = NDArray[np.float64]  # axes: (fixed, for each amplitude, instead when all qubits are introduced), step


def make_cost_prices(n: int) -> Prices:
    """Return prices whose sum is the order cost: 2^live for each step."""
    return np.array([np.zeros(n), np.ones(n), POWERS[_list_lives(n)]])


def make_gas_prices(n: int, depth: int, shots: int) -> Prices:
    """Return prices whose sum is about the gas limit of a strike, fixed prices and tables of factors left out.

    A measured step is taken to bring one run of each lower layer with it, of one pass, and to introduce one qubit. At
    depth 1 the suffix begins when all qubits are introduced; at others it begins later, which cannot be seen from the
    light cones, and is left out.
    """
    most = list_most_registers(n, shots)
    registers = np.array(most, dtype=np.float64)
    copied = PRICES.copied * (registers[1:] - registers[:-1]) / 2
    registers = registers[:-1]
    fixed = (PRICES.measurements + (depth - 1) * PRICES.runs) * registers
    run = PRICES.moved + PRICES.rotated + PRICES.mixed
    amplitude = (PRICES.weighed + PRICES.gathered + (depth - 1) * run) * registers + copied
    lives = _list_lives(n)
    if depth > 1:
        return np.array([fixed, amplitude, fixed + amplitude * POWERS[lives]])
    rests = [compute_suffix_gas(live, most[step:]) for step, live in enumerate(lives)]
    suffix = [float(here - there) for here, there in zip(rests, [*rests[1:], 0], strict=True)]
    return np.array([fixed, amplitude, suffix])


def _list_lives(n: int) -> list[int]:
    """Return the number of live qubits at each step once all are introduced."""
    return [min(n - step, LIVE_MAX) for step in range(n)]
