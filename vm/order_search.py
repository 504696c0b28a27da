"""Numba kernels that search measurement orders: starts worth starting from, and threshold annealing.

All arrays are small: `order` lists the qubits as they are measured; `starts`, `members` list the light cones, those of
qubit q being `members[starts[q]:starts[q + 1]]`; `prices` says what a step costs, see `price`. Chance comes from a
64-bit xorshift state, so that a seed gives the same order everywhere. Costs are sums of integers in binary64: exact
below 2^53, and only compared.

A move changes the order inside one window only. Qubits introduced before the window stay so, those introduced in it
are introduced again in it, and the number introduced by its end is the same: so the window is all one has to weigh.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

GREEDY_STARTS = 16
LIVE_MAX = 900  # costs do not grow beyond it, so that they stay finite
MASK64 = 2**64 - 1
POWERS = 2.0 ** np.arange(LIVE_MAX + 1)


def make_state(seed: int) -> NDArray[np.uint64]:
    """Return the state of chance for a seed (one splitmix64 step, never zero)."""
    z = (seed + 0x9E3779B97F4A7C15) & MASK64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
    return np.array([(z ^ (z >> 31)) | 1], dtype=np.uint64)


@njit(cache=True, fastmath=False)
def draw(state, bound):
    """Return a number in 0..bound-1."""
    x = state[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[0] = x
    return np.int64(((x * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(33)) % np.uint64(bound))


@njit(cache=True, fastmath=False)
def price(step, introduced, prices):
    """Return what a step costs, given how many qubits have been introduced.

    Args:
        prices: float64[3, n]: by step, what it costs at least and for each amplitude; and what it costs instead when
            all qubits have been introduced.
    """
    if introduced == prices.shape[1]:
        return prices[2, step]
    return prices[0, step] + prices[1, step] * POWERS[min(introduced - step, LIVE_MAX)]


@njit(cache=True, fastmath=False)
def compute_cost(order, starts, members, prices):
    """Return the cost of an order."""
    n = len(order)
    seen = np.zeros(n, dtype=np.bool_)
    introduced = 0
    total = 0.0
    for step in range(n):
        for at in range(starts[order[step]], starts[order[step] + 1]):
            if not seen[members[at]]:
                seen[members[at]] = True
                introduced += 1
        total += price(step, introduced, prices)
    return total


@njit(cache=True, fastmath=False)
def make_greedy_order(first, starts, members, state):
    """Return the order that starts with `first` and then always introduces as few qubits as it can."""
    n = len(starts) - 1
    missing = np.empty(n, dtype=np.int64)
    for q in range(n):
        missing[q] = starts[q + 1] - starts[q]
    introduced_at = np.full(n, n, dtype=np.int64)
    measured = np.zeros(n, dtype=np.bool_)
    order = np.empty(n, dtype=np.int32)
    chosen = first
    for step in range(n):
        order[step] = chosen
        measured[chosen] = True
        for at in range(starts[chosen], starts[chosen + 1]):
            q = members[at]
            if introduced_at[q] == n:
                introduced_at[q] = step
                for near in range(starts[q], starts[q + 1]):
                    missing[members[near]] -= 1
        best = n * n + 1
        for q in range(n):
            if not measured[q]:
                score = missing[q] * n + introduced_at[q]
                if score < best or (score == best and draw(state, 2) == 0):
                    best, chosen = score, q
    return order


@njit(cache=True, fastmath=False)
def make_cuthill_mckee_order(first, starts, members):
    """Return the qubits breadth first from `first`, smaller light cones first among equals."""
    n = len(starts) - 1
    order = np.empty(n, dtype=np.int32)
    reached = np.zeros(n, dtype=np.bool_)
    count = 0
    read = 0
    root = first
    while count < n:
        if read == count:
            while reached[root]:
                root = (root + 1) % n
            order[count] = root
            reached[root] = True
            count += 1
        q = order[read]
        read += 1
        begin = count
        for at in range(starts[q], starts[q + 1]):
            other = members[at]
            if not reached[other]:
                reached[other] = True
                place = count
                size = starts[other + 1] - starts[other]
                while place > begin and starts[order[place - 1] + 1] - starts[order[place - 1]] > size:
                    order[place] = order[place - 1]
                    place -= 1
                order[place] = other
                count += 1
    return order


@njit(cache=True, fastmath=False)
def make_best_start(starts, members, prices, state):
    """Return the cheapest of: labels, Cuthill-McKee forward and reversed, greedy from several qubits."""
    n = len(starts) - 1
    best = np.arange(n).astype(np.int32)
    best_cost = compute_cost(best, starts, members, prices)
    for _ in range(GREEDY_STARTS):
        first = draw(state, n)
        ahead = make_cuthill_mckee_order(first, starts, members)
        back = ahead[::-1].copy()
        for order in (ahead, back, make_greedy_order(first, starts, members, state)):
            cost = compute_cost(order, starts, members, prices)
            if cost < best_cost:
                best_cost = cost
                best = order
    return best


@njit(cache=True, fastmath=False)
def introduce_(order, starts, members, prices, introduced_at, introduced_by):
    """Fill in when each qubit is introduced and how many are by each step; return the cost."""
    n = len(order)
    introduced_at[:] = n
    count = 0
    total = 0.0
    for step in range(n):
        for at in range(starts[order[step]], starts[order[step] + 1]):
            if introduced_at[members[at]] == n:
                introduced_at[members[at]] = step
                count += 1
        introduced_by[step] = count
        total += price(step, count, prices)
    return total


@njit(cache=True, fastmath=False)
def propose_(order, window, state, starts, members, place):
    """Write a changed stretch of the order into `window`; return its first and last step."""
    n = len(order)
    a = draw(state, n)
    if draw(state, 2) == 0:
        q = order[a]
        near = members[starts[q] + draw(state, starts[q + 1] - starts[q])]
        b = place[near] + draw(state, 3) - 1
    else:
        reach = 1 + draw(state, 1 + draw(state, n))
        b = a + reach if draw(state, 2) == 0 else a - reach
    b = min(max(b, 0), n - 1)
    lo, hi = min(a, b), max(a, b)
    length = hi - lo + 1
    shift = 1
    if length > 3 and draw(state, 4) == 0:
        shift = 1 + draw(state, min(8, length - 1))
    for at in range(length):
        source = at + shift if a < b else at - shift
        window[at] = order[lo + source % length]
    return lo, hi


@njit(cache=True, fastmath=False)
def anneal_(order, starts, members, prices, state, heat, work):
    """Improve an order in place by about `work` elementary steps at one heat (largest relative loss accepted)."""
    n = len(order)
    if n < 2:
        return
    introduced_at = np.empty(n, dtype=np.int64)
    introduced_by = np.empty(n, dtype=np.int64)
    total = introduce_(order, starts, members, prices, introduced_at, introduced_by)
    place = np.empty(n, dtype=np.int64)
    for step in range(n):
        place[order[step]] = step
    stamps = np.zeros(n, dtype=np.int64)
    window = np.empty(n, dtype=np.int32)
    found = np.empty(n, dtype=np.int64)
    trial = 0
    while work > 0:
        trial += 1
        lo, hi = propose_(order, window, state, starts, members, place)
        limit = total * (1.0 + heat * draw(state, 1024) / 1024.0)
        before = introduced_by[lo - 1] if lo > 0 else 0
        count = before
        cost = total
        for step in range(lo, hi + 1):
            cost -= price(step, introduced_by[step], prices)
        work -= 8 + (hi - lo)
        for step in range(lo, hi + 1):
            q = window[step - lo]
            for at in range(starts[q], starts[q + 1]):
                other = members[at]
                if stamps[other] != trial and introduced_at[other] >= lo:
                    stamps[other] = trial
                    count += 1
            work -= starts[q + 1] - starts[q]
            found[step] = count
            cost += price(step, count, prices)
            if cost > limit:
                break
        if cost > limit:
            continue
        total = cost
        commit_(order, starts, members, introduced_at, lo, hi, window, place)
        introduced_by[lo : hi + 1] = found[lo : hi + 1]


@njit(cache=True, fastmath=False)
def commit_(order, starts, members, introduced_at, lo, hi, window, place):
    """Take a window over into the order."""
    n = len(order)
    for step in range(lo, hi + 1):
        for at in range(starts[order[step]], starts[order[step] + 1]):
            if introduced_at[members[at]] >= lo:
                introduced_at[members[at]] = n
    for step in range(lo, hi + 1):
        q = window[step - lo]
        order[step] = q
        place[q] = step
        for at in range(starts[q], starts[q + 1]):
            if introduced_at[members[at]] == n:
                introduced_at[members[at]] = step
