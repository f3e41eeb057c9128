"""The history of allocations in a PyTorch memory snapshot, decoded.

    {"device_traces": [[
        {"action": "alloc", "addr": 140, "size": 512, "stream": 0, "time_us": 1,
         "frames": [{"filename": "train.py", "line": 7, "name": "step"}]},
        {"action": "free_requested", ...}, {"action": "free_completed", "addr": 140, ...},
        {"action": "oom", "size": 8589934592, "device_free": 1024, ...}]],
     "segments": [...]}

An "alloc" allocates, "free_completed" frees (after "free_requested", when the streams are done),
and "oom" is a request that failed; the other actions are the allocator's own.  A device has a
memory of its own, so only the device with the most actions is read.  The tag is the call site.  A
snapshot has no lines: they are counted as the actions of the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.traces.calls import allocation, release
from glassheap.traces.source import Cache, Details, Operation, Source
from glassheap.traces.trace import LARGEST_SIZE, TraceError, file_error

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER = "action of the allocator itself ({}), ignored"
UNKNOWN = "action that is not known, ignored"
GARBLED = "garbled action, skipped"
OTHER_DEVICE = "action of another device than {}, skipped"
REQUESTS = {"alloc", "free_completed", "oom"}
KNOWN = {
    *("free_requested", "segment_alloc", "segment_free", "segment_map", "segment_unmap"),
    *("snapshot", "user_defined"),
}
MICROSECOND = 1000


def operations_of(source: Source, snapshot: object) -> Iterator[Operation]:
    """The operations of the busiest device.  Raises `TraceError` if there is no history."""
    traces = snapshot.get("device_traces") if isinstance(snapshot, dict) else None
    if not isinstance(traces, list) or not all(isinstance(trace, list) for trace in traces):
        raise no_history(source)
    sites = Cache(details_of)
    device = max(range(len(traces)), key=lambda index: len(traces[index]), default=0)
    if not traces or not traces[device]:
        raise no_history(source)
    note_other_devices(source, traces, device)
    for number, action in enumerate(traces[device], 1):
        try:
            operation = read_action(source, number, action, sites)
        except (ValueError, KeyError, TypeError):
            source.notes.add(GARBLED, number)
            continue
        if operation is not None:
            yield operation


def no_history(source: Source) -> TraceError:
    """The error for a file that is no snapshot, or was made without recording."""
    message = (
        "has no history of allocations; expected a PyTorch memory snapshot with 'device_traces': "
        "call torch.cuda.memory._record_memory_history() before the program's work"
    )
    return file_error(source.name, message)


def note_other_devices(source: Source, traces: list[list[object]], device: int) -> None:
    """Count the actions that are not read."""
    for index, trace in enumerate(traces):
        if index != device:
            for number in range(len(trace)):
                source.notes.add(OTHER_DEVICE.format(device), number + 1)


def read_action(
    source: Source, number: int, action: dict[str, object], sites: Cache[str, Details]
) -> Operation | None:
    """The operation of an action.  Raises ValueError, KeyError or TypeError for a broken one."""
    name = action["action"]
    if name in REQUESTS:
        block = 0 if name == "oom" else whole(action["addr"])
        size = 0 if name == "free_completed" else whole(action["size"])
        time = whole(action["time_us"]) * MICROSECOND if "time_us" in action else None
        details = sites[call_site(action.get("frames"))]
        if name == "free_completed":
            return release(number, block, details, time)
        return allocation(number, block, size, details, time)
    source.notes.add(OTHER.format(name) if name in KNOWN else UNKNOWN, number)
    return None


def details_of(site: str) -> Details:
    """The call site as a tag."""
    return Details(tag=site)


def call_site(frames: object) -> str:
    """The innermost frame of Python code, or of any code; "" if there is none."""
    if not isinstance(frames, list):
        return ""
    chosen = None
    for frame in frames:
        if not isinstance(frame, dict):
            continue
        if str(frame.get("filename", "")).endswith(".py"):
            chosen = frame
            break
        if chosen is None:
            chosen = frame
    return "" if chosen is None else site_of(chosen)


def site_of(frame: dict[str, object]) -> str:
    """File, line and function."""
    return f"{frame.get('filename', '?')}:{frame.get('line', '?')} {frame.get('name', '?')}"


def whole(value: object) -> int:
    """A whole number below 2**64.  Raises ValueError for any other value."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_SIZE:
        raise ValueError
    return value
