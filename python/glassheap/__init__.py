"""A real heap in a glass box: allocate in memory you own, and see every byte of how.

    heap = glassheap.Heap(4096)
    p = heap.malloc(100)
    heap.view(p)[:5] = b"hello"
    heap.show()
    heap.free(p)

`Heap` is a heap over one region of memory; `OffsetHeap` one over memory that must not be touched;
`SharedHeap` one that processes use at once, `SharedOffsetHeap` both. `alloc`
returns a `Block`, which frees itself. `policies()` describes the ways to place a block, and `sweep`
compares them on recorded programs. Every error
is a `HeapError`; each misuse and each kind of damage has a class of its own.

Sizes, alignments and addresses are in bytes. n is the number of blocks, where a docstring gives a
time.
"""

# The import is light: pictures, replays, and everything else that needs more of the standard
# library is imported when it is first used. Nor do this module, errors and methods import
# __future__, which would be a twentieth of the time.

from glassheap import _core, errors, methods
from glassheap._core import (
    Block,
    Heap,
    OffsetHeap,
    SharedHeap,
    SharedOffsetHeap,
    __version__,
    policies,
)
from glassheap.errors import (
    AttachError,
    AttachTimeout,
    BadImage,
    BadMagic,
    DoubleFree,
    ForeignPointer,
    FreeListCorrupted,
    HeaderCorrupted,
    HeapClosed,
    HeapCorrupted,
    HeapDamaged,
    HeapError,
    InteriorPointer,
    InvalidAlignment,
    InvalidPointer,
    InvalidSize,
    LockTimeout,
    MisalignedPointer,
    MustMove,
    OutOfMemory,
    OverflowDetected,
    RegionInUse,
    StaleHandle,
    TooManyProcesses,
    TooManyReferences,
    WriteAfterFree,
)

TYPE_CHECKING = False  # not typing's: that module alone takes longer to import than this package
if TYPE_CHECKING:
    from glassheap import grading as grading
    from glassheap import numpy as numpy
    from glassheap import prometheus as prometheus
    from glassheap import replay as replay
    from glassheap import traces as traces
    from glassheap.owners import Diagnosis, TaggedBlock, TagUsage
    from glassheap.placement import Policy
    from glassheap.recording import record as record
    from glassheap.records import BlockInfo, Eviction, Finding, FreeBlock, OwnedBlock, PolicyInfo
    from glassheap.report import Report
    from glassheap.statistics import HeapStats
    from glassheap.sweeping import sweep as sweep

_LATER = {
    "BlockInfo": "glassheap.records",
    "Diagnosis": "glassheap.owners",
    "Eviction": "glassheap.records",
    "Finding": "glassheap.records",
    "FreeBlock": "glassheap.records",
    "HeapStats": "glassheap.statistics",
    "OwnedBlock": "glassheap.records",
    "Policy": "glassheap.placement",
    "PolicyInfo": "glassheap.records",
    "Report": "glassheap.report",
    "TagUsage": "glassheap.owners",
    "TaggedBlock": "glassheap.owners",
    "record": "glassheap.recording",
    "sweep": "glassheap.sweeping",
}

# Modules of this package. numpy and prometheus import what they are named after.
_MODULES = ("grading", "numpy", "prometheus", "replay", "traces")

__all__ = [
    "AttachError",
    "AttachTimeout",
    "BadImage",
    "BadMagic",
    "Block",
    "BlockInfo",
    "Diagnosis",
    "DoubleFree",
    "Eviction",
    "Finding",
    "ForeignPointer",
    "FreeBlock",
    "FreeListCorrupted",
    "HeaderCorrupted",
    "Heap",
    "HeapClosed",
    "HeapCorrupted",
    "HeapDamaged",
    "HeapError",
    "HeapStats",
    "InteriorPointer",
    "InvalidAlignment",
    "InvalidPointer",
    "InvalidSize",
    "LockTimeout",
    "MisalignedPointer",
    "MustMove",
    "OffsetHeap",
    "OutOfMemory",
    "OverflowDetected",
    "OwnedBlock",
    "Policy",
    "PolicyInfo",
    "RegionInUse",
    "Report",
    "SharedHeap",
    "SharedOffsetHeap",
    "StaleHandle",
    "TagUsage",
    "TaggedBlock",
    "TooManyProcesses",
    "TooManyReferences",
    "WriteAfterFree",
    "__version__",
    "policies",
    "record",
    "sweep",
]


def __getattr__(name: str) -> object:
    """Import the name when it is first used: typing and dataclasses are slow to import."""
    if name not in _LATER and name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"glassheap.{name}")
    globals()[name] = getattr(import_module(_LATER[name]), name)
    return globals()[name]


def __dir__() -> list[str]:
    """The names that exist, also those that are imported later: for help() and completion."""
    return sorted(globals().keys() | _LATER.keys())


def _find_record(name: str) -> object:
    """The record type of that name, for the C++ code that makes its instances."""
    return globals().get(name) or __getattr__(name)


_core._register(
    {name: it for name, it in vars(errors).items() if isinstance(it, type)}, _find_record
)
methods.install()
