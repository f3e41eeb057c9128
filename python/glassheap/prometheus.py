"""Heaps as metrics for Prometheus.

    from prometheus_client import REGISTRY
    REGISTRY.register(glassheap.prometheus.collector(heap, name="kv-cache"))

Each scrape reads the heaps anew. The metrics have a label `heap`; those by tag have `tag`, those of
refused calls `reason`. A closed heap has no samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from glassheap.errors import HeapClosed
from glassheap.owners import TagUsage

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
except ImportError as error:
    raise ImportError(
        "metrics of a heap need prometheus_client, which cannot be imported: "
        "pip install prometheus-client."
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from glassheap import _core
    from glassheap.report import Report

    Family = GaugeMetricFamily | CounterMetricFamily
    Samples = Iterable[tuple[tuple[str, ...], float]]

__all__ = ["collector"]

OTHERS = "(others)"
"""The label of the tags beyond the largest ones."""


class Metric(NamedTuple):
    """A metric, and its samples in a report: the labels beside `heap`, and the value."""

    family: Callable[..., Family]
    name: str
    text: str
    labels: tuple[str, ...]
    samples: Callable[[Report], Samples]


def _gauge(name: str, text: str, value: Callable[[Report], float]) -> Metric:
    return Metric(GaugeMetricFamily, name, text, (), lambda report: [((), value(report))])


def _by_tag(name: str, text: str, value: Callable[[TagUsage], float]) -> Metric:
    def samples(report: Report) -> Samples:
        return [((usage.tag or "",), value(usage)) for usage in report.by_tag]

    text += " with this tag; an empty one stands for the blocks without."
    return Metric(GaugeMetricFamily, name, text, ("tag",), samples)


def _total(name: str, text: str, value: Callable[[Report], float]) -> Metric:
    return Metric(CounterMetricFamily, name, text, (), lambda report: [((), value(report))])


def _counter(name: str, text: str, counts: Callable[[Report], dict[str, int]]) -> Metric:
    def samples(report: Report) -> Samples:
        return [((reason,), count) for reason, count in counts(report).items()]

    return Metric(CounterMetricFamily, name, text, ("reason",), samples)


METRICS = [
    _gauge("size_bytes", "Bytes of the region.", lambda it: it.size),
    _gauge("free_bytes", "Bytes on offer in all free blocks.", lambda it: it.available),
    _gauge("largest_free_bytes", "Bytes on offer in the largest one.", lambda it: it.largest_free),
    _gauge("live_bytes", "Bytes asked for in live blocks.", lambda it: it.requested),
    _gauge("live_blocks", "Blocks allocated and not yet freed.", lambda it: it.live_blocks),
    _by_tag("tag_bytes", "Bytes asked for in live blocks", lambda it: it.bytes),
    _by_tag("tag_blocks", "Live blocks", lambda it: it.blocks),
    _by_tag("tag_oldest_seconds", "Age of the oldest live block", lambda it: it.oldest),
    _total("waits", "Requests that have waited for memory.", lambda it: it.waits),
    _total("waited_seconds", "Seconds that they have waited in all.", lambda it: it.waited),
    _counter("refused", "Calls refused, by cause or exception.", lambda it: it.refused),
]
"""A metric more is a row more."""


class Collector:
    """What a registry of prometheus_client asks for metrics; made by `collector`."""

    def __init__(self, heaps: dict[str, _core.Heap], most_tags: int) -> None:
        self._heaps = heaps
        self._most_tags = most_tags

    def describe(self) -> Iterator[Family]:
        """The metrics without a sample, for the registry to compare their names."""
        return map(_family, METRICS)

    def collect(self) -> Iterator[Family]:
        """The metrics with the samples of each open heap. O(n log n)."""
        reports = dict(self._reports())
        for metric in METRICS:
            family = _family(metric)
            for name, report in reports.items():
                for labels, value in metric.samples(report):
                    family.add_metric([name, *labels], value)
            yield family

    def _reports(self) -> Iterator[tuple[str, Report]]:
        for name, heap in self._heaps.items():
            try:
                report = heap.report()
            except HeapClosed:  # it may be closed at any time, also while it is read
                continue
            yield name, report._replace(by_tag=_largest(report.by_tag, self._most_tags))


def _family(metric: Metric) -> Family:
    return metric.family(f"glassheap_{metric.name}", metric.text, labels=["heap", *metric.labels])


def _largest(usages: list[TagUsage], most: int) -> list[TagUsage]:
    """The usages of the first tags, and one of all others: a label has few values."""
    named = [it for it in usages if it.tag != OTHERS]
    shown = named[:most]
    others = named[most:] + [it for it in usages if it.tag == OTHERS]
    if not others:
        return shown
    return [
        *shown,
        TagUsage(
            tag=OTHERS,
            blocks=sum(it.blocks for it in others),
            bytes=sum(it.bytes for it in others),
            oldest=max(it.oldest for it in others),
            newest=min(it.newest for it in others),
        ),
    ]


def collector(
    heap: _core.Heap, *more: _core.Heap, name: str = "heap", most_tags: int = 20
) -> Collector:
    """Return a collector of the heaps' metrics, to register with prometheus_client.

    The value of the label `heap` is name; for several heaps name-1, name-2, and so on. The metrics
    by tag have the most_tags tags with the most bytes, and the sum of all others under `(others)`:
    each value of a label is a time series of its own. The collector keeps the heaps. A scrape is
    O(n log n) in the number of blocks.

    Raises ValueError if and only if most_tags is negative, TypeError if name is no string;
    ImportError if prometheus_client is missing, when this module is imported.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, not {type(name).__name__}.")
    if most_tags < 0:
        raise ValueError(f"most_tags is a number of tags from 0 upwards, not {most_tags}.")
    heaps = (heap, *more)
    names = [f"{name}-{number}" for number in range(1, len(heaps) + 1)] if more else [name]
    return Collector(dict(zip(names, heaps, strict=True)), most_tags)
