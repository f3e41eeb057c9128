"""The exceptions: what each is also an instance of, and that they travel with their figures."""

from __future__ import annotations

import copy
import mmap
import pickle
from typing import TYPE_CHECKING

import pytest

import glassheap
from fault_fixture import PreparedHeap, prepared_heap
from heap_probes import assert_sentences, overwrite

if TYPE_CHECKING:
    from collections.abc import Callable

BASES = {
    glassheap.HeapError: (Exception,),
    glassheap.OutOfMemory: (glassheap.HeapError, MemoryError),
    glassheap.InvalidSize: (glassheap.HeapError, ValueError),
    glassheap.InvalidAlignment: (glassheap.HeapError, ValueError),
    glassheap.MustMove: (glassheap.HeapError, ValueError),
    glassheap.RegionInUse: (glassheap.HeapError, BufferError),
    glassheap.InvalidPointer: (glassheap.HeapError, ValueError),
    glassheap.ForeignPointer: (glassheap.InvalidPointer,),
    glassheap.MisalignedPointer: (glassheap.InvalidPointer,),
    glassheap.InteriorPointer: (glassheap.InvalidPointer,),
    glassheap.DoubleFree: (glassheap.InvalidPointer,),
    glassheap.StaleHandle: (glassheap.InvalidPointer,),
    glassheap.HeapCorrupted: (glassheap.HeapError, RuntimeError),
    glassheap.BadMagic: (glassheap.HeapCorrupted,),
    glassheap.HeaderCorrupted: (glassheap.HeapCorrupted,),
    glassheap.FreeListCorrupted: (glassheap.HeapCorrupted,),
    glassheap.OverflowDetected: (glassheap.HeapCorrupted,),
    glassheap.WriteAfterFree: (glassheap.HeapCorrupted,),
    glassheap.HeapDamaged: (glassheap.HeapError, RuntimeError),
    glassheap.HeapClosed: (glassheap.HeapError, ValueError),
    glassheap.AttachError: (glassheap.HeapError, OSError),
    glassheap.BadImage: (glassheap.AttachError,),
    glassheap.AttachTimeout: (glassheap.AttachError,),
    glassheap.TooManyProcesses: (glassheap.AttachError,),
    glassheap.TooManyReferences: (glassheap.HeapError, MemoryError),
    glassheap.LockTimeout: (glassheap.HeapError, TimeoutError),
}


@pytest.mark.parametrize(("error", "bases"), BASES.items(), ids=str)
def test_an_exception_is_also_what_a_python_user_would_catch(
    error: type[Exception], bases: tuple[type[Exception], ...]
) -> None:
    assert error.__bases__ == bases


def test_every_public_exception_is_in_the_table() -> None:
    public = {getattr(glassheap, name) for name in glassheap.__all__}
    errors = {it for it in public if isinstance(it, type) and issubclass(it, BaseException)}
    assert errors == set(BASES)
    assert {it for it in vars(glassheap.errors).values() if isinstance(it, type)} == errors


def overwriting(block: str, at: int) -> Callable[[PreparedHeap], None]:
    """A function that writes over a part of the header or node of this block."""
    return lambda b: overwrite(b.heap, b.offset(getattr(b, block)) + at, b"XXXX")


DAMAGE = {
    "BadMagic": overwriting("second", 8),
    "HeaderCorrupted": overwriting("second", 0),
    "FreeListCorrupted": overwriting("freed", 0),
}


def use_all(prepared: PreparedHeap) -> None:
    prepared.heap.malloc(8)
    prepared.heap.free(prepared.second)


def attach(content: bytes) -> None:
    page = mmap.mmap(-1, 1 << 20)
    page[:] = content * (len(page) // len(content))
    glassheap.SharedHeap.attach(buffer=page, timeout=0)


def find_damage(prepared: PreparedHeap) -> None:
    DAMAGE["BadMagic"](prepared)
    assert len(prepared.heap.check()) == 1


def close(prepared: PreparedHeap) -> None:
    prepared.heap.close()


def used_after(change: Callable[[PreparedHeap], None]) -> Callable[[PreparedHeap], None]:
    def use(prepared: PreparedHeap) -> None:
        change(prepared)
        use_all(prepared)

    return use


RAISING: dict[str, Callable[[PreparedHeap], object]] = {
    "OutOfMemory": lambda b: b.heap.malloc(2**200),
    "InvalidSize": lambda b: b.heap.malloc(-1),
    "InvalidAlignment": lambda b: b.heap.malloc(1, align=3),
    "ForeignPointer": lambda b: b.heap.free(2**200),
    "MisalignedPointer": lambda b: b.heap.free(b.first + 1),
    "InteriorPointer": lambda b: b.heap.free(b.first + 16),
    "DoubleFree": lambda b: b.heap.free(b.freed),
    "StaleHandle": lambda b: b.stale.free(),
    **{name: used_after(write) for name, write in DAMAGE.items()},
    "HeapDamaged": used_after(find_damage),
    "HeapClosed": used_after(close),
    "BadImage": lambda _: attach(b"no heap!"),
    "AttachTimeout": lambda _: attach(bytes(8)),
}
TRAVELS = [lambda thing: pickle.loads(pickle.dumps(thing)), copy.copy, copy.deepcopy]


@pytest.mark.parametrize("travel", TRAVELS)
@pytest.mark.parametrize("name", RAISING)
def test_an_exception_has_one_sentence_and_travels_with_its_figures(
    name: str, travel: Callable[[Exception], Exception]
) -> None:
    """From a worker process, say. Its heap stays behind."""
    with pytest.raises(glassheap.HeapError) as caught:
        RAISING[name](prepared_heap())
    error = caught.value
    assert type(error).__name__ == name
    assert len(error.args) == 1
    assert_sentences(str(error))
    arrived = travel(error)
    assert type(arrived) is type(error)
    figures = {name: value for name, value in vars(error).items() if name != "heap"}
    travelled = {name: value for name, value in vars(arrived).items() if name != "_diagnosis"}
    assert (arrived.args, travelled) == (error.args, figures)


@pytest.mark.parametrize("travel", TRAVELS)
@pytest.mark.parametrize("name", DAMAGE)
def test_a_finding_reads_as_the_exception_does_and_travels_with_its_culprit(
    name: str, travel: Callable[[glassheap.Finding], glassheap.Finding]
) -> None:
    prepared = prepared_heap()
    DAMAGE[name](prepared)
    with pytest.raises(glassheap.HeapCorrupted) as caught:
        use_all(prepared)
    (finding,) = prepared.heap.check()
    assert finding.fault == caught.type.__name__ == name
    assert str(finding).startswith(str(caught.value))
    assert_sentences(str(finding))
    arrived = travel(finding)
    assert type(arrived) is glassheap.Finding
    assert arrived.culprit is not None
    assert (arrived, arrived.culprit) == (finding, finding.culprit)
    assert str(arrived) == str(finding)


def test_a_finding_keeps_its_sentence_when_the_heap_changes() -> None:
    prepared = prepared_heap()
    overwrite(prepared.heap, prepared.offset(prepared.first), b"XXXX")
    (finding,) = prepared.heap.check()
    text = str(finding)
    prepared.heap.reset()
    prepared.heap.close()
    assert str(finding) == text


def test_a_finding_made_by_hand_is_printed_as_its_fields() -> None:
    finding = glassheap.Finding("BadMagic", "magic", 4032, 7, 9)
    assert str(finding) == repr(finding)
    assert finding.culprit is None


def test_an_alignment_of_thousands_of_digits_need_not_be_printed() -> None:
    with pytest.raises(glassheap.InvalidAlignment, match=r"the one given is not\."):
        glassheap.Heap(4096).malloc(1, align=10**5000)
