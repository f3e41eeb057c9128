"""A PyTorch memory snapshot, as `torch.cuda.memory._dump_snapshot(FILE)` pickles it.

The pickle is read by `plain_pickle`, which cannot run anything.  `snapshot` has the contents.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glassheap.traces import snapshot
from glassheap.traces.trace import file_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.traces.source import Operation, Source

FORMAT = "PyTorch snapshot"
EXAMPLE = "a PyTorch memory snapshot"
ADDRESSES = True

LOOKS_LIKE = re.compile(rb"\A\x80[\x02-\x05]")


def operations(source: Source) -> Iterator[Operation]:
    """The operations of the snapshot; `TraceError` if it is broken or holds more than values."""
    from glassheap.traces import plain_pickle

    try:
        value = plain_pickle.load(source.whole())
    except plain_pickle.PickleError as error:
        message = f"is a pickle that {error}; expected the plain values of a PyTorch snapshot"
        raise file_error(source.name, message) from None
    return snapshot.operations_of(source, value)
