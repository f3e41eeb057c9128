"""Metrics of heaps, as prometheus_client exposes them to a scrape."""

from __future__ import annotations

import subprocess
import sys

import pytest

import glassheap

pytest.importorskip("prometheus_client")

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from glassheap import prometheus


def scraped(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """Each sample of a scrape by its name and the values of its labels."""
    text = generate_latest(registry).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def registered(*heaps: glassheap.Heap, **options: object) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(prometheus.collector(*heaps, **options))  # type: ignore[arg-type]
    return registry


def test_a_scrape_has_the_figures_of_the_heap() -> None:
    heap = glassheap.Heap(4096)
    registry = registered(heap, name="cache")
    heap.malloc(100, tag='a "quoted"\ntag')
    heap.malloc(50)
    with pytest.raises(glassheap.OutOfMemory):
        heap.malloc(5000)
    samples, stats = scraped(registry), heap.stats()
    assert samples["glassheap_size_bytes", "cache"] == stats.size
    assert samples["glassheap_free_bytes", "cache"] == stats.available
    assert samples["glassheap_largest_free_bytes", "cache"] == stats.largest_free
    assert samples["glassheap_live_bytes", "cache"] == 150
    assert samples["glassheap_live_blocks", "cache"] == 2
    assert samples["glassheap_tag_bytes", "cache", 'a "quoted"\ntag'] == 100
    assert samples["glassheap_tag_bytes", "cache", ""] == 50
    assert samples["glassheap_tag_blocks", "cache", ""] == 1
    assert 0 <= samples["glassheap_tag_oldest_seconds", "cache", ""] < 60
    for reason, count in (("exhausted", 1), ("fragmented", 0), ("alignment", 0)):
        assert samples["glassheap_refused_total", "cache", reason] == count
    assert samples["glassheap_waits_total", "cache"] == 0
    assert samples["glassheap_waited_seconds_total", "cache"] == 0
    assert len(samples) == 5 + 3 * 2 + 2 + 3


def test_each_scrape_reads_the_heaps_anew_and_a_closed_one_has_no_samples() -> None:
    one, two = glassheap.Heap(4096), glassheap.Heap(8192)
    registry = registered(one, two)
    assert scraped(registry)["glassheap_live_blocks", "heap-2"] == 0
    two.malloc(1)
    assert scraped(registry)["glassheap_live_blocks", "heap-2"] == 1
    two.close()
    assert {name for name, *labels in scraped(registry) if labels[0] == "heap-2"} == set()
    assert scraped(registry)["glassheap_size_bytes", "heap-1"] == 4096


def test_only_the_largest_tags_are_labels() -> None:
    heap = glassheap.Heap(1 << 16)
    for number in range(50):
        heap.malloc(number + 1, tag=f"request-{number}")
    samples = scraped(registered(heap, most_tags=3))
    sizes = {label[1]: value for (name, *label), value in samples.items() if "tag_bytes" in name}
    largest = {"request-49": 50, "request-48": 49, "request-47": 48}
    assert sizes == {**largest, "(others)": 47 * 48 / 2}
    assert samples["glassheap_tag_blocks", "heap", "(others)"] == 47


def test_registering_reads_no_heap() -> None:
    """The names of the metrics are there without."""
    heap = glassheap.Heap(4096)
    heap.close()
    registry = registered(heap)
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(prometheus.collector(heap))


def test_without_prometheus_client_the_error_says_what_to_install() -> None:
    program = "import sys; sys.modules['prometheus_client'] = None; import glassheap.prometheus"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "pip install prometheus-client" in done.stderr.splitlines()[-1]


def test_a_tag_with_the_name_of_the_others_is_one_of_them() -> None:
    heap = glassheap.Heap(4096)
    for tag, size in (("(others)", 900), ("large", 500), ("small", 100)):
        heap.malloc(size, tag=tag)
    text = generate_latest(registered(heap, most_tags=1)).decode()
    assert text.count('glassheap_tag_bytes{heap="heap",tag="(others)"} 1000.0') == 1
    assert text.count('tag="(others)"') == 3


@pytest.mark.parametrize(
    ("options", "error"), [({"name": 3}, TypeError), ({"most_tags": -1}, ValueError)]
)
def test_a_collector_refuses_what_no_scrape_could_show(
    options: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        prometheus.collector(glassheap.Heap(), **options)  # type: ignore[arg-type]
