"""The memory that a heap needs: the smallest region that serves a trace, and the memory outside it.

Peak utilisation is the largest payload that a program had in use at once, divided by the memory
that its heap needed to serve it. The smallest region is found by trial: starting from the payload,
it grows by a hundredth until it serves the trace; then, from the last size that did not, by a
thousandth of the payload or 4 KiB, whichever is less.

Larger is not always better: in a region of another size a policy places blocks differently, and may
fail where a smaller one served. Hence the small steps from below, instead of a bisection. The
reported size did serve the whole trace; that no smaller one does is likely, but not proved.

sequential_fit returns the addresses of first_fit, by definition: its figure is that of first_fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap import Heap, HeapError, policies
from glassheap.replay.running import Run, strict
from glassheap.replay.sizing import GRANULE, round_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glassheap.traces import Trace

REGIONS = {"4 KiB": 4096, "64 KiB": 64 << 10, "1 MiB": 1 << 20, "64 MiB": 64 << 20}
COARSEST_UNIT = 4096


def measure(traces: Mapping[str, Trace]) -> dict[str, float]:
    """The figures of every policy and layout by name."""
    figures: dict[str, float] = {}
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for policy in (policy.name for policy in policies()):
        for headers, heap in ((True, policy), (False, f"{policy}/headerless")):
            for label, size in REGIONS.items():
                own = Heap(size, policy=policy, headers=headers).own_memory()
                figures[f"outside:{label}/{heap}"] = own / size
            for name, trace in traces.items():
                key = (name, heap.replace("sequential_fit", "first_fit"))
                region, own = found[key] = found.get(key) or smallest(trace, policy, headers)
                figures[f"used:{name}/{heap}"] = trace.peak_live / (region + own)
                figures[f"used_region:{name}/{heap}"] = trace.peak_live / region
    return figures


def smallest(trace: Trace, policy: str, headers: bool) -> tuple[int, int]:
    """The smallest region found to serve a trace, and the memory outside it afterwards."""
    unit = min(COARSEST_UNIT, round_up(trace.peak_live // 1000 + 1, GRANULE))
    last = size = round_up(trace.peak_live, GRANULE)
    while serve(trace, size, policy, headers) is None:
        last, size = size, size + round_up(size // 100, GRANULE)
    while (own := serve(trace, last, policy, headers)) is None:
        last += unit
    return last, own


def serve(trace: Trace, region: int, policy: str, headers: bool) -> int | None:
    """Play a trace in a new heap; the memory outside the region, or None if it is too small."""
    try:
        run = Run(trace, Heap(region, policy=policy, headers=headers))
    except HeapError:  # the policy needs a larger region than this
        return None
    run.play(strict(len(trace), []), None)
    return run.heap.own_memory() if run.completed == len(trace) else None
