"""Numbers out of a Prometheus page, as a test file names them.

Zombienet leaves out the program's name in front of a metric (`node_roles` for `substrate_node_roles`); so may a test
file here.

Source: Prometheus, exposition formats, text format 0.0.4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import msgspec

PREFIX = "substrate_"
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: -?[0-9]+)?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class NoSuchMetric(Exception):
    """A page without what is looked for, or with too much of it."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the page."""

    name: str
    labels: Mapping[str, str]
    value: float


def read_samples(page: str) -> list[Sample]:
    """Return the samples of a page; lines that are none are passed over."""
    samples = []
    for line in page.splitlines():
        found = _SAMPLE.fullmatch(line.strip())
        if found is None or line.startswith("#"):
            continue
        try:
            value = float(found[3])
        except ValueError:
            continue
        labels = {name: _unescape(text) for name, text in _LABEL.findall(found[2] or "")}
        samples.append(Sample(name=found[1], labels=labels, value=value))
    return samples


def find_value(samples: list[Sample], name: str, labels: Mapping[str, str]) -> float:
    """Return the number of the one sample with this name and these labels, others not minded.

    Raises:
        NoSuchMetric: none, or several.
    """
    named = _select(samples, name)
    found = [sample for sample in named if labels.items() <= sample.labels.items()]
    if len(found) == 1:
        return found[0].value
    if not named:
        raise NoSuchMetric(f"the node has no metric {name}")
    described = ", ".join(_describe(sample) for sample in (found or named)[:4])
    if not found:
        raise NoSuchMetric(f"{name} has no series with these labels; there are {described}")
    raise NoSuchMetric(f"{name} has {len(found)} series; say which by labels: {described}")


def count_in_buckets(samples: list[Sample], name: str, buckets: tuple[str, ...]) -> float:
    """Return how many samples of a histogram lie in the buckets with these upper bounds, over all its series.

    Raises:
        NoSuchMetric: no such histogram, or no such bucket.
    """
    named = _select(samples, name + "_bucket")
    if not named:
        raise NoSuchMetric(f"the node has no histogram {name}")
    upto: dict[float, float] = {}
    for sample in named:
        bound = float(sample.labels.get("le", "nan"))
        upto[bound] = upto.get(bound, 0.0) + sample.value
    bounds = sorted(upto)
    total = 0.0
    for text in buckets:
        try:
            place = bounds.index(float(text))
        except ValueError:
            known = ", ".join("+Inf" if math.isinf(bound) else f"{bound:g}" for bound in bounds)
            raise NoSuchMetric(f"{name} has no bucket {text}; there are {known}") from None
        total += upto[bounds[place]] - (upto[bounds[place - 1]] if place else 0.0)
    return total


def _select(samples: list[Sample], name: str) -> list[Sample]:
    exact = [sample for sample in samples if sample.name == name]
    return exact or [sample for sample in samples if sample.name == PREFIX + name]


def _describe(sample: Sample) -> str:
    return "{" + ", ".join(f'{name}="{text}"' for name, text in sample.labels.items()) + "}"


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text)
