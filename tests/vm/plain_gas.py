"""Gas as docs/spec/vm.md defines it, written from that page and not from the code."""

from __future__ import annotations

from collections import Counter
from math import ceil

from vm.schedule import Schedule, Step

PRICES = {
    "uniforms": 1200,
    "visits": 11500,
    "terms": 3000,
    "factors": 13,
    "phases": 31,
    "copied": 47,
    "gathered": 20,
    "moved": 5,
    "rotated": 4,
    "weighed": 6,
    "parted": 7,
    "mixed": 8,
    "spilled": 1,
    "flooded": 8,
    "drowned": 7,
}
ROOTS = [int(2 ** (16 + k / 16) + 0.5) for k in range(16)]


def compute_plain_gas(schedule: Schedule, shots: int) -> int:
    """Return the gas of a strike."""
    page = _Page(schedule, shots)
    return 12_500 + sum(PRICES[kind] * count for kind, count in page.counts.items())


class _Page:
    def __init__(self, schedule: Schedule, shots: int) -> None:
        self.schedule, self.shots = schedule, shots
        self.counts: Counter[str] = Counter(uniforms=shots * schedule.n)
        steps = schedule.steps[: schedule.suffix]
        measured = 0
        for index, step in enumerate(steps):
            r = self.registers(measured)
            if step.measured:
                self.measure(step, measured)
                measured += 1
            elif index == 0 or steps[index - 1].measured or step.fields or step.introduced:
                self.run(index, r)
        self.end(measured)

    def registers(self, k: int) -> int:
        e = min(k, 64) * (16 - min(self.schedule.depth, 8))
        b = ROOTS[e % 16] * 2 ** (e // 16)
        many = 2**16 * self.shots
        filled = min(b, (2 * many * b + 2 * b + many - 1) // (2 * b + many))
        return max(1, min((filled + 2**16 - 1) // 2**16, 2 ** min(k, 64)))

    def traffic(self, live: int, amplitudes: int, *, of_run: bool = False) -> None:
        self.counts["spilled"] += amplitudes * (live >= 18)
        self.counts["flooded"] += amplitudes * (live >= 20 and not of_run)
        self.counts["drowned"] += amplitudes * (live >= 21)

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
        self.counts.update(visits=r, weighed=size, copied=copied)
        self.tables(step, r)
        self.enter(step, size)
        self.traffic(step.live, size + copied)

    def run(self, index: int, r: int) -> None:
        step, positions = self.schedule.steps[index], []
        for later in self.schedule.steps[index : self.schedule.suffix]:
            if later is not step and (later.measured or later.fields or later.introduced):
                break
            positions.append(later.position)
        size = r * 2**step.live
        self.counts["visits"] += r
        self.tables(step, r)
        if not (index == 0 and step.sweep):
            self.enter(step, size)
            self.traffic(step.live, size * bool(step.introduced))
        if step.fields:
            self.counts["rotated"] += size
            self.traffic(step.live, size)
        block = 12 + max(0, step.live - 12) % 3
        near: list[int] = []
        while positions and positions[-1] < block:
            near.insert(0, positions.pop())
        first = _count_passes(positions)
        self.counts["mixed"] += size * (first + _count_passes(near))
        self.traffic(step.live, size * (first + bool(near)), of_run=True)

    def end(self, k: int) -> None:
        step, r = self.schedule.steps[self.schedule.suffix], self.registers(k)
        size, live = r * 2**step.live, step.live
        self.counts.update(visits=r, phases=_count_phases(live), rotated=size)
        self.traffic(live, size)
        if self.schedule.suffix > 0:
            self.enter(step, size)
            self.traffic(live, size * bool(step.introduced))
        for j in range(ceil((live - 6) / 2)):
            part = self.registers(k + 2 * j) * 2 ** (live - 2 * j)
            self.counts["parted"] += part
            self.traffic(live - 2 * j, part)


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
