"""The CS107 allocator script: operations without a header.

    # sorting a list
    a 0 64
    r 0 128
    f 0

Comments and blank lines are allowed anywhere, ids may be sparse, a size may be 0, and a block need
not be freed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glassheap.traces import letters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.traces.source import Operation, Source

FORMAT = "CS107 script"
EXAMPLE = "a CS107 script ('a 0 64', 'f 0')"
ADDRESSES = False
LOOKS_LIKE = re.compile(rb"^[ \t]*[arf][a-z]*[ \t]+-?[0-9]", re.MULTILINE)


def operations(source: Source) -> Iterator[Operation]:
    """The operations of the script; `TraceError` at the first line that is not one."""
    return letters.operations(source, source.lines(), 1)
