"""A PyTorch memory snapshot as JSON.  `snapshot` has the contents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glassheap.traces import snapshot
from glassheap.traces.trace import file_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.traces.source import Operation, Source

FORMAT = "PyTorch snapshot (JSON)"
EXAMPLE = "a PyTorch memory snapshot in JSON"
ADDRESSES = True

LOOKS_LIKE = re.compile(rb'\A\s*\{\s*"(?:device_traces|segments|allocator_settings)"\s*:')


def operations(source: Source) -> Iterator[Operation]:
    """The operations of the snapshot; `TraceError` if it is broken."""
    import json

    try:
        value = json.loads(source.whole())
    except (ValueError, RecursionError) as error:
        why = f"{error}".partition(": line")[0] or "nested too deeply"
        raise file_error(source.name, f"is broken JSON ({why}); expected a whole one") from None
    return snapshot.operations_of(source, value)
