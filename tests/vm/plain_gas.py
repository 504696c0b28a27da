"""Gas as docs/spec/vm.md defines it, written from that page and not from the code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import ceil

from vm.problem import Shots
from vm.schedule import Schedule, Step

PRICES = {
    "uniforms": 980,
    "measurements": 12_000,
    "runs": 14_500,
    "suffixes": 26_000,
    "terms": 480,
    "factors": 14,
    "phases": 32,
    "copied": 23,
    "gathered": 18,
    "moved": 3,
    "rotated": 8,
    "swept": 17,
    "weighed": 10,
    "parted": 4,
    "mixed": 6,
    "crowded": 56,
    "flooded": 20,
    "streamed": 4,
    "drowned": 8,
}


def compute_plain_limit(schedule: Schedule, shots: int) -> int:
    """Return the gas limit of a strike."""
    return _price(_Page(schedule, shots, lambda k: max(1, min(shots, 2**k))))


def compute_plain_use(schedule: Schedule, drawn: Shots) -> int:
    """Return the gas that a strike used which gave these shots."""
    rows = [tuple(int(shot[label]) for label in schedule.order) for shot in drawn]
    different = [max(1, len({row[:k] for row in rows})) for k in range(schedule.n + 1)]
    used = _price(_Page(schedule, len(rows), different.__getitem__))
    return min(used, compute_plain_limit(schedule, len(rows)))


class _Page:
    def __init__(self, schedule: Schedule, shots: int, registers: Callable[[int], int]) -> None:
        self.schedule, self.registers = schedule, registers
        self.counts: Counter[str] = Counter(uniforms=shots * schedule.n)
        steps = schedule.steps[: schedule.suffix]
        measured = 0
        for index, step in enumerate(steps):
            r = registers(measured)
            if step.measured:
                self.measure(step, measured)
                measured += 1
            elif index == 0 or steps[index - 1].measured or step.fields or step.introduced:
                self.run(index, r)
        self.end(measured)

    def tables(self, step: Step, r: int) -> None:
        if not step.fields:
            return
        if step.sweep:
            self.counts["phases"] += r * _count_phases(step.live)
            return
        positions = {other for _, other, *_ in step.couplings} | (set() if step.measured else {step.position})
        bits = min(8, step.live - step.measured) + sum(position >= 8 for position in positions)
        t = 1 if bits <= 14 else r
        self.counts["terms"] += t * (len(step.couplings) + 1)
        self.counts["factors"] += t * 2**bits

    def enter(self, step: Step, size: int) -> None:
        if step.introduced:
            inside = min(step.introduced) < min(8, step.live - (step.measured and not step.sweep))
            self.counts["gathered" if inside else "moved"] += size

    def measure(self, step: Step, k: int) -> None:
        r = self.registers(k)
        size, copied = r * 2**step.live, (self.registers(k + 1) - r) * 2 ** (step.live - 1)
        self.counts.update(measurements=r, weighed=size, copied=copied)
        self.counts["crowded"] += copied * (step.live >= 18)
        self.counts["flooded"] += size * (step.live >= 20)
        self.tables(step, r)
        self.enter(step, size)

    def run(self, index: int, r: int) -> None:
        step, positions = self.schedule.steps[index], []
        for later in self.schedule.steps[index : self.schedule.suffix]:
            if later is not step and (later.measured or later.fields or later.introduced):
                break
            positions.append(later.position)
        size = r * 2**step.live
        self.counts["runs"] += r
        self.tables(step, r)
        if not (index == 0 and step.sweep):
            self.enter(step, size)
        if step.fields:
            self.counts["swept" if step.sweep else "rotated"] += size
        block = 12 + max(0, step.live - 12) % 3
        near: list[int] = []
        while positions and positions[-1] < block:
            near.insert(0, positions.pop())
        first = _count_passes(positions)
        self.counts["mixed"] += size * (first + _count_passes(near))
        self.counts["streamed"] += size * (first + bool(near)) * (step.live >= 20)
        self.counts["drowned"] += size * (first + bool(near)) * (step.live >= 21)

    def end(self, k: int) -> None:
        step, r = self.schedule.steps[self.schedule.suffix], self.registers(k)
        size, live = r * 2**step.live, step.live
        self.counts.update(suffixes=r, phases=_count_phases(live), swept=size)
        if self.schedule.suffix > 0:
            self.enter(step, size)
        for j in range(ceil((live - 6) / 2)):
            part = self.registers(k + 2 * j) * 2 ** (live - 2 * j)
            self.counts["parted"] += part
            self.counts["flooded"] += part * (live - 2 * j >= 20)


def _price(page: _Page) -> int:
    return 68_000 + sum(PRICES[kind] * count for kind, count in page.counts.items())


def _count_phases(live: int) -> int:
    low, middle = min(live, 8), min(live, 12, (live + 8) // 2)
    return 2**middle + 2 ** (low + live - middle) + 2 ** (live - low)


def _count_passes(positions: list[int]) -> int:
    passes, left = 0, list(positions)
    while left:
        p = left[0]
        c = 1 + (left[1:2] == [p - 1]) + (left[1:3] == [p - 1, p - 2])
        if c == 3 and p in (7, 4):
            taken = 3
        elif p >= 6:
            taken = min(c, p - 5 if p <= 7 else p - 7)
        else:
            taken = min(c, 2) if p % 2 else 1
        passes, left = passes + 1, left[taken:]
    return passes
